//! plaintext and secio: handshakes and channels.

use super::hostile::{Hostile, exchange, lines, prefixed, protobuf, wide_prefixed};
use super::{Loses, Row};
use peerwork_core::identity::Keypair;
use peerwork_core::machine::End;
use peerwork_core::seed::Seed;
use std::time::Duration;

fn stranger() -> Keypair {
    Keypair::generate_ed25519(&mut Seed::reproducible(668))
}

/// Plaintext is agreed on, and then this comes.
fn plaintext(hostile: &mut Hostile<'_>, bytes: &[u8]) {
    hostile.connect();
    hostile.raw(&lines(&["/multistream/1.0.0", "/plaintext/2.0.0"]));
    hostile.raw(bytes);
}

/// secio is agreed on, and then this comes.
fn secio(hostile: &mut Hostile<'_>, bytes: &[u8]) {
    hostile.secio();
    hostile.raw(bytes);
}

fn propose(nonce: &[u8], key: &[u8], curves: &str, ciphers: &str, hashes: &str) -> Vec<u8> {
    wide_prefixed(&protobuf(|writer| {
        writer.bytes(1, nonce);
        writer.bytes(2, key);
        writer.string(3, curves);
        writer.string(4, ciphers);
        writer.string(5, hashes);
    }))
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "plaintext: no protobuf",
        attack: |hostile| plaintext(hostile, &[1, 0xff]),
        reports: &[
            "connection: the /plaintext/2.0.0 handshake failed: malformed handshake message: the message ends within a field",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "plaintext: no key",
        attack: |hostile| {
            let id = hostile.peer().to_bytes();
            plaintext(hostile, &prefixed(&protobuf(|writer| writer.bytes(1, &id))));
        },
        reports: &[
            "connection: the /plaintext/2.0.0 handshake failed: malformed handshake message: the Exchange has no public key",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "plaintext: another's id",
        attack: |hostile| {
            let (id, key) =
                (stranger().public().to_peer_id().to_bytes(), hostile.keypair.public().to_protobuf());
            let message = protobuf(|writer| {
                writer.bytes(1, &id);
                writer.bytes(2, &key);
            });
            plaintext(hostile, &prefixed(&message));
        },
        reports: &[
            "connection: the /plaintext/2.0.0 handshake failed: the handshake does not prove the peer's identity: the peer id is not that of the public key",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "plaintext: the victim's own messages",
        attack: |hostile| {
            let own = Keypair::generate_ed25519(&mut Seed::reproducible(1).child("identity"));
            assert_eq!(own.public().to_peer_id(), hostile.bed.victim.local_peer());
            plaintext(hostile, &exchange(&own));
        },
        reports: &[
            "connection: the /plaintext/2.0.0 handshake failed: this address leads back to this node itself",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "plaintext: a message of nearly 2^63 bytes",
        attack: |hostile| plaintext(hostile, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        reports: &[
            "connection: the /plaintext/2.0.0 handshake failed: a handshake message of 9223372036854775807 bytes is over the limit of 16384",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "plaintext: the end within its message",
        attack: |hostile| {
            plaintext(hostile, &[40, 1, 2]);
            hostile.end(End::Closed);
        },
        reports: &[
            "connection: the /plaintext/2.0.0 handshake failed: the peer closed the connection while we waited for its Exchange message",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "plaintext: another peer than the one dialled",
        attack: |hostile| {
            hostile.dialled(Some(stranger().public().to_peer_id()));
            hostile.raw(&lines(&["/multistream/1.0.0", "na", "/plaintext/2.0.0"]));
            hostile.raw(&exchange(&hostile.keypair.clone()));
        },
        reports: &[
            "dial: the peer at this address is 12D3KooWKP2PPWGd3vJUBzfDkrV76ybCwBDrcb2wDCowRJ1qDGbR, not 12D3KooWLFUNUpqdpRpsZUBy3SKzRpgRSHYK4yQ4GDW5JZ4gP4tV",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "plaintext: a dial that leads back to the node",
        attack: |hostile| {
            let own = Keypair::generate_ed25519(&mut Seed::reproducible(1).child("identity"));
            hostile.dialled(None);
            hostile.raw(&lines(&["/multistream/1.0.0", "na", "/plaintext/2.0.0"]));
            hostile.raw(&exchange(&own));
        },
        reports: &["dial: this address leads back to this node itself"],
        loses: Loses::Connection,
    },
    Row {
        name: "plaintext: the same message twice",
        attack: |hostile| {
            let twice = exchange(&hostile.keypair).repeat(2);
            plaintext(hostile, &twice);
        },
        reports: &["connection: no agreement on a muxer: the peer does not speak multistream-select 1.0"],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: a Propose over the limit, of which only the length comes",
        attack: |hostile| secio(hostile, &0x80_0000_u32.to_be_bytes()),
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: a handshake message of 8388608 bytes is over the limit of 16384",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: an empty Propose",
        attack: |hostile| secio(hostile, &wide_prefixed(&[])),
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: malformed handshake message: the Propose has no nonce",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: a Propose with a short nonce",
        attack: |hostile| {
            let key = hostile.keypair.public().to_protobuf();
            secio(hostile, &propose(&[1; 15], &key, "P-256", "AES-128", "SHA256"));
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: malformed handshake message: the nonce does not have 16 bytes",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: groups within groups",
        attack: |hostile| secio(hostile, &wide_prefixed(&[0x0b; 10_000])),
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: malformed handshake message: field 1 has the unsupported wire type 3",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: a key of an unknown type",
        attack: |hostile| secio(hostile, &propose(&[1; 16], &[8, 9, 0x12, 0], "P-256", "AES-128", "SHA256")),
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: in the peer's identity key: there is no key type 9; the types are 0 (RSA), 1 (Ed25519), 2 (secp256k1) and 3 (ECDSA)",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: nothing in common",
        attack: |hostile| {
            let key = hostile.keypair.public().to_protobuf();
            secio(hostile, &propose(&[1; 16], &key, "P-256", "Blowfish,NULL", "SHA256"));
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: no common cipher: ours are AES-256,AES-128, the peer's are Blowfish,NULL",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: an Exchange in place of the Propose",
        attack: |hostile| {
            let message = protobuf(|writer| {
                writer.bytes(1, &[4; 65]);
                writer.bytes(2, &[7; 64]);
            });
            secio(hostile, &wide_prefixed(&message));
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: malformed handshake message: the nonce does not have 16 bytes",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: the victim's own Propose",
        attack: |hostile| {
            hostile.secio();
            let own = hostile.reflected();
            hostile.raw(&own);
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: this address leads back to this node itself",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: the Propose twice",
        attack: |hostile| {
            let propose = hostile.secio();
            hostile.raw(&propose);
            hostile.raw(&propose);
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: the handshake does not prove the peer's identity: the signature is not the peer's",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: a signature with a flipped bit",
        attack: |hostile| {
            let mut exchange = hostile.secio_exchange();
            *exchange.last_mut().unwrap() ^= 1;
            hostile.raw(&exchange);
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: the handshake does not prove the peer's identity: the signature is not the peer's",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: an Exchange with a point and no signature",
        attack: |hostile| {
            hostile.secio_exchange();
            hostile.raw(&wide_prefixed(&protobuf(|writer| writer.bytes(1, &[4; 65]))));
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: malformed handshake message: the Exchange has no signature",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: a signed point that is not on the curve",
        attack: |hostile| {
            let propose = hostile.secio();
            hostile.raw(&propose);
            let exchange = hostile.sign_exchange(&propose, &[4; 65]);
            hostile.raw(&exchange);
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: the handshake does not prove the peer's identity: the ephemeral key is not a point on the curve",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: the end before the Exchange",
        attack: |hostile| {
            hostile.secio_exchange();
            hostile.end(End::Closed);
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: the peer closed the connection while we waited for its Exchange message",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: a nonce frame that was altered",
        attack: |hostile| {
            let mut nonce = hostile.secio_nonce();
            nonce[6] ^= 0x40;
            hostile.raw(&nonce);
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: in the first encrypted frame: the frame is not authentic",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: a nonce frame that is shorter than its code",
        attack: |hostile| {
            hostile.secio_nonce();
            hostile.raw(&wide_prefixed(&[0; 31]));
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: in the first encrypted frame: malformed frame: it is shorter than its authentication code",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: another nonce than the victim's",
        attack: |hostile| {
            let nonce = hostile.secio_nonce();
            drop(nonce);
            hostile.turn();
            hostile.send(&[9; 16]);
        },
        reports: &[
            "connection: the /secio/1.0.0 handshake failed: the handshake does not prove the peer's identity: another nonce than ours came back",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: silence instead of the nonce",
        attack: |hostile| {
            hostile.secio_nonce();
            hostile.bed.pass(Duration::from_secs(16));
        },
        reports: &["connection: the peer did not finish the handshake in time"],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: a frame over the limit, of which only the length comes",
        attack: |hostile| {
            hostile.secio_muxed();
            hostile.raw(&0x80_0001_u32.to_be_bytes());
        },
        reports: &[
            "connection: the secure channel broke: a frame of 8388609 bytes is over the limit of 8388608",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: a frame of nothing, not even a code",
        attack: |hostile| {
            hostile.secio_muxed();
            hostile.raw(&[0; 4]);
        },
        reports: &[
            "connection: the secure channel broke: malformed frame: it is shorter than its authentication code",
        ],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: a frame that was not sealed",
        attack: |hostile| {
            hostile.secio_muxed();
            hostile.raw(&wide_prefixed(&[1; 100]));
        },
        reports: &["connection: the secure channel broke: the frame is not authentic"],
        loses: Loses::Connection,
    },
    Row {
        name: "secio: any number of empty frames",
        attack: |hostile| {
            hostile.secio_muxed();
            for _ in 0..1_000 {
                hostile.send(&[]);
            }
        },
        reports: &[],
        loses: Loses::Nothing,
    },
    Row {
        name: "secio: the end within a frame",
        attack: |hostile| {
            hostile.secio_muxed();
            hostile.raw(&[0, 0, 1, 0, 9, 9]);
            hostile.end(End::Failed);
        },
        reports: &["connection: the connection broke"],
        loses: Loses::Connection,
    },
];
