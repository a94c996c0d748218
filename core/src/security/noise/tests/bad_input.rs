//! What a remote can do wrong in the handshake, and the error that it gives.

use super::*;
use crate::crypto::{
    Aead, AeadCipher, Cipher, Curve, EphemeralKey, Hash, Hmac, InvalidPoint, InvalidScalar, StreamCipher,
    Tag, UnsupportedKey,
};
use crate::identity::{PublicKey, testing};
use crate::machine::Blame;
use crate::security::testing::{feed, run, sent};
use crate::security::{MAX_HANDSHAKE_MESSAGE_BYTES, SecurityError};
use crate::wire::protobuf::{ProtobufError, Writer};
use zeroize::Zeroizing;

/// What the dialer says to a remote that sends `bytes` and closes.
fn dialers_error(bytes: &[u8]) -> SecurityError {
    run(&mut *DIALER.start(), bytes).unwrap_err()
}

/// What the listener says to a remote that sends `bytes` and closes.
fn listeners_error(bytes: &[u8]) -> SecurityError {
    run(&mut *LISTENER.start(), bytes).unwrap_err()
}

fn flip(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

fn protobuf(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut Writer::new(&mut out));
    out.to_vec()
}

const ALTERED: SecurityError = SecurityError::NotAuthentic("a message was altered or sealed with other keys");
const LOW_ORDER: SecurityError = SecurityError::NotAuthentic("one of its keys is of low order");
const FORGED: SecurityError = SecurityError::NotAuthentic("the signature is not the peer's");
const TOO_SHORT: SecurityError = SecurityError::Malformed("it is too short for its keys");
const NO_KEY: SecurityError = SecurityError::Malformed("the payload has no identity key");
const NO_SIGNATURE: SecurityError = SecurityError::Malformed("the payload has no signature");
const TRUNCATED: SecurityError = SecurityError::Protobuf(ProtobufError::Truncated);

const fn too_large(len: u64) -> SecurityError {
    SecurityError::TooLarge { len, max: MAX_HANDSHAKE_MESSAGE_BYTES as u64 }
}

const fn not_bytes(field: &'static str) -> SecurityError {
    SecurityError::Protobuf(ProtobufError::WrongType { field, expected: "bytes" })
}

fn message(bytes: &[u8]) -> Vec<u8> {
    framed(|out| out.extend_from_slice(bytes))
}

#[test]
fn bad_first_messages() {
    let table: [(&str, Vec<u8>, SecurityError); 7] = [
        ("16 KiB and a byte, of which only the length comes", vec![0x40, 1], too_large(0x4001)),
        ("65,535 bytes", vec![0xff; 2], too_large(0xffff)),
        ("HTTP", b"GET / HTTP/1.1\r\n".to_vec(), too_large(0x4745)),
        ("nothing", message(&[]), TOO_SHORT),
        ("a key that is too short", message(&[9; 31]), TOO_SHORT),
        ("a key of low order", message(&[0; 32]), LOW_ORDER),
        ("a key of low order and a payload", message(&[&[0; 32][..], b"early"].concat()), LOW_ORDER),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(listeners_error(&bytes), expected, "{what}");
        assert_eq!(expected.blame(), Blame::Peer, "{what}");
    }
}

/// A payload in the first message is part of the handshake, and nothing else.
#[test]
fn a_payload_in_the_first_message_is_hashed_and_ignored() {
    for payload in [b"early".to_vec(), protobuf(|writer| writer.bytes(4, b"\x12\x01/")), vec![0xff; 16_352]] {
        let mut listener = LISTENER.start();
        let mut dialer = DIALER.pattern();
        let first = framed(|out| dialer.write_first(&payload, out).unwrap());
        assert!(feed(&mut *listener, &first, usize::MAX).unwrap().is_none());
        let mut second = BytesMut::from(&sent(&mut *listener, usize::MAX)[2..]);
        let (remote_ephemeral, _) = dialer.read_second(&mut second).unwrap();
        let third = framed(|out| dialer.write_third(&remote_ephemeral, &DIALER.payload(), out).unwrap());
        assert!(feed(&mut *listener, &third, usize::MAX).unwrap().is_some());
    }
    // A dialer that did not send it notices.
    let mut listener = LISTENER.start();
    assert!(feed(&mut *listener, &first(b"planted"), usize::MAX).unwrap().is_none());
    assert_eq!(dialers_error(&sent(&mut *listener, usize::MAX)), ALTERED);
}

#[test]
fn bad_second_messages() {
    let good = second(&LISTENER.payload());
    let (key, rest) = good[2..].split_at(32);
    let table: [(&str, Vec<u8>, SecurityError); 14] = [
        ("16 KiB and a byte, of which only the length comes", vec![0x40, 1], too_large(0x4001)),
        ("nothing", message(&[]), TOO_SHORT),
        ("our own first message", first(&[]), TOO_SHORT),
        ("an ephemeral key that is too short", message(&key[..31]), TOO_SHORT),
        ("half a static key", message(&[key, &rest[..24]].concat()), TOO_SHORT),
        ("a static key without its tag", message(&[key, &rest[..47]].concat()), TOO_SHORT),
        ("no payload, not even its tag", message(&[key, &rest[..48]].concat()), ALTERED),
        ("a payload without its tag", message(&good[2..good.len() - 16]), ALTERED),
        ("a payload of zeros", message(&[key, &rest[..48], &[0; 100]].concat()), ALTERED),
        ("a byte too much", message(&[&good[2..], &[0]].concat()), ALTERED),
        ("an ephemeral key of low order", message(&[&[0; 32], rest].concat()), LOW_ORDER),
        ("another ephemeral key", message(&[&[9; 32], rest].concat()), ALTERED),
        (
            "a static key of low order",
            second_of(LISTENER.pattern_with(Arc::new(Odd::LowOrder)), b""),
            LOW_ORDER,
        ),
        (
            "the answer to another dialer",
            {
                let mut listener = LISTENER.pattern();
                let mut other = message(&[9; 32]);
                let key = listener.read_first(&mut BytesMut::from(&other.split_off(2)[..])).unwrap();
                framed(|out| listener.write_second(&key, &LISTENER.payload(), out).unwrap())
            },
            ALTERED,
        ),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(dialers_error(&bytes), expected, "{what}");
        assert_eq!(expected.blame(), Blame::Peer, "{what}");
    }
}

#[test]
fn bad_third_messages() {
    let good = third(&DIALER.payload());
    let table: [(&str, Vec<u8>, SecurityError); 9] = [
        ("16 KiB and a byte, of which only the length comes", vec![0x40, 1], too_large(0x4001)),
        ("nothing", message(&[]), TOO_SHORT),
        ("a static key without its tag", message(&good[2..49]), TOO_SHORT),
        ("no payload, not even its tag", message(&good[2..50]), ALTERED),
        ("a payload without its tag", message(&good[2..good.len() - 16]), ALTERED),
        ("the first message again", message(&[&first(&[])[2..], &[0; 32]].concat()), ALTERED),
        ("our own second message", second(&LISTENER.payload()), ALTERED),
        (
            "a frame in the clear",
            message(b"/multistream/1.0.0\n and some more, so that it is long enough"),
            ALTERED,
        ),
        ("a static key of low order", third_of(DIALER.pattern_with(Arc::new(Odd::LowOrder)), b""), LOW_ORDER),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(listeners_error(&[first(&[]), bytes].concat()), expected, "{what}");
        assert_eq!(expected.blame(), Blame::Peer, "{what}");
    }
}

/// In either role.
#[test]
fn bad_payloads() {
    for side in [DIALER, LISTENER] {
        let error = |payload: &[u8]| match side.secret {
            1 => listeners_error(&[first(&[]), third(payload)].concat()),
            _ => dialers_error(&second(payload)),
        };
        let own = keypair(side.secret);
        let key = own.public().to_protobuf();
        let signature = side.signature();
        let bad_key = |bytes: &[u8]| SecurityError::Key(PublicKey::from_protobuf(bytes).unwrap_err());
        let signed = |key: &[u8], signature: &[u8]| encode_payload(key, signature, &[]).to_vec();
        let extended =
            |extensions: &[u8]| [side.payload(), protobuf(|writer| writer.bytes(4, extensions))].concat();
        let table: [(&str, Vec<u8>, SecurityError); 21] = [
            ("nothing", vec![], NO_KEY),
            ("no key", protobuf(|writer| writer.bytes(2, &signature)), NO_KEY),
            ("no signature", protobuf(|writer| writer.bytes(1, &key)), NO_SIGNATURE),
            ("no protobuf", vec![0xff; 10], SecurityError::Protobuf(ProtobufError::VarintTooLong)),
            ("a field that is cut off", side.payload()[..80].to_vec(), TRUNCATED),
            ("a number for the key", protobuf(|writer| writer.varint(1, 1)), not_bytes("identity_key")),
            ("a number for the signature", protobuf(|writer| writer.varint(2, 1)), not_bytes("identity_sig")),
            ("a number for the extensions", protobuf(|writer| writer.varint(4, 1)), not_bytes("extensions")),
            (
                "a number for a muxer",
                extended(&protobuf(|writer| writer.varint(2, 1))),
                not_bytes("stream_muxers"),
            ),
            ("extensions that are cut off", extended(&[0x12, 5]), TRUNCATED),
            ("an empty key", signed(&[], &signature), bad_key(&[])),
            ("garbage for a key", signed(b"key", &signature), bad_key(b"key")),
            ("a key of an unknown type", signed(&[8, 9, 0x12, 0], &signature), bad_key(&[8, 9, 0x12, 0])),
            ("an empty signature", signed(&key, &[]), FORGED),
            ("half a signature", signed(&key, &signature[..32]), FORGED),
            ("zeros for a signature", signed(&key, &[0; 64]), FORGED),
            ("somebody else's key", signed(&keypair(3).public().to_protobuf(), &signature), FORGED),
            ("a signature of another static key", signed(&key, &sign(&own, &[7; 32])), FORGED),
            (
                "a signature of the static key alone",
                {
                    let bare = Portable.sign(&own, side.pattern().static_key()).unwrap();
                    signed(&key, &bare)
                },
                FORGED,
            ),
            (
                "a signature of TLS",
                {
                    let tls = [b"libp2p-tls-handshake:", side.pattern().static_key()].concat();
                    signed(&key, &Portable.sign(&own, &tls).unwrap())
                },
                FORGED,
            ),
            (
                "the remote's own identity",
                {
                    let remote = keypair(3 - side.secret);
                    signed(&remote.public().to_protobuf(), &sign(&remote, side.pattern().static_key()))
                },
                SecurityError::SelfDial,
            ),
        ];
        for (what, payload, expected) in table {
            assert_eq!(error(&payload), expected, "{what}");
        }
    }
}

/// litep2p 278: elsewhere the signature was not looked at.
#[test]
fn a_forged_payload_is_refused_for_every_type_of_key() {
    for identity in testing::keypairs() {
        let key = identity.public().to_protobuf();
        let expected_peer = Some(identity.public().to_peer_id());
        for signature in [vec![], vec![0; 64], keypair(2).public().to_protobuf(), LISTENER.signature()] {
            let payload = encode_payload(&key, &signature, &[]);
            for crypto in real_providers() {
                let setup = HandshakeSetup { crypto: Arc::clone(&crypto), expected_peer, ..DIALER.setup() };
                assert_eq!(run(&mut *DIALER.start_with(setup), &second(&payload)).err(), Some(FORGED));
                let setup = HandshakeSetup { crypto, ..LISTENER.setup() };
                let bytes = [first(&[]), third(&payload)].concat();
                assert_eq!(run(&mut *LISTENER.start_with(setup), &bytes).err(), Some(FORGED));
            }
        }
    }
}

#[test]
fn another_peer_than_the_expected_one_is_refused() {
    let stranger = keypair(3);
    let payload = |side: Known| {
        let signature = sign(&stranger, side.pattern().static_key());
        encode_payload(&stranger.public().to_protobuf(), &signature, &[])
    };
    let wrong = SecurityError::WrongPeer { expected: peer_id(2), actual: peer_id(3) };
    let mut dialer = DIALER.start();
    sent(&mut *dialer, usize::MAX);
    assert_eq!(feed(&mut *dialer, &second(&payload(LISTENER)), usize::MAX).err(), Some(wrong));
    assert!(sent(&mut *dialer, usize::MAX).is_empty(), "our identity is none of its business");
    // A listener may expect somebody too.
    let bytes = [first(&[]), third(&payload(DIALER))].concat();
    let setup = HandshakeSetup { expected_peer: Some(peer_id(5)), ..LISTENER.setup() };
    let wrong = SecurityError::WrongPeer { expected: peer_id(5), actual: peer_id(3) };
    assert_eq!(run(&mut *LISTENER.start_with(setup), &bytes).err(), Some(wrong));
}

#[test]
fn every_prefix_needs_more() {
    let bytes = second(&LISTENER.payload());
    for end in 0..bytes.len() {
        let awaited = SecurityError::Ended("its answer to our ephemeral key");
        assert_eq!(dialers_error(&bytes[..end]), awaited, "{end} bytes");
    }
    let first = first(&[]);
    let bytes = [first.clone(), third(&DIALER.payload())].concat();
    for end in 0..bytes.len() {
        let awaited = if end < first.len() { "its ephemeral key" } else { "its identity" };
        assert_eq!(listeners_error(&bytes[..end]), SecurityError::Ended(awaited), "{end} bytes");
    }
}

/// Those of the length make the message shorter, or larger than what comes.
#[test]
fn every_flipped_bit_has_its_error() {
    let expected = |good: &[u8], bit: usize, keys: usize, awaited| {
        if bit >= 16 {
            return ALTERED;
        }
        let len = usize::from(u16::from_be_bytes(*flip(good, bit).first_chunk().unwrap()));
        match len {
            len if len > MAX_HANDSHAKE_MESSAGE_BYTES => too_large(len as u64),
            len if len > good.len() - 2 => SecurityError::Ended(awaited),
            len if len < keys => TOO_SHORT,
            _ => ALTERED,
        }
    };
    let good = second(&LISTENER.payload());
    for bit in 0..8 * good.len() {
        let expected = expected(&good, bit, 80, "its answer to our ephemeral key");
        assert_eq!(dialers_error(&flip(&good, bit)), expected, "bit {bit}");
    }
    let good = third(&DIALER.payload());
    for bit in 0..8 * good.len() {
        let expected = expected(&good, bit, 48, "its identity");
        assert_eq!(listeners_error(&[first(&[]), flip(&good, bit)].concat()), expected, "bit {bit}");
    }
}

/// A crypto provider with a peculiarity.
#[derive(Debug, Clone, Copy)]
enum Odd {
    /// Its static keys are points of low order, with which it agrees on the zeros that such a point leads to.
    LowOrder,
    /// It does not have the curve.
    NoCurve,
}

struct LowOrderKey;

impl EphemeralKey for LowOrderKey {
    fn public_point(&self) -> &[u8] {
        &[0; 32]
    }

    fn agree(&self, _: &[u8]) -> Result<Zeroizing<Vec<u8>>, InvalidPoint> {
        Ok(Zeroizing::new(vec![0; 32]))
    }
}

impl CryptoProvider for Odd {
    fn name(&self) -> &'static str {
        "odd"
    }

    fn sign(&self, key: &Keypair, message: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
        Portable.sign(key, message)
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        Portable.verify(key, message, signature)
    }

    fn ephemeral_key(&self, curve: Curve, scalar: &[u8]) -> Result<Box<dyn EphemeralKey>, InvalidScalar> {
        match self {
            Self::LowOrder if scalar == DIALER.static_scalar || scalar == LISTENER.static_scalar => {
                Ok(Box::new(LowOrderKey))
            }
            Self::LowOrder => Portable.ephemeral_key(curve, scalar),
            Self::NoCurve => Err(InvalidScalar),
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
    for side in [DIALER, LISTENER] {
        let setup = HandshakeSetup { crypto: Arc::new(Odd::NoCurve), ..side.setup() };
        let mut handshake = side.start_with(setup);
        assert!(sent(&mut *handshake, usize::MAX).is_empty());
        let error = feed(&mut *handshake, &[0], usize::MAX).unwrap_err();
        let why = "the odd crypto provider does not have X25519";
        assert_eq!((error.blame(), error), (Blame::Caller, SecurityError::Local(why.into())));
    }
}
