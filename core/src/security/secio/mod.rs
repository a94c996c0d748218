//! secio 1.0.0: the security protocol of libp2p until 2020, for peers that speak nothing newer.
//!
//! It is symmetric: both sides send at the same time and then read. Every message is `u32 big-endian length | body`.
//!
//! ```text
//! Propose    { nonce, public key, lists of curves, ciphers and hashes }   in the clear
//! Exchange   { ephemeral public point, signature }                        in the clear
//! the remote's nonce, 16 bytes                                            encrypted
//! data                                                                    encrypted
//! ```
//!
//! - **Who wins** where the preferences differ is decided by comparing `sha256(remote key | own nonce)` with
//!   `sha256(own key | remote nonce)`, which the two sides see in opposite order.
//! - **The signature** covers `own Propose | remote Propose | own ephemeral point`, each exactly as it was sent.
//! - **The shared secret** is the X coordinate of the agreed point at the full width of the curve's field, as js and rust have it. go
//!   drops leading zero bytes, so one handshake with go in 256 ends with a first frame that is not authentic; dialling again helps.
//! - **An encrypted frame** is `length | AES-CTR ciphertext | HMAC of the ciphertext`. The code does not cover the frame's place.
//!   Whoever repeats, drops or moves whole frames is not noticed here; but the key stream runs on from frame to frame, so from there
//!   on the plaintext is noise, which the muxer will not take for frames.
//!
//! The identity that a Propose claims is compared with the expected one at once, before it is proven: a handshake with the wrong
//! peer ends before any costly work.

mod channel;
mod codec;
mod handshake;
mod keys;
#[cfg(test)]
mod tests;

use super::{Handshake, HandshakeSetup, SecurityProtocol};
use crate::crypto::{Cipher, Curve, Hash};
use crate::negotiation::ProtocolId;
use crate::time::Instant;

/// The name of the protocol.
pub const ID: ProtocolId = ProtocolId::from_static("/secio/1.0.0");

/// The default of [`Secio::max_frame_bytes`]: what go and rust accept.
pub const DEFAULT_MAX_FRAME_BYTES: u32 = 0x80_0000;

/// The configuration of secio: what to offer, most wanted first. See the [module documentation](self).
///
/// An empty list has nothing in common with any peer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secio {
    /// Curves for the key agreement.
    pub curves: Vec<Curve>,
    /// Ciphers for the data.
    pub ciphers: Vec<Cipher>,
    /// Hash functions for deriving keys and authenticating frames.
    pub hashes: Vec<Hash>,
    /// The largest encrypted frame that is accepted, without its length of 4 bytes. A larger one ends the connection as soon as its
    /// length is read. As much as this is buffered for a peer that has proven its identity.
    pub max_frame_bytes: u32,
}

impl Default for Secio {
    /// Everything that is implemented, in the order of preference of go and js.
    fn default() -> Self {
        Self {
            curves: vec![Curve::P256],
            ciphers: vec![Cipher::Aes256Ctr, Cipher::Aes128Ctr],
            hashes: vec![Hash::Sha256, Hash::Sha512],
            max_frame_bytes: DEFAULT_MAX_FRAME_BYTES,
        }
    }
}

impl SecurityProtocol for Secio {
    fn id(&self) -> ProtocolId {
        ID
    }

    fn start(&self, setup: HandshakeSetup, _now: Instant) -> Box<dyn Handshake> {
        Box::new(handshake::start(self, setup))
    }
}
