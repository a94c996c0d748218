//! `peerwork dial`: how does each address of a peer fare?

use crate::args::NodeOptions;
use crate::failure::{Failure, failed};
use crate::node::{self, ConnectedReport};
use crate::output::{Output, Palette, Report, milliseconds};
use crate::signal::unless_stopped;
use futures_util::StreamExt;
use peerwork_tokio::core::address::{Multiaddr, split_peer_id};
use peerwork_tokio::core::identity::{InvalidPeerInfo, PeerId};
use peerwork_tokio::core::swarm::dialer::{AddressSource, AttemptState, DialProgress, Token};
use peerwork_tokio::core::swarm::{DialTarget, SwarmEvent};
use peerwork_tokio::{Connected, Event, Node};
use serde::Serialize;
use std::time::Instant;

/// Dials the peer that may be at these addresses, and shows how each fares.
///
/// # Errors
/// An address is wrong, they are those of several peers, none of them brings a connection, or a signal ends the program.
pub(crate) async fn run(addresses: &[String], options: &NodeOptions, output: &Output) -> Result<(), Failure> {
    let parsed = addresses.iter().map(|text| node::parse_target(text)).collect::<Result<Vec<_>, _>>()?;
    let target = one_target(&parsed).map_err(Failure::Peers)?;
    let name = match &parsed[..] {
        [only] => only.to_string(),
        several => format!("any of {} addresses", several.len()),
    };
    let node = node::start(options, output).await?;
    let dialed = unless_stopped(dial(&node, target, name, output)).await;
    node::stop(&node).await;
    Ok(output.success(&dialed?)?)
}

/// One peer's addresses; where none of them names it, those of whoever answers.
fn one_target(addresses: &[Multiaddr]) -> Result<DialTarget, InvalidPeerInfo> {
    let mut target = DialTarget { peer: None, addresses: Vec::new() };
    for address in addresses {
        let (address, peer) = split_peer_id(address)?;
        match (target.peer, peer) {
            (Some(one), Some(other)) if one != other => return Err(InvalidPeerInfo::TwoPeers(one, other)),
            (known, peer) => target.peer = known.or(peer),
        }
        if !address.is_empty() {
            target.addresses.push(address);
        }
    }
    Ok(target)
}

async fn dial(node: &Node, target: DialTarget, name: String, output: &Output) -> Result<Dialed, Failure> {
    let started = Instant::now();
    let mut events = node.events().await?;
    let mut dialing = std::pin::pin!(node.dial(target));
    let result = loop {
        tokio::select! {
            biased;
            Some(event) = events.next() => report(event, started, output)?,
            result = &mut dialing => break result,
        }
    };
    // What was told before the outcome.
    while let Some(event) = futures_util::FutureExt::now_or_never(events.next()).flatten() {
        report(event, started, output)?;
    }
    let connected = result.map_err(failed(|error| Failure::dial(name, error)))?;
    let Connected { peer, remote_address, security, muxer, .. } = connected;
    output.event(&ConnectedReport::new(peer, &remote_address, security.as_ref(), muxer.as_ref()))?;
    Ok(Dialed {
        peer: peer.to_string(),
        addr: remote_address.to_string(),
        ms: milliseconds(started.elapsed()),
    })
}

fn report(event: Event, started: Instant, output: &Output) -> Result<(), Failure> {
    if let Event::Swarm(SwarmEvent::Dialing(progress)) = event {
        output.event(&Progress::new(progress, started))?;
    }
    Ok(())
}

/// How an address fares.
#[derive(Serialize)]
#[serde(tag = "event", rename = "dialing")]
struct Progress {
    /// Since the dial began.
    ms: f64,
    peer: Option<String>,
    addr: String,
    state: &'static str,
    /// More about the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Progress {
    fn new(progress: DialProgress, started: Instant) -> Self {
        let DialProgress { peer, address, state } = progress;
        let (state, detail) = match state {
            AttemptState::Queued { source, delay } => {
                ("queued", Some(format!("{}; at once or in {} ms", source_name(source), delay.as_millis())))
            }
            AttemptState::Waiting { token } => ("waiting", Some(token_name(token).to_owned())),
            AttemptState::Started => ("started", None),
            AttemptState::Failed { error } => ("failed", Some(error.to_string())),
            AttemptState::Cancelled => ("cancelled", None),
            AttemptState::Won => ("won", None),
        };
        Self {
            ms: milliseconds(started.elapsed()),
            peer: peer.as_ref().map(PeerId::to_string),
            addr: address.to_string(),
            state,
            detail,
        }
    }
}

fn source_name(source: AddressSource) -> &'static str {
    match source {
        AddressSource::Caller => "as asked for",
        AddressSource::Book => "from the peer book",
        AddressSource::Routing => "from peer routing",
        AddressSource::Peer => "from the peer itself",
        AddressSource::Name => "from a name's records",
    }
}

fn token_name(token: Token) -> &'static str {
    match token {
        Token::Peer => "as many addresses of the peer are being dialled as may at a time",
        Token::Descriptor => "as many addresses are being dialled as may at a time",
    }
}

impl Report for Progress {
    fn text(&self, palette: &Palette) -> String {
        let Self { ms, addr, state, detail, .. } = self;
        let time = palette.faint(format!("{ms:8.1} ms"));
        let state = match *state {
            "won" => palette.good(format!("{state:<9}")),
            _ => palette.heading(format!("{state:<9}")),
        };
        let detail = detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
        format!("{time}  {state} {addr}{}", palette.faint(detail))
    }
}

/// The connection.
#[derive(Serialize)]
struct Dialed {
    peer: String,
    addr: String,
    ms: f64,
}

impl Report for Dialed {
    fn text(&self, palette: &Palette) -> String {
        format!("connected in {} ms", palette.value(format!("{:.1}", self.ms)))
    }
}
