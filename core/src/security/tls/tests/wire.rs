//! The handshake's bytes: cut anywhere, cut short, and wrong.

use super::*;
use crate::security::testing::{carry, feed, run, sent};
use crate::security::{Alert, Handshake};
use proptest::prelude::*;

fn start(setup: HandshakeSetup) -> Box<dyn Handshake> {
    Tls::default().start(setup, NOW)
}

fn hello() -> Vec<u8> {
    sent(&mut *start(dialer()), usize::MAX)
}

/// A record of the handshake.
fn record(content: u8, body: &[u8]) -> Vec<u8> {
    [&[content, 3, 3][..], &(body.len() as u16).to_be_bytes(), body].concat()
}

/// The ClientHello with some bytes replaced by as many others.
fn changed_hello(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut hello = hello();
    let at = hello.windows(from.len()).position(|bytes| bytes == from).expect("it has these bytes");
    hello[at..at + to.len()].copy_from_slice(to);
    hello
}

fn protocol(text: &str) -> SecurityError {
    SecurityError::Protocol(text.into())
}

/// A name, what a listener is sent, and the error.
type Bad = (&'static str, Vec<u8>, SecurityError);

fn bad_starts() -> Vec<Bad> {
    let hello = hello();
    let endless = [&[1, 0, 0xff, 0xff][..], &[0; 16_000]].concat();
    let ended = SecurityError::Ended("its ClientHello");
    vec![
        ("nothing", vec![], ended.clone()),
        ("half a header", hello[..3].to_vec(), ended.clone()),
        ("half a ClientHello", hello[..hello.len() - 1].to_vec(), ended),
        (
            "garbage",
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            SecurityError::Malformed("it is not a record of TLS 1.3"),
        ),
        ("SSL 2", vec![0x80, 46, 1, 0, 2], SecurityError::Malformed("it is not a record of TLS 1.3")),
        (
            "a record that is too long, of which only the header comes",
            vec![22, 3, 1, 0x41, 1],
            SecurityError::TooLarge { len: 16_646, max: 16_645 },
        ),
        (
            "a ClientHello of 64 KiB",
            [record(22, &endless).repeat(2), record(22, &endless)[..5].to_vec()].concat(),
            SecurityError::TooLarge { len: 16_009, max: 32 * 1024 - 2 * 16_009 },
        ),
        (
            "an alert",
            record(21, &[2, 40]),
            protocol("received unexpected message: got Alert when expecting Handshake"),
        ),
        (
            "an alert behind the ClientHello",
            [&hello[..], &record(21, &[2, 40])].concat(),
            SecurityError::Refused(Alert(40)),
        ),
        (
            "the end of the connection behind the ClientHello",
            [&hello[..], &record(21, &[1, 0]).repeat(3)].concat(),
            SecurityError::Ended("the end of the handshake"),
        ),
        (
            "data",
            record(23, b"data"),
            protocol("received unexpected message: got ApplicationData when expecting Handshake"),
        ),
        (
            "a ServerHello",
            record(22, &[2, 0, 0, 0]),
            protocol("received corrupt message of type MissingData(\"ProtocolVersion\")"),
        ),
        (
            "a ClientHello of nothing",
            record(22, &[1, 0, 0, 0]),
            protocol("received corrupt message of type MissingData(\"ProtocolVersion\")"),
        ),
        (
            "an empty record",
            record(22, &[]),
            protocol("received corrupt message of type InvalidEmptyPayload"),
        ),
        (
            "TLS 1.2 only",
            changed_hello(&[0, 43, 0, 3, 2, 3, 4], &[0, 43, 0, 3, 2, 3, 3]),
            SecurityError::NoCommonAlgorithm {
                what: "version of TLS",
                ours: "1.3".into(),
                theirs: "older ones".into(),
            },
        ),
    ]
}

#[test]
fn every_bad_start_has_its_error() {
    for (name, bytes, expected) in bad_starts() {
        assert_eq!(run(&mut *start(listener()), &bytes).err(), Some(expected), "{name}");
    }
}

#[test]
fn every_bad_answer_has_its_error() {
    let ended = SecurityError::Ended("its ServerHello, certificate and Finished");
    for (name, bytes, expected) in [
        ("nothing", vec![], ended.clone()),
        ("half a header", vec![22, 3], ended.clone()),
        ("garbage", b"HTTP/1.1 400".to_vec(), SecurityError::Malformed("it is not a record of TLS 1.3")),
        (
            "our own ClientHello",
            record(22, &hello()[5..]),
            protocol(
                "received unexpected handshake message: got ClientHello when expecting ServerHello or HelloRetryRequest",
            ),
        ),
        ("an alert", record(21, &[2, 120]), SecurityError::Refused(Alert(120))),
        ("the end of the connection", record(21, &[1, 0]), ended),
    ] {
        assert_eq!(run(&mut *start(dialer()), &bytes).err(), Some(expected), "{name}");
    }
}

/// What the two sides of an honest handshake send.
fn conversation() -> [Vec<u8>; 3] {
    let (mut a, mut b) = (start(dialer()), start(listener()));
    let hello = sent(&mut *a, usize::MAX);
    feed(&mut *b, &hello, usize::MAX).unwrap();
    let answer = sent(&mut *b, usize::MAX);
    feed(&mut *a, &answer, usize::MAX).unwrap();
    [hello, answer, sent(&mut *a, usize::MAX)]
}

/// Whatever is cut off, and whatever bit is flipped, of whatever record.
#[test]
fn a_broken_handshake_never_succeeds() {
    let [hello, answer, end] = conversation();
    for len in (0..hello.len()).step_by(7) {
        assert!(run(&mut *start(listener()), &hello[..len]).is_err());
    }
    for len in (0..answer.len()).step_by(37) {
        assert!(run(&mut *start(dialer()), &answer[..len]).is_err());
    }
    for at in (0..answer.len()).step_by(23) {
        let mut answer = answer.clone();
        answer[at] ^= 0x10;
        assert!(run(&mut *start(dialer()), &answer).is_err(), "{at}");
    }
    for at in (6..end.len()).step_by(23) {
        let mut end = end.clone();
        end[at] ^= 0x10;
        assert!(run(&mut *start(listener()), &[&hello[..], &end].concat()).is_err(), "{at}");
    }
}

/// RUSTSEC-2024-0399: rustls once panicked on such.
#[test]
fn a_client_hello_may_be_cut_into_records() {
    let [hello, answer, end] = conversation();
    for len in [1, 2, 3, 4, 5, 100] {
        let records: Vec<_> = hello[5..].chunks(len).flat_map(|part| record(22, part)).collect();
        let mut listener = start(listener());
        assert!(feed(&mut *listener, &records, 7).unwrap().is_none());
        assert_eq!(sent(&mut *listener, usize::MAX), answer);
        assert!(feed(&mut *listener, &end, 11).unwrap().is_some());
    }
}

/// What follows the handshake belongs to the channel, also in the same piece.
#[test]
fn nothing_is_taken_of_what_follows() {
    let [hello, answer, end] = conversation();
    let mut a = start(dialer());
    let (mut a, rest) = feed(&mut *a, &answer, usize::MAX).unwrap().unwrap();
    assert!(rest.is_empty());
    let data = crate::security::testing::seal(&mut *a.channel, b"data");
    let mut b = start(listener());
    let bytes = [&hello[..], &end, &data].concat();
    let (mut b, mut rest) = feed(&mut *b, &bytes, usize::MAX).unwrap().unwrap();
    assert!(b.plain.is_empty());
    assert_eq!(b.channel.open(&mut rest), Ok(Opened::Plain("data".as_bytes().into())));
}

/// A remote that is refused is told why.
#[test]
fn the_last_words_are_an_alert() {
    let mut handshake = start(listener());
    feed(&mut *handshake, &record(22, &[1, 0, 0, 0]), usize::MAX).unwrap_err();
    let [21, 3, 3, 0, 2, 2, alert] = sent(&mut *handshake, usize::MAX)[..] else { panic!("no alert") };
    assert_eq!(Alert(alert).to_string(), "decode_error");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn pairs_meet_however_the_bytes_are_cut(
        cuts in proptest::collection::vec(1_usize..200, 1..20),
        aes in any::<(bool, bool)>(),
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 0..6),
    ) {
        let mut cut = cuts.iter().copied().cycle();
        let mut a = Side::new(Tls { prefer_aes: aes.0 }.start(dialer(), NOW));
        let mut b = Side::new(Tls { prefer_aes: aes.1 }.start(listener(), NOW));
        let (mut a, mut b) = meet(&mut a, &mut b, || cut.next().unwrap()).unwrap();
        prop_assert_eq!((a.peer, b.peer), (peer_id(2), peer_id(1)));
        carry(&mut *a.channel, &mut *b.channel, &messages, cuts[0]);
        carry(&mut *b.channel, &mut *a.channel, &messages, cuts[0]);
    }

    /// A remote that sends anything ends in an error, never in a panic.
    #[test]
    fn garbage_is_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        content in 20_u8..24,
        valid in any::<bool>(),
    ) {
        let start_of_it = if valid { hello() } else { Vec::new() };
        let input = [&start_of_it[..], &record(content, &bytes)].concat();
        prop_assert!(run(&mut *start(listener()), &input).is_err());
        prop_assert!(run(&mut *start(dialer()), &record(content, &bytes)).is_err());
    }
}
