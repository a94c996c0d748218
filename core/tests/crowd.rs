//! A thousand of everything at once, in one thread and in virtual time: nothing is lost, and afterwards nothing is left.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use bytes::{Buf, Bytes, BytesMut};
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::{ConnectionId, StreamEvent};
use peerwork_core::machine::{Close, End};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::muxer::{ReadError, WriteError};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder};
use peerwork_core::protocols::{StreamKey, Target};
use peerwork_core::security::secio::Secio;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{ListenerId, RangeLimits, SwarmEvent, SwarmInput, Usage};
use peerwork_core::time::Instant;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::collections::BTreeMap;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ECHO: ProtocolId = ProtocolId::from_static("/crowd/echo");

const COUNT: usize = 1_000;

/// More than all of them together find room for in the buffers on the way.
const PAYLOAD: usize = 2_000;

/// What the harness allocates on a thread of its own, at any time.
const HARNESS_BYTES: usize = 1_024;

fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// One end of an echo.
#[derive(Default)]
struct Talk {
    unsent: Bytes,
    received: usize,
    /// What is received is sent back.
    echoes: bool,
    closed: bool,
    done: bool,
}

/// A node that dials and opens, one that listens and echoes, and the wires between them.
struct Net {
    nodes: [LocalNode; 2],
    listener: ListenerId,
    now: Instant,
    /// For each node and connection: the other node's connection, and what has arrived and is not taken.
    ends: [BTreeMap<ConnectionId, (ConnectionId, BytesMut)>; 2],
    talks: BTreeMap<(usize, StreamKey), Talk>,
    done: usize,
}

impl Net {
    fn new() -> Self {
        let now = Instant::ORIGIN;
        let mut nodes = [1, 2].map(|number| {
            let builder =
                NodeBuilder::new().security(Secio::default()).muxer(Mplex::default()).configure(|config| {
                    config.ping.interval = None;
                    // They are two peers only.
                    let limits = &mut config.swarm.limits;
                    limits.max_connections_per_peer = COUNT + 1;
                    limits.narrow_range = RangeLimits::UNLIMITED;
                    limits.wide_range = RangeLimits::UNLIMITED;
                    limits.max_inbound_streams_per_peer = 4 * COUNT;
                    limits.max_outbound_streams_per_peer = 4 * COUNT;
                });
            builder.build_local(Seed::reproducible(number), now).unwrap()
        });
        nodes[1].handle_protocol(ECHO, now);
        let listener = nodes[1].listen("/ip4/10.0.0.2/tcp/4001".parse().unwrap(), now);
        let mut net =
            Self { nodes, listener, now, ends: Default::default(), talks: BTreeMap::new(), done: 0 };
        net.run();
        net
    }

    fn dial(&mut self) -> ConnectionId {
        self.nodes[0].dial("/ip4/10.0.0.2/tcp/4001".parse::<Multiaddr>().unwrap(), self.now);
        self.run();
        *self.ends[0].last_key_value().unwrap().0
    }

    fn open(&mut self, connection: ConnectionId) {
        self.nodes[0].open_stream(Target::Connection(connection), ECHO, self.now);
    }

    /// Does what the nodes want until they want nothing more.
    fn run(&mut self) {
        while let Some((me, output)) = (0..2).find_map(|me| Some((me, self.nodes[me].poll_output()?))) {
            match output {
                LocalOutput::Listen { listener, address } => {
                    self.nodes[me].handle_input(SwarmInput::Listening { listener, address }, self.now);
                }
                LocalOutput::Dial { connection, address } => {
                    let from = "/ip4/10.0.0.1/tcp/50000".parse().unwrap();
                    let remote = self.nodes[1].handle_incoming(self.listener, from, self.now);
                    self.ends[0].insert(connection, (remote, BytesMut::new()));
                    self.ends[1].insert(remote, (connection, BytesMut::new()));
                    let dialed = SwarmInput::Dialed { connection, remote_address: address };
                    self.nodes[0].handle_input(dialed, self.now);
                }
                LocalOutput::Drive { connection } => self.drive(me, connection),
                LocalOutput::Close { connection, how } => self.close(me, connection, how),
                LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => {
                    let unsent = if me == 0 { Bytes::from(vec![7; PAYLOAD]) } else { Bytes::new() };
                    let talk = Talk { unsent, echoes: me == 1, ..Talk::default() };
                    self.talks.insert((me, stream), talk);
                    self.talk(me, stream);
                }
                LocalOutput::Event(SwarmEvent::StreamFailed { error, .. }) => panic!("no stream: {error}"),
                LocalOutput::Event(SwarmEvent::DialFailed { error, .. }) => panic!("no connection: {error}"),
                LocalOutput::Stream(
                    connection,
                    StreamEvent::Readable(stream) | StreamEvent::Writable(stream),
                ) => {
                    self.talk(me, StreamKey { connection, stream });
                }
                LocalOutput::Stream(_, event) => panic!("a stream was lost: {event:?}"),
                _ => {}
            }
        }
    }

    /// Carries what a connection has to send, and offers it what has arrived.
    fn drive(&mut self, me: usize, connection: ConnectionId) {
        let Some((remote, _)) = self.ends[me].get(&connection) else { return };
        let remote = *remote;
        if let Some((_, wire)) = self.ends[1 - me].get_mut(&remote) {
            while self.nodes[me].poll_transmit(connection, wire, 64 * 1024, self.now) > 0 {}
        }
        for (node, connection) in [(1 - me, remote), (me, connection)] {
            if let Some((_, wire)) = self.ends[node].get_mut(&connection) {
                if !wire.is_empty() && self.nodes[node].wants_input(connection) {
                    self.nodes[node].handle_bytes(connection, wire, self.now);
                }
                if wire.is_empty() {
                    *wire = BytesMut::new();
                }
            }
        }
    }

    fn close(&mut self, me: usize, connection: ConnectionId, how: Close) {
        self.drive(me, connection);
        let Some((remote, _)) = self.ends[me].get(&connection) else { return };
        self.nodes[1 - me].handle_end(*remote, End::Closed, self.now);
        if how == Close::Now {
            self.ends[me].remove(&connection);
        }
    }

    fn talk(&mut self, me: usize, key: StreamKey) {
        let node = &mut self.nodes[me];
        let Some(talk) = self.talks.get_mut(&(me, key)) else { return };
        while !talk.done {
            if !talk.unsent.is_empty() {
                match node.write(key, &talk.unsent, self.now) {
                    Ok(taken) => talk.unsent.advance(taken),
                    Err(WriteError::Blocked) => return,
                    Err(WriteError::Closed) => panic!("a stream was closed"),
                }
                continue;
            }
            if !talk.echoes && !std::mem::replace(&mut talk.closed, true) {
                node.close_write(key, self.now);
            }
            match node.read(key, usize::MAX, self.now) {
                Ok(bytes) => {
                    talk.received += bytes.len();
                    if talk.echoes {
                        talk.unsent = bytes;
                    }
                }
                Err(ReadError::Blocked) => return,
                Err(ReadError::Ended) => talk.done = true,
                Err(ReadError::Closed) => panic!("a stream was reset"),
            }
        }
        assert_eq!(talk.received, PAYLOAD, "nothing is lost");
        if talk.echoes {
            node.close_write(key, self.now);
        } else {
            self.done += 1;
        }
        self.talks.remove(&(me, key));
    }

    fn disconnect(&mut self) {
        let connections: Vec<ConnectionId> = self.ends[0].keys().copied().collect();
        for connection in connections {
            self.nodes[0].handle_input(SwarmInput::Disconnect { connection }, self.now);
        }
        self.run();
    }

    /// Asserts that nothing is left.
    fn assert_empty(&self) {
        for node in &self.nodes {
            assert_eq!(node.node().swarm().usage(), Usage::default());
            assert_eq!(node.node().swarm().peers().count(), 0);
            assert_eq!((node.connection_count(), node.stream_count()), (0, 0));
            assert_eq!(node.poll_timeout(), None);
        }
        assert!(self.talks.is_empty() && self.ends.iter().all(BTreeMap::is_empty));
    }
}

/// What `all` leaves behind on the heap, after the same has been done once with `one`.
fn assert_back(one: impl FnOnce(&mut Net), all: impl FnOnce(&mut Net)) {
    let mut net = Net::new();
    one(&mut net);
    net.disconnect();
    net.assert_empty();
    let (before, done) = (live_bytes(), net.done);
    all(&mut net);
    assert_eq!(net.done - done, COUNT, "every echo came back");
    net.disconnect();
    net.assert_empty();
    let after = live_bytes();
    assert!(after.abs_diff(before) <= before / 100 + HARNESS_BYTES, "{before} bytes before, {after} after");
}

#[test]
fn a_thousand_of_everything() {
    assert_back(
        |net| {
            let connection = net.dial();
            net.open(connection);
            net.run();
        },
        |net| {
            let connection = net.dial();
            for _ in 0..COUNT {
                net.open(connection);
            }
            assert!(net.nodes[0].stream_count() >= COUNT, "all are open at the same time");
            net.run();
        },
    );
    assert_back(
        |net| {
            let connection = net.dial();
            net.open(connection);
            net.run();
        },
        |net| {
            for _ in 0..COUNT {
                let connection = net.dial();
                net.open(connection);
            }
            net.run();
        },
    );
}
