//! Key files of every kind of damage: each has its message, and none lets a node start.

use crate::keys::{text, write_private};
use crate::program::{folder, peerwork};
use std::fs;

const RSA: u8 = 0;
const ED25519: u8 = 1;
const SECP256K1: u8 = 2;
const ECDSA: u8 = 3;

const HALVES: &str = "the private and the public half of the key do not belong together";

/// A key's protobuf.
fn protobuf(key_type: u8, data: &[u8]) -> Vec<u8> {
    let length: &[u8] = match data.len() {
        short @ 0..0x80 => &[short as u8],
        long => &[long as u8 | 0x80, (long >> 7) as u8],
    };
    [&[0x08, key_type, 0x12], length, data].concat()
}

/// A DER element.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let [high, low] = (contents.len() as u16).to_be_bytes();
    let header: &[u8] = match contents.len() {
        0..0x80 => &[tag, low],
        0x80..0x100 => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [header, &contents].concat()
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    der(0x02, &[bytes])
}

/// The start of an RSAPrivateKey: version, modulus, public exponent. Sizes are checked before the rest is read.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    protobuf(RSA, &der(0x30, &[&integer(&[0]), &integer(modulus), &integer(exponent)]))
}

/// An ECPrivateKey without its public half.
fn ecdsa(scalar: &[u8], curve: &[u8]) -> Vec<u8> {
    let parts = [integer(&[1]), der(0x04, &[scalar]), der(0xa0, &[&der(0x06, &[curve])])];
    protobuf(ECDSA, &der(0x30, &[&parts[0], &parts[1], &parts[2]]))
}

/// A key file as keygen writes it.
fn good(key_type: &str) -> Vec<u8> {
    let path = folder(&format!("damaged_{key_type}")).join("good.key");
    peerwork(&["keygen", "--type", key_type, "--out", text(&path)]).success();
    fs::read(path).expect("it is there")
}

/// Asserts that a node with each key file ends with its message.
#[track_caller]
fn refused(test: &str, cases: &[(&str, Vec<u8>, &str)]) {
    let folder = folder(test);
    for (name, contents, expected) in cases {
        let path = folder.join(name);
        write_private(&path, contents);
        let run = peerwork(&["listen", "--key-file", text(&path)]);
        let expected = format!("the key file {}: {expected} (peerwork keygen makes one)", text(&path));
        assert_eq!(run.failure(), expected, "{name}");
        assert_eq!(run.stdout, "", "{name}");
    }
}

/// Flips a bit of the byte at `position`.
fn flipped(mut bytes: Vec<u8>, position: usize) -> Vec<u8> {
    bytes[position] ^= 1;
    bytes
}

#[test]
fn files_that_are_no_keys() {
    refused(
        "files_that_are_no_keys",
        &[
            ("empty", vec![], "it is empty; expected a libp2p key in protobuf form"),
            (
                "pem",
                b"-----BEGIN PRIVATE KEY-----".to_vec(),
                "it is PEM text; expected a libp2p key in binary protobuf form",
            ),
            (
                "json",
                b"{\"id\": \"12D3KooW\"}".to_vec(),
                "it is JSON text; expected a libp2p key in binary protobuf form",
            ),
            (
                "hex",
                b"080112406".to_vec(),
                "it is hex or base64 text; expected a libp2p key in binary protobuf form",
            ),
            ("zeros", vec![0; 68], "it is not a libp2p key in protobuf form: a field number is out of range"),
            (
                "ones",
                vec![0xff; 68],
                "it is not a libp2p key in protobuf form: a number has more than 64 bits",
            ),
            ("der", der(0x30, &[&integer(&[0])]), "it is DER; expected a libp2p key in binary protobuf form"),
            ("no type", vec![0x12, 1, 0], "the key's protobuf has no Type"),
            ("no data", vec![0x08, ED25519], "the key's protobuf has no Data"),
            (
                "unknown type",
                protobuf(4, &[0; 32]),
                "there is no key type 4; the types are 0 (RSA), 1 (Ed25519), 2 (secp256k1) and 3 (ECDSA)",
            ),
            (
                "endless data",
                vec![0x08, ED25519, 0x12, 0xff, 0xff, 0xff, 0xff, 0x0f],
                "it is not a libp2p key in protobuf form: the message ends within a field",
            ),
        ],
    );
}

#[test]
fn a_large_file_is_not_read() {
    let path = folder("a_large_file_is_not_read").join("large");
    write_private(&path, &[0; 20_000]);
    let expected = format!(
        "the key file {}: it has more than 16384 bytes, which no key has; use a file that peerwork keygen made",
        text(&path)
    );
    assert_eq!(peerwork(&["listen", "--key-file", text(&path)]).failure(), expected);
}

#[test]
fn damaged_ed25519_keys() {
    let good = good("ed25519");
    refused(
        "damaged_ed25519_keys",
        &[
            (
                "cut",
                good[..good.len() - 1].to_vec(),
                "it is not a libp2p key in protobuf form: the message ends within a field",
            ),
            (
                "continued",
                [&good[..], &[0]].concat(),
                "it is not a libp2p key in protobuf form: a field number is out of range",
            ),
            (
                "public key",
                protobuf(ED25519, &good[36..]),
                "an Ed25519 private key (the secret, then the public key) has 64 bytes, not 32",
            ),
            ("another type", protobuf(SECP256K1, &good[4..]), "a secp256k1 private key has 32 bytes, not 64"),
            ("private half", flipped(good.clone(), 4), HALVES),
            ("public half", flipped(good.clone(), 67), HALVES),
            ("second copy", protobuf(ED25519, &[&good[4..], &[7; 32]].concat()), HALVES),
        ],
    );
}

#[test]
fn damaged_secp256k1_keys() {
    refused(
        "damaged_secp256k1_keys",
        &[
            ("short", protobuf(SECP256K1, &[1; 31]), "a secp256k1 private key has 32 bytes, not 31"),
            ("long", protobuf(SECP256K1, &[1; 33]), "a secp256k1 private key has 32 bytes, not 33"),
            (
                "zero",
                protobuf(SECP256K1, &[0; 32]),
                "the private key is not in the range of the secp256k1 curve",
            ),
            (
                "above the order",
                protobuf(SECP256K1, &[0xff; 32]),
                "the private key is not in the range of the secp256k1 curve",
            ),
        ],
    );
}

#[test]
fn damaged_ecdsa_keys() {
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    let good = good("ecdsa");
    refused(
        "damaged_ecdsa_keys",
        &[
            (
                "no DER",
                protobuf(ECDSA, b"abc"),
                "the DER of the key is malformed: it has the tag 0x61 where a sequence is expected",
            ),
            (
                "cut",
                protobuf(ECDSA, &good[4..good.len() - 1]),
                "the DER of the key is malformed: it ends within an element",
            ),
            (
                "continued",
                protobuf(ECDSA, &[&good[4..], &[0]].concat()),
                "the DER of the key is malformed: there are bytes behind its end",
            ),
            (
                "another curve",
                ecdsa(&[1; 48], P384),
                "the ECDSA key is on the curve P-384; only P-256 is supported",
            ),
            ("short", ecdsa(&[1; 31], P256), "an ECDSA private key on P-256 has 32 bytes, not 31"),
            ("zero", ecdsa(&[0; 32], P256), "the private key is not in the range of the ECDSA curve"),
            (
                "above the order",
                ecdsa(&[0xff; 32], P256),
                "the private key is not in the range of the ECDSA curve",
            ),
            (
                "public half",
                flipped(good.clone(), good.len() - 1),
                "the public key is not a safe point of the ECDSA curve",
            ),
        ],
    );
}

#[test]
#[cfg_attr(not(feature = "aws-lc"), ignore = "the program has no fast crypto provider")]
fn damaged_rsa_keys() {
    let good = good("rsa");
    let data = &good[5..];
    let modulus = |bits: usize| [&[0][..], &vec![0xff; bits / 8]].concat();
    refused(
        "damaged_rsa_keys",
        &[
            (
                "no DER",
                protobuf(RSA, b"abc"),
                "the DER of the key is malformed: it has the tag 0x61 where a sequence is expected",
            ),
            (
                "cut",
                protobuf(RSA, &data[..data.len() - 1]),
                "the DER of the key is malformed: it ends within an element",
            ),
            (
                "continued",
                protobuf(RSA, &[data, &[0]].concat()),
                "the DER of the key is malformed: there are bytes behind its end",
            ),
            (
                "1,024 bits",
                rsa(&modulus(1_024), &[1, 0, 1]),
                "the RSA key has 1024 bits; 2048 to 8192 are allowed",
            ),
            (
                "16,384 bits",
                rsa(&modulus(16_384), &[1, 0, 1]),
                "the RSA key has 16384 bits; 2048 to 8192 are allowed",
            ),
            (
                "an even exponent",
                rsa(&modulus(2_048), &[4]),
                "the public exponent of the RSA key is not an odd number from 3 to 2^31 - 1; 65537 is usual",
            ),
            (
                "no private half",
                rsa(&modulus(2_048), &[1, 0, 1]),
                "the DER of the key is malformed: it ends within an element",
            ),
            ("modulus", flipped(good.clone(), 100), HALVES),
            ("private exponent", flipped(good.clone(), 400), HALVES),
            ("coefficient", flipped(good.clone(), good.len() - 1), HALVES),
        ],
    );
}
