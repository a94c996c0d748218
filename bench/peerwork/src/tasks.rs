//! A node on a runtime: the shared driver, and streams of futures-io.

use crate::builder;
use crate::executors::Hosts;
use anyhow::{Context, Result, bail};
use bench_harness::streams::{self, Driven, ECHO, SINK};
use bench_harness::{Client, Flags, Mode, WAKE_UPS, announce};
use futures_util::StreamExt;
use peerwork_core::address::Multiaddr;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::Target;
use peerwork_core::swarm::{DialOptions, SwarmEvent};
use peerwork_runtime::{
    BoxFuture, Event, Events, Node, NodeBuilder, Resolver, Runtime, Socket, StartError, Stream, TcpListener,
};
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OnceCell};

/// A client on this executor.
pub(crate) fn client<E: Hosts>(executor: E, flags: &Flags, address: &str) -> Result<Box<dyn Client>> {
    let start = Dialer::start(executor.clone(), flags, address);
    Ok(Box::new(Driven::start_on(executor, flags, start)?))
}

/// Serves on this executor.
pub(crate) fn serve<E: Hosts>(executor: E, flags: &Flags) -> Result<Infallible> {
    executor.run(serve_in(executor.clone(), flags.clone()))
}

/// A node that knows its server.
#[derive(Clone)]
struct Dialer {
    node: Node,
    server: Multiaddr,
    /// The connection that streams are opened on.
    target: Arc<OnceCell<Target>>,
    /// Where connections are watched, what happens to them.
    events: Option<Arc<Mutex<Events<Infallible>>>>,
}

impl Dialer {
    async fn start<E: Hosts>(executor: E, flags: &Flags, server: &str) -> Result<Self> {
        let node = start(&executor, flags).await?;
        let events = match flags.mode {
            Mode::Conn => Some(Arc::new(Mutex::new(node.events().await?))),
            _ => None,
        };
        Ok(Self { node, server: server.parse()?, target: Arc::default(), events })
    }
}

impl streams::Node for Dialer {
    type Stream = Stream;

    async fn dial(&self) -> Result<()> {
        let connection = self.node.dial_with(self.server.clone(), DialOptions::always()).await?.connection;
        // Further ones are idle.
        drop(self.target.set(Target::Connection(connection)));
        Ok(())
    }

    async fn dial_until_closed(&self) -> Result<()> {
        let mut events = self.events.as_ref().context("nobody watches connections")?.lock().await;
        let ours = self.node.dial_with(self.server.clone(), DialOptions::always()).await?.connection;
        while let Some(event) = events.next().await {
            if matches!(event, Event::Swarm(SwarmEvent::Disconnected { connection, .. }) if connection == ours)
            {
                return Ok(());
            }
        }
        bail!("the node has stopped")
    }

    async fn open(&self, protocol: &'static str) -> Result<Stream> {
        let target = *self.target.get().context("there is no connection")?;
        Ok(self.node.open_stream(target, &[ProtocolId::from_static(protocol)]).await?)
    }
}

async fn serve_in<E: Hosts>(executor: E, flags: Flags) -> Result<Infallible> {
    let node = start(&executor, &flags).await?;
    let mut echoes = node.handle_protocol(&ProtocolId::from_static(ECHO)).await?;
    let spawner = executor.clone();
    executor.detach(async move {
        while let Some(stream) = echoes.next().await {
            spawner.detach(async { drop(streams::echo(stream).await) });
        }
    });
    let mut sinks = node.handle_protocol(&ProtocolId::from_static(SINK)).await?;
    let (spawner, read_chunk) = (executor.clone(), flags.read_chunk());
    executor.detach(async move {
        while let Some(stream) = sinks.next().await {
            spawner.detach(async move { drop(streams::sink(stream, read_chunk).await) });
        }
    });
    if flags.mode == Mode::Conn {
        let (mut events, node) = (node.events().await?, node.clone());
        executor.detach(async move {
            while let Some(event) = events.next().await {
                if let Event::Swarm(SwarmEvent::Connected { connection, .. }) = event {
                    node.disconnect(connection).await.ok();
                }
            }
        });
    }
    announce(node.listen("/ip4/127.0.0.1/tcp/0".parse()?).await?.address);
    std::future::pending().await
}

async fn start<E: Hosts>(executor: &E, flags: &Flags) -> Result<Node> {
    let runtime = executor.runtime();
    Ok(if flags.counts_wake_ups() {
        NodeBuilder::from(builder(flags)?).runtime(Counting(runtime)).start().await?
    } else {
        NodeBuilder::from(builder(flags)?).runtime(runtime).start().await?
    })
}

/// A runtime that counts how often the tasks of a node are polled.
#[derive(Clone)]
struct Counting<R>(R);

impl<R: Runtime> Runtime for Counting<R> {
    fn current() -> Result<Self, StartError> {
        R::current().map(Self)
    }

    fn spawn(&self, mut task: BoxFuture<()>) {
        self.0.spawn(Box::pin(poll_fn(move |context| {
            WAKE_UPS.fetch_add(1, Ordering::Relaxed);
            task.as_mut().poll(context)
        })));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        self.0.sleep(duration)
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn since_1970(&self) -> Duration {
        self.0.since_1970()
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Socket>>> {
        self.0.connect(address)
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpListener>> {
        self.0.listen(address)
    }

    fn resolver(&self) -> Arc<dyn Resolver> {
        self.0.resolver()
    }
}
