//! libp2p as sans-IO state machines.
pub mod address;
pub mod connection;
pub mod crypto;
pub mod identity;
pub mod machine;
pub mod muxer;
pub mod negotiation;
pub mod protocols;
pub mod security;
pub mod seed;
pub mod time;
pub mod wire;
