//! Private keys.

use super::codec::encode_key;
use super::{InvalidKey, KeyType, PublicKey, ecdsa, rsa};
use ed25519_dalek::SigningKey;
use k256::elliptic_curve::sec1::ToSec1Point;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A private key, as a crypto provider needs it to sign. Wiped from memory on drop, and never shown by `Debug`.
///
/// [`Keypair::from_secret`](super::Keypair::from_secret) checks it; within a [`Keypair`](super::Keypair) it is valid.
pub enum SecretKey {
    /// Ed25519: what RFC 8032 calls the private key, from which the scalar is computed. Any bytes are valid. It signs the message itself.
    Ed25519(Zeroizing<[u8; 32]>),
    /// ECDSA on secp256k1: the scalar, big-endian, neither zero nor above the curve's order. It signs the SHA-256 of the message, with the
    /// nonce of RFC 6979 and the lower of the two values of S, in DER.
    Secp256k1(Zeroizing<[u8; 32]>),
    /// ECDSA on P-256: the scalar, big-endian, neither zero nor above the curve's order. It signs the SHA-256 of the message, with the nonce
    /// of RFC 6979, in DER.
    Ecdsa(Zeroizing<[u8; 32]>),
    /// RSA: an RSAPrivateKey (PKCS#1) in DER with two primes, all of whose numbers fit each other. It signs the SHA-256 of the message with
    /// the padding of PKCS#1 v1.5.
    Rsa(Zeroizing<Vec<u8>>),
}

impl SecretKey {
    /// The type of the key.
    pub fn key_type(&self) -> KeyType {
        match self {
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::Secp256k1(_) => KeyType::Secp256k1,
            Self::Ecdsa(_) => KeyType::Ecdsa,
            Self::Rsa(_) => KeyType::Rsa,
        }
    }

    /// Checks the key and computes its public half.
    pub(super) fn public(&self) -> Result<PublicKey, InvalidKey> {
        match self {
            Self::Ed25519(secret) => {
                Ok(PublicKey::Ed25519(SigningKey::from_bytes(secret).verifying_key().to_bytes()))
            }
            Self::Secp256k1(scalar) => {
                let key = k256::SecretKey::from_slice(scalar.as_slice())
                    .map_err(|_| InvalidKey::ScalarOutOfRange(KeyType::Secp256k1))?;
                let point = key.public_key().to_sec1_point(true);
                Ok(PublicKey::Secp256k1(
                    point.as_bytes().try_into().expect("a compressed point has 33 bytes"),
                ))
            }
            Self::Ecdsa(scalar) => Ok(PublicKey::Ecdsa(Arc::new(ecdsa::public_point(scalar)?))),
            Self::Rsa(der) => Ok(PublicKey::Rsa(Arc::new(rsa::public_of_private(der)?))),
        }
    }

    /// Reads the bytes of a key of this type, and the public key if one is stored with it.
    pub(super) fn decode(key_type: KeyType, data: &[u8]) -> Result<(Self, Option<PublicKey>), InvalidKey> {
        match key_type {
            KeyType::Ed25519 => decode_ed25519(data),
            KeyType::Secp256k1 => {
                let scalar = data.try_into().map_err(|_| InvalidKey::WrongLength {
                    what: "a secp256k1 private key",
                    expected: 32,
                    found: data.len(),
                })?;
                Ok((Self::Secp256k1(Zeroizing::new(scalar)), None))
            }
            KeyType::Ecdsa => {
                let (scalar, point) = ecdsa::decode_private(data)?;
                Ok((Self::Ecdsa(scalar), point.map(|point| PublicKey::Ecdsa(Arc::new(point)))))
            }
            KeyType::Rsa => Ok((Self::Rsa(Zeroizing::new(data.to_vec())), None)),
        }
    }

    /// The protobuf form.
    pub(super) fn to_protobuf(&self) -> Zeroizing<Vec<u8>> {
        let encode = |data: &[u8]| Zeroizing::new(encode_key(self.key_type(), data));
        match self {
            Self::Ed25519(secret) => {
                let pair = Zeroizing::new(SigningKey::from_bytes(secret).to_keypair_bytes());
                encode(pair.as_slice())
            }
            Self::Secp256k1(scalar) => encode(scalar.as_slice()),
            Self::Ecdsa(scalar) => encode(&ecdsa::encode_private(scalar, ecdsa::public_point(scalar).ok())),
            Self::Rsa(der) => encode(der),
        }
    }
}

/// The secret, then the public key once, or twice as old implementations wrote it.
fn decode_ed25519(data: &[u8]) -> Result<(SecretKey, Option<PublicKey>), InvalidKey> {
    let wrong_length = InvalidKey::WrongLength {
        what: "an Ed25519 private key (the secret, then the public key)",
        expected: 64,
        found: data.len(),
    };
    let (secret, copies) = data.split_first_chunk().ok_or(wrong_length)?;
    let (point, second) = copies.split_first_chunk::<32>().ok_or(wrong_length)?;
    if second.is_empty() || second == point {
        Ok((SecretKey::Ed25519(Zeroizing::new(*secret)), Some(PublicKey::Ed25519(*point))))
    } else if second.len() == point.len() {
        Err(InvalidKey::HalvesDiffer)
    } else {
        Err(wrong_length)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({} ..)", self.key_type())
    }
}
