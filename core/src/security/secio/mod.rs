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
//! go and py send the nonce as a frame of its own; to js and rust it is the first 16 bytes of a stream, cut into frames anywhere. Both
//! are understood, and ours is a frame of its own, which all of them understand.
//!
//! - **Who wins** where the preferences differ is decided by comparing `sha256(remote key | own nonce)` with
//!   `sha256(own key | remote nonce)`, which the two sides see in opposite order.
//! - **The signature** covers `own Propose | remote Propose | own ephemeral point`, each exactly as it was sent.
//! - **The shared secret** is the X coordinate of the agreed point. Implementations disagree on how wide it is: see [`SecretWidth`].
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

/// How wide the shared secret is that keys are derived from. Two sides that differ fail when its first byte is zero: the first
/// encrypted frame is [not authentic](crate::security::ChannelError::NotAuthentic), on both sides. Dialling again helps.
///
/// That is one handshake in 256 with P-256 and P-384, and one in two with P-521, whose secrets begin with 7 bits that are
/// always zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecretWidth {
    /// As wide as the curve's field: js and rust have it so, and TLS and every later protocol of libp2p. The default: with those two
    /// no handshake fails, with go and py, whose first choice is P-256, one in 256; and what is hashed has the same length for
    /// every secret, so no time that it takes tells anything about one.
    #[default]
    Full,
    /// Without its leading zero bytes: go and py have it so. For networks of such peers.
    Stripped,
}

impl SecretWidth {
    /// What of `secret`, which is as wide as the field, keys are derived from.
    fn cut(self, secret: &[u8]) -> &[u8] {
        match self {
            Self::Full => secret,
            Self::Stripped => &secret[secret.iter().take_while(|byte| **byte == 0).count()..],
        }
    }
}

/// The configuration of secio: what to offer, most wanted first. See the [module documentation](self).
///
/// An empty list has nothing in common with any peer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secio {
    /// Curves for the key agreement. X25519 is not offered: secio has no name for it.
    pub curves: Vec<Curve>,
    /// Ciphers for the data.
    pub ciphers: Vec<Cipher>,
    /// Hash functions for deriving keys and authenticating frames.
    pub hashes: Vec<Hash>,
    /// How wide the shared secret is. Both sides must have it alike.
    pub secret_width: SecretWidth,
    /// The largest encrypted frame that is accepted, without its length of 4 bytes. A larger one ends the connection as soon as its
    /// length is read. As much as this is buffered for a peer that has proven its identity.
    pub max_frame_bytes: u32,
}

impl Default for Secio {
    /// Everything that is implemented, in the order of preference of go and js; secrets at full width.
    fn default() -> Self {
        Self {
            curves: vec![Curve::P256, Curve::P384, Curve::P521],
            ciphers: vec![Cipher::Aes256Ctr, Cipher::Aes128Ctr],
            hashes: vec![Hash::Sha256, Hash::Sha512],
            secret_width: SecretWidth::default(),
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
