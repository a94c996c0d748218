//! Looks on at a dialer, and holds what it does against what it promises.

mod checks;
mod expect;
mod hear;
mod holes;
mod records;

use super::model::Model;
use super::promise::{Promise, Tally};
use holes::Holes;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::ConnectionId;
use peerwork_core::swarm::dialer::{
    AttemptId, DialError, DialId, Dialer, DialerConfig, DialerInput, DialerOutput, LookupId, RecordKind,
};
use peerwork_core::time::Instant;
use records::{Dial, Failures, Group, Key};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The promise that is broken, and what was seen.
type Checked = Result<(), (Promise, String)>;

/// Knows what went in and what came out, and from that what must be.
#[derive(Debug)]
pub struct Watch {
    config: DialerConfig,
    dials: BTreeMap<Group, Dial>,
    /// Those without an answer.
    wishes: BTreeMap<DialId, Group>,
    /// The started attempts that have not ended.
    attempts: BTreeMap<AttemptId, Key>,
    /// The questions to the name service without an answer.
    lookups: BTreeMap<LookupId, Question>,
    /// Whose addresses are those of dials to whoever is there.
    anonymous: BTreeMap<Multiaddr, DialId>,
    model: Model<Group, Key>,
    failures: Failures,
    holes: Holes,
    is_listening: bool,
    is_shut_down: bool,
    now: Instant,
    step: Step,
    tally: Tally,
}

/// A question to the name service.
#[derive(Debug, PartialEq)]
struct Question {
    group: Group,
    name: String,
    kind: RecordKind,
}

/// What happened in one step.
#[derive(Debug, Default)]
struct Step {
    /// The dials that had addresses queued or in flight before it.
    busy: BTreeSet<Group>,
    /// What became known, and its delay.
    queued: Vec<(Key, Duration)>,
    /// What was refused as redundant, and whether it was new.
    redundant: Vec<(Key, bool)>,
    /// What was refused for the sake of its kind.
    held_back: Vec<Multiaddr>,
    /// The dials whose addresses of this time may start early, since nothing of theirs was in flight.
    early: BTreeMap<Group, Instant>,
    /// The dials that an attempt won.
    won: BTreeSet<Group>,
    /// The attempts that must be cancelled, and those that were.
    doomed: BTreeSet<AttemptId>,
    cancelled: BTreeSet<AttemptId>,
    answers: BTreeMap<DialId, Result<ConnectionId, DialError>>,
}

impl Watch {
    /// Nothing has happened.
    pub fn new(config: &DialerConfig) -> Self {
        Self {
            config: config.clone(),
            dials: BTreeMap::new(),
            wishes: BTreeMap::new(),
            attempts: BTreeMap::new(),
            lookups: BTreeMap::new(),
            anonymous: BTreeMap::new(),
            model: Model::new(config.max_attempts_per_peer, config.max_descriptors),
            failures: Failures::new(config.backoff),
            holes: Holes::new(config.black_hole),
            is_listening: false,
            is_shut_down: false,
            now: Instant::ORIGIN,
            step: Step::default(),
            tally: Tally::new(),
        }
    }

    /// How often there was something to check.
    pub fn tally(self) -> Tally {
        self.tally
    }

    fn check(&mut self, promise: Promise, holds: bool, what: impl FnOnce() -> String) -> Checked {
        *self.tally.entry(promise).or_default() += 1;
        if holds { Ok(()) } else { Err((promise, what())) }
    }

    /// One call of the dialer, and what it said then.
    ///
    /// # Errors
    /// A promise is broken.
    pub fn step(
        &mut self,
        input: Option<&DialerInput>,
        outputs: &[DialerOutput],
        dialer: &Dialer,
        now: Instant,
    ) -> Checked {
        self.now = now;
        let busy = self.dials.iter().filter(|(_, dial)| dial.is_busy()).map(|(group, _)| *group);
        self.step = Step { busy: busy.collect(), ..Step::default() };
        let expected = input.map(|input| self.note(input, outputs));
        for output in outputs {
            self.hear(output)?;
        }
        if let Some(expected) = expected {
            self.compare(expected, outputs)?;
        }
        self.check_redundant()?;
        self.check_room()?;
        self.check_ranks(input)?;
        self.check_black_holes()?;
        self.check_ends()?;
        self.check_tokens(dialer)?;
        self.check_time(dialer)
    }
}
