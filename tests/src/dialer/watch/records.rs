//! What is known of dials, addresses and failures.

use peerwork_core::address::{Multiaddr, Protocol, is_relayed};
use peerwork_core::identity::PeerId;
use peerwork_core::swarm::dialer::{AddressSource, AttemptError, AttemptId, BackoffConfig, DialId};
use peerwork_core::time::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Who shares a dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Peer(PeerId),
    Anyone(DialId),
}

/// An address of a dial.
pub(super) type Key = (Group, Multiaddr);

#[derive(Debug, Default)]
pub(super) struct Dial {
    /// Those who wait, and until when.
    pub(super) wishes: BTreeMap<DialId, Instant>,
    /// Somebody insists.
    pub(super) ignores_backoff: bool,
    pub(super) addresses: BTreeMap<Multiaddr, Address>,
    /// Who was asked for addresses, and who has yet to answer.
    pub(super) asked: BTreeSet<AddressSource>,
    pub(super) asking: BTreeSet<AddressSource>,
    /// The attempt on a public address that was the last to be upgraded, and until when others wait for it.
    pub(super) upgrading: Option<(AttemptId, Instant)>,
    /// What others than callers told, as far as it was queued.
    pub(super) by_others: BTreeSet<Multiaddr>,
    /// How many addresses callers told.
    pub(super) by_callers: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Address {
    /// When its time comes.
    pub(super) due: Instant,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    Queued,
    Waiting,
    Started { attempt: Option<AttemptId>, since: Instant },
    Failed(AttemptError),
    Cancelled,
}

impl Stage {
    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self, Self::Waiting | Self::Started { .. })
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_in_flight() || *self == Self::Queued
    }

    /// Whether it was refused only for now.
    pub(super) fn is_only_for_now(&self) -> bool {
        use AttemptError::{Backoff, BlackHole, TooMany};
        matches!(self, Self::Failed(Backoff { .. } | BlackHole | TooMany))
    }
}

impl Dial {
    pub(super) fn is_wished(&self) -> bool {
        !self.wishes.is_empty()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.addresses.values().any(|address| address.stage.is_live())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.addresses.values().filter(|address| address.stage.is_in_flight()).count()
    }

    /// Whether a better address of the same port waits or is in flight.
    pub(super) fn is_redundant(&self, address: &Multiaddr) -> bool {
        let better = better(address).and_then(|better| self.addresses.get(&better));
        better.is_some_and(|it| it.stage.is_live())
    }

    /// The earliest time of what is queued.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let queued = self.addresses.values().filter(|address| address.stage == Stage::Queued);
        queued.map(|address| address.due).min()
    }
}

/// When addresses may be dialled again, at the earliest.
#[derive(Debug)]
pub(super) struct Failures {
    config: BackoffConfig,
    /// How often each has failed, at least, and when it did the last time.
    failed: BTreeMap<(PeerId, Multiaddr), (u32, Instant)>,
}

impl Failures {
    pub(super) fn new(config: BackoffConfig) -> Self {
        Self { config, failed: BTreeMap::new() }
    }

    /// The shortest that the backoff after so many failures can be.
    fn backoff(&self, failures: u32) -> Duration {
        let grown = self.config.step * (failures - 1) * (failures - 1);
        (self.config.base + grown).min(self.config.max)
    }

    pub(super) fn failed(&mut self, peer: PeerId, address: &Multiaddr, now: Instant) {
        let key = (peer, address.clone());
        // A failure is remembered for twice its backoff.
        let before = match self.failed.get(&key) {
            Some(&(failures, at)) if now < at + self.backoff(failures) * 2 => failures,
            _ => 0,
        };
        self.failed.insert(key, (before + 1, now));
    }

    pub(super) fn reached(&mut self, peer: PeerId) {
        self.failed.retain(|(of, _), _| *of != peer);
    }

    /// Whether it may be in backoff.
    pub(super) fn has_failed(&self, peer: PeerId, address: &Multiaddr) -> bool {
        self.failed.contains_key(&(peer, address.clone()))
    }

    pub(super) fn earliest(&self, peer: PeerId, address: &Multiaddr) -> Instant {
        match self.failed.get(&(peer, address.clone())) {
            Some(&(failures, at)) => at + self.backoff(failures),
            None => Instant::ORIGIN,
        }
    }
}

/// Of the addresses that are drawn.
pub(super) fn is_private(address: &Multiaddr) -> bool {
    let text = address.to_string();
    !is_relayed(address) && (text.starts_with("/ip4/10.") || text.starts_with("/ip6/fc00:"))
}

/// Of the addresses that are drawn.
pub(super) fn is_public(address: &Multiaddr) -> bool {
    !is_relayed(address) && !is_private(address)
}

/// The address beside which one that is drawn is redundant.
fn better(address: &Multiaddr) -> Option<Multiaddr> {
    let mut better = address.clone();
    match better.pop()? {
        Protocol::Ws(_) | Protocol::WebTransport => Some(better),
        Protocol::Quic => Some(better.with(Protocol::QuicV1)),
        _ => None,
    }
}

/// The port of an address that is only TCP, and whether it is IPv6.
pub(super) fn tcp(address: &Multiaddr) -> Option<(bool, u16)> {
    match address.iter().collect::<Vec<_>>()[..] {
        [Protocol::Ip4(_), Protocol::Tcp(port)] => Some((false, port)),
        [Protocol::Ip6(_), Protocol::Tcp(port)] => Some((true, port)),
        _ => None,
    }
}
