//! Public keys.

use super::PeerId;

/// A public identity key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PublicKey {
    /// Ed25519: the compressed point.
    Ed25519([u8; 32]),
}

/// Bytes that are not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a key: {0}")]
pub struct InvalidKey(pub &'static str);

impl PublicKey {
    /// The protobuf form, deterministic.
    pub fn to_protobuf(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(point) => [&[8, 1, 0x12, 32], point.as_slice()].concat(),
        }
    }

    /// Parses the protobuf form.
    ///
    /// # Errors
    /// The bytes are not a public key of a type that we know.
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let point = bytes.strip_prefix(&[8, 1, 0x12, 32]).ok_or(InvalidKey("not Ed25519"))?;
        point.try_into().map(Self::Ed25519).map_err(|_| InvalidKey("not 32 bytes"))
    }

    /// The peer id of this key.
    pub fn to_peer_id(&self) -> PeerId {
        PeerId::from_public_key(self)
    }
}
