//! The known handshake, from both sides.

use super::*;
use crate::machine::End;
use crate::security::Opened;
use crate::security::testing::{NOW, feed, peer_id, run, seal, sent};

#[test]
fn both_sides_replay_byte_for_byte() {
    for (local, remote) in [(A, B), (B, A)] {
        for chunk in [1, 2, 3, 100, usize::MAX] {
            let mut handshake = local.start(Some(peer_id(remote.secret)));
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

/// To js and rust the nonce is the start of a stream, cut into frames anywhere.
#[test]
fn the_nonce_may_come_in_any_frames() {
    let stream = [&A.nonce, b"hello".as_slice()].concat();
    let table: [(&[usize], &str); 6] = [
        (&[16], ""),
        (&[21], "hello"),
        (&[0, 16, 5], ""),
        (&[1, 0, 0, 14, 1], ""),
        (&[15, 6], "hello"),
        (&[8, 9, 4], "h"),
    ];
    for (frames, plain) in table {
        let mut remote = B.channel(DEFAULT_MAX_FRAME_BYTES);
        let mut bytes = [B.propose(), B.exchange()].concat();
        let mut rest = stream.as_slice();
        for &len in frames {
            let (frame, behind) = rest.split_at(len);
            bytes.extend_from_slice(&seal(&mut remote, frame));
            rest = behind;
        }
        for chunk in [1, usize::MAX] {
            let (secured, _) = feed(&mut *A.start(None), &bytes, chunk).unwrap().unwrap();
            assert_eq!(secured.plain, plain, "{frames:?}");
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

#[test]
fn draws_out_of_range_are_drawn_again() {
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let draws = vec![order, vec![0; 32], vec![0xff; 32], hex(A.scalar)];
    let mut handshake = A.start_with(Arc::new(Portable), None, draws);
    feed(&mut *handshake, &B.handshake(), usize::MAX).unwrap().unwrap();
    assert_eq!(sent(&mut *handshake, usize::MAX), A.handshake());
}
