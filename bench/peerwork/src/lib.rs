//! peerwork in its default build: on tokio, and in a single-threaded loop.

mod single;

pub use single::PeerworkLoop;

use anyhow::{Context, Result, bail};
use bench_harness::streams::{self, ECHO, OnTokio, SINK};
use bench_harness::{Flags, Implementation, Mode, Muxer, Security, announce};
use futures_util::StreamExt;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::LazyStreams;
use peerwork_core::crypto::{Cipher, Hash};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::muxer::yamux::Yamux;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{NodeBuilder, NodeConfig};
use peerwork_core::security::noise::Noise;
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::tls::Tls;
use peerwork_core::swarm::{DialOptions, SwarmEvent};
use peerwork_tokio::{Event, Events, Node, Stream, Target};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{Mutex, OnceCell};

/// peerwork on tokio.
pub struct Peerwork;

impl Implementation for Peerwork {
    type Client = OnTokio<Dialer>;

    const NAME: &'static str = "peerwork";

    fn serve(flags: &Flags) -> Result<Infallible> {
        streams::serve(serve(flags.clone()))
    }

    fn client(flags: &Flags, address: &str) -> Result<Self::Client> {
        OnTokio::start(flags, Dialer::start(flags, address))
    }
}

/// A node that knows its server.
#[derive(Clone)]
pub struct Dialer {
    node: Node,
    server: Multiaddr,
    /// The connection that streams are opened on.
    target: Arc<OnceCell<Target>>,
    /// Where connections are watched, what happens to them.
    events: Option<Arc<Mutex<Events<Infallible>>>>,
}

impl Dialer {
    async fn start(flags: &Flags, server: &str) -> Result<Self> {
        let node = start(flags).await?;
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

async fn serve(flags: Flags) -> Result<Infallible> {
    let node = start(&flags).await?;
    let mut echoes = node.handle_protocol(&ProtocolId::from_static(ECHO)).await?;
    tokio::spawn(async move {
        while let Some(stream) = echoes.next().await {
            tokio::spawn(streams::echo(stream));
        }
    });
    let mut sinks = node.handle_protocol(&ProtocolId::from_static(SINK)).await?;
    let read_chunk = flags.read_chunk();
    tokio::spawn(async move {
        while let Some(stream) = sinks.next().await {
            tokio::spawn(streams::sink(stream, read_chunk));
        }
    });
    if flags.mode == Mode::Conn {
        let mut events = node.events().await?;
        let node = node.clone();
        tokio::spawn(async move {
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

async fn start(flags: &Flags) -> Result<Node> {
    Ok(peerwork_tokio::NodeBuilder::from(builder(flags)?).start().await?)
}

/// A node as the flags want it, for any driver.
fn builder(flags: &Flags) -> Result<NodeBuilder> {
    let builder = NodeBuilder::new();
    let builder = match flags.sec {
        Security::Plaintext => builder.security(Plaintext),
        Security::Secio => builder.security(Secio {
            ciphers: vec![Cipher::Aes128Ctr],
            hashes: vec![Hash::Sha256],
            ..Secio::default()
        }),
        Security::Noise => builder.security(Noise),
        Security::Tls => builder.security(Tls::default()),
    };
    // Streams of one connection are limited by the muxer too.
    let streams = usize::MAX;
    let builder = match flags.mux {
        Muxer::Yamux => builder.muxer(Yamux {
            max_inbound_streams: streams,
            max_outbound_streams: streams,
            ..Yamux::default()
        }),
        Muxer::Mplex => builder.muxer(Mplex {
            max_inbound_streams: streams,
            max_outbound_streams: streams,
            ..Mplex::default()
        }),
    };
    Ok(builder.configure(|config| configure(config, flags)))
}

fn configure(config: &mut NodeConfig, flags: &Flags) {
    if flags.lazy {
        config.swarm.connection.lazy_streams = LazyStreams::Always;
    }
    config.swarm.connection.idle_timeout = None;
    if !flags.mounts_services() {
        config.ping.interval = None;
        config.identify.asks_on_connect = false;
    }
    // There are two peers only.
    let limits = &mut config.swarm.limits;
    limits.max_connections = usize::MAX;
    limits.max_inbound_connections = usize::MAX;
    limits.max_outbound_connections = usize::MAX;
    limits.max_connections_per_peer = usize::MAX;
    limits.max_inbound_streams_per_peer = usize::MAX;
    limits.max_outbound_streams_per_peer = usize::MAX;
    limits.max_inbound_streams_per_connection = usize::MAX;
    limits.max_outbound_streams_per_connection = usize::MAX;
}
