//! One dial: all that is done to reach one peer, or whoever is at some addresses, for everybody who wishes it.

use super::addresses::{self, Scope};
use super::candidates::{Admission, Candidate, Candidates, Origin, Resolving, State};
use super::config::MIN_TIMEOUT;
use super::filter;
use super::names::{self, Name};
use super::ranking::{self, Rank};
use super::shared::{Asked, Shared, Timer};
use super::types::{
    AddressSource, AttemptError, AttemptId, AttemptState, Cost, DialError, DialId, DialerOutput, LookupId,
    RecordKind, Records, Token,
};
use crate::address::Multiaddr;
use crate::connection::ConnectionId;
use crate::identity::PeerId;
use crate::swarm::TransportError;
use crate::time::{Deadline, Instant};
use std::collections::BTreeSet;

/// Whom a dial is to reach: there is at most one dial for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whom {
    /// This peer.
    Peer(PeerId),
    /// Whoever is at the addresses of this wish, which shares its dial with no other.
    Anyone(DialId),
}

impl Whom {
    pub(super) fn peer(self) -> Option<PeerId> {
        match self {
            Self::Peer(peer) => Some(peer),
            Self::Anyone(_) => None,
        }
    }

    /// Who can be asked for addresses, in this order.
    fn sources(self) -> &'static [AddressSource] {
        match self {
            Self::Peer(_) => &[AddressSource::Book, AddressSource::Routing],
            Self::Anyone(_) => &[],
        }
    }
}

/// A dial. It is over when nobody wishes it any more and nothing of it is in flight.
#[derive(Debug)]
pub(super) struct Dial {
    whom: Whom,
    wishes: BTreeSet<DialId>,
    candidates: Candidates,
    /// The candidates whose time has not come, by that time and then by rank.
    queue: BTreeSet<(Instant, Rank, usize)>,
    /// Candidates with an attempt, started or not.
    in_flight: usize,
    /// The attempt on a public address whose byte stream came last, and until when the queue waits for it.
    upgrading: Option<(AttemptId, Instant)>,
    /// Candidates that are names without an answer.
    resolving: usize,
    /// Questions that were asked.
    lookups: usize,
    asking: Option<AddressSource>,
    unasked: &'static [AddressSource],
    ignores_backoff: bool,
}

impl Dial {
    pub(super) fn new(whom: Whom) -> Self {
        Self {
            whom,
            wishes: BTreeSet::new(),
            candidates: Candidates::default(),
            queue: BTreeSet::new(),
            in_flight: 0,
            upgrading: None,
            resolving: 0,
            lookups: 0,
            asking: None,
            unasked: whom.sources(),
            ignores_backoff: false,
        }
    }

    pub(super) fn is_wished(&self) -> bool {
        !self.wishes.is_empty()
    }

    pub(super) fn is_over(&self) -> bool {
        !self.is_wished() && self.in_flight == 0
    }

    /// One more wishes it, and perhaps knows addresses.
    pub(super) fn join(
        &mut self,
        dial: DialId,
        told: Vec<Multiaddr>,
        ignores_backoff: bool,
        shared: &mut Shared,
    ) {
        self.wishes.insert(dial);
        if ignores_backoff && !self.ignores_backoff {
            self.ignores_backoff = true;
            self.consider(self.candidates.held_back(), shared);
        }
        if told.is_empty() && self.asking.is_none() && self.unasked.first() == Some(&AddressSource::Book) {
            self.ask_next(shared);
        }
        self.add(told, AddressSource::Caller, shared);
    }

    /// Addresses became known.
    pub(super) fn add(&mut self, told: Vec<Multiaddr>, source: AddressSource, shared: &mut Shared) {
        if !self.is_wished() {
            return;
        }
        self.add_all(told, Origin { source, expected: self.whom.peer(), name_depth: 0 }, shared);
    }

    fn add_all(&mut self, told: Vec<Multiaddr>, origin: Origin, shared: &mut Shared) {
        let admitted = told.into_iter().filter_map(|address| self.admit(address, origin, shared));
        let admitted: Vec<usize> = admitted.collect();
        self.consider(admitted, shared);
    }

    /// Makes an address a candidate that is to be considered, unless it is one already, is no address, or is one too many.
    fn admit(&mut self, told: Multiaddr, origin: Origin, shared: &mut Shared) -> Option<usize> {
        let (address, peer, error) = match addresses::split(&told, origin.expected) {
            Ok((address, peer)) => (names::write_out(address), peer, None),
            Err(error) => (told, origin.expected, Some(error)),
        };
        let max = shared.config.max_addresses.max(1);
        match (self.candidates.admit(address.clone(), peer, origin, max), error) {
            (Admission::New(index), None) => return Some(index),
            (Admission::New(index), Some(error)) => self.refuse(index, error, shared),
            // A flood is not to be answered by a flood.
            (Admission::NoRoom { is_first: true }, _) => {
                shared.progress(peer, &address, AttemptState::Failed { error: AttemptError::TooMany });
            }
            (Admission::NoRoom { is_first: false } | Admission::Known, _) => {}
        }
        None
    }

    /// An address will not be dialled.
    fn refuse(&mut self, index: usize, error: AttemptError, shared: &mut Shared) {
        let candidate = &mut self.candidates[index];
        shared.counters.addresses_refused = shared.counters.addresses_refused.saturating_add(1);
        shared.progress(candidate.peer, &candidate.address, AttemptState::Failed { error: error.clone() });
        candidate.state = State::Failed(error);
    }

    /// Queues those candidates that can be dialled, and asks for the records of names.
    fn consider(&mut self, indices: Vec<usize>, shared: &mut Shared) {
        let mut fresh = Vec::new();
        for index in indices {
            match self.examine(index, shared) {
                Ok(Some(cost)) => fresh.push((index, cost)),
                Ok(None) => {}
                Err(error) => self.refuse(index, error, shared),
            }
        }
        self.refuse_redundant(&mut fresh, shared);
        self.enqueue(&fresh, shared);
    }

    /// Refuses what need not be dialled, of what is fresh and of what has not been started.
    fn refuse_redundant(&mut self, fresh: &mut Vec<(usize, Cost)>, shared: &mut Shared) {
        if fresh.is_empty() || self.candidates.iter().nth(1).is_none() {
            return;
        }
        let live = self.candidates.live().map(|(index, _)| index);
        let indices: Vec<_> = fresh.iter().map(|(index, _)| *index).chain(live).collect();
        let addresses: Vec<_> = indices.iter().map(|index| self.address_at(*index)).collect();
        for index in filter::redundant(&addresses).into_iter().map(|place| indices[place]) {
            match self.candidates[index].state {
                State::InFlight { is_started: true, .. } => continue,
                State::InFlight { attempt, is_started: false } => {
                    self.in_flight -= 1;
                    shared.remove_attempt(attempt);
                }
                State::Queued { .. } => self.queue.retain(|(.., queued)| *queued != index),
                _ => fresh.retain(|(of, _)| *of != index),
            }
            self.refuse(index, AttemptError::Redundant, shared);
        }
    }

    /// What dialling a candidate costs; nothing yet where it is a name, about which is asked then.
    fn examine(&mut self, index: usize, shared: &mut Shared) -> Result<Option<Cost>, AttemptError> {
        let Candidate { address, peer, .. } = &self.candidates[index];
        if peer.is_some_and(|peer| shared.gate.is_local(peer)) {
            return Err(AttemptError::SelfDial);
        }
        if let Some(name) = Name::find(address) {
            self.resolve(index, name, shared)?;
            return Ok(None);
        }
        let cost = shared.gate.cost(address)?;
        if self.ignores_backoff {
            return Ok(Some(cost));
        }
        let now = shared.now.get();
        if let Some(peer) = self.whom.peer()
            && let Some(remaining) = shared.backoffs.remaining(peer, address, now)
        {
            return Err(AttemptError::Backoff { remaining });
        }
        if shared.black_holes.admits(address) { Ok(Some(cost)) } else { Err(AttemptError::BlackHole) }
    }

    fn resolve(&mut self, index: usize, name: Name, shared: &mut Shared) -> Result<(), AttemptError> {
        let depth = self.candidates[index].origin.name_depth + usize::from(name.is_dnsaddr());
        let max = shared.config.max_name_depth.max(1);
        if depth > max {
            return Err(name.error(format!("more than {max} names lead to one another")).into());
        }
        let question = name.question()?;
        let max = shared.config.max_lookups.max(1);
        if self.lookups + question.kinds.len() > max {
            return Err(name.error(format!("this dial would need more than {max} lookups")).into());
        }
        self.lookups += question.kinds.len();
        self.resolving += 1;
        let ask = |&kind| shared.ask(question.name.clone(), Asked { whom: self.whom, index, kind });
        let lookups = question.kinds.iter().map(ask).collect();
        let result = Err(name.error("there is no answer"));
        self.candidates[index].state =
            State::Resolving(Resolving { name, depth, lookups, result, early: Vec::new() });
        Ok(())
    }

    /// The name service answered.
    pub(super) fn looked_up(
        &mut self,
        lookup: LookupId,
        asked: Asked,
        result: Result<Records, TransportError>,
        shared: &mut Shared,
    ) {
        let Candidate { address, peer, state, .. } = &mut self.candidates[asked.index];
        let State::Resolving(resolving) = state else { return };
        resolving.lookups.retain(|waiting| *waiting != lookup);
        let found = result.and_then(|records| resolving.name.answer(address, *peer, asked.kind, &records));
        if found.is_ok() || resolving.result.is_err() {
            resolving.result = found.as_ref().map(drop).map_err(Clone::clone);
        }
        let mut found = found.unwrap_or_default();
        let delay = shared.config.resolution_delay;
        if let [waiting] = resolving.lookups[..]
            && asked.kind == RecordKind::Ip4
            && !found.is_empty()
            && !delay.is_zero()
        {
            // One more than are taken, so that it is known that they are too many.
            found.truncate(shared.config.max_addresses.saturating_add(1));
            resolving.early = found;
            let deadline = Deadline::new(shared.now.get() + delay, "resolution delay");
            return shared.timers.set(Timer::Name(waiting), Some(deadline));
        }
        found.append(&mut resolving.early);
        let origin = Origin { source: AddressSource::Name, expected: *peer, name_depth: resolving.depth };
        if resolving.lookups.is_empty() {
            self.resolving -= 1;
            let result = resolving.result.clone();
            *state = State::Resolved;
            if let Err(error) = result {
                self.refuse(asked.index, error.into(), shared);
            }
        }
        self.add_all(found, origin, shared);
    }

    /// The IPv4 addresses of a name wait no longer.
    pub(super) fn resolution_delayed(&mut self, index: usize, shared: &mut Shared) {
        let Candidate { peer, state, .. } = &mut self.candidates[index];
        let State::Resolving(Resolving { early, depth, .. }) = state else { return };
        let origin = Origin { source: AddressSource::Name, expected: *peer, name_depth: *depth };
        let early = std::mem::take(early);
        self.add_all(early, origin, shared);
    }

    /// Gives candidates their time to start, by their rank among those that have not failed.
    fn enqueue(&mut self, fresh: &[(usize, Cost)], shared: &mut Shared) {
        let fresh_addresses = fresh.iter().map(|(index, _)| &self.candidates[*index].address);
        let ranked: Vec<_> =
            fresh_addresses.chain(self.candidates.live().map(|(_, it)| &it.address)).collect();
        let delays = ranking::delays(&ranked);
        for (&(index, cost), delay) in fresh.iter().zip(delays) {
            let candidate = &mut self.candidates[index];
            let at = shared.now.get() + delay;
            candidate.state = State::Queued { cost };
            self.queue.insert((at, Rank::of(&candidate.address), index));
            let state = AttemptState::Queued { source: candidate.origin.source, delay };
            shared.progress(candidate.peer, &candidate.address, state);
        }
    }

    /// A source has no more addresses.
    pub(super) fn exhausted(&mut self, source: AddressSource) {
        if self.asking == Some(source) {
            self.asking = None;
        }
    }

    fn ask_next(&mut self, shared: &mut Shared) -> bool {
        let (Whom::Peer(peer), Some((&source, rest))) = (self.whom, self.unasked.split_first()) else {
            return false;
        };
        (self.asking, self.unasked) = (Some(source), rest);
        shared.outputs.push_back(DialerOutput::FindAddresses { peer, source });
        true
    }

    /// Does what follows from whatever happened: starts what is due, asks for more when all has failed, and in the end fails.
    pub(super) fn proceed(&mut self, shared: &mut Shared) {
        if !self.is_wished() {
            return;
        }
        self.pace(shared);
        let is_expecting =
            self.in_flight > 0 || self.resolving > 0 || self.asking.is_some() || !self.queue.is_empty();
        if is_expecting || self.ask_next(shared) {
            return;
        }
        let failures = self.candidates.failures();
        let error = if failures.is_empty() { DialError::NoAddresses } else { DialError::Failed(failures) };
        self.answer(&Err(error), shared);
    }

    /// Starts what is due; and where nothing is in flight, those whose turn is next.
    fn pace(&mut self, shared: &mut Shared) {
        let now = shared.now.get();
        let next = self.queue.first().map_or(Instant::ORIGIN, |(at, ..)| *at);
        let until = if self.in_flight == 0 { next.max(now) } else { now };
        let not_before = self.upgrading.map_or(Instant::ORIGIN, |(_, end)| end);
        while not_before <= now
            && let Some((at, ..)) = self.queue.first()
            && *at <= until
            && let Some((.., index)) = self.queue.pop_first()
        {
            self.request(index, shared);
        }
        let next = self.queue.first().map(|(at, ..)| (*at).max(not_before));
        let deadline = next.map(|at| Deadline::new(at, "next address of a dial"));
        shared.timers.set(Timer::Pace(self.whom), deadline);
    }

    /// Makes an attempt of a candidate, which starts now or as soon as it has its tokens.
    fn request(&mut self, index: usize, shared: &mut Shared) {
        let State::Queued { cost } = self.candidates[index].state else { return };
        let attempt = shared.add_attempt(self.whom, index);
        self.in_flight += 1;
        self.candidates[index].state = State::InFlight { attempt, is_started: false };
        let lacks = shared.tokens.request(self.whom, attempt, cost);
        self.granted(index, lacks, shared);
    }

    /// An attempt has got a token. It starts, unless it lacks another one.
    pub(super) fn granted(&mut self, index: usize, lacks: Option<Token>, shared: &mut Shared) {
        let Candidate { address, peer, state, .. } = &mut self.candidates[index];
        let State::InFlight { attempt, is_started } = state else { return };
        if let Some(token) = lacks {
            return shared.progress(*peer, address, AttemptState::Waiting { token });
        }
        *is_started = true;
        let timeout = match Scope::of(address) {
            Scope::Private => shared.config.local_attempt_timeout.min(shared.config.attempt_timeout),
            Scope::Public | Scope::Relayed | Scope::Unknown => shared.config.attempt_timeout,
        };
        let deadline = Deadline::new(shared.now.get() + timeout.max(MIN_TIMEOUT), "an attempt's timeout");
        shared.timers.set(Timer::Attempt(*attempt), Some(deadline));
        shared.counters.attempts_started = shared.counters.attempts_started.saturating_add(1);
        shared.progress(*peer, address, AttemptState::Started);
        let (attempt, peer, address) = (*attempt, *peer, address.clone());
        shared.outputs.push_back(DialerOutput::Start { attempt, peer, address });
    }

    /// Whether an address is being attempted, so that the attempt is known outside.
    pub(super) fn is_started(&self, index: usize) -> bool {
        matches!(self.candidates[index].state, State::InFlight { is_started: true, .. })
    }

    /// An address, and who must be there.
    pub(super) fn address_at(&self, index: usize) -> (Option<PeerId>, &Multiaddr) {
        (self.candidates[index].peer, &self.candidates[index].address)
    }

    /// An attempt has its byte stream. Where that is public, the queue waits a little for what comes of it.
    pub(super) fn upgrading(&mut self, index: usize, shared: &Shared) {
        let Candidate { address, state, .. } = &self.candidates[index];
        if let State::InFlight { attempt, .. } = *state
            && Scope::of(address) == Scope::Public
        {
            self.upgrading = Some((attempt, shared.now.get() + ranking::PUBLIC_PAUSE));
        }
    }

    /// An attempt brought a connection.
    pub(super) fn attempt_succeeded(&mut self, index: usize, connection: ConnectionId, shared: &mut Shared) {
        // Before the token comes free, or the next one would get it.
        self.drop_waiting(shared);
        let Some(candidate) = self.end_attempt(index, shared) else { return };
        shared.counters.attempts_succeeded = shared.counters.attempts_succeeded.saturating_add(1);
        shared.black_holes.record(&candidate.address, true);
        shared.progress(candidate.peer, &candidate.address, AttemptState::Won);
        self.cancel_started(shared);
        self.answer(&Ok(connection), shared);
    }

    /// An attempt ended without a connection.
    pub(super) fn attempt_failed(&mut self, index: usize, error: AttemptError, shared: &mut Shared) {
        // Where the peer was reached meanwhile, nobody needs to know.
        let is_wished = self.is_wished();
        let peer = self.whom.peer().filter(|_| is_wished);
        let Some(candidate) = self.end_attempt(index, shared) else { return };
        let count = match error {
            AttemptError::Timeout => &mut shared.counters.attempts_timed_out,
            _ => &mut shared.counters.attempts_failed,
        };
        *count = count.saturating_add(1);
        shared.note_failure(peer, &candidate.address, &error);
        shared.progress(candidate.peer, &candidate.address, AttemptState::Failed { error: error.clone() });
        if is_wished {
            candidate.state = State::Failed(error);
        }
    }

    /// Takes a started attempt out of what is in flight, and hands its tokens on.
    fn end_attempt(&mut self, index: usize, shared: &mut Shared) -> Option<&mut Candidate> {
        let candidate = &mut self.candidates[index];
        let State::InFlight { attempt, is_started: true } = candidate.state else { return None };
        candidate.state = State::Dropped;
        self.in_flight -= 1;
        self.upgrading.take_if(|(of, _)| *of == attempt);
        shared.remove_attempt(attempt);
        Some(candidate)
    }

    /// The peer has made a connection. Whoever waits takes it; no more is started.
    ///
    /// What is started goes on: the peer may dial us at this very moment and take our connection for its answer. If both sides gave up
    /// their own for the other's, none would be left.
    pub(super) fn connected(&mut self, connection: ConnectionId, shared: &mut Shared) {
        self.drop_waiting(shared);
        self.answer(&Ok(connection), shared);
    }

    /// A wish ends before the dial does. With the last one the dial ends.
    pub(super) fn leave(&mut self, dial: DialId, error: DialError, shared: &mut Shared) {
        self.wishes.remove(&dial);
        shared.finish(dial, Err(error));
        if !self.is_wished() {
            self.drop_waiting(shared);
            self.cancel_started(shared);
        }
    }

    /// The node shuts down.
    pub(super) fn shut_down(&mut self, shared: &mut Shared) {
        self.drop_waiting(shared);
        self.cancel_started(shared);
        self.answer(&Err(DialError::ShuttingDown), shared);
    }

    fn answer(&mut self, result: &Result<ConnectionId, DialError>, shared: &mut Shared) {
        for dial in std::mem::take(&mut self.wishes) {
            shared.finish(dial, result.clone());
        }
    }

    /// Forgets all but what is started: what waits, what is being asked, and what has failed.
    fn drop_waiting(&mut self, shared: &mut Shared) {
        shared.tokens.withdraw(self.whom);
        shared.timers.set(Timer::Pace(self.whom), None);
        if let (Whom::Peer(peer), Some(source)) = (self.whom, self.asking) {
            shared.outputs.push_back(DialerOutput::StopFinding { peer, source });
        }
        for Candidate { address, peer, state, .. } in self.candidates.iter_mut() {
            match state {
                State::InFlight { is_started: true, .. } => continue,
                State::InFlight { attempt, is_started: false } => {
                    self.in_flight -= 1;
                    shared.attempts.remove(attempt);
                    shared.progress(*peer, address, AttemptState::Cancelled);
                }
                State::Queued { .. } => shared.progress(*peer, address, AttemptState::Cancelled),
                State::Resolving(Resolving { lookups, .. }) => {
                    lookups.iter().for_each(|lookup| shared.cancel_lookup(*lookup));
                }
                State::New | State::Resolved | State::Failed(_) | State::Dropped => {}
            }
            *state = State::Dropped;
        }
        self.candidates.forget_beyond();
        self.queue.clear();
        (self.resolving, self.lookups) = (0, 0);
        (self.asking, self.unasked, self.ignores_backoff) = (None, self.whom.sources(), false);
    }

    /// Cancels what is started.
    fn cancel_started(&mut self, shared: &mut Shared) {
        self.upgrading = None;
        for Candidate { address, peer, state, .. } in self.candidates.iter_mut() {
            if let State::InFlight { attempt, is_started: true } = *state {
                *state = State::Dropped;
                self.in_flight -= 1;
                shared.remove_attempt(attempt);
                shared.black_holes.record(address, false);
                shared.counters.attempts_cancelled = shared.counters.attempts_cancelled.saturating_add(1);
                shared.progress(*peer, address, AttemptState::Cancelled);
                shared.outputs.push_back(DialerOutput::CancelAttempt { attempt });
            }
        }
    }

    /// Why each address has not brought a connection, in the order in which they became known.
    pub(super) fn failures(&self) -> Vec<(Multiaddr, AttemptError)> {
        self.candidates.failures()
    }
}
