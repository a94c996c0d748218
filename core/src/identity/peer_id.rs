//! Peer ids.

use super::PublicKey;
use multihash::Multihash;

/// A peer id: the multihash of a public key. `Copy`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(Multihash<42>);

/// Bytes or text that are not a peer id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a peer id: {0}")]
pub struct InvalidPeerId(pub &'static str);

impl PeerId {
    /// The id of a public key.
    pub fn from_public_key(key: &PublicKey) -> Self {
        let encoded = key.to_protobuf();
        Self(Multihash::wrap(0, &encoded).expect("an Ed25519 key fits"))
    }

    /// Parses the binary form.
    ///
    /// # Errors
    /// The bytes are not a multihash that a peer id can be.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPeerId> {
        Multihash::from_bytes(bytes).map(Self).map_err(|_| InvalidPeerId("not a multihash"))
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }
}

impl std::fmt::Display for PeerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&bs58::encode(self.to_bytes()).into_string())
    }
}

impl std::fmt::Debug for PeerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PeerId({self})")
    }
}
