//! `peerwork listen`: a node that others can reach.

use crate::args::{Admission, NodeOptions};
use crate::failure::{Failure, failed};
use crate::metrics;
use crate::node::{self, ConnectedReport};
use crate::output::{Output, Palette, Report};
use crate::signal::stop_signal;
use futures_util::StreamExt;
use peerwork_tokio::core::address::Multiaddr;
use peerwork_tokio::core::swarm::SwarmEvent;
use peerwork_tokio::{Event, Node};
use serde::Serialize;
use std::io;

/// Listens on `addresses` until a signal ends the program, and serves perf and metrics if that is wanted.
///
/// # Errors
/// An address is wrong or cannot be listened on; the metrics' address is wrong or in use; the repo or the key file cannot be used; the
/// watermarks contradict each other or the limit.
pub(crate) async fn run(
    addresses: &[String],
    perf: bool,
    metrics: Option<&str>,
    admission: &Admission,
    options: &NodeOptions,
    output: &Output,
) -> Result<(), Failure> {
    let addresses =
        addresses.iter().map(|text| node::parse_address(text)).collect::<Result<Vec<_>, Failure>>()?;
    let metrics = match metrics {
        Some(address) => Some(metrics::Server::bind(metrics::parse_address(address)?).await?),
        None => None,
    };
    let node = node::start_with(admission, options, output).await?;
    if perf {
        node::perf(options)?.serve(&node).await.map_err(failed(Failure::Taken))?;
    }
    if let Some(server) = &metrics {
        output.event(&MetricsServed { url: server.url() })?;
    }
    let protocols = options.protocols();
    let served = tokio::select! {
        served = serve(&node, addresses, &protocols, output) => served,
        never = metrics::serve(metrics, &node) => match never {},
    };
    node::stop(&node).await;
    served?;
    Ok(output.success(&Stopped {})?)
}

async fn serve(
    node: &Node,
    addresses: Vec<Multiaddr>,
    protocols: &str,
    output: &Output,
) -> Result<(), Failure> {
    let signal = stop_signal()?;
    tokio::pin!(signal);
    let mut events = node.events().await?;
    let mut reachable = Vec::new();
    for address in addresses {
        let listening = node.listen(address.clone()).await;
        let listening = listening.map_err(failed(|error| Failure::Listen { address, error }))?;
        for address in &listening.addresses {
            output.event(&Listening { addr: address.to_string() })?;
        }
        reachable.push(listening.address);
    }
    if let Some(address) = reachable.first() {
        let hint = format!(
            "Try this in another terminal:\n  peerwork ping {address}{protocols}\nCtrl-C ends the node."
        );
        output.note(|palette| palette.faint(hint).to_string())?;
    }
    loop {
        tokio::select! {
            () = &mut signal => return Ok(()),
            event = events.next() => match event {
                Some(Event::Swarm(event)) => report(event, output)?,
                Some(_) => {}
                None => return Err(Failure::Stopped),
            },
        }
    }
}

fn report(event: SwarmEvent, output: &Output) -> io::Result<()> {
    match event {
        SwarmEvent::Connected { peer, remote_address, security, muxer, .. } => {
            output.event(&ConnectedReport::new(peer, &remote_address, security.as_ref(), muxer.as_ref()))
        }
        SwarmEvent::Disconnected { peer, reason, .. } => {
            output.event(&Disconnected { peer: peer.to_string(), reason: reason.to_string() })
        }
        SwarmEvent::IncomingFailed { remote_address, error, .. } => {
            output.event(&IncomingFailed { addr: remote_address.to_string(), error: error.to_string() })
        }
        _ => Ok(()),
    }
}

/// The node is reachable here.
#[derive(Serialize)]
#[serde(tag = "event", rename = "listening")]
struct Listening {
    addr: String,
}

impl Report for Listening {
    fn text(&self, palette: &Palette) -> String {
        format!("listening on {}", palette.value(&self.addr))
    }
}

/// Prometheus can ask here.
#[derive(Serialize)]
#[serde(tag = "event", rename = "metrics")]
struct MetricsServed {
    url: String,
}

impl Report for MetricsServed {
    fn text(&self, palette: &Palette) -> String {
        format!("metrics at {}", palette.value(&self.url))
    }
}

/// A connection is gone.
#[derive(Serialize)]
#[serde(tag = "event", rename = "disconnected")]
struct Disconnected {
    peer: String,
    reason: String,
}

impl Report for Disconnected {
    fn text(&self, palette: &Palette) -> String {
        let Self { peer, reason } = self;
        format!("disconnected {} {}", palette.value(peer), palette.faint(format_args!("({reason})")))
    }
}

/// Somebody connected and did not get as far as being known.
#[derive(Serialize)]
#[serde(tag = "event", rename = "incoming-failed")]
struct IncomingFailed {
    addr: String,
    error: String,
}

impl Report for IncomingFailed {
    fn text(&self, palette: &Palette) -> String {
        let Self { addr, error } = self;
        format!("failed to connect from {addr} {}", palette.faint(format_args!("({error})")))
    }
}

/// The node has ended as it should.
#[derive(Serialize)]
struct Stopped {}

impl Report for Stopped {
    fn text(&self, _palette: &Palette) -> String {
        "stopped".to_owned()
    }
}
