//! Why bytes are not a key.

use super::rsa::{MAX_RSA_BITS, MIN_RSA_BITS};
use super::{DerError, KeyType};
use crate::wire::protobuf::ProtobufError;

/// Why bytes are not a key. Blame: whoever sent them, or the key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// There are no bytes.
    #[error("it is empty; expected a libp2p key in protobuf form")]
    Empty,
    /// It is in a form of another kind, which other programs use.
    #[error("it is {format}; expected a libp2p key in binary protobuf form")]
    OtherFormat {
        /// What it looks like.
        format: &'static str,
    },
    /// It is not the protobuf of a key.
    #[error("it is not a libp2p key in protobuf form: {0}")]
    Protobuf(#[from] ProtobufError),
    /// The protobuf of a key lacks a field.
    #[error("the key's protobuf has no {field}")]
    MissingField {
        /// The field's name.
        field: &'static str,
    },
    /// A key of a type that does not exist.
    #[error("there is no key type {0}; the types are 0 (RSA), 1 (Ed25519), 2 (secp256k1) and 3 (ECDSA)")]
    UnknownType(u64),
    /// The key's bytes are too few or too many.
    #[error("{what} has {expected} bytes, not {found}")]
    WrongLength {
        /// Which key.
        what: &'static str,
        /// How many bytes are right.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The DER within the protobuf, which RSA and ECDSA keys have, is malformed.
    #[error("the DER of the key is malformed: {0}")]
    Der(#[from] DerError),
    /// The DER holds a key of another algorithm than the type of the key says.
    #[error("the DER does not hold an {0} key, although the type of the key says so")]
    WrongAlgorithm(KeyType),
    /// An ECDSA key is on another curve than P-256.
    #[error("the ECDSA key is on the curve {curve}; only P-256 is supported")]
    UnsupportedCurve {
        /// The curve's name.
        curve: &'static str,
    },
    /// The public key is not a point of the curve, or one of the few under which anybody can sign.
    #[error("the public key is not a safe point of the {0} curve")]
    BadPoint(KeyType),
    /// A private key is zero, or not below the order of the curve.
    #[error("the private key is not in the range of the {0} curve")]
    ScalarOutOfRange(KeyType),
    /// The modulus of an RSA key is shorter than [`MIN_RSA_BITS`] or longer than [`MAX_RSA_BITS`].
    #[error("the RSA key has {bits} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are allowed")]
    RsaSize {
        /// How many bits the modulus has.
        bits: usize,
    },
    /// The modulus of an RSA key is even, so it is not a product of two large primes.
    #[error("the modulus of the RSA key is even")]
    EvenRsaModulus,
    /// The public exponent of an RSA key is even, below 3 or above 2^31 - 1.
    #[error("the public exponent of the RSA key is not an odd number from 3 to 2^31 - 1; 65537 is usual")]
    BadRsaExponent,
    /// The private and the public half of a key do not belong together: the public key stored with a private one is another one's, or
    /// the numbers of an RSA key do not fit each other.
    #[error("the private and the public half of the key do not belong together")]
    HalvesDiffer,
    /// A public key is not encoded in the one way from which its peer id is computed.
    #[error("the public key is not in the deterministic encoding")]
    NotDeterministic,
}
