//! Authenticated ciphers: vectors, and what must not open.

use super::*;

const CIPHERS: [AeadCipher; 3] = [AeadCipher::ChaCha20Poly1305, AeadCipher::Aes128Gcm, AeadCipher::Aes256Gcm];

const NONCE: [u8; NONCE_BYTES] = [3; NONCE_BYTES];

fn for_each_cipher(check: impl Fn(Box<dyn Aead>)) {
    for crypto in real_providers() {
        for cipher in CIPHERS {
            println!("{} {cipher:?}", crypto.name());
            check(crypto.aead(cipher, &[5; 32][..cipher.key_bytes()]));
        }
    }
}

/// A ciphertext, and its tag.
fn sealed(aead: &dyn Aead, associated: &[u8], plaintext: &[u8]) -> (Vec<u8>, [u8; TAG_BYTES]) {
    let mut data = plaintext.to_vec();
    let tag = aead.seal(&NONCE, associated, &mut data);
    (data, tag)
}

struct Vector {
    cipher: AeadCipher,
    key: &'static str,
    nonce: &'static str,
    associated: &'static str,
    plaintext: &'static str,
    ciphertext: &'static str,
    tag: &'static str,
}

/// RFC 8439, section 2.8.2, and test cases 4 and 16 of the proposal of GCM to NIST.
const VECTORS: [Vector; 3] = [
    Vector {
        cipher: AeadCipher::ChaCha20Poly1305,
        key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        nonce: "070000004041424344454647",
        associated: "50515253c0c1c2c3c4c5c6c7",
        plaintext: "4c616469657320616e642047656e746c656d656e206f662074686520636c6173\
                    73206f66202739393a204966204920636f756c64206f6666657220796f75206f\
                    6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73\
                    637265656e20776f756c642062652069742e",
        ciphertext: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6\
                     3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36\
                     92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
                     3ff4def08e4b7a9de576d26586cec64b6116",
        tag: "1ae10b594f09e26a7e902ecbd0600691",
    },
    Vector {
        cipher: AeadCipher::Aes128Gcm,
        key: "feffe9928665731c6d6a8f9467308308",
        nonce: "cafebabefacedbaddecaf888",
        associated: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        plaintext: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        ciphertext: "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e\
                     21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        tag: "5bc94fbc3221a5db94fae95ae7121a47",
    },
    Vector {
        cipher: AeadCipher::Aes256Gcm,
        key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        nonce: "cafebabefacedbaddecaf888",
        associated: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        plaintext: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        ciphertext: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                     8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        tag: "76fc6ece0f4e1768cddf8853bb2d551b",
    },
];

#[test]
fn ciphertexts_and_tags_are_those_of_the_vectors() {
    for crypto in real_providers() {
        for vector in &VECTORS {
            let aead = crypto.aead(vector.cipher, &hex(vector.key));
            let (nonce, associated) = (hex(vector.nonce), hex(vector.associated));
            let nonce = nonce.first_chunk().unwrap();
            let mut data = hex(vector.plaintext);
            let tag = aead.seal(nonce, &associated, &mut data);
            assert_eq!(
                (&data, &tag[..]),
                (&hex(vector.ciphertext), &hex(vector.tag)[..]),
                "{:?}",
                vector.cipher
            );
            assert!(aead.open(nonce, &associated, &mut data, &tag));
            assert_eq!(data, hex(vector.plaintext), "{:?}", vector.cipher);
        }
    }
}

#[test]
fn nothing_opens_with_a_bit_flipped() {
    for_each_cipher(|aead| {
        let (mut data, tag) = sealed(&*aead, b"header", b"a message");
        let flipped = |bytes: &[u8], bit: usize| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        };
        for bit in 0..8 * data.len() {
            assert!(!aead.open(&NONCE, b"header", &mut flipped(&data, bit), &tag), "data, bit {bit}");
        }
        for bit in 0..8 * TAG_BYTES {
            let tag = flipped(&tag, bit);
            let tag = tag.first_chunk().unwrap();
            assert!(!aead.open(&NONCE, b"header", &mut data.clone(), tag), "tag, bit {bit}");
        }
        for bit in 0..8 * 6 {
            let associated = flipped(b"header", bit);
            assert!(!aead.open(&NONCE, &associated, &mut data.clone(), &tag), "associated, bit {bit}");
        }
        for bit in 0..8 * NONCE_BYTES {
            let nonce = flipped(&NONCE, bit);
            let nonce = nonce.first_chunk().unwrap();
            assert!(!aead.open(nonce, b"header", &mut data.clone(), &tag), "nonce, bit {bit}");
        }
        assert!(aead.open(&NONCE, b"header", &mut data, &tag));
    });
}

#[test]
fn nothing_opens_in_parts_or_with_the_border_moved() {
    for_each_cipher(|aead| {
        let (mut data, tag) = sealed(&*aead, b"header", b"a message");
        assert!(!aead.open(&NONCE, b"header", &mut data[..8].to_vec(), &tag));
        assert!(!aead.open(&NONCE, b"header", &mut [&data[..], &[0]].concat(), &tag));
        assert!(!aead.open(&NONCE, b"heade", &mut [b"r", &data[..]].concat(), &tag));
        assert!(!aead.open(&NONCE, b"", &mut data, &tag));
    });
}

#[test]
fn nothing_at_all_has_a_tag() {
    for_each_cipher(|aead| {
        let (data, tag) = sealed(&*aead, b"", b"");
        assert!(data.is_empty() && aead.open(&NONCE, b"", &mut [], &tag));
        assert!(!aead.open(&NONCE, b"", &mut [], &[0; TAG_BYTES]));
    });
}

#[test]
fn other_keys_do_not_open() {
    for crypto in real_providers() {
        for cipher in CIPHERS {
            let aead = |byte| crypto.aead(cipher, &[byte; 32][..cipher.key_bytes()]);
            let (mut data, tag) = sealed(&*aead(1), b"", b"a message");
            assert!(!aead(2).open(&NONCE, b"", &mut data, &tag), "{cipher:?}");
        }
    }
}

proptest! {
    /// All providers seal alike, and each opens what another has sealed.
    #[test]
    fn providers_do_not_differ(
        key in any::<[u8; 32]>(),
        nonce in any::<[u8; NONCE_BYTES]>(),
        associated in proptest::collection::vec(any::<u8>(), 0..80),
        plaintext in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        for cipher in CIPHERS {
            let aeads: Vec<_> = real_providers()
                .into_iter()
                .map(|crypto| crypto.aead(cipher, &key[..cipher.key_bytes()]))
                .collect();
            for (sealer, opener) in aeads.iter().zip(aeads.iter().rev()) {
                let mut data = plaintext.clone();
                let tag = sealer.seal(&nonce, &associated, &mut data);
                let mut again = plaintext.clone();
                prop_assert_eq!(opener.seal(&nonce, &associated, &mut again), tag);
                prop_assert_eq!(&again, &data);
                prop_assert!(opener.open(&nonce, &associated, &mut data, &tag));
                prop_assert_eq!(&data, &plaintext);
            }
        }
    }
}
