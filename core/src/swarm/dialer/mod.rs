//! The dialer: one connection to a peer, out of a stream of addresses, within limits.
//!
//! A [`Dialer`] is a [`Machine`] that decides *when* to dial *which* address, and opens nothing itself: it says
//! [`DialerOutput::Start`], and hears how that went.
//!
//! # One dial per peer
//!
//! Who wants a connection makes a *wish* ([`DialerInput::Dial`]). All wishes for one peer share one *dial*; whoever comes later joins it
//! and adds the addresses that he knows. Every wish has exactly one answer ([`DialerOutput::Finished`]), and its own timeout. A wish that
//! is cancelled, or whose time is over, leaves; with the last one the dial ends, and all that it has in flight. A wish for whoever is at
//! some addresses has a dial of its own.
//!
//! # A stream of addresses
//!
//! Addresses come from whoever dials, from the peer book, the peer routing, the peer itself, and from records of names, all of them at any
//! time while the dial lasts. What nobody can dial is refused with the reason and costs nothing. Each other address has a *delay*, by its
//! rank among those of the dial that have not failed: happy eyeballs, with the constants of go-libp2p.
//! After the delay, or as soon as nothing of its dial is in flight, it becomes an *attempt*. No address is attempted twice in a dial.
//! While a public address that was reached is being upgraded to a connection ([`DialerInput::Upgrading`]), the next ones of its dial wait for
//! 250 ms, private ones too: most likely they are not needed. Of several, the one that was reached last counts.
//!
//! An address is [redundant](AttemptError::Redundant) beside a better one that leads to the same port, while that one waits or is in flight:
//! WebSockets beside plain TCP; WebTransport and old QUIC beside QUIC version 1. It is refused, also where it became known first
//! and has not been started. One that has been started goes on.
//!
//! Where a name's IPv4 addresses are known before its IPv6 addresses, they wait for those for a moment
//! ([`DialerConfig::resolution_delay`]).
//!
//! The book is asked where a wish for a peer brings no addresses, and when all have failed; the peer routing, when the book had none either
//! or they have failed too. A dial asks each once, also where all addresses are in [backoff](BackoffConfig), for then the peer may have
//! moved. That floods nobody: no remote can make this node dial (a protocol that dials whom remotes tell of bounds that itself), and of one
//! peer there is one question at a time, which ends with the answer or with the last wish. When there is nothing left to ask, the wishes
//! fail with one error that lists each address with its own cause.
//!
//! # Tokens
//!
//! An attempt needs a token of its peer's, and, where it costs one, a token of the file descriptors', from its start to its end. Without
//! them it waits. When an attempt ends, each of its tokens goes to the one that waits longest for it, in the same step; only if nobody
//! waits is it free. So the limits hold at all times, and no token is ever free that somebody lacks.
//!
//! # How it ends
//!
//! With the first attempt that brings a connection: all wishes get it, the other attempts are cancelled, what waited is dropped. Or with a
//! connection that the peer makes meanwhile: then all wishes get that one ([`PeerCondition::Always`] too: it is a new connection), what
//! waited is dropped, and what was started goes on, for the peer may be about to give up its connection in favour of ours. It ends by itself,
//! and a connection that it brings is one more. Until then it holds its tokens.
//!
//! # What it remembers
//!
//! An address of a peer that failed is not attempted again before its [backoff](BackoffConfig) is over, unless the peer is reached
//! otherwise. Where nearly all public addresses of a kind, IPv6 or UDP, have failed lately, such addresses are
//! [held back](BlackHoleConfig), but for a probe now and then. A wish with [`DialOptions::ignore_backoff`] dials both. For dials of whoever is
//! at an address nothing is remembered by address, since the caller means just that one.
//!
//! # Limits
//!
//! [`DialerConfig`] says them all. Everything takes logarithmic time in the number of dials and of attempts that wait.

mod addresses;
mod backoff;
mod black_hole;
mod candidates;
mod config;
mod dial;
mod filter;
mod names;
mod ranking;
mod shared;
#[cfg(test)]
mod tests;
mod tokens;
mod types;

pub use config::{
    BackoffConfig, BlackHoleConfig, DialerConfig, DialerCounters, EveryAddress, MIN_TIMEOUT, TokenCount,
};
pub(super) use shared::is_of_address;
pub use types::{
    AddressSource, AttemptError, AttemptId, AttemptInfo, AttemptState, Cost, DialError, DialId, DialOptions,
    DialProgress, DialTarget, Dialable, DialerInput, DialerOutput, LookupId, PeerCondition, RecordKind,
    Records, Token,
};

use crate::connection::ConnectionId;
use crate::identity::PeerId;
use crate::machine::Machine;
use crate::seed::Seed;
use crate::swarm::TransportError;
use crate::time::{Deadline, Instant, Latest};
use dial::{Dial, Whom};
use shared::{Asked, Shared, Timer};
use std::collections::BTreeMap;

/// The machine. See the [module documentation](self).
#[derive(Debug)]
pub struct Dialer {
    /// Those that somebody wishes, and those of which something is still in flight.
    dials: BTreeMap<Whom, Dial>,
    shared: Shared,
    next_dial: DialId,
    is_shut_down: bool,
}

impl Dialer {
    /// A dialer of the node `local_peer`. The seed makes backoffs differ between nodes.
    pub fn new(config: DialerConfig, local_peer: PeerId, seed: Seed, now: Instant) -> Self {
        let mut latest = Latest::default();
        latest.see(now);
        Self {
            dials: BTreeMap::new(),
            shared: Shared::new(config, local_peer, seed, latest),
            next_dial: DialId(0),
            is_shut_down: false,
        }
    }

    /// What it has done, and what there is now. Walks over all dials that have attempts: milliseconds for 100,000 of them.
    pub fn counters(&self) -> DialerCounters {
        DialerCounters {
            dials_waiting: self.shared.wishes.len(),
            peer_tokens: self.shared.tokens.count(Token::Peer),
            descriptors: self.shared.tokens.count(Token::Descriptor),
            ..self.shared.counters
        }
    }

    /// The attempts that are under way and those that wait for a token, in the order in which they were due.
    pub fn attempts(&self) -> impl Iterator<Item = AttemptInfo> + '_ {
        self.shared.attempts.iter().filter_map(|(&attempt, &(whom, index))| {
            let (peer, address) = self.dials.get(&whom)?.address_at(index);
            let lacks = self.shared.tokens.lacks(whom, attempt);
            Some(AttemptInfo { attempt, peer, address: address.clone(), lacks })
        })
    }

    /// Whether somebody waits for a connection to the peer.
    pub fn is_dialing(&self, peer: PeerId) -> bool {
        self.dials.get(&Whom::Peer(peer)).is_some_and(Dial::is_wished)
    }

    fn wish(
        &mut self,
        dial: DialId,
        target: DialTarget,
        options: DialOptions,
        connected: Option<ConnectionId>,
    ) {
        match self.find_answer(dial, &target, options.condition, connected) {
            Some(answer) => self.shared.finish(dial, answer),
            None => self.join(dial, target, options),
        }
    }

    /// The answer to a wish for which nothing is to be done.
    fn find_answer(
        &mut self,
        dial: DialId,
        target: &DialTarget,
        condition: PeerCondition,
        connected: Option<ConnectionId>,
    ) -> Option<Result<ConnectionId, DialError>> {
        if dial < self.next_dial {
            return Some(Err(DialError::IdReused));
        }
        self.next_dial = DialId(dial.0.saturating_add(1));
        if self.is_shut_down {
            return Some(Err(DialError::ShuttingDown));
        }
        if let Some(peer) = target.peer {
            if self.shared.gate.is_local(peer) {
                return Some(Err(DialError::SelfDial));
            }
            if condition != PeerCondition::Always
                && let Some(connection) = connected
            {
                return Some(Ok(connection));
            }
            if condition == PeerCondition::NotDialing && self.is_dialing(peer) {
                return Some(Err(DialError::AlreadyDialing));
            }
        }
        let max = self.shared.config.max_dials.max(1);
        (self.shared.wishes.len() >= max).then_some(Err(DialError::TooMany(max)))
    }

    fn join(&mut self, dial: DialId, target: DialTarget, options: DialOptions) {
        let whom = target.peer.map_or(Whom::Anyone(dial), Whom::Peer);
        let timeout = options.timeout.unwrap_or(self.shared.config.dial_timeout).max(MIN_TIMEOUT);
        let deadline = Deadline::new(self.shared.now.get() + timeout, "a dial's timeout");
        self.shared.timers.set(Timer::Wish(dial), Some(deadline));
        self.shared.wishes.insert(dial, whom);
        self.dials.entry(whom).or_insert_with(|| Dial::new(whom));
        self.change(whom, |it, shared| it.join(dial, target.addresses, options.ignore_backoff, shared));
    }

    /// Changes a dial, if there is one, and does what follows, here and for those to whom tokens are handed on.
    fn change(&mut self, whom: Whom, change: impl FnOnce(&mut Dial, &mut Shared)) {
        if let Some(dial) = self.dials.get_mut(&whom) {
            change(dial, &mut self.shared);
            dial.proceed(&mut self.shared);
            if dial.is_over() {
                self.dials.remove(&whom);
            }
        }
        for grant in std::mem::take(&mut self.shared.grants) {
            let index = self.shared.attempts.get(&grant.attempt).map(|(_, index)| *index);
            if let (Some(dial), Some(index)) = (self.dials.get_mut(&grant.whom), index) {
                dial.granted(index, grant.lacks, &mut self.shared);
            }
        }
    }

    /// The dial of an attempt and the address, if it has been started and has not ended.
    fn find_started(&self, attempt: AttemptId) -> Option<(Whom, usize, &Dial)> {
        let &(whom, index) = self.shared.attempts.get(&attempt)?;
        let dial = self.dials.get(&whom)?;
        dial.is_started(index).then_some((whom, index, dial))
    }

    fn leave(&mut self, dial: DialId, error: impl FnOnce(&Dial) -> DialError) {
        if let Some(&whom) = self.shared.wishes.get(&dial) {
            self.change(whom, |it, shared| it.leave(dial, error(it), shared));
        }
    }

    fn upgrading(&mut self, attempt: AttemptId) {
        if let Some((whom, index, _)) = self.find_started(attempt) {
            self.change(whom, |dial, shared| dial.upgrading(index, shared));
        }
    }

    fn succeeded(&mut self, attempt: AttemptId, connection: ConnectionId, peer: PeerId) {
        let Some((whom, index, dial)) = self.find_started(attempt) else { return };
        if let Some(expected) = dial.address_at(index).0.filter(|expected| *expected != peer) {
            return self.failed(attempt, AttemptError::WrongPeer { expected, actual: peer });
        }
        self.shared.backoffs.reached(peer);
        self.change(whom, |dial, shared| dial.attempt_succeeded(index, connection, shared));
        if whom != Whom::Peer(peer) {
            // Others may look for who was there.
            self.connected(connection, peer);
        }
    }

    fn failed(&mut self, attempt: AttemptId, error: AttemptError) {
        if let Some((whom, index, _)) = self.find_started(attempt) {
            self.change(whom, |dial, shared| dial.attempt_failed(index, error, shared));
        }
    }

    fn attempt_timed_out(&mut self, attempt: AttemptId) {
        if let Some((whom, index, _)) = self.find_started(attempt) {
            self.shared.outputs.push_back(DialerOutput::CancelAttempt { attempt });
            self.change(whom, |dial, shared| dial.attempt_failed(index, AttemptError::Timeout, shared));
        }
    }

    fn connected(&mut self, connection: ConnectionId, peer: PeerId) {
        self.shared.backoffs.reached(peer);
        self.change(Whom::Peer(peer), |dial, shared| dial.connected(connection, shared));
    }

    fn looked_up(&mut self, lookup: LookupId, result: Result<Records, TransportError>) {
        if let Some(asked) = self.shared.lookups.remove(&lookup) {
            self.shared.timers.set(Timer::Name(lookup), None);
            self.change(asked.whom, |dial, shared| dial.looked_up(lookup, asked, result, shared));
        }
    }

    fn resolution_delayed(&mut self, lookup: LookupId) {
        if let Some(&Asked { whom, index, .. }) = self.shared.lookups.get(&lookup) {
            self.change(whom, |dial, shared| dial.resolution_delayed(index, shared));
        }
    }

    fn shut_down(&mut self) {
        self.is_shut_down = true;
        // All of them leave their queues before any token is handed on.
        for whom in self.dials.keys() {
            self.shared.tokens.withdraw(*whom);
        }
        for mut dial in std::mem::take(&mut self.dials).into_values() {
            dial.shut_down(&mut self.shared);
        }
    }
}

impl Machine for Dialer {
    type Input = DialerInput;
    type Output = DialerOutput;

    fn handle_input(&mut self, input: DialerInput, now: Instant) {
        self.shared.now.see(now);
        match input {
            DialerInput::Dial { dial, target, options, connected } => {
                self.wish(dial, target, options, connected);
            }
            DialerInput::Cancel { dial } => self.leave(dial, |_| DialError::Cancelled),
            DialerInput::Addresses { peer, source, addresses } => {
                self.change(Whom::Peer(peer), |dial, shared| dial.add(addresses, source, shared));
            }
            DialerInput::Exhausted { peer, source } => {
                self.change(Whom::Peer(peer), |dial, _| dial.exhausted(source));
            }
            DialerInput::LookedUp { lookup, result } => self.looked_up(lookup, result),
            DialerInput::Upgrading { attempt } => self.upgrading(attempt),
            DialerInput::Succeeded { attempt, connection, peer } => self.succeeded(attempt, connection, peer),
            DialerInput::Failed { attempt, error } => self.failed(attempt, error),
            DialerInput::Connected { connection, peer } => self.connected(connection, peer),
            DialerInput::Listening { addresses } => self.shared.gate.set_listening(addresses),
            DialerInput::ShutDown => self.shut_down(),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.shared.now.see(now);
        while let Some(timer) = self.shared.timers.pop_due(now) {
            match timer {
                Timer::Attempt(attempt) => self.attempt_timed_out(attempt),
                Timer::Name(lookup) => self.resolution_delayed(lookup),
                Timer::Pace(whom) => self.change(whom, |_, _| {}),
                Timer::Wish(dial) => self.leave(dial, |it| DialError::Timeout(it.failures())),
            }
        }
    }

    fn poll_output(&mut self) -> Option<DialerOutput> {
        self.shared.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.shared.timers.next()
    }
}
