//! The rate limiter: which attempts may start now, and which are next.
//!
//! An attempt needs a token of its peer's and, if it costs one, a token of the descriptors'. It takes the peer's first, so it waits in
//! one queue at a time: its peer's, or, holding the peer's token, that of the descriptors. Queues are first in, first out. A token that comes
//! free goes to whoever waits longest for it, and only if nobody waits back to its pool. Therefore no token is free that somebody lacks.
//!
//! Every change takes logarithmic time: whoever leaves is taken out of its queue at once, so no dead entries are ever skipped.

use super::config::TokenCount;
use super::dial::Whom;
use super::types::{AttemptId, Cost, Token};
use std::collections::BTreeMap;

/// The tokens, and who has or wants them.
#[derive(Debug)]
pub(super) struct Tokens {
    max_per_peer: usize,
    max_descriptors: usize,
    descriptors_in_use: usize,
    /// Who waits for a descriptor. Each holds its peer's token.
    waiting: BTreeMap<Place, (Whom, AttemptId)>,
    /// Those of whom there are attempts.
    peers: BTreeMap<Whom, Peer>,
    next_place: Place,
}

/// A place in a queue. The smaller, the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64);

#[derive(Debug, Default)]
struct Peer {
    tokens_in_use: usize,
    attempts: BTreeMap<AttemptId, Attempt>,
    /// Who waits for one of its tokens.
    waiting: BTreeMap<Place, AttemptId>,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    cost: Cost,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    LacksPeer(Place),
    LacksDescriptor(Place),
    HasAll,
}

impl Stage {
    fn lacks(self) -> Option<Token> {
        match self {
            Self::LacksPeer(_) => Some(Token::Peer),
            Self::LacksDescriptor(_) => Some(Token::Descriptor),
            Self::HasAll => None,
        }
    }
}

/// An attempt was handed a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) whom: Whom,
    pub(super) attempt: AttemptId,
    /// What it still waits for. `None`: it starts.
    pub(super) lacks: Option<Token>,
}

impl Tokens {
    pub(super) fn new(max_per_peer: usize, max_descriptors: usize) -> Self {
        Self {
            max_per_peer: max_per_peer.max(1),
            max_descriptors: max_descriptors.max(1),
            descriptors_in_use: 0,
            waiting: BTreeMap::new(),
            peers: BTreeMap::new(),
            next_place: Place(0),
        }
    }

    /// Takes what the attempt needs, or a place in the queue for it. Returns what it waits for. `None`: it starts.
    pub(super) fn request(&mut self, whom: Whom, attempt: AttemptId, cost: Cost) -> Option<Token> {
        let peer = self.peers.entry(whom).or_default();
        let stage = if peer.tokens_in_use < self.max_per_peer {
            peer.tokens_in_use += 1;
            self.take_descriptor(whom, attempt, cost)
        } else {
            Stage::LacksPeer(self.next_place())
        };
        let peer = self.peers.entry(whom).or_default();
        if let Stage::LacksPeer(place) = stage {
            peer.waiting.insert(place, attempt);
        }
        peer.attempts.insert(attempt, Attempt { cost, stage });
        stage.lacks()
    }

    /// Ends an attempt, whether it was started or waits, and hands its tokens on: the descriptor first, then the peer's.
    pub(super) fn release(&mut self, whom: Whom, attempt: AttemptId, grants: &mut Vec<Grant>) {
        let Some(peer) = self.peers.get_mut(&whom) else { return };
        let Some(Attempt { cost, stage }) = peer.attempts.remove(&attempt) else { return };
        match stage {
            Stage::LacksPeer(place) => {
                peer.waiting.remove(&place);
            }
            Stage::LacksDescriptor(place) => {
                self.waiting.remove(&place);
                self.free_peer_token(whom, grants);
            }
            Stage::HasAll => {
                if cost == Cost::Descriptor {
                    self.free_descriptor(grants);
                }
                self.free_peer_token(whom, grants);
            }
        }
        if self.peers.get(&whom).is_some_and(|peer| peer.attempts.is_empty()) {
            self.peers.remove(&whom);
        }
    }

    /// Takes all attempts to reach somebody that wait out of their queues. What they held, nobody waits for: it goes back to its pool.
    pub(super) fn withdraw(&mut self, whom: Whom) {
        let Some(peer) = self.peers.get_mut(&whom) else { return };
        peer.waiting.clear();
        let (waiting, in_use) = (&mut self.waiting, &mut peer.tokens_in_use);
        peer.attempts.retain(|_, attempt| {
            if let Stage::LacksDescriptor(place) = attempt.stage {
                waiting.remove(&place);
                *in_use -= 1;
            }
            matches!(attempt.stage, Stage::HasAll)
        });
        if peer.attempts.is_empty() {
            self.peers.remove(&whom);
        }
    }

    /// For whom holds its peer's token.
    fn take_descriptor(&mut self, whom: Whom, attempt: AttemptId, cost: Cost) -> Stage {
        if cost == Cost::Nothing {
            Stage::HasAll
        } else if self.descriptors_in_use < self.max_descriptors {
            self.descriptors_in_use += 1;
            Stage::HasAll
        } else {
            let place = self.next_place();
            self.waiting.insert(place, (whom, attempt));
            Stage::LacksDescriptor(place)
        }
    }

    fn free_descriptor(&mut self, grants: &mut Vec<Grant>) {
        match self.waiting.pop_first() {
            Some((_, (whom, attempt))) => self.grant(whom, attempt, Stage::HasAll, grants),
            None => self.descriptors_in_use -= 1,
        }
    }

    fn free_peer_token(&mut self, whom: Whom, grants: &mut Vec<Grant>) {
        let Some(peer) = self.peers.get_mut(&whom) else { return };
        let next = peer.waiting.pop_first();
        match next.and_then(|(_, next)| Some((next, peer.attempts.get(&next)?.cost))) {
            Some((next, cost)) => {
                let stage = self.take_descriptor(whom, next, cost);
                self.grant(whom, next, stage, grants);
            }
            None => peer.tokens_in_use -= 1,
        }
    }

    fn grant(&mut self, whom: Whom, attempt: AttemptId, stage: Stage, grants: &mut Vec<Grant>) {
        if let Some(waiter) = self.peers.get_mut(&whom).and_then(|peer| peer.attempts.get_mut(&attempt)) {
            waiter.stage = stage;
            grants.push(Grant { whom, attempt, lacks: stage.lacks() });
        }
    }

    fn next_place(&mut self) -> Place {
        let place = self.next_place;
        self.next_place = Place(place.0.saturating_add(1));
        place
    }

    /// What an attempt waits for.
    pub(super) fn lacks(&self, whom: Whom, attempt: AttemptId) -> Option<Token> {
        self.peers.get(&whom)?.attempts.get(&attempt)?.stage.lacks()
    }

    /// How many tokens are in use and how many attempts wait, walking over all peers.
    pub(super) fn count(&self, token: Token) -> TokenCount {
        match token {
            Token::Peer => self.peers.values().fold(TokenCount::default(), |sum, peer| TokenCount {
                in_use: sum.in_use + peer.tokens_in_use,
                waiting: sum.waiting + peer.waiting.len(),
            }),
            Token::Descriptor => TokenCount { in_use: self.descriptors_in_use, waiting: self.waiting.len() },
        }
    }
}
