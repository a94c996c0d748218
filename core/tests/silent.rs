//! A flood of sockets that say nothing, in virtual time and without sockets: it locks out nobody but its own address.
//!
//! Elsewhere such a flood takes every place for connections that are not authenticated yet, and for as long as a handshake may take
//! nobody else gets in.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use bytes::BytesMut;
use peerwork_core::address::{Multiaddr, parse};
use peerwork_core::connection::{ConnectionError, ConnectionId};
use peerwork_core::machine::Close;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder};
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{ConnectionLimit, ListenerId, SwarmEvent, SwarmInput};
use peerwork_core::time::Instant;
use std::time::Duration;

/// How many sockets the flood has.
const SILENT: u16 = 1_100;

/// What the driver of a node sees of a connection's end.
type Failed = (Multiaddr, ConnectionError);

/// A node that listens, and whom it lets in.
struct Victim {
    node: LocalNode,
    listener: ListenerId,
    now: Instant,
    failed: Vec<Failed>,
    refused: usize,
}

impl Victim {
    fn new() -> Self {
        let now = Instant::ORIGIN;
        let mut node = NodeBuilder::new().build_local(Seed::reproducible(1), now).unwrap();
        let address: Multiaddr = "/ip4/127.0.0.1/tcp/4001".parse().unwrap();
        let listener = node.listen(address.clone(), now);
        node.handle_input(SwarmInput::Listening { listener, address }, now);
        Self { node, listener, now, failed: Vec::new(), refused: 0 }
    }

    fn accept(&mut self, ip: &str, port: u16) -> ConnectionId {
        let from = parse(&format!("/ip4/{ip}/tcp/{port}")).unwrap();
        let connection = self.node.handle_incoming(self.listener, from, self.now);
        self.hear();
        connection
    }

    fn hear(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                LocalOutput::Refuse { .. } => self.refused += 1,
                LocalOutput::Event(SwarmEvent::IncomingFailed { remote_address, error, .. }) => {
                    self.failed.push((remote_address, error));
                }
                LocalOutput::Drive { connection } => {
                    // The silent ones read nothing.
                    self.node.poll_transmit(connection, &mut BytesMut::new(), 4096, self.now);
                }
                _ => {}
            }
        }
    }

    /// A new node at `ip` dials, and time stands still. Whether both ends say that they are connected.
    fn meets_honest_node(&mut self, ip: &str) -> bool {
        let mut honest = NodeBuilder::new().build_local(Seed::reproducible(2), self.now).unwrap();
        honest.dial("/ip4/127.0.0.1/tcp/4001".parse::<Multiaddr>().unwrap(), self.now);
        let ends = [ConnectionId(0), self.accept(ip, 50_000)];
        let (mut wires, mut connected) = ([BytesMut::new(), BytesMut::new()], [false; 2]);
        let mut is_quiet = false;
        while !std::mem::replace(&mut is_quiet, true) {
            for (me, node) in [&mut honest, &mut self.node].into_iter().enumerate() {
                while let Some(output) = node.poll_output() {
                    match output {
                        LocalOutput::Dial { connection, address } => {
                            let dialed = SwarmInput::Dialed { connection, remote_address: address };
                            node.handle_input(dialed, self.now);
                        }
                        LocalOutput::Event(SwarmEvent::Connected { .. }) => connected[me] = true,
                        LocalOutput::Close { how: Close::Now, .. } => return false,
                        _ => {}
                    }
                }
                let offered = wires[1 - me].len();
                if offered > 0 {
                    node.handle_bytes(ends[me], &mut wires[1 - me], self.now);
                }
                let taken = offered - wires[1 - me].len();
                is_quiet &= taken + node.poll_transmit(ends[me], &mut wires[me], usize::MAX, self.now) == 0;
            }
        }
        connected == [true; 2]
    }
}

#[test]
fn a_flood_of_silent_sockets_locks_out_only_its_own_address() {
    for (flood, honest, share) in [("127.0.0.1", "127.0.0.2", 128), ("192.0.2.1", "192.0.2.2", 16)] {
        let mut victim = Victim::new();
        for port in 0..SILENT {
            victim.accept(flood, port);
        }
        let usage = victim.node.node().swarm().usage();
        assert_eq!(
            (usage.pending.inbound(), victim.refused),
            (share, usize::from(SILENT) - share),
            "{flood}"
        );
        let limit = ConnectionLimit::PendingRange { range: flood.parse().unwrap(), max: share };
        assert!(victim.failed.iter().all(|(_, error)| *error == ConnectionError::Limit(limit)));

        assert!(victim.meets_honest_node(honest), "{honest} connects without waiting for {flood}");

        // The handshake timeout ends what is left of the flood.
        victim.failed.clear();
        victim.now = victim.now + Duration::from_secs(15);
        victim.node.handle_timeout(victim.now);
        victim.hear();
        assert!(victim.failed.iter().all(|(_, error)| *error == ConnectionError::HandshakeTimeout));
        let usage = victim.node.node().swarm().usage();
        assert_eq!((victim.failed.len(), usage.pending.total(), usage.connections.total()), (share, 0, 1));
        assert!(victim.meets_honest_node(flood), "{flood} is not locked out for ever");
    }
}
