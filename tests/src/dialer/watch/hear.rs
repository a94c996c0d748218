//! What outputs say, and what may not be said.

use super::records::{Address, Group, Key, Stage};
use super::{Checked, Promise, Question, Watch};
use crate::dialer::world::{cost, listening, owner_of_name, peer};
use peerwork_core::address::{Multiaddr, Protocol};
use peerwork_core::connection::ConnectionId;
use peerwork_core::swarm::dialer::{
    AddressSource, AttemptError, AttemptId, AttemptState, DialError, DialId, DialProgress, DialerOutput,
};
use peerwork_core::time::Instant;
use std::collections::BTreeSet;

impl Watch {
    pub(super) fn hear(&mut self, output: &DialerOutput) -> Checked {
        match output {
            DialerOutput::Progress(DialProgress { peer, address, state }) => {
                let Some(group) = self.group_of(*peer, address) else {
                    return self
                        .check(Promise::WantedWhenStarted, false, || format!("nobody asked for {address}"));
                };
                self.hear_progress((group, address.clone()), state)
            }
            DialerOutput::Start { attempt, peer, address } => {
                let group =
                    self.group_of(*peer, address).ok_or((Promise::WantedWhenStarted, address.to_string()))?;
                self.hear_start(*attempt, (group, address.clone()))
            }
            DialerOutput::CancelAttempt { attempt } => {
                self.step.cancelled.insert(*attempt);
                Ok(())
            }
            DialerOutput::FindAddresses { peer, source } => {
                let dial = self.dials.entry(Group::Peer(*peer)).or_default();
                let is_first = dial.asked.insert(*source) && dial.asking.insert(*source);
                let what = || format!("the {source:?} is asked for {peer} again");
                self.check(Promise::OneDialPerPeer, is_first, what)
            }
            DialerOutput::StopFinding { peer, source } => {
                if let Some(dial) = self.dials.get_mut(&Group::Peer(*peer)) {
                    dial.asking.remove(source);
                }
                Ok(())
            }
            DialerOutput::Lookup { lookup, name, kind } => {
                if let Some(number) = owner_of_name(name) {
                    let group = Group::Peer(peer(number));
                    self.lookups.insert(*lookup, Question { group, name: name.clone(), kind: *kind });
                }
                Ok(())
            }
            DialerOutput::CancelLookup { lookup } => {
                self.lookups.remove(lookup);
                Ok(())
            }
            DialerOutput::Finished { dial, result } => self.hear_finished(*dial, result),
        }
    }

    fn hear_progress(&mut self, key: Key, state: &AttemptState) -> Checked {
        if *state == (AttemptState::Failed { error: AttemptError::BlackHole }) {
            self.step.held_back.push(key.1.clone());
        }
        let (group, address) = &key;
        if let (AttemptState::Failed { error: AttemptError::Backoff { .. } }, Group::Peer(peer)) =
            (state, group)
        {
            let has_failed = self.failures.has_failed(*peer, address);
            self.check(Promise::BackoffIsKept, has_failed, || format!("{key:?} has not failed"))?;
        }
        let known = self.dials.get(group).and_then(|dial| dial.addresses.get(address));
        let (due, stage) = known.map_or((self.now, None), |it| (it.due, Some(it.stage.clone())));
        let stage = match (state, stage) {
            (AttemptState::Queued { delay, source }, stage) => {
                let is_fresh = stage.is_none_or(|stage| stage == Stage::Cancelled || stage.is_only_for_now());
                if *source != AddressSource::Caller {
                    self.dials.entry(*group).or_default().by_others.insert(address.clone());
                }
                self.check(Promise::EveryAddressOnce, is_fresh, || format!("{key:?} is queued again"))?;
                let reason = self.why_undialable(&key.1);
                self.check(Promise::UndialableIsRefused, reason.is_none(), || {
                    format!("{key:?} is {reason:?}")
                })?;
                self.step.queued.push((key.clone(), *delay));
                return self.set(key, self.now + *delay, Stage::Queued);
            }
            (AttemptState::Waiting { .. } | AttemptState::Started, Some(Stage::Queued)) => {
                self.check_due(&key, due)?;
                self.model.request(key.0, key.clone(), cost(&key.1));
                self.stage_after(state)
            }
            (AttemptState::Waiting { .. } | AttemptState::Started, Some(Stage::Waiting)) => {
                self.stage_after(state)
            }
            (AttemptState::Failed { error: AttemptError::Redundant }, stage) if !is_started(&stage) => {
                let is_new = !stage.as_ref().is_some_and(Stage::is_live);
                self.step.redundant.push((key.clone(), is_new));
                if stage == Some(Stage::Waiting) {
                    self.model.release(&key);
                }
                Stage::Failed(AttemptError::Redundant)
            }
            (AttemptState::Failed { error }, None | Some(Stage::Cancelled)) => Stage::Failed(error.clone()),
            (AttemptState::Failed { error }, Some(Stage::Failed(_))) => Stage::Failed(error.clone()),
            (AttemptState::Failed { error }, Some(Stage::Started { attempt, .. })) => {
                self.hear_failed(&key, attempt, error);
                Stage::Failed(error.clone())
            }
            (AttemptState::Cancelled, Some(Stage::Queued)) => Stage::Cancelled,
            (AttemptState::Cancelled, Some(Stage::Waiting)) => {
                self.model.release(&key);
                Stage::Cancelled
            }
            (AttemptState::Cancelled, Some(Stage::Started { attempt, .. })) => {
                self.end(&key, attempt);
                self.holes.record(&key.1, false);
                self.step.doomed.extend(attempt);
                Stage::Cancelled
            }
            (AttemptState::Won, Some(Stage::Started { attempt, .. })) => {
                self.end(&key, attempt);
                self.holes.record(&key.1, true);
                self.step.won.insert(key.0);
                Stage::Cancelled
            }
            (state, stage) => {
                return Err((Promise::EveryAddressOnce, format!("{key:?} is {stage:?}, then {state:?}")));
            }
        };
        self.set(key.clone(), due, stage)?;
        match state {
            AttemptState::Started => {
                let lacks =
                    self.model.attempts().into_iter().find(|(of, _)| *of == key).and_then(|(_, lacks)| lacks);
                self.check(Promise::StartsHoldTokens, lacks.is_none(), || format!("{key:?} lacks {lacks:?}"))
            }
            _ => Ok(()),
        }
    }

    fn stage_after(&self, state: &AttemptState) -> Stage {
        match state {
            AttemptState::Started => Stage::Started { attempt: None, since: self.now },
            _ => Stage::Waiting,
        }
    }

    fn set(&mut self, (group, address): Key, due: Instant, stage: Stage) -> Checked {
        self.dials.entry(group).or_default().addresses.insert(address, Address { due, stage });
        Ok(())
    }

    /// An attempt may be made when its time has come, or when nothing is in flight and its turn is next.
    fn check_due(&mut self, key: &Key, due: Instant) -> Checked {
        let Some(dial) = self.dials.get(&key.0) else { return Ok(()) };
        let is_next = dial.next_due() == Some(due);
        let is_early = self.step.early.get(&key.0) == Some(&due) || (dial.in_flight() == 0 && is_next);
        if is_early {
            self.step.early.insert(key.0, due);
        }
        let (is_due, now, upgrading) = (due <= self.now, self.now, dial.upgrading);
        if let Some((_, end)) = upgrading {
            self.check(Promise::UpgradesHaveTime, end <= now, || {
                format!("{key:?} does not wait for {upgrading:?}")
            })?;
        }
        self.check(Promise::DelaysAreKept, is_due || is_early, || {
            format!("{key:?} is due at {due:?}, not at {now:?}")
        })
    }

    fn hear_failed(&mut self, key: &Key, attempt: Option<AttemptId>, error: &AttemptError) {
        self.end(key, attempt);
        // The rest of what is drawn is this node's own fault.
        let is_of_address = !matches!(error, AttemptError::Blocked(_));
        if is_of_address {
            self.holes.record(&key.1, false);
        }
        if let Group::Peer(peer) = key.0
            && is_of_address
            && self.is_wished(key.0)
        {
            self.failures.failed(peer, &key.1, self.now);
        }
    }

    /// An attempt has ended.
    fn end(&mut self, key: &Key, attempt: Option<AttemptId>) {
        self.model.release(key);
        if let Some(attempt) = attempt {
            self.attempts.remove(&attempt);
            if let Some(dial) = self.dials.get_mut(&key.0) {
                dial.upgrading.take_if(|(of, _)| *of == attempt);
            }
        }
    }

    fn hear_start(&mut self, attempt: AttemptId, key: Key) -> Checked {
        let now = self.now;
        let is_wished = self.is_wished(key.0) && !self.step.won.contains(&key.0);
        self.check(Promise::WantedWhenStarted, is_wished, || format!("nobody waits for {key:?}"))?;
        let is_up = !self.is_shut_down;
        self.check(Promise::ShutDownEndsAll, is_up, || format!("{key:?} starts after the end"))?;
        if let Group::Peer(peer) = key.0 {
            let earliest = self.failures.earliest(peer, &key.1);
            let insists = self.dials.get(&key.0).is_some_and(|dial| dial.ignores_backoff);
            self.check(Promise::BackoffIsKept, insists || earliest <= now, || {
                format!("{key:?} is in backoff until {earliest:?}, not {now:?}")
            })?;
        }
        let dial = self.dials.entry(key.0).or_default();
        match dial.addresses.get_mut(&key.1).map(|address| &mut address.stage) {
            Some(Stage::Started { attempt: id @ None, .. }) => {
                *id = Some(attempt);
                self.attempts.insert(attempt, key);
                self.check(Promise::OneDialPerPeer, true, String::new)
            }
            stage => Err((Promise::OneDialPerPeer, format!("{key:?} starts, but is {stage:?}"))),
        }
    }

    fn why_undialable(&self, address: &Multiaddr) -> Option<&'static str> {
        let text = address.to_string();
        let is = |needle: &str| text.contains(needle);
        match () {
            () if is("/0.0.0.0/") => Some("unspecified"),
            () if is("/fe80::") => Some("link-local without a zone"),
            () if is("/memory/") => Some("of no transport"),
            () if is("/dns") => Some("a name"),
            () if matches!(address.iter().last(), Some(Protocol::P2p(_))) => {
                Some("with a peer id at its end")
            }
            () if text.ends_with("/tcp/0") => Some("of no port"),
            () if self.is_listening && listening().contains(address) => Some("this node's own"),
            () => None,
        }
    }

    fn hear_finished(&mut self, dial: DialId, result: &Result<ConnectionId, DialError>) -> Checked {
        let group = self.wishes.remove(&dial);
        self.check(Promise::OneAnswer, group.is_some(), || format!("{dial:?} waits for no answer"))?;
        self.step.answers.insert(dial, result.clone());
        let Some((group, of)) = group.and_then(|group| Some((group, self.dials.get_mut(&group)?))) else {
            return Ok(());
        };
        of.wishes.remove(&dial);
        match result {
            Err(DialError::Failed(failures)) => self.check_failed(group, failures),
            Err(DialError::NoAddresses) => self.check_failed(group, &[]),
            _ => Ok(()),
        }
    }

    fn check_failed(&mut self, group: Group, listed: &[(Multiaddr, AttemptError)]) -> Checked {
        let Some(dial) = self.dials.get(&group) else { return Ok(()) };
        let sources = match group {
            Group::Peer(_) => BTreeSet::from([AddressSource::Book, AddressSource::Routing]),
            Group::Anyone(_) => BTreeSet::new(),
        };
        let is_expecting = dial.is_busy()
            || !dial.asking.is_empty()
            || dial.asked != sources
            || self.lookups.values().any(|question| question.group == group);
        let failed = |(address, it): (&Multiaddr, &Address)| match &it.stage {
            Stage::Failed(error) => Some((address.clone(), error.clone())),
            _ => None,
        };
        // A name that was one too many may have found room later, which nobody says.
        let is_certain = |(address, error): &(Multiaddr, AttemptError)| {
            *error != AttemptError::TooMany || !address.to_string().starts_with("/dns")
        };
        let mut failed: Vec<_> = dial.addresses.iter().filter_map(failed).collect();
        let mut listed = listed.to_vec();
        failed.retain(is_certain);
        listed.retain(is_certain);
        failed.sort_by(|one, other| one.0.cmp(&other.0));
        listed.sort_by(|one, other| one.0.cmp(&other.0));
        let what = format!("expecting more: {is_expecting}; listed: {listed:?}; failed: {failed:?}");
        self.check(Promise::FailsWhenExhausted, !is_expecting && listed == failed, || what)
    }
}

fn is_started(stage: &Option<Stage>) -> bool {
    matches!(stage, Some(Stage::Started { .. }))
}
