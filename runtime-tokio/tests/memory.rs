//! What an idle connection costs on tokio, everything counted: the connection and what the node knows of it, its task with its
//! timer, and the socket's registration.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use peerwork_core::address;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::node::NodeConfig;
use peerwork_core::security::secio::Secio;
use peerwork_tokio::{Node, NodeBuilder};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::time::Duration;

fn builder() -> NodeBuilder {
    NodeBuilder::new().security(Secio::default()).muxer(Mplex::default())
}

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one idle connection may cost one node.
const BUDGET_BYTES: usize = 5 * 1024;

/// Waits until nothing is allocated or freed any more.
async fn settle() {
    let mut region = Region::new(ALLOCATOR);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let change = region.change_and_reset();
        if change.bytes_allocated < 4096 {
            return;
        }
    }
}

async fn dial(from: &Node, to: &address::Multiaddr, count: usize) {
    for _ in 0..count {
        from.dial(to.clone()).await.unwrap();
    }
    settle().await;
}

#[test]
fn an_idle_connection_costs_less_than_five_kibibytes() {
    const COUNT: usize = 200;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let test = async {
        let many = |config: &mut NodeConfig| config.swarm.limits.max_connections_per_peer = usize::MAX;
        let start = || builder().configure(many).start();
        let nodes = [start().await.unwrap(), start().await.unwrap()];
        let any_port = address::parse("/ip4/127.0.0.1/tcp/0").unwrap();
        let address = nodes[1].listen(any_port).await.unwrap().address;
        // What is allocated once is not counted.
        dial(&nodes[0], &address, 10).await;
        let region = Region::new(ALLOCATOR);
        dial(&nodes[0], &address, COUNT).await;
        let change = region.change();
        (change.bytes_allocated - change.bytes_deallocated) / (2 * COUNT)
    };
    let each = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.unwrap() });
    println!("{each} bytes for an idle connection at one node");
    assert!(each <= BUDGET_BYTES, "{each} bytes are over the budget of {BUDGET_BYTES}");
}
