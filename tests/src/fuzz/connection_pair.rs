//! Two nodes back to back on a wire that the fuzzer cuts, stalls, garbles and breaks.

use crate::counters::disagreement;
use bytes::BytesMut;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::{ConnectionId, Traffic};
use peerwork_core::machine::{Close, End};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder};
use peerwork_core::protocols::{StreamKey, Target};
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{ListenerId, SwarmEvent, SwarmInput};
use peerwork_core::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

const PROTOCOL: ProtocolId = ProtocolId::from_static("/fuzz/1.0.0");

/// How many outputs one step may have. More means that two machines keep each other busy.
const MAX_OUTPUTS: usize = 10_000;

/// How many steps are taken of one input.
const MAX_STEPS: usize = 400;

/// Each byte is a step. A wire that was not garbled must deliver what was written, in order; whatever happened, a shutdown must leave
/// nothing behind.
pub fn connection_pair(data: &[u8]) {
    let mut pair = Pair::new();
    for step in data.iter().take(MAX_STEPS) {
        pair.step(step & 0x0f, usize::from(step >> 4));
    }
    pair.shut_down();
}

struct Pair {
    nodes: [LocalNode; 2],
    ids: [Option<ConnectionId>; 2],
    /// What is on the way to each node.
    wires: [BytesMut; 2],
    /// What each node has been given and has not taken.
    inputs: [BytesMut; 2],
    /// The node did not want the rest of its input.
    blocked: [bool; 2],
    listener: ListenerId,
    /// How much was written to and read from each stream that was opened here or there.
    written: [BTreeMap<StreamKey, usize>; 2],
    read: [BTreeMap<StreamKey, usize>; 2],
    /// How much each node took and gave.
    moved: [Traffic; 2],
    now: Instant,
    is_garbled: bool,
    shut_down: [bool; 2],
}

/// What is written at each position of every stream.
fn pattern(position: usize) -> u8 {
    (position % 251) as u8
}

impl Pair {
    fn new() -> Self {
        let now = Instant::ORIGIN;
        let mut nodes = [1, 2].map(|number| {
            let muxer = Mplex { max_stream_buffer_bytes: 300, max_inbound_streams: 5, ..Mplex::default() };
            let builder = NodeBuilder::new().security(Plaintext).muxer(muxer);
            builder.build_local(Seed::reproducible(number), now).expect("it is secured and muxed")
        });
        let address = "/ip4/10.0.0.2/tcp/1".parse().unwrap_or_else(|_| unreachable!("the address is valid"));
        for node in &mut nodes {
            node.handle_protocol(PROTOCOL, now);
        }
        let listener = nodes[1].listen(address, now);
        let mut pair = Self {
            nodes,
            ids: [None; 2],
            wires: Default::default(),
            inputs: Default::default(),
            blocked: [false; 2],
            listener,
            written: Default::default(),
            read: Default::default(),
            moved: Default::default(),
            now,
            is_garbled: false,
            shut_down: [false; 2],
        };
        pair.settle();
        pair
    }

    fn step(&mut self, kind: u8, argument: usize) {
        let (me, size) = (argument & 1, argument >> 1);
        match kind {
            0 => self.dial(),
            1..=4 => self.deliver(me, [1, 7, 100, 5000][usize::from(kind) - 1] * (size + 1)),
            5 => self.deliver(me, usize::MAX),
            6 | 7 => {
                self.deliver(0, usize::MAX);
                self.deliver(1, usize::MAX);
            }
            8 => self.open(me),
            9 => self.write(me, size, 40),
            10 => self.write(me, size, 900),
            11 => self.read(me, size),
            12 => self.end_stream(me, size),
            13 => self.pass(Duration::from_secs(1 << argument)),
            14 => {
                if let Some(byte) = self.wires[me].get_mut(size * 3) {
                    *byte ^= 0x11;
                    self.is_garbled = true;
                }
            }
            _ => self.hang_up(me, if size > 3 { End::Closed } else { End::Failed }),
        }
        self.settle();
    }

    /// Connects the two nodes, where they are not.
    fn dial(&mut self) {
        if self.ids == [None; 2]
            && let Ok(address) = "/ip4/10.0.0.2/tcp/1".parse::<Multiaddr>()
        {
            self.nodes[0].dial(address, self.now);
        }
    }

    fn deliver(&mut self, to: usize, max: usize) {
        let len = self.wires[to].len().min(max);
        let bytes = self.wires[to].split_to(len);
        self.inputs[to].extend_from_slice(&bytes);
        self.offer(to);
        self.settle();
    }

    /// Gives a node the input that it has not taken.
    fn offer(&mut self, to: usize) {
        if let Some(id) = self.ids[to] {
            let offered = self.inputs[to].len();
            self.nodes[to].handle_bytes(id, &mut self.inputs[to], self.now);
            self.moved[to].received_bytes += (offered - self.inputs[to].len()) as u64;
            self.blocked[to] = !self.nodes[to].wants_input(id);
        }
    }

    fn open(&mut self, me: usize) {
        if let Some(id) = self.ids[me] {
            self.nodes[me].open_stream(Target::Connection(id), PROTOCOL, self.now);
        }
    }

    fn stream(&self, me: usize, number: usize) -> Option<StreamKey> {
        self.read[me].keys().nth(number).copied()
    }

    fn write(&mut self, me: usize, number: usize, len: usize) {
        let Some(stream) = self.stream(me, number) else { return };
        let position = self.written[me].entry(stream).or_default();
        let data: Vec<u8> = (*position..*position + len).map(pattern).collect();
        if let Ok(taken) = self.nodes[me].write(stream, &data, self.now) {
            assert!(taken > 0, "a write takes something or is blocked");
            *position += taken;
        }
    }

    fn read(&mut self, me: usize, number: usize) {
        let Some(stream) = self.stream(me, number) else { return };
        while let Ok(bytes) = self.nodes[me].read(stream, 64, self.now) {
            assert!(!bytes.is_empty(), "a read gives something or is blocked");
            let position = self.read[me].entry(stream).or_default();
            for byte in bytes {
                assert!(self.is_garbled || byte == pattern(*position), "byte {position} of {stream:?}");
                *position += 1;
            }
        }
    }

    fn end_stream(&mut self, me: usize, number: usize) {
        let Some(stream) = self.stream(me, number / 2) else { return };
        match number % 2 {
            0 => self.nodes[me].close_write(stream, self.now),
            _ => self.nodes[me].reset(stream, self.now),
        }
    }

    fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
        for node in &mut self.nodes {
            node.handle_timeout(self.now);
            let overdue = node.poll_timeout().filter(|deadline| deadline.at <= self.now);
            assert_eq!(overdue, None, "a deadline that has passed is dealt with by {:?}", self.now);
        }
    }

    /// The byte stream ends for one node, and with a break for both.
    fn hang_up(&mut self, me: usize, end: End) {
        for node in [me, 1 - me].into_iter().take(if end == End::Failed { 2 } else { 1 }) {
            if let Some(id) = self.ids[node] {
                self.nodes[node].handle_end(id, end, self.now);
            }
        }
    }

    /// Does what the nodes want until they want nothing more.
    fn settle(&mut self) {
        for _ in 0..MAX_OUTPUTS {
            let Some((me, output)) = (0..2).find_map(|me| Some((me, self.nodes[me].poll_output()?))) else {
                return;
            };
            self.obey(me, output);
        }
        panic!("the nodes do not come to rest");
    }

    fn obey(&mut self, me: usize, output: LocalOutput<std::convert::Infallible>) {
        let now = self.now;
        match output {
            LocalOutput::Listen { listener, address } => {
                self.nodes[me].handle_input(SwarmInput::Listening { listener, address }, now);
            }
            LocalOutput::Dial { connection, address } => {
                let dialed = SwarmInput::Dialed { connection, remote_address: address.clone() };
                self.nodes[me].handle_input(dialed, now);
                let remote = self.nodes[1].handle_incoming(self.listener, address, now);
                self.ids = [Some(connection), Some(remote)];
                (self.wires, self.inputs) = Default::default();
            }
            LocalOutput::Drive { connection } if self.ids[me] == Some(connection) => {
                let sent = self.nodes[me].poll_transmit(connection, &mut self.wires[1 - me], 700, now);
                self.moved[me].sent_bytes += sent as u64;
                if self.blocked[me] && self.nodes[me].wants_input(connection) {
                    self.offer(me);
                }
            }
            LocalOutput::Close { connection, how } if self.ids[me] == Some(connection) => {
                if how == Close::Now {
                    self.ids[me] = None;
                }
                // What was sent before arrives first.
                self.deliver(1 - me, usize::MAX);
                if let Some(id) = self.ids[1 - me] {
                    self.nodes[1 - me].handle_end(id, End::Closed, now);
                }
            }
            LocalOutput::Refuse { .. } => self.ids[me] = None,
            LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => {
                self.read[me].insert(stream, 0);
            }
            LocalOutput::Event(SwarmEvent::ShutDown) => self.shut_down[me] = true,
            _ => {}
        }
    }

    /// Shuts both nodes down and asserts that nothing is left.
    fn shut_down(mut self) {
        for me in 0..2 {
            self.nodes[me].handle_input(SwarmInput::Shutdown, self.now);
            self.settle();
        }
        for _ in 0..4 {
            self.deliver(0, usize::MAX);
            self.deliver(1, usize::MAX);
            self.pass(Duration::from_secs(60));
            self.settle();
        }
        assert_eq!(self.shut_down, [true; 2], "a shutdown ends");
        for (node, moved) in self.nodes.iter().zip(self.moved) {
            let swarm = node.node().swarm();
            assert_eq!((swarm.connection_count(), swarm.peers().count()), (0, 0));
            assert_eq!((node.traffic(), disagreement(&swarm.counters())), (moved, None));
        }
    }
}
