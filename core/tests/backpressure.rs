//! Full buffers hold up what they must, and nothing for ever.

use bytes::BytesMut;
use peerwork_core::address::{Multiaddr, Protocol};
use peerwork_core::connection::ConnectionId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder};
use peerwork_core::protocols::{StreamKey, Target};
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{SwarmEvent, SwarmInput};
use peerwork_core::time::Instant;
use std::net::Ipv4Addr;
use std::time::Duration;

const PROTOCOL: ProtocolId = ProtocolId::from_static("/test/1.0.0");

/// Two connected nodes, and what is on the way between them.
struct Pair {
    nodes: [LocalNode; 2],
    ids: [ConnectionId; 2],
    /// `wires[i]` leads to node `i`.
    wires: [BytesMut; 2],
    /// Streams that were opened, at either end.
    opened: [Vec<StreamKey>; 2],
    now: Instant,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::ORIGIN;
        let mut nodes = [1, 2].map(|number| NodeBuilder::new().build_local(Seed::reproducible(number), now));
        nodes[1].handle_protocol(PROTOCOL, now);
        let address = Multiaddr::from(Ipv4Addr::LOCALHOST).with(Protocol::Tcp(1));
        let listener = nodes[1].listen(address.clone(), now);
        nodes[0].dial(address.clone(), now);
        let dialed = std::iter::from_fn(|| nodes[0].poll_output()).find_map(|output| match output {
            LocalOutput::Dial { connection, .. } => Some(connection),
            _ => None,
        });
        let dialed = dialed.expect("the node wants a byte stream");
        nodes[0].handle_input(SwarmInput::Dialed { connection: dialed }, now);
        let accepted = nodes[1].handle_incoming(listener, address, now);
        let mut pair = Self {
            nodes,
            ids: [dialed, accepted],
            wires: Default::default(),
            opened: Default::default(),
            now,
        };
        pair.run();
        pair
    }

    /// Carries bytes until nothing moves any more.
    fn run(&mut self) {
        loop {
            let mut moved = false;
            for me in 0..2 {
                while let Some(output) = self.nodes[me].poll_output() {
                    if let LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) = output {
                        self.opened[me].push(stream);
                    }
                }
                let id = self.ids[me];
                moved |= self.nodes[me].poll_transmit(id, &mut self.wires[1 - me], 64 * 1024, self.now) > 0;
                let waiting = self.wires[me].len();
                if waiting > 0 && self.nodes[me].wants_input(id) {
                    self.nodes[me].handle_bytes(id, &mut self.wires[me], self.now);
                    moved |= self.wires[me].len() < waiting;
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Opens a stream from node 0 and gives both its ends, or `None` if it does not arrive.
    fn open(&mut self) -> Option<[StreamKey; 2]> {
        self.opened = Default::default();
        let peer = self.nodes[1].local_peer();
        self.nodes[0].open_stream(Target::Peer(peer), PROTOCOL, self.now);
        self.run();
        Some([self.opened[0].pop()?, self.opened[1].pop()?])
    }

    /// Writes from node 0 until the stream's buffer at node 1 is full.
    fn fill(&mut self, stream: StreamKey) {
        let data = vec![7; 50_000];
        while self.nodes[1].wants_input(self.ids[1]) {
            self.nodes[0].write(stream, &data, self.now).expect("there is room after each run");
            self.run();
        }
    }
}

#[test]
fn a_full_stream_that_is_reset_makes_way_for_others() {
    let mut pair = Pair::new();
    let [ours, theirs] = pair.open().unwrap();
    pair.fill(ours);
    assert_eq!(pair.open(), None);
    pair.nodes[1].reset(theirs, pair.now);
    pair.run();
    assert!(pair.nodes[1].wants_input(pair.ids[1]));
    assert!(pair.opened[1].pop().is_some(), "the stream behind it arrives");
    assert!(pair.open().is_some());
}

#[test]
fn a_full_stream_that_nobody_reads_makes_way_for_others_in_time() {
    let mut pair = Pair::new();
    let [ours, _] = pair.open().unwrap();
    pair.fill(ours);
    pair.now = pair.now + Duration::from_secs(5);
    pair.nodes[1].handle_timeout(pair.now);
    pair.run();
    assert!(pair.open().is_some());
}

#[test]
fn a_write_takes_something_or_blocks() {
    let mut pair = Pair::new();
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
