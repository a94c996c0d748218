//! Two nodes in a private network, in the same one or in different ones.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod pair;

use pair::Pair;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::node::NodeBuilder;
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::pnet::PreSharedKey;
use peerwork_core::swarm::SwarmEvent;
use std::cell::Cell;

/// Two nodes with these keys, if any, that try to connect.
fn connected(keys: [Option<u8>; 2], lazy: bool) -> Pair {
    let number = Cell::new(0);
    Pair::connected(|| {
        let key = keys[number.replace(1)].map(|byte| PreSharedKey::from_secret(&[byte; 32]));
        NodeBuilder::new().security(Plaintext).muxer(Mplex::default()).configure(|config| {
            config.swarm.connection.private_network = key;
            config.swarm.connection.lazy_security = lazy;
        })
    })
}

/// What each node says of a connection that did not come up.
fn failures(pair: &Pair) -> [String; 2] {
    [0, 1].map(|me| {
        let failure = pair.events[me].iter().find_map(|event| match event {
            SwarmEvent::DialFailed { error, .. } => Some(error.to_string()),
            SwarmEvent::IncomingFailed { error, .. } => Some(error.to_string()),
            _ => None,
        });
        failure.unwrap_or_else(|| format!("{:?}", pair.events[me]))
    })
}

#[test]
fn nodes_with_the_same_key_talk() {
    for lazy in [false, true] {
        let mut pair = connected([Some(1), Some(1)], lazy);
        let [near, far] = pair.open().unwrap();
        pair.nodes[0].write(near, b"for members only", pair.now).unwrap();
        pair.run();
        let heard = pair.nodes[1].read(far, 100, pair.now).unwrap();
        assert_eq!(&heard[..], b"for members only");
        pair.nodes[1].write(far, b"likewise", pair.now).unwrap();
        pair.run();
        assert_eq!(&pair.nodes[0].read(near, 100, pair.now).unwrap()[..], b"likewise");
    }
}

#[test]
fn nothing_can_be_read_on_the_wire() {
    for (key, is_readable) in [(None, true), (Some(1), false)] {
        let mut pair = connected([key, key], false);
        let [near, _] = pair.open().unwrap();
        pair.nodes[0].write(near, b"for members only", pair.now).unwrap();
        let id = pair.ids[0].unwrap();
        let mut wire = bytes::BytesMut::new();
        while pair.nodes[0].poll_transmit(id, &mut wire, 1_000, pair.now) > 0 {}
        assert_eq!(wire.ends_with(b"for members only"), is_readable);
    }
}

#[test]
fn nodes_without_the_same_key_say_what_may_be_wrong() {
    const SUSPECT: &str =
        "; in a private network that is what a peer without the same pre-shared key looks like";
    const NOISE: &str = "the peer does not speak multistream-select 1.0";
    const GONE: &str = "the peer closed before a protocol was agreed on";
    let cases = [
        ([Some(1), Some(2)], [GONE, NOISE], [true, true]),
        ([Some(1), None], [GONE, NOISE], [true, false]),
        // The dialer hears the listener's nonce where it expects a header.
        ([None, Some(1)], [NOISE, NOISE], [false, true]),
    ];
    for (keys, causes, suspects) in cases {
        for lazy in [false, true] {
            let pair = connected(keys, lazy);
            let expected = [0, 1].map(|me| {
                let suspect = if suspects[me] { SUSPECT } else { "" };
                format!("no agreement on a security protocol: {}{suspect}", causes[me])
            });
            assert_eq!(failures(&pair), expected, "{keys:?}, lazy: {lazy}");
        }
    }
}

#[test]
fn what_arrives_faster_than_it_is_read_waits_and_is_not_lost() {
    const CHUNK: usize = 50_000;
    for key in [None, Some(1)] {
        let mut pair = connected([key, key], false);
        let [near, far] = pair.open().unwrap();
        // All of it is on the wire before the first byte arrives.
        pair.cut = true;
        let sent: Vec<u8> = (0..40 * CHUNK).map(|index| (index / 251) as u8).collect();
        for chunk in sent.chunks(CHUNK) {
            assert_eq!(pair.nodes[0].write(near, chunk, pair.now), Ok(CHUNK));
            pair.run();
        }
        pair.cut = false;
        pair.run();
        assert!(!pair.nodes[1].wants_input(pair.ids[1].unwrap()), "the stream's buffer is full");
        let mut heard = Vec::new();
        while let Ok(bytes) = pair.nodes[1].read(far, 7_000, pair.now) {
            heard.extend_from_slice(&bytes);
            pair.run();
        }
        assert!(heard == sent, "{} of {} bytes came", heard.len(), sent.len());
    }
}
