//! Certificates: X.509 around libp2p's extension, which binds an identity to the key that the certificate is for.
//!
//! ```text
//! extension 1.3.6.1.4.1.53594.1.1 = SEQUENCE { OCTET STRING identity key, OCTET STRING signature }
//! signature                       = by the identity key, over "libp2p-tls-handshake:" and the certificate's SubjectPublicKeyInfo
//! ```
//!
//! Everything else that a certificate says is of no meaning here, but must be in order.

mod check;
mod key;
mod make;

pub(super) use check::{check, parse};
pub(super) use key::{CertificateKey, SCHEMES};
pub(super) use make::make;

/// The number of libp2p's extension.
pub(super) const EXTENSION_ID: &[u64] = &[1, 3, 6, 1, 4, 1, 53594, 1, 1];

/// What the identity key signs: this, and the SubjectPublicKeyInfo of the certificate's key.
pub(super) const SIGNED_PREFIX: &[u8] = b"libp2p-tls-handshake:";
