//! Full buffers hold up what they must, and nothing for ever.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod pair;

use pair::{PROTOCOL, Pair};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::node::NodeBuilder;
use peerwork_core::protocols::{StreamKey, Target};
use peerwork_core::security::secio::Secio;
use std::time::Duration;

fn builder() -> NodeBuilder {
    NodeBuilder::new().security(Secio::default()).muxer(Mplex::default())
}

fn wants_input(pair: &Pair) -> bool {
    pair.ids[1].is_some_and(|id| pair.nodes[1].wants_input(id))
}

/// Writes from node 0 until the stream's buffer at node 1 is full.
fn fill(pair: &mut Pair, stream: StreamKey) {
    let data = vec![7; 50_000];
    while wants_input(pair) {
        pair.nodes[0].write(stream, &data, pair.now).expect("there is room after each run");
        pair.run();
    }
}

#[test]
fn a_full_stream_that_is_reset_makes_way_for_others() {
    let mut pair = Pair::connected(builder);
    let [ours, theirs] = pair.open().unwrap();
    fill(&mut pair, ours);
    assert_eq!(pair.open(), None);
    pair.nodes[1].reset(theirs, pair.now);
    pair.run();
    assert!(wants_input(&pair));
    assert!(pair.opened[1].pop().is_some(), "the stream behind it arrives");
    assert!(pair.open().is_some());
}

#[test]
fn a_full_stream_that_nobody_reads_makes_way_for_others_in_time() {
    let mut pair = Pair::connected(builder);
    let [ours, _] = pair.open().unwrap();
    fill(&mut pair, ours);
    pair.pass(Duration::from_secs(5));
    assert!(pair.open().is_some());
}

#[test]
fn a_burst_of_streams_behind_much_data_opens() {
    const COUNT: usize = 900;
    let mut pair = Pair::connected(builder);
    let [busy, _] = pair.open().unwrap();
    while pair.nodes[0].write(busy, &[7; 50_000], pair.now).is_ok() {}
    pair.opened = Default::default();
    let peer = pair.nodes[1].local_peer();
    for _ in 0..COUNT {
        pair.nodes[0].open_stream(Target::Peer(peer), PROTOCOL, pair.now);
    }
    pair.run();
    assert_eq!(pair.opened.map(|opened| opened.len()), [COUNT; 2]);
}

#[test]
fn a_write_takes_something_or_blocks() {
    let mut pair = Pair::connected(builder);
    let [stream, theirs] = pair.open().unwrap();
    // A first write of about the size of a secure frame, and a second one behind it.
    for first in 64 * 1024 - 100..=64 * 1024 {
        for data in [&vec![7; first][..], &[7]] {
            let written = pair.nodes[0].write(stream, data, pair.now);
            assert_ne!(written, Ok(0), "behind {first} bytes");
        }
        pair.run();
        while pair.nodes[1].read(theirs, usize::MAX, pair.now).is_ok() {}
    }
}
