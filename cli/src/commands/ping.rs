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
    let mut pings = Pings::default();
    let result = node::with_peer(options, output, address, async |node, connected| {
        let on_pong = |number, rtt_ms| output.event(&Pong { number, rtt_ms });
        ping(node, connected.peer, count, on_pong, &mut pings).await
    });
    match result.await {
        Ok(()) => Ok(output.success(&pings)?),
        Err(failure) => {
            if !pings.rtt_ms.is_empty() {
                output.event(&UntilThen { pings })?;
            }
            Err(failure)
        }
    }
}

/// Pings `peer` so many times, at least once, notes the answers in `pings`, and calls `on_pong` with the number and the time in
/// milliseconds of each.
pub(super) async fn ping(
    node: &Node,
    peer: PeerId,
    count: u32,
    on_pong: impl Fn(u32, f64) -> io::Result<()>,
    pings: &mut Pings,
) -> Result<(), Failure> {
    pings.peer = peer.to_string();
    for number in 1..=count {
        let rtt_ms = milliseconds(node.ping(peer).await.map_err(failed(Failure::Ping))?);
        on_pong(number, rtt_ms)?;
        pings.rtt_ms.push(rtt_ms);
    }
    Ok(())
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

/// The answers before something went wrong.
#[derive(Serialize)]
#[serde(tag = "event", rename = "pongs")]
struct UntilThen {
    #[serde(flatten)]
    pings: Pings,
}

impl Report for UntilThen {
    fn text(&self, palette: &Palette) -> String {
        self.pings.text(palette)
    }
}

/// All answers; there is at least one.
#[derive(Default, Serialize)]
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
        let trips = if count == 1 { "round trip" } else { "round trips" };
        format!("{count} {trips}: min {min:.3} ms, mean {mean:.3} ms, max {max:.3} ms")
    }
}
