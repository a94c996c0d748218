//! mplex, and the connection's own limits.

use super::hostile::{CLOSE, DATA, OPEN, RESET, mplex};
use super::{Loses, Row};
use peerwork_core::machine::End;
use std::net::Ipv4Addr;
use std::time::Duration;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "flag 7",
        attack: |hostile| {
            hostile.muxed();
            hostile.frame(17, 7, &[]);
        },
        reports: &["connection: malformed mplex frame: the flag 7 has no meaning"],
        loses: Loses::Connection,
    },
    Row {
        name: "a number of ten bytes",
        attack: |hostile| {
            hostile.muxed();
            hostile.send(&[0xff; 10]);
        },
        reports: &["connection: malformed mplex frame: a varint is longer than 9 bytes"],
        loses: Loses::Connection,
    },
    Row {
        name: "a number with zeros behind it",
        attack: |hostile| {
            hostile.muxed();
            hostile.send(&[0x80, 0x00, 0x00]);
        },
        reports: &["connection: malformed mplex frame: a varint is not in its shortest form"],
        loses: Loses::Connection,
    },
    Row {
        name: "a frame one byte over the limit, of which only the header comes",
        attack: |hostile| {
            hostile.muxed();
            hostile.send(&[0x02, 0x81, 0x80, 0x40]);
        },
        reports: &["connection: a mplex frame of 1048577 bytes is over the limit of 1048576"],
        loses: Loses::Connection,
    },
    Row {
        name: "a frame of nearly 2^63 bytes",
        attack: |hostile| {
            hostile.muxed();
            hostile.send(&[0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        },
        reports: &["connection: a mplex frame of 9223372036854775807 bytes is over the limit of 1048576"],
        loses: Loses::Connection,
    },
    Row {
        name: "a new stream with the number of an open one",
        attack: |hostile| {
            hostile.muxed();
            hostile.open(3, "/echo/1.0.0");
            hostile.frame(3, OPEN, &[]);
        },
        reports: &[
            "connection: the peer broke the rules of mplex: a new stream has the number of an open one",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "frames for streams that do not exist",
        attack: |hostile| {
            hostile.muxed();
            for flag in DATA - 1..=RESET {
                hostile.frame(1 << 59, flag, &[7; 100]);
            }
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "everything after the end of a stream, and twice",
        attack: |hostile| {
            hostile.muxed();
            hostile.open(0, "/echo/1.0.0");
            for _ in 0..2 {
                hostile.frame(0, CLOSE, b"a body");
                hostile.say(0, b"more");
            }
            for _ in 0..2 {
                hostile.frame(0, RESET, b"a body");
                hostile.say(0, b"more");
                hostile.frame(0, CLOSE, &[]);
            }
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "a reset in the middle of a stream",
        attack: |hostile| {
            hostile.muxed();
            hostile.bed.open_raw(hostile.peer());
            hostile.frame(1, RESET - 1, &[]);
        },
        reports: &["stream: the peer reset the stream"],
        loses: Loses::Nothing,
    },
    Row {
        name: "resets and ends of streams with the other side's flag",
        attack: |hostile| {
            hostile.muxed();
            hostile.open(5, "/echo/1.0.0");
            hostile.frame(5, RESET - 1, &[]);
            hostile.frame(5, CLOSE - 1, &[]);
            hostile.say(5, b"not mixed up");
            assert!(hostile.heard_on(5).ends_with(b"not mixed up"));
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "more streams than are allowed",
        attack: |hostile| {
            hostile.muxed();
            for number in 0..1_025 {
                hostile.send(&mplex(number, OPEN, &[]));
            }
            let resets = hostile.frames().iter().filter(|frame| frame.flag == RESET - 1).count();
            assert_eq!(resets, 1);
            for number in 0..1_024 {
                hostile.send(&mplex(number, RESET, &[]));
            }
        },
        reports: &[],
        loses: Loses::Stream(1_024),
    },
    Row {
        name: "streams opened and reset without an end",
        attack: |hostile| {
            hostile.muxed();
            for number in 0..5_000 {
                hostile.send(&[mplex(number, OPEN, &[]), mplex(number, RESET, &[])].concat());
            }
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "streams over the limit, whose refusals are not read",
        attack: |hostile| {
            hostile.muxed();
            hostile.go_deaf();
            let opens: Vec<_> = (0..20_000).flat_map(|number| mplex(number, OPEN, &[])).collect();
            hostile.send(&opens);
            hostile.bed.pass(Duration::from_secs(60));
        },
        reports: &["connection: more than 1024 control frames wait to be sent by mplex"],
        loses: Loses::Connection,
    },
    Row {
        name: "frames of nothing without an end",
        attack: |hostile| {
            hostile.muxed();
            hostile.open(0, "/echo/1.0.0");
            hostile.send(&mplex(0, DATA, &[]).repeat(100_000));
            hostile.frame(0, CLOSE, &[]);
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "more than the application reads",
        attack: |hostile| {
            hostile.muxed();
            hostile.open(0, "/echo/1.0.0");
            hostile.bed.reads = false;
            for _ in 0..17 {
                hostile.say(0, &[7; 64 * 1024]);
            }
            hostile.bed.check_bystander();
            hostile.bed.pass(Duration::from_secs(6));
        },
        reports: &["stream: the stream's receive buffer was full for too long"],
        loses: Loses::Stream(0),
    },
    Row {
        name: "a header without its body",
        attack: |hostile| {
            hostile.muxed();
            hostile.open(0, "/echo/1.0.0");
            hostile.send(&[0x02, 0xff, 0x7f, 1, 2, 3]);
            hostile.end(End::Closed);
        },
        reports: &["connection: the peer closed the connection"],
        loses: Loses::Connection,
    },
    Row {
        name: "no stream at all",
        attack: |hostile| {
            hostile.muxed();
            hostile.bed.pass(Duration::from_secs(61));
        },
        reports: &["connection: the connection was idle"],
        loses: Loses::Connection,
    },
    Row {
        name: "more connections than one peer may have",
        attack: |hostile| {
            for _ in 0..9 {
                hostile.muxed_unknown();
                if !hostile.is_closed() {
                    hostile.identify(&[&[]]);
                }
            }
        },
        reports: &["connection: all 8 connections that are allowed with one peer are open"],
        loses: Loses::Connection,
    },
    Row {
        name: "more connections that are not authenticated than are allowed",
        attack: |hostile| {
            for number in 0..257 {
                hostile.bed.from = Ipv4Addr::new(198, 51, (number / 16) as u8, 1);
                hostile.connect();
            }
        },
        reports: &["connection: 256 remotes are being authenticated, as many as are allowed at a time"],
        loses: Loses::Connection,
    },
    Row {
        name: "more connections from one host that are not authenticated than are allowed",
        attack: |hostile| {
            hostile.bed.from = Ipv4Addr::new(192, 0, 2, 2);
            for _ in 0..17 {
                hostile.connect();
            }
        },
        reports: &[
            "connection: 16 remotes at 192.0.2.2 are being authenticated, as many as are allowed at a time",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "connections from one network, faster than is allowed",
        attack: |hostile| {
            for number in 0..257 {
                hostile.bed.from = Ipv4Addr::new(198, 51, 100, number as u8);
                hostile.connect();
                hostile.end(End::Closed);
                hostile.bed.reports.truncate(usize::from(number == 256));
            }
        },
        reports: &["connection: remotes at 198.51.100.0/24 connect faster than is allowed"],
        loses: Loses::Connection,
    },
];
