//! A node behind a NAT, and nodes that see it from outside: all whole, in one thread.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use bytes::BytesMut;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::ConnectionId;
use peerwork_core::machine::{Close, End};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder, NodeEvent};
use peerwork_core::protocols::identify::{ExternalState, IdentifyEvent};
use peerwork_core::security::secio::Secio;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{ListenerId, SwarmInput};
use peerwork_core::time::Instant;
use std::collections::BTreeMap;
use std::convert::Infallible;

const NOW: Instant = Instant::ORIGIN;

/// Where the node behind the NAT listens, and where that is from outside.
const INSIDE: &str = "/ip4/10.0.0.1/tcp/4001";
const OUTSIDE: &str = "/ip4/203.0.113.1/tcp/9001";

/// Node 0 is behind the NAT; the others dial it, each from a network of its own.
struct Net {
    nodes: [LocalNode; 6],
    listener: ListenerId,
    /// The other end of each connection.
    ends: BTreeMap<(usize, ConnectionId), (usize, ConnectionId)>,
    external: Vec<(Multiaddr, ExternalState)>,
    /// Where node 0 says that it can be reached, as each of the others heard last.
    told: BTreeMap<usize, Vec<Multiaddr>>,
}

impl Net {
    fn new() -> Self {
        let mut nodes = [0, 1, 2, 3, 4, 5].map(|number| {
            let builder = NodeBuilder::new().security(Secio::default()).muxer(Mplex::default());
            builder.build_local(Seed::reproducible(number), NOW).unwrap()
        });
        let listener = nodes[0].listen(INSIDE.parse().unwrap(), NOW);
        let (ends, told) = (BTreeMap::new(), BTreeMap::new());
        let mut net = Self { nodes, listener, ends, external: Vec::new(), told };
        net.run();
        net
    }

    fn dial(&mut self, number: usize) {
        self.nodes[number].dial(OUTSIDE.parse::<Multiaddr>().unwrap(), NOW);
        self.run();
    }

    fn run(&mut self) {
        while let Some((me, output)) =
            (0..self.nodes.len()).find_map(|me| Some((me, self.nodes[me].poll_output()?)))
        {
            self.handle(me, output);
        }
    }

    fn handle(&mut self, me: usize, output: LocalOutput<Infallible>) {
        match output {
            LocalOutput::Listen { listener, address } => {
                self.nodes[me].handle_input(SwarmInput::Listening { listener, address }, NOW);
            }
            LocalOutput::Dial { connection, address } => {
                let dialed = SwarmInput::Dialed { connection, remote_address: address };
                self.nodes[me].handle_input(dialed, NOW);
                let from = format!("/ip4/198.51.100.{me}/tcp/50000").parse().unwrap();
                let remote = self.nodes[0].handle_incoming(self.listener, from, NOW);
                self.ends.insert((me, connection), (0, remote));
                self.ends.insert((0, remote), (me, connection));
            }
            LocalOutput::Drive { connection } => self.drive(me, connection),
            LocalOutput::Close { connection, how } => {
                self.drive(me, connection);
                if let Some(&(other, remote)) = self.ends.get(&(me, connection)) {
                    self.nodes[other].handle_end(remote, End::Closed, NOW);
                }
                if how == Close::Now {
                    self.ends.remove(&(me, connection));
                }
            }
            LocalOutput::Protocol(NodeEvent::Identify(event)) => match event {
                IdentifyEvent::ExternalAddress { address, state } => {
                    assert_eq!(me, 0, "the others dialled");
                    self.external.push((address, state));
                }
                IdentifyEvent::Received { info, .. } if me > 0 => {
                    self.told.insert(me, info.listen_addresses.clone());
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn drive(&mut self, me: usize, connection: ConnectionId) {
        let mut wire = BytesMut::new();
        while let Some(&(other, remote)) = self.ends.get(&(me, connection))
            && self.nodes[me].poll_transmit(connection, &mut wire, 4096, NOW) > 0
        {
            self.nodes[other].handle_bytes(remote, &mut wire, NOW);
        }
    }

    fn disconnect(&mut self, number: usize) {
        let (_, connection) = *self.ends.keys().find(|(node, _)| *node == number).unwrap();
        self.nodes[number].handle_input(SwarmInput::Disconnect { connection }, NOW);
        self.run();
    }
}

#[test]
fn a_node_learns_from_four_others_where_it_is_and_tells_the_fifth() {
    let mut net = Net::new();
    let outside: Multiaddr = OUTSIDE.parse().unwrap();
    for number in 1..=3 {
        net.dial(number);
    }
    assert_eq!(net.external, []);
    assert!(!net.told[&3].contains(&outside), "{:?}", net.told[&3]);
    net.dial(4);
    assert_eq!(net.external, [(outside.clone(), ExternalState::Confirmed)]);
    net.dial(5);
    assert_eq!(net.external.len(), 1, "no news");
    assert!(net.told[&5].contains(&outside), "{:?}", net.told[&5]);
    net.disconnect(5);
    assert_eq!(net.external.len(), 1, "four are left");
    net.disconnect(1);
    assert_eq!(net.external[1..], [(outside, ExternalState::Expired)]);
}
