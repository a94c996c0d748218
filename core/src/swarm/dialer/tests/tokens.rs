//! The rate limiter against a model that is obviously right.

use super::super::dial::Whom;
use super::super::tokens::{Grant, Tokens};
use super::*;

const MAX_PER_PEER: usize = 3;
const MAX_DESCRIPTORS: usize = 5;

/// All attempts in the order of their requests. Nothing but lists, and every question is answered by walking over them.
#[derive(Default)]
struct Model {
    attempts: Vec<Attempt>,
    /// Who waits for a descriptor, the longest first.
    queue: Vec<AttemptId>,
}

struct Attempt {
    whom: Whom,
    id: AttemptId,
    cost: Cost,
    has_peer_token: bool,
    has_all: bool,
}

impl Model {
    fn peer_tokens(&self, whom: Whom) -> usize {
        self.attempts.iter().filter(|attempt| attempt.whom == whom && attempt.has_peer_token).count()
    }

    fn descriptors(&self) -> usize {
        let costs = |attempt: &&Attempt| attempt.has_all && attempt.cost == Cost::Descriptor;
        self.attempts.iter().filter(costs).count()
    }

    /// Hands out what is free, to those who wait longest: descriptors, then the tokens of `whom`. Returns who got something.
    fn settle(&mut self, whom: Whom) -> Vec<Grant> {
        let mut grants = Vec::new();
        while self.descriptors() < MAX_DESCRIPTORS && !self.queue.is_empty() {
            let id = self.queue.remove(0);
            let attempt = self.attempts.iter_mut().find(|attempt| attempt.id == id).unwrap();
            attempt.has_all = true;
            grants.push(Grant { whom: attempt.whom, attempt: id, lacks: None });
        }
        while self.peer_tokens(whom) < MAX_PER_PEER {
            let is_descriptor_free = self.descriptors() < MAX_DESCRIPTORS;
            let is_next = |attempt: &&mut Attempt| attempt.whom == whom && !attempt.has_peer_token;
            let Some(next) = self.attempts.iter_mut().find(is_next) else { break };
            next.has_peer_token = true;
            next.has_all = next.cost == Cost::Nothing || is_descriptor_free;
            if !next.has_all {
                self.queue.push(next.id);
            }
            grants.push(Grant {
                whom,
                attempt: next.id,
                lacks: (!next.has_all).then_some(Token::Descriptor),
            });
        }
        grants
    }

    fn request(&mut self, whom: Whom, id: AttemptId, cost: Cost) -> Option<Token> {
        self.attempts.push(Attempt { whom, id, cost, has_peer_token: false, has_all: false });
        self.settle(whom)
            .iter()
            .find(|grant| grant.attempt == id)
            .map_or(Some(Token::Peer), |grant| grant.lacks)
    }

    fn release(&mut self, index: usize) -> Vec<Grant> {
        let Attempt { whom, id, .. } = self.attempts.remove(index);
        self.queue.retain(|waiting| *waiting != id);
        self.settle(whom)
    }

    fn withdraw(&mut self, whom: Whom) {
        self.attempts.retain(|attempt| attempt.whom != whom || attempt.has_all);
        self.queue.retain(|id| self.attempts.iter().any(|attempt| attempt.id == *id));
    }

    fn count(&self) -> [TokenCount; 2] {
        let count =
            |wanted: fn(&Attempt) -> bool| self.attempts.iter().filter(|attempt| wanted(attempt)).count();
        [
            TokenCount {
                in_use: count(|attempt| attempt.has_peer_token),
                waiting: count(|attempt| !attempt.has_peer_token),
            },
            TokenCount { in_use: self.descriptors(), waiting: self.queue.len() },
        ]
    }
}

#[test]
fn tokens_are_handed_on_as_in_the_model() {
    for case in 0..300 {
        let mut draw = Seed::reproducible(case);
        let (mut tokens, mut model) = (Tokens::new(MAX_PER_PEER, MAX_DESCRIPTORS), Model::default());
        for step in 0..200 {
            let whom = Whom::Peer(peer(draw.below(4) as u8));
            match draw.below(20) {
                0..11 => {
                    let cost = if draw.below(4) == 0 { Cost::Nothing } else { Cost::Descriptor };
                    let lacks = tokens.request(whom, AttemptId(step), cost);
                    assert_eq!(lacks, model.request(whom, AttemptId(step), cost), "case {case}, step {step}");
                }
                11..19 if !model.attempts.is_empty() => {
                    let index = draw.below(model.attempts.len() as u64) as usize;
                    let Attempt { whom, id, .. } = model.attempts[index];
                    let mut grants = Vec::new();
                    tokens.release(whom, id, &mut grants);
                    assert_eq!(grants, model.release(index), "case {case}, step {step}");
                }
                _ => {
                    tokens.withdraw(whom);
                    model.withdraw(whom);
                }
            }
            let counts = [Token::Peer, Token::Descriptor].map(|token| tokens.count(token));
            assert_eq!(counts, model.count(), "case {case}, step {step}");
        }
    }
}

#[test]
fn the_descriptor_goes_to_whom_waits_longest_and_the_peers_token_to_the_peers_next() {
    let (one, two) = (Whom::Peer(peer(1)), Whom::Peer(peer(2)));
    let mut tokens = Tokens::new(1, 1);
    let mut request = |whom, attempt| tokens.request(whom, AttemptId(attempt), Cost::Descriptor);
    assert_eq!(request(one, 0), None);
    assert_eq!(request(one, 1), Some(Token::Peer));
    assert_eq!(request(two, 2), Some(Token::Descriptor));
    let mut grants = Vec::new();
    tokens.release(one, AttemptId(0), &mut grants);
    let grant = |whom, attempt, lacks| Grant { whom, attempt: AttemptId(attempt), lacks };
    assert_eq!(grants, [grant(two, 2, None), grant(one, 1, Some(Token::Descriptor))]);
    grants.clear();
    tokens.release(two, AttemptId(2), &mut grants);
    assert_eq!(grants, [grant(one, 1, None)]);
    // Unknown or ended: nothing.
    grants.clear();
    tokens.release(two, AttemptId(2), &mut grants);
    tokens.release(two, AttemptId(9), &mut grants);
    assert_eq!((grants.len(), tokens.count(Token::Descriptor).in_use), (0, 1));
}
