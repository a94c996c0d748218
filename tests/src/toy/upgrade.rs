//! A toy protocol that turns a stream of messages into raw bytes, `/toy-upgrade/1.0.0`.
//!
//! Each side sends one message at once. Whoever has the other's hands the stream to the application, whose bytes may follow
//! right behind its own message: so there must be no credit for a second one, and nothing may be read too far.

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
pub const ID: ProtocolId = ProtocolId::from_static("/toy-upgrade/1.0.0");

const OPTIONS: StreamOptions = StreamOptions {
    framing: Framing::LengthPrefixed { max_bytes: 64 },
    credit: 1,
    keep_alive: true,
    lazy: false,
};

/// Open a raw stream to `peer`. Answered by one [`Upgraded`] with this id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// Comes back in the answer.
    pub id: CommandId,
    /// To whom.
    pub peer: PeerId,
}

/// The outcome of [`Upgrade`]: the stream, which is the application's now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// Which command.
    pub id: CommandId,
    /// The stream.
    pub result: Result<StreamKey, Failure>,
}

/// The protocol. See the [module documentation](self).
#[derive(Debug, Default)]
pub struct Upgrader {
    requests: BTreeMap<RequestId, CommandId>,
    /// Streams whose first message has not come, and the command for which we opened them.
    streams: BTreeMap<StreamKey, Option<CommandId>>,
    outputs: VecDeque<ToSwarm<Upgraded>>,
}

impl Upgrader {
    /// Whether every command has had its outcome, and no stream is left.
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.streams.is_empty() && self.outputs.is_empty()
    }

    fn finish(&mut self, id: Option<CommandId>, result: Result<StreamKey, Failure>) {
        self.outputs.extend(id.map(|id| ToSwarm::Event(Upgraded { id, result })));
    }
}

impl Protocol for Upgrader {
    type Command = Upgrade;
    type Event = Upgraded;

    fn inbound(&self) -> Vec<InboundProtocol> {
        vec![InboundProtocol { id: ID, options: OPTIONS }]
    }
}

impl Machine for Upgrader {
    type Input = FromSwarm<Upgrade>;
    type Output = ToSwarm<Upgraded>;

    fn handle_input(&mut self, input: FromSwarm<Upgrade>, _now: Instant) {
        match input {
            FromSwarm::Command(Upgrade { id, peer }) => {
                let (request, target) = (RequestId(id.0), Target::Peer(peer));
                let (protocols, options) = (smallvec![ID], OPTIONS);
                self.requests.insert(request, id);
                self.outputs.push_back(ToSwarm::OpenStream { request, target, protocols, options });
            }
            FromSwarm::OpenFailed { request, error } => {
                let id = self.requests.remove(&request);
                self.finish(id, Err(Failure::NotOpened(error)));
            }
            FromSwarm::StreamOpened { stream, request, .. } => {
                let id = request.and_then(|request| self.requests.remove(&request));
                self.streams.insert(stream, id);
                self.outputs.push_back(ToSwarm::Send { stream, message: Bytes::from_static(b"upgrade?") });
            }
            FromSwarm::Message { stream, .. } => {
                let id = self.streams.remove(&stream).flatten();
                self.outputs.push_back(ToSwarm::IntoRaw { stream });
                self.finish(id, Ok(stream));
            }
            FromSwarm::RemoteClosed { stream } => self.outputs.push_back(ToSwarm::Reset { stream }),
            FromSwarm::StreamClosed { stream, cause } => {
                let id = self.streams.remove(&stream).flatten();
                self.finish(id, Err(Failure::Closed(cause)));
            }
            FromSwarm::Local(_)
            | FromSwarm::Connected { .. }
            | FromSwarm::Disconnected { .. }
            | FromSwarm::Blocked { .. }
            | FromSwarm::Writable { .. }
            | FromSwarm::FindPeer { .. }
            | FromSwarm::StopFinding { .. }
            | FromSwarm::Identified { .. }
            | FromSwarm::Dialed { .. }
            | FromSwarm::DialFailed { .. } => {}
        }
    }

    fn poll_output(&mut self) -> Option<ToSwarm<Upgraded>> {
        self.outputs.pop_front()
    }
}
