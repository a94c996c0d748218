//! The node: it answers ping, identify and echo, and asks others for them.

use crate::options::Options;
use crate::{echo, say, transport, Res};
use futures::StreamExt;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{identify, ping, Multiaddr, PeerId, Swarm, SwarmBuilder};
use serde_json::{json, Value};
use std::time::Duration;

/// How long a command may take.
const TIME_LIMIT: Duration = Duration::from_secs(20);

const PING_INTERVAL: Duration = Duration::from_millis(100);

#[derive(NetworkBehaviour)]
struct Behaviour {
    ping: ping::Behaviour,
    identify: identify::Behaviour,
    streams: libp2p_stream::Behaviour,
}

pub struct Node {
    swarm: Swarm<Behaviour>,
}

impl Node {
    pub fn new(options: &Options) -> Res<Self> {
        let keys = transport::keypair(options)?;
        let transport = transport::transport(&keys, options)?;
        let identify = identify::Config::new("ipfs/0.1.0".into(), keys.public());
        let behaviour = Behaviour {
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL)),
            identify: identify::Behaviour::new(identify.with_agent_version("rust-libp2p/0.57".into())),
            streams: libp2p_stream::Behaviour::new(),
        };
        let swarm = SwarmBuilder::with_existing_identity(keys)
            .with_tokio()
            .with_other_transport(|_| transport)?
            .with_behaviour(|_| behaviour)?
            .with_swarm_config(|config| config.with_idle_connection_timeout(TIME_LIMIT))
            .build();
        Ok(Self { swarm })
    }

    /// Listens until it is ended from outside.
    pub async fn listen(&mut self, address: &str) -> Res<Value> {
        self.swarm.listen_on(address.parse()?)?;
        tokio::spawn(echo::answer(self.swarm.behaviour().streams.new_control().accept(echo::PROTOCOL)?));
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => {
                    let addr = format!("{address}/p2p/{}", self.swarm.local_peer_id());
                    say(json!({ "event": "listening", "addr": addr }));
                }
                SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                    say(json!({ "event": "connected", "peer": peer_id.to_string() }));
                }
                SwarmEvent::ConnectionClosed { peer_id, cause, .. } => {
                    let cause = cause.map(|cause| cause.to_string());
                    say(json!({ "event": "disconnected", "peer": peer_id.to_string(), "cause": cause }));
                }
                SwarmEvent::IncomingConnectionError { error, .. } => {
                    say(json!({ "event": "incoming-failed", "error": format!("{error:?}") }));
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

    /// Connects to `address` and gives the peer there.
    async fn dial(&mut self, address: Multiaddr) -> Res<PeerId> {
        self.swarm.dial(address)?;
        self.wait_for(|event| match event {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => Some(Ok(peer_id)),
            SwarmEvent::OutgoingConnectionError { error, .. } => Some(Err(format!("{error:?}"))),
            _ => None,
        })
        .await
    }

    async fn ping(&mut self, count: usize) -> Res<Value> {
        let mut round_trips = Vec::new();
        while round_trips.len() < count {
            let ping = self.wait_for(|event| match event {
                SwarmEvent::Behaviour(BehaviourEvent::Ping(ping)) => {
                    Some(ping.result.map_err(|error| error.to_string()))
                }
                _ => None,
            });
            round_trips.push(ping.await?.as_secs_f64() * 1e3);
        }
        Ok(json!({ "rtt_ms": round_trips }))
    }

    async fn identify(&mut self) -> Res<Value> {
        let identify = self.wait_for(|event| match event {
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => match event {
                identify::Event::Received { peer_id, info, .. } => Some(Ok((peer_id, info))),
                identify::Event::Error { error, .. } => Some(Err(error.to_string())),
                _ => None,
            },
            _ => None,
        });
        let (peer, info) = identify.await?;
        let listens_on: Vec<_> = info.listen_addrs.iter().map(Multiaddr::to_string).collect();
        let protocols: Vec<_> = info.protocols.iter().map(AsRef::as_ref).collect();
        Ok(json!({
            "peer": peer.to_string(),
            "protocolVersion": info.protocol_version,
            "agentVersion": info.agent_version,
            "listenAddrs": listens_on,
            "observedAddr": info.observed_addr.to_string(),
            "protocols": protocols,
        }))
    }

    async fn echo(&mut self, peer: PeerId, bytes: usize) -> Res<Value> {
        let mut echo = tokio::spawn(echo::ask(self.swarm.behaviour().streams.new_control(), peer, bytes));
        let bytes = tokio::select! {
            echoed = &mut echo => echoed??,
            closed = self.wait_for(|_| None::<Result<usize, String>>) => closed?,
        };
        Ok(json!({ "bytes": bytes }))
    }

    /// The first event that `pick` wants. The end of the connection is an error.
    async fn wait_for<T>(
        &mut self,
        pick: impl Fn(SwarmEvent<BehaviourEvent>) -> Option<Result<T, String>>,
    ) -> Res<T> {
        loop {
            match self.swarm.select_next_some().await {
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
