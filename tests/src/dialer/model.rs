//! The rate limiter as it is told in words: lists, walked over for every question.

use peerwork_core::swarm::dialer::{Cost, Token};

/// Who has which token, and who waits for which. `G` is who shares a peer's tokens, `K` an attempt.
#[derive(Debug)]
pub struct Model<G, K> {
    max_per_peer: usize,
    max_descriptors: usize,
    /// In the order in which they asked for the peer's token.
    attempts: Vec<Attempt<G, K>>,
    /// Those that wait for a descriptor, the longest first.
    queue: Vec<K>,
}

#[derive(Debug)]
struct Attempt<G, K> {
    group: G,
    key: K,
    cost: Cost,
    has_peer_token: bool,
    has_all: bool,
}

impl<G: Copy + PartialEq, K: Clone + PartialEq + Ord> Model<G, K> {
    /// All tokens are free.
    pub fn new(max_per_peer: usize, max_descriptors: usize) -> Self {
        Self { max_per_peer, max_descriptors, attempts: Vec::new(), queue: Vec::new() }
    }

    /// An attempt asks for its tokens.
    pub fn request(&mut self, group: G, key: K, cost: Cost) {
        self.attempts.push(Attempt { group, key, cost, has_peer_token: false, has_all: false });
        self.hand_out(group);
    }

    /// An attempt has ended, or waits no more.
    pub fn release(&mut self, key: &K) {
        if let Some(index) = self.attempts.iter().position(|attempt| attempt.key == *key) {
            let ended = self.attempts.remove(index);
            self.queue.retain(|waiting| waiting != key);
            self.hand_out(ended.group);
        }
    }

    /// Who waits longest for a descriptor gets one that is free; then the next in the group gets a token of its peer.
    fn hand_out(&mut self, group: G) {
        while self.descriptors() < self.max_descriptors && !self.queue.is_empty() {
            let key = self.queue.remove(0);
            self.attempts.iter_mut().filter(|attempt| attempt.key == key).for_each(|it| it.has_all = true);
        }
        while self.peer_tokens(group) < self.max_per_peer {
            let is_free = self.descriptors() < self.max_descriptors;
            let is_next = |attempt: &&mut Attempt<G, K>| attempt.group == group && !attempt.has_peer_token;
            let Some(next) = self.attempts.iter_mut().find(is_next) else { break };
            next.has_peer_token = true;
            next.has_all = next.cost == Cost::Nothing || is_free;
            if !next.has_all {
                self.queue.push(next.key.clone());
            }
        }
    }

    /// How many tokens of the group's peer are in use.
    pub fn peer_tokens(&self, group: G) -> usize {
        self.attempts.iter().filter(|attempt| attempt.group == group && attempt.has_peer_token).count()
    }

    /// How many tokens of peers are in use.
    pub fn all_peer_tokens(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.has_peer_token).count()
    }

    /// How many tokens of descriptors are in use.
    pub fn descriptors(&self) -> usize {
        let costs = |attempt: &&Attempt<G, K>| attempt.has_all && attempt.cost == Cost::Descriptor;
        self.attempts.iter().filter(costs).count()
    }

    /// Each attempt and what it waits for, sorted.
    pub fn attempts(&self) -> Vec<(K, Option<Token>)> {
        let lacks = |attempt: &Attempt<G, K>| match attempt {
            Attempt { has_all: true, .. } => None,
            Attempt { has_peer_token: true, .. } => Some(Token::Descriptor),
            _ => Some(Token::Peer),
        };
        let mut all: Vec<_> = self.attempts.iter().map(|it| (it.key.clone(), lacks(it))).collect();
        all.sort();
        all
    }
}
