use super::*;
use crate::machine::{Blame, End};
use crate::security::testing::{NOW, Side, carry, feed, keypair, meet, peer_id, run, seal, sent, setup};
use crate::wire::protobuf::ProtobufError;
use proptest::prelude::*;

/// Framed Exchange of the identity `02 02 ..`: id, then key.
fn exchange_of_2() -> Vec<u8> {
    let mut out = BytesMut::new();
    frame::encode(&encode_exchange(keypair(2).public()), &mut out);
    out.to_vec()
}

fn start(expected: Option<PeerId>) -> Box<dyn Handshake> {
    Plaintext.start(setup(1, expected), NOW)
}

/// A framed Exchange with these fields.
fn exchange(id: Option<&[u8]>, key: Option<&[u8]>) -> Vec<u8> {
    let (mut message, mut out) = (BytesMut::new(), BytesMut::new());
    let mut writer = Writer::new(&mut message);
    id.inspect(|id| writer.bytes(1, id));
    key.inspect(|key| writer.bytes(2, key));
    frame::encode(&message, &mut out);
    out.to_vec()
}

#[test]
fn the_exchange_has_the_form_of_the_specification() {
    let mut handshake = start(None);
    let key = "080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    let expected = format!("4e0a260024{key}1224{key}");
    assert_eq!(data_encoding::HEXLOWER.encode(&sent(&mut *handshake, 7)), expected);
}

#[test]
fn raw_bytes_follow() {
    let bytes = [exchange_of_2().as_slice(), b"raw"].concat();
    for chunk in [1, 2, 50, usize::MAX] {
        let mut handshake = start(Some(peer_id(2)));
        let (mut secured, mut rest) = feed(&mut *handshake, &bytes, chunk).unwrap().unwrap();
        assert_eq!((secured.peer, &secured.public_key), (peer_id(2), keypair(2).public()));
        assert!(secured.plain.is_empty());
        assert_eq!(rest, "raw");
        handshake.handle_input(&mut rest, NOW).unwrap();
        assert_eq!(rest, "raw", "what follows is not the handshake's");
        handshake.handle_end(End::Closed, NOW);
        assert!(handshake.poll_close().is_none());

        assert_eq!(secured.channel.open(&mut rest), Ok(Opened::Plain(BytesMut::from("raw"))));
        assert_eq!(secured.channel.open(&mut rest), Ok(Opened::NeedMore));
        assert_eq!(seal(&mut *secured.channel, b"raw"), "raw");
    }
}

#[test]
fn bad_input() {
    let (id, key) = (peer_id(2).to_bytes(), keypair(2).public().to_protobuf());
    let too_large = SecurityError::TooLarge { len: 16_385, max: 16_384 };
    let no_id = SecurityError::Malformed("the Exchange has no peer id");
    let no_key = SecurityError::Malformed("the Exchange has no public key");
    let bad_length = SecurityError::Malformed("the length is not a minimal varint");
    let other_id = SecurityError::NotAuthentic("the peer id is not that of the public key");
    let wrong_type = |field| ProtobufError::WrongType { field, expected: "bytes" }.into();
    let bad_key = |bytes| PublicKey::from_protobuf(bytes).unwrap_err().into();
    let table: [(&str, Vec<u8>, SecurityError); 16] = [
        ("an endless length", vec![0xff; 9], bad_length.clone()),
        ("a length that is not minimal", vec![0x81, 0], bad_length),
        ("16 KiB and a byte", vec![0x81, 0x80, 1], too_large),
        ("an empty message", vec![0], no_id.clone()),
        ("nothing but a key", exchange(None, Some(&key)), no_id),
        ("nothing but an id", exchange(Some(&id), None), no_key),
        ("an empty key", exchange(Some(&id), Some(&[])), bad_key(&[])),
        ("garbage for a key", exchange(Some(&id), Some(b"key")), bad_key(b"key")),
        ("a field that is cut off", vec![2, 0x0a, 5], ProtobufError::Truncated.into()),
        ("a number for an id", vec![2, 0x08, 5], wrong_type("id")),
        ("a number for a key", vec![2, 0x10, 5], wrong_type("pubkey")),
        ("an empty id", exchange(Some(&[]), Some(&key)), other_id.clone()),
        ("garbage for an id", exchange(Some(b"id"), Some(&key)), other_id.clone()),
        ("somebody else's id", exchange(Some(&peer_id(3).to_bytes()), Some(&key)), other_id.clone()),
        ("our id on another key", exchange(Some(&peer_id(1).to_bytes()), Some(&key)), other_id.clone()),
        ("our key on another id", exchange(Some(&id), Some(&keypair(1).public().to_protobuf())), other_id),
    ];
    for (what, bytes, error) in table {
        assert_eq!(run(&mut *start(None), &bytes).unwrap_err(), error, "{what}");
        assert_eq!(error.blame(), Blame::Peer, "{what}");
    }
}

#[test]
fn the_wrong_peer_and_oneself_are_refused() {
    let wrong = SecurityError::WrongPeer { expected: peer_id(3), actual: peer_id(2) };
    assert_eq!(run(&mut *start(Some(peer_id(3))), &exchange_of_2()).unwrap_err(), wrong);

    let ours = sent(&mut *start(None), usize::MAX);
    for expected in [None, Some(peer_id(1)), Some(peer_id(2))] {
        assert_eq!(run(&mut *start(expected), &ours).unwrap_err(), SecurityError::SelfDial);
    }
}

#[test]
fn every_prefix_needs_more() {
    let bytes = exchange_of_2();
    for end in 0..bytes.len() {
        let error = run(&mut *start(None), &bytes[..end]).unwrap_err();
        assert_eq!(error, SecurityError::Ended("its Exchange message"), "{end} bytes");
    }
}

/// plaintext proves nothing, so a flipped bit need only not pass for the peer that it is expected to be.
#[test]
fn no_flipped_bit_passes_for_the_peer() {
    let bytes = exchange_of_2();
    for bit in 0..8 * bytes.len() {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(run(&mut *start(Some(peer_id(2))), &bytes).is_err(), "bit {bit}");
    }
}

#[test]
fn the_limit_itself_and_unknown_fields_are_allowed() {
    let (mut message, mut framed) = (encode_exchange(keypair(2).public()), BytesMut::new());
    let padding = MAX_HANDSHAKE_MESSAGE_BYTES - message.len() - 3;
    Writer::new(&mut message).bytes(9, &vec![0; padding]);
    assert_eq!(message.len(), MAX_HANDSHAKE_MESSAGE_BYTES);
    frame::encode(&message, &mut framed);
    assert_eq!(run(&mut *start(None), &framed).unwrap().peer, peer_id(2));
}

proptest! {
    #[test]
    fn pairs_meet_however_the_bytes_are_cut(
        cuts in proptest::collection::vec(1_usize..40, 1..20),
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..5),
    ) {
        let mut cut = cuts.iter().copied().cycle();
        let mut a = Side::new(Plaintext.start(setup(1, Some(peer_id(2))), NOW));
        let mut b = Side::new(Plaintext.start(setup(2, None), NOW));
        let (mut a, mut b) = meet(&mut a, &mut b, || cut.next().unwrap()).unwrap();
        prop_assert_eq!((a.peer, b.peer), (peer_id(2), peer_id(1)));
        carry(&mut *a.channel, &mut *b.channel, &messages, cuts[0]);
        carry(&mut *b.channel, &mut *a.channel, &messages, cuts[0]);
    }
}
