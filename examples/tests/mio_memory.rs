//! The loop on mio allocates nothing per wake-up: hundreds of connections, small messages to and fro on all of them, everything counted.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
#![allow(clippy::print_stdout, reason = "what was measured is worth a look")]

use peerwork_core::node::{LocalOutput, NodeBuilder};
use peerwork_core::swarm::{DialOptions, SwarmEvent};
use peerwork_examples::echo::{Caller, ECHO, Echo};
use peerwork_examples::loops::build;
use peerwork_examples::loops::mio::MioNode;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Both ends, in one thread: what either allocates is counted.
struct Pair {
    connections: usize,
    nodes: [MioNode; 2],
    caller: Caller,
    echo: Echo,
    wakes: usize,
}

impl Pair {
    fn new(connections: usize, bytes: usize) -> Self {
        let node = || {
            let many = |config: &mut peerwork_core::node::NodeConfig| {
                config.swarm.limits.max_connections_per_peer = usize::MAX;
                // A ping's message has memory of its own, every 15 seconds.
                config.ping.interval = None;
            };
            MioNode::new(build(NodeBuilder::new().configure(many)).unwrap()).unwrap()
        };
        let mut pair = Self {
            nodes: [node(), node()],
            connections,
            caller: Caller::new(vec![7; bytes]),
            echo: Echo::default(),
            wakes: 0,
        };
        let now = pair.nodes[1].now();
        pair.nodes[1].node().handle_protocol(ECHO, now);
        pair.nodes[1].node().listen("/ip4/127.0.0.1/tcp/0".parse().unwrap(), now);
        pair
    }

    fn turn(&mut self) {
        self.wakes += 1;
        let [alice, bob] = &mut self.nodes;
        bob.turn(Some(Duration::ZERO)).unwrap();
        while let Some(output) = bob.poll_output() {
            let now = bob.now();
            self.echo.handle(bob.node(), &output, now);
            if let LocalOutput::Event(SwarmEvent::Listening { address, .. }) = output {
                for _ in 0..self.connections {
                    let now = alice.now();
                    alice.node().dial_with(address.clone(), DialOptions::always(), now);
                }
            }
        }
        alice.turn(Some(Duration::ZERO)).unwrap();
        while let Some(output) = alice.poll_output() {
            let now = alice.now();
            self.caller.handle(alice.node(), &output, now);
        }
    }

    /// Says something on all connections, and waits for the echoes.
    fn round(&mut self) {
        let wanted = self.caller.echoes + self.connections;
        let now = self.nodes[0].now();
        self.caller.repeat(self.nodes[0].node(), now);
        while self.caller.echoes < wanted {
            self.turn();
        }
    }
}

#[test]
fn a_wake_up_allocates_nothing() {
    // In the second case windows are used up and granted.
    for (connections, bytes, rounds) in [(300, 32, 100), (20, 1_000, 400)] {
        let mut pair = Pair::new(connections, bytes);
        while pair.caller.echoes < connections {
            pair.turn();
        }
        // What is allocated once is not counted.
        for _ in 0..rounds / 2 {
            pair.round();
        }
        let (region, wakes) = (Region::new(ALLOCATOR), pair.wakes);
        for _ in 0..rounds {
            pair.round();
        }
        // Nothing to do: a deadline, or nothing at all, was what woke it.
        for _ in 0..100 {
            pair.turn();
        }
        let (change, wakes) = (region.change(), pair.wakes - wakes);
        println!(
            "{wakes} wake-ups of each node, {} echoes of {bytes} bytes: {change:?}",
            rounds * connections
        );
        assert_eq!((change.allocations, change.reallocations, change.deallocations), (0, 0, 0));
    }
}
