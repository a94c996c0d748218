//! Addresses that failed a short while ago.

use super::config::BackoffConfig;
use crate::address::Multiaddr;
use crate::identity::PeerId;
use crate::seed::Seed;
use crate::time::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Up to this share of a backoff is added by chance.
const MAX_JITTER_DIVISOR: u32 = 10;

/// The addresses that are not dialled for a while.
#[derive(Debug)]
pub(super) struct Backoffs {
    config: BackoffConfig,
    seed: Seed,
    entries: BTreeMap<Key, Entry>,
    /// The same, the first to be forgotten first.
    by_end: BTreeSet<(Instant, Key)>,
}

type Key = (PeerId, Multiaddr);

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// How often it failed, beside the first time.
    failures: u32,
    until: Instant,
    /// As long after `until` as that is after the failure, so that the next failure in a row is known as one.
    forgotten_at: Instant,
}

impl Backoffs {
    pub(super) fn new(config: BackoffConfig, seed: Seed) -> Self {
        Self { config, seed, entries: BTreeMap::new(), by_end: BTreeSet::new() }
    }

    /// How long the address must not be dialled. `None`: it may.
    pub(super) fn remaining(&self, peer: PeerId, address: &Multiaddr, now: Instant) -> Option<Duration> {
        let entry = self.entries.get(&(peer, address.clone()))?;
        Some(entry.until - now).filter(|remaining| !remaining.is_zero())
    }

    /// The address failed.
    pub(super) fn failed(&mut self, peer: PeerId, address: &Multiaddr, now: Instant) {
        self.forget_before(now);
        let key = (peer, address.clone());
        let failures = self.remove(&key).map_or(0, |entry| entry.failures.saturating_add(1));
        let backoff = self.draw_backoff(failures);
        let until = now + backoff;
        let entry = Entry { failures, until, forgotten_at: until + backoff };
        if self.entries.len() >= self.config.max_entries.max(1)
            && let Some((_, first)) = self.by_end.pop_first()
        {
            self.entries.remove(&first);
        }
        self.by_end.insert((entry.forgotten_at, key.clone()));
        self.entries.insert(key, entry);
    }

    /// The peer was reached.
    pub(super) fn reached(&mut self, peer: PeerId) {
        let of_peer = self.entries.range((peer, Multiaddr::empty())..).take_while(|((of, _), _)| *of == peer);
        let keys: Vec<Key> = of_peer.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.remove(&key);
        }
    }

    fn draw_backoff(&mut self, failures: u32) -> Duration {
        let grown = self.config.step.saturating_mul(failures.saturating_mul(failures));
        let backoff = self.config.base.saturating_add(grown).min(self.config.max);
        let max_jitter = u64::try_from((backoff / MAX_JITTER_DIVISOR).as_nanos()).unwrap_or(u64::MAX);
        let jitter = Duration::from_nanos(self.seed.below(max_jitter));
        backoff.saturating_add(jitter).min(self.config.max)
    }

    fn forget_before(&mut self, now: Instant) {
        while let Some((end, _)) = self.by_end.first()
            && *end <= now
            && let Some((_, key)) = self.by_end.pop_first()
        {
            self.entries.remove(&key);
        }
    }

    fn remove(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.by_end.remove(&(entry.forgotten_at, key.clone()));
        Some(entry)
    }
}
