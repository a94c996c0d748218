//! What an idle connection costs in the single-threaded loop, everything counted: the connection, what the swarm, ping and
//! identify know of it, and what the allocator was asked for.

#![allow(clippy::print_stdout, reason = "what was measured is worth a look")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use bytes::BytesMut;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::{Connection, ConnectionId};
use peerwork_core::crypto::{CryptoProvider, Portable};
use peerwork_core::machine::Close;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder, NodeConfig};
use peerwork_core::security::noise::Noise;
use peerwork_core::security::secio::Secio;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{ListenerId, Rate, SwarmInput};
use peerwork_core::time::Instant;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::collections::BTreeMap;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NOW: Instant = Instant::ORIGIN;

/// Adds a security protocol.
type Secure = fn(NodeBuilder) -> NodeBuilder;

/// What one idle connection may cost one node, by its security protocol.
const BUDGETS: &[(&str, Secure, usize)] = &[
    #[cfg(feature = "tls")]
    ("tls", |builder| builder.security(peerwork_core::security::tls::Tls::default()), 3_328),
    ("noise", |builder| builder.security(Noise), 2_624),
    ("secio", |builder| builder.security(Secio::default()), 3_456),
];

/// Two nodes and the wires between them.
struct Net {
    nodes: [LocalNode; 2],
    listener: ListenerId,
    /// For each node and connection, the other node's connection.
    peers: [BTreeMap<ConnectionId, ConnectionId>; 2],
}

impl Net {
    fn new(secure: Secure, crypto: &Arc<dyn CryptoProvider>) -> Self {
        let mut nodes = [1, 2].map(|number| {
            let configure = |config: &mut NodeConfig| {
                config.swarm.connection.crypto = Arc::clone(crypto);
                let limits = &mut config.swarm.limits;
                limits.max_connections_per_peer = usize::MAX;
                // How fast they came is forgotten when they are idle.
                limits.narrow_range.inbound_rate = Rate::UNLIMITED;
                limits.wide_range.inbound_rate = Rate::UNLIMITED;
            };
            let builder = secure(NodeBuilder::new()).muxer(Mplex::default()).configure(configure);
            builder.build_local(Seed::reproducible(number), NOW).unwrap()
        });
        let listener = nodes[1].listen("/ip4/10.0.0.2/tcp/4001".parse().unwrap(), NOW);
        let mut net = Self { nodes, listener, peers: Default::default() };
        net.run();
        net
    }

    fn dial(&mut self) {
        // Each to another network, and from another one: what is known of addresses and their ranges is counted.
        let network = self.peers[0].len();
        let address: Multiaddr = format!("/ip4/10.1.{network}.2/tcp/4001").parse().unwrap();
        self.nodes[0].dial(address, NOW);
        self.run();
    }

    fn run(&mut self) {
        while let Some((me, output)) = (0..2).find_map(|me| Some((me, self.nodes[me].poll_output()?))) {
            match output {
                LocalOutput::Listen { listener, address } => {
                    self.nodes[me].handle_input(SwarmInput::Listening { listener, address }, NOW);
                }
                LocalOutput::Dial { connection, address } => {
                    let dialed = SwarmInput::Dialed { connection, remote_address: address };
                    self.nodes[me].handle_input(dialed, NOW);
                    let from = format!("/ip4/10.2.{}.1/tcp/50000", self.peers[1].len()).parse().unwrap();
                    let remote = self.nodes[1].handle_incoming(self.listener, from, NOW);
                    self.peers[0].insert(connection, remote);
                    self.peers[1].insert(remote, connection);
                }
                LocalOutput::Drive { connection } => self.drive(me, connection),
                LocalOutput::Close { how: Close::Now, connection } => panic!("{connection:?} was closed"),
                _ => {}
            }
        }
    }

    fn drive(&mut self, me: usize, connection: ConnectionId) {
        let mut wire = BytesMut::new();
        while let Some(&remote) = self.peers[me].get(&connection)
            && self.nodes[me].poll_transmit(connection, &mut wire, 4096, NOW) > 0
        {
            self.nodes[1 - me].handle_bytes(remote, &mut wire, NOW);
            assert!(wire.is_empty(), "nothing is cut here");
        }
    }
}

/// One test, because others at the same time would be counted too.
#[test]
fn an_idle_connection_costs_less_than_three_kibibytes() {
    let providers: Vec<Arc<dyn CryptoProvider>> = vec![
        Arc::new(Portable),
        // Not counted is what aws-lc allocates by itself: all of it is gone with the handshake, or with the frame.
        #[cfg(feature = "aws-lc")]
        Arc::new(peerwork_core::crypto::Fast),
    ];
    for crypto in providers {
        for &(security, secure, budget) in BUDGETS {
            let (each, allocations) = measure(secure, &crypto);
            let (name, own) = (crypto.name(), size_of::<Connection>());
            println!(
                "{each} bytes for an idle connection at one node, {security}, {name}, of which {own} are the connection itself"
            );
            println!("{allocations} live allocations");
            assert!(each <= budget, "{each} bytes are over the budget of {budget}, {security}, {name}");
        }
    }
}

/// The bytes and the allocations of each idle connection at one node.
fn measure(secure: Secure, crypto: &Arc<dyn CryptoProvider>) -> (usize, usize) {
    const COUNT: usize = 200;
    let mut net = Net::new(secure, crypto);
    // What is allocated once is not counted.
    net.dial();
    let region = Region::new(ALLOCATOR);
    for _ in 0..COUNT {
        net.dial();
    }
    let change = region.change();
    assert_eq!(net.nodes[0].node().swarm().connection_count(), COUNT + 1);
    let own = net.peers.iter().map(|peers| peers.len() * 32).sum::<usize>();
    let live = change.bytes_allocated - change.bytes_deallocated - own;
    (live / (2 * COUNT), (change.allocations - change.deallocations) / (2 * COUNT))
}
