//! `peerwork echo`: do bytes come back, and how fast?

use crate::args::NodeOptions;
use crate::echo::{self, PROTOCOL};
use crate::failure::{Failure, failed};
use crate::node;
use crate::output::{Output, Palette, Report, grouped};
use crate::progress::Progress;
use peerwork_tokio::Node;
use peerwork_tokio::core::identity::PeerId;
use peerwork_tokio::core::protocols::Target;
use serde::Serialize;
use std::time::Duration;

/// What the progress bar shows.
const TEMPLATE: &str =
    "{wide_bar} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";

/// Sends bytes to the peer at `address` and compares what comes back.
///
/// # Errors
/// The peer cannot be reached, does not speak echo, or other bytes come back.
pub(crate) async fn run(
    address: &str,
    bytes: u64,
    options: &NodeOptions,
    output: &Output,
) -> Result<(), Failure> {
    let echoed = node::with_peer(options, output, address, async |node, connected| {
        echo(node, connected.peer, bytes, options.timeout, output.is_interactive()).await
    });
    Ok(output.success(&echoed.await?)?)
}

/// One echo with `peer`, with a progress bar on standard error if `show_progress` and it takes long.
pub(super) async fn echo(
    node: &Node,
    peer: PeerId,
    bytes: u64,
    patience: Duration,
    show_progress: bool,
) -> Result<Echoed, Failure> {
    let stream = node.open_stream(Target::Peer(peer), &[PROTOCOL]).await.map_err(failed(Failure::Stream))?;
    let progress = Progress::new(TEMPLATE, bytes, show_progress);
    let elapsed = echo::measure(stream, bytes, node::seed()?, patience, |done| progress.set(done)).await?;
    Ok(Echoed { bytes, seconds: elapsed.as_secs_f64() })
}

/// Bytes came back as they were sent.
#[derive(Serialize)]
pub(super) struct Echoed {
    bytes: u64,
    seconds: f64,
}

impl Report for Echoed {
    fn text(&self, palette: &Palette) -> String {
        let speed = self.bytes as f64 / 1e6 / self.seconds.max(1e-6);
        format!(
            "{} bytes there and back in {:.3} s: {} each way",
            grouped(self.bytes),
            self.seconds,
            palette.value(format_args!("{speed:.1} MB/s")),
        )
    }
}
