//! `peerwork ping`: how long does a round trip take?

use crate::args::NodeOptions;
use crate::failure::{Failure, failed};
use crate::node;
use crate::output::{Output, Palette, Report, milliseconds};
use peerwork_tokio::Node;
use peerwork_tokio::core::identity::PeerId;
use serde::Serialize;
use std::io;

/// Pings the peer at `address` so many times, one after the other.
///
/// # Errors
/// The peer cannot be reached, or a ping fails.
pub(crate) async fn run(
    address: &str,
    count: u32,
    options: &NodeOptions,
    output: &Output,
) -> Result<(), Failure> {
    let pings = node::with_peer(options, output, address, async |node, connected| {
        ping(node, connected.peer, count, |number, rtt_ms| output.event(&Pong { number, rtt_ms })).await
    });
    Ok(output.success(&pings.await?)?)
}

/// Pings `peer` so many times, at least once, and calls `on_pong` with the number and the time in milliseconds of each.
pub(super) async fn ping(
    node: &Node,
    peer: PeerId,
    count: u32,
    on_pong: impl Fn(u32, f64) -> io::Result<()>,
) -> Result<Pings, Failure> {
    let mut pings = Pings { peer: peer.to_string(), rtt_ms: Vec::new() };
    for number in 1..=count {
        let rtt_ms = milliseconds(node.ping(peer).await.map_err(failed(Failure::Ping))?);
        on_pong(number, rtt_ms)?;
        pings.rtt_ms.push(rtt_ms);
    }
    Ok(pings)
}

/// One answer.
#[derive(Serialize)]
#[serde(tag = "event", rename = "pong")]
struct Pong {
    number: u32,
    rtt_ms: f64,
}

impl Report for Pong {
    fn text(&self, palette: &Palette) -> String {
        format!("ping {}: {} ms", self.number, palette.value(format_args!("{:.3}", self.rtt_ms)))
    }
}

/// All answers; there is at least one.
#[derive(Serialize)]
pub(super) struct Pings {
    peer: String,
    rtt_ms: Vec<f64>,
}

impl Report for Pings {
    fn text(&self, _palette: &Palette) -> String {
        let count = self.rtt_ms.len();
        let min = self.rtt_ms.iter().copied().fold(f64::INFINITY, f64::min);
        let max = self.rtt_ms.iter().copied().fold(0.0, f64::max);
        let mean = self.rtt_ms.iter().sum::<f64>() / count as f64;
        format!("{count} round trips: min {min:.3} ms, mean {mean:.3} ms, max {max:.3} ms")
    }
}
