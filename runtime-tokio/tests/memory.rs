//! What an idle connection and an idle stream cost on tokio, everything counted: a connection and what the node knows of it, its task
//! with its timer, and the socket's registration; a stream at every level, and its handle.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
use peerwork_core::address;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::NodeConfig;
use peerwork_core::security::secio::Secio;
use peerwork_tokio::{Node, NodeBuilder, Stream, Target};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::time::Duration;

const PROTOCOL: ProtocolId = ProtocolId::from_static("/test/1.0.0");

const ANY_PORT: &str = "/ip4/127.0.0.1/tcp/0";

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one idle connection may cost one node.
const CONNECTION_BUDGET_BYTES: usize = 5 * 1024;

/// What one idle stream may cost one node: 0.4 KiB.
const STREAM_BUDGET_BYTES: usize = 409;

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

/// Opens streams, and sends something back and forth on each.
async fn open(
    nodes: &[Node; 2],
    incoming: &mut (impl StreamExt<Item = Stream> + Unpin),
    to: Target,
) -> [Stream; 2] {
    let mut ours = nodes[0].open_stream(to, &[PROTOCOL]).await.unwrap();
    ours.write_all(b"there").await.unwrap();
    ours.flush().await.unwrap();
    let mut theirs = incoming.next().await.unwrap();
    theirs.read_exact(&mut [0; 5]).await.unwrap();
    theirs.write_all(b"back").await.unwrap();
    theirs.flush().await.unwrap();
    ours.read_exact(&mut [0; 4]).await.unwrap();
    [ours, theirs]
}

async fn idle_connection() -> usize {
    const COUNT: usize = 200;
    let builder = || NodeBuilder::new().security(Secio::default()).muxer(Mplex::default());
    let many = |config: &mut NodeConfig| config.swarm.limits.max_connections_per_peer = usize::MAX;
    let start = || builder().configure(many).start();
    let nodes = [start().await.unwrap(), start().await.unwrap()];
    let address = nodes[1].listen(address::parse(ANY_PORT).unwrap()).await.unwrap().address;
    // What is allocated once is not counted.
    dial(&nodes[0], &address, 10).await;
    let region = Region::new(ALLOCATOR);
    dial(&nodes[0], &address, COUNT).await;
    let change = region.change();
    (change.bytes_allocated - change.bytes_deallocated) / (2 * COUNT)
}

async fn idle_stream() -> usize {
    // With those before, nearly a power of two, to which the tables grow.
    const COUNT: usize = 1_000;
    let start = || NodeBuilder::new().start();
    let nodes = [start().await.unwrap(), start().await.unwrap()];
    let mut incoming = nodes[1].handle_protocol(&PROTOCOL).await.unwrap();
    let address = nodes[1].listen(address::parse(ANY_PORT).unwrap()).await.unwrap().address;
    let to = Target::Connection(nodes[0].dial(address).await.unwrap().connection);
    let mut first = Vec::new();
    for _ in 0..16 {
        first.push(open(&nodes, &mut incoming, to).await);
    }
    settle().await;
    let region = Region::new(ALLOCATOR);
    let mut streams = Vec::with_capacity(COUNT);
    for _ in 0..COUNT {
        streams.push(open(&nodes, &mut incoming, to).await);
    }
    settle().await;
    let change = region.change();
    (change.bytes_allocated - change.bytes_deallocated) / (2 * COUNT)
}

/// One test, because others at the same time would be counted too.
#[test]
fn idle_connections_and_streams_cost_little() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let test = async { (idle_connection().await, idle_stream().await) };
    let test = async { tokio::time::timeout(Duration::from_secs(60), test).await.unwrap() };
    let (connection, stream) = runtime.block_on(test);
    println!("{connection} bytes for an idle connection, {stream} for an idle stream, at one node");
    assert!(
        connection <= CONNECTION_BUDGET_BYTES,
        "{connection} is over the budget of {CONNECTION_BUDGET_BYTES}"
    );
    assert!(stream <= STREAM_BUDGET_BYTES, "{stream} is over the budget of {STREAM_BUDGET_BYTES}");
}
