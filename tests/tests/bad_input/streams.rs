//! ping, identify and identify push.

use super::hostile::{CLOSE, DATA, Hostile, OPEN, RESET, lines, prefixed, protobuf};
use super::{Loses, Row};
use peerwork_core::crypto;
use peerwork_core::identity::{Envelope, Keypair, PEER_RECORD, SignedPeerRecord};
use peerwork_core::machine::End;
use peerwork_core::seed::Seed;
use std::time::Duration;

/// The victim pings, on its stream 1, and this is answered.
fn ping(hostile: &mut Hostile<'_>, answer: &[u8]) {
    hostile.muxed();
    hostile.bed.ping(hostile.peer());
    hostile.answer(1, &lines(&["/multistream/1.0.0", "/ipfs/ping/1.0.0"]));
    hostile.answer(1, answer);
}

/// The victim asks, on its stream 0, and this is answered, but for the end.
fn identify(hostile: &mut Hostile<'_>, answer: &[u8]) {
    hostile.muxed_unknown();
    hostile.answer(0, &lines(&["/multistream/1.0.0", "/ipfs/id/1.0.0"]));
    hostile.answer(0, answer);
}

/// This is pushed on stream 0, but for the end.
fn push(hostile: &mut Hostile<'_>, message: &[u8]) {
    hostile.muxed();
    hostile.bed.infos.clear();
    hostile.open(0, "/ipfs/id/push/1.0.0");
    hostile.say(0, message);
}

/// Nothing is known of the peer that was not known before.
fn nothing_is_believed(hostile: &Hostile<'_>) {
    assert_eq!(hostile.bed.infos, []);
}

fn stranger() -> Keypair {
    Keypair::generate_ed25519(&mut Seed::reproducible(668))
}

/// An identify message with a signed record in it.
fn with_record(envelope: &[u8]) -> Vec<u8> {
    prefixed(&protobuf(|writer| writer.bytes(8, envelope)))
}

/// What was told was taken, but for the record.
fn no_record_is_believed(hostile: &Hostile<'_>) {
    let [info] = &hostile.bed.infos[..] else { panic!("{:?}", hostile.bed.infos) };
    assert_eq!(
        (&info.certified, &info.signed_peer_record, &info.listen_addresses[..]),
        (&None, &None, &[][..])
    );
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "ping: another echo",
        attack: |hostile| ping(hostile, &[0; 32]),
        reports: &["ping: the peer's answer is not what was sent"],
        loses: Loses::VictimsStream(1),
    },
    Row {
        name: "ping: no echo",
        attack: |hostile| {
            ping(hostile, &[]);
            hostile.open(0, "/echo/1.0.0");
            hostile.bed.pass(Duration::from_secs(21));
        },
        reports: &["ping: the peer did not answer in time"],
        loses: Loses::VictimsStream(1),
    },
    Row {
        name: "ping: not spoken",
        attack: |hostile| {
            hostile.muxed();
            hostile.bed.ping(hostile.peer());
            hostile.answer(1, &lines(&["/multistream/1.0.0", "na"]));
        },
        reports: &["ping: the peer does not speak ping"],
        loses: Loses::VictimsStream(1),
    },
    Row {
        name: "ping: the stream is reset before its protocol is agreed on",
        attack: |hostile| {
            hostile.muxed();
            hostile.bed.ping(hostile.peer());
            hostile.frame(1, RESET - 1, &[]);
        },
        reports: &[
            "ping: no ping stream could be opened: the peer closed the stream before a protocol was agreed on",
        ],
        loses: Loses::Nothing,
    },
    Row {
        name: "ping: the stream is reset before the echo",
        attack: |hostile| {
            ping(hostile, &[]);
            hostile.frame(1, RESET - 1, &[]);
        },
        reports: &["ping: the ping stream ended early: the peer reset the stream"],
        loses: Loses::Nothing,
    },
    Row {
        name: "ping: the stream ends before the echo",
        attack: |hostile| {
            ping(hostile, &[]);
            hostile.frame(1, CLOSE - 1, &[]);
        },
        reports: &["ping: the ping stream ended early: the stream ended"],
        loses: Loses::Nothing,
    },
    Row {
        name: "ping: the stream ends within the echo",
        attack: |hostile| {
            ping(hostile, &[1; 31]);
            hostile.frame(1, CLOSE - 1, &[]);
        },
        reports: &["ping: the ping stream ended early: the peer ended the stream in the middle of a message"],
        loses: Loses::VictimsStream(1),
    },
    Row {
        name: "ping: the connection ends before the echo",
        attack: |hostile| {
            ping(hostile, &[]);
            hostile.end(End::Failed);
        },
        reports: &["ping: the connection was closed", "connection: the connection broke"],
        loses: Loses::Connection,
    },
    Row {
        name: "ping: echoes that nobody asked for",
        attack: |hostile| {
            ping(hostile, &[]);
            let asked =
                hostile.frames().into_iter().rfind(|frame| (frame.number, frame.flag) == (1, DATA)).unwrap();
            hostile.answer(1, &asked.body);
            hostile.answer(1, &asked.body);
            hostile.bed.ping(hostile.peer());
        },
        reports: &["ping: the peer's answer is not what was sent"],
        loses: Loses::VictimsStream(1),
    },
    Row {
        name: "ping: half a ping, and the end",
        attack: |hostile| {
            hostile.muxed();
            hostile.open(0, "/ipfs/ping/1.0.0");
            hostile.say(0, &[1; 31]);
            hostile.frame(0, CLOSE, &[]);
        },
        reports: &[],
        loses: Loses::Stream(0),
    },
    Row {
        name: "ping: a third stream",
        attack: |hostile| {
            hostile.muxed();
            for number in 0..3 {
                hostile.open(number, "/ipfs/ping/1.0.0");
            }
        },
        reports: &[],
        loses: Loses::Stream(0),
    },
    Row {
        name: "identify: no protobuf",
        attack: |hostile| {
            identify(hostile, &prefixed(&[0xff]));
            nothing_is_believed(hostile);
        },
        reports: &["identify: the peer sent an invalid identify message: the message ends within a field"],
        loses: Loses::VictimsStream(0),
    },
    Row {
        name: "identify: a key that is none",
        attack: |hostile| {
            identify(hostile, &prefixed(&protobuf(|writer| writer.bytes(1, &[8, 1, 0x12, 2, 0, 0]))));
        },
        reports: &[
            "identify: the peer sent an invalid identify message: the public key: an Ed25519 public key has 32 bytes, not 2",
        ],
        loses: Loses::VictimsStream(0),
    },
    Row {
        name: "identify: another's key",
        attack: |hostile| {
            let key = stranger().public().to_protobuf();
            identify(hostile, &prefixed(&protobuf(|writer| writer.bytes(1, &key))));
            nothing_is_believed(hostile);
        },
        reports: &[
            "identify: the peer's key belongs to 12D3KooWLFUNUpqdpRpsZUBy3SKzRpgRSHYK4yQ4GDW5JZ4gP4tV",
        ],
        loses: Loses::VictimsStream(0),
    },
    Row {
        name: "identify: a message over the limit, of which only the length comes",
        attack: |hostile| identify(hostile, &[0x81, 0x40]),
        reports: &[
            "identify: the identify stream ended early: the peer sent a bad message: a message of 8193 bytes is over the limit of 8192",
        ],
        loses: Loses::VictimsStream(0),
    },
    Row {
        name: "identify: a length without an end",
        attack: |hostile| identify(hostile, &[0xff; 10]),
        reports: &[
            "identify: the identify stream ended early: the peer sent a bad message: the length prefix is not a minimal varint",
        ],
        loses: Loses::VictimsStream(0),
    },
    Row {
        name: "identify: the end within a message",
        attack: |hostile| {
            identify(hostile, &[10, 1, 2]);
            hostile.frame(0, CLOSE - 1, &[]);
        },
        reports: &[
            "identify: the identify stream ended early: the peer ended the stream in the middle of a message",
        ],
        loses: Loses::VictimsStream(0),
    },
    Row {
        name: "identify: eleven messages",
        attack: |hostile| {
            identify(hostile, &[0; 11]);
            nothing_is_believed(hostile);
        },
        reports: &["identify: the peer sent more than 10 identify messages"],
        loses: Loses::VictimsStream(0),
    },
    Row {
        name: "identify: no message",
        attack: |hostile| {
            identify(hostile, &[]);
            hostile.frame(0, CLOSE - 1, &[]);
        },
        reports: &["identify: the peer told nothing"],
        loses: Loses::Nothing,
    },
    Row {
        name: "identify: no end",
        attack: |hostile| {
            identify(hostile, &[0]);
            hostile.bed.pass(Duration::from_secs(6));
            nothing_is_believed(hostile);
        },
        reports: &["identify: the peer did not identify itself in time"],
        loses: Loses::VictimsStream(0),
    },
    Row {
        name: "identify: not spoken",
        attack: |hostile| {
            hostile.muxed_unknown();
            hostile.answer(0, &lines(&["/multistream/1.0.0", "na"]));
        },
        reports: &["identify: the peer does not speak identify"],
        loses: Loses::VictimsStream(0),
    },
    Row {
        name: "identify: the connection ends before the answer",
        attack: |hostile| {
            identify(hostile, &[]);
            hostile.end(End::Closed);
        },
        reports: &["identify: the connection was closed", "connection: the peer closed the connection"],
        loses: Loses::Connection,
    },
    Row {
        name: "identify: addresses and protocols that are none",
        attack: |hostile| {
            hostile.muxed_unknown();
            let message = protobuf(|writer| {
                writer.bytes(2, b"no address");
                writer.bytes(2, &[4, 8, 8, 8, 8, 6, 0, 1]);
                writer.bytes(3, &[0xff, 0xfe]);
                writer.bytes(3, b"/good/1.0.0");
                writer.bytes(4, &[4, 1]);
            });
            hostile.identify(&[&message]);
            let [info] = &hostile.bed.infos[..] else { panic!("{:?}", hostile.bed.infos) };
            assert_eq!(info.listen_addresses, ["/ip4/8.8.8.8/tcp/1".parse().unwrap()]);
            assert_eq!(info.protocols.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["/good/1.0.0"]);
            assert_eq!(info.observed_address, None);
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "identify: questions in place of silence",
        attack: |hostile| {
            hostile.muxed();
            hostile.open(0, "/ipfs/id/1.0.0");
            hostile.say(0, &[7; 10_000]);
            hostile.frame(0, CLOSE, &[]);
        },
        reports: &[],
        loses: Loses::Stream(0),
    },
    Row {
        name: "signed records: a record that another signed",
        attack: |hostile| {
            let id = hostile.peer().to_bytes();
            let payload = protobuf(|writer| {
                writer.bytes(1, &id);
                writer.varint(2, 7);
                writer.message(3, |writer| writer.bytes(1, &[4, 8, 8, 8, 8, 6, 0, 1]));
            });
            let envelope =
                Envelope::seal(PEER_RECORD, &payload, &stranger(), &*crypto::default_provider()).unwrap();
            identify(hostile, &with_record(&envelope));
            hostile.frame(0, CLOSE - 1, &[]);
            no_record_is_believed(hostile);
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "signed records: another's record",
        attack: |hostile| {
            let addresses = ["/ip4/8.8.8.8/tcp/1".parse().unwrap()];
            let record =
                SignedPeerRecord::sign(&stranger(), 7, addresses, &*crypto::default_provider()).unwrap();
            identify(hostile, &with_record(record.as_bytes()));
            hostile.frame(0, CLOSE - 1, &[]);
            no_record_is_believed(hostile);
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "signed records: a flipped bit",
        attack: |hostile| {
            let addresses = ["/ip4/8.8.8.8/tcp/1".parse().unwrap()];
            let record =
                SignedPeerRecord::sign(&hostile.keypair, 7, addresses, &*crypto::default_provider()).unwrap();
            let mut bytes = record.as_bytes().to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            identify(hostile, &with_record(&bytes));
            hostile.frame(0, CLOSE - 1, &[]);
            no_record_is_believed(hostile);
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "push: no protobuf",
        attack: |hostile| {
            push(hostile, &prefixed(&[0xff]));
            nothing_is_believed(hostile);
        },
        reports: &["push: the peer sent an invalid identify message: the message ends within a field"],
        loses: Loses::Stream(0),
    },
    Row {
        name: "push: another's key",
        attack: |hostile| {
            let key = stranger().public().to_protobuf();
            push(hostile, &prefixed(&protobuf(|writer| writer.bytes(1, &key))));
            nothing_is_believed(hostile);
        },
        reports: &["push: the peer's key belongs to 12D3KooWLFUNUpqdpRpsZUBy3SKzRpgRSHYK4yQ4GDW5JZ4gP4tV"],
        loses: Loses::Stream(0),
    },
    Row {
        name: "push: a message over the limit",
        attack: |hostile| push(hostile, &[0x81, 0x40]),
        reports: &[
            "push: the identify stream ended early: the peer sent a bad message: a message of 8193 bytes is over the limit of 8192",
        ],
        loses: Loses::Stream(0),
    },
    Row {
        name: "push: eleven messages",
        attack: |hostile| {
            push(hostile, &[0; 11]);
            nothing_is_believed(hostile);
        },
        reports: &["push: the peer sent more than 10 identify messages"],
        loses: Loses::Stream(0),
    },
    Row {
        name: "push: no message",
        attack: |hostile| {
            push(hostile, &[]);
            hostile.frame(0, CLOSE, &[]);
            nothing_is_believed(hostile);
        },
        reports: &["push: the peer told nothing"],
        loses: Loses::Nothing,
    },
    Row {
        name: "push: no end",
        attack: |hostile| {
            push(hostile, &[0]);
            hostile.bed.pass(Duration::from_secs(6));
            nothing_is_believed(hostile);
        },
        reports: &["push: the peer did not identify itself in time"],
        loses: Loses::Stream(0),
    },
    Row {
        name: "push: a second one before the end of the first",
        attack: |hostile| {
            push(hostile, &[0]);
            hostile.open(1, "/ipfs/id/push/1.0.0");
            hostile.say(1, &[0]);
            hostile.frame(1, CLOSE, &[]);
            assert_eq!(hostile.bed.infos.len(), 1);
        },
        reports: &[],
        loses: Loses::Stream(0),
    },
    Row {
        name: "push: cut off by a reset",
        attack: |hostile| {
            push(hostile, &[0]);
            hostile.frame(0, RESET, &[]);
            nothing_is_believed(hostile);
        },
        reports: &["push: the identify stream ended early: the peer reset the stream"],
        loses: Loses::Nothing,
    },
    Row {
        name: "push: before the peer is identified",
        attack: |hostile| {
            hostile.muxed_unknown();
            hostile.open(0, "/ipfs/id/push/1.0.0");
            hostile.frame(0, OPEN, &[]);
        },
        reports: &[
            "identify: the connection was closed",
            "push: the connection was closed",
            "connection: the peer broke the rules of mplex: a new stream has the number of an open one",
        ],
        loses: Loses::Connection,
    },
];
