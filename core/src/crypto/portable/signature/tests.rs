use crate::crypto::{CryptoProvider, Portable, UnsupportedKey};
use crate::identity::testing::*;
use crate::identity::{Keypair, PublicKey, SecretKey};
use data_encoding::HEXLOWER;

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
        let signature = Portable.sign(&keypair, message.as_bytes()).unwrap();
        assert_eq!(HEXLOWER.encode(&signature), der(r, s), "{message}");
        assert!(Portable.verify(keypair.public(), message.as_bytes(), &signature));
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
        assert!(Portable.verify(&key, b"message", &hex(low)));
        assert!(Portable.verify(&key, b"message", &hex(high)));
        assert!(!Portable.verify(&key, b"massage", &hex(low)));
        assert!(!Portable.verify(&key, b"massage", &hex(high)));
    }
}

#[test]
fn rsa_signatures_of_openssl_are_verified() {
    let table = [(RSA_PUBLIC, RSA_SIGNATURE), (RSA_2048_PUBLIC, RSA_2048_SIGNATURE)];
    for (public, signature) in table {
        let key = PublicKey::from_protobuf(&hex(public)).unwrap();
        assert!(Portable.verify(&key, b"message", &hex(signature)));
        assert!(!Portable.verify(&key, b"massage", &hex(signature)));
    }
}

#[test]
fn the_portable_provider_does_not_sign_with_rsa() {
    let error = Portable.sign(&keypair(RSA_2048_PRIVATE), b"message").unwrap_err();
    assert_eq!(error, UnsupportedKey { provider: "portable", key_type: "RSA" });
    assert_eq!(error.to_string(), "the portable crypto provider does not sign with RSA keys");
}

/// A key pair of each type, and its signature over `message`.
fn signed() -> [(Keypair, Vec<u8>); 4] {
    keypairs().map(|keypair| {
        let signature = Portable.sign(&keypair, b"message").unwrap_or_else(|_| hex(RSA_2048_SIGNATURE));
        (keypair, signature)
    })
}

/// RUSTSEC-2019-0004: any signature of 64 bytes was once taken for valid.
#[test]
fn a_signature_with_any_bit_flipped_is_refused() {
    for (keypair, signature) in signed() {
        let (key, key_type) = (keypair.public(), keypair.public().key_type());
        assert!(Portable.verify(key, b"message", &signature), "{key_type}");
        for bit in 0..8 * signature.len() {
            let mut forged = signature.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(!Portable.verify(key, b"message", &forged), "{key_type}, bit {bit}");
        }
    }
}

#[test]
fn a_signature_of_another_length_message_or_key_is_refused() {
    for (keypair, signature) in signed() {
        let (key, key_type) = (keypair.public(), keypair.public().key_type());
        for end in 0..signature.len() {
            assert!(!Portable.verify(key, b"message", &signature[..end]), "{key_type}, {end} bytes");
        }
        for len in [64, 70, 72, 256, 1024, 100_000] {
            assert!(!Portable.verify(key, b"message", &vec![0; len]), "{key_type}, {len} zeros");
            assert!(!Portable.verify(key, b"message", &vec![0xff; len]), "{key_type}, {len} bytes");
        }
        assert!(!Portable.verify(key, b"message", &[&signature[..], &[0]].concat()), "{key_type}");
        assert!(!Portable.verify(key, b"massage", &signature), "{key_type}");
        assert!(!Portable.verify(key, b"", &signature), "{key_type}");
        for other in keypairs() {
            if other.public() != key {
                assert!(!Portable.verify(other.public(), b"message", &signature), "{key_type}");
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
            assert!(!Portable.verify(keypair.public(), b"message", &signature), "{signature:x?}");
        }
    }
}

#[test]
fn keys_that_anybody_can_sign_for_prove_nothing() {
    // The neutral element as key and as R, with S = 0, satisfies the equation for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let signature = [neutral, [0; 32]].concat();
    assert!(!Portable.verify(&PublicKey::Ed25519(neutral), b"anything", &signature));
    let no_points = [
        PublicKey::Ed25519([0x02; 32]),
        PublicKey::Secp256k1([0; 33]),
        PublicKey::Secp256k1([0xff; 33]),
        PublicKey::Ecdsa([0; 65].into()),
        PublicKey::Ecdsa([4; 65].into()),
    ];
    for key in no_points {
        for signature in [signature.clone(), hex("3006020101020101")] {
            assert!(!Portable.verify(&key, b"anything", &signature), "{key:?}");
        }
    }
}
