//! TLS: handshakes, certificates and records.

use super::hostile::{ALERT, Alarmist, Forger, Hostile};
use super::{Loses, Row};
use peerwork_core::crypto;
use peerwork_core::machine::End;
use std::sync::Arc;

/// TLS is agreed on, and then this comes.
fn tls(hostile: &mut Hostile<'_>, bytes: &[u8]) {
    hostile.tls();
    hostile.raw(bytes);
}

/// The ClientHello of an honest handshake, and then this comes.
fn behind_hello(hostile: &mut Hostile<'_>, bytes: &[u8]) {
    let hello = hostile.tls();
    hostile.raw(&[&hello[..], bytes].concat());
}

/// An honest handshake, and then this comes.
fn behind_handshake(hostile: &mut Hostile<'_>, bytes: &[u8]) {
    hostile.tls_muxed(crypto::default_provider());
    hostile.raw(bytes);
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "HTTP",
        attack: |hostile| tls(hostile, b"GET / HTTP/1.1\r\n\r\n"),
        reports: &[
            "connection: the /tls/1.0.0 handshake failed: malformed handshake message: it is not a record of TLS 1.3",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a record over the limit, of which only the header comes",
        attack: |hostile| tls(hostile, &[22, 3, 1, 0xff, 0xff]),
        reports: &[
            "connection: the /tls/1.0.0 handshake failed: a handshake message of 65540 bytes is over the limit of 16645",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "data in place of the handshake",
        attack: |hostile| tls(hostile, &[23, 3, 3, 0, 1, 0]),
        reports: &[
            "connection: the /tls/1.0.0 handshake failed: the peer broke the protocol: received unexpected message: got ApplicationData when expecting Handshake",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "an older version of TLS",
        attack: |hostile| {
            let mut hello = hostile.tls();
            let versions = [0, 43, 0, 3, 2, 3, 4];
            let at = hello.windows(versions.len()).position(|bytes| bytes == versions).unwrap();
            hello[at + versions.len() - 1] = 3;
            hostile.raw(&hello);
        },
        reports: &[
            "connection: the /tls/1.0.0 handshake failed: no common version of TLS: ours are 1.3, the peer's are older ones",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "no application protocol in common",
        attack: |hostile| {
            let mut hello = hostile.tls();
            let at = hello.windows(6).position(|bytes| bytes == b"libp2p").unwrap();
            hello[at..at + 6].copy_from_slice(b"other!");
            hostile.raw(&hello);
        },
        reports: &[
            "connection: the /tls/1.0.0 handshake failed: no common application protocol (ALPN): ours are /mplex/6.7.0, /yamux/1.0.0, libp2p, the peer's are other!",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "an alert behind the ClientHello",
        attack: |hostile| behind_hello(hostile, &[21, 3, 3, 0, 2, 2, 42]),
        reports: &[
            "connection: the /tls/1.0.0 handshake failed: the peer refuses the handshake with the alert bad_certificate: it does not accept our certificate",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a record behind the ClientHello that was not sealed",
        attack: |hostile| behind_hello(hostile, &[&[23, 3, 3, 0, 30][..], &[7; 30]].concat()),
        reports: &[
            "connection: the /tls/1.0.0 handshake failed: the peer broke the protocol: cannot decrypt peer's message",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "an identity that did not sign",
        attack: |hostile| {
            let hello = hostile.tls_with(Arc::new(Forger));
            hostile.raw(&hello);
            let end = hostile.tls_turn();
            hostile.raw(&end);
        },
        reports: &[
            "connection: the /tls/1.0.0 handshake failed: in the peer's certificate: it is not signed with its own key",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "the end before the certificate",
        attack: |hostile| {
            behind_hello(hostile, &[]);
            hostile.end(End::Closed);
        },
        reports: &[
            "connection: the /tls/1.0.0 handshake failed: the peer closed the connection while we waited for its certificate and Finished",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a record over the limit in the channel, of which only the header comes",
        attack: |hostile| behind_handshake(hostile, &[23, 3, 3, 0x41, 1]),
        reports: &["connection: the secure channel broke: a frame of 16641 bytes is over the limit of 16640"],
        loses: Loses::Connection,
    },
    Row {
        name: "an alert in the clear",
        attack: |hostile| behind_handshake(hostile, &[21, 3, 3, 0, 2, 1, 0]),
        reports: &["connection: the secure channel broke: malformed frame: it is not encrypted"],
        loses: Loses::Connection,
    },
    Row {
        name: "a record that was not sealed",
        attack: |hostile| behind_handshake(hostile, &[&[23, 3, 3, 0, 30][..], &[7; 30]].concat()),
        reports: &["connection: the secure channel broke: the frame is not authentic"],
        loses: Loses::Connection,
    },
    Row {
        name: "a fatal alert",
        attack: |hostile| {
            hostile.tls_muxed(Arc::new(Alarmist));
            hostile.send(ALERT);
        },
        reports: &[
            "connection: the secure channel broke: the peer ended the channel with the alert internal_error",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "as many empty records as are allowed, and more behind data",
        attack: |hostile| {
            hostile.tls_muxed(crypto::default_provider());
            for number in 0..2 {
                (0..32).for_each(|_| hostile.send(&[]));
                hostile.open(number, "/echo/1.0.0");
            }
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "any number of empty records",
        attack: |hostile| {
            hostile.tls_muxed(crypto::default_provider());
            (0..33).for_each(|_| hostile.send(&[]));
        },
        reports: &[
            "connection: the secure channel broke: malformed frame: it is one of too many without data",
        ],
        loses: Loses::Connection,
    },
];
