//! The node: it answers ping, identify and echo, and asks others for them.

use crate::echo::{Echo, Echoed};
use crate::options::Options;
use crate::{say, transport, Res};
use libp2p::identify::{Identify, IdentifyEvent};
use libp2p::multiaddr::Protocol;
use libp2p::ping::{Ping, PingConfig, PingEvent, PingSuccess};
use libp2p::swarm::{IntoProtocolsHandler, NetworkBehaviour, ProtocolsHandler, SwarmBuilder, SwarmEvent};
use libp2p::{Multiaddr, NetworkBehaviour, PeerId, Swarm};
use rand::RngCore;
use serde_json::{json, Value};
use std::time::Duration;

/// How long a command may take.
const TIME_LIMIT: Duration = Duration::from_secs(20);

const PING_INTERVAL: Duration = Duration::from_millis(100);

#[derive(NetworkBehaviour)]
#[behaviour(out_event = "Event", event_process = false)]
struct Behaviour {
    ping: Ping,
    identify: Identify,
    echo: Echo,
}

enum Event {
    Ping(PingEvent),
    Identify(Box<IdentifyEvent>),
    Echo(Echoed),
}

impl From<PingEvent> for Event {
    fn from(event: PingEvent) -> Self {
        Self::Ping(event)
    }
}

impl From<IdentifyEvent> for Event {
    fn from(event: IdentifyEvent) -> Self {
        Self::Identify(Box::new(event))
    }
}

impl From<Echoed> for Event {
    fn from(event: Echoed) -> Self {
        Self::Echo(event)
    }
}

pub struct Node {
    swarm: Swarm<Behaviour>,
    id: PeerId,
}

impl Node {
    pub fn new(options: &Options) -> Res<Self> {
        let keys = transport::keypair(options)?;
        let id = keys.public().into_peer_id();
        let behaviour = Behaviour {
            ping: Ping::new(PingConfig::new().with_interval(PING_INTERVAL).with_keep_alive(true)),
            identify: Identify::new("ipfs/0.1.0".into(), "rust-libp2p/0.33".into(), keys.public()),
            echo: Echo::default(),
        };
        let swarm = SwarmBuilder::new(transport::transport(&keys, options)?, behaviour, id)
            .executor(Box::new(|task| drop(tokio::spawn(task))))
            .substream_upgrade_protocol_override(transport::negotiation(options))
            .build();
        Ok(Self { swarm, id })
    }

    /// Listens until it is ended from outside.
    pub async fn listen(&mut self, address: &str) -> Res<Value> {
        Swarm::listen_on(&mut self.swarm, address.parse()?)?;
        loop {
            match self.swarm.next_event().await {
                SwarmEvent::NewListenAddr(address) => {
                    say(json!({ "event": "listening", "addr": format!("{address}/p2p/{}", self.id) }));
                }
                SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                    say(json!({ "event": "connected", "peer": peer_id.to_string() }));
                }
                SwarmEvent::ConnectionClosed { peer_id, cause, .. } => {
                    let cause = cause.map(|cause| cause.to_string());
                    say(json!({ "event": "disconnected", "peer": peer_id.to_string(), "cause": cause }));
                }
                SwarmEvent::IncomingConnectionError { error, .. } => {
                    say(json!({ "event": "incoming-failed", "error": error.to_string() }));
                }
                _ => {}
            }
        }
    }

    /// Dials the address that is the command's first argument, and runs the command with the peer there.
    pub async fn ask(&mut self, command: &str, options: &Options) -> Res<Value> {
        let address = options.argument(1)?.parse()?;
        let work = async {
            let peer = self.dial(address).await?;
            match command {
                "ping" => self.ping(options.count(2, 3)?).await,
                "identify" => self.identify().await,
                "echo" => self.echo(peer, options.count(2, 1024)?).await,
                _ => Err(format!("unknown command {command}").into()),
            }
        };
        tokio::time::timeout(TIME_LIMIT, work).await.map_err(|_| format!("no result in {TIME_LIMIT:?}"))?
    }

    /// Connects to `address`, which names a peer, and gives that peer.
    async fn dial(&mut self, mut address: Multiaddr) -> Res<PeerId> {
        let Some(Protocol::P2p(wanted)) = address.pop() else {
            return Err("the address has no /p2p/".into());
        };
        let wanted = PeerId::from_multihash(wanted).map_err(|_| "the address has no valid peer id")?;
        Swarm::dial_addr(&mut self.swarm, address).map_err(|error| error.to_string())?;
        let peer = self.wait_for(|event| match event {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => Some(Ok(peer_id)),
            SwarmEvent::UnknownPeerUnreachableAddr { error, .. } => Some(Err(error.to_string())),
            _ => None,
        });
        match peer.await? {
            peer if peer == wanted => Ok(peer),
            other => Err(format!("the peer there is {other}").into()),
        }
    }

    async fn ping(&mut self, count: usize) -> Res<Value> {
        let mut round_trips = Vec::new();
        while round_trips.len() < count {
            let ping = self.wait_for(|event| match event {
                SwarmEvent::Behaviour(Event::Ping(ping)) => {
                    Some(ping.result.map_err(|error| error.to_string()))
                }
                _ => None,
            });
            if let PingSuccess::Ping { rtt } = ping.await? {
                round_trips.push(rtt.as_secs_f64() * 1e3);
            }
        }
        Ok(json!({ "rtt_ms": round_trips }))
    }

    async fn identify(&mut self) -> Res<Value> {
        let identify = self.wait_for(|event| match event {
            SwarmEvent::Behaviour(Event::Identify(event)) => match *event {
                IdentifyEvent::Received { peer_id, info, observed_addr } => {
                    Some(Ok((peer_id, info, observed_addr)))
                }
                IdentifyEvent::Error { error, .. } => Some(Err(error.to_string())),
                IdentifyEvent::Sent { .. } => None,
            },
            _ => None,
        });
        let (peer, info, observed) = identify.await?;
        let listens_on: Vec<_> = info.listen_addrs.iter().map(Multiaddr::to_string).collect();
        Ok(json!({
            "peer": peer.to_string(),
            "protocolVersion": info.protocol_version,
            "agentVersion": info.agent_version,
            "listenAddrs": listens_on,
            "observedAddr": observed.to_string(),
            "protocols": info.protocols,
        }))
    }

    async fn echo(&mut self, peer: PeerId, bytes: usize) -> Res<Value> {
        let mut data = vec![0; bytes];
        rand::thread_rng().fill_bytes(&mut data);
        self.swarm.echo.send(peer, data);
        let echoed = self.wait_for(|event| match event {
            SwarmEvent::Behaviour(Event::Echo(Echoed(bytes))) => Some(Ok(bytes)),
            _ => None,
        });
        Ok(json!({ "bytes": echoed.await? }))
    }

    /// The first event that `pick` wants. The end of the connection is an error.
    async fn wait_for<T>(&mut self, pick: impl Fn(AnyEvent) -> Option<Result<T, String>>) -> Res<T> {
        loop {
            match self.swarm.next_event().await {
                SwarmEvent::ConnectionClosed { cause, .. } => {
                    let cause = cause.map_or("by this side".to_owned(), |cause| cause.to_string());
                    return Err(format!("the connection closed: {cause}").into());
                }
                event => {
                    if let Some(picked) = pick(event) {
                        return Ok(picked?);
                    }
                }
            }
        }
    }
}

/// What the swarm of a [`Behaviour`] tells.
type AnyEvent = SwarmEvent<Event, <<Handler as IntoProtocolsHandler>::Handler as ProtocolsHandler>::Error>;
type Handler = <Behaviour as NetworkBehaviour>::ProtocolsHandler;
