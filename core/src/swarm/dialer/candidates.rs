//! The addresses of a dial.

use super::names::Name;
use super::types::{AddressSource, AttemptError, AttemptId, Cost, LookupId};
use crate::address::Multiaddr;
use crate::identity::PeerId;
use crate::swarm::TransportError;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::ops::{Index, IndexMut};

/// The addresses of a dial, each of them once, in the order in which they became known. One that is known stays at its index.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    list: Vec<Candidate>,
    /// Where each of them is.
    known: BTreeMap<(Multiaddr, Option<PeerId>), usize>,
    /// How many were told by others than the caller.
    by_others: usize,
    /// The first address for which there was no room.
    beyond: Option<Multiaddr>,
}

/// An address of a dial.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) address: Multiaddr,
    /// Who must be there.
    pub(super) peer: Option<PeerId>,
    pub(super) origin: Origin,
    pub(super) state: State,
}

/// Where an address comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) source: AddressSource,
    /// Who must be there, unless the address itself says so.
    pub(super) expected: Option<PeerId>,
    /// How many `/dnsaddr` names led to it.
    pub(super) name_depth: usize,
}

/// What has become of an address.
#[derive(Debug)]
pub(super) enum State {
    /// It is about to be looked at.
    New,
    /// A name whose records are being asked for.
    Resolving(Resolving),
    /// A name that stands for other candidates.
    Resolved,
    /// Its time comes.
    Queued { cost: Cost },
    /// It has an attempt, which waits for tokens until it is started.
    InFlight { attempt: AttemptId, is_started: bool },
    /// It is no way to the peer.
    Failed(AttemptError),
    /// Nobody waited any more. It is as good as unknown.
    Dropped,
}

/// A name about which is asked.
#[derive(Debug)]
pub(super) struct Resolving {
    pub(super) name: Name,
    /// How many `/dnsaddr` names lead to what it stands for.
    pub(super) depth: usize,
    /// The questions without an answer.
    pub(super) lookups: SmallVec<[LookupId; 2]>,
    /// What the answers said so far: some address, or the latest cause why there is none.
    pub(super) result: Result<(), TransportError>,
    /// IPv4 addresses that wait for the IPv6 addresses.
    pub(super) early: Vec<Multiaddr>,
}

/// What became of an address that was told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is new at this index.
    New(usize),
    /// It was known.
    Known,
    /// There is no room for it, as the first one or as a further one.
    NoRoom { is_first: bool },
}

impl Candidates {
    /// Takes an address in, of at most `max`; of others than the caller, of at most three quarters of that.
    pub(super) fn admit(
        &mut self,
        address: Multiaddr,
        peer: Option<PeerId>,
        origin: Origin,
        max: usize,
    ) -> Admission {
        let next = self.list.len();
        let is_by_other = origin.source != AddressSource::Caller;
        let has_room = next < max && !(is_by_other && self.by_others >= max - max / 4);
        if let Some(&index) = self.known.get(&(address.clone(), peer)) {
            let state = &mut self.list[index].state;
            if !matches!(state, State::Dropped) {
                return Admission::Known;
            }
            *state = State::New;
            Admission::New(index)
        } else if has_room {
            self.by_others += usize::from(is_by_other);
            self.beyond.take_if(|beyond| *beyond == address);
            self.known.insert((address.clone(), peer), next);
            self.list.push(Candidate { address, peer, origin, state: State::New });
            Admission::New(next)
        } else {
            let is_first = self.beyond.is_none();
            self.beyond.get_or_insert(address);
            Admission::NoRoom { is_first }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Candidate> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Candidate> {
        self.list.iter_mut()
    }

    /// Those that compete, by index: the others need not be waited for.
    pub(super) fn live(&self) -> impl Iterator<Item = (usize, &Candidate)> {
        let is_live = |it: &Candidate| matches!(it.state, State::Queued { .. } | State::InFlight { .. });
        self.iter().enumerate().filter(move |(_, it)| is_live(it))
    }

    /// Those that were refused only because of what was before.
    pub(super) fn held_back(&self) -> Vec<usize> {
        let is_held_back = |(_, it): &(usize, &Candidate)| {
            matches!(it.state, State::Failed(AttemptError::Backoff { .. } | AttemptError::BlackHole))
        };
        self.iter().enumerate().filter(is_held_back).map(|(index, _)| index).collect()
    }

    /// Why each address has not brought a connection.
    pub(super) fn failures(&self) -> Vec<(Multiaddr, AttemptError)> {
        let failures = self.iter().filter_map(|Candidate { address, state, .. }| {
            let error = match state {
                State::Failed(error) => error.clone(),
                State::InFlight { is_started: true, .. } | State::Resolving(_) => AttemptError::Timeout,
                State::InFlight { is_started: false, .. } | State::Queued { .. } | State::New => {
                    AttemptError::NotTried
                }
                State::Resolved | State::Dropped => return None,
            };
            Some((address.clone(), error))
        });
        failures.chain(self.beyond.clone().map(|address| (address, AttemptError::TooMany))).collect()
    }

    /// Forgets that there were too many.
    pub(super) fn forget_beyond(&mut self) {
        self.beyond = None;
    }
}

impl Index<usize> for Candidates {
    type Output = Candidate;

    fn index(&self, index: usize) -> &Candidate {
        &self.list[index]
    }
}

impl IndexMut<usize> for Candidates {
    fn index_mut(&mut self, index: usize) -> &mut Candidate {
        &mut self.list[index]
    }
}
