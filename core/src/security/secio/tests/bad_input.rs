//! What a remote can do wrong in the handshake, and the error that it gives.

use super::*;
use crate::crypto::{Aead, AeadCipher, EphemeralKey, Hmac, InvalidScalar, StreamCipher, Tag, UnsupportedKey};
use crate::identity::{Keypair, PublicKey};
use crate::machine::Blame;
use crate::security::secio::codec::Propose;
use crate::security::testing::{NOW, feed, peer_id, run, seal, sent, setup};
use crate::security::{ChannelError, MAX_HANDSHAKE_MESSAGE_BYTES, SecurityError};
use crate::wire::protobuf::{ProtobufError, Writer};

/// What A says to a remote that sends `bytes` and closes.
fn error(bytes: &[u8]) -> SecurityError {
    run(&mut *A.start(None), bytes).unwrap_err()
}

/// B's Propose after an edit.
fn edited(edit: impl FnOnce(&mut Propose<'_>)) -> Vec<u8> {
    let message = hex(B.propose);
    let mut propose = Propose::decode(&message).unwrap();
    edit(&mut propose);
    framed(&propose.encode())
}

fn flip(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

const fn not_a(field: &'static str, expected: &'static str) -> SecurityError {
    SecurityError::Protobuf(ProtobufError::WrongType { field, expected })
}

const fn no_text(field: &'static str) -> SecurityError {
    SecurityError::Protobuf(ProtobufError::NotUtf8 { field })
}

const fn unsupported(field: u32, wire_type: u8) -> SecurityError {
    SecurityError::Protobuf(ProtobufError::UnsupportedWireType { field, wire_type })
}

const BAD_FIELD_NUMBER: SecurityError = SecurityError::Protobuf(ProtobufError::BadFieldNumber);
const TRUNCATED: SecurityError = SecurityError::Protobuf(ProtobufError::Truncated);
const FORGED: SecurityError = SecurityError::NotAuthentic("the signature is not the peer's");
const NO_EPHEMERAL_KEY: SecurityError = SecurityError::Malformed("the Exchange has no ephemeral key");
const NO_SIGNATURE: SecurityError = SecurityError::Malformed("the Exchange has no signature");
const SHORT_FRAME: SecurityError =
    SecurityError::Channel(ChannelError::Malformed("it is shorter than its authentication code"));
const ALTERED_FRAME: SecurityError = SecurityError::Channel(ChannelError::NotAuthentic);

const fn too_large(len: u64) -> SecurityError {
    SecurityError::TooLarge { len, max: MAX_HANDSHAKE_MESSAGE_BYTES as u64 }
}

#[test]
fn bad_proposes() {
    const NO_NONCE: SecurityError = SecurityError::Malformed("the Propose has no nonce");
    const NO_KEY: SecurityError = SecurityError::Malformed("the Propose has no public key");
    const BAD_NONCE: SecurityError = SecurityError::Malformed("the nonce does not have 16 bytes");
    let bad_key = |bytes| SecurityError::Key(PublicKey::from_protobuf(bytes).unwrap_err());
    let rsa = b"\x08\x00\x12\x03abc";
    let nonce_only = [b"\x0a\x10".as_slice(), &[0; 16]].concat();
    let table: [(&str, Vec<u8>, SecurityError); 20] = [
        ("16 KiB and a byte", vec![0, 0, 0x40, 1], too_large(0x4001)),
        ("4 GiB", vec![0xff; 4], too_large(0xffff_ffff)),
        ("nothing", framed(&[]), NO_NONCE),
        ("an Exchange", B.exchange(), BAD_NONCE),
        ("a nonce and no more", framed(&nonce_only), NO_KEY),
        ("a nonce of 15 bytes", framed(&[b"\x0a\x0f".as_slice(), &[0; 15]].concat()), BAD_NONCE),
        ("a nonce of 17 bytes", framed(&[b"\x0a\x11".as_slice(), &[0; 17]].concat()), BAD_NONCE),
        ("an empty key", edited(|propose| propose.public_key = &[]), bad_key(&[])),
        ("garbage for a key", edited(|propose| propose.public_key = b"key"), bad_key(b"key")),
        ("a key of another type", edited(|propose| propose.public_key = rsa), bad_key(rsa)),
        ("a number for the nonce", framed(b"\x08\x01"), not_a("rand", "bytes")),
        ("a number for the key", framed(b"\x10\x01"), not_a("pubkey", "bytes")),
        ("a number for the curves", framed(b"\x18\x01"), not_a("exchanges", "text")),
        ("a number for the ciphers", framed(b"\x20\x01"), not_a("ciphers", "text")),
        ("a number for the hashes", framed(b"\x28\x01"), not_a("hashes", "text")),
        ("no text for the curves", framed(b"\x1a\x01\xff"), no_text("exchanges")),
        ("no text for the ciphers", framed(b"\x22\x01\xff"), no_text("ciphers")),
        ("no text for the hashes", framed(b"\x2a\x01\xff"), no_text("hashes")),
        ("a field that is cut off", framed(&hex(B.propose)[..106]), TRUNCATED),
        ("HTTP", b"GET / HTTP/1.1\r\n".to_vec(), too_large(0x4745_5420)),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(error(&bytes), expected, "{what}");
        assert_eq!(expected.blame(), Blame::Peer, "{what}");
    }
}

#[test]
fn bad_exchanges() {
    let (a, b) = (hex(A.propose), hex(B.propose));
    let exchange = hex(B.exchange);
    let (point, signature) = (&exchange[2..67], &exchange[69..]);
    let unsigned = |point, signature| framed(&Exchange { point, signature }.encode());
    // Nothing is computed with a point before its signature holds. Signed ones: see the tests of the curves.
    let off_curve = flip(point, 8 * 64);
    let table: [(&str, Vec<u8>, SecurityError); 16] = [
        ("16 KiB and a byte", vec![0, 0, 0x40, 1], too_large(0x4001)),
        ("nothing", framed(&[]), NO_EPHEMERAL_KEY),
        ("no signature", framed(&exchange[..67]), NO_SIGNATURE),
        ("no point", framed(&exchange[67..]), NO_EPHEMERAL_KEY),
        ("a number for the point", framed(b"\x08\x01"), not_a("epubkey", "bytes")),
        ("a number for the signature", framed(b"\x10\x01"), not_a("signature", "bytes")),
        ("a Propose", B.propose(), FORGED),
        ("an encrypted frame", hex(B.nonce_frame), unsupported(23_861_762, 3)),
        ("an empty signature", unsigned(point, &[]), FORGED),
        ("half a signature", unsigned(point, &signature[..32]), FORGED),
        ("zeros for a signature", unsigned(point, &[0; 64]), FORGED),
        ("A's signature", unsigned(point, &hex(A.exchange)[69..]), FORGED),
        ("somebody else's signature", Transcript { secret: 3, ..B }.signed_exchange(&b, &a, point), FORGED),
        ("a signature with the halves swapped", B.signed_exchange(&a, &b, point), FORGED),
        ("a signature on another handshake", B.signed_exchange(&b, &b, point), FORGED),
        ("a point off the curve that is not signed", unsigned(&off_curve, signature), FORGED),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(error(&[B.propose(), bytes].concat()), expected, "{what}");
        assert_eq!(expected.blame(), Blame::Peer, "{what}");
    }
}

#[test]
fn bad_nonce_frames() {
    let foreign = seal(&mut A.channel(DEFAULT_MAX_FRAME_BYTES), &A.nonce).to_vec();
    let max = u64::from(DEFAULT_MAX_FRAME_BYTES);
    let over = SecurityError::Channel(ChannelError::TooLarge { len: max + 1, max });
    let table: [(&str, Vec<u8>, SecurityError); 7] = [
        ("8 MiB and a byte", vec![0, 0x80, 0, 1], over),
        ("an empty frame", framed(&[]), SHORT_FRAME),
        ("a frame shorter than a MAC", framed(&[0; 31]), SHORT_FRAME),
        ("an unencrypted nonce", framed(&A.nonce), SHORT_FRAME),
        ("an unencrypted nonce and a MAC of zeros", framed(&[0; 48]), ALTERED_FRAME),
        ("a frame in the other direction's keys", foreign, ALTERED_FRAME),
        ("our own nonce frame", hex(A.nonce_frame), ALTERED_FRAME),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(error(&[B.propose(), B.exchange(), bytes].concat()), expected, "{what}");
        assert_eq!(expected.blame(), Blame::Peer, "{what}");
    }
}

#[test]
fn every_prefix_needs_more() {
    let bytes = B.handshake();
    let (propose, exchange) = (B.propose().len(), B.propose().len() + B.exchange().len());
    for end in 0..bytes.len() {
        let awaited = match end {
            end if end < propose => "its Propose message",
            end if end < exchange => "its Exchange message",
            _ => "our nonce to come back",
        };
        assert_eq!(error(&bytes[..end]), SecurityError::Ended(awaited), "{end} bytes");
    }
}

#[test]
fn no_flipped_bit_anywhere_goes_unnoticed() {
    let bytes = B.handshake();
    for bit in 0..8 * bytes.len() {
        error(&flip(&bytes, bit));
    }
}

/// What a handshake message of `len` bytes gives if its length is altered to `altered` and nothing follows it.
fn altered_length(altered: u32, len: u32, awaited: &'static str) -> SecurityError {
    if altered as usize > MAX_HANDSHAKE_MESSAGE_BYTES {
        too_large(altered.into())
    } else if altered > len {
        SecurityError::Ended(awaited)
    } else {
        TRUNCATED
    }
}

#[test]
fn every_flipped_bit_of_an_exchange_has_its_error() {
    let exchange = B.exchange();
    for bit in 0..8 * exchange.len() {
        let flipped = flip(&exchange, bit);
        let expected = match bit / 8 {
            0..4 => {
                let altered = u32::from_be_bytes(*flipped.first_chunk().unwrap());
                altered_length(altered, 133, "its Exchange message")
            }
            4 => HEADER_ERRORS[0][bit % 8].clone(),
            5 => HEADER_ERRORS[1][bit % 8].clone(),
            71 => HEADER_ERRORS[2][bit % 8].clone(),
            72 => HEADER_ERRORS[3][bit % 8].clone(),
            _ => FORGED,
        };
        assert_eq!(error(&[B.propose(), flipped].concat()), expected, "bit {bit}");
    }
}

/// What an Exchange gives with one bit of a key or a length flipped, from the lowest bit to the highest.
const HEADER_ERRORS: [[SecurityError; 8]; 4] = [
    // The key of the point, 0a.
    [
        unsupported(1, 3),
        not_a("epubkey", "bytes"),
        unsupported(1, 6),
        BAD_FIELD_NUMBER,
        NO_EPHEMERAL_KEY,
        NO_EPHEMERAL_KEY,
        NO_EPHEMERAL_KEY,
        TRUNCATED,
    ],
    // Its length, 41: what follows is read from the wrong place.
    [
        unsupported(296, 7),
        unsupported(168, 4),
        unsupported(621, 3),
        unsupported(168, 4),
        TRUNCATED,
        unsupported(2_789_126, 7),
        BAD_FIELD_NUMBER,
        TRUNCATED,
    ],
    // The key of the signature, 12.
    [
        unsupported(2, 3),
        not_a("signature", "bytes"),
        unsupported(2, 6),
        NO_SIGNATURE,
        BAD_FIELD_NUMBER,
        NO_SIGNATURE,
        NO_SIGNATURE,
        TRUNCATED,
    ],
    // Its length, 40.
    [TRUNCATED, TRUNCATED, TRUNCATED, TRUNCATED, TRUNCATED, TRUNCATED, unsupported(168, 4), TRUNCATED],
];

#[test]
fn every_flipped_bit_of_a_nonce_frame_has_its_error() {
    let frame = hex(B.nonce_frame);
    let max = u64::from(DEFAULT_MAX_FRAME_BYTES);
    for bit in 0..8 * frame.len() {
        let flipped = flip(&frame, bit);
        let len = u64::from(u32::from_be_bytes(*flipped.first_chunk().unwrap()));
        let expected = match len {
            len if len > max => SecurityError::Channel(ChannelError::TooLarge { len, max }),
            len if len > 48 => SecurityError::Ended("our nonce to come back"),
            len if len < 32 => SHORT_FRAME,
            _ => ALTERED_FRAME,
        };
        assert_eq!(error(&[B.propose(), B.exchange(), flipped].concat()), expected, "bit {bit}");
    }
}

#[test]
fn the_wrong_peer_is_refused_before_anything_is_agreed() {
    // Without a common algorithm too: who it is comes first.
    for propose in [B.propose(), edited(|propose| propose.curves = "")] {
        let mut handshake = A.start(Some(peer_id(3)));
        let expected = SecurityError::WrongPeer { expected: peer_id(3), actual: peer_id(2) };
        assert_eq!(run(&mut *handshake, &propose).unwrap_err(), expected);
        assert_eq!(expected.blame(), Blame::Peer);
    }
}

#[test]
fn oneself_is_refused() {
    let another_nonce = Transcript { nonce: [9; 16], ..A };
    let (theirs, own_key) = (hex(B.propose), keypair(1).public().to_protobuf());
    let our_identity = Propose { public_key: &own_key, ..Propose::decode(&theirs).unwrap() };
    let proposes = [
        // Our own bytes sent back; our identity with another nonce; our identity in the peer's Propose.
        A.propose(),
        sent(&mut *another_nonce.start(None), usize::MAX),
        framed(&our_identity.encode()),
    ];
    for propose in proposes {
        for expected_peer in [None, Some(peer_id(1)), Some(peer_id(2))] {
            let error = run(&mut *A.start(expected_peer), &propose).unwrap_err();
            assert_eq!((error.blame(), error), (Blame::Caller, SecurityError::SelfDial));
        }
    }
}

#[test]
fn nothing_in_common_is_an_error_for_each_list() {
    let none = |what, ours: &str, theirs: &str| SecurityError::NoCommonAlgorithm {
        what,
        ours: ours.into(),
        theirs: theirs.into(),
    };
    let (curves, ciphers) = ("P-256,P-384,P-521", "AES-256,AES-128");
    let table = [
        (edited(|propose| propose.curves = "P-224,X25519"), none("curve", curves, "P-224,X25519")),
        (edited(|propose| propose.curves = ""), none("curve", curves, "")),
        (edited(|propose| propose.ciphers = "TwofishCTR"), none("cipher", ciphers, "TwofishCTR")),
        (edited(|propose| propose.hashes = "SHA1"), none("hash", "SHA256,SHA512", "SHA1")),
        // A Propose without lists at all.
        (framed(&hex(B.propose)[..56]), none("curve", curves, "")),
    ];
    for (propose, expected) in table {
        assert_eq!(error(&propose), expected);
    }

    let nothing = Secio { hashes: vec![], ..Secio::default() };
    let mut handshake = nothing.start(setup(1, None), NOW);
    assert_eq!(run(&mut *handshake, &B.propose()).unwrap_err(), none("hash", "", "SHA256,SHA512"));
}

#[test]
fn a_message_as_large_as_the_limit_is_read() {
    let mut message = hex(B.propose);
    let padding = MAX_HANDSHAKE_MESSAGE_BYTES - message.len() - 3;
    let mut field = BytesMut::new();
    Writer::new(&mut field).bytes(15, &vec![0; padding]);
    message.extend_from_slice(&field);
    assert_eq!(message.len(), MAX_HANDSHAKE_MESSAGE_BYTES);
    feed(&mut *A.start(None), &framed(&message), usize::MAX).unwrap();
}

/// A provider that lacks what secio needs: it does not sign, or has no curve.
#[derive(Debug, Clone, Copy)]
enum Lacking {
    Signatures,
    Curves,
}

impl CryptoProvider for Lacking {
    fn name(&self) -> &'static str {
        "lacking"
    }

    fn sign(&self, key: &Keypair, message: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
        match self {
            Self::Signatures => Err(UnsupportedKey { provider: "lacking", key_type: "Ed25519" }),
            Self::Curves => Portable.sign(key, message),
        }
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        Portable.verify(key, message, signature)
    }

    fn ephemeral_key(&self, curve: Curve, scalar: &[u8]) -> Result<Box<dyn EphemeralKey>, InvalidScalar> {
        match self {
            Self::Signatures => Portable.ephemeral_key(curve, scalar),
            Self::Curves => Err(InvalidScalar),
        }
    }

    fn cipher(&self, cipher: Cipher, key: &[u8], iv: &[u8; 16]) -> Box<dyn StreamCipher> {
        Portable.cipher(cipher, key, iv)
    }

    fn aead(&self, cipher: AeadCipher, key: &[u8]) -> Box<dyn Aead> {
        Portable.aead(cipher, key)
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Box<dyn Hmac> {
        Portable.hmac(hash, key)
    }

    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Tag {
        Portable.hash(hash, parts)
    }
}

#[test]
fn what_our_provider_lacks_is_our_own_fault() {
    let table = [
        (Lacking::Signatures, "the lacking crypto provider does not sign with Ed25519 keys"),
        (Lacking::Curves, "the lacking crypto provider does not have P256"),
    ];
    for (crypto, why) in table {
        let mut handshake = A.start_with(Secio::default(), Arc::new(crypto), None, vec![hex(A.scalar)]);
        let error = run(&mut *handshake, &B.propose()).unwrap_err();
        assert_eq!((error.blame(), error), (Blame::Caller, SecurityError::Local(why.into())));
    }
}
