//! What a protocol may say, given what it was told.

use bytes::Bytes;
use peerwork_core::connection::Framing;
use peerwork_core::protocols::{FromSwarm, InboundProtocol, RequestId, StreamKey, StreamOptions, ToSwarm};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;

/// A rule about what a protocol says. The others are left to their own checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    OpenStreams,
    FreshIds,
    Framing,
    NothingBehindClose,
    RefusedAgain,
    FewOutputs,
}

/// Knows what a protocol knows, and checks one rule.
pub(super) struct Watch {
    rule: Option<Rule>,
    inbound: Vec<InboundProtocol>,
    requests: BTreeMap<RequestId, StreamOptions>,
    streams: BTreeMap<StreamKey, Stream>,
    /// Streams that were open once.
    over: BTreeSet<StreamKey>,
}

struct Stream {
    framing: Framing,
    closed: bool,
    /// The protocol was told `Blocked` and not yet `Writable`.
    blocked: bool,
    /// What came back and was not sent again.
    refused: VecDeque<Bytes>,
}

impl Watch {
    pub(super) fn new(rule: Option<Rule>, inbound: Vec<InboundProtocol>) -> Self {
        Self { rule, inbound, requests: BTreeMap::new(), streams: BTreeMap::new(), over: BTreeSet::new() }
    }

    /// Forgets streams and requests that are over.
    pub(super) fn forget(&mut self) {
        self.over.clear();
        self.requests.clear();
    }

    fn expect(&self, rule: Rule, holds: bool, output: &impl Debug, what: &str) {
        assert!(holds || self.rule != Some(rule), "{output:?}: {what}");
    }

    /// The protocol is told something.
    pub(super) fn told<C>(&mut self, fact: &FromSwarm<C>) {
        match fact {
            FromSwarm::StreamOpened { stream, protocol, request, .. } => {
                let ours = request.and_then(|request| self.requests.get(&request)).copied();
                let theirs = || self.inbound.iter().find(|inbound| inbound.id == *protocol);
                let options = ours.or_else(|| theirs().map(|inbound| inbound.options));
                let framing = options.map_or(Framing::Raw, |options| options.framing);
                let state = Stream { framing, closed: false, blocked: false, refused: VecDeque::new() };
                self.streams.insert(*stream, state);
            }
            FromSwarm::StreamClosed { stream, .. } => self.end(*stream),
            FromSwarm::Blocked { stream, message } => {
                if let Some(state) = self.streams.get_mut(stream) {
                    (state.blocked, state.closed) = (true, false);
                    state.refused.push_back(message.clone());
                }
            }
            FromSwarm::Writable { stream } => {
                self.streams.entry(*stream).and_modify(|state| state.blocked = false);
            }
            FromSwarm::Command(_)
            | FromSwarm::Local(_)
            | FromSwarm::Connected { .. }
            | FromSwarm::Disconnected { .. }
            | FromSwarm::OpenFailed { .. }
            | FromSwarm::Message { .. }
            | FromSwarm::RemoteClosed { .. }
            | FromSwarm::FindPeer { .. }
            | FromSwarm::StopFinding { .. }
            | FromSwarm::Identified { .. }
            | FromSwarm::Dialed { .. }
            | FromSwarm::DialFailed { .. } => {}
        }
    }

    fn end(&mut self, stream: StreamKey) {
        self.streams.remove(&stream);
        self.over.insert(stream);
    }

    /// The protocol says something.
    pub(super) fn said<E: Debug>(&mut self, output: &ToSwarm<E>) {
        match output {
            ToSwarm::Event(_)
            | ToSwarm::KeepAlive { .. }
            | ToSwarm::Disconnect { .. }
            | ToSwarm::Addresses { .. }
            | ToSwarm::FindFinished { .. }
            | ToSwarm::Identified { .. }
            | ToSwarm::Dial { .. }
            | ToSwarm::CancelDial { .. } => {}
            ToSwarm::OpenStream { request, protocols, options, .. } => {
                self.expect(Rule::FreshIds, !protocols.is_empty(), output, "nothing is proposed");
                let fresh = self.requests.insert(*request, *options).is_none();
                self.expect(Rule::FreshIds, fresh, output, "the request's id was used before");
            }
            ToSwarm::Send { stream, message } => self.sent(*stream, message, output),
            ToSwarm::Grant { stream, .. } => self.expect_open(*stream, output),
            ToSwarm::Close { stream } => {
                self.expect_open(*stream, output);
                self.closed(*stream, output);
            }
            ToSwarm::Reset { stream } => {
                self.expect_open(*stream, output);
                self.end(*stream);
            }
            ToSwarm::IntoRaw { stream } => {
                self.expect_open(*stream, output);
                self.closed(*stream, output);
                self.end(*stream);
            }
        }
    }

    fn expect_open(&self, stream: StreamKey, output: &impl Debug) {
        let what = if self.over.contains(&stream) { "the stream is over" } else { "there is no such stream" };
        self.expect(Rule::OpenStreams, self.streams.contains_key(&stream), output, what);
    }

    fn closed(&mut self, stream: StreamKey, output: &impl Debug) {
        let Some(state) = self.streams.get_mut(&stream).filter(|state| !state.blocked) else { return };
        state.closed = true;
        let all_again = state.refused.is_empty();
        self.expect(Rule::RefusedAgain, all_again, output, "what was refused before it was not sent again");
    }

    fn sent(&mut self, stream: StreamKey, message: &Bytes, output: &impl Debug) {
        self.expect_open(stream, output);
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let fits = match state.framing {
            Framing::Raw => false,
            Framing::Fixed(len) => message.len() == len.max(1),
            Framing::LengthPrefixed { .. } => true,
        };
        let behind_close = state.closed;
        // While the stream is blocked the message comes back.
        let next = if state.blocked { None } else { state.refused.pop_front() };
        let in_order = next.is_none_or(|refused| refused == *message);
        self.expect(Rule::Framing, fits, output, "the stream's framing does not carry it");
        self.expect(Rule::NothingBehindClose, !behind_close, output, "the protocol had closed the stream");
        self.expect(Rule::RefusedAgain, in_order, output, "what was refused before it must be sent first");
    }

    /// Outputs came of one call.
    pub(super) fn counted(&self, outputs: usize, max: usize) {
        let what = "too many outputs came of one call";
        self.expect(Rule::FewOutputs, outputs <= max, &format_args!("{outputs} of at most {max}"), what);
    }
}
