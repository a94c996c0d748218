//! Everything that can be wrong with a public key.

use super::super::der;
use super::*;
use crate::wire::protobuf::ProtobufError;

#[test]
fn bad_public_keys() {
    use InvalidKey::*;
    let good = hex(ED25519_PUBLIC);
    let point = &good[4..];
    let wrong_length = |found| WrongLength { what: "an Ed25519 public key", expected: 32, found };
    let mut identity_point = [0; 32];
    identity_point[0] = 1;
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    let table = [
        (vec![], Empty),
        (vec![8, 1], MissingField { field: "Data" }),
        (vec![0x12, 0], MissingField { field: "Type" }),
        (vec![8, 1, 0x12, 0], wrong_length(0)),
        ([&[8, 1, 0x12, 31], &point[1..]].concat(), wrong_length(31)),
        ([&[8, 1, 0x12, 33, 0], point].concat(), wrong_length(33)),
        (hex(ED25519_PRIVATE), wrong_length(64)),
        ([&[8, 1, 0x12, 32], &off_curve[..]].concat(), BadPoint(KeyType::Ed25519)),
        ([&[8, 1, 0x12, 32], &identity_point[..]].concat(), BadPoint(KeyType::Ed25519)),
        ([&[8, 1, 0x12, 32], &[0; 32][..]].concat(), BadPoint(KeyType::Ed25519)),
        ([&[0x12, 32], point, &[8, 1]].concat(), NotDeterministic),
        ([&good[..], &[0x18, 1]].concat(), NotDeterministic),
        ([&[8, 1], &good[..]].concat(), NotDeterministic),
        ([&[8, 0x81, 0, 0x12, 32], point].concat(), NotDeterministic),
        (vec![8, 4, 0x12, 0], UnknownType(4)),
        (
            vec![0x0a, 0, 0x12, 0],
            Protobuf(ProtobufError::WrongType { field: "Type", expected: "an integer" }),
        ),
        (vec![8, 1, 0x10, 0], Protobuf(ProtobufError::WrongType { field: "Data", expected: "bytes" })),
        (vec![0x0b], Protobuf(ProtobufError::UnsupportedWireType { field: 1, wire_type: 3 })),
    ];
    for (bytes, error) in table {
        assert_eq!(PublicKey::from_protobuf(&bytes), Err(error), "{bytes:x?}");
    }
    for end in 0..good.len() {
        let error = match end {
            0 => Empty,
            2 => MissingField { field: "Data" },
            _ => Protobuf(ProtobufError::Truncated),
        };
        assert_eq!(PublicKey::from_protobuf(&good[..end]), Err(error), "cut at {end}");
    }
}

#[test]
fn a_key_that_has_signed_nothing_is_looked_at() {
    let bad = [&[8, 1, 0x12, 32, 2][..], &[0; 31]].concat();
    for (bytes, is_signed, expected) in [
        (hex(ED25519_PUBLIC), true, Ok(true)),
        (hex(ED25519_PUBLIC), false, Ok(false)),
        (bad, false, Err(InvalidKey::BadPoint(KeyType::Ed25519))),
    ] {
        let signer = PublicKey::of_signer(&bytes, |_| is_signed);
        assert_eq!(signer.map(|key| key.is_some()), expected);
    }
}

#[test]
fn bad_secp256k1_keys() {
    use InvalidKey::*;
    let good = hex(SECP256K1_PUBLIC);
    let point = &good[4..];
    let wrong_length =
        |found| WrongLength { what: "a secp256k1 public key (compressed)", expected: 33, found };
    let bad_point = BadPoint(KeyType::Secp256k1);
    let off_curve = [&[2][..], &[0; 31], &[5]].concat();
    let not_below_the_field = [&[2][..], &[0xff; 32]].concat();
    let table = [
        (key(2, &[]), wrong_length(0)),
        (key(2, &[0]), wrong_length(1)),
        (key(2, &point[..32]), wrong_length(32)),
        (key(2, &[&[4], &point[1..], &[7; 32]].concat()), wrong_length(65)),
        (key(2, &off_curve), bad_point),
        (key(2, &not_below_the_field), bad_point),
        (key(2, &[0; 33]), bad_point),
        (key(2, &[&[4], &point[1..]].concat()), bad_point),
        (key(2, &[&[5], &point[1..]].concat()), bad_point),
        ([&[0x12, 33], point, &[8, 2]].concat(), NotDeterministic),
    ];
    for (bytes, error) in table {
        assert_eq!(PublicKey::from_protobuf(&bytes), Err(error), "{bytes:x?}");
    }
}

/// Changes the DER within the protobuf of the ECDSA key of the specification.
fn ecdsa(edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut spki = hex(ECDSA_PUBLIC)[4..].to_vec();
    edit(&mut spki);
    key(3, &spki)
}

#[test]
fn bad_ecdsa_keys() {
    use InvalidKey::*;
    let spki = |algorithm: &[u8], curve: &[u8], point: &[u8]| {
        let id = |id| der::element(der::OBJECT_IDENTIFIER, &[id]);
        let algorithm = der::element(der::SEQUENCE, &[&id(algorithm), &id(curve)]);
        key(3, &der::element(der::SEQUENCE, &[&algorithm, &der::bit_string(point)]))
    };
    let [ec, rsa]: [&[u8]; 2] =
        [&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]];
    let p256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let good = hex(ECDSA_PUBLIC)[4 + 26..].to_vec();
    let wrong_length = |found| WrongLength { what: "an uncompressed point of P-256", expected: 65, found };
    let wrong_tag = |expected, found| Der(DerError::WrongTag { expected, found });
    let bad_point = BadPoint(KeyType::Ecdsa);
    assert!(PublicKey::from_protobuf(&spki(ec, &p256, &good)).is_ok());
    let table = [
        (key(3, &[]), Der(DerError::Truncated)),
        (hex(ECDSA_PRIVATE), wrong_tag(der::SEQUENCE, der::INTEGER)),
        (key(3, &hex(RSA_PUBLIC)[5..]), WrongAlgorithm(KeyType::Ecdsa)),
        (spki(rsa, &p256, &good), WrongAlgorithm(KeyType::Ecdsa)),
        (spki(ec, &[0x2b, 0x81, 4, 0, 0x21], &good), UnsupportedCurve { curve: "P-224" }),
        (spki(ec, &[0x2b, 0x81, 4, 0, 0x22], &[4; 97]), UnsupportedCurve { curve: "P-384" }),
        (spki(ec, &[0x2b, 0x81, 4, 0, 0x23], &[4; 133]), UnsupportedCurve { curve: "P-521" }),
        (spki(ec, &[0x2b, 0x81, 4, 0, 0x0a], &good), UnsupportedCurve { curve: "secp256k1" }),
        (spki(ec, &[], &good), UnsupportedCurve { curve: "of an unknown name" }),
        (spki(ec, &p256, &[]), wrong_length(0)),
        // The point at infinity, and a compressed point.
        (spki(ec, &p256, &[0]), wrong_length(1)),
        (spki(ec, &p256, &[&[2], &good[1..33]].concat()), wrong_length(33)),
        (spki(ec, &p256, &[4; 65]), bad_point),
        (spki(ec, &p256, &[0; 65]), bad_point),
        (spki(ec, &p256, &[&[6], &good[1..]].concat()), bad_point),
        (ecdsa(|spki| *spki.last_mut().unwrap() ^= 1), bad_point),
        (ecdsa(|spki| spki.push(0)), Der(DerError::TrailingBytes)),
        (ecdsa(|spki| spki[25] = 1), Der(DerError::BadBitString)),
        (ecdsa(|spki| spki[1] = 0x80), Der(DerError::BadLength)),
        (ecdsa(|spki| drop(spki.splice(1..2, [0x81, 0x59]))), Der(DerError::BadLength)),
        (ecdsa(|spki| spki[0] = 0x31), wrong_tag(der::SEQUENCE, 0x31)),
        (ecdsa(|spki| spki[13] = der::NULL), wrong_tag(der::OBJECT_IDENTIFIER, der::NULL)),
        ([&[0x12, 0x5b], &hex(ECDSA_PUBLIC)[4..], &[8, 3]].concat(), NotDeterministic),
    ];
    for (bytes, error) in table {
        assert_eq!(PublicKey::from_protobuf(&bytes), Err(error), "{bytes:x?}");
    }
}

/// A public RSA key of these numbers.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let id = hex("06092a864886f70d010101");
    let algorithm = der::element(der::SEQUENCE, &[&id, &[der::NULL, 0]]);
    let numbers = der::element(der::SEQUENCE, &[&der::unsigned(modulus), &der::unsigned(exponent)]);
    key(0, &der::element(der::SEQUENCE, &[&algorithm, &der::bit_string(&numbers)]))
}

/// The largest number of `bits` bits.
fn largest(bits: usize) -> Vec<u8> {
    let mut number = vec![0xff; bits.div_ceil(8)];
    number[0] >>= 8 * number.len() - bits;
    number
}

const F4: [u8; 3] = [1, 0, 1];

/// CVE-2023-39533: a key of 16,384 bits or more cost seconds for each signature. It is refused by its size, before anything is computed.
#[test]
fn rsa_keys_are_let_in_by_their_size() {
    for bits in [2048, 2049, 3072, 8191, 8192] {
        assert!(PublicKey::from_protobuf(&rsa(&largest(bits), &F4)).is_ok(), "{bits}");
    }
    for bits in [1, 8, 512, 1024, 2040, 2047, 8193, 8200, 16_384, 16 * 8192] {
        let key = PublicKey::from_protobuf(&rsa(&largest(bits), &F4));
        assert_eq!(key, Err(InvalidKey::RsaSize { bits }));
    }
    assert_eq!(PublicKey::from_protobuf(&rsa(&[], &F4)), Err(InvalidKey::RsaSize { bits: 0 }));
}

#[test]
fn bad_rsa_keys() {
    use InvalidKey::*;
    let modulus = largest(2048);
    let even = [&modulus[..255], &[0xfe]].concat();
    let good = rsa(&modulus, &F4);
    let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut spki = good[5..].to_vec();
        edit(&mut spki);
        key(0, &spki)
    };
    let negative = edited(&|spki| spki[32] = 0x80);
    let padded =
        [&der::element(der::INTEGER, &[&[0, 0], &modulus[..]])[..], &der::element(der::INTEGER, &[&F4])]
            .concat();
    let padded = edited(&|spki| {
        let numbers = der::element(der::SEQUENCE, &[&padded]);
        *spki = der::element(der::SEQUENCE, &[&spki[4..19], &der::bit_string(&numbers)]);
    });
    let table = [
        (key(0, &[]), Der(DerError::Truncated)),
        (hex(RSA_PRIVATE), Der(DerError::WrongTag { expected: der::SEQUENCE, found: der::INTEGER })),
        (key(0, &hex(ECDSA_PUBLIC)[4..]), WrongAlgorithm(KeyType::Rsa)),
        (rsa(&even, &F4), EvenRsaModulus),
        (rsa(&modulus, &[]), BadRsaExponent),
        (rsa(&modulus, &[1]), BadRsaExponent),
        (rsa(&modulus, &[2]), BadRsaExponent),
        (rsa(&modulus, &[1, 0, 0]), BadRsaExponent),
        (rsa(&modulus, &[0x80, 0, 0, 1]), BadRsaExponent),
        (rsa(&modulus, &[1, 0, 0, 0, 1]), BadRsaExponent),
        (rsa(&modulus, &modulus), BadRsaExponent),
        (negative, Der(DerError::BadInteger)),
        (padded, Der(DerError::BadInteger)),
        (edited(&|spki| spki.push(0)), Der(DerError::TrailingBytes)),
        (edited(&|spki| spki[23] = 1), Der(DerError::BadBitString)),
        ([&[0x12, 0xa6, 2], &good[5..], &[8, 0]].concat(), NotDeterministic),
        ([&good[2..], &good[..2]].concat(), NotDeterministic),
    ];
    for (bytes, error) in table {
        assert_eq!(PublicKey::from_protobuf(&bytes), Err(error), "{bytes:x?}");
    }
    for exponent in [&[3][..], &[17], &F4, &[0x7f, 0xff, 0xff, 0xff]] {
        assert!(PublicKey::from_protobuf(&rsa(&modulus, exponent)).is_ok(), "{exponent:x?}");
    }
}

/// The protobuf around it is whole.
#[test]
fn der_that_is_cut_off_or_longer_is_refused() {
    for (key_type, key_bytes) in [(3, &hex(ECDSA_PUBLIC)[4..]), (0, &hex(RSA_2048_PUBLIC)[5..])] {
        for end in 0..key_bytes.len() {
            let result = PublicKey::from_protobuf(&key(key_type, &key_bytes[..end]));
            assert_eq!(result, Err(InvalidKey::Der(DerError::Truncated)), "cut at {end}");
        }
        // Every byte counts: a changed one makes another key, or none.
        for place in 0..key_bytes.len() {
            let mut changed = key_bytes.to_vec();
            changed[place] ^= 0x40;
            if let Ok(public) = PublicKey::from_protobuf(&key(key_type, &changed)) {
                assert_eq!(public.to_protobuf(), key(key_type, &changed));
            }
        }
    }
}
