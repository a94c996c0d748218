//! Kinds of address that do not work from here: the network swallows what is sent there.

use super::addresses::Scope;
use super::config::BlackHoleConfig;
use crate::address::{Multiaddr, Protocol};
use std::collections::VecDeque;

/// Watches the kinds that networks are known to swallow.
#[derive(Debug)]
pub(super) struct BlackHoles {
    udp: Detector,
    ip6: Detector,
}

impl BlackHoles {
    pub(super) fn new(config: BlackHoleConfig) -> Self {
        Self { udp: Detector::new(config), ip6: Detector::new(config) }
    }

    /// Whether to dial the address. An address that is due as a probe of one of its kinds is dialled although the other is held back.
    pub(super) fn admits(&mut self, address: &Multiaddr) -> bool {
        let verdicts: Vec<Verdict> = self.watching(address).map(Detector::judge).collect();
        verdicts.contains(&Verdict::Probe) || !verdicts.contains(&Verdict::HeldBack)
    }

    /// Notes how an attempt ended that was started. One that was cancelled did not succeed either: in a black hole nothing else
    /// happens where other addresses win.
    pub(super) fn record(&mut self, address: &Multiaddr, succeeded: bool) {
        self.watching(address).for_each(|detector| detector.record(succeeded));
    }

    fn watching(&mut self, address: &Multiaddr) -> impl Iterator<Item = &mut Detector> {
        let is_public = Scope::of(address) == Scope::Public;
        let has = |wanted: fn(&Protocol<'_>) -> bool| is_public && address.iter().any(|part| wanted(&part));
        let udp = has(|part| matches!(part, Protocol::Udp(_))).then_some(&mut self.udp);
        let ip6 = has(|part| matches!(part, Protocol::Ip6(_))).then_some(&mut self.ip6);
        udp.into_iter().chain(ip6)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// The kind is held back, but it is time to look whether it works again.
    Probe,
    HeldBack,
}

/// Watches one kind.
#[derive(Debug)]
struct Detector {
    config: BlackHoleConfig,
    /// How the latest attempts ended: as many as the window has, at most.
    results: VecDeque<bool>,
    /// Addresses held back since the last one that was not.
    held_back: usize,
}

impl Detector {
    fn new(mut config: BlackHoleConfig) -> Self {
        config.window = config.window.max(1);
        Self { config, results: VecDeque::new(), held_back: 0 }
    }

    fn is_black_hole(&self) -> bool {
        let successes = self.results.iter().filter(|succeeded| **succeeded).count();
        self.results.len() == self.config.window && successes < self.config.min_successes
    }

    fn judge(&mut self) -> Verdict {
        if !self.is_black_hole() {
            return Verdict::Fine;
        }
        self.held_back += 1;
        if self.held_back < self.config.window {
            return Verdict::HeldBack;
        }
        self.held_back = 0;
        Verdict::Probe
    }

    fn record(&mut self, succeeded: bool) {
        if succeeded && self.is_black_hole() {
            // It works again: everything starts anew.
            self.results.clear();
            self.held_back = 0;
        }
        if self.results.len() == self.config.window {
            self.results.pop_front();
        }
        self.results.push_back(succeeded);
    }
}
