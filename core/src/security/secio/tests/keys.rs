//! Key stretching and the choice of algorithms.

use super::*;
use crate::security::SecurityError;
use crate::security::secio::codec;

const COUNTING: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// Cipher, hash, secret, and for each direction IV, cipher key and MAC key. The first was made by Go.
type Vector = (Cipher, Hash, &'static str, [[&'static str; 3]; 2]);

const VECTORS: [Vector; 5] = [
    (
        Cipher::Aes256Ctr,
        Hash::Sha256,
        "c3bfd1a5d1c97f7a886f1f426f44269bd8cc2eb5c8bcaacc684aeffbad72deea",
        [
            [
                "d084cba9fd342853a15b114721884360",
                "9c30f19d5cf899ba727fc3726a68d785230b83897b464a1a0f3cbd2043dd7389",
                "06b35bf5e03899784d8c1d050fd5bb4189e6ca78",
            ],
            [
                "ec11228d5a6ac538c5b89d875b587013",
                "9791c3db4cc3666dbbe7649684f5fb82fe25b237e3227227ee2202c16b822057",
                "03e54dd4f1d91771dc7e26ff12756ccdc65901ec",
            ],
        ],
    ),
    (
        Cipher::Aes128Ctr,
        Hash::Sha256,
        COUNTING,
        [
            [
                "bef3e571301dc04a79ad4ab4310b90a4",
                "80043e5a719b99aec95ba29a00234beb",
                "a1999046d5c676ef6b53c490bca9643f14427b5e",
            ],
            [
                "3cddd3c6acc3bf5bd9d23dd331b220b6",
                "a0b21dec2b5cd9a47711c674fc294509",
                "9583d472e25338bfc9fdfcfa7199762813727766",
            ],
        ],
    ),
    (
        Cipher::Aes256Ctr,
        Hash::Sha256,
        COUNTING,
        [
            [
                "bef3e571301dc04a79ad4ab4310b90a4",
                "80043e5a719b99aec95ba29a00234beba1999046d5c676ef6b53c490bca9643f",
                "14427b5e3cddd3c6acc3bf5bd9d23dd331b220b6",
            ],
            [
                "a0b21dec2b5cd9a47711c674fc294509",
                "9583d472e25338bfc9fdfcfa7199762813727766f00d5da254a8991aaef9ff4e",
                "616379aa2558a68ac76d3638e37e45cf85b7a18c",
            ],
        ],
    ),
    (
        Cipher::Aes256Ctr,
        Hash::Sha512,
        COUNTING,
        [
            [
                "8983caaaf635e4415ec2f52149af25cf",
                "024b0ce5e8c0c5675f71e0a0528d8e7b7cb12134300f2f1aa1c4e1b385a81097",
                "50130c8965e6958963b23ce6291e801af46500fe",
            ],
            [
                "32c0df27cbdc9718c9ee2469caca24a0",
                "9de5af00a30623417742114bb7df4044971df5abaf617211e3a2fc1ecb7fdceb",
                "c33334a1a5a0f27683f8a685fc23ba1e306bc805",
            ],
        ],
    ),
    (
        Cipher::Aes128Ctr,
        Hash::Sha512,
        COUNTING,
        [
            [
                "8983caaaf635e4415ec2f52149af25cf",
                "024b0ce5e8c0c5675f71e0a0528d8e7b",
                "7cb12134300f2f1aa1c4e1b385a8109750130c89",
            ],
            [
                "65e6958963b23ce6291e801af46500fe",
                "32c0df27cbdc9718c9ee2469caca24a0",
                "9de5af00a30623417742114bb7df4044971df5ab",
            ],
        ],
    ),
];

#[test]
fn keys_are_stretched_as_go_does() {
    for crypto in real_providers() {
        for (cipher, hash, secret, expected) in VECTORS {
            let keys = Keys::derive(&*crypto, cipher, hash, &hex(secret));
            let (first, second) = keys.halves();
            for (direction, expected) in [first, second].iter().zip(expected) {
                let parts = [direction.iv.as_slice(), direction.cipher_key, direction.mac_key];
                assert_eq!(parts.map(<[u8]>::to_vec), expected.map(hex), "{cipher:?} {hash:?}");
            }
        }
    }
}

#[test]
fn a_leading_zero_counts_unless_it_is_stripped() {
    let table = [
        (SecretWidth::Full, "bef3e571301dc04a79ad4ab4310b90a4"),
        (SecretWidth::Stripped, "e62f07d0db454ee87d4672c19217f3eb"),
    ];
    for (width, iv) in table {
        let secret = hex(COUNTING);
        let keys = Keys::derive(&Portable, Cipher::Aes128Ctr, Hash::Sha256, width.cut(&secret));
        assert_eq!(keys.halves().0.iv.as_slice(), hex(iv), "{width:?}");
    }
    // Secret, and what is left of it.
    for (secret, left) in [("00000102", "0102"), ("0100", "0100"), ("0000", ""), ("", "")] {
        assert_eq!(SecretWidth::Stripped.cut(&hex(secret)), hex(left));
        assert_eq!(SecretWidth::Full.cut(&hex(secret)), hex(secret));
    }
}

/// What each implementation offers, and what is agreed with our default if our preferences win, and if theirs do.
#[test]
fn every_implementations_offer_is_understood() {
    use Cipher::{Aes128Ctr, Aes256Ctr};
    let ours = Secio::default();
    let table = [
        ("go, js", ["P-256,P-384,P-521", "AES-256,AES-128", "SHA256,SHA512"], [Aes256Ctr, Aes256Ctr]),
        (
            "go of 2019",
            ["P-256,P-384,P-521", "AES-256,AES-128,Blowfish", "SHA256,SHA512"],
            [Aes256Ctr, Aes256Ctr],
        ),
        ("rust", ["P-256,P-384", "AES-128,AES-256,TwofishCTR", "SHA256,SHA512"], [Aes256Ctr, Aes128Ctr]),
        ("py", ["P-256", "AES-128", "SHA256"], [Aes128Ctr, Aes128Ctr]),
    ];
    for (who, [curves, ciphers, hashes], chosen) in table {
        for (ours_first, cipher) in [true, false].into_iter().zip(chosen) {
            assert_eq!(codec::choose(&ours.curves, curves, ours_first), Ok(Curve::P256), "{who}");
            assert_eq!(codec::choose(&ours.ciphers, ciphers, ours_first), Ok(cipher), "{who}");
            assert_eq!(codec::choose(&ours.hashes, hashes, ours_first), Ok(Hash::Sha256), "{who}");
        }
    }
}

#[test]
fn the_preferred_sides_first_common_name_is_chosen() {
    use Cipher::{Aes128Ctr, Aes256Ctr};
    let ours = [Aes256Ctr, Aes128Ctr];
    // Theirs, the choice if our preferences win, and if theirs do.
    let table = [
        ("AES-256,AES-128", Aes256Ctr, Aes256Ctr),
        ("AES-128,AES-256,TwofishCTR", Aes256Ctr, Aes128Ctr),
        ("TwofishCTR,AES-128", Aes128Ctr, Aes128Ctr),
        ("Blowfish,AES-256", Aes256Ctr, Aes256Ctr),
        (",AES-128,,AES-128", Aes128Ctr, Aes128Ctr),
    ];
    for (theirs, if_ours, if_theirs) in table {
        assert_eq!(codec::choose(&ours, theirs, true), Ok(if_ours), "{theirs}");
        assert_eq!(codec::choose(&ours, theirs, false), Ok(if_theirs), "{theirs}");
    }
}

#[test]
fn names_must_match_exactly() {
    for theirs in
        ["", ",", "AES-12", "AES-1288", "aes-128", "AES-128 ", " AES-128", "AES-128;AES-256", "P-256"]
    {
        for ours_first in [true, false] {
            let error = SecurityError::NoCommonAlgorithm {
                what: "cipher",
                ours: "AES-128,AES-256".into(),
                theirs: theirs.into(),
            };
            let ours = [Cipher::Aes128Ctr, Cipher::Aes256Ctr];
            assert_eq!(codec::choose(&ours, theirs, ours_first), Err(error));
            assert!(codec::choose::<Hash>(&[], theirs, ours_first).is_err());
        }
    }
}

#[test]
fn a_hostile_list_is_shortened_and_escaped() {
    let hostile = format!("\u{1b}[2J\n{}", "x".repeat(10_000));
    match codec::choose(&[Curve::P256], &hostile, true) {
        Err(SecurityError::NoCommonAlgorithm { what: "curve", theirs, .. }) => {
            assert_eq!(theirs, format!("\\u{{1b}}[2J\\n{}", "x".repeat(75)));
        }
        other => panic!("{other:?}"),
    }
}
