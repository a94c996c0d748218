//! Who a node is: key pairs, public keys and peer ids.

mod keypair;
mod peer_id;
mod public_key;

pub use keypair::Keypair;
pub use peer_id::{InvalidPeerId, PeerId};
pub use public_key::{InvalidKey, PublicKey};
