//! A private network, which the hostile peer is not in.

use super::hostile::{line, lines};
use super::{Loses, Row};
use peerwork_core::machine::End;
use std::time::Duration;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "multistream-select without any protection",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&lines(&["/multistream/1.0.0", "/secio/1.0.0"]));
        },
        reports: &[
            "connection: no agreement on a security protocol: the peer does not speak multistream-select 1.0; in a private network that is what a peer without the same pre-shared key looks like",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a nonce, and nothing that the key makes sense of",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&[0x55; 24]);
            hostile.raw(&[0x55; 20]);
        },
        reports: &[
            "connection: no agreement on a security protocol: the peer does not speak multistream-select 1.0; in a private network that is what a peer without the same pre-shared key looks like",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "the victim's own bytes sent back to it, by a peer that it dialled",
        attack: |hostile| {
            hostile.dialled(None);
            let own = hostile.reflected();
            hostile.raw(&own);
        },
        reports: &[
            "dial: the peer sends back what it gets, so it does not have the private network's pre-shared key",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a header that is shorter than a nonce, and the end",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&line("/multistream/1.0.0"));
            hostile.end(End::Closed);
        },
        reports: &[
            "connection: no agreement on a security protocol: the peer closed before a protocol was agreed on; in a private network that is what a peer without the same pre-shared key looks like",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a nonce, and the end of a dialled connection",
        attack: |hostile| {
            hostile.dialled(None);
            hostile.raw(&[0; 24]);
            hostile.end(End::Failed);
        },
        reports: &[
            "dial: no agreement on a security protocol: the peer closed before a protocol was agreed on; in a private network that is what a peer without the same pre-shared key looks like",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "half a nonce, and silence",
        attack: |hostile| {
            hostile.connect();
            hostile.raw(&[0; 12]);
            hostile.bed.pass(Duration::from_secs(16));
        },
        reports: &[
            "connection: the peer did not finish the handshake in time; in a private network that is what a peer without the same pre-shared key looks like",
        ],
        loses: Loses::Connection,
    },
];
