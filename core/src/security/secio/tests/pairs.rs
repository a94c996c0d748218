//! Two sides of our own, their bytes cut at random.

use super::*;
use crate::identity::{KeyType, testing};
use crate::security::SecurityError;
use crate::security::testing::{NOW, Side, carry, feed, meet, peer_id, run, sent, setup};
use proptest::prelude::*;
use proptest::sample::subsequence;

/// Some of the algorithms, in any order.
fn config() -> impl Strategy<Value = Secio> {
    let curves = subsequence(vec![Curve::P256, Curve::P384, Curve::P521], 1..=3).prop_shuffle();
    let ciphers = subsequence(vec![Cipher::Aes128Ctr, Cipher::Aes256Ctr], 1..=2).prop_shuffle();
    let hashes = subsequence(vec![Hash::Sha256, Hash::Sha512], 1..=2).prop_shuffle();
    (curves, ciphers, hashes).prop_map(|(curves, ciphers, hashes)| Secio {
        curves,
        ciphers,
        hashes,
        ..Secio::default()
    })
}

fn provider() -> impl Strategy<Value = Arc<dyn CryptoProvider>> {
    proptest::sample::select(real_providers())
}

fn has_common<A: PartialEq>(a: &[A], b: &[A]) -> bool {
    a.iter().any(|algorithm| b.contains(algorithm))
}

/// One of each kind of algorithm, in every way.
fn choices() -> Vec<Secio> {
    let mut choices = Vec::new();
    for curve in [Curve::P256, Curve::P384, Curve::P521] {
        for cipher in [Cipher::Aes128Ctr, Cipher::Aes256Ctr] {
            for hash in [Hash::Sha256, Hash::Sha512] {
                let (curves, ciphers, hashes) = (vec![curve], vec![cipher], vec![hash]);
                choices.push(Secio { curves, ciphers, hashes, ..Secio::default() });
            }
        }
    }
    choices
}

/// With another provider on either side, where there are two.
#[test]
fn every_choice_works() {
    let providers = real_providers();
    for choice in choices() {
        for (ours, theirs) in providers.iter().zip(providers.iter().rev()) {
            let dialer = HandshakeSetup { crypto: Arc::clone(ours), ..setup(1, Some(peer_id(2))) };
            let listener = HandshakeSetup { crypto: Arc::clone(theirs), ..setup(2, None) };
            let mut a = Side::new(choice.start(dialer, NOW));
            let mut b = Side::new(Secio::default().start(listener, NOW));
            let (mut a, mut b) = meet(&mut a, &mut b, || usize::MAX).unwrap();
            assert_eq!(a.channel.tailroom(), choice.hashes[0].output_bytes(), "{choice:?}");
            carry(&mut *a.channel, &mut *b.channel, &[vec![7; 1000]], usize::MAX);
            carry(&mut *b.channel, &mut *a.channel, &[vec![8; 1000]], usize::MAX);
        }
    }
}

/// What is said in a handshake, in turn.
fn conversation(choice: &Secio, crypto: &Arc<dyn CryptoProvider>) -> Vec<Vec<u8>> {
    let mut sides = [setup(1, Some(peer_id(2))), setup(2, None)]
        .map(|setup| choice.start(HandshakeSetup { crypto: Arc::clone(crypto), ..setup }, NOW));
    let turns = 0..4;
    let said = turns.map(|turn| {
        let words = sent(&mut *sides[turn % 2], usize::MAX);
        feed(&mut *sides[1 - turn % 2], &words, usize::MAX).unwrap();
        words
    });
    said.collect()
}

#[test]
fn a_handshake_is_the_same_with_every_provider() {
    for choice in choices() {
        let conversations: Vec<_> =
            real_providers().iter().map(|crypto| conversation(&choice, crypto)).collect();
        assert!(conversations.iter().all(|said| *said == conversations[0]), "{choice:?}");
        assert!(conversations[0].iter().all(|words| !words.is_empty()));
    }
}

/// Signed by each provider that signs with such keys, and verified by the others.
#[test]
fn identities_of_all_types_meet() {
    let providers = real_providers();
    for (signer, verifier) in providers.iter().zip(providers.iter().rev()) {
        for keypair in testing::keypairs() {
            // See the next test.
            if keypair.public().key_type() == KeyType::Rsa && signer.name() == Portable.name() {
                continue;
            }
            let public = keypair.public().clone();
            let expected = Some(public.to_peer_id());
            let (keypair, crypto) = (Arc::new(keypair), Arc::clone(signer));
            let listener = HandshakeSetup { keypair, crypto, ..setup(2, None) };
            let dialer = HandshakeSetup { crypto: Arc::clone(verifier), ..setup(1, expected) };
            let mut a = Side::new(Secio::default().start(dialer, NOW));
            let mut b = Side::new(Secio::default().start(listener, NOW));
            let (mut a, mut b) = meet(&mut a, &mut b, || usize::MAX).unwrap();
            assert_eq!((Some(a.peer), &a.public_key, b.peer), (expected, &public, peer_id(1)));
            carry(&mut *a.channel, &mut *b.channel, &[b"there".to_vec()], 5);
            carry(&mut *b.channel, &mut *a.channel, &[b"and back".to_vec()], 5);
        }
    }
}

#[test]
fn an_identity_that_the_provider_does_not_sign_with_is_our_fault() {
    let [_, _, _, rsa] = testing::keypairs();
    let setup = HandshakeSetup { keypair: Arc::new(rsa), ..setup(2, None) };
    let error = run(&mut *Secio::default().start(setup, NOW), &A.propose()).err();
    let reason = "the portable crypto provider does not sign with RSA keys";
    assert_eq!(error, Some(SecurityError::Local(reason.to_owned())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pairs_meet_however_the_bytes_are_cut(
        configs in (config(), config()),
        providers in (provider(), provider()),
        secrets in (1_u8..100, 100_u8..200),
        cuts in proptest::collection::vec(1_usize..80, 1..20),
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..6),
    ) {
        let common = has_common(&configs.0.curves, &configs.1.curves)
            && has_common(&configs.0.ciphers, &configs.1.ciphers)
            && has_common(&configs.0.hashes, &configs.1.hashes);
        let mut cut = cuts.iter().copied().cycle();
        let dialer = HandshakeSetup { crypto: providers.0, ..setup(secrets.0, Some(peer_id(secrets.1))) };
        let listener = HandshakeSetup { crypto: providers.1, ..setup(secrets.1, None) };
        let mut a = Side::new(configs.0.start(dialer, NOW));
        let mut b = Side::new(configs.1.start(listener, NOW));
        let met = meet(&mut a, &mut b, || cut.next().unwrap());
        prop_assert_eq!(met.is_ok(), common);
        if let Ok((mut a, mut b)) = met {
            prop_assert_eq!((a.peer, b.peer), (peer_id(secrets.1), peer_id(secrets.0)));
            carry(&mut *a.channel, &mut *b.channel, &messages, cuts[0]);
            carry(&mut *b.channel, &mut *a.channel, &messages, cuts[0]);
        }
    }

    /// A remote that sends anything ends in an error, never in a panic.
    #[test]
    fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), valid in 0_usize..3) {
        let messages = [B.propose(), B.exchange()];
        let input = [messages[..valid].concat(), bytes].concat();
        prop_assert!(run(&mut *A.start(None), &input).is_err());
    }
}
