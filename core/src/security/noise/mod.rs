//! noise: the security protocol of today's libp2p networks, `Noise_XX_25519_ChaChaPoly_SHA256`.
//!
//! The dialer is the initiator. Every message and frame is `u16 big-endian length | body`, of at most 65,535 bytes.
//!
//! ```text
//! 1  dialer    e                    an ephemeral key, in the clear
//! 2  listener  e, ee, s, es         its own, then its static key and a payload, encrypted
//! 3  dialer    s, se                its static key and a payload, encrypted
//!    data                           ChaCha20-Poly1305 ciphertext | tag of 16 bytes
//!
//! payload { 1: identity key, 2: signature of the static key, 4: { 2: muxers } }
//! ```
//!
//! - **The identity** is bound to the handshake by a signature of `noise-libp2p-static-key:` and the static key. It is verified before
//!   the identity is compared with the expected one, and before the dialer tells its own.
//! - **Ephemeral keys** are drawn for each handshake and gone after it, so what was said stays secret whatever becomes of other keys. The
//!   static key, which only authenticates, is the node's for as long as it runs, and is signed once. Points of low order are refused:
//!   with one, the remote would decide what the keys are.
//! - **The muxer** is agreed on in the payloads: it is the first of the dialer's that the listener has too, which both sides work
//!   out alike. Where a side announces none, or none that the other has, there is no muxer yet and multistream-select comes next.
//!   js, as the dialer, takes the first of the listener's that it has instead: with it, have several muxers in the same order.
//! - **A payload in message 1** is not encrypted and proves nothing. The specification keeps it empty; what a peer puts there all the
//!   same is hashed, as any part of a handshake, and otherwise ignored, as go does.
//! - **Unknown fields** of a payload are ignored: other extensions use them.
//! - **A bad frame** is the end of the channel, so that nothing depends on which frames the two sides have counted since.
//! - **Frames are numbered** from 0 to 2^64 - 2 in each direction, and no further: a number must never be used twice with one key.

mod channel;
mod codec;
mod handshake;
mod pattern;
mod symmetric;
#[cfg(test)]
mod tests;

use super::{Handshake, HandshakeSetup, SecurityProtocol};
use crate::crypto::CryptoProvider;
use crate::identity::Keypair;
use crate::negotiation::ProtocolId;
use crate::seed::Seed;
use crate::time::Instant;
use handshake::StaticKey;
use std::fmt;
use std::sync::Arc;

/// The name of the protocol.
pub const ID: ProtocolId = ProtocolId::from_static("/noise");

/// noise. There is nothing to configure. See the [module documentation](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Noise;

impl SecurityProtocol for Noise {
    fn id(&self) -> ProtocolId {
        ID
    }

    /// Makes the static key and signs it.
    fn prepare(
        &self,
        keypair: &Keypair,
        crypto: &Arc<dyn CryptoProvider>,
        seed: &mut Seed,
    ) -> Option<Arc<dyn SecurityProtocol>> {
        // Where it cannot be made, each handshake says so.
        let static_key = StaticKey::draw(&**crypto, keypair, seed).ok()?;
        Some(Arc::new(Prepared(Arc::new(static_key))))
    }

    fn start(&self, mut setup: HandshakeSetup, _now: Instant) -> Box<dyn Handshake> {
        let static_key = StaticKey::draw(&*setup.crypto, &setup.keypair, &mut setup.seed);
        Box::new(handshake::start(setup, static_key.map(Arc::new)))
    }
}

/// noise with the static key of a node.
struct Prepared(Arc<StaticKey>);

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Noise.fmt(f)
    }
}

impl SecurityProtocol for Prepared {
    fn id(&self) -> ProtocolId {
        ID
    }

    fn start(&self, setup: HandshakeSetup, _now: Instant) -> Box<dyn Handshake> {
        Box::new(handshake::start(setup, Ok(Arc::clone(&self.0))))
    }
}
