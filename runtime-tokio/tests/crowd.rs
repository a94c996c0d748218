//! A thousand of everything at once, over real sockets: nothing is lost, and afterwards nothing is left.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
use peerwork_core::address;
use peerwork_core::connection::ConnectionId;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::NodeConfig;
use peerwork_core::security::secio::Secio;
use peerwork_tokio::{Node, NodeBuilder, Target};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ECHO: ProtocolId = ProtocolId::from_static("/crowd/echo");

const COUNT: usize = 1_000;

const PAYLOAD: &[u8] = &[7; 2_000];

/// Both ends of each connection are in this process.
const DESCRIPTORS: u64 = 2 * COUNT as u64 + 200;

/// How many buffers of 128 KiB, with what tells who holds them, the two nodes keep for the next to read and write with.
const KEPT_BUFFERS: usize = 2 * 8;

/// What is on the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Live {
    allocations: usize,
    bytes: usize,
}

fn live() -> Live {
    let stats = ALLOCATOR.stats();
    Live {
        allocations: stats.allocations - stats.deallocations,
        bytes: stats.bytes_allocated - stats.bytes_deallocated,
    }
}

/// Waits until so many tasks are left, and the heap no longer changes.
async fn settle(tasks: usize) {
    let mut last = (0, Live { allocations: 0, bytes: 0 });
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = (Handle::current().metrics().num_alive_tasks(), live());
        if now == last && now.0 <= tasks {
            return;
        }
        last = now;
    }
}

fn builder() -> NodeBuilder {
    NodeBuilder::new().security(Secio::default()).muxer(Mplex::default()).configure(
        |config: &mut NodeConfig| {
            config.ping.interval = None;
            // They are two peers only.
            let limits = &mut config.swarm.limits;
            limits.max_connections_per_peer = COUNT + 1;
            limits.max_inbound_streams_per_peer = 4 * COUNT;
            limits.max_outbound_streams_per_peer = 4 * COUNT;
        },
    )
}

/// A node that listens and echoes, and one that dials it.
struct Pair {
    client: Node,
    server: Node,
    address: address::Multiaddr,
    /// How many tasks there are without a connection.
    tasks: usize,
}

impl Pair {
    async fn start() -> Self {
        let client = builder().start().await.unwrap();
        let server = builder().start().await.unwrap();
        let mut incoming = server.handle_protocol(&ECHO).await.unwrap();
        tokio::spawn(async move {
            while let Some(stream) = incoming.next().await {
                tokio::spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    futures_util::io::copy(&mut reader, &mut writer).await.unwrap();
                    writer.close().await.unwrap();
                });
            }
        });
        let any_port = address::parse("/ip4/127.0.0.1/tcp/0").unwrap();
        let address = server.listen(any_port).await.unwrap().address;
        let tasks = Handle::current().metrics().num_alive_tasks();
        Self { client, server, address, tasks }
    }

    async fn dial(&self) -> ConnectionId {
        self.client.dial(self.address.clone()).await.unwrap().connection
    }

    /// What is allocated once is not counted; the queue in which tokio's tasks stand in line keeps its greatest length.
    async fn warm_up(&self) {
        let idle: JoinSet<()> = (0..4 * COUNT).map(|_| std::future::ready(())).collect();
        idle.join_all().await;
        self.echo(vec![self.dial().await]).await;
    }

    /// Echoes on a stream of each of the connections at the same time, and then closes them.
    async fn echo(&self, connections: Vec<ConnectionId>) {
        let mut echoes = JoinSet::new();
        for &connection in &connections {
            let client = self.client.clone();
            echoes.spawn(async move {
                let mut stream = client.open_stream(Target::Connection(connection), &[ECHO]).await.unwrap();
                stream.write_all(PAYLOAD).await.unwrap();
                stream.close().await.unwrap();
                let mut echo = Vec::new();
                stream.read_to_end(&mut echo).await.unwrap();
                assert_eq!(echo, PAYLOAD);
            });
        }
        while let Some(echo) = echoes.join_next().await {
            echo.unwrap();
        }
        for connection in connections {
            self.client.disconnect(connection).await.unwrap();
        }
        settle(self.tasks).await;
    }

    async fn shut_down(self) {
        self.client.shutdown().await;
        self.server.shutdown().await;
        settle(0).await;
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(120), test).await.unwrap() });
}

fn assert_back(before: Live) {
    let after = live();
    let is_back = after.allocations.abs_diff(before.allocations) <= 2 * KEPT_BUFFERS
        && after.bytes <= before.bytes + before.bytes / 100 + KEPT_BUFFERS * 128 * 1024;
    assert!(is_back, "{before:?} before, {after:?} after");
}

/// One test, because the heap is everybody's.
#[test]
fn a_thousand_of_everything() {
    run(async {
        let pair = Pair::start().await;
        pair.warm_up().await;
        let before = live();
        pair.echo(vec![pair.dial().await; COUNT]).await;
        assert_back(before);
        pair.shut_down().await;
    });
    let raised = rlimit::increase_nofile_limit(DESCRIPTORS).unwrap_or(0);
    if raised < DESCRIPTORS {
        println!("skipped: {DESCRIPTORS} descriptors are needed, and the system allows {raised}");
        return;
    }
    run(async {
        let pair = Pair::start().await;
        pair.warm_up().await;
        let before = live();
        let mut connections = Vec::new();
        for _ in 0..COUNT {
            connections.push(pair.dial().await);
        }
        pair.echo(connections).await;
        assert_back(before);
        pair.shut_down().await;
    });
}
