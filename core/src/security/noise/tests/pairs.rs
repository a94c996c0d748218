//! Two sides of our own, their bytes cut at random.

use super::*;
use crate::identity::{KeyType, testing};
use crate::security::SecurityError;
use crate::security::testing::{NOW, Side, carry, feed, meet, run, sent};
use crate::seed::Seed;
use proptest::prelude::*;

/// What is said in a handshake, in turn.
fn conversation(crypto: &Arc<dyn CryptoProvider>) -> Vec<Vec<u8>> {
    let mut sides = [setup(1, Some(peer_id(2))), setup(2, None)]
        .map(|setup| Noise.start(HandshakeSetup { crypto: Arc::clone(crypto), ..setup }, NOW));
    let said = (0..3).map(|turn| {
        let words = sent(&mut *sides[turn % 2], usize::MAX);
        feed(&mut *sides[1 - turn % 2], &words, usize::MAX).unwrap();
        words
    });
    said.collect()
}

#[test]
fn a_handshake_is_the_same_with_every_provider() {
    let conversations: Vec<_> = real_providers().iter().map(conversation).collect();
    assert!(conversations.iter().all(|said| *said == conversations[0]));
    assert!(conversations[0].iter().all(|words| !words.is_empty()));
}

#[test]
fn no_two_handshakes_have_the_same_keys() {
    let start = |case| {
        let setup = HandshakeSetup { seed: Seed::reproducible(case), ..DIALER.setup() };
        sent(&mut *Noise.start(setup, NOW), usize::MAX)
    };
    assert_ne!(start(1), start(2));
    assert_eq!(start(1), start(1));
}

/// As the dialer and as the listener, signed by each provider that signs with such keys, and verified by the others.
#[test]
fn identities_of_all_types_meet() {
    let providers = real_providers();
    for (signer, verifier) in providers.iter().zip(providers.iter().rev()) {
        for keypair in testing::keypairs() {
            // See the next test.
            if keypair.public().key_type() == KeyType::Rsa && signer.name() == Portable.name() {
                continue;
            }
            let keypair = Arc::new(keypair);
            let (public, id) = (keypair.public(), keypair.public().to_peer_id());
            for of_listener in [true, false] {
                let (expected, other) =
                    if of_listener { (id, setup(1, Some(id))) } else { (peer_id(2), setup(2, None)) };
                let own = setup(3, (!of_listener).then_some(expected));
                let own = HandshakeSetup { keypair: Arc::clone(&keypair), crypto: Arc::clone(signer), ..own };
                let other = HandshakeSetup { crypto: Arc::clone(verifier), ..other };
                let (mut own, mut other) =
                    (Side::new(Noise.start(own, NOW)), Side::new(Noise.start(other, NOW)));
                let (mut own, mut other) = meet(&mut own, &mut other, || usize::MAX).unwrap();
                assert_eq!((other.peer, &other.public_key), (id, public));
                carry(&mut *own.channel, &mut *other.channel, &[b"there".to_vec()], 5);
                carry(&mut *other.channel, &mut *own.channel, &[b"and back".to_vec()], 5);
            }
        }
    }
}

#[test]
fn an_identity_that_the_provider_does_not_sign_with_is_our_fault() {
    let [_, _, _, rsa] = testing::keypairs();
    let rsa = Arc::new(rsa);
    let error = SecurityError::Local("the portable crypto provider does not sign with RSA keys".to_owned());
    for (side, message) in [(DIALER, second(&LISTENER.payload())), (LISTENER, first(&[]))] {
        let setup = HandshakeSetup { keypair: Arc::clone(&rsa), ..side.setup() };
        assert_eq!(run(&mut *side.start_with(setup), &message).err(), Some(error.clone()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pairs_meet_however_the_bytes_are_cut(
        providers in [proptest::sample::select(real_providers()), proptest::sample::select(real_providers())],
        secrets in (1_u8..100, 100_u8..200),
        cuts in proptest::collection::vec(1_usize..80, 1..20),
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..6),
    ) {
        let [dialers, listeners] = providers;
        let mut cut = cuts.iter().copied().cycle();
        let dialer = HandshakeSetup { crypto: dialers, ..setup(secrets.0, Some(peer_id(secrets.1))) };
        let listener = HandshakeSetup { crypto: listeners, ..setup(secrets.1, None) };
        let (mut a, mut b) = (Side::new(Noise.start(dialer, NOW)), Side::new(Noise.start(listener, NOW)));
        let (mut a, mut b) = meet(&mut a, &mut b, || cut.next().unwrap()).unwrap();
        prop_assert_eq!((a.peer, b.peer), (peer_id(secrets.1), peer_id(secrets.0)));
        carry(&mut *a.channel, &mut *b.channel, &messages, cuts[0]);
        carry(&mut *b.channel, &mut *a.channel, &messages, cuts[0]);
    }

    /// A remote that sends anything ends in an error, never in a panic.
    #[test]
    fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), side in 0..2) {
        let side = [DIALER, LISTENER][side as usize];
        prop_assert!(run(&mut *side.start(), &bytes).is_err());
        prop_assert!(run(&mut *side.start(), &framed(|out| out.extend_from_slice(&bytes))).is_err());
    }
}
