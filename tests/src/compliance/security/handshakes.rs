//! Who meets whom.

use super::SecuritySuite;
use super::sides::{Party, carry, meet, parties, secured};
use bytes::BytesMut;
use peerwork_core::machine::{Blame, End};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::security::SecurityError;
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use std::sync::Arc;

const NOW: Instant = Instant::ORIGIN;

pub(super) fn meets_however_the_bytes_are_cut(suite: &SecuritySuite, case: u64) {
    let mut draw = Seed::reproducible(case).child("meeting");
    for a in &suite.providers {
        for b in &suite.providers {
            let mut parties = parties(suite);
            let ids = parties.each_ref().map(Party::id);
            for (party, crypto) in parties.iter_mut().zip([a, b]) {
                party.crypto = Arc::clone(crypto);
                party.chance = draw.below(u64::MAX);
            }
            parties[0].expects = (draw.below(2) == 0).then_some(ids[1]);
            parties[1].expects = (draw.below(2) == 0).then_some(ids[0]);
            let cut = 1 + draw.below(80);
            let [(a, ..), (b, ..)] = meet(suite, &parties, || 1 + draw.below(cut) as usize);
            let (mut a, mut b) = (secured(a, ids[1]), secured(b, ids[0]));
            let messages: Vec<_> =
                (0..draw.below(6)).map(|n| vec![n as u8; draw.below(2000) as usize]).collect();
            let fits = |it: &Vec<u8>| it.len() <= a.channel.max_plaintext().min(b.channel.max_plaintext());
            let messages: Vec<_> = messages.into_iter().filter(fits).collect();
            let chunk = 1 + draw.below(300) as usize;
            carry(&mut *a.channel, &mut *b.channel, &messages, chunk);
            carry(&mut *b.channel, &mut *a.channel, &messages, chunk);
        }
    }
}

pub(super) fn accepts_every_identity(suite: &SecuritySuite) {
    for provider in &suite.providers {
        for (who, keypair) in suite.identities[1..].iter().flat_map(|keypair| [(0, keypair), (1, keypair)]) {
            let mut parties = parties(suite);
            parties[who].keypair = Arc::clone(keypair);
            parties[1 - who].keypair = Arc::clone(&suite.identities[0]);
            let ids = parties.each_ref().map(Party::id);
            for (party, peer) in parties.iter_mut().zip([ids[1], ids[0]]) {
                (party.crypto, party.expects) = (Arc::clone(provider), Some(peer));
            }
            let can_sign = provider.sign(keypair, b"").is_ok();
            let met = meet(suite, &parties, || usize::MAX).map(|(outcome, ..)| outcome);
            if !can_sign && let Some(Err(error)) = &met[who] {
                assert!(matches!(error, SecurityError::Local(_)), "a key that cannot sign gave: {error}");
                assert_eq!(error.blame(), Blame::Caller);
                continue;
            }
            for (outcome, peer) in met.into_iter().zip([ids[1], ids[0]]) {
                secured(outcome, peer);
            }
        }
    }
}

pub(super) fn is_the_same_with_every_provider(suite: &SecuritySuite) {
    let mut said = suite.providers.iter().map(|provider| {
        let mut parties = parties(suite);
        parties.iter_mut().for_each(|party| party.crypto = Arc::clone(provider));
        meet(suite, &parties, || usize::MAX).map(|(_, sent, _)| sent)
    });
    let first = said.next();
    assert!(said.all(|other| Some(other) == first), "two providers send different bytes");
}

pub(super) fn agrees_on_the_same_muxer(suite: &SecuritySuite) {
    const A: ProtocolId = ProtocolId::from_static("/a");
    const B: ProtocolId = ProtocolId::from_static("/b");
    let lists: [&[ProtocolId]; 5] = [&[], &[A], &[B], &[A, B], &[B, A]];
    for (ours, theirs) in lists.iter().flat_map(|ours| lists.map(|theirs| (*ours, theirs))) {
        let mut parties = parties(suite);
        (parties[0].muxers, parties[1].muxers) = (ours.into(), theirs.into());
        let ids = parties.each_ref().map(Party::id);
        let [(a, ..), (b, ..)] = meet(suite, &parties, || usize::MAX);
        let (a, b) = (secured(a, ids[1]).muxer, secured(b, ids[0]).muxer);
        assert_eq!(a, b, "two sides with {ours:?} and {theirs:?} do not agree");
        let has_both = a.is_none_or(|id| ours.contains(&id) && theirs.contains(&id));
        assert!(has_both, "two sides with {ours:?} and {theirs:?} agree on {b:?}");
    }
}

pub(super) fn refuses_the_wrong_peer(suite: &SecuritySuite) {
    let expected = suite.identities[2].public().to_peer_id();
    for who in [0, 1] {
        let mut parties = parties(suite);
        let actual = parties[1 - who].id();
        parties[who].expects = Some(expected);
        let [(a, ..), (b, ..)] = meet(suite, &parties, || usize::MAX);
        let outcome = if who == 0 { a } else { b };
        let error = outcome.map(|outcome| outcome.map(|secured| secured.peer));
        assert_eq!(
            error,
            Some(Err(SecurityError::WrongPeer { expected, actual })),
            "{:?}",
            parties[who].role
        );
    }
}

pub(super) fn refuses_itself(suite: &SecuritySuite) {
    for expects in [None, Some(suite.identities[0].public().to_peer_id())] {
        let mut parties = parties(suite);
        for party in &mut parties {
            (party.keypair, party.expects) = (Arc::clone(&suite.identities[0]), expects);
        }
        let outcomes = meet(suite, &parties, || usize::MAX).map(|(outcome, ..)| {
            let outcome = outcome.map(|outcome| outcome.map(|secured| secured.peer));
            assert!(matches!(outcome, Some(Err(_))), "a node secured itself, or waits: {outcome:?}");
            outcome
        });
        let told = outcomes.contains(&Some(Err(SecurityError::SelfDial)));
        assert!(told, "neither side knows that it talks to itself: {outcomes:?}");
    }
}

pub(super) fn refuses_its_own_words(suite: &SecuritySuite) {
    for party in parties(suite) {
        let mut handshake = party.start(suite);
        let mut mirror = BytesMut::new();
        let mut result = Ok(());
        while result.is_ok() && handshake.poll_transmit(&mut mirror, usize::MAX, NOW) > 0 {
            result = handshake.handle_input(&mut mirror, NOW);
        }
        if result.is_ok() {
            handshake.handle_end(End::Closed, NOW);
            result = handshake.handle_input(&mut mirror, NOW);
        }
        assert!(handshake.poll_event().is_none(), "a mirror was secured as a peer");
        assert!(result.is_err(), "a mirror was not noticed");
    }
}
