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
//! Keys are Ed25519, the one type that every implementation must support. Of the other types, ids can be
//! handled, and keys are refused by name ([`InvalidKey::UnsupportedType`]).

mod base36;
mod codec;
mod keypair;
mod peer_id;
mod public_key;

pub use codec::{InvalidKey, KeyType};
pub use keypair::Keypair;
pub use peer_id::{InvalidPeerId, PeerId};
pub use public_key::PublicKey;

#[cfg(test)]
mod tests;
