//! rust-libp2p, with its defaults but for limits.

use anyhow::{Context, Result, anyhow};
use bench_harness::streams::{self, ECHO, OnTokio, SINK};
use bench_harness::{Flags, Implementation, Mode, Muxer, Security, announce};
use futures_util::StreamExt;
use libp2p::core::Transport;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionId, NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, identify, identity, noise, ping, plaintext, tcp, tls, yamux,
};
use libp2p_stream::Control;
use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// rust-libp2p on tokio.
pub struct RustLibp2p;

impl Implementation for RustLibp2p {
    type Client = OnTokio<Dialer>;

    const NAME: &'static str = "rust-libp2p";

    fn serve(flags: &Flags) -> Result<Infallible> {
        streams::serve(serve(flags.clone()))
    }

    fn client(flags: &Flags, address: &str) -> Result<Self::Client> {
        OnTokio::start(flags, Dialer::start(flags, address))
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    streams: libp2p_stream::Behaviour,
    identify: Toggle<identify::Behaviour>,
    ping: Toggle<ping::Behaviour>,
}

/// A swarm in a task of its own.
#[derive(Clone)]
pub struct Dialer {
    server: PeerId,
    control: Control,
    dials: mpsc::UnboundedSender<Dial>,
}

struct Dial {
    /// When the caller wants to know.
    answer: Answer,
    reply: oneshot::Sender<Result<()>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    WhenUp,
    WhenClosed,
}

impl Dialer {
    async fn start(flags: &Flags, address: &str) -> Result<Self> {
        let mut swarm = swarm(flags)?;
        let address: Multiaddr = address.parse()?;
        let Some(Protocol::P2p(server)) = address.iter().last() else {
            return Err(anyhow!("{address} does not say who is there"));
        };
        let control = swarm.behaviour_mut().streams.new_control();
        let (dials, receiver) = mpsc::unbounded_channel();
        tokio::spawn(drive(swarm, address, receiver));
        Ok(Self { server, control, dials })
    }

    async fn ask(&self, answer: Answer) -> Result<()> {
        let (reply, answered) = oneshot::channel();
        self.dials.send(Dial { answer, reply }).ok().context("the swarm has stopped")?;
        answered.await?
    }
}

/// Runs a client's swarm.
async fn drive(mut swarm: Swarm<Behaviour>, address: Multiaddr, mut dials: mpsc::UnboundedReceiver<Dial>) {
    let mut waiting: HashMap<ConnectionId, Dial> = HashMap::new();
    loop {
        tokio::select! {
            Some(dial) = dials.recv() => {
                let options = DialOpts::unknown_peer_id().address(address.clone()).allocate_new_port().build();
                let connection = options.connection_id();
                match swarm.dial(options) {
                    Ok(()) => drop(waiting.insert(connection, dial)),
                    Err(error) => drop(dial.reply.send(Err(error.into()))),
                }
            }
            event = swarm.select_next_some() => {
                let (connection, result) = match event {
                    SwarmEvent::ConnectionEstablished { connection_id, .. }
                        if waiting.get(&connection_id).is_some_and(|dial| dial.answer == Answer::WhenUp) =>
                    {
                        (connection_id, Ok(()))
                    }
                    SwarmEvent::ConnectionClosed { connection_id, .. } => (connection_id, Ok(())),
                    SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                        (connection_id, Err(error.into()))
                    }
                    _ => continue,
                };
                if let Some(dial) = waiting.remove(&connection) {
                    drop(dial.reply.send(result));
                }
            }
        }
    }
}

impl streams::Node for Dialer {
    type Stream = libp2p::Stream;

    async fn dial(&self) -> Result<()> {
        self.ask(Answer::WhenUp).await
    }

    async fn dial_until_closed(&self) -> Result<()> {
        self.ask(Answer::WhenClosed).await
    }

    async fn open(&self, protocol: &'static str) -> Result<Self::Stream> {
        Ok(self.control.clone().open_stream(self.server, StreamProtocol::new(protocol)).await?)
    }
}

async fn serve(flags: Flags) -> Result<Infallible> {
    let mut swarm = swarm(&flags)?;
    let mut control = swarm.behaviour_mut().streams.new_control();
    let mut echoes = control.accept(StreamProtocol::new(ECHO))?;
    tokio::spawn(async move {
        while let Some((_, stream)) = echoes.next().await {
            tokio::spawn(streams::echo(stream));
        }
    });
    let mut sinks = control.accept(StreamProtocol::new(SINK))?;
    let read_chunk = flags.read_chunk();
    tokio::spawn(async move {
        while let Some((_, stream)) = sinks.next().await {
            tokio::spawn(streams::sink(stream, read_chunk));
        }
    });
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => {
                announce(address.with(Protocol::P2p(*swarm.local_peer_id())));
            }
            SwarmEvent::ConnectionEstablished { connection_id, .. } if flags.mode == Mode::Conn => {
                swarm.close_connection(connection_id);
            }
            _ => {}
        }
    }
}

fn swarm(flags: &Flags) -> Result<Swarm<Behaviour>> {
    let key = identity::Keypair::generate_ed25519();
    let peer = key.public().to_peer_id();
    let services = flags.mounts_services();
    let behaviour = Behaviour {
        streams: libp2p_stream::Behaviour::new(),
        identify: services
            .then(|| identify::Behaviour::new(identify::Config::new("/bench/1".into(), key.public())))
            .into(),
        ping: services.then(ping::Behaviour::default).into(),
    };
    let hour = Duration::from_secs(3600);
    let mut config = libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(hour);
    if flags.lazy {
        config = config.with_substream_upgrade_protocol_override(Version::V1Lazy);
    }
    Ok(Swarm::new(transport(flags, &key)?, behaviour, peer, config))
}

fn transport(flags: &Flags, key: &identity::Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default()).upgrade(Version::V1Lazy);
    // Each combination has a type of its own.
    macro_rules! muxed {
        ($secured:expr) => {
            match flags.mux {
                Muxer::Yamux => $secured.multiplex(yamux(flags)).map(boxed).boxed(),
                Muxer::Mplex => $secured.multiplex(mplex()).map(boxed).boxed(),
            }
        };
    }
    Ok(match flags.sec {
        Security::Noise => muxed!(tcp.authenticate(noise::Config::new(key)?)),
        Security::Tls => muxed!(tcp.authenticate(tls::Config::new(key)?)),
        Security::Plaintext => muxed!(tcp.authenticate(plaintext::Config::new(key))),
        Security::Secio => return Err(anyhow!("this version has no secio; bench-libp2p-secio has")),
    })
}

fn boxed<M>((peer, muxer): (PeerId, M), _: libp2p::core::ConnectedPoint) -> (PeerId, StreamMuxerBox)
where
    M: libp2p::core::StreamMuxer + Send + 'static,
    M::Substream: Send + 'static,
    M::Error: Send + Sync,
{
    (peer, StreamMuxerBox::new(muxer))
}

fn yamux(flags: &Flags) -> yamux::Config {
    let mut config = yamux::Config::default();
    if flags.mode == Mode::Idlestream {
        #[allow(deprecated, reason = "there is no other way to raise it")]
        config.set_max_num_streams(usize::try_from(flags.n).unwrap_or(usize::MAX) + 64);
    }
    config
}

fn mplex() -> libp2p_mplex::Config {
    let mut config = libp2p_mplex::Config::new();
    config.set_max_num_streams(usize::MAX);
    config.set_max_buffer_behaviour(libp2p_mplex::MaxBufferBehaviour::Block);
    config
}
