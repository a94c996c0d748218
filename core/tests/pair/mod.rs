//! Two nodes in one loop, in virtual time, with everything that they said.

use bytes::BytesMut;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::ConnectionId;
use peerwork_core::machine::{Close, End};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder, NodeEvent};
use peerwork_core::protocols::{Protocols, StreamKey, Target};
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{ListenerId, SwarmEvent, SwarmInput};
use peerwork_core::time::Instant;
use std::time::Duration;

/// What both nodes accept streams of.
pub(crate) const PROTOCOL: ProtocolId = ProtocolId::from_static("/test/1.0.0");

/// Two nodes; the first one dials the second one.
pub(crate) struct Pair<P: Protocols = ()> {
    pub(crate) nodes: [LocalNode<P>; 2],
    pub(crate) listener: ListenerId,
    pub(crate) ids: [Option<ConnectionId>; 2],
    /// `wires[i]` leads to node `i`.
    pub(crate) wires: [BytesMut; 2],
    /// Nothing gets through any more.
    pub(crate) cut: bool,
    pub(crate) now: Instant,
    /// Streams that were opened, at either end.
    pub(crate) opened: [Vec<StreamKey>; 2],
    pub(crate) events: [Vec<SwarmEvent>; 2],
    pub(crate) protocol_events: [Vec<NodeEvent<P::Event>>; 2],
}

#[allow(dead_code, reason = "each test program uses some of it")]
impl Pair {
    pub(crate) fn address() -> Multiaddr {
        "/ip4/10.0.0.2/tcp/1".parse().unwrap()
    }
}

#[allow(dead_code, reason = "each test program uses some of it")]
impl<P: Protocols> Pair<P> {
    /// Two nodes built by `builder`, the second of which listens.
    pub(crate) fn new(builder: impl Fn() -> NodeBuilder<P>) -> Self {
        let now = Instant::ORIGIN;
        let mut nodes = [1, 2].map(|number| builder().build_local(Seed::reproducible(number), now).unwrap());
        for node in &mut nodes {
            node.handle_protocol(PROTOCOL, now);
        }
        let listener = nodes[1].listen(Pair::address(), now);
        let mut pair = Self {
            nodes,
            listener,
            ids: [None; 2],
            wires: Default::default(),
            cut: false,
            now,
            opened: Default::default(),
            events: Default::default(),
            protocol_events: Default::default(),
        };
        pair.run();
        pair
    }

    /// Two nodes with a connection.
    pub(crate) fn connected(builder: impl Fn() -> NodeBuilder<P>) -> Self {
        let mut pair = Self::new(builder);
        pair.nodes[0].dial(Pair::address(), pair.now);
        pair.run();
        pair
    }

    /// Does what the nodes want until nothing moves any more.
    pub(crate) fn run(&mut self) {
        loop {
            let mut moved = false;
            for me in 0..2 {
                while let Some(output) = self.nodes[me].poll_output() {
                    self.obey(me, output);
                    moved = true;
                }
                let Some(id) = self.ids[me] else { continue };
                moved |= self.nodes[me].poll_transmit(id, &mut self.wires[1 - me], 64 * 1024, self.now) > 0;
                let waiting = self.wires[me].len();
                if waiting > 0 && self.nodes[me].wants_input(id) && !self.cut {
                    self.nodes[me].handle_bytes(id, &mut self.wires[me], self.now);
                    moved |= self.wires[me].len() < waiting;
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn obey(&mut self, me: usize, output: LocalOutput<P::Event>) {
        match output {
            LocalOutput::Listen { listener, address } => {
                self.nodes[me].handle_input(SwarmInput::Listening { listener, address }, self.now);
            }
            LocalOutput::Dial { connection, address } => {
                let dialed = SwarmInput::Dialed { connection, remote_address: address.clone() };
                self.nodes[me].handle_input(dialed, self.now);
                let remote = self.nodes[1].handle_incoming(self.listener, address, self.now);
                self.ids = [Some(connection), Some(remote)];
            }
            LocalOutput::Close { connection, how } if self.ids[me] == Some(connection) => {
                let wire = &mut self.wires[1 - me];
                while self.nodes[me].poll_transmit(connection, wire, 64 * 1024, self.now) > 0 {}
                if how == Close::Now {
                    self.ids[me] = None;
                }
                if let (Some(remote), false) = (self.ids[1 - me], self.cut) {
                    // What was sent before arrives first.
                    self.nodes[1 - me].handle_bytes(remote, &mut self.wires[1 - me], self.now);
                    self.nodes[1 - me].handle_end(remote, End::Closed, self.now);
                }
            }
            LocalOutput::Event(SwarmEvent::Dialing(_)) => {}
            LocalOutput::Event(event) => {
                if let SwarmEvent::StreamOpened { stream, .. } = event {
                    self.opened[me].push(stream);
                }
                self.events[me].push(event);
            }
            LocalOutput::Protocol(event) => self.protocol_events[me].push(event),
            _ => {}
        }
    }

    /// Lets time pass for both nodes, stopping at each deadline.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let next =
                self.nodes.iter().filter_map(LocalNode::poll_timeout).map(|deadline| deadline.at).min();
            self.now = next.filter(|at| *at < end).unwrap_or(end);
            for node in &mut self.nodes {
                node.handle_timeout(self.now);
            }
            self.run();
            if self.now == end {
                return;
            }
        }
    }

    /// Opens a stream of `protocol` from node 0 and gives its near end, if it is agreed on.
    pub(crate) fn open_to(&mut self, protocol: &ProtocolId) -> Option<StreamKey> {
        self.opened = Default::default();
        let peer = self.nodes[1].local_peer();
        self.nodes[0].open_stream(Target::Peer(peer), protocol.clone(), self.now);
        self.run();
        self.opened[0].pop()
    }

    /// Opens a stream from node 0 and gives both its ends, or `None` if it does not arrive.
    pub(crate) fn open(&mut self) -> Option<[StreamKey; 2]> {
        Some([self.open_to(&PROTOCOL)?, self.opened[1].pop()?])
    }
}
