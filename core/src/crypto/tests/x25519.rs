//! Key agreement on Curve25519: the vectors of RFC 7748, and points that give the secret away.

use super::*;

fn key(crypto: &dyn CryptoProvider, scalar: &[u8]) -> Box<dyn EphemeralKey> {
    crypto.ephemeral_key(Curve::X25519, scalar).unwrap()
}

/// Section 5.2. The second point has its highest bit set, which does not count.
#[test]
fn products_are_those_of_the_vectors() {
    let table = [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ];
    for crypto in real_providers() {
        for (scalar, point, product) in table {
            assert_eq!(*key(&*crypto, &hex(scalar)).agree(&hex(point)).unwrap(), hex(product));
        }
    }
}

/// Section 5.2.
#[test]
fn a_thousand_products_in_a_row() {
    for crypto in real_providers() {
        let mut scalar = [&[9][..], &[0; 31]].concat();
        let mut point = scalar.clone();
        for _ in 0..1000 {
            let product = key(&*crypto, &scalar).agree(&point).unwrap().to_vec();
            point = std::mem::replace(&mut scalar, product);
        }
        assert_eq!(scalar, hex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
    }
}

/// Section 6.1.
#[test]
fn the_agreement_is_that_of_the_vectors() {
    let sides = [
        (
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        ),
        (
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        ),
    ];
    let shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    for crypto in real_providers() {
        for (own, other) in [(0, 1), (1, 0)] {
            let key = key(&*crypto, &hex(sides[own].0));
            assert_eq!(key.public_point(), hex(sides[own].1));
            assert_eq!(*key.agree(&hex(sides[other].1)).unwrap(), shared);
        }
    }
}

#[test]
fn any_32_bytes_are_a_scalar_and_nothing_else_is() {
    for crypto in real_providers() {
        for len in [0, 1, 31, 33, 64] {
            let key = crypto.ephemeral_key(Curve::X25519, &vec![1; len]);
            assert_eq!(key.err(), Some(InvalidScalar), "{len} bytes");
        }
        for byte in [0, 0xff] {
            let (one, other) = (key(&*crypto, &[byte; 32]), key(&*crypto, &[7; 32]));
            assert_eq!(one.agree(other.public_point()), other.agree(one.public_point()));
        }
    }
}

/// With a point of low order, whoever listens would know the secret.
#[test]
fn points_that_give_the_secret_away_are_refused() {
    let low_order = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for crypto in real_providers() {
        let key = key(&*crypto, &[7; 32]);
        for point in low_order {
            let mut point = hex(point);
            assert_eq!(key.agree(&point), Err(InvalidPoint), "{point:02x?}");
            // The highest bit does not count.
            point[31] |= 0x80;
            assert_eq!(key.agree(&point), Err(InvalidPoint), "{point:02x?}");
        }
    }
}

#[test]
fn points_of_another_length_are_refused() {
    for crypto in real_providers() {
        let key = key(&*crypto, &[7; 32]);
        for len in [0, 1, 31, 33, 65] {
            assert_eq!(key.agree(&vec![9; len]), Err(InvalidPoint), "{len} bytes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the point: half of them are on the curve's twist, where all providers compute as well.
    #[test]
    fn providers_do_not_differ(scalar in any::<[u8; 32]>(), point in any::<[u8; 32]>()) {
        let outcomes = real_providers().into_iter().map(|crypto| {
            let key = key(&*crypto, &scalar);
            (key.public_point().to_vec(), key.agree(&point))
        });
        let outcomes: Vec<_> = outcomes.collect();
        prop_assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{:?}", outcomes);
    }
}
