//! Cryptography behind a trait, chosen in the configuration.
//!
//! - [`Portable`] is pure Rust and runs on any target.
//! - `Fast` (feature `aws-lc`) does with aws-lc what that does faster. It needs a C compiler to build.
//! - `Insecure` (feature `insecure`) protects nothing. It is for fuzzing.
//!
//! [`default_provider`] says which one is used where none is configured. `Portable` and `Fast` differ in speed and in which
//! keys they sign with, never in results: private keys are drawn from the [`Seed`](crate::seed::Seed) outside and imported,
//! and signatures are deterministic, so a run replays with either.

#[cfg(feature = "aws-lc")]
mod fast;
#[cfg(any(test, feature = "insecure"))]
mod insecure;
mod portable;
#[cfg(test)]
pub(crate) mod tests;

#[cfg(feature = "aws-lc")]
pub use fast::Fast;
#[cfg(any(test, feature = "insecure"))]
pub use insecure::Insecure;
pub use portable::Portable;

use crate::identity::{Keypair, PublicKey};
use std::fmt;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// Everything that the protocols need from cryptography.
pub trait CryptoProvider: fmt::Debug + Send + Sync + 'static {
    /// The provider's name, for logs.
    fn name(&self) -> &'static str;

    /// Signs with an identity key, in the form that libp2p defines for the key's type.
    ///
    /// # Errors
    /// The provider does not sign with keys of this type.
    fn sign(&self, key: &Keypair, message: &[u8]) -> Result<Vec<u8>, UnsupportedKey>;

    /// Whether `signature` over `message` was made by the holder of `key`. Strict: under an Ed25519 key that is no point of the curve, or one
    /// of low order, nothing is signed.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool;

    /// Makes an ephemeral key out of a private scalar, as wide as the curve's field.
    ///
    /// # Errors
    /// The scalar has another length, is zero or is not below the curve's order, or the provider does not have the curve.
    fn ephemeral_key(&self, curve: Curve, scalar: &[u8]) -> Result<Box<dyn EphemeralKey>, InvalidScalar>;

    /// A stream cipher at the start of its key stream.
    ///
    /// # Panics
    /// `key` is not [`Cipher::key_bytes`] long. Keys are derived at that length, never received.
    fn cipher(&self, cipher: Cipher, key: &[u8], iv: &[u8; 16]) -> Box<dyn StreamCipher>;

    /// An authenticated cipher.
    ///
    /// # Panics
    /// `key` is not [`AeadCipher::key_bytes`] long. Keys are derived at that length, never received.
    fn aead(&self, cipher: AeadCipher, key: &[u8]) -> Box<dyn Aead>;

    /// A keyed hash. `key` may have any length.
    fn hmac(&self, hash: Hash, key: &[u8]) -> Box<dyn Hmac>;

    /// The hash of the parts, one after the other.
    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Tag;
}

/// The provider that is used where none is configured: `Fast` with the feature `aws-lc`, [`Portable`] without.
pub fn default_provider() -> Arc<dyn CryptoProvider> {
    #[cfg(feature = "aws-lc")]
    return Arc::new(Fast);
    #[cfg(not(feature = "aws-lc"))]
    return Arc::new(Portable);
}

/// An elliptic curve for key agreement, and how its points and numbers are written.
///
/// NIST's curves have uncompressed points (0x04, X, Y), and numbers are big-endian; the shared secret is the X coordinate. With X25519, as
/// RFC 7748 has it, a point is its u coordinate, numbers are little-endian, and any 32 bytes are a private scalar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// Curve25519.
    X25519,
}

impl Curve {
    /// The width of a coordinate, a scalar and a shared secret.
    pub const fn field_bytes(self) -> usize {
        self.scalar_bits().div_ceil(8)
    }

    /// How many random bits make a private scalar: all numbers of as many bits are one, or nearly all.
    pub const fn scalar_bits(self) -> usize {
        match self {
            Self::P256 | Self::X25519 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }

    /// Whether `point` has the form of the curve's points. NIST's curves have others too, which are not used here: compressed
    /// and hybrid points and the point at infinity.
    fn has_form_of(self, point: &[u8]) -> bool {
        match self {
            Self::P256 | Self::P384 | Self::P521 => {
                point.len() == 1 + 2 * self.field_bytes() && point[0] == 4
            }
            Self::X25519 => point.len() == self.field_bytes(),
        }
    }
}

/// A private key for key agreement.
pub trait EphemeralKey: Send + Sync {
    /// The public point.
    fn public_point(&self) -> &[u8];

    /// The shared secret, as wide as the curve's field.
    ///
    /// # Errors
    /// `point` does not have the form of the curve's points, is not on it, or leads to the same secret whoever agrees with it:
    /// X25519's points of low order.
    fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, InvalidPoint>;
}

/// A symmetric cipher, always in counter mode with a 128-bit big-endian counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cipher {
    /// AES with a key of 16 bytes.
    Aes128Ctr,
    /// AES with a key of 32 bytes.
    Aes256Ctr,
}

impl Cipher {
    /// The length of its key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Ctr => 16,
            Self::Aes256Ctr => 32,
        }
    }
}

/// A running key stream.
pub trait StreamCipher: Send {
    /// Combines the next bytes of the key stream with `data`.
    fn apply(&mut self, data: &mut [u8]);
}

/// A cipher that authenticates what it encrypts, with nonces of 12 bytes and tags of 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AeadCipher {
    /// ChaCha20-Poly1305 of RFC 8439, with a key of 32 bytes.
    ChaCha20Poly1305,
    /// AES-GCM with a key of 16 bytes.
    Aes128Gcm,
    /// AES-GCM with a key of 32 bytes.
    Aes256Gcm,
}

impl AeadCipher {
    /// The length of its key.
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::ChaCha20Poly1305 | Self::Aes256Gcm => 32,
        }
    }
}

/// The length of an authenticated cipher's nonce.
pub const NONCE_BYTES: usize = 12;

/// The length of an authenticated cipher's tag.
pub const TAG_BYTES: usize = 16;

/// An authenticated cipher with its key set. It is the caller's duty never to seal twice with the same nonce.
pub trait Aead: Send + Sync {
    /// Encrypts `data` in place and returns the tag over it and `associated`.
    fn seal(&self, nonce: &[u8; NONCE_BYTES], associated: &[u8], data: &mut [u8]) -> [u8; TAG_BYTES];

    /// Decrypts `data` in place if `tag` holds for it and `associated`. False, and `data` is of no use, if it does not.
    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool;
}

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hash {
    /// SHA2-256.
    Sha256,
    /// SHA2-512.
    Sha512,
}

impl Hash {
    /// The length of its output.
    pub const fn output_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// A keyed hash with its key set.
pub trait Hmac: Send + Sync {
    /// The code of the parts, one after the other.
    fn sign(&self, parts: &[&[u8]]) -> Tag;

    /// Whether `tag` is the whole code of the parts. Takes the same time whatever `tag` holds.
    fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool;
}

/// The output of a hash function. Secret when it is key material: its holder then erases it.
#[derive(Clone, Copy, PartialEq, Eq, Zeroize)]
pub struct Tag {
    bytes: [u8; 64],
    len: u8,
}

impl Tag {
    /// Keeps a copy of `output`, whose bytes past the 64th are cut off.
    pub fn new(output: &[u8]) -> Self {
        let len = output.len().min(64);
        let mut bytes = [0; 64];
        bytes[..len].copy_from_slice(&output[..len]);
        Self { bytes, len: len as u8 }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// The provider does not sign with keys of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {provider} crypto provider does not sign with {key_type} keys")]
pub struct UnsupportedKey {
    /// Which provider.
    pub provider: &'static str,
    /// Which type of key.
    pub key_type: &'static str,
}

/// A private scalar is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the private scalar is out of the curve's range")]
pub struct InvalidScalar;

/// A public point is malformed, not on the curve or of low order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the public point is not one of the curve's")]
pub struct InvalidPoint;
