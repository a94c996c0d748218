//! What has gone wrong in other implementations of libp2p and beside them, by the number of its advisory: it does not go wrong here.
//!
//! | advisory | what happened | test |
//! |---|---|---|
//! | RUSTSEC-2019-0004 | any Ed25519 signature was taken for valid | here; all bits: `core/src/crypto/tests/signatures.rs` |
//! | RUSTSEC-2022-0009 | a peer record signed by another peer was taken for valid | here; `core/src/identity/tests/peer_record.rs` |
//! | RUSTSEC-2020-0068 | a malformed multihash panicked | here |
//! | RUSTSEC-2022-0084, CVE-2022-23492 | many small allocations of one peer used up the memory | here; `core/tests/memory.rs` |
//! | RUSTSEC-2024-0437 | nested protobuf groups overflowed the stack | here |
//! | RUSTSEC-2026-0258 | any number of empty frames was processed for free | here |
//! | RUSTSEC-2024-0399 | a handshake cut in pieces panicked | here; `core/src/security/tls/tests/wire.rs` |
//! | RUSTSEC-2024-0336 | the end of a TLS connection amid its handshake was waited for for ever | here |
//! | GHSA-5hq8-qhww-jm7q, libp2p-tls 0.1 | a bad certificate panicked | here; `core/src/security/tls/tests/certificates.rs` |
//! | py-libp2p 1345 | a dialer without a certificate was let in | `core/src/security/tls/tests/certificates.rs` |
//! | CVE-2023-39533 | huge RSA keys took seconds to verify | here; `core/src/identity/tests/public_keys.rs` |
//! | CVE-2023-40583 | signed records of any number of made-up peers were kept | here; `core/src/protocols/identify/tests/records.rs`, `core/src/peer_book/tests/limits.rs` |
//! | CVE-2026-45783 | short keys went past every validator of records | here; `core/src/records/tests.rs` |
//! | CVE-2026-31814 | credit that overflowed in yamux panicked | here; `core/src/muxer/yamux/tests.rs` |
//! | CVE-2026-32314 | a new yamux stream with more payload than its window panicked | here; `core/src/muxer/yamux/tests.rs` |
//! | GHSA-xqvc-92cf-94j4 | memory was reserved for whatever a length said | here |
//! | go-libp2p 3501 | identify in chunks planted any number of protocols | here; `core/src/protocols/identify/tests/push.rs` |
//! | go-libp2p 3486 | any number of addresses of any number of peers was kept | `core/src/peer_book/tests/limits.rs` |
//! | go-libp2p 3487 | addresses were kept that a newer signed record no longer had | `core/src/peer_book/tests/mod.rs` |
//! | go-libp2p 3283 | a flood of connections was accepted | here; `core/src/swarm/tests/limits.rs` |
//! | js-libp2p 1931 | the dial queue grew without bound | `core/src/swarm/tests/limits.rs` |
//! | js-libp2p 2472 | pings of more than 32 bytes | here |
//! | js-libp2p 2673 | observed addresses were believed | here |
//! | py-libp2p 1414 | any number of ping streams was served | here |
//! | py-libp2p 1415 | a varint without an end was read for ever | here |
//! | RUSTSEC-2024-0011 | a bad noise frame was counted, so that good ones no longer opened | here; `core/src/security/noise/tests/channel.rs` |
//! | CVE-2021-4239 | the count of noise frames began anew | `core/src/security/noise/tests/channel.rs` |
//! | litep2p 278 | in noise, anybody was taken for whomever they claimed to be | here; `core/src/security/noise/tests/bad_input.rs` |
//! | rust-libp2p mplex | streams over the limit; an unread stream's buffer without bound | `bad_input`, `core/src/muxer/mplex/tests/limits.rs` |
//! | smoldot | frames in an unexpected order panicked | here |
//! | yamux 0.14.1 | a writer and a reader that waited at once: one was never woken | here |
//! | CVE-2026-33040, CVE-2026-34219 | a peer's number overflowed the clock | here; times saturate: `core/src/time.rs` |
//!
//! These concern what is not built here: gossipsub, kad, rendezvous, bitswap, relay, autonat, DCUtR, mDNS, QUIC, WebSocket, WebTransport,
//! WebRTC, compression (RUSTSEC-2020-0123: no unsafe code is allowed here either).

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "bad_input/bed.rs"]
#[allow(dead_code, reason = "the other program uses the rest")]
mod bed;
#[path = "bad_input/hostile.rs"]
#[allow(dead_code, reason = "the other program uses the rest")]
mod hostile;

use bed::Bed;
use bytes::{Bytes, BytesMut};
use hostile::{
    CLOSE, DATA, FIN, Forger, Hostile, OPEN, RESET, RST, SYN, data, lines, mplex, prefixed, protobuf, update,
    wide_prefixed, yamux,
};
use peerwork_core::crypto;
use peerwork_core::identity::{
    Envelope, InvalidKey, Keypair, PEER_RECORD, PeerId, PublicKey, SignedPeerRecord,
};
use peerwork_core::muxer::yamux::Yamux;
use peerwork_core::muxer::{MuxerProtocol, StreamsEvent};
use peerwork_core::protocols::identify::codec::{MAX_ADDRESSES, MAX_PROTOCOLS};
use peerwork_core::records::{Record, RecordKey, Validators};
use peerwork_core::security::Role;
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use std::sync::Arc;
use std::time::Duration;

/// Attacks a node with an honest peer, and expects this to be reported. Nobody else may notice, and nothing be left.
#[track_caller]
fn attack(attack: impl FnOnce(&mut Hostile<'_>), reports: &[&str]) {
    let mut bed = Bed::new();
    attack(&mut Hostile::new(&mut bed));
    let texts: Vec<_> = bed.reports.iter().map(ToString::to_string).collect();
    assert_eq!(texts, reports);
    bed.clean_up();
}

fn keypair(number: u64) -> Keypair {
    Keypair::generate_ed25519(&mut Seed::reproducible(number))
}

#[test]
fn rustsec_2019_0004_a_signature_with_any_flipped_bit_is_refused() {
    let (crypto, keypair) = (crypto::default_provider(), keypair(1));
    let signature = crypto.sign(&keypair, b"message").unwrap();
    assert!(crypto.verify(keypair.public(), b"message", &signature));
    for bit in 0..signature.len() * 8 {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!crypto.verify(keypair.public(), b"message", &flipped), "bit {bit}");
    }
}

#[test]
fn rustsec_2022_0009_a_record_that_its_peer_did_not_sign_is_refused() {
    let crypto = crypto::default_provider();
    for (named, signer) in [(1, 2), (2, 1)] {
        let id = keypair(named).public().to_peer_id().to_bytes();
        let payload = protobuf(|writer| writer.bytes(1, &id));
        let envelope = Envelope::seal(PEER_RECORD, &payload, &keypair(signer), &*crypto).unwrap();
        assert!(SignedPeerRecord::from_bytes(Bytes::copy_from_slice(&envelope), &*crypto).is_err());
    }
}

#[test]
fn rustsec_2020_0068_a_malformed_multihash_is_an_error() {
    let id = keypair(1).public().to_peer_id().to_bytes();
    for end in 0..id.len() {
        assert!(PeerId::from_bytes(&id[..end]).is_err(), "{end} bytes");
    }
    for bytes in [&[0x12, 0xff][..], &[0xff; 40], &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]]
    {
        assert!(PeerId::from_bytes(bytes).is_err(), "{bytes:x?}");
    }
}

#[test]
fn rustsec_2022_0084_the_streams_and_connections_of_a_peer_are_bounded() {
    attack(
        |hostile| {
            hostile.muxed();
            let opens: Vec<_> = (0..100_000).flat_map(|number| mplex(number, OPEN, &[])).collect();
            hostile.send(&opens);
            assert!(hostile.bed.victim.stream_count() <= 1_024 + 1);
            assert!(!hostile.is_closed());
        },
        &[],
    );
    attack(
        |hostile| {
            for _ in 0..20 {
                hostile.muxed_unknown();
            }
            // Those over the limit have a while to close in order.
            hostile.bed.pass(Duration::from_secs(11));
            assert_eq!(hostile.bed.victim.connection_count(), 1 + 8);
            hostile.bed.reports.clear();
        },
        &[],
    );
}

#[test]
fn rustsec_2024_0437_groups_are_refused_and_not_followed() {
    attack(
        |hostile| {
            hostile.secio();
            hostile.raw(&wide_prefixed(&[0x0b; 16 * 1024]));
        },
        &[
            "connection: the /secio/1.0.0 handshake failed: malformed handshake message: field 1 has the unsupported wire type 3",
        ],
    );
}

/// They cost the remote as much as this node, keep nothing, and hold nobody up.
#[test]
fn rustsec_2026_0258_empty_frames_leave_nothing_behind() {
    attack(
        |hostile| {
            hostile.secio_muxed();
            for _ in 0..1_000 {
                hostile.send(&[]);
            }
            hostile.open(0, "/echo/1.0.0");
            hostile.send(&mplex(0, DATA, &[]).repeat(10_000));
            hostile.send(&mplex(0, CLOSE, &[]).repeat(10_000));
            hostile.bed.check_bystander();
            assert!(hostile.still_echoes());
        },
        &[],
    );
}

/// Before the handshake is over they do not keep the connection open.
#[test]
fn rustsec_2026_0258_empty_frames_do_not_stretch_a_handshake() {
    attack(
        |hostile| {
            let _nonce = hostile.secio_nonce();
            hostile.turn();
            for _ in 0..20 {
                hostile.send(&[]);
                hostile.bed.pass(Duration::from_secs(1));
            }
        },
        &["connection: the peer did not finish the handshake in time"],
    );
}

#[test]
fn rustsec_2024_0399_a_handshake_may_come_byte_by_byte() {
    attack(
        |hostile| {
            let propose = hostile.secio();
            propose.iter().for_each(|byte| hostile.raw(&[*byte]));
            let exchange = hostile.turn();
            exchange.iter().for_each(|byte| hostile.raw(&[*byte]));
            let nonce = hostile.turn();
            nonce.iter().for_each(|byte| hostile.raw(&[*byte]));
            hostile.turn();
            hostile.send(&lines(&["/multistream/1.0.0", "/mplex/6.7.0"]));
            hostile.identify(&[&[]]);
            assert!(hostile.still_echoes());
        },
        &[],
    );
}

/// A ClientHello in records of one byte, and everything byte by byte.
#[test]
fn rustsec_2024_0399_a_client_hello_may_come_in_any_records() {
    attack(
        |hostile| {
            let hello = hostile.tls();
            let records = hello[5..].iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]);
            records.for_each(|byte| hostile.raw(&[byte]));
            let end = hostile.tls_turn();
            end.iter().for_each(|byte| hostile.raw(&[*byte]));
            hostile.send(&lines(&["/multistream/1.0.0", "/mplex/6.7.0"]));
            hostile.identify(&[&[]]);
            assert!(hostile.still_echoes());
        },
        &[],
    );
}

#[test]
fn rustsec_2024_0336_the_end_amid_a_handshake_is_the_end() {
    const CLOSE_NOTIFY: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];
    attack(
        |hostile| {
            let hello = hostile.tls();
            hostile.raw(&[&hello[..], &CLOSE_NOTIFY].concat());
        },
        &[
            "connection: the /tls/1.0.0 handshake failed: the peer closed the connection while we waited for the end of the handshake",
        ],
    );
}

#[test]
fn ghsa_5hq8_qhww_jm7q_a_bad_certificate_is_an_error() {
    attack(
        |hostile| {
            let hello = hostile.tls_with(Arc::new(Forger));
            hostile.raw(&hello);
            let end = hostile.tls_turn();
            hostile.raw(&end);
        },
        &[
            "connection: the /tls/1.0.0 handshake failed: in the peer's certificate: it is not signed with its own key",
        ],
    );
}

/// DER of an RSA key whose modulus has this many bits.
fn rsa(bits: usize) -> Vec<u8> {
    fn der(tag: u8, value: &[u8]) -> Vec<u8> {
        let len = value.len() as u16;
        [&[tag, 0x82][..], &len.to_be_bytes(), value].concat()
    }
    let mut modulus = vec![0xff; bits / 8 + 1];
    modulus[0] = 0;
    let numbers = [der(2, &modulus), vec![2, 3, 1, 0, 1]].concat();
    let algorithm = [0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let key = der(3, &[&[0][..], &der(0x30, &numbers)].concat());
    let data = der(0x30, &[&algorithm[..], &key].concat());
    protobuf(|writer| {
        writer.varint(1, 0);
        writer.bytes(2, &data);
    })
}

#[test]
fn cve_2023_39533_an_rsa_key_of_more_than_8192_bits_is_refused() {
    assert!(PublicKey::from_protobuf(&rsa(8_192)).is_ok());
    assert_eq!(PublicKey::from_protobuf(&rsa(16_384)), Err(InvalidKey::RsaSize { bits: 16_384 }));
    attack(
        |hostile| {
            hostile.connect();
            hostile.raw(&lines(&["/multistream/1.0.0", "/plaintext/2.0.0"]));
            hostile.raw(&prefixed(&protobuf(|writer| {
                writer.bytes(1, &[0]);
                writer.bytes(2, &rsa(16_384));
            })));
        },
        &[
            "connection: the /plaintext/2.0.0 handshake failed: in the peer's identity key: the RSA key has 16384 bits; 2048 to 8192 are allowed",
        ],
    );
}

#[test]
fn cve_2023_40583_records_of_other_peers_are_not_kept() {
    attack(
        |hostile| {
            hostile.muxed();
            hostile.bed.infos.clear();
            for number in 0..100 {
                let record = SignedPeerRecord::sign(&keypair(number), 1, [], &*crypto::default_provider());
                let record = record.unwrap();
                hostile.open(number, "/ipfs/id/push/1.0.0");
                hostile.say(number, &prefixed(&protobuf(|writer| writer.bytes(8, record.as_bytes()))));
                hostile.frame(number, CLOSE, &[]);
            }
            assert_eq!(hostile.bed.infos.len(), 100);
            for info in &hostile.bed.infos {
                assert_eq!((&info.signed_peer_record, &info.certified), (&None, &None));
            }
        },
        &[],
    );
}

#[test]
fn cve_2026_45783_a_key_without_a_namespace_is_no_key() {
    let bad: [&[u8]; 6] = [b"", b"/", b"/n", b"/n/", b"n/a", b"//a"];
    for key in bad {
        assert!(RecordKey::new(key).is_err(), "{key:?}");
    }
    let key = RecordKey::new(b"/unknown/a".as_slice()).unwrap();
    let record = Record { key, value: Bytes::from_static(b"value") };
    assert!(Validators::default().validate(&record).is_err(), "a namespace without rules");
}

#[test]
fn ghsa_xqvc_92cf_94j4_a_huge_length_is_refused_before_anything_comes() {
    const HUGE: [u8; 9] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    attack(
        |hostile| {
            hostile.connect();
            hostile.raw(&lines(&["/multistream/1.0.0", "/plaintext/2.0.0"]));
            hostile.raw(&HUGE);
        },
        &[
            "connection: the /plaintext/2.0.0 handshake failed: a handshake message of 9223372036854775807 bytes is over the limit of 16384",
        ],
    );
    attack(
        |hostile| {
            hostile.muxed();
            hostile.open(0, "/ipfs/id/push/1.0.0");
            hostile.say(0, &HUGE);
        },
        &[
            "push: the identify stream ended early: the peer sent a bad message: a message of 9223372036854775807 bytes is over the limit of 8192",
        ],
    );
}

#[test]
fn go_libp2p_3501_identify_in_chunks_plants_no_more_than_the_limits() {
    attack(
        |hostile| {
            hostile.muxed_unknown();
            let messages: Vec<_> = (0..10)
                .map(|message| {
                    protobuf(|writer| {
                        for number in 0..200 {
                            writer.string(3, &format!("/{message}/{number}"));
                            writer.bytes(2, &[4, 8, 8, message, number, 6, 0, 1]);
                        }
                    })
                })
                .collect();
            hostile.identify(&messages.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let info = &hostile.bed.infos[0];
            assert_eq!((info.protocols.len(), info.listen_addresses.len()), (MAX_PROTOCOLS, MAX_ADDRESSES));
        },
        &[],
    );
}

#[test]
fn go_libp2p_3283_a_flood_of_connections_is_refused() {
    attack(
        |hostile| {
            for _ in 0..1_000 {
                hostile.connect();
            }
            let usage = hostile.bed.victim.node().swarm().usage();
            assert_eq!(usage.pending.total(), 16, "of one host");
            hostile.bed.check_bystander();
            hostile.bed.reports.clear();
        },
        &[],
    );
}

/// Everything that comes is cut into pings of 32 bytes, and echoed as fast as it is read.
#[test]
fn js_libp2p_2472_a_long_ping_is_several() {
    attack(
        |hostile| {
            hostile.muxed();
            hostile.open(0, "/ipfs/ping/1.0.0");
            let negotiated = hostile.heard_on(0).len();
            hostile.say(0, &[7; 100]);
            assert_eq!(hostile.heard_on(0)[negotiated..], [7; 96]);
            hostile.say(0, &[7; 28]);
            assert_eq!(hostile.heard_on(0).len(), negotiated + 128);
        },
        &[],
    );
}

/// In a whole node as in its channel alone: after a bad frame there is none.
#[test]
fn rustsec_2024_0011_a_bad_frame_is_the_end() {
    attack(
        |hostile| {
            hostile.noise_muxed();
            let good = hostile.sealed(&mplex(0, OPEN, &[]));
            hostile.raw(&[&[0, 16][..], &[0; 16], &good].concat());
            assert_eq!(hostile.bed.victim.stream_count(), 1);
        },
        &["connection: the secure channel broke: the frame is not authentic"],
    );
}

#[test]
fn litep2p_278_an_identity_without_its_signature_is_refused() {
    let mut seed = Seed::reproducible(1);
    let identities = [
        Keypair::generate_ed25519(&mut seed),
        Keypair::generate_secp256k1(&mut seed),
        Keypair::generate_ecdsa(&mut seed),
        Keypair::from_protobuf(include_bytes!("compliance/rsa_key.pb")).unwrap(),
    ];
    for identity in identities {
        attack(
            |hostile| {
                hostile.keypair = Arc::new(identity);
                let first = hostile.noise_with(Arc::new(Forger));
                hostile.raw(&first);
                let third = hostile.noise_turn();
                hostile.raw(&third);
            },
            &[
                "connection: the /noise handshake failed: the handshake does not prove the peer's identity: the signature is not the peer's",
            ],
        );
    }
}

#[test]
fn js_libp2p_2673_one_peer_cannot_tell_the_node_its_address() {
    attack(
        |hostile| {
            hostile.muxed_unknown();
            hostile.identify(&[&protobuf(|writer| writer.bytes(4, &[4, 8, 8, 8, 8, 6, 0, 1]))]);
            hostile.open(0, "/ipfs/id/1.0.0");
            let told = hostile.heard_on(0);
            assert!(!told.windows(8).any(|bytes| bytes == [4, 8, 8, 8, 8, 6, 0, 1]));
        },
        &[],
    );
}

#[test]
fn py_libp2p_1414_two_ping_streams_are_served() {
    attack(
        |hostile| {
            hostile.muxed();
            for number in 0..100 {
                hostile.open(number, "/ipfs/ping/1.0.0");
            }
            let resets = hostile.frames().iter().filter(|frame| frame.flag == RESET - 1).count();
            assert_eq!(resets, 98);
        },
        &[],
    );
}

#[test]
fn py_libp2p_1415_a_varint_ends_after_nine_bytes() {
    attack(
        |hostile| {
            hostile.muxed();
            hostile.open(0, "/ipfs/id/push/1.0.0");
            hostile.say(0, &[0xff; 9]);
        },
        &[
            "push: the identify stream ended early: the peer sent a bad message: the length prefix is not a minimal varint",
        ],
    );
    attack(
        |hostile| {
            hostile.muxed();
            hostile.send(&[0xff; 9]);
        },
        &["connection: malformed mplex frame: a varint is longer than 9 bytes"],
    );
}

/// Frames of a few streams in any order: whatever comes of it, nobody else notices.
#[test]
fn smoldot_frames_in_any_order_do_no_harm() {
    let mut bed = Bed::new();
    for number in 0..100 {
        let mut chance = Seed::reproducible(number);
        let mut hostile = Hostile::new(&mut bed);
        hostile.muxed();
        for _ in 0..40 {
            let (stream, flag) = (chance.below(3), chance.below(7));
            let protocol =
                ["/echo/1.0.0", "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/no/such"][chance.below(4) as usize];
            let proposal = lines(&["/multistream/1.0.0", protocol]);
            hostile.frame(stream, flag, if chance.below(2) == 0 { &proposal } else { &[7; 32] });
            hostile.bed.pass(Duration::from_secs(chance.below(2)));
            if hostile.is_closed() {
                break;
            }
        }
        bed.clean_up();
    }
}

/// The same with yamux, whose frames may have any flags, and with credit and pings among them.
#[test]
fn smoldot_frames_of_yamux_in_any_order_do_no_harm() {
    let mut bed = Bed::new();
    for number in 0..100 {
        let mut chance = Seed::reproducible(number);
        let mut hostile = Hostile::new(&mut bed);
        hostile.yamuxed();
        for _ in 0..40 {
            let stream = chance.below(6) as u32;
            let flags = [0, 0, SYN, SYN, FIN, RST, SYN | FIN][chance.below(7) as usize];
            let protocol =
                ["/echo/1.0.0", "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0", "/no/such"][chance.below(4) as usize];
            hostile.send(&match chance.below(8) {
                0 => update(stream, flags, chance.below(1 << 20) as u32),
                1 => yamux(2, flags, 0, 1),
                2..5 => data(stream, flags, &[7; 32]),
                _ => data(stream, flags, &lines(&["/multistream/1.0.0", protocol])),
            });
            hostile.bed.pass(Duration::from_secs(chance.below(2)));
            if hostile.is_closed() {
                break;
            }
        }
        bed.clean_up();
    }
}

#[test]
fn cve_2026_31814_credit_that_overflows_is_an_error() {
    for credits in [&[u32::MAX][..], &[1 << 31, 1 << 31], &[u32::MAX - 256 * 1024, 1]] {
        attack(
            |hostile| {
                hostile.yamuxed();
                hostile.send(&update(1, SYN, 0));
                for credit in credits {
                    hostile.send(&update(1, 0, *credit));
                }
            },
            &["connection: the peer broke the rules of yamux: it granted more than 4 GiB on a stream"],
        );
    }
}

#[test]
fn cve_2026_32314_a_new_stream_with_more_than_its_window_is_an_error() {
    for excess in [1, 100_000] {
        attack(
            |hostile| {
                hostile.yamuxed();
                hostile.send(&data(1, SYN, &vec![7; 256 * 1024 + excess]));
            },
            &[
                "connection: the peer broke the rules of yamux: it sent more than the window of a stream allows",
            ],
        );
    }
}

/// One event wakes the reader and another the writer, whoever comes first.
#[test]
fn yamux_0_14_1_a_reader_and_a_writer_that_wait_at_once_are_both_woken() {
    let now = Instant::ORIGIN;
    for [first, second] in [[data(1, 0, b"x"), update(1, 0, 9)], [update(1, 0, 9), data(1, 0, b"x")]] {
        let mut muxer = Yamux::default().start(Role::Dialer, now);
        let id = muxer.open_stream(now).unwrap();
        let mut out = BytesMut::new();
        while muxer.write(id, &[7; 1 << 16], &mut out, usize::MAX, now).is_ok() {}
        muxer.read(id, 1, now).unwrap_err();
        for frame in [first, second] {
            muxer.handle_input(&mut BytesMut::from(&frame[..]), now).unwrap();
        }
        let mut events: Vec<_> = std::iter::from_fn(|| muxer.poll_event()).collect();
        events.sort_by_key(|event| *event != StreamsEvent::Readable(id));
        assert_eq!(events, [StreamsEvent::Readable(id), StreamsEvent::Writable(id)]);
    }
}

#[test]
fn cve_2026_34219_the_largest_numbers_do_no_harm_later() {
    attack(
        |hostile| {
            hostile.muxed();
            hostile.bed.infos.clear();
            let crypto = crypto::default_provider();
            let record = SignedPeerRecord::sign(&hostile.keypair, u64::MAX, [], &*crypto).unwrap();
            hostile.open(1, "/echo/1.0.0");
            for number in [0, (1 << 60) - 1] {
                hostile.open(number, "/ipfs/id/push/1.0.0");
                hostile.say(number, &prefixed(&protobuf(|writer| writer.bytes(8, record.as_bytes()))));
                hostile.frame(number, CLOSE, &[]);
            }
            let sequences = hostile.bed.infos.iter().map(|info| info.certified.as_ref().unwrap().sequence);
            assert_eq!(sequences.collect::<Vec<_>>(), [u64::MAX; 2]);
            hostile.bed.pass(Duration::from_secs(3_600));
            assert!(hostile.still_echoes());
        },
        &[],
    );
}
