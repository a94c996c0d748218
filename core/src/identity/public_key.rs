//! Public keys.

use super::codec::{decode_key, encode_key};
use super::{InvalidKey, KeyType, PeerId, RsaPublicKey, ecdsa};
use ed25519_dalek::VerifyingKey;
use std::fmt;
use std::sync::Arc;

/// A public identity key. What [`PublicKey::from_protobuf`] lets in is valid as described.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// Ed25519: a compressed point, under which not just anybody can sign.
    Ed25519([u8; 32]),
    /// ECDSA on secp256k1: a compressed point (0x02 or 0x03, X).
    Secp256k1([u8; 33]),
    /// ECDSA on P-256: an uncompressed point (0x04, X, Y).
    Ecdsa(Arc<[u8; 65]>),
    /// RSA: modulus and exponent.
    Rsa(Arc<RsaPublicKey>),
}

impl PublicKey {
    /// The type of the key.
    pub fn key_type(&self) -> KeyType {
        match self {
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::Secp256k1(_) => KeyType::Secp256k1,
            Self::Ecdsa(_) => KeyType::Ecdsa,
            Self::Rsa(_) => KeyType::Rsa,
        }
    }

    /// The protobuf form, deterministic: the bytes that peers exchange and from which the peer id is computed.
    pub fn to_protobuf(&self) -> Vec<u8> {
        let encode = |data: &[u8]| encode_key(self.key_type(), data);
        match self {
            Self::Ed25519(point) => encode(point),
            Self::Secp256k1(point) => encode(point),
            Self::Ecdsa(point) => encode(&ecdsa::encode_public(point)),
            Self::Rsa(key) => encode(&key.to_der()),
        }
    }

    /// Parses the protobuf form.
    ///
    /// Only the deterministic encoding is accepted, so that a key has one form and one peer id: the result's
    /// [`PublicKey::to_protobuf`] is `bytes` again. All known implementations write it.
    ///
    /// # Errors
    /// The bytes are not a public key, or encoded in another way: see [`InvalidKey`].
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, InvalidKey> {
        Self::decode(bytes, Self::ed25519)
    }

    /// As [`PublicKey::from_protobuf`], for a key that is to have signed something: `None` if `verify` says that it has not.
    ///
    /// Verifying finds out once more whether an Ed25519 key is a valid point ([`CryptoProvider::verify`] is strict), so that is looked at
    /// only where the signature is wrong.
    ///
    /// [`CryptoProvider::verify`]: crate::crypto::CryptoProvider::verify
    ///
    /// # Errors
    /// Those of [`PublicKey::from_protobuf`].
    pub(crate) fn of_signer(
        bytes: &[u8],
        verify: impl FnOnce(&Self) -> bool,
    ) -> Result<Option<Self>, InvalidKey> {
        let unchecked = |data: &[u8]| point("an Ed25519 public key", data).map(Self::Ed25519);
        let key = Self::decode(bytes, unchecked)?;
        if verify(&key) { Ok(Some(key)) } else { Self::from_protobuf(bytes).map(|_| None) }
    }

    fn decode(
        bytes: &[u8],
        ed25519: impl FnOnce(&[u8]) -> Result<Self, InvalidKey>,
    ) -> Result<Self, InvalidKey> {
        let key = match decode_key(bytes)? {
            (KeyType::Ed25519, data) => ed25519(data)?,
            (KeyType::Secp256k1, data) => Self::secp256k1(data)?,
            (KeyType::Ecdsa, data) => Self::ecdsa(data)?,
            (KeyType::Rsa, data) => Self::Rsa(Arc::new(RsaPublicKey::from_der(data)?)),
        };
        if key.to_protobuf() == bytes { Ok(key) } else { Err(InvalidKey::NotDeterministic) }
    }

    /// The peer id of this key.
    pub fn to_peer_id(&self) -> PeerId {
        PeerId::from_public_key(self)
    }

    /// An ECDSA key on P-256 out of its SubjectPublicKeyInfo in DER.
    pub(crate) fn ecdsa(data: &[u8]) -> Result<Self, InvalidKey> {
        ecdsa::decode_public(data).map(|point| Self::Ecdsa(Arc::new(point)))
    }

    /// An Ed25519 key out of its point.
    pub(crate) fn ed25519(data: &[u8]) -> Result<Self, InvalidKey> {
        let point = point("an Ed25519 public key", data)?;
        match VerifyingKey::from_bytes(&point) {
            Ok(key) if !key.is_weak() => Ok(Self::Ed25519(point)),
            _ => Err(InvalidKey::BadPoint(KeyType::Ed25519)),
        }
    }

    fn secp256k1(data: &[u8]) -> Result<Self, InvalidKey> {
        let point = point("a secp256k1 public key (compressed)", data)?;
        // The crate also reads a form without the sign of Y, which begins with 5 and would give a key two peer ids.
        match (point[0], k256::PublicKey::from_sec1_bytes(&point)) {
            (2 | 3, Ok(_)) => Ok(Self::Secp256k1(point)),
            _ => Err(InvalidKey::BadPoint(KeyType::Secp256k1)),
        }
    }
}

fn point<const N: usize>(what: &'static str, data: &[u8]) -> Result<[u8; N], InvalidKey> {
    data.try_into().map_err(|_| InvalidKey::WrongLength { what, expected: N, found: data.len() })
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} of {})", self.key_type(), self.to_peer_id())
    }
}
