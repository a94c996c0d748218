//! What is to be measured.

use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is to be measured. The server is started with the client's flags.
#[derive(Debug, Clone, Parser)]
#[command(about = "Measures one kind of work between two processes and prints what it cost them.")]
pub struct Flags {
    /// The kind of work.
    #[arg(long, value_enum)]
    pub mode: Mode,
    /// How connections are secured.
    #[arg(long, value_enum, default_value = "noise")]
    pub sec: Security,
    /// How streams share a connection.
    #[arg(long, value_enum, default_value = "yamux")]
    pub mux: Muxer,
    /// Which processor runs which process.
    #[arg(long, value_enum, default_value = "one")]
    pub pin: Pin,
    /// The processor that runs the client.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub cpu: usize,
    /// How long to work.
    #[arg(long, default_value_t = 1.5, value_name = "SECONDS")]
    pub secs: f64,
    /// How much each write of `bulk` has.
    #[arg(long, default_value_t = 65_536, value_name = "BYTES", value_parser = buffer_size)]
    pub chunk: usize,
    /// How much each read of `bulk` has room for; as much as a write has, if not said.
    #[arg(long, value_name = "BYTES", value_parser = buffer_size)]
    pub read_chunk: Option<usize>,
    /// How many streams `newstream` has at a time.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub par: usize,
    /// How many idle connections or streams.
    #[arg(long, default_value_t = 1_000, value_name = "NUMBER")]
    pub n: u64,
    /// Opens streams without waiting for the remote to accept their protocol, where the implementation can.
    #[arg(long)]
    pub lazy: bool,
    /// What drives a node of peerwork. The others have no choice.
    #[arg(long, value_enum, default_value = "tokio")]
    pub runtime: Runtime,
    /// Prints the result as JSON.
    #[arg(long)]
    pub json: bool,
    /// Is the other process.
    #[arg(long, hide = true)]
    pub server: bool,
}

impl Flags {
    /// How long to work.
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.secs)
    }

    /// How much each read of `bulk` has room for.
    pub fn read_chunk(&self) -> usize {
        self.read_chunk.unwrap_or(self.chunk)
    }

    /// Whether nodes have ping and identify mounted. In the other modes they would only be noise.
    pub fn mounts_services(&self) -> bool {
        matches!(self.mode, Mode::Idleconn | Mode::Keepalive | Mode::Quiet)
    }

    /// Whether wake-ups are counted. In the other modes that would cost time.
    pub fn counts_wake_ups(&self) -> bool {
        matches!(self.mode, Mode::Keepalive | Mode::Quiet)
    }
}

fn buffer_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size @ 1..=crate::streams::BATCH_BYTES) => Ok(size),
        _ => Err(format!("a number of bytes from 1 to {}", crate::streams::BATCH_BYTES)),
    }
}

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Bytes in one direction of one stream.
    Bulk,
    /// 32 bytes there and back on an open stream, again and again.
    Ping,
    /// Opening a stream, 32 bytes there and back, closing it, again and again.
    Newstream,
    /// Dialling, securing and muxing a connection; the server closes it when it is up there.
    Conn,
    /// Connections that nothing happens on.
    Idleconn,
    /// Streams that nothing happens on.
    Idlestream,
    /// Connections on which nothing but keep-alives happens, and what they cost in a second.
    Keepalive,
    /// Connections on which not even keep-alives happen.
    Quiet,
}

/// What drives a node of peerwork.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Runtime {
    /// tokio, in one thread.
    Tokio,
    /// tokio, with two threads.
    TokioMt,
    /// smol's global executor: one thread for tasks, and one that waits for sockets.
    Smol,
    /// An executor of smol's in one thread, which waits for sockets too.
    SmolLocal,
    /// async-std: as many threads as processors, and one that waits for sockets.
    AsyncStd,
    /// No runtime: the example's loop on mio.
    Mio,
}

/// A security protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// Noise, XX with ChaCha20-Poly1305.
    Noise,
    /// TLS 1.3.
    Tls,
    /// None.
    Plaintext,
    /// secio, with AES-128 and SHA-256.
    Secio,
}

/// A muxer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Muxer {
    /// yamux.
    Yamux,
    /// mplex.
    Mplex,
}

/// Which processor runs which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pin {
    /// One runs both, so that CPU time counts no waiting for another one to wake up.
    One,
    /// The server has the processor behind the client's.
    Split,
    /// The system decides.
    None,
}
