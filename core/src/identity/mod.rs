//! Who a node is: key pairs, public keys and peer ids.
//!
//! A node is known by its [`PeerId`], a short hash of its [`PublicKey`]; it proves who it is by signing with
//! the private half of its [`Keypair`]. All three have one binary form that every libp2p implementation shares,
//! and a peer id has a text form:
//!
//! ```
//! use peerwork_core::identity::{Keypair, PeerId};
//!
//! let keypair = Keypair::ed25519_from_secret(&[7; 32]);
//! let peer = keypair.public().to_peer_id();
//! assert_eq!(peer.to_string().parse(), Ok(peer));
//!
//! // What a key file holds, and what comes back out of it.
//! let file = keypair.to_protobuf();
//! assert_eq!(Keypair::from_protobuf(&file)?.public(), keypair.public());
//! # Ok::<(), peerwork_core::identity::InvalidKey>(())
//! ```
//!
//! There are four types of keys. Ed25519 is the one that every implementation must support, and the one to use. secp256k1 and ECDSA on
//! P-256 are complete too; their signatures are deterministic (RFC 6979). RSA keys of 2,048 to 8,192 bits, which old nodes have, are read
//! and their signatures verified; whether they can sign is up to the [crypto provider](crate::crypto).
//!
//! What a peer says of itself can be signed: a [`SignedPeerRecord`] tells where it can be reached, in an [`Envelope`] that proves who said
//! so. A [`PeerInfo`] is the same without proof.
//!
//! ```
//! use peerwork_core::crypto::Portable;
//! use peerwork_core::identity::{Keypair, SignedPeerRecord};
//!
//! let keypair = Keypair::ed25519_from_secret(&[7; 32]);
//! let address = peerwork_core::address::parse("/ip4/192.0.2.1/tcp/4001")?;
//! let signed = SignedPeerRecord::sign(&keypair, 1, [address], &Portable)?;
//!
//! let read = SignedPeerRecord::from_bytes(signed.as_bytes().clone(), &Portable)?;
//! assert_eq!(read.record().peer, keypair.public().to_peer_id());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base36;
mod codec;
pub(crate) mod der;
mod ecdsa;
mod envelope;
mod invalid_key;
mod keypair;
mod peer_id;
mod peer_info;
mod peer_record;
mod public_key;
mod rsa;
mod secret_key;
#[cfg(test)]
pub(crate) mod testing;

pub use codec::KeyType;
pub use der::DerError;
pub use envelope::{Envelope, EnvelopePurpose, InvalidEnvelope, MAX_ENVELOPE_BYTES};
pub use invalid_key::InvalidKey;
pub use keypair::Keypair;
pub use peer_id::{InvalidPeerId, PeerId};
pub use peer_info::{InvalidPeerInfo, MAX_PEER_ADDRESSES, PeerInfo};
pub use peer_record::{InvalidPeerRecord, PEER_RECORD, PeerRecord, ROUTING_STATE_RECORD, SignedPeerRecord};
pub use public_key::PublicKey;
pub use rsa::{MAX_RSA_BITS, MIN_RSA_BITS, RsaPublicKey};
pub use secret_key::SecretKey;

#[cfg(test)]
mod tests;
