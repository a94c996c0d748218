//! Addresses: the `multiaddr` crate's type, let in from peers through a guard.

pub use multiaddr::Multiaddr;
