//! Two sides of our own.

use super::*;
use crate::crypto::Portable;
use crate::identity::{KeyType, testing};
use crate::security::testing::{carry, feed, sent};
use crate::seed::Seed;

fn with_muxers(setup: HandshakeSetup, muxers: &[ProtocolId]) -> HandshakeSetup {
    HandshakeSetup { muxers: muxers.into(), ..setup }
}

#[test]
fn two_sides_meet_and_talk() {
    for (ours, theirs) in real_providers().iter().zip(real_providers().iter().rev()) {
        for prefer_aes in [false, true] {
            let dialer = HandshakeSetup { crypto: ours.clone(), ..dialer() };
            let listener = HandshakeSetup { crypto: theirs.clone(), ..listener() };
            let config = Tls { prefer_aes };
            let (mut a, mut b) = configured_pair([&config, &config], dialer, listener).unwrap();
            assert_eq!((a.peer, b.peer), (peer_id(2), peer_id(1)));
            assert_eq!((a.muxer, b.muxer), (None, None));
            carry(&mut *a.channel, &mut *b.channel, &[vec![7; 1000], vec![], vec![1; 16384]], usize::MAX);
            carry(&mut *b.channel, &mut *a.channel, &[vec![8; 1000]], 7);
        }
    }
}

#[test]
fn the_muxer_is_the_first_of_the_dialers_that_the_listener_speaks() {
    let none: &[ProtocolId] = &[];
    for (ours, theirs, expected) in [
        (&[YAMUX, MPLEX][..], &[MPLEX, YAMUX][..], Some(YAMUX)),
        (&[MPLEX, YAMUX], &[YAMUX], Some(YAMUX)),
        (&[MPLEX], &[YAMUX], None),
        (&[YAMUX], none, None),
        (none, &[YAMUX], None),
    ] {
        let (a, b) = pair(with_muxers(dialer(), ours), with_muxers(listener(), theirs)).unwrap();
        assert_eq!((a.muxer, b.muxer), (expected.clone(), expected));
    }
}

/// Signed by each provider that signs with such keys, and verified by the others.
#[test]
fn identities_of_all_types_meet() {
    let providers = real_providers();
    for (signer, verifier) in providers.iter().zip(providers.iter().rev()) {
        for identity in testing::keypairs() {
            if identity.public().key_type() == KeyType::Rsa && signer.name() == Portable.name() {
                continue;
            }
            let public = identity.public().clone();
            let identity = Arc::new(identity);
            let listener = HandshakeSetup { keypair: identity.clone(), crypto: signer.clone(), ..listener() };
            let dialer = HandshakeSetup { crypto: verifier.clone(), ..setup(1, Some(public.to_peer_id())) };
            let (a, b) = pair(dialer, listener).unwrap();
            assert_eq!((a.public_key, b.peer), (public.clone(), peer_id(1)));

            let dialer = HandshakeSetup { keypair: identity, crypto: signer.clone(), ..dialer_to(1) };
            let listener = HandshakeSetup { crypto: verifier.clone(), ..setup(1, None) };
            assert_eq!(pair(dialer, listener).unwrap().1.public_key, public);
        }
    }
}

fn dialer_to(secret: u8) -> HandshakeSetup {
    setup(9, Some(peer_id(secret)))
}

#[test]
fn an_identity_that_the_provider_does_not_sign_with_is_our_fault() {
    let reason = SecurityError::Local("the portable crypto provider does not sign with RSA keys".into());
    let [_, _, _, rsa] = testing::keypairs();
    let rsa = Arc::new(rsa);
    for (a, b) in [
        (HandshakeSetup { keypair: rsa.clone(), ..dialer() }, listener()),
        (dialer(), HandshakeSetup { keypair: rsa, ..listener() }),
    ] {
        assert_eq!(pair(a, b).err(), Some(reason.clone()));
    }
}

#[test]
fn the_wrong_peer_and_ourselves_are_refused() {
    let error = pair(setup(1, Some(peer_id(3))), listener()).err();
    assert_eq!(error, Some(SecurityError::WrongPeer { expected: peer_id(3), actual: peer_id(2) }));
    let error = pair(setup(2, Some(peer_id(2))), listener()).err();
    assert_eq!(error, Some(SecurityError::SelfDial));
}

/// What is said in a handshake and behind it.
fn conversation(prefer_aes: bool, crypto: &Arc<dyn CryptoProvider>) -> Vec<Vec<u8>> {
    let mut sides = [dialer(), listener()]
        .map(|setup| Tls { prefer_aes }.start(HandshakeSetup { crypto: crypto.clone(), ..setup }, NOW));
    let mut said: Vec<_> = (0..3)
        .map(|turn| {
            let words = sent(&mut *sides[turn % 2], usize::MAX);
            let result = feed(&mut *sides[1 - turn % 2], &words, usize::MAX).unwrap();
            (words, result)
        })
        .collect();
    let mut channels = said.iter_mut().filter_map(|(_, secured)| secured.take());
    let data = channels
        .by_ref()
        .map(|(mut secured, _)| crate::security::testing::seal(&mut *secured.channel, b"data").to_vec());
    let data: Vec<_> = data.collect();
    assert_eq!(data.len(), 2);
    said.into_iter().map(|(words, _)| words).chain(data).collect()
}

#[test]
fn a_handshake_is_the_same_with_every_provider_and_each_time() {
    for prefer_aes in [false, true] {
        let providers = real_providers();
        let conversations: Vec<_> =
            providers.iter().chain(&providers).map(|crypto| conversation(prefer_aes, crypto)).collect();
        assert!(conversations.iter().all(|said| *said == conversations[0]));
    }
}

/// A node's handshakes have one certificate, and are otherwise as good.
#[test]
fn a_certificate_may_be_made_once() {
    let prepare = |setup: &HandshakeSetup, number| {
        Tls::default().prepare(&setup.keypair, &setup.crypto, &mut Seed::reproducible(number)).unwrap()
    };
    let prepared = [prepare(&dialer(), 1), prepare(&listener(), 2)];
    for _ in 0..2 {
        let [mut a, mut b] = [(&prepared[0], dialer()), (&prepared[1], listener())]
            .map(|(protocol, setup)| Side::new(protocol.start(setup, NOW)));
        let (mut a, mut b) = meet(&mut a, &mut b, || usize::MAX).unwrap();
        assert_eq!((a.peer, b.peer), (peer_id(2), peer_id(1)));
        carry(&mut *a.channel, &mut *b.channel, &[vec![7; 1000]], usize::MAX);
    }
}

/// What cannot be made is said by each handshake.
#[test]
fn a_certificate_that_cannot_be_made_is_not() {
    let [_, _, _, rsa] = testing::keypairs();
    let portable: Arc<dyn CryptoProvider> = Arc::new(Portable);
    assert!(Tls::default().prepare(&rsa, &portable, &mut Seed::reproducible(1)).is_none());
}
