//! What all dials have in common.

use super::addresses::Gate;
use super::backoff::Backoffs;
use super::black_hole::BlackHoles;
use super::config::{DialerConfig, DialerCounters};
use super::dial::Whom;
use super::tokens::{Grant, Tokens};
use super::types::{
    AttemptError, AttemptId, AttemptState, DialError, DialId, DialProgress, DialerOutput, LookupId,
    RecordKind,
};
use crate::address::Multiaddr;
use crate::connection::{ConnectionError, ConnectionId};
use crate::identity::PeerId;
use crate::seed::Seed;
use crate::swarm::TransportError;
use crate::time::{Latest, Timers};
use std::collections::{BTreeMap, VecDeque};

/// What a timer is for. At one point in time attempts end before new ones start, and those before wishes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The attempt's time is over.
    Attempt(AttemptId),
    /// The addresses of a name that are known wait no longer for the answer to this question.
    Name(LookupId),
    /// The next addresses are due.
    Pace(Whom),
    /// The wish's time is over.
    Wish(DialId),
}

/// What a question to the name service is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) whom: Whom,
    /// Which address of the dial.
    pub(super) index: usize,
    pub(super) kind: RecordKind,
}

/// Limits, clocks and tables of all dials.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: DialerConfig,
    pub(super) now: Latest,
    pub(super) gate: Gate,
    pub(super) tokens: Tokens,
    /// Tokens that were handed on, to dials that have yet to hear of it.
    pub(super) grants: Vec<Grant>,
    pub(super) backoffs: Backoffs,
    pub(super) black_holes: BlackHoles,
    pub(super) timers: Timers<Timer>,
    /// The wishes without an answer.
    pub(super) wishes: BTreeMap<DialId, Whom>,
    /// The attempts that are under way or wait for tokens: whose, and which address.
    pub(super) attempts: BTreeMap<AttemptId, (Whom, usize)>,
    pub(super) lookups: BTreeMap<LookupId, Asked>,
    next_attempt: u64,
    next_lookup: u64,
    pub(super) counters: DialerCounters,
    pub(super) outputs: VecDeque<DialerOutput>,
}

impl Shared {
    pub(super) fn new(config: DialerConfig, local_peer: PeerId, mut seed: Seed, now: Latest) -> Self {
        Self {
            now,
            gate: Gate::new(local_peer, config.dialable.clone()),
            tokens: Tokens::new(config.max_attempts_per_peer, config.max_descriptors),
            grants: Vec::new(),
            backoffs: Backoffs::new(config.backoff, seed.child("backoff")),
            black_holes: BlackHoles::new(config.black_hole),
            timers: Timers::default(),
            wishes: BTreeMap::new(),
            attempts: BTreeMap::new(),
            lookups: BTreeMap::new(),
            next_attempt: 0,
            next_lookup: 0,
            counters: DialerCounters::default(),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Gives a wish its one answer.
    pub(super) fn finish(&mut self, dial: DialId, result: Result<ConnectionId, DialError>) {
        self.wishes.remove(&dial);
        self.timers.set(Timer::Wish(dial), None);
        self.count(&result);
        self.outputs.push_back(DialerOutput::Finished { dial, result });
    }

    fn count(&mut self, result: &Result<ConnectionId, DialError>) {
        let count = match result {
            Ok(_) => &mut self.counters.dials_succeeded,
            Err(DialError::Failed(_) | DialError::NoAddresses) => &mut self.counters.dials_failed,
            Err(DialError::Timeout(_)) => &mut self.counters.dials_timed_out,
            Err(DialError::Cancelled | DialError::ShuttingDown) => &mut self.counters.dials_cancelled,
            Err(_) => &mut self.counters.dials_refused,
        };
        *count = count.saturating_add(1);
    }

    /// Tells whoever looks on how an address fares.
    pub(super) fn progress(&mut self, peer: Option<PeerId>, address: &Multiaddr, state: AttemptState) {
        let address = address.clone();
        self.outputs.push_back(DialerOutput::Progress(DialProgress { peer, address, state }));
    }

    pub(super) fn add_attempt(&mut self, whom: Whom, index: usize) -> AttemptId {
        let attempt = AttemptId(self.next_attempt);
        self.next_attempt = self.next_attempt.saturating_add(1);
        self.attempts.insert(attempt, (whom, index));
        attempt
    }

    /// Forgets an attempt that has ended, and hands its tokens on.
    pub(super) fn remove_attempt(&mut self, attempt: AttemptId) {
        if let Some((whom, _)) = self.attempts.remove(&attempt) {
            self.timers.set(Timer::Attempt(attempt), None);
            self.tokens.release(whom, attempt, &mut self.grants);
        }
    }

    pub(super) fn ask(&mut self, name: String, asked: Asked) -> LookupId {
        let lookup = LookupId(self.next_lookup);
        self.next_lookup = self.next_lookup.saturating_add(1);
        self.counters.lookups = self.counters.lookups.saturating_add(1);
        self.lookups.insert(lookup, asked);
        self.outputs.push_back(DialerOutput::Lookup { lookup, name, kind: asked.kind });
        lookup
    }

    pub(super) fn cancel_lookup(&mut self, lookup: LookupId) {
        self.lookups.remove(&lookup);
        self.timers.set(Timer::Name(lookup), None);
        self.outputs.push_back(DialerOutput::CancelLookup { lookup });
    }

    /// Notes what a failed attempt says of its address; a refusal by this node says nothing.
    pub(super) fn note_failure(&mut self, peer: Option<PeerId>, address: &Multiaddr, error: &AttemptError) {
        if !is_of_address(error) {
            return;
        }
        self.black_holes.record(address, false);
        if let Some(peer) = peer {
            self.backoffs.failed(peer, address, self.now.get());
        }
    }
}

/// Whether an error says something of the address, and not only of this node.
pub(in crate::swarm) fn is_of_address(error: &AttemptError) -> bool {
    match error {
        AttemptError::Transport(error) => {
            !matches!(error, TransportError::Unsupported { .. } | TransportError::Address(_))
        }
        AttemptError::Connection(error) => {
            !matches!(error, ConnectionError::ClosedHere | ConnectionError::Limit(_))
        }
        AttemptError::Timeout | AttemptError::WrongPeer { .. } => true,
        AttemptError::Address(_)
        | AttemptError::Undialable(_)
        | AttemptError::SelfDial
        | AttemptError::Limit(_)
        | AttemptError::Backoff { .. }
        | AttemptError::BlackHole
        | AttemptError::Redundant
        | AttemptError::Blocked(_)
        | AttemptError::TooMany
        | AttemptError::NotTried => false,
    }
}
