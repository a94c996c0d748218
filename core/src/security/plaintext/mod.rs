//! plaintext 2.0.0: identities are told, not proven, and nothing is encrypted. For tests only.
//!
//! Each side sends one message at once, and then raw bytes:
//!
//! ```text
//! varint length | Exchange { 1: peer id, 2: public key }
//! ```
//!
//! Whoever can touch the connection can be anybody. What is checked is only that the peer id is that of the key, that it is the
//! expected one, and that it is not our own.

#[cfg(test)]
mod tests;

use super::stepwise::{Progress, Step, Stepwise};
use super::{
    Channel, ChannelError, Handshake, HandshakeSetup, MAX_HANDSHAKE_MESSAGE_BYTES, Opened, Secured,
    SecurityError, SecurityProtocol, check_peer,
};
use crate::identity::{PeerId, PublicKey};
use crate::negotiation::ProtocolId;
use crate::time::Instant;
use crate::wire::protobuf::{Reader, Writer};
use crate::wire::{FrameError, frame};
use bytes::BytesMut;

/// The name of the protocol.
pub const ID: ProtocolId = ProtocolId::from_static("/plaintext/2.0.0");

/// plaintext 2.0.0. See the [module documentation](self).
#[derive(Debug, Clone, Copy, Default)]
pub struct Plaintext;

impl SecurityProtocol for Plaintext {
    fn id(&self) -> ProtocolId {
        ID
    }

    fn start(&self, setup: HandshakeSetup, _now: Instant) -> Box<dyn Handshake> {
        let mut transmit = BytesMut::new();
        frame::encode(&encode_exchange(setup.keypair.public()), &mut transmit);
        Box::new(Stepwise::new(AwaitExchange { setup }, transmit))
    }
}

/// The remote has yet to say who it is.
struct AwaitExchange {
    setup: HandshakeSetup,
}

impl Step for AwaitExchange {
    fn awaits(&self) -> &'static str {
        "its Exchange message"
    }

    fn advance(self, input: &mut BytesMut, _: &mut BytesMut) -> Result<Progress<Self>, SecurityError> {
        let message = frame::split(input, MAX_HANDSHAKE_MESSAGE_BYTES).map_err(|error| match error {
            FrameError::BadLength => SecurityError::Malformed("the length is not a minimal varint"),
            FrameError::TooLarge { len, max } => SecurityError::TooLarge { len, max: max as u64 },
        })?;
        let Some(message) = message else {
            return Ok(Progress::NeedMore(self));
        };
        let (peer, public_key) = decode_exchange(&message)?;
        check_peer(peer, self.setup.keypair.public(), self.setup.expected_peer)?;
        let channel = Box::new(RawChannel);
        Ok(Progress::Done(Secured { peer, public_key, channel, muxer: None, plain: BytesMut::new() }))
    }
}

fn encode_exchange(key: &PublicKey) -> BytesMut {
    let mut message = BytesMut::new();
    let mut writer = Writer::new(&mut message);
    writer.bytes(1, &key.to_peer_id().to_bytes());
    writer.bytes(2, &key.to_protobuf());
    message
}

fn decode_exchange(message: &[u8]) -> Result<(PeerId, PublicKey), SecurityError> {
    let (mut id, mut key) = (None, None);
    for field in Reader::new(message) {
        match field? {
            (1, value) => id = Some(value.as_bytes("id")?),
            (2, value) => key = Some(value.as_bytes("pubkey")?),
            _ => {}
        }
    }
    let id = id.ok_or(SecurityError::Malformed("the Exchange has no peer id"))?;
    let key = key.ok_or(SecurityError::Malformed("the Exchange has no public key"))?;
    let key = PublicKey::from_protobuf(key)?;
    let peer = key.to_peer_id();
    if id != peer.to_bytes() {
        return Err(SecurityError::NotAuthentic("the peer id is not that of the public key"));
    }
    Ok((peer, key))
}

/// Hands everything through.
struct RawChannel;

impl Channel for RawChannel {
    fn headroom(&self) -> usize {
        0
    }

    fn tailroom(&self) -> usize {
        0
    }

    fn max_plaintext(&self) -> usize {
        usize::MAX
    }

    fn seal(&mut self, _out: &mut BytesMut, _frame_start: usize) -> Result<(), ChannelError> {
        Ok(())
    }

    fn open(&mut self, input: &mut BytesMut) -> Result<Opened, ChannelError> {
        Ok(if input.is_empty() { Opened::NeedMore } else { Opened::Plain(input.split()) })
    }
}
