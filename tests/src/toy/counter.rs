//! A toy protocol of messages, `/toy-counter/1.0.0`: the opener sends numbers, the acceptor answers each with its successor.
//!
//! Messages are length-prefixed. Either side grants one message of credit for each that it has dealt with; what the swarm
//! refuses to send is sent again when it says so. Whoever has sent everything closes.

use super::{CommandId, Failure};
use bytes::Bytes;
use peerwork_core::connection::Framing;
use peerwork_core::identity::PeerId;
use peerwork_core::machine::Machine;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::{
    FromSwarm, InboundProtocol, Protocol, RequestId, StreamKey, StreamOptions, Target, ToSwarm,
};
use peerwork_core::time::Instant;
use smallvec::smallvec;
use std::collections::{BTreeMap, VecDeque};

/// The name of the protocol.
pub const ID: ProtocolId = ProtocolId::from_static("/toy-counter/1.0.0");

const OPTIONS: StreamOptions = StreamOptions {
    framing: Framing::LengthPrefixed { max_bytes: 1024 },
    credit: 4,
    keep_alive: true,
    lazy: false,
};

/// Count together with `peer`, so many steps. Answered by one [`Counted`] with this id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Comes back in the answer.
    pub id: CommandId,
    /// With whom.
    pub peer: PeerId,
    /// How many numbers to send; at least one is.
    pub steps: u64,
}

/// The outcome of [`Count`]: the last answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Which command.
    pub id: CommandId,
    /// The last answer, which is the number of steps.
    pub result: Result<u64, Failure>,
}

/// The protocol. See the [module documentation](self).
#[derive(Debug, Default)]
pub struct Counter {
    requests: BTreeMap<RequestId, Count>,
    streams: BTreeMap<StreamKey, Stream>,
    outputs: VecDeque<ToSwarm<Counted>>,
}

#[derive(Debug)]
struct Stream {
    /// The command, if we opened the stream, and the last answer.
    count: Option<(Count, u64)>,
    /// To be sent again. As much as one command, or the credit, allows.
    refused: VecDeque<Bytes>,
    remote_closed: bool,
}

impl Counter {
    /// Whether every command has had its outcome, and no stream is left.
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.streams.is_empty() && self.outputs.is_empty()
    }

    fn send(&mut self, stream: StreamKey, number: u64) {
        let message = Bytes::from([number; 8].map(u64::to_be_bytes).concat());
        self.outputs.push_back(ToSwarm::Send { stream, message });
    }

    fn opened(&mut self, stream: StreamKey, request: Option<RequestId>) {
        let count = request.and_then(|request| self.requests.remove(&request));
        let steps = count.as_ref().map_or(0, |count| count.steps.max(1));
        let count = count.map(|count| (count, 0));
        self.streams.insert(stream, Stream { count, refused: VecDeque::new(), remote_closed: false });
        (0..steps).for_each(|number| self.send(stream, number));
    }

    fn message(&mut self, stream: StreamKey, message: &Bytes) {
        let number = message.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        match self.streams.get_mut(&stream) {
            Some(Stream { count: Some((count, answer)), .. }) => {
                *answer = number;
                if number >= count.steps {
                    self.outputs.push_back(ToSwarm::Close { stream });
                }
            }
            _ => self.send(stream, number.saturating_add(1)),
        }
        self.outputs.push_back(ToSwarm::Grant { stream, messages: 1 });
    }

    /// Sends what was refused, and closes behind it if the remote has. What is refused again comes back again.
    fn resume(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(&key) else { return };
        let again = stream.refused.drain(..).map(|message| ToSwarm::Send { stream: key, message });
        self.outputs.extend(again);
        self.outputs.extend(stream.remote_closed.then_some(ToSwarm::Close { stream: key }));
    }

    fn finish(&mut self, id: CommandId, result: Result<u64, Failure>) {
        self.outputs.push_back(ToSwarm::Event(Counted { id, result }));
    }
}

impl Protocol for Counter {
    type Command = Count;
    type Event = Counted;

    fn inbound(&self) -> Vec<InboundProtocol> {
        vec![InboundProtocol { id: ID, options: OPTIONS }]
    }
}

impl Machine for Counter {
    type Input = FromSwarm<Count>;
    type Output = ToSwarm<Counted>;

    fn handle_input(&mut self, input: FromSwarm<Count>, _now: Instant) {
        match input {
            FromSwarm::Command(count) => {
                let (request, target) = (RequestId(count.id.0), Target::Peer(count.peer));
                let (protocols, options) = (smallvec![ID], OPTIONS);
                self.requests.insert(request, count);
                self.outputs.push_back(ToSwarm::OpenStream { request, target, protocols, options });
            }
            FromSwarm::OpenFailed { request, error } => {
                if let Some(count) = self.requests.remove(&request) {
                    self.finish(count.id, Err(Failure::NotOpened(error)));
                }
            }
            FromSwarm::StreamOpened { stream, request, .. } => self.opened(stream, request),
            FromSwarm::Message { stream, message, .. } => self.message(stream, &message),
            FromSwarm::Blocked { stream, message } => {
                self.streams
                    .get_mut(&stream)
                    .into_iter()
                    .for_each(|it| it.refused.push_back(message.clone()));
            }
            FromSwarm::Writable { stream } => self.resume(stream),
            FromSwarm::RemoteClosed { stream } => {
                if let Some(state) = self.streams.get_mut(&stream) {
                    state.remote_closed = true;
                    self.outputs.push_back(ToSwarm::Close { stream });
                }
            }
            FromSwarm::StreamClosed { stream, cause } => {
                if let Some(Stream { count: Some((count, answer)), .. }) = self.streams.remove(&stream) {
                    let done = answer >= count.steps;
                    self.finish(count.id, if done { Ok(answer) } else { Err(Failure::Closed(cause)) });
                }
            }
            FromSwarm::Local(_)
            | FromSwarm::Connected { .. }
            | FromSwarm::Disconnected { .. }
            | FromSwarm::FindPeer { .. }
            | FromSwarm::StopFinding { .. }
            | FromSwarm::Identified { .. }
            | FromSwarm::Dialed { .. }
            | FromSwarm::DialFailed { .. } => {}
        }
    }

    fn poll_output(&mut self) -> Option<ToSwarm<Counted>> {
        self.outputs.pop_front()
    }
}
