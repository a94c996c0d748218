//! noise: handshakes and frames.

use super::hostile::{Forger, Hostile, lines};
use super::{Loses, Row};
use peerwork_core::identity::Keypair;
use peerwork_core::machine::End;
use peerwork_core::seed::Seed;
use std::sync::Arc;
use std::time::Duration;

/// noise is agreed on, and then this comes.
fn noise(hostile: &mut Hostile<'_>, bytes: &[u8]) {
    hostile.noise();
    hostile.raw(bytes);
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "a message over the limit, of which only the length comes",
        attack: |hostile| noise(hostile, &[0xff, 0xff]),
        reports: &[
            "connection: the /noise handshake failed: a handshake message of 65535 bytes is over the limit of 16384",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "HTTP",
        attack: |hostile| noise(hostile, b"GET / HTTP/1.1\r\n\r\n"),
        reports: &[
            "connection: the /noise handshake failed: a handshake message of 18245 bytes is over the limit of 16384",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a first message without a key",
        attack: |hostile| noise(hostile, &[0, 0]),
        reports: &[
            "connection: the /noise handshake failed: malformed handshake message: it is too short for its keys",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a key of low order",
        attack: |hostile| noise(hostile, &[&[0, 32][..], &[0; 32]].concat()),
        reports: &[
            "connection: the /noise handshake failed: the handshake does not prove the peer's identity: one of its keys is of low order",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "the first message twice",
        attack: |hostile| {
            let twice = hostile.noise().repeat(2);
            hostile.raw(&twice);
        },
        reports: &[
            "connection: the /noise handshake failed: malformed handshake message: it is too short for its keys",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "the victim's own message",
        attack: |hostile| {
            let first = hostile.noise();
            hostile.raw(&first);
            let own = hostile.reflected();
            hostile.raw(&own);
        },
        reports: &[
            "connection: the /noise handshake failed: the handshake does not prove the peer's identity: a message was altered or sealed with other keys",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "an identity with a flipped bit",
        attack: |hostile| {
            let mut third = hostile.noise_third();
            third[60] ^= 1;
            hostile.raw(&third);
        },
        reports: &[
            "connection: the /noise handshake failed: the handshake does not prove the peer's identity: a message was altered or sealed with other keys",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "an identity of somebody else",
        attack: |hostile| {
            let first = hostile.noise_with(Arc::new(Forger));
            hostile.raw(&first);
            let third = hostile.noise_turn();
            hostile.raw(&third);
        },
        reports: &[
            "connection: the /noise handshake failed: the handshake does not prove the peer's identity: the signature is not the peer's",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "another peer than the one dialled",
        attack: |hostile| {
            let stranger = Keypair::generate_ed25519(&mut Seed::reproducible(668));
            let second = hostile.noise_dialled(Some(stranger.public().to_peer_id()));
            hostile.raw(&second);
        },
        reports: &[
            "dial: the peer at this address is 12D3KooWKP2PPWGd3vJUBzfDkrV76ybCwBDrcb2wDCowRJ1qDGbR, not 12D3KooWLFUNUpqdpRpsZUBy3SKzRpgRSHYK4yQ4GDW5JZ4gP4tV",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a dial that leads back to the node",
        attack: |hostile| {
            hostile.keypair =
                Arc::new(Keypair::generate_ed25519(&mut Seed::reproducible(1).child("identity")));
            let second = hostile.noise_dialled(None);
            hostile.raw(&second);
        },
        reports: &["dial: this address leads back to this node itself"],
        loses: Loses::Connection,
    },
    Row {
        name: "the end before the identity",
        attack: |hostile| {
            hostile.noise_third();
            hostile.end(End::Closed);
        },
        reports: &[
            "connection: the /noise handshake failed: the peer closed the connection while we waited for its identity",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "silence instead of the identity",
        attack: |hostile| {
            hostile.noise_third();
            hostile.bed.pass(Duration::from_secs(16));
        },
        reports: &["connection: the peer did not finish the handshake in time"],
        loses: Loses::Connection,
    },
    Row {
        name: "no muxer in common",
        attack: |hostile| {
            let third = hostile.noise_third();
            hostile.raw(&third);
            hostile.send(&lines(&["/multistream/1.0.0", "/other/1.0.0"]));
            hostile.end(End::Closed);
        },
        reports: &["connection: no agreement on a muxer: this node does not speak what the peer proposed"],
        loses: Loses::Connection,
    },
    Row {
        name: "a frame of nothing, not even a tag",
        attack: |hostile| {
            hostile.noise_muxed();
            hostile.raw(&[0, 0]);
        },
        reports: &[
            "connection: the secure channel broke: malformed frame: it is shorter than its authentication tag",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "a frame that was not sealed",
        attack: |hostile| {
            hostile.noise_muxed();
            hostile.raw(&[&[0, 100][..], &[1; 100]].concat());
        },
        reports: &["connection: the secure channel broke: the frame is not authentic"],
        loses: Loses::Connection,
    },
    Row {
        name: "a frame that comes twice",
        attack: |hostile| {
            hostile.noise_muxed();
            let twice = hostile.sealed(&[]).repeat(2);
            hostile.raw(&twice);
        },
        reports: &["connection: the secure channel broke: the frame is not authentic"],
        loses: Loses::Connection,
    },
    Row {
        name: "a frame that was left out",
        attack: |hostile| {
            hostile.noise_muxed();
            hostile.sealed(&[]);
            hostile.send(&[]);
        },
        reports: &["connection: the secure channel broke: the frame is not authentic"],
        loses: Loses::Connection,
    },
    Row {
        name: "any number of empty frames",
        attack: |hostile| {
            hostile.noise_muxed();
            for _ in 0..1_000 {
                hostile.send(&[]);
            }
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "the end within a frame",
        attack: |hostile| {
            hostile.noise_muxed();
            hostile.raw(&[1, 0, 9, 9]);
            hostile.end(End::Failed);
        },
        reports: &["connection: the connection broke"],
        loses: Loses::Connection,
    },
];
