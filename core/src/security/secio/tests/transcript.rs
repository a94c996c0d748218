//! The known handshake, from both sides.

use super::*;
use crate::machine::End;
use crate::security::testing::{NOW, feed, peer_id, run, seal, sent};
use crate::security::{Opened, Secured, SecurityError};

#[test]
fn both_sides_replay_byte_for_byte() {
    for (crypto, (local, remote)) in
        real_providers().iter().flat_map(|crypto| [(crypto, (A, B)), (crypto, (B, A))])
    {
        for chunk in [1, 2, 3, 100, usize::MAX] {
            let expected_peer = Some(peer_id(remote.secret));
            let scalars = vec![hex(local.scalar)];
            let mut handshake =
                local.start_with(Secio::default(), Arc::clone(crypto), expected_peer, scalars);
            let (mut secured, rest) = feed(&mut *handshake, &remote.handshake(), chunk).unwrap().unwrap();
            assert_eq!(sent(&mut *handshake, chunk), local.handshake());
            assert_eq!(
                (secured.peer, &secured.public_key),
                (peer_id(remote.secret), keypair(remote.secret).public())
            );
            assert!(secured.plain.is_empty() && rest.is_empty());

            let channel = &mut *secured.channel;
            assert_eq!(seal(channel, b"hello"), hex(local.hello_frame));
            let mut input = BytesMut::from(&hex(remote.hello_frame)[..]);
            assert_eq!(channel.open(&mut input), Ok(Opened::Plain(BytesMut::from("hello"))));
            assert_eq!(channel.open(&mut input), Ok(Opened::NeedMore));
        }
    }
}

#[test]
fn each_answer_is_there_at_once() {
    let mut handshake = A.start(None);
    assert_eq!(sent(&mut *handshake, usize::MAX), A.propose());
    feed(&mut *handshake, &B.propose(), usize::MAX).unwrap();
    assert_eq!(sent(&mut *handshake, usize::MAX), A.exchange());
    feed(&mut *handshake, &B.exchange(), usize::MAX).unwrap();
    assert_eq!(sent(&mut *handshake, usize::MAX), hex(A.nonce_frame));
    assert!(feed(&mut *handshake, &hex(B.nonce_frame), usize::MAX).unwrap().is_some());
    assert_eq!(sent(&mut *handshake, usize::MAX), []);
}

#[test]
fn what_follows_is_the_channels() {
    let bytes = [B.handshake(), hex(B.hello_frame)].concat();
    let mut handshake = A.start(None);
    let (mut secured, mut rest) = feed(&mut *handshake, &bytes, usize::MAX).unwrap().unwrap();
    assert_eq!(rest, hex(B.hello_frame));
    handshake.handle_input(&mut rest, NOW).unwrap();
    handshake.handle_end(End::Closed, NOW);
    handshake.handle_input(&mut rest, NOW).unwrap();
    assert!(handshake.poll_close().is_none() && handshake.poll_event().is_none() && !handshake.wants_input());
    assert_eq!(sent(&mut *handshake, 10), A.handshake(), "unsent bytes outlive the handshake");
    assert_eq!(secured.channel.open(&mut rest), Ok(Opened::Plain(BytesMut::from("hello"))));
}

/// What A hears of a B that sends `stream` after its Exchange, cut into frames of these lengths.
fn hear(stream: &[u8], frames: &[usize], chunk: usize) -> Result<Secured, SecurityError> {
    let mut remote = B.channel(DEFAULT_MAX_FRAME_BYTES);
    let mut bytes = [B.propose(), B.exchange()].concat();
    let mut rest = stream;
    for &len in frames {
        let (frame, behind) = rest.split_at(len);
        bytes.extend_from_slice(&seal(&mut remote, frame));
        rest = behind;
    }
    let mut handshake = A.start(None);
    match feed(&mut *handshake, &bytes, chunk)? {
        Some((secured, _)) => Ok(secured),
        None => run(&mut *handshake, &[]),
    }
}

/// go and py send the nonce as one frame; to js and rust it is the start of a stream, cut into frames anywhere.
#[test]
fn the_nonce_may_come_in_any_frames() {
    let stream = [&A.nonce, b"hello".as_slice()].concat();
    let table: [(&[usize], &str); 8] = [
        (&[16], ""),
        (&[16, 5], ""),
        (&[21], "hello"),
        (&[0, 16, 5], ""),
        (&[1, 0, 0, 14, 1], ""),
        (&[15, 6], "hello"),
        (&[8, 9, 4], "h"),
        (&[1; 21], ""),
    ];
    for (frames, plain) in table {
        for chunk in [1, usize::MAX] {
            assert_eq!(hear(&stream, frames, chunk).unwrap().plain, plain, "{frames:?}");
        }
    }
}

#[test]
fn another_nonce_is_refused_in_whatever_frames() {
    const OTHER: SecurityError = SecurityError::NotAuthentic("another nonce than ours came back");
    const MISSING: SecurityError = SecurityError::Ended("our nonce to come back");
    let mut last_bit = A.nonce;
    last_bit[15] ^= 1;
    let late = [b"h".as_slice(), &A.nonce].concat();
    let table: [(&[u8], &[usize], SecurityError); 9] = [
        (&B.nonce, &[16], OTHER),
        (&B.nonce, &[8, 8], OTHER),
        (&last_bit, &[16], OTHER),
        (&last_bit, &[0, 15, 0, 1], OTHER),
        (&late, &[17], OTHER),
        (&late, &[1, 16], OTHER),
        (&A.nonce, &[], MISSING),
        (&A.nonce, &[0, 0], MISSING),
        (&A.nonce, &[8, 7], MISSING),
    ];
    for (stream, frames, error) in table {
        for chunk in [1, usize::MAX] {
            assert_eq!(hear(stream, frames, chunk).unwrap_err(), error, "{frames:?}");
        }
    }
}

/// Unknown fields, other orders and repeated fields are legal, and the signatures cover the bytes as they came.
#[test]
fn messages_are_never_encoded_again() {
    let propose = hex(B.propose);
    let (nonce, others) = propose.split_at(18);
    let point = &hex(B.exchange)[2..67];
    let variants = [
        [&propose, b"\x78\x05".as_slice()].concat(),
        [others, nonce].concat(),
        [b"\x22\x01x".as_slice(), &propose].concat(),
    ];
    for variant in variants {
        let exchange = B.signed_exchange(&variant, &hex(A.propose), point);
        let bytes = [framed(&variant), exchange, hex(B.nonce_frame)].concat();
        assert_eq!(run(&mut *A.start(None), &bytes).unwrap().peer, peer_id(2));
    }
}
