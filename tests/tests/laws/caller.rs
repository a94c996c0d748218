//! A protocol that dials.

use peerwork_core::identity::PeerId;
use peerwork_core::machine::Machine;
use peerwork_core::protocols::{FromSwarm, InboundProtocol, Protocol, RequestId, ToSwarm};
use peerwork_core::seed::Seed;
use peerwork_core::swarm::DialOptions;
use peerwork_core::time::{Deadline, Instant, Latest, Timers};
use peerwork_tests::laws::protocol::ProtocolSubject;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// How long it waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    request: RequestId,
    peer: PeerId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Called {
    request: RequestId,
    connected: bool,
}

/// Dials whom it is told to, and says how that went.
#[derive(Default)]
pub(crate) struct Caller {
    waiting: BTreeSet<RequestId>,
    timers: Timers<RequestId>,
    outputs: VecDeque<ToSwarm<Called>>,
    latest: Latest,
}

impl Caller {
    fn end(&mut self, request: RequestId, connected: bool) {
        if self.waiting.remove(&request) {
            self.timers.set(request, None);
            self.outputs.push_back(ToSwarm::Event(Called { request, connected }));
        }
    }
}

impl Machine for Caller {
    type Input = FromSwarm<Call>;
    type Output = ToSwarm<Called>;

    fn handle_input(&mut self, input: FromSwarm<Call>, now: Instant) {
        let now = self.latest.see(now);
        match input {
            FromSwarm::Command(Call { request, peer }) => {
                self.waiting.insert(request);
                self.timers.set(request, Some(Deadline::new(now + PATIENCE, "dial")));
                let (target, options) = (peer.into(), DialOptions::default());
                self.outputs.push_back(ToSwarm::Dial { request, target, options });
            }
            FromSwarm::Dialed { request, .. } => self.end(request, true),
            FromSwarm::DialFailed { request, .. } => self.end(request, false),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.latest.see(now);
        while let Some(request) = self.timers.pop_due(now) {
            self.outputs.push_back(ToSwarm::CancelDial { request });
        }
    }

    fn poll_output(&mut self) -> Option<ToSwarm<Called>> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.timers.next()
    }
}

impl Protocol for Caller {
    type Command = Call;
    type Event = Called;

    fn inbound(&self) -> Vec<InboundProtocol> {
        Vec::new()
    }
}

pub(crate) struct Calling;

impl ProtocolSubject for Calling {
    type Protocol = Caller;
    type Id = RequestId;

    fn name(&self) -> String {
        "caller (toy)".to_owned()
    }

    fn build(&self, _case: u64, _now: Instant) -> Caller {
        Caller::default()
    }

    fn command(&self, number: u64, peers: &[PeerId], draw: &mut Seed) -> Option<Call> {
        Some(Call { request: RequestId(number), peer: peers[draw.below(peers.len() as u64) as usize] })
    }

    fn command_id(&self, command: &Call) -> Option<RequestId> {
        Some(command.request)
    }

    fn outcome_id(&self, event: &Called) -> Option<RequestId> {
        Some(event.request)
    }
}
