//! Black holes, told with lists.

use super::records::is_public;
use peerwork_core::address::{Multiaddr, Protocol};
use peerwork_core::swarm::dialer::BlackHoleConfig;

/// The kinds that are watched. No address that is drawn is of both.
#[derive(Debug)]
pub(super) struct Holes([Hole; 2]);

#[derive(Debug)]
pub(super) struct Hole {
    config: BlackHoleConfig,
    is_of_kind: fn(&Protocol<'_>) -> bool,
    results: Vec<bool>,
    /// How many were looked at since the last that was let through.
    judged: usize,
}

impl Holes {
    pub(super) fn new(config: BlackHoleConfig) -> Self {
        let hole = |is_of_kind| Hole { config, is_of_kind, results: Vec::new(), judged: 0 };
        Self([
            hole(|part: &Protocol<'_>| matches!(part, Protocol::Udp(_))),
            hole(|part: &Protocol<'_>| matches!(part, Protocol::Ip6(_))),
        ])
    }

    /// These were held back and those let through in one step, in an order that is not known.
    ///
    /// # Errors
    /// That cannot be.
    pub(super) fn judge(&mut self, held_back: &[Multiaddr], let_through: &[Multiaddr]) -> Result<(), String> {
        for hole in &mut self.0 {
            let count = |all: &[Multiaddr]| all.iter().filter(|address| hole.watches(address)).count();
            let (held_back, let_through) = (count(held_back), count(let_through));
            if !hole.judge(held_back, let_through) {
                return Err(format!("{held_back} held back and {let_through} let through of {hole:?}"));
            }
        }
        Ok(())
    }

    pub(super) fn record(&mut self, address: &Multiaddr, succeeded: bool) {
        for hole in self.0.iter_mut().filter(|hole| hole.watches(address)) {
            if succeeded && hole.is_black() {
                (hole.results, hole.judged) = (Vec::new(), 0);
            }
            hole.results.push(succeeded);
        }
    }
}

impl Hole {
    fn watches(&self, address: &Multiaddr) -> bool {
        is_public(address) && address.iter().any(|part| (self.is_of_kind)(&part))
    }

    fn is_black(&self) -> bool {
        let latest = self.results.iter().rev().take(self.config.window);
        self.results.len() >= self.config.window
            && latest.filter(|succeeded| **succeeded).count() < self.config.min_successes
    }

    fn judge(&mut self, held_back: usize, let_through: usize) -> bool {
        if !self.is_black() {
            return held_back == 0;
        }
        let judged = self.judged + held_back + let_through;
        self.judged = judged % self.config.window;
        let_through == judged / self.config.window
    }
}
