//! A counter that remembers every stream there ever was.

use crate::toys::Counting;
use bytes::Bytes;
use peerwork_core::identity::PeerId;
use peerwork_core::machine::Machine;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::{FromSwarm, InboundProtocol, Protocol, StreamKey, ToSwarm};
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use peerwork_tests::compliance::protocol::ProtocolSubject;
use peerwork_tests::toy::CommandId;
use peerwork_tests::toy::counter::{Count, Counted, Counter};

pub(crate) struct Leaking;

impl ProtocolSubject for Leaking {
    type Protocol = Leaky;
    type Id = CommandId;

    fn name(&self) -> String {
        "leaky counter".to_owned()
    }

    fn build(&self, case: u64, now: Instant) -> Leaky {
        Leaky { inner: Counting.build(case, now), streams: Vec::new() }
    }

    fn command(&self, number: u64, peers: &[PeerId], draw: &mut Seed) -> Option<Count> {
        Counting.command(number, peers, draw)
    }

    fn reply(&self, protocol: &ProtocolId, message: &Bytes) -> Option<Bytes> {
        Counting.reply(protocol, message)
    }
}

pub(crate) struct Leaky {
    inner: Counter,
    streams: Vec<(StreamKey, PeerId)>,
}

impl Protocol for Leaky {
    type Command = Count;
    type Event = Counted;

    fn inbound(&self) -> Vec<InboundProtocol> {
        self.inner.inbound()
    }
}

impl Machine for Leaky {
    type Input = FromSwarm<Count>;
    type Output = ToSwarm<Counted>;

    fn handle_input(&mut self, input: FromSwarm<Count>, now: Instant) {
        if let FromSwarm::StreamOpened { stream, peer, .. } = &input {
            self.streams.push((*stream, *peer));
        }
        self.inner.handle_input(input, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<ToSwarm<Counted>> {
        self.inner.poll_output()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.inner.poll_timeout()
    }
}
