//! multistream-select: below security, below the muxer, on streams.

use super::hostile::{CLOSE, DATA, OPEN, RESET, line, lines, wide_prefixed};
use super::{Loses, Row};
use peerwork_core::machine::End;
use std::time::Duration;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "another protocol altogether",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
        },
        reports: &[
            "connection: no agreement on a security protocol: the peer does not speak multistream-select 1.0",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "an old version",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&line("/multistream/0.9.0"));
        },
        reports: &[
            "connection: no agreement on a security protocol: the peer does not speak multistream-select 1.0",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a proposal without a header",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&line("/secio/1.0.0"));
        },
        reports: &[
            "connection: no agreement on a security protocol: the peer does not speak multistream-select 1.0",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a message over the limit, of which only the length comes",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&line("/multistream/1.0.0"));
            hostile.raw(&[0x81, 0x08]);
        },
        reports: &[
            "connection: no agreement on a security protocol: a negotiation message is longer than 1024 bytes",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a message without its newline",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&line("/multistream/1.0.0"));
            hostile.raw(b"\x03abc");
        },
        reports: &[
            "connection: no agreement on a security protocol: malformed negotiation message: no newline at the end of a message",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "an empty message",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&line("/multistream/1.0.0"));
            hostile.raw(&[0]);
        },
        reports: &[
            "connection: no agreement on a security protocol: malformed negotiation message: an empty message",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "proposals without an end",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&line("/multistream/1.0.0"));
            hostile.raw(&line("/no/such").repeat(5_000));
        },
        reports: &[
            "connection: no agreement on a security protocol: the peer proposed more than 64 protocols",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "data behind a proposal that was refused",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&lines(&["/multistream/1.0.0", "/other/1.0.0"]));
            hostile.raw(&[0; 300]);
            // The refusal may leave first.
            hostile.end(End::Closed);
        },
        reports: &[
            "connection: no agreement on a security protocol: this node does not speak what the peer proposed",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "the end within a header",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&line("/multistream/1.0.0")[..7]);
            hostile.end(End::Closed);
        },
        reports: &[
            "connection: no agreement on a security protocol: the peer closed before a protocol was agreed on",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "silence",
        attack: |hostile| {
            hostile.connect();
            hostile.bed.pass(Duration::from_secs(16));
        },
        reports: &["connection: the peer did not finish the handshake in time"],
        loses: Loses::Connection,
    },
    Row {
        name: "a byte now and then",
        attack: |hostile| {
            hostile.connect();
            for byte in line("/multistream/1.0.0") {
                hostile.raw(&[byte]);
                hostile.bed.pass(Duration::from_secs(1));
            }
        },
        reports: &["connection: the peer did not finish the handshake in time"],
        loses: Loses::Connection,
    },
    Row {
        name: "a listener that speaks nothing",
        attack: |hostile| {
            hostile.dialled(None);
            hostile.raw(&lines(&["/multistream/1.0.0", "na", "na", "na", "na"]));
        },
        reports: &[
            "dial: no agreement on a security protocol: the peer does not speak /secio/1.0.0, /plaintext/2.0.0, /noise, /tls/1.0.0",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a listener that accepts what was not proposed",
        attack: |hostile| {
            hostile.dialled(None);
            hostile.raw(&lines(&["/multistream/1.0.0", "/plaintext/2.0.0"]));
        },
        reports: &[
            "dial: no agreement on a security protocol: the peer answered a proposal with \"/plaintext/2.0.0\"",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "the muxer that security is",
        attack: |hostile| {
            hostile.secured();
            hostile.send(&lines(&["/multistream/1.0.0", "/plaintext/2.0.0"]));
            hostile.end(End::Closed);
        },
        reports: &["connection: no agreement on a muxer: this node does not speak what the peer proposed"],
        loses: Loses::Connection,
    },
    Row {
        name: "frames of a muxer before it was agreed on",
        attack: |hostile| {
            hostile.secured();
            hostile.send(&[0, 0, 2, 1, 0]);
        },
        reports: &["connection: no agreement on a muxer: the peer does not speak multistream-select 1.0"],
        loses: Loses::Connection,
    },
    Row {
        name: "an unknown protocol on a stream",
        attack: |hostile| {
            hostile.muxed();
            hostile.open(0, "/no/such");
            assert!(hostile.heard_on(0).ends_with(b"\x03na\n"));
            hostile.frame(0, CLOSE, &[]);
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "no header on a stream",
        attack: |hostile| {
            hostile.muxed();
            hostile.frame(0, OPEN, &[]);
            hostile.say(0, &line("/echo/1.0.0"));
        },
        reports: &[],
        loses: Loses::Stream(0),
    },
    Row {
        name: "the nested protocol's proposals without an end, on a stream",
        attack: |hostile| {
            hostile.muxed();
            hostile.open(0, "/no/such");
            for _ in 0..20 {
                hostile.say(0, &line("/no/such").repeat(100));
            }
        },
        reports: &[],
        loses: Loses::Stream(0),
    },
    Row {
        name: "a length without an end, on a stream",
        attack: |hostile| {
            hostile.muxed();
            hostile.frame(0, OPEN, &[]);
            hostile.say(0, &[0xff; 1_000]);
        },
        reports: &[],
        loses: Loses::Stream(0),
    },
    Row {
        name: "a stream on which nothing is proposed",
        attack: |hostile| {
            hostile.muxed();
            hostile.open(1, "/echo/1.0.0");
            hostile.frame(0, OPEN, &[]);
            hostile.bed.pass(Duration::from_secs(11));
        },
        reports: &[],
        loses: Loses::Stream(0),
    },
    Row {
        name: "an answer to a stream of ours that is none",
        attack: |hostile| {
            hostile.muxed_unknown();
            hostile.answer(0, &lines(&["/multistream/1.0.0", "/ipfs/ping/1.0.0"]));
        },
        reports: &[
            "identify: no identify stream could be opened: the peer's negotiation failed: the peer answered a proposal with \"/ipfs/ping/1.0.0\"",
        ],
        loses: Loses::VictimsStream(0),
    },
    Row {
        name: "no answer to a stream of ours",
        attack: |hostile| {
            hostile.muxed();
            hostile.bed.ping(hostile.peer());
            hostile.open(0, "/echo/1.0.0");
            hostile.bed.pass(Duration::from_secs(11));
        },
        reports: &["ping: no ping stream could be opened: the peer did not agree on a protocol in time"],
        loses: Loses::VictimsStream(1),
    },
    Row {
        name: "a stream of ours that is refused late, when it is in use already",
        attack: |hostile| {
            hostile.muxed();
            hostile.bed.open_raw(hostile.peer());
            hostile.answer(1, &lines(&["/multistream/1.0.0", "na"]));
        },
        reports: &["stream: the peer does not speak /echo/1.0.0"],
        loses: Loses::VictimsStream(1),
    },
    Row {
        name: "secio's messages in place of a negotiation",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&wide_prefixed(&[7; 40]));
        },
        reports: &[
            "connection: no agreement on a security protocol: the peer does not speak multistream-select 1.0",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a stream that is reset while it is negotiated",
        attack: |hostile| {
            hostile.muxed();
            hostile.frame(0, OPEN, &[]);
            hostile.frame(0, DATA, &line("/multistream/1.0.0")[..5]);
            hostile.frame(0, RESET, &[]);
        },
        reports: &[],
        loses: Loses::Nothing,
    },
];
