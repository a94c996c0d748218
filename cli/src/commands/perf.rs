//! `peerwork perf`: how fast is the peer, and the way to it?

use crate::args::NodeOptions;
use crate::failure::{Failure, failed};
use crate::node;
use crate::output::{Output, Palette, Report, milliseconds};
use crate::progress::Progress;
use crate::runtime::AnyRuntime;
use bytesize::ByteSize;
use futures_util::StreamExt;
use peerwork_runtime::Perf;
use peerwork_tokio::core::address::with_peer_id;
use peerwork_tokio::core::protocols::Target;
use peerwork_tokio::core::swarm::{DialOptions, SwarmEvent};
use peerwork_tokio::{Amount, Connected, Event as NodeEvent, Measured, Node};
use serde::Serialize;
use std::fmt;
use std::time::{Duration, Instant};

/// How many streams, round trips and connections are timed at most, each.
const MAX_STREAMS: usize = 500;
const MAX_ROUND_TRIPS: usize = 2_000;
const MAX_CONNECTIONS: usize = 50;

/// What is to be measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    upload: Amount,
    download: Amount,
    /// How long each measurement may take.
    time: Duration,
}

impl Plan {
    /// Sizes, where they are given; otherwise what `time` allows.
    pub(crate) fn new(upload: Option<ByteSize>, download: Option<ByteSize>, time: Duration) -> Self {
        let amount = |size: Option<ByteSize>| size.map_or(Amount::For(time), |size| Amount::Bytes(size.0));
        Self { upload: amount(upload), download: amount(download), time }
    }
}

/// Measures the peer at `address`.
///
/// # Errors
/// The peer cannot be reached or does not speak perf; a measurement fails.
pub(crate) async fn run(
    address: &str,
    plan: Plan,
    options: &NodeOptions,
    output: &Output,
) -> Result<(), Failure> {
    let results = node::with_peer(options, output, address, async |node, connected| {
        let perf = node::perf(options)?;
        Bench { node, connected, perf, plan, output }.run().await
    });
    Ok(output.success(&results.await?)?)
}

/// A node, a peer, and what is to be measured between them.
struct Bench<'a> {
    node: &'a Node,
    connected: &'a Connected,
    perf: Perf<AnyRuntime>,
    plan: Plan,
    output: &'a Output,
}

impl Bench<'_> {
    async fn run(&self) -> Result<Results, Failure> {
        let upload = self.flow("upload", self.plan.upload, Amount::NONE).await?;
        let download = self.flow("download", Amount::NONE, self.plan.download).await?;
        let round_trip = self.times("round-trip", MAX_ROUND_TRIPS, async || self.round_trip().await).await?;
        // Last, because some peers close the connection after a handful of streams in a second.
        let stream = self.times("stream", MAX_STREAMS, async || self.stream().await).await?;
        let connection = self.times("connection", MAX_CONNECTIONS, async || self.connection().await).await?;
        let peer = self.connected.peer.to_string();
        Ok(Results { peer, upload, download, round_trip, stream, connection })
    }

    /// Opens a stream, asks for a byte and gets it.
    async fn stream(&self) -> Result<Duration, Failure> {
        let start = Instant::now();
        self.measure(Amount::NONE, Amount::Bytes(1), |_| {}).await?;
        Ok(start.elapsed())
    }

    /// 32 bytes there and back on an open stream.
    async fn round_trip(&self) -> Result<Duration, Failure> {
        self.node.ping(self.connected.peer).await.map_err(failed(Failure::Ping))
    }

    /// Connects once more. Closing is not part of the time.
    async fn connection(&self) -> Result<Duration, Failure> {
        let Connected { remote_address, peer, .. } = self.connected;
        let address = with_peer_id(remote_address.clone(), peer);
        let start = Instant::now();
        let dialed = self.node.dial_with(address.clone(), DialOptions::always()).await;
        let connected = dialed.map_err(failed(|error| Failure::dial(address, error)))?;
        let elapsed = start.elapsed();
        let mut events = self.node.events().await?;
        self.node.disconnect(connected.connection).await?;
        // Only so many connections to one peer are allowed.
        while let Some(event) = events.next().await {
            if matches!(event, NodeEvent::Swarm(SwarmEvent::Disconnected { connection, .. }) if connection == connected.connection)
            {
                break;
            }
        }
        Ok(elapsed)
    }

    /// Does something again and again, and tells how long it takes.
    async fn times(
        &self,
        what: &'static str,
        max_count: usize,
        once: impl AsyncFn() -> Result<Duration, Failure>,
    ) -> Result<Times, Failure> {
        let progress = Progress::new("{wide_bar} {msg}", max_count as u64, self.output.is_interactive());
        let (mut times, mut start) = (Vec::new(), Instant::now());
        while times.len() < max_count && (times.is_empty() || start.elapsed() < self.plan.time) {
            match once().await {
                Ok(time) => times.push(time),
                // Some peers take only so many streams or connections in a second.
                Err(failure) if !times.is_empty() => {
                    self.output.warn(&format_args!("{what}: after {} times: {failure}", times.len()));
                    break;
                }
                Err(failure) => return Err(failure),
            }
            if times.len() == 1 {
                // It may have waited for what a peer still sent of a measurement before.
                start = Instant::now();
            }
            progress.tell(times.len() as u64, || format!("{what} {}", times.len()));
        }
        drop(progress);
        let times = Times::of(times);
        self.output.event(&Event { event: what, facts: times })?;
        Ok(times)
    }

    /// Moves bytes in one direction, unless there are none to move.
    async fn flow(
        &self,
        what: &'static str,
        upload: Amount,
        download: Amount,
    ) -> Result<Option<Flow>, Failure> {
        let total = match (upload, download) {
            (Amount::NONE, Amount::NONE) => return Ok(None),
            (Amount::NONE, amount) | (amount, _) => amount,
        };
        let (length, position): (u64, fn(&Flow) -> u64) = match total {
            Amount::Bytes(bytes) => (bytes, |flow| flow.bytes),
            Amount::For(time) => (time.as_millis() as u64, |flow| (flow.seconds * 1e3) as u64),
        };
        let progress = Progress::new("{wide_bar} {msg}", length, self.output.is_interactive());
        let tell = |measured: &Measured| {
            let flow = Flow::of(measured);
            progress.tell(position(&flow), || format!("{what} {flow}"));
        };
        let measured = self.measure(upload, download, tell).await?;
        drop(progress);
        let flow = Flow::of(&measured);
        self.output.event(&Event { event: what, facts: flow })?;
        Ok(Some(flow))
    }

    async fn measure(
        &self,
        upload: Amount,
        download: Amount,
        on_progress: impl FnMut(&Measured),
    ) -> Result<Measured, Failure> {
        let target = Target::Connection(self.connected.connection);
        let measured = self.perf.measure(self.node, target, upload, download, on_progress).await;
        measured.map_err(failed(Failure::Perf))
    }
}

/// One measurement is done.
#[derive(Serialize)]
struct Event<T> {
    event: &'static str,
    #[serde(flatten)]
    facts: T,
}

impl<T: Serialize + fmt::Display> Report for Event<T> {
    fn text(&self, palette: &Palette) -> String {
        format!("{:<12} {}", self.event, palette.value(&self.facts))
    }
}

/// How long something took that was done several times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Times {
    count: usize,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl Times {
    /// Of at least one time.
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        // The smallest time that so many percent of all do not exceed.
        let percentile = |percent: usize| {
            let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
            times.get(index).copied().map_or(0.0, milliseconds)
        };
        Self { count: times.len(), p50_ms: percentile(50), p99_ms: percentile(99), max_ms: percentile(100) }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50_ms, p99_ms, max_ms } = self;
        write!(f, "p50 {p50_ms:.3} ms, p99 {p99_ms:.3} ms, max {max_ms:.3} ms (n = {count})")
    }
}

/// How many bytes moved in how much time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Flow {
    bytes: u64,
    seconds: f64,
    bytes_per_second: f64,
}

impl Flow {
    /// In the one direction that there was.
    fn of(measured: &Measured) -> Self {
        let bytes = measured.uploaded + measured.downloaded;
        let seconds = (measured.upload_time + measured.download_time).as_secs_f64();
        Self { bytes, seconds, bytes_per_second: (bytes as f64 / seconds.max(1e-6)).round() }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |bytes| ByteSize(bytes).display().iec();
        let (speed, bytes) = (size(self.bytes_per_second as u64), size(self.bytes));
        write!(f, "{speed}/s, {bytes} in {:.3} s", self.seconds)
    }
}

/// All of it.
#[derive(Serialize)]
struct Results {
    peer: String,
    upload: Option<Flow>,
    download: Option<Flow>,
    round_trip: Times,
    stream: Times,
    connection: Times,
}

impl Report for Results {
    fn text(&self, palette: &Palette) -> String {
        palette.faint("All times are as this node sees them.").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let times = |count: u64| Times::of((1..=count).map(Duration::from_millis).collect());
        for (count, p50_ms, p99_ms) in
            [(1, 1.0, 1.0), (2, 1.0, 2.0), (100, 50.0, 99.0), (1_000, 500.0, 990.0)]
        {
            let expected = Times { count: count as usize, p50_ms, p99_ms, max_ms: count as f64 };
            assert_eq!(times(count), expected);
        }
        let said = times(100).to_string();
        assert_eq!(said, "p50 50.000 ms, p99 99.000 ms, max 100.000 ms (n = 100)");
    }

    #[test]
    fn flows() {
        let (uploaded, upload_time) = (3 << 30, Duration::from_secs(2));
        let flow = Flow::of(&Measured { uploaded, upload_time, ..Measured::default() });
        assert_eq!(flow.to_string(), "1.5 GiB/s, 3.0 GiB in 2.000 s");
    }
}
