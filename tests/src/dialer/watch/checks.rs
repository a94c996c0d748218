//! What must hold after every step.

use super::records::{Address, Group, Stage, is_private, is_public, tcp};
use super::{Checked, Promise, Watch};
use peerwork_core::address::{Multiaddr, is_relayed};
use peerwork_core::machine::Machine;
use peerwork_core::swarm::dialer::{Cost, Dialer, DialerInput, Token, TokenCount};
use std::time::Duration;

use crate::dialer::world::cost;

/// Longer than any private address waits.
const MAX_PRIVATE_DELAY: Duration = Duration::from_millis(250);

/// How long a relay waits where there is a public address, at least.
const RELAY_DELAY: Duration = Duration::from_millis(500);

impl Watch {
    /// Who holds what is as in the model, within the limits.
    pub(super) fn check_tokens(&mut self, dialer: &Dialer) -> Checked {
        let mut attempts = Vec::new();
        for info in dialer.attempts() {
            let group =
                self.group_of(info.peer, &info.address).ok_or((Promise::TokensAreHandedOn, String::new()))?;
            attempts.push(((group, info.address), info.lacks));
        }
        attempts.sort();
        let expected = self.model.attempts();
        self.check(Promise::TokensAreHandedOn, attempts == expected, || {
            format!("the model has\n  {expected:?}\nthe dialer\n  {attempts:?}")
        })?;
        let stage = |(group, address): &(Group, Multiaddr)| self.dials.get(group)?.addresses.get(address);
        let sleeps = |(key, lacks): &&(_, Option<Token>)| {
            lacks.is_none()
                && !matches!(stage(key).map(|it| &it.stage), Some(Stage::Started { attempt: Some(_), .. }))
        };
        let sleeper = expected.iter().find(sleeps).cloned();
        self.check(Promise::TokensAreHandedOn, sleeper.is_none(), || {
            format!("{sleeper:?} has all that it needs and is not started")
        })?;
        let counters = dialer.counters();
        let (peers, descriptors) = (counters.tokens(Token::Peer), counters.tokens(Token::Descriptor));
        let is_counted =
            peers.in_use == self.model.all_peer_tokens() && descriptors.in_use == self.model.descriptors();
        let is_within = descriptors.in_use <= self.config.max_descriptors
            && self
                .dials
                .keys()
                .all(|group| self.model.peer_tokens(*group) <= self.config.max_attempts_per_peer);
        self.check(Promise::TokensHaveLimits, is_counted && is_within, || format!("{counters:?}"))?;
        let started = self.attempts.values().filter(|(_, address)| cost(address) == Cost::Descriptor).count();
        self.check(Promise::CostsAreCharged, started == descriptors.in_use, || {
            format!("{started} attempts cost a descriptor, {} are in use", descriptors.in_use)
        })
    }

    /// What is due has happened, and what is over has ended.
    pub(super) fn check_time(&mut self, dialer: &Dialer) -> Checked {
        let now = self.now;
        let late = dialer.poll_timeout().filter(|deadline| deadline.at <= now);
        self.check(Promise::DeadlinesAreKept, late.is_none(), || format!("{late:?} is not after {now:?}"))?;
        let mut overdue = Vec::new();
        let mut unstarted = Vec::new();
        for (group, dial) in &self.dials {
            overdue.extend(
                dial.wishes.iter().filter(|(_, end)| **end <= now).map(|(dial, _)| format!("{dial:?}")),
            );
            let held_until = dial.upgrading.map_or(now, |(_, end)| end);
            for (address, it) in &dial.addresses {
                match it.stage {
                    Stage::Queued if it.due.max(held_until) <= now || dial.in_flight() == 0 => {
                        unstarted.push(format!("{group:?} {address}"));
                    }
                    Stage::Started { since, .. } if since + self.timeout(address) <= now => {
                        overdue.push(address.to_string());
                    }
                    _ => {}
                }
            }
        }
        self.check(Promise::DeadlinesAreKept, overdue.is_empty(), || format!("{overdue:?} are overdue"))?;
        self.check(Promise::DelaysAreKept, unstarted.is_empty(), || format!("{unstarted:?} are due"))
    }

    fn timeout(&self, address: &Multiaddr) -> Duration {
        if is_private(address) { self.config.local_attempt_timeout } else { self.config.attempt_timeout }
    }

    /// The delays of what became known together.
    pub(super) fn check_ranks(&mut self, input: Option<&DialerInput>) -> Checked {
        // Whoever insists brings back what was refused before, apart from what is new.
        if matches!(input, Some(DialerInput::Dial { options, .. }) if options.ignore_backoff) {
            return Ok(());
        }
        let queued = std::mem::take(&mut self.step.queued);
        for ((group, address), delay) in &queued {
            let fellows = queued.iter().filter(|((of, _), _)| of == group);
            let mut rivals =
                fellows.clone().filter(|((_, rival), _)| is_private(rival) == is_private(address));
            let unfair = match tcp(address) {
                None => None,
                Some((is_ip6, port)) => rivals.find(|((_, rival), than)| match tcp(rival) {
                    Some((rival_is_ip6, than_port)) if rival_is_ip6 == is_ip6 => {
                        port < than_port && delay > than
                    }
                    // The best of IPv6 begins, if it is not too late for that.
                    Some((false, _)) if is_ip6 && !self.step.busy.contains(group) => {
                        let best = fellows.clone().filter(|((_, it), _)| {
                            is_private(it) == is_private(address) && tcp(it).is_some_and(|(is_ip6, _)| is_ip6)
                        });
                        best.map(|(_, delay)| delay).min() > Some(than)
                    }
                    _ => false,
                }),
            };
            let unfair = unfair.map(|((_, rival), _)| rival.clone());
            self.check(Promise::RanksAreKept, unfair.is_none(), || {
                format!("{address} waits {delay:?}, longer than {unfair:?}")
            })?;
            let has_public = fellows.clone().any(|((_, it), _)| is_public(it));
            let is_right = match () {
                () if is_relayed(address) => !has_public || *delay >= RELAY_DELAY,
                () if is_private(address) => *delay <= MAX_PRIVATE_DELAY,
                () => true,
            };
            self.check(Promise::RanksAreKept, is_right, || format!("{address} waits {delay:?}"))?;
        }
        self.step.queued = queued;
        Ok(())
    }

    /// What is redundant does not wait, and what is refused as redundant is.
    pub(super) fn check_redundant(&mut self) -> Checked {
        for (key, _) in self.step.redundant.clone() {
            let is_right = self.dials.get(&key.0).is_some_and(|dial| dial.is_redundant(&key.1));
            self.check(Promise::RedundantGivesWay, is_right, || format!("{key:?} is not redundant"))?;
        }
        let waits = |it: &Address| matches!(it.stage, Stage::Queued | Stage::Waiting);
        let redundant = self.dials.iter().find_map(|(group, dial)| {
            let mut all = dial.addresses.iter();
            let (address, _) = all.find(|(address, it)| waits(it) && dial.is_redundant(address))?;
            Some((*group, address.clone()))
        });
        match redundant {
            Some(key) => Err((Promise::RedundantGivesWay, format!("{key:?} is redundant"))),
            None => Ok(()),
        }
    }

    /// Others than callers have three quarters of the places.
    pub(super) fn check_room(&mut self) -> Checked {
        let max = self.config.max_addresses - self.config.max_addresses / 4;
        let Some((group, dial)) = self.dials.iter().find(|(_, dial)| dial.by_others.len() >= max) else {
            return Ok(());
        };
        let (count, what) =
            (dial.by_others.len(), format!("{group:?} has more than {max} from others: {dial:?}"));
        self.check(Promise::CallersHaveRoom, count == max, || what)
    }

    /// What was held back, and what was let through.
    pub(super) fn check_black_holes(&mut self) -> Checked {
        let insists = |group: &Group| self.dials.get(group).is_some_and(|dial| dial.ignores_backoff);
        let redundant = self.step.redundant.iter().filter(|(_, is_new)| *is_new).map(|(key, _)| key);
        let through = self.step.queued.iter().map(|(key, _)| key).chain(redundant);
        let through: Vec<_> =
            through.filter(|(group, _)| !insists(group)).map(|(_, address)| address.clone()).collect();
        if through.is_empty() && self.step.held_back.is_empty() {
            return Ok(());
        }
        let verdict = self.holes.judge(&self.step.held_back, &through);
        let (is_right, what) = (verdict.is_ok(), verdict.err().unwrap_or_default());
        self.check(Promise::BlackHolesAreAvoided, is_right, || what)
    }

    /// What ended has ended wholly.
    pub(super) fn check_ends(&mut self) -> Checked {
        let step = std::mem::take(&mut self.step);
        let uncancelled: Vec<_> = step.doomed.difference(&step.cancelled).collect();
        self.check(Promise::LosersAreCancelled, uncancelled.is_empty(), || {
            format!("{uncancelled:?} are not cancelled")
        })?;
        for group in &step.won {
            let goes_on = self.dials.get(group).is_some_and(|dial| dial.is_busy() || dial.is_wished());
            self.check(Promise::SuccessAnswersAll, !goes_on, || format!("{group:?} has won and goes on"))?;
        }
        let lookups: Vec<Group> = self.lookups.values().map(|question| question.group).collect();
        let mut left_over = Vec::new();
        self.dials.retain(|group, dial| {
            if dial.is_wished() {
                return true;
            }
            let is_started = |stage: &Stage| matches!(stage, Stage::Started { .. });
            let waits = dial.addresses.values().any(|it| it.stage.is_live() && !is_started(&it.stage));
            if waits || !dial.asking.is_empty() || lookups.contains(group) {
                left_over.push(format!("{group:?} is not wished: {dial:?}"));
            }
            dial.addresses.retain(|_, it| is_started(&it.stage));
            dial.asked.clear();
            dial.ignores_backoff = false;
            !dial.addresses.is_empty()
        });
        self.check(Promise::LeavingIsPrivate, left_over.is_empty(), || left_over.join("\n"))
    }

    /// When everything is over, nothing is left.
    ///
    /// # Errors
    /// Something is.
    pub fn expect_quiet(&mut self, dialer: &Dialer) -> Checked {
        let counters = dialer.counters();
        let none = TokenCount::default();
        let is_free =
            counters.peer_tokens == none && counters.descriptors == none && counters.dials_waiting == 0;
        let is_empty = dialer.attempts().next().is_none() && dialer.poll_timeout().is_none();
        self.check(Promise::QuietMeansEmpty, is_free && is_empty, || format!("{dialer:?}"))?;
        let unanswered: Vec<_> = self.wishes.keys().copied().collect();
        self.check(Promise::OneAnswer, unanswered.is_empty(), || format!("{unanswered:?} have no answer"))
    }
}
