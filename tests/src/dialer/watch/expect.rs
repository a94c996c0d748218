//! What must follow from an input.

use super::records::{Dial, Group, Stage, is_public};
use super::{Checked, Promise, Question, Watch};
use peerwork_core::address::{Multiaddr, split_peer_id};
use peerwork_core::connection::ConnectionId;
use peerwork_core::identity::PeerId;
use peerwork_core::swarm::dialer::{
    AttemptError, AttemptId, AttemptState, DialError, DialId, DialOptions, DialProgress, DialTarget,
    DialerInput, DialerOutput, LookupId, MIN_TIMEOUT, PeerCondition, RecordKind,
};
use std::collections::BTreeSet;
use std::time::Duration;

use crate::dialer::world::peer;

/// How long others wait while a public address is being upgraded.
const UPGRADE_PAUSE: Duration = Duration::from_millis(250);

/// Of what has ended, nothing is heard.
const IGNORED: Expected = Expected::Silence(Promise::LosersAreCancelled);

/// What must follow from an input.
pub(super) enum Expected {
    Nothing,
    /// An answer at once, and nothing else.
    Connected(DialId, ConnectionId),
    /// These addresses are known to the dial afterwards.
    Known {
        group: Group,
        addresses: Vec<Multiaddr>,
        by_caller: bool,
    },
    /// Nothing may be heard.
    Silence(Promise),
    /// The wish is answered; it was the last one, or others go on.
    Left {
        dial: DialId,
        group: Group,
        is_last: bool,
    },
    /// All these wishes get the connection, because an attempt brought it or the peer made it.
    Reached {
        promise: Promise,
        wishes: BTreeSet<DialId>,
        connection: ConnectionId,
    },
    /// The attempt has failed.
    WrongPeer(ConnectionId),
    ShutDown(BTreeSet<DialId>),
}

impl Watch {
    /// Takes note of an input, before its outputs.
    pub(super) fn note(&mut self, input: &DialerInput, outputs: &[DialerOutput]) -> Expected {
        match input {
            DialerInput::Dial { dial, target, options, connected } => {
                self.note_dial(*dial, target, options, *connected, outputs)
            }
            DialerInput::Cancel { dial } => self.note_cancel(*dial),
            DialerInput::Addresses { peer, addresses, .. } => {
                let group = Group::Peer(*peer);
                if self.is_wished(group) {
                    Expected::Known { group, addresses: addresses.clone(), by_caller: false }
                } else {
                    IGNORED
                }
            }
            DialerInput::Exhausted { peer, source } => {
                if let Some(dial) = self.dials.get_mut(&Group::Peer(*peer)) {
                    dial.asking.remove(source);
                }
                Expected::Nothing
            }
            DialerInput::LookedUp { lookup, .. } => self.note_records(*lookup),
            DialerInput::Upgrading { attempt } => self.note_upgrading(*attempt),
            DialerInput::Succeeded { attempt, connection, peer } => {
                let Some(&(group, _)) = self.attempts.get(attempt) else { return IGNORED };
                if matches!(group, Group::Peer(expected) if expected != *peer) {
                    return Expected::WrongPeer(*connection);
                }
                self.failures.reached(*peer);
                let wishes = &self.wishes_of(group) | &self.wishes_of(Group::Peer(*peer));
                Expected::Reached { promise: Promise::SuccessAnswersAll, wishes, connection: *connection }
            }
            DialerInput::Failed { attempt, .. } if !self.attempts.contains_key(attempt) => IGNORED,
            DialerInput::Failed { .. } => Expected::Nothing,
            DialerInput::Connected { connection, peer } => {
                self.failures.reached(*peer);
                let wishes = self.wishes_of(Group::Peer(*peer));
                Expected::Reached { promise: Promise::InboundAnswersAll, wishes, connection: *connection }
            }
            DialerInput::Listening { addresses } => {
                self.is_listening = !addresses.is_empty();
                IGNORED
            }
            DialerInput::ShutDown => {
                self.is_shut_down = true;
                Expected::ShutDown(self.wishes.keys().copied().collect())
            }
        }
    }

    fn note_dial(
        &mut self,
        dial: DialId,
        target: &DialTarget,
        options: &DialOptions,
        connected: Option<ConnectionId>,
        outputs: &[DialerOutput],
    ) -> Expected {
        let group = target.peer.map_or(Group::Anyone(dial), Group::Peer);
        self.wishes.insert(dial, group);
        if target.peer != Some(peer(0))
            && options.condition != PeerCondition::Always
            && !self.is_shut_down
            && let Some(connection) = connected
        {
            return Expected::Connected(dial, connection);
        }
        let is_refused = outputs.iter().any(|output| match output {
            DialerOutput::Finished { dial: of, result: Err(error) } => {
                use DialError::{AlreadyDialing, SelfDial, ShuttingDown, TooMany};
                *of == dial && matches!(error, AlreadyDialing | SelfDial | ShuttingDown | TooMany(_))
            }
            _ => false,
        });
        if is_refused {
            return Expected::Nothing;
        }
        let joined: &mut Dial = self.dials.entry(group).or_default();
        let timeout = options.timeout.unwrap_or(self.config.dial_timeout).max(MIN_TIMEOUT);
        joined.wishes.insert(dial, self.now + timeout);
        joined.ignores_backoff |= options.ignore_backoff;
        joined.by_callers += target.addresses.len();
        if target.peer.is_none() {
            self.anonymous.extend(target.addresses.iter().map(|address| (address.clone(), dial)));
        }
        Expected::Known { group, addresses: target.addresses.clone(), by_caller: true }
    }

    /// The addresses of a name are said at once, unless those of IPv6, which were asked for just before, are not known.
    fn note_records(&mut self, lookup: LookupId) -> Expected {
        let Some(question) = self.lookups.remove(&lookup) else { return Expected::Nothing };
        let before = lookup.0.checked_sub(1).and_then(|before| self.lookups.get(&LookupId(before)));
        let ip6 = Question { kind: RecordKind::Ip6, ..question };
        if question.kind == RecordKind::Ip4 && before == Some(&ip6) {
            Expected::Silence(Promise::Ip6HasTime)
        } else {
            Expected::Nothing
        }
    }

    fn note_upgrading(&mut self, attempt: AttemptId) -> Expected {
        if let Some((group, address)) = self.attempts.get(&attempt)
            && let Some(dial) = self.dials.get_mut(group).filter(|_| is_public(address))
        {
            dial.upgrading = Some((attempt, self.now + UPGRADE_PAUSE));
        }
        Expected::Silence(Promise::UpgradesHaveTime)
    }

    fn note_cancel(&self, dial: DialId) -> Expected {
        match self.wishes.get(&dial) {
            Some(&group) => {
                let is_last = self.wishes_of(group).len() == 1;
                Expected::Left { dial, group, is_last }
            }
            None => IGNORED,
        }
    }

    pub(super) fn is_wished(&self, group: Group) -> bool {
        self.dials.get(&group).is_some_and(Dial::is_wished)
    }

    fn wishes_of(&self, group: Group) -> BTreeSet<DialId> {
        self.dials.get(&group).map(|dial| dial.wishes.keys().copied().collect()).unwrap_or_default()
    }

    /// Holds the outputs against what was expected.
    pub(super) fn compare(&mut self, expected: Expected, outputs: &[DialerOutput]) -> Checked {
        match expected {
            Expected::Nothing => Ok(()),
            Expected::Connected(dial, connection) => {
                let answer = [DialerOutput::Finished { dial, result: Ok(connection) }];
                self.check(Promise::ConnectedIsAnAnswer, outputs == answer, || {
                    format!("expected {answer:?}, not {outputs:?}")
                })
            }
            Expected::Known { group, addresses, by_caller } => {
                self.compare_known(group, &addresses, by_caller)
            }
            Expected::Silence(promise) => {
                self.check(promise, outputs.is_empty(), || format!("nothing should follow, not {outputs:?}"))
            }
            Expected::Left { dial, group, is_last: false } => {
                let answer = [DialerOutput::Finished { dial, result: Err(DialError::Cancelled) }];
                self.check(Promise::LeavingIsPrivate, outputs == answer, || {
                    format!("others wait for {group:?}, but {outputs:?}")
                })
            }
            Expected::Left { group, is_last: true, .. } => {
                let busy = self.dials.get(&group).is_some_and(Dial::is_busy);
                self.check(Promise::LeavingIsPrivate, !busy, || {
                    format!("the last has left, {group:?} goes on")
                })
            }
            Expected::Reached { promise, wishes, connection } => {
                if wishes.is_empty() {
                    return Ok(());
                }
                let has_it = |dial: &DialId| self.step.answers.get(dial) == Some(&Ok(connection));
                let missing: Vec<_> = wishes.iter().filter(|dial| !has_it(dial)).collect();
                let all = missing.is_empty();
                let what = format!("{missing:?} have no answer");
                self.check(promise, all, || what)
            }
            Expected::WrongPeer(connection) => {
                let failed = outputs.iter().any(|output| {
                    matches!(
                        output,
                        DialerOutput::Progress(DialProgress {
                            state: AttemptState::Failed { error: AttemptError::WrongPeer { .. } },
                            ..
                        })
                    )
                });
                let answers = self.step.answers.values().any(|answer| *answer == Ok(connection));
                self.check(Promise::WrongPeerIsNoAnswer, failed && !answers, || format!("{outputs:?}"))
            }
            Expected::ShutDown(wishes) => {
                let ends = |dial| self.step.answers.get(dial) == Some(&Err(DialError::ShuttingDown));
                let all = wishes.iter().all(ends) && self.attempts.is_empty();
                self.check(Promise::ShutDownEndsAll, all, || format!("{outputs:?}"))
            }
        }
    }

    /// None of what a dial was told is forgotten, unless it is over or had enough.
    fn compare_known(&mut self, group: Group, told: &[Multiaddr], by_caller: bool) -> Checked {
        let Some(dial) = self.dials.get(&group).filter(|dial| dial.is_wished()) else { return Ok(()) };
        let is_too_many = |stage: &Stage| *stage == Stage::Failed(AttemptError::TooMany);
        let has_room = by_caller && dial.by_callers <= self.config.max_addresses / 4;
        let had_enough = dial.addresses.values().any(|address| is_too_many(&address.stage));
        if had_enough && !has_room {
            return Ok(());
        }
        let is_name = |address: &Multiaddr| address.to_string().starts_with("/dns");
        let is_known = |address: &&Multiaddr| {
            let bare = split_peer_id(address).map_or_else(|_| (*address).clone(), |(bare, _)| bare);
            is_name(address) || dial.addresses.contains_key(*address) || dial.addresses.contains_key(&bare)
        };
        let forgotten: Vec<_> = told.iter().filter(|address| !is_known(address)).collect();
        let (none, what) = (forgotten.is_empty(), format!("{group:?} does not know {forgotten:?}"));
        let promise = if had_enough { Promise::CallersHaveRoom } else { Promise::EveryAddressOnce };
        self.check(promise, none, || what)
    }

    /// Who is dialled, as far as an output says it.
    pub(super) fn group_of(&self, peer: Option<PeerId>, address: &Multiaddr) -> Option<Group> {
        let anyone = self.anonymous.get(address).map(|dial| Group::Anyone(*dial));
        anyone.or(peer.map(Group::Peer))
    }
}
