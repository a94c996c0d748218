//! `/motd/1.0.0`: ask a peer for its message of the day.

use bytes::Bytes;
use peerwork_core::connection::Framing;
use peerwork_core::identity::PeerId;
use peerwork_core::machine::Machine;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::{
    FromSwarm, InboundProtocol, Protocol, RequestId, StreamKey, StreamOptions, Target, ToSwarm,
};
use peerwork_core::time::Instant;
use std::collections::{BTreeMap, VecDeque};

const ID: ProtocolId = ProtocolId::from_static("/motd/1.0.0");
const STREAM: StreamOptions = StreamOptions::messages(Framing::LengthPrefixed { max_bytes: 1024 });

/// Tells its message to whoever asks, and asks others on command.
#[derive(Debug, Default)]
pub struct Motd {
    message: Bytes,
    asked: BTreeMap<StreamKey, RequestId>,
    outputs: VecDeque<ToSwarm<Answer>>,
}

/// The outcome of a command: what the peer said, if it did.
pub type Answer = (RequestId, Option<Bytes>);

impl Motd {
    /// Tells `message`.
    pub fn new(message: &'static str) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

impl Machine for Motd {
    type Input = FromSwarm<(RequestId, PeerId)>;
    type Output = ToSwarm<Answer>;

    fn handle_input(&mut self, input: Self::Input, _now: Instant) {
        let mut end = |stream, said| self.asked.remove(&stream).map(|id| ToSwarm::Event((id, said)));
        let output = match input {
            // The user wants to know what a peer says. One message is welcome.
            FromSwarm::Command((request, peer)) => {
                Some(ToSwarm::open(request, Target::Peer(peer), ID, STREAM.with_credit(1)))
            }
            FromSwarm::StreamOpened { stream, request: Some(request), .. } => {
                self.asked.insert(stream, request);
                Some(ToSwarm::Close { stream })
            }
            FromSwarm::Message { stream, message, .. } => end(stream, Some(message)),
            FromSwarm::StreamClosed { stream, .. } => end(stream, None),
            FromSwarm::OpenFailed { request, .. } => Some(ToSwarm::Event((request, None))),
            // A peer wants to know what we say.
            FromSwarm::StreamOpened { stream, request: None, .. } => {
                self.outputs.push_back(ToSwarm::Send { stream, message: self.message.clone() });
                Some(ToSwarm::Close { stream })
            }
            _ => None,
        };
        self.outputs.extend(output);
    }

    fn poll_output(&mut self) -> Option<Self::Output> {
        self.outputs.pop_front()
    }
}

impl Protocol for Motd {
    type Command = (RequestId, PeerId);
    type Event = Answer;

    fn inbound(&self) -> Vec<InboundProtocol> {
        vec![InboundProtocol { id: ID, options: STREAM }]
    }
}
