//! litep2p, with its defaults. It speaks noise and yamux only.

use anyhow::{Context, Result, anyhow, bail, ensure};
use bench_harness::streams::{self, ECHO, OnTokio, SINK};
use bench_harness::{Flags, Implementation, Mode, Muxer, Security, announce};
use futures_util::StreamExt;
use litep2p::codec::ProtocolCodec;
use litep2p::config::ConfigBuilder;
use litep2p::protocol::libp2p::{identify, ping};
use litep2p::protocol::{Direction, TransportEvent, TransportService, UserProtocol};
use litep2p::substream::Substream;
use litep2p::transport::tcp::config::Config as TcpConfig;
use litep2p::types::SubstreamId;
use litep2p::types::multiaddr::{Multiaddr, Protocol};
use litep2p::types::protocol::ProtocolName;
use litep2p::{Litep2p as Node, Litep2pEvent, PeerId};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// litep2p on tokio.
pub struct Litep2p;

impl Implementation for Litep2p {
    type Client = OnTokio<Dialer>;

    const NAME: &'static str = "litep2p";

    fn serve(flags: &Flags) -> Result<Infallible> {
        streams::serve(serve(flags.clone()))
    }

    fn client(flags: &Flags, address: &str) -> Result<Self::Client> {
        OnTokio::start(flags, Dialer::start(flags, address))
    }
}

/// Nodes that know the server. A node has one connection to a peer only, so each further one takes a node of its own.
#[derive(Clone)]
pub struct Dialer {
    flags: Flags,
    address: Multiaddr,
    server: PeerId,
    /// The node whose streams are used, until its connection is up.
    first: Arc<Mutex<Option<Node>>>,
    echoes: mpsc::Sender<Open>,
    sinks: mpsc::Sender<Open>,
}

/// How long a node's protocols may take, once a connection is up, to hear of it. They cannot be asked.
const NEWS: Duration = Duration::from_millis(50);

/// Asks for a stream to a peer.
type Open = (PeerId, oneshot::Sender<Substream>);

impl Dialer {
    async fn start(flags: &Flags, address: &str) -> Result<Self> {
        let address: Multiaddr = address.parse()?;
        let Some(Protocol::P2p(server)) = address.iter().last() else {
            bail!("{address} does not say who is there");
        };
        let server = PeerId::from_multihash(server).map_err(|_| anyhow!("{address} has no peer id"))?;
        let (node, echoes, sinks) = node(flags, vec![])?;
        let first = Arc::new(Mutex::new(Some(node)));
        Ok(Self { flags: flags.clone(), address, server, first, echoes, sinks })
    }
}

impl streams::Node for Dialer {
    type Stream = Compat<Substream>;

    async fn dial(&self) -> Result<()> {
        let first = self.first.lock().await.take();
        let is_first = first.is_some();
        // Protocols end when nobody can ask them for streams.
        let (mut node, kept) = match first {
            Some(node) => (node, None),
            None => {
                let (node, echoes, sinks) = node(&self.flags, vec![])?;
                (node, Some((echoes, sinks)))
            }
        };
        node.dial_address(self.address.clone()).await?;
        loop {
            match node.next_event().await {
                Some(Litep2pEvent::ConnectionEstablished { .. }) => break,
                Some(Litep2pEvent::DialFailure { error, .. }) => bail!("{error:?}"),
                Some(_) => {}
                None => bail!("the node has stopped"),
            }
        }
        tokio::spawn(async move {
            while node.next_event().await.is_some() {}
            drop(kept);
        });
        if is_first {
            tokio::time::sleep(NEWS).await;
        }
        Ok(())
    }

    async fn dial_until_closed(&self) -> Result<()> {
        let mut first = self.first.lock().await;
        let node = first.as_mut().context("the node is in use")?;
        // It says that a connection is closed before it is ready for the next.
        for _ in 0..100 {
            if node.dial_address(self.address.clone()).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        loop {
            match node.next_event().await {
                Some(Litep2pEvent::ConnectionClosed { .. }) => return Ok(()),
                Some(Litep2pEvent::DialFailure { error, .. }) => bail!("{error:?}"),
                Some(_) => {}
                None => bail!("the node has stopped"),
            }
        }
    }

    async fn open(&self, protocol: &'static str) -> Result<Self::Stream> {
        let opener = if protocol == ECHO { &self.echoes } else { &self.sinks };
        let (reply, opened) = oneshot::channel();
        opener.send((self.server, reply)).await?;
        Ok(opened.await.context("the stream cannot be opened")?.compat())
    }
}

async fn serve(flags: Flags) -> Result<Infallible> {
    let (mut node, _echoes, _sinks) = node(&flags, vec!["/ip4/127.0.0.1/tcp/0".parse()?])?;
    let address = node.listen_addresses().next().context("it does not listen")?.clone();
    let own = Protocol::P2p((*node.local_peer_id()).into());
    announce(if address.iter().last() == Some(own.clone()) { address } else { address.with(own) });
    while node.next_event().await.is_some() {}
    bail!("the node has stopped")
}

fn node(
    flags: &Flags,
    listen_addresses: Vec<Multiaddr>,
) -> Result<(Node, mpsc::Sender<Open>, mpsc::Sender<Open>)> {
    ensure!((flags.sec, flags.mux) == (Security::Noise, Muxer::Yamux), "litep2p has noise and yamux only");
    let tcp = TcpConfig { listen_addresses, nodelay: true, reuse_port: false, ..TcpConfig::default() };
    let (sinks, sink_opens) = mpsc::channel(64);
    let (echoes, echo_opens) = mpsc::channel(64);
    let protocol =
        |name, opens, closes| Box::new(Streams { name, opens, closes, read_chunk: flags.read_chunk() });
    let mut config = ConfigBuilder::new()
        .with_tcp(tcp)
        .with_user_protocol(protocol(SINK, sink_opens, flags.mode == Mode::Conn))
        .with_user_protocol(protocol(ECHO, echo_opens, false))
        .with_keep_alive_timeout(Duration::from_secs(3600));
    if flags.mounts_services() {
        let (ping, mut pings) = ping::Config::default();
        let (identify, mut identified) = identify::Config::new("/bench/1".to_owned(), None);
        config = config.with_libp2p_ping(ping).with_libp2p_identify(identify);
        tokio::spawn(async move { while pings.next().await.is_some() {} });
        tokio::spawn(async move { while identified.next().await.is_some() {} });
    }
    Ok((Node::new(config.build())?, echoes, sinks))
}

/// The streams of one protocol.
struct Streams {
    name: &'static str,
    opens: mpsc::Receiver<Open>,
    /// Whether the server closes connections when they are up.
    closes: bool,
    read_chunk: usize,
}

#[async_trait::async_trait]
impl UserProtocol for Streams {
    fn protocol(&self) -> ProtocolName {
        ProtocolName::from(self.name)
    }

    fn codec(&self) -> ProtocolCodec {
        ProtocolCodec::Unspecified
    }

    async fn run(mut self: Box<Self>, mut service: TransportService) -> litep2p::Result<()> {
        let mut opening: HashMap<SubstreamId, oneshot::Sender<Substream>> = HashMap::new();
        loop {
            tokio::select! {
                open = self.opens.recv() => {
                    let Some((peer, reply)) = open else { return Ok(()) };
                    if let Ok(id) = service.open_substream(peer) {
                        opening.insert(id, reply);
                    }
                }
                event = service.next() => match event {
                    Some(TransportEvent::SubstreamOpened { substream, direction, .. }) => match direction {
                        Direction::Inbound if self.name == ECHO => {
                            tokio::spawn(streams::echo(substream.compat()));
                        }
                        Direction::Inbound => {
                            tokio::spawn(streams::sink(substream.compat(), self.read_chunk));
                        }
                        Direction::Outbound(id) => {
                            if let Some(reply) = opening.remove(&id) {
                                drop(reply.send(substream));
                            }
                        }
                    },
                    Some(TransportEvent::SubstreamOpenFailure { substream, .. }) => {
                        opening.remove(&substream);
                    }
                    // The client would close a connection of its own before it is up at the server.
                    Some(TransportEvent::ConnectionEstablished { peer, endpoint }) if self.closes => {
                        if endpoint.is_listener() {
                            drop(service.force_close(peer));
                        }
                    }
                    Some(_) => {}
                    None => return Ok(()),
                }
            }
        }
    }
}
