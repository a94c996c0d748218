//! What every provider that promises security must give.

mod aead;
mod agreement;
mod signatures;
mod x25519;

use super::*;
use data_encoding::HEXLOWER;
use proptest::prelude::*;

/// The providers that promise security.
pub(crate) fn real_providers() -> Vec<Arc<dyn CryptoProvider>> {
    vec![
        Arc::new(Portable),
        #[cfg(feature = "aws-lc")]
        Arc::new(Fast),
    ]
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

#[test]
fn the_default_is_the_fastest() {
    assert_eq!(default_provider().name(), real_providers().last().unwrap().name());
}

/// NIST SP 800-38A, F.5.1 and F.5.5.
#[test]
fn aes_ctr_matches_nist() {
    let iv = *hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").first_chunk().unwrap();
    let plaintext = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                         30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
    let table = [
        (
            Cipher::Aes128Ctr,
            "2b7e151628aed2a6abf7158809cf4f3c",
            "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff\
             5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
        ),
        (
            Cipher::Aes256Ctr,
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5\
             2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6",
        ),
    ];
    for crypto in real_providers() {
        for (cipher, key, ciphertext) in table {
            for chunk in [1, 5, 16, 64] {
                let mut data = plaintext.clone();
                let mut stream = crypto.cipher(cipher, &hex(key), &iv);
                data.chunks_mut(chunk).for_each(|part| stream.apply(part));
                assert_eq!(data, hex(ciphertext), "{cipher:?} in chunks of {chunk}");
            }
        }
    }
}

#[test]
fn the_counter_is_128_bits_wide_and_wraps() {
    for crypto in real_providers() {
        let key_stream = |iv: [u8; 16], from: usize| {
            let mut data = [0; 48];
            crypto.cipher(Cipher::Aes128Ctr, &[7; 16], &iv).apply(&mut data);
            data[from..from + 16].to_vec()
        };
        assert_eq!(key_stream([0xff; 16], 16), key_stream([0; 16], 0));
    }
}

/// RFC 4231, cases 1, 2 and 6.
#[test]
fn hmac_matches_nist() {
    let table: [(&[u8], &[u8], &str, &str); 3] = [
        (
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde\
             daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
             9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352\
             6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
        ),
    ];
    for crypto in real_providers() {
        for (key, message, sha256, sha512) in table {
            for (hash, expected) in [(Hash::Sha256, hex(sha256)), (Hash::Sha512, hex(sha512))] {
                let hmac = crypto.hmac(hash, key);
                let (head, tail) = message.split_at(3);
                // Twice: the keyed state must not be used up.
                for _ in 0..2 {
                    assert_eq!(hmac.sign(&[head, tail]).as_bytes(), expected);
                    assert!(hmac.verify(&[message], &expected));
                }
                assert!(!hmac.verify(&[message], &expected[1..]), "a part of the code is not the code");
                assert!(!hmac.verify(&[head], &expected));
            }
        }
    }
}

#[test]
fn a_code_with_any_bit_flipped_is_refused() {
    for crypto in real_providers() {
        for hash in [Hash::Sha256, Hash::Sha512] {
            let hmac = crypto.hmac(hash, b"key");
            let code = hmac.sign(&[b"message"]);
            for bit in 0..8 * hash.output_bytes() {
                let mut code = code.as_bytes().to_vec();
                code[bit / 8] ^= 1 << (bit % 8);
                assert!(!hmac.verify(&[b"message"], &code), "bit {bit}");
            }
        }
    }
}

/// FIPS 180-4's "abc".
#[test]
fn hashes_match_nist() {
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let sha512 = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                  2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";
    for (hash, expected) in [(Hash::Sha256, sha256), (Hash::Sha512, sha512)] {
        for crypto in real_providers() {
            assert_eq!(crypto.hash(hash, &[b"a", b"", b"bc"]).as_bytes(), hex(expected));
        }
    }
}

proptest! {
    #[test]
    fn ciphers_codes_and_hashes_do_not_differ(
        key in proptest::collection::vec(any::<u8>(), 32..200),
        iv in any::<[u8; 16]>(),
        parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..8),
    ) {
        let results = real_providers().into_iter().map(|crypto| {
            let mut results = Vec::new();
            for cipher in [Cipher::Aes128Ctr, Cipher::Aes256Ctr] {
                let mut stream = crypto.cipher(cipher, &key[..cipher.key_bytes()], &iv);
                let mut data = parts.clone();
                data.iter_mut().for_each(|part| stream.apply(part));
                results.push(data.concat());
            }
            let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
            for hash in [Hash::Sha256, Hash::Sha512] {
                results.push(crypto.hash(hash, &parts).as_bytes().to_vec());
                results.push(crypto.hmac(hash, &key).sign(&parts).as_bytes().to_vec());
            }
            results
        });
        let results: Vec<_> = results.collect();
        prop_assert!(results.iter().all(|result| *result == results[0]));
    }
}
