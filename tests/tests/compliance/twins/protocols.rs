//! The toy counter, broken.

use super::expect_caught;
use crate::protocols::toys::Counting;
use bytes::Bytes;
use peerwork_core::connection::Framing;
use peerwork_core::identity::PeerId;
use peerwork_core::machine::Machine;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::{FromSwarm, InboundProtocol, Protocol, RequestId, StreamKey, ToSwarm};
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use peerwork_tests::compliance::{ProtocolSuite, protocol::ProtocolSubject};
use peerwork_tests::laws::Cases;
use peerwork_tests::toy::CommandId;
use peerwork_tests::toy::counter::{Count, Counted, Counter};
use std::collections::{BTreeSet, VecDeque};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    ServesTwice,
    SpeaksOfClosedStreams,
    RepeatsRequestIds,
    OpensRawStreams,
    SendsBehindItsClose,
    ForgetsWhatWasRefused,
    SendsOthersFirst,
    IgnoresFailure,
    PanicsOnNoise,
    PanicsOnUnknownStreams,
    Floods,
    AnswersTwice,
}

const FAULTS: &[(Fault, &[&str])] = &[
    (Fault::ServesTwice, &["names_what_it_serves"]),
    (Fault::SpeaksOfClosedStreams, &["speaks_only_of_open_streams"]),
    (Fault::RepeatsRequestIds, &["asks_under_fresh_ids"]),
    (Fault::OpensRawStreams, &["keeps_to_the_framing"]),
    (Fault::SendsBehindItsClose, &["sends_nothing_behind_its_close"]),
    (Fault::ForgetsWhatWasRefused, &["sends_again_what_was_refused"]),
    (Fault::SendsOthersFirst, &["sends_again_what_was_refused"]),
    (Fault::IgnoresFailure, &["answers_when_nobody_is_there", "obeys_the_laws"]),
    (Fault::PanicsOnNoise, &["survives_garbage"]),
    (Fault::PanicsOnUnknownStreams, &["survives_any_facts"]),
    (Fault::Floods, &["says_little_at_a_time"]),
    (Fault::AnswersTwice, &["survives_any_facts", "obeys_the_laws"]),
];

#[test]
fn every_requirement_notices_a_broken_protocol() {
    expect_caught(|fault| ProtocolSuite::new(Subject(fault)).cases(Cases::new(8)), FAULTS);
}

struct Subject(Option<Fault>);

impl ProtocolSubject for Subject {
    type Protocol = Broken;
    type Id = CommandId;

    fn name(&self) -> String {
        "broken counter".to_owned()
    }

    fn build(&self, case: u64, now: Instant) -> Broken {
        Broken {
            inner: Counting.build(case, now),
            fault: self.0,
            outputs: VecDeque::new(),
            streams: BTreeSet::new(),
        }
    }

    fn command(&self, number: u64, peers: &[PeerId], draw: &mut Seed) -> Option<Count> {
        Counting.command(number, peers, draw)
    }

    fn message(&self, protocol: &ProtocolId, draw: &mut Seed) -> Option<Bytes> {
        Counting.message(protocol, draw)
    }

    fn reply(&self, protocol: &ProtocolId, message: &Bytes) -> Option<Bytes> {
        Counting.reply(protocol, message)
    }

    fn command_id(&self, command: &Count) -> Option<CommandId> {
        Counting.command_id(command)
    }

    fn outcome_id(&self, event: &Counted) -> Option<CommandId> {
        Counting.outcome_id(event)
    }
}

struct Broken {
    inner: Counter,
    fault: Option<Fault>,
    outputs: VecDeque<ToSwarm<Counted>>,
    streams: BTreeSet<StreamKey>,
}

impl Protocol for Broken {
    type Command = Count;
    type Event = Counted;

    fn inbound(&self) -> Vec<InboundProtocol> {
        let inbound = self.inner.inbound();
        if self.fault == Some(Fault::ServesTwice) { [inbound.clone(), inbound].concat() } else { inbound }
    }
}

impl Machine for Broken {
    type Input = FromSwarm<Count>;
    type Output = ToSwarm<Counted>;

    fn handle_input(&mut self, input: FromSwarm<Count>, now: Instant) {
        match (self.fault, &input) {
            (Some(Fault::SpeaksOfClosedStreams), FromSwarm::StreamClosed { stream, .. }) => {
                self.outputs.push_back(ToSwarm::Grant { stream: *stream, messages: 1 });
            }
            (Some(Fault::ForgetsWhatWasRefused), FromSwarm::Blocked { .. })
            | (Some(Fault::IgnoresFailure), FromSwarm::OpenFailed { .. }) => return,
            (Some(Fault::SendsOthersFirst), FromSwarm::Writable { stream }) => {
                self.outputs.push_back(ToSwarm::Send { stream: *stream, message: Bytes::from_static(b"me") });
            }
            (Some(Fault::PanicsOnNoise), FromSwarm::Message { message, .. }) => {
                assert!(message.len() <= 100, "noise");
            }
            (Some(Fault::Floods), FromSwarm::Message { stream, .. }) => {
                let stream = *stream;
                self.outputs.extend([(); 100].map(|()| ToSwarm::Grant { stream, messages: 1 }));
            }
            (Some(Fault::PanicsOnUnknownStreams), FromSwarm::StreamOpened { stream, .. }) => {
                assert!(self.streams.insert(*stream), "it is open already");
            }
            _ => {}
        }
        self.inner.handle_input(input, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<ToSwarm<Counted>> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        let mut output = self.inner.poll_output()?;
        match (self.fault, &mut output) {
            (Some(Fault::RepeatsRequestIds), ToSwarm::OpenStream { request, .. }) => *request = RequestId(0),
            (Some(Fault::OpensRawStreams), ToSwarm::OpenStream { options, .. }) => {
                options.framing = Framing::Raw;
            }
            (Some(Fault::SendsBehindItsClose), ToSwarm::Close { stream }) => {
                let message = Bytes::from_static(b"one more thing");
                self.outputs.push_back(ToSwarm::Send { stream: *stream, message });
            }
            (Some(Fault::AnswersTwice), ToSwarm::Event(event)) => {
                self.outputs.push_back(ToSwarm::Event(event.clone()));
            }
            _ => {}
        }
        Some(output)
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.inner.poll_timeout()
    }
}
