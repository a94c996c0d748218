//! A node in one thread without a runtime: the loop on mio of the examples, doing the same work.

use crate::builder;
use anyhow::{Context, Result, anyhow, bail, ensure};
use bench_harness::streams::{BATCH_BYTES, ECHO, SINK};
use bench_harness::{Client, Flags, WAKE_UPS, announce};
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::connection::StreamEvent;
use peerwork_core::muxer::{ReadError, WriteError};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::LocalOutput;
use peerwork_core::protocols::{StreamKey, Target};
use peerwork_core::swarm::{DialOptions, SwarmEvent};
use peerwork_examples::loops::build;
use peerwork_examples::loops::mio::MioNode;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

type Output = LocalOutput<Infallible>;

/// How long is slept at most.
const LONG: Duration = Duration::from_secs(3600);

fn start(flags: &Flags) -> Result<MioNode> {
    let node = build(builder(flags)?).map_err(|error| anyhow!("{error}"))?;
    Ok(MioNode::new(node)?)
}

fn turn(node: &mut MioNode, longest: Duration) -> Result<()> {
    WAKE_UPS.fetch_add(1, Ordering::Relaxed);
    Ok(node.turn(Some(longest))?)
}

/// The stream that an output is about, if it may be read or written now.
fn stream_of(output: &Output) -> Option<StreamKey> {
    match output {
        LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => Some(*stream),
        LocalOutput::Stream(connection, StreamEvent::Readable(stream) | StreamEvent::Writable(stream)) => {
            Some(StreamKey { connection: *connection, stream: *stream })
        }
        _ => None,
    }
}

/// Serves both protocols.
pub(crate) fn serve(flags: &Flags) -> Result<Infallible> {
    let mut node = start(flags)?;
    let now = node.now();
    for protocol in [ECHO, SINK] {
        node.node().handle_protocol(ProtocolId::from_static(protocol), now);
    }
    node.node().listen("/ip4/127.0.0.1/tcp/0".parse()?, now);
    let mut served = BTreeMap::new();
    loop {
        while let Some(output) = node.poll_output() {
            match &output {
                LocalOutput::Event(SwarmEvent::Listening { address, .. }) => {
                    announce(address::with_peer_id(address.clone(), &node.node().local_peer()));
                }
                LocalOutput::Event(SwarmEvent::StreamOpened { stream, protocol, .. }) => {
                    let is_echo = *protocol == ProtocolId::from_static(ECHO);
                    served
                        .insert(*stream, Served::new(if is_echo { 32 } else { flags.read_chunk() }, is_echo));
                }
                _ => {}
            }
            if let Some(stream) = stream_of(&output)
                && let Some(ours) = served.get_mut(&stream)
                && !ours.advance(&mut node, stream)
            {
                served.remove(&stream);
            }
        }
        turn(&mut node, LONG)?;
    }
}

/// The server's end of a stream.
struct Served {
    buffer: Vec<u8>,
    work: Work,
}

/// What an end is at, with how much of its bytes it has read or written.
enum Work {
    /// Reads 32 bytes to send back.
    Hear(usize),
    /// Sends them back.
    Echo(usize),
    /// Reads the length of a batch, of which there were so many bytes before.
    Length { total: u64, read: usize },
    /// Reads a batch, of which so much is left.
    Batch { total: u64, left: u64 },
    /// Says how much there was.
    Total { total: u64, written: usize },
}

impl Served {
    fn new(buffer_bytes: usize, is_echo: bool) -> Self {
        let work = if is_echo { Work::Hear(0) } else { Work::Length { total: 0, read: 0 } };
        // It holds a length, too.
        Self { buffer: vec![0; buffer_bytes.max(8)], work }
    }

    /// Reads and writes as far as it goes. False: it is over.
    fn advance(&mut self, node: &mut MioNode, stream: StreamKey) -> bool {
        let now = node.now();
        let (node, buffer) = (node.node(), &mut self.buffer[..]);
        loop {
            let blocked = match &mut self.work {
                Work::Hear(32) => {
                    self.work = Work::Echo(0);
                    continue;
                }
                Work::Echo(32) => {
                    self.work = Work::Hear(0);
                    continue;
                }
                Work::Length { total, read: 8 } => {
                    let left = u64::from_be_bytes(buffer[..8].try_into().expect("it is of 8 bytes"));
                    let total = *total + left;
                    self.work = if left > 0 {
                        Work::Batch { total, left }
                    } else {
                        Work::Total { total, written: 0 }
                    };
                    continue;
                }
                Work::Batch { total, left: 0 } => {
                    self.work = Work::Length { total: *total, read: 0 };
                    continue;
                }
                Work::Total { written: 8, .. } => {
                    node.close_write(stream, now);
                    return false;
                }
                Work::Hear(read) => add(read, node.read_into(stream, &mut buffer[*read..32], now)),
                Work::Echo(written) => put(written, node.write(stream, &buffer[*written..32], now)),
                Work::Length { read, .. } => add(read, node.read_into(stream, &mut buffer[*read..8], now)),
                Work::Batch { left, .. } => {
                    let room = usize::try_from(*left).map_or(buffer.len(), |left| left.min(buffer.len()));
                    let mut read = 0;
                    let blocked = add(&mut read, node.read_into(stream, &mut buffer[..room], now));
                    *left -= read as u64;
                    blocked
                }
                Work::Total { total, written } => {
                    put(written, node.write(stream, &total.to_be_bytes()[*written..], now))
                }
            };
            match blocked {
                Some(Blocked::Waits) => return true,
                Some(Blocked::Over) => {
                    node.close_write(stream, now);
                    return false;
                }
                None => {}
            }
        }
    }
}

/// Why a stream cannot be read or written.
enum Blocked {
    Waits,
    Over,
}

fn add(done: &mut usize, read: Result<usize, ReadError>) -> Option<Blocked> {
    match read {
        Ok(read) => *done += read,
        Err(ReadError::Blocked) => return Some(Blocked::Waits),
        Err(ReadError::Ended | ReadError::Closed) => return Some(Blocked::Over),
    }
    None
}

fn put(done: &mut usize, written: Result<usize, WriteError>) -> Option<Blocked> {
    match written {
        Ok(written) => *done += written,
        Err(WriteError::Blocked) => return Some(Blocked::Waits),
        Err(WriteError::Closed) => return Some(Blocked::Over),
    }
    None
}

/// A node that knows its server.
pub(crate) struct Dialer {
    node: MioNode,
    server: Multiaddr,
    /// The connection that streams are opened on.
    target: Option<Target>,
}

impl Dialer {
    /// Starts a node, and connects it unless the work is to make connections.
    pub(crate) fn start(flags: &Flags, server: &str) -> Result<Self> {
        let mut dialer = Self { node: start(flags)?, server: server.parse()?, target: None };
        if !flags.mounts_services() {
            dialer.dial()?;
        }
        Ok(dialer)
    }

    fn dial(&mut self) -> Result<()> {
        let now = self.node.now();
        self.node.node().dial_with(self.server.clone(), DialOptions::always(), now);
        let connection = self.wait(|output| match output {
            LocalOutput::Event(SwarmEvent::Dialed { connection, .. }) => Some(Ok(*connection)),
            LocalOutput::Event(SwarmEvent::DialFailed { error, .. }) => Some(Err(anyhow!("{error}"))),
            _ => None,
        })??;
        // Further ones are idle.
        self.target.get_or_insert(Target::Connection(connection));
        Ok(())
    }

    fn open(&mut self, protocol: &'static str) -> Result<StreamKey> {
        let (now, target) = (self.node.now(), self.target.context("there is no connection")?);
        self.node.node().open_stream(target, ProtocolId::from_static(protocol), now);
        self.wait(|output| match output {
            LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => Some(Ok(*stream)),
            LocalOutput::Event(SwarmEvent::StreamFailed { error, .. }) => Some(Err(anyhow!("{error}"))),
            _ => None,
        })?
    }

    /// Turns until an output is what is waited for.
    fn wait<T>(&mut self, mut is_it: impl FnMut(&Output) -> Option<T>) -> Result<T> {
        loop {
            let mut found = None;
            while let Some(output) = self.node.poll_output() {
                found = found.or_else(|| is_it(&output));
            }
            match found {
                Some(found) => return Ok(found),
                None => turn(&mut self.node, LONG)?,
            }
        }
    }

    fn wait_for(&mut self, stream: StreamKey) -> Result<()> {
        self.wait(|output| (stream_of(output) == Some(stream)).then_some(()))
    }

    fn write_all(&mut self, stream: StreamKey, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let now = self.node.now();
            match self.node.node().write(stream, data, now) {
                Ok(written) => data = &data[written..],
                Err(WriteError::Blocked) => self.wait_for(stream)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn read_exact<const N: usize>(&mut self, stream: StreamKey) -> Result<[u8; N]> {
        let (mut buffer, mut read) = ([0; N], 0);
        while read < N {
            let now = self.node.now();
            match self.node.node().read_into(stream, &mut buffer[read..], now) {
                Ok(more) => read += more,
                Err(ReadError::Blocked) => self.wait_for(stream)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(buffer)
    }
}

impl Client for Dialer {
    fn bulk(&mut self, time: Duration, chunk: usize) -> Result<u64> {
        let stream = self.open(SINK)?;
        let chunk = vec![0x5a; chunk];
        let chunks = BATCH_BYTES / chunk.len();
        let batch = (chunks * chunk.len()) as u64;
        let start = Instant::now();
        let mut total = 0;
        while start.elapsed() < time {
            self.write_all(stream, &batch.to_be_bytes())?;
            for _ in 0..chunks {
                self.write_all(stream, &chunk)?;
            }
            total += batch;
        }
        self.write_all(stream, &0_u64.to_be_bytes())?;
        let read = u64::from_be_bytes(self.read_exact(stream)?);
        ensure!(read == total, "{total} bytes were sent and {read} arrived");
        Ok(total)
    }

    fn round_trips(&mut self, time: Duration) -> Result<u64> {
        let stream = self.open(ECHO)?;
        let start = Instant::now();
        let (sent, mut count) = ([7; 32], 0);
        while start.elapsed() < time {
            self.write_all(stream, &sent)?;
            ensure!(self.read_exact(stream)? == sent, "the echo is not what was sent");
            count += 1;
        }
        Ok(count)
    }

    fn new_streams(&mut self, _: Duration, _: usize) -> Result<u64> {
        bail!("the loop opens one stream only")
    }

    fn connections(&mut self, _: Duration) -> Result<u64> {
        bail!("the loop makes connections to keep only")
    }

    fn hold_connections(&mut self, count: u64) -> Result<()> {
        (0..count).try_for_each(|_| self.dial())
    }

    fn hold_streams(&mut self, _: u64) -> Result<()> {
        bail!("the loop opens one stream only")
    }

    fn rest(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            while self.node.poll_output().is_some() {}
            if let Err(error) = turn(&mut self.node, left) {
                eprintln!("peerwork: {error:#}");
                return;
            }
        }
    }
}
