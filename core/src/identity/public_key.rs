//! Public keys.

use super::codec::{decode_key, encode_key};
use super::{InvalidKey, KeyType, PeerId};
use data_encoding::HEXLOWER;
use ed25519_dalek::VerifyingKey;
use std::fmt;

/// A public identity key.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// Ed25519: the compressed point, which [`PublicKey::from_protobuf`] has checked to be one.
    Ed25519([u8; 32]),
}

impl PublicKey {
    /// The type of the key.
    pub fn key_type(&self) -> KeyType {
        match self {
            Self::Ed25519(_) => KeyType::Ed25519,
        }
    }

    /// The protobuf form, deterministic: the bytes that peers exchange and from which the peer id is computed.
    pub fn to_protobuf(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(point) => encode_key(KeyType::Ed25519, point),
        }
    }

    /// Parses the protobuf form.
    ///
    /// Only the deterministic encoding is accepted, so that a key has one form and one peer id: the result's
    /// [`PublicKey::to_protobuf`] is `bytes` again. All known implementations write it.
    ///
    /// # Errors
    /// The bytes are not a public key of a supported type, or encoded in another way: see [`InvalidKey`].
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let key = match decode_key(bytes)? {
            (KeyType::Ed25519, data) => Self::ed25519(data)?,
            (other, _) => return Err(InvalidKey::UnsupportedType(other)),
        };
        if key.to_protobuf() == bytes { Ok(key) } else { Err(InvalidKey::NotDeterministic) }
    }

    /// The peer id of this key.
    pub fn to_peer_id(&self) -> PeerId {
        PeerId::from_public_key(self)
    }

    fn ed25519(data: &[u8]) -> Result<Self, InvalidKey> {
        let point: [u8; 32] = data.try_into().map_err(|_| InvalidKey::WrongLength {
            what: "an Ed25519 public key",
            expected: 32,
            found: data.len(),
        })?;
        match VerifyingKey::from_bytes(&point) {
            Ok(key) if !key.is_weak() => Ok(Self::Ed25519(point)),
            _ => Err(InvalidKey::BadPoint(KeyType::Ed25519)),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Ed25519(point) = self;
        write!(f, "PublicKey({} {})", self.key_type(), HEXLOWER.encode(point))
    }
}
