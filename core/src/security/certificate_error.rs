//! What can be wrong with a peer's certificate.

use crate::identity::{DerError, InvalidKey};

/// Why a peer's TLS certificate is refused. Blame: the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The peer presents no certificate.
    #[error("there is none, and both sides must present one")]
    Missing,
    /// The peer presents a chain of certificates.
    #[error("there are {0} of them, and there must be exactly one")]
    NotAlone(usize),
    /// It is not an X.509 certificate in DER, or bytes follow it.
    #[error("it is not an X.509 certificate in DER")]
    Malformed,
    /// It has the field issuerUniqueID or subjectUniqueID.
    #[error("it has a field for a unique id, which must be absent")]
    UniqueId,
    /// Its validity has yet to begin.
    #[error("it is valid from {0} on only; one of the two clocks is wrong")]
    NotYetValid(String),
    /// Its validity is over.
    #[error("it was valid until {0}; unless our clock is wrong, the peer must make a new one")]
    Expired(String),
    /// It has an extension that is marked as critical and not known here.
    #[error("it has the critical extension {0}, and only libp2p's is known here")]
    CriticalExtension(String),
    /// It lacks libp2p's extension, which tells who the peer is.
    #[error("it lacks libp2p's extension, 1.3.6.1.4.1.53594.1.1")]
    NoExtension,
    /// It has libp2p's extension more than once.
    #[error("it has libp2p's extension more than once")]
    RepeatedExtension,
    /// libp2p's extension is not a sequence of a public key and a signature.
    #[error("in libp2p's extension: {0}")]
    BadExtension(DerError),
    /// The identity key in libp2p's extension cannot be used.
    #[error("in the identity key of libp2p's extension: {0}")]
    IdentityKey(InvalidKey),
    /// The identity key in libp2p's extension did not sign the certificate's key.
    #[error("the signature in libp2p's extension is not the identity key's over the certificate's key")]
    IdentitySignature,
    /// The certificate's own key cannot be used.
    #[error("in its own key: {0}")]
    Key(InvalidKey),
    /// The certificate's own key is of a type that is not supported.
    #[error("its own key has the algorithm {0}; ECDSA on P-256 or P-384, Ed25519 and RSA are supported")]
    UnsupportedKey(String),
    /// It is signed in a way that is not supported.
    #[error(
        "it is signed by the algorithm {0}; supported are ECDSA on P-256 with SHA-256 and on P-384 with SHA-384, Ed25519, \
         and RSA by PKCS#1 v1.5 with SHA-256"
    )]
    UnsupportedSignature(String),
    /// It is not signed with its own key.
    #[error("it is not signed with its own key")]
    SelfSignature,
}
