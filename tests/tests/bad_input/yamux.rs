//! yamux.

use super::hostile::{ACK, FIN, RST, SYN, data, update, yamux};
use super::{Loses, Row};
use std::time::Duration;

const WINDOW: u32 = 256 * 1024;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "another version",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.send(&[1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
        },
        reports: &["connection: malformed yamux frame: the version is not 0"],
        loses: Loses::Connection,
    },
    Row {
        name: "a type without a meaning",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.send(&yamux(4, 0, 1, 0));
        },
        reports: &["connection: malformed yamux frame: the type of the frame has no meaning"],
        loses: Loses::Connection,
    },
    Row {
        name: "a flag without a meaning",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.send(&update(1, 16 | SYN, 0));
        },
        reports: &["connection: malformed yamux frame: a flag has no meaning"],
        loses: Loses::Connection,
    },
    Row {
        name: "a frame of 4 GiB, of which only the header comes",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.send(&yamux(0, 0, 99, u32::MAX));
        },
        reports: &["connection: a yamux frame of 4294967295 bytes is over the limit of 16777216"],
        loses: Loses::Connection,
    },
    Row {
        name: "a byte more than the window",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.open(1, "/echo/1.0.0");
            hostile.bed.reads = false;
            hostile.send(&data(1, 0, &vec![7; WINDOW as usize - 100]));
            hostile.send(&data(1, 0, &[7; 101]));
        },
        reports: &[
            "connection: the peer broke the rules of yamux: it sent more than the window of a stream allows",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "more credit than can be counted",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.open(1, "/echo/1.0.0");
            hostile.send(&update(1, 0, u32::MAX));
        },
        reports: &["connection: the peer broke the rules of yamux: it granted more than 4 GiB on a stream"],
        loses: Loses::Connection,
    },
    Row {
        name: "a new stream with a number of the victim's",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.send(&update(4, SYN, 0));
        },
        reports: &[
            "connection: the peer broke the rules of yamux: a new stream has a number that is not the peer's to give",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a new stream with the number of an open one",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.open(3, "/echo/1.0.0");
            hostile.send(&data(3, SYN, b"x"));
        },
        reports: &[
            "connection: the peer broke the rules of yamux: a new stream has the number of an open one",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "the session ends with an error",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.send(&yamux(3, 0, 0, 1));
        },
        reports: &["connection: the peer ended the yamux session with the error code 1"],
        loses: Loses::Connection,
    },
    Row {
        name: "the session ends in order",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.send(&yamux(3, 0, 0, 0));
        },
        reports: &["connection: the connection was closed"],
        loses: Loses::Connection,
    },
    Row {
        name: "frames for streams that do not exist",
        attack: |hostile| {
            hostile.yamuxed();
            for flags in [0, ACK, FIN, RST, FIN | RST] {
                hostile.send(&data(1_001, flags, &[7; 100]));
                hostile.send(&update(1_002, flags, u32::MAX));
            }
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "everything after the end of a stream, and twice",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.open(1, "/echo/1.0.0");
            for flags in [FIN, FIN, RST, RST, FIN] {
                hostile.send(&data(1, flags, b"a body"));
                hostile.send(&update(1, flags, 7));
                hostile.say(1, b"more");
            }
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "answers to pings that nobody sent",
        attack: |hostile| {
            hostile.yamuxed();
            for value in 0..1_000 {
                hostile.send(&yamux(2, ACK, 0, value));
            }
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "pings whose answers are not read",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.go_deaf();
            hostile.send(&yamux(2, SYN, 0, 7).repeat(20_000));
            hostile.bed.pass(Duration::from_secs(60));
        },
        reports: &["connection: more than 1024 control frames wait to be sent by yamux"],
        loses: Loses::Connection,
    },
    Row {
        name: "more streams than are allowed",
        attack: |hostile| {
            hostile.yamuxed();
            for number in 0..1_025 {
                hostile.send(&update(2 * number + 1, SYN, 0));
            }
            for number in 0..1_024 {
                hostile.send(&update(2 * number + 1, RST, 0));
            }
        },
        reports: &[],
        loses: Loses::Stream(2_049),
    },
    Row {
        name: "streams opened and reset without an end, in any order",
        attack: |hostile| {
            hostile.yamuxed();
            for number in 0..5_000_u32 {
                let number = 2 * (number * 7_919 % 100) + 1;
                hostile.send(&[update(number, SYN, 0), update(number, RST, number)].concat());
            }
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "frames of nothing without an end",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.open(1, "/echo/1.0.0");
            hostile.send(&data(1, 0, &[]).repeat(100_000));
            hostile.send(&update(1, 0, 0).repeat(100_000));
            hostile.send(&update(1, FIN, 0));
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "no credit for what is sent to it",
        attack: |hostile| {
            hostile.yamuxed();
            hostile.open(1, "/echo/1.0.0");
            for _ in 0..4 {
                hostile.say(1, &[7; 100_000]);
            }
            // What was echoed is as much as it may be, and nothing else waits for it.
            assert_eq!(hostile.heard_on(1).len(), WINDOW as usize);
            hostile.send(&update(1, RST, 0));
        },
        reports: &["stream: the peer reset the stream"],
        loses: Loses::Nothing,
    },
];
