//! Nothing wakes a node that has nothing to do.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use peerwork_core::node;
use peerwork_core::swarm::DialOptions;
use peerwork_runtime::{BoxFuture, Node, NodeBuilder, Resolver, Runtime, Socket, StartError, TcpListener};
use peerwork_tokio::Tokio;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 20;
/// Longer than what any timer of a connection that was just made is set to.
const SETTLED: Duration = Duration::from_secs(300);
const LONG: Duration = Duration::from_secs(3600);

/// tokio, and how often the tasks of its nodes were polled.
#[derive(Clone)]
struct Counting {
    tokio: Tokio,
    polls: Arc<AtomicU64>,
}

impl Counting {
    async fn node(&self) -> Node {
        // Without keep-alives, which are ping's, and without an end.
        let node = node::NodeBuilder::new().configure(|config| {
            config.ping.interval = None;
            config.swarm.connection.idle_timeout = None;
            config.swarm.limits.max_connections_per_peer = CONNECTIONS;
        });
        NodeBuilder::from(node).runtime(self.clone()).start().await.unwrap()
    }

    /// How often tasks are polled in a while in which nobody does anything.
    async fn polls_within(&self, time: Duration) -> u64 {
        let before = self.polls.load(Ordering::Relaxed);
        tokio::time::advance(time).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.polls.load(Ordering::Relaxed) - before
    }
}

impl Runtime for Counting {
    fn current() -> Result<Self, StartError> {
        Ok(Self { tokio: Tokio::current()?, polls: Arc::default() })
    }

    fn spawn(&self, mut task: BoxFuture<()>) {
        let polls = self.polls.clone();
        self.tokio.spawn(Box::pin(std::future::poll_fn(move |cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            task.as_mut().poll(cx)
        })));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.tokio.sleep(duration)
    }

    fn now(&self) -> Instant {
        self.tokio.now()
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Socket>>> {
        self.tokio.connect(address)
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpListener>> {
        self.tokio.listen(address)
    }

    fn resolver(&self) -> Arc<dyn Resolver> {
        self.tokio.resolver()
    }
}

#[tokio::test]
async fn idle_connections_wake_nobody() {
    let runtime = Counting::current().unwrap();
    let (server, client) = (runtime.node().await, runtime.node().await);
    let address = server.listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).await.unwrap().address;
    let mut last = None;
    for _ in 0..CONNECTIONS {
        last = Some(client.dial_with(address.clone(), DialOptions::always()).await.unwrap());
    }
    // Identify is exchanged meanwhile.
    tokio::time::sleep(Duration::from_millis(500)).await;
    tokio::time::pause();
    // Timers that were set for what has been done since are not taken back: each rings once.
    let settling = runtime.polls_within(SETTLED).await;
    assert!(settling <= 2 * CONNECTIONS as u64 + 2, "{settling} polls");
    assert_eq!(runtime.polls_within(LONG).await, 0);
    assert!(client.why_alive(last.unwrap().connection).await.unwrap().is_some(), "it is still there");
}
