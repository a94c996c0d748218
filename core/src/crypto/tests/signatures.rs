//! Signatures: vectors, and what must be refused, for each type of key and each provider.

use super::real_providers;
use crate::crypto::{CryptoProvider, Hash, Portable, UnsupportedKey};
use crate::identity::testing::*;
use crate::identity::{Keypair, PublicKey, SecretKey};
use data_encoding::HEXLOWER;
use proptest::prelude::*;

/// What every provider says, which must be the same.
fn verify(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let verdicts = real_providers().into_iter().map(|crypto| crypto.verify(key, message, signature));
    let verdicts: Vec<_> = verdicts.collect();
    assert!(
        verdicts.iter().all(|verdict| *verdict == verdicts[0]),
        "{key:?}, {signature:02x?}: {verdicts:?}"
    );
    verdicts[0]
}

/// What every provider signs that signs with such keys at all, which must be the same. That of OpenSSL where none does.
fn sign(keypair: &Keypair) -> Vec<u8> {
    let providers = real_providers();
    let signatures: Vec<_> =
        providers.iter().filter_map(|crypto| crypto.sign(keypair, b"message").ok()).collect();
    assert!(signatures.iter().all(|signature| *signature == signatures[0]), "{keypair:?}");
    signatures.into_iter().next().unwrap_or_else(|| hex(RSA_2048_SIGNATURE))
}

/// RFC 6979, A.2.5: the key, and r and s of two messages with SHA-256.
#[test]
fn p256_signatures_are_those_of_rfc_6979() {
    let scalar = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let table = [
        (
            "sample",
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
        (
            "test",
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        ),
    ];
    check_vectors(SecretKey::Ecdsa, scalar, &table);
}

/// The vectors that Bitcoin's implementations share: the lower of the two values of s.
#[test]
fn secp256k1_signatures_are_those_of_rfc_6979_with_low_s() {
    let one = "0000000000000000000000000000000000000000000000000000000000000001";
    let table = [
        (
            "Satoshi Nakamoto",
            "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8",
            "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
        ),
        (
            "All those moments will be lost in time, like tears in rain. Time to die...",
            "8600dbd41e348fe5c9465ab92d23e3db8b98b873beecd930736488696438cb6b",
            "547fe64427496db33bf66019dacbf0039c04199abb0122918601db38a72cfc21",
        ),
    ];
    check_vectors(SecretKey::Secp256k1, one, &table);
}

fn check_vectors(
    wrap: fn(zeroize::Zeroizing<[u8; 32]>) -> SecretKey,
    scalar: &str,
    table: &[(&str, &str, &str)],
) {
    let scalar: [u8; 32] = hex(scalar).try_into().unwrap();
    let keypair = Keypair::from_secret(wrap(scalar.into())).unwrap();
    for (message, r, s) in table {
        for crypto in real_providers() {
            let signature = crypto.sign(&keypair, message.as_bytes()).unwrap();
            assert_eq!(HEXLOWER.encode(&signature), der(r, s), "{message}");
            assert!(verify(keypair.public(), message.as_bytes(), &signature));
        }
    }
}

/// Two numbers of 32 bytes as a signature in DER.
fn der(r: &str, s: &str) -> String {
    let integer = |number: &str| {
        let header = if number < "8" { "0220" } else { "022100" };
        format!("{header}{number}")
    };
    let numbers = integer(r) + &integer(s);
    format!("30{:02x}{numbers}", numbers.len() / 2)
}

/// Signatures over `message` by OpenSSL, with either value of s: Go's and OpenSSL's ECDSA write both.
#[test]
fn both_values_of_s_are_accepted() {
    let table = [
        (
            SECP256K1_PUBLIC,
            "304402203bc6b6e9afbd98dd8c909ae382e2bb9a04f62718055922892a74c55fbf1c3905\
             02205561800c4cf4fdaa6a2dec4a73c0733941f1d7969001681c04b342a7925f1bb2",
            "304502203bc6b6e9afbd98dd8c909ae382e2bb9a04f62718055922892a74c55fbf1c3905\
             022100aa9e7ff3b30b025595d213b58c3f8cc578bd05501f47381fbb1f1be53dd7258f",
        ),
        (
            ECDSA_PUBLIC,
            "304402205a8a0c6c51756756983f61cd6a9ca8315fcf9e591128b75b87fa182aff6fe409\
             02202faaa6380518c0d54636b7f7bf920572422378d73e5c54600a891bdcae9b8704",
            "304502205a8a0c6c51756756983f61cd6a9ca8315fcf9e591128b75b87fa182aff6fe409\
             022100d05559c6fae73f2bb9c94808406dfa8d7ac381d668bb4a24e930aee64dc79e4d",
        ),
    ];
    for (public, low, high) in table {
        let key = PublicKey::from_protobuf(&hex(public)).unwrap();
        assert!(verify(&key, b"message", &hex(low)));
        assert!(verify(&key, b"message", &hex(high)));
        assert!(!verify(&key, b"massage", &hex(low)));
        assert!(!verify(&key, b"massage", &hex(high)));
    }
}

#[test]
fn rsa_signatures_of_openssl_are_verified() {
    let table = [(RSA_PUBLIC, RSA_SIGNATURE), (RSA_2048_PUBLIC, RSA_2048_SIGNATURE)];
    for (public, signature) in table {
        let key = PublicKey::from_protobuf(&hex(public)).unwrap();
        assert!(verify(&key, b"message", &hex(signature)));
        assert!(!verify(&key, b"massage", &hex(signature)));
    }
}

#[test]
fn the_portable_provider_does_not_sign_with_rsa() {
    let error = Portable.sign(&keypair(RSA_2048_PRIVATE), b"message").unwrap_err();
    assert_eq!(error, UnsupportedKey { provider: "portable", key_type: "RSA" });
    assert_eq!(error.to_string(), "the portable crypto provider does not sign with RSA keys");
}

#[cfg(feature = "aws-lc")]
#[test]
fn the_fast_provider_signs_with_rsa_as_openssl_does() {
    use crate::crypto::Fast;
    for (private, signature) in [(RSA_PRIVATE, RSA_SIGNATURE), (RSA_2048_PRIVATE, RSA_2048_SIGNATURE)] {
        for _ in 0..2 {
            assert_eq!(Fast.sign(&keypair(private), b"message").unwrap(), hex(signature));
        }
    }
}

/// The largest key that is allowed, with the smallest exponent. Nobody has its private key: the modulus was chosen for the signature, as
/// `s * s * s` less the padded hash, for `s = 3 * 2^2729 + 1`.
#[test]
fn the_largest_rsa_key_is_verified() {
    let message = b"8192";
    let hash = Portable.hash(Hash::Sha256, &[message]);
    let digest_info = [&hex("3031300d060960864801650304020105000420"), hash.as_bytes()].concat();
    let padded = [&[0, 1], &[0xff; 970][..], &[0], &digest_info].concat();
    let bits = |bits: &[usize]| {
        let mut number = [0_u8; 1024];
        bits.iter().for_each(|bit| number[1023 - bit / 8] |= 1 << (bit % 8));
        number
    };
    let signature = bits(&[0, 2729, 2730]);
    let mut modulus = bits(&[0, 2729, 2732, 5458, 5459, 5461, 5462, 8187, 8188, 8190, 8191]);
    let mut borrow = false;
    for (digit, less) in modulus.iter_mut().zip(&padded).rev() {
        let (first, second) = (digit.overflowing_sub(*less), u8::from(borrow));
        let (value, again) = first.0.overflowing_sub(second);
        (*digit, borrow) = (value, first.1 || again);
    }
    let numbers = [&hex("308204080282040100"), &modulus[..], &[2, 1, 3]].concat();
    let info = [&hex("30820420300d06092a864886f70d01010105000382040d00"), &numbers[..]].concat();
    let key = PublicKey::from_protobuf(&key(0, &info)).unwrap();
    assert!(verify(&key, message, &signature));
    assert!(!verify(&key, b"large", &signature));
    assert!(!verify(&key, message, &modulus));
}

/// Signed with the private key, over what is not exactly the padding of PKCS#1 v1.5 with SHA-256. Who takes the fourth lets anybody forge
/// signatures of keys with the exponent 3 (CVE-2006-4339).
#[test]
fn rsa_signatures_with_loose_padding_are_refused() {
    let table = [
        (
            "the parameters of the hash left out",
            concat!(
                "769e9e0129925e884608c70044829a03a5bbb65ceae04711afe093a1b09a2dba5b3fb05ef9fdfd9306d4e30c23ed69b558df",
                "348242fd24518dfe93be021ab975656df9e0607df33d82313ef2be7616434e7189c0d3f6bc1d7f617b2ba1b28584050488bf",
                "ae138017c2ee22792a01446b6a7f04bc880568584d7d957e775b81f74b29d91bab200af801e5a46123bebb8bf8bc29c2b780",
                "8921606e3cd24e6c9caad20f01c5396ce279de11bc8c9d743b6e4516b130c2508bd3c1135295200086190a498c1c4033e47d",
                "0c91eef00fd12c75516056f1a390af0faf812508f5f321225d299836efc52296b1fdcaf86d082ff5904b3be5199f32181e81",
                "839500dd99cb",
            ),
        ),
        (
            "a length of two bytes",
            concat!(
                "8c52a7ed96797255f644ec703a86356981f474c84cfaf2fa18c558984044c9627502d92d6a851bb1217315c041e213f6b2f0",
                "5c377c1800ab6920839496f90d3de13417ba6164f1cbb632650e709d4cba51cdb1bd7f85942f928de023fcf1375d32665a72",
                "4f968a934b2263ac109c2f23313989e93ac3083440411be7fce6915076cd0a87a512b07789a1cfae3b6dd1201a4caf22c7ee",
                "a16932d10f08d0212a869d65b023727e6946f498c6eac4e598ac0aaa850dbe7994aa04a7ea027727aadce0e4738cc51d5837",
                "edbc216961cce55ea4c3a18b6ac8b573fd6c0ee80c1a4bc0c9aefa2771e40acf7563f8641cde30450e644a1a7179f091fe6b",
                "8c5dc19d17ae",
            ),
        ),
        (
            "padding for encryption",
            concat!(
                "8ce51fe1f00bee10da4b6398c3032c9367b5878c87be3ef5e57610f3f7ff4b54fba9981245dba90ac3929118426c37050a27",
                "61c8386a7e6b0016bcaac052dc0f387a990e6ef7c08e98eb977e7a099e4a7cbac6b72f71d34e48007a4396e4fd9a2fb3a4ca",
                "7c9548313c07f53efaed276f8fee6d239c46347fb6958a791a17e49169bfce48c3052cf54f7a19748844f86a609ce52144c4",
                "704b69554cda4a143a62fb5dfed00da9f62a91e1f4cd982c3e4fe377bc94246a7cf8bdaf3e642dd40e7fbaceeeb673e650df",
                "e0080247b9a2d49d7b66e0b6c64e6e2cc1950d98518f6f9aafe90aae21352392fcb41cadf55bdf2d68bb776645a9f9e17f18",
                "fa0a9b604a8e",
            ),
        ),
        (
            "little padding, and anything behind the hash",
            concat!(
                "29a243ad53cf80b866ac682e7c147d2aeb61ef1cf84d3fb7bf0c6f54986ed484fd948db8ad373f4a336c31e2572088a0f433",
                "41799b6b1b2c3d8f5c90da0999545c6b1fe1182466704770b20fa51af4dd9b83a536273be16af9ab9b08aca8af1c803a09bd",
                "7fec61af787168108c7e1a0bdc99b5e5df8fe64bbc7e1405d1965c45914de2ada1305d9840c1a5593f9c864b896a50393bc4",
                "5472cfd22591821eaef0cdaf8f0340f1063b3c30a4a075e1411409254a114ed1d1eca4749b165ab5bfb2449613f87e4d3a2e",
                "90b1139caa35c4453e2be73f4840ba09a1cefd7e3b0176c81dbf1ae9b75e5e9bc64e8e1e6f5aee06ad318a1a134a3f90341c",
                "adf603ca1470",
            ),
        ),
        (
            "no digest info",
            concat!(
                "5eeac84fab6626e7024c7a3f8017b6b96323d41f0b84d99b084fb8f565c22db6316a6b165e41d9c24fc4de08a1d4320483b2",
                "83d94d074f135f9d227f3c1356600324daa3ee5da8d468d1c5fdc1e84d704ed44241d0876f3fd52ece848d8a9c04e8b46ac0",
                "c499feb8632ee8c0efcbc1b8c1231fcfcda0df8cd5a03e3585dc6b5951d193d4587d7b33321a7fc53aaa7fddbf56e73049d1",
                "d7ec5e148dc60f882b4e6d1295396dd45aef190c53b6c117d495e187279581b221bad0efed5cc70d3e230ba2c2ee74769888",
                "80b4db81c01e1f243ab6c21949a039b1387c182d0a64c22370c293f946f719c052cf0d48ac438246da30f9885da9ce86faab",
                "6676c0ebb950",
            ),
        ),
    ];
    let key = PublicKey::from_protobuf(&hex(RSA_2048_PUBLIC)).unwrap();
    for (what, signature) in table {
        assert!(!verify(&key, b"message", &hex(signature)), "{what}");
    }
}

/// A key pair of each type, and its signature over `message`.
fn signed() -> [(Keypair, Vec<u8>); 4] {
    keypairs().map(|keypair| {
        let signature = sign(&keypair);
        (keypair, signature)
    })
}

/// RUSTSEC-2019-0004: any signature of 64 bytes was once taken for valid.
#[test]
fn a_signature_with_any_bit_flipped_is_refused() {
    for (keypair, signature) in signed() {
        let (key, key_type) = (keypair.public(), keypair.public().key_type());
        assert!(verify(key, b"message", &signature), "{key_type}");
        for bit in 0..8 * signature.len() {
            let mut forged = signature.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(key, b"message", &forged), "{key_type}, bit {bit}");
        }
    }
}

#[test]
fn a_signature_of_another_length_message_or_key_is_refused() {
    for (keypair, signature) in signed() {
        let (key, key_type) = (keypair.public(), keypair.public().key_type());
        for end in 0..signature.len() {
            assert!(!verify(key, b"message", &signature[..end]), "{key_type}, {end} bytes");
        }
        for len in [64, 70, 72, 256, 1024, 100_000] {
            assert!(!verify(key, b"message", &vec![0; len]), "{key_type}, {len} zeros");
            assert!(!verify(key, b"message", &vec![0xff; len]), "{key_type}, {len} bytes");
        }
        assert!(!verify(key, b"message", &[&signature[..], &[0]].concat()), "{key_type}");
        assert!(!verify(key, b"massage", &signature), "{key_type}");
        assert!(!verify(key, b"", &signature), "{key_type}");
        for other in keypairs() {
            if other.public() != key {
                assert!(!verify(other.public(), b"message", &signature), "{key_type}");
            }
        }
    }
}

/// One signature has one encoding.
#[test]
fn ecdsa_signatures_in_loose_der_are_refused() {
    let integers = |r: &str, s: &str| {
        let body = [hex(r), hex(s)].concat();
        [&[0x30, body.len() as u8], &body[..]].concat()
    };
    for (keypair, signature) in &signed()[1..3] {
        let (r_len, body) = (usize::from(signature[3]), &signature[4..]);
        let (r, rest) = body.split_at(r_len);
        let s = &rest[2..];
        let element = |tag: u8, bytes: &[u8]| [&[tag, bytes.len() as u8], bytes].concat();
        let sequence = |parts: &[&[u8]]| element(0x30, &parts.concat());
        assert_eq!(*signature, sequence(&[&element(2, r), &element(2, s)]));
        let loose = [
            sequence(&[&element(2, &[&[0], r].concat()), &element(2, s)]),
            sequence(&[&element(2, r), &element(2, &[&[0, 0], s].concat())]),
            sequence(&[&element(2, r), &element(2, s), &element(2, s)]),
            sequence(&[&element(4, r), &element(2, s)]),
            sequence(&[&element(2, r)]),
            [&[0x30, 0x81, signature[1]], &signature[2..]].concat(),
            [&[0x30, 0x80], &signature[2..], &[0, 0]].concat(),
            [r, s].concat(),
            // Zeros, and numbers that are not below the order.
            integers("020100", "020100"),
            integers("020101", "020100"),
            integers("020100", "020101"),
            integers(&format!("022100{}", "ff".repeat(32)), "020101"),
            integers(&format!("0220{}", "ff".repeat(32)), "020101"),
            integers(&format!("022101{}", "00".repeat(32)), "020101"),
        ];
        for signature in loose {
            assert!(!verify(keypair.public(), b"message", &signature), "{signature:x?}");
        }
    }
}

#[test]
fn keys_that_anybody_can_sign_for_prove_nothing() {
    // The neutral element as key and as R, with S = 0, satisfies the equation for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let signature = [neutral, [0; 32]].concat();
    assert!(!verify(&PublicKey::Ed25519(neutral), b"anything", &signature));
    let no_points = [
        PublicKey::Ed25519([0x02; 32]),
        PublicKey::Secp256k1([0; 33]),
        PublicKey::Secp256k1([0xff; 33]),
        PublicKey::Ecdsa([0; 65].into()),
        PublicKey::Ecdsa([4; 65].into()),
    ];
    for key in no_points {
        for signature in [signature.clone(), hex("3006020101020101")] {
            assert!(!verify(&key, b"anything", &signature), "{key:?}");
        }
    }
}

/// Every encoding of every point of Ed25519 whose order divides 8.
fn low_order_points() -> Vec<[u8; 32]> {
    let ys = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let point = |y: &str, sign: u8| {
        let mut point: [u8; 32] = *hex(y).first_chunk().unwrap();
        point[31] |= sign;
        point
    };
    ys.into_iter().flat_map(|y| [point(y, 0), point(y, 0x80)]).collect()
}

/// With S = 0 the equation holds for one message in 8 or more, whatever is meant to be signed.
#[test]
fn ed25519_keys_of_low_order_prove_nothing() {
    let mut loosely_valid = 0;
    for key in low_order_points() {
        for r in low_order_points() {
            let signature = [r, [0; 32]].concat();
            for message in 0..16_u8 {
                assert!(!verify(&PublicKey::Ed25519(key), &[message], &signature), "{key:02x?} {r:02x?}");
                let loosely = ed25519_dalek::VerifyingKey::from_bytes(&key).and_then(|key| {
                    ed25519_dalek::Verifier::verify(&key, &[message], &signature.as_slice().try_into()?)
                });
                loosely_valid += usize::from(loosely.is_ok());
            }
        }
    }
    assert!(loosely_valid > 100, "{loosely_valid} of them satisfy the equation");
}

/// The equation holds with the neutral element as R: made with the private key, but not as a signature is made.
#[test]
fn an_ed25519_signature_whose_r_has_low_order_is_refused() {
    let keypair = Keypair::ed25519_from_secret(&[1; 32]);
    let mut signature = hex(concat!(
        "0100000000000000000000000000000000000000000000000000000000000000",
        "95c0fdcc54fccad1f2b8bc9b96aa6837c82f86349e6576ad29ca3ece7b7ea905",
    ));
    let PublicKey::Ed25519(point) = keypair.public() else { panic!("an Ed25519 key") };
    let key = ed25519_dalek::VerifyingKey::from_bytes(point).unwrap();
    let loosely =
        |bytes: &[u8]| ed25519_dalek::Verifier::verify(&key, b"message", &bytes.try_into().unwrap());
    assert!(loosely(&signature).is_ok());
    assert!(!verify(keypair.public(), b"message", &signature));
    for r in low_order_points() {
        signature[..32].copy_from_slice(&r);
        assert!(!verify(keypair.public(), b"message", &signature));
    }
}

/// S must be below the order of the group, or a signature would have several values.
#[test]
fn an_ed25519_signature_with_a_larger_s_is_refused() {
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let keypair = Keypair::ed25519_from_secret(&[1; 32]);
    let mut signature = sign(&keypair);
    assert!(verify(keypair.public(), b"message", &signature));
    let mut carry = 0;
    for (byte, more) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert!(!verify(keypair.public(), b"message", &signature));
}

/// No parser lets them in, but a [`PublicKey`] can be made of anything.
#[test]
fn ecdsa_points_in_other_forms_are_no_keys() {
    let (keypair, signature) = &signed()[2];
    let PublicKey::Ecdsa(point) = keypair.public() else { panic!("an ECDSA key") };
    assert!(verify(keypair.public(), b"message", signature));
    for form in [0, 2, 3, 5, 6, 7, 0x30] {
        let mut point = **point;
        point[0] = form;
        assert!(!verify(&PublicKey::Ecdsa(point.into()), b"message", signature), "{form}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Providers sign alike, and judge alike what was altered: [`sign`] and [`verify`] compare them.
    #[test]
    fn providers_do_not_differ(
        seed in any::<u64>(),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut seed = crate::seed::Seed::reproducible(seed);
        let keypairs = [
            Keypair::generate_ed25519(&mut seed),
            Keypair::generate_secp256k1(&mut seed),
            Keypair::generate_ecdsa(&mut seed),
            keypair(RSA_2048_PRIVATE),
        ];
        for keypair in keypairs {
            let good = sign(&keypair);
            let mut altered = good.clone();
            for (index, value) in &edits {
                *index.get_mut(&mut altered) = *value;
            }
            if let Some(index) = cut {
                altered.truncate(index.index(altered.len()));
            }
            prop_assert!(verify(keypair.public(), b"message", &good));
            prop_assert_eq!(verify(keypair.public(), b"message", &altered), altered == good);
        }
    }
}
