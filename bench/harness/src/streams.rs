//! The work over streams of futures-io.

use crate::executor::{Executor, Tokio};
use crate::flags::{Flags, Mode};
use crate::work::Client;
use anyhow::{Context, Result, ensure};
use futures_util::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

/// The protocol whose streams go to [`echo`].
pub const ECHO: &str = "/bench/echo/1";

/// The protocol whose streams go to [`sink`].
pub const SINK: &str = "/bench/sink/1";

/// Bulk comes in batches of about as many bytes. Each begins with its length, so that its end needs no closing: not every implementation
/// can close one direction only.
pub const BATCH_BYTES: usize = 1024 * 1024;

/// A node with streams of futures-io. A clone is the same node.
pub trait Node: Clone + Send + 'static {
    /// A stream.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Connects to the server, and stays connected.
    ///
    /// # Errors
    /// The dial failed.
    fn dial(&self) -> impl Future<Output = Result<()>> + Send;

    /// Connects to the server, and waits until the server has closed.
    ///
    /// # Errors
    /// The dial failed.
    fn dial_until_closed(&self) -> impl Future<Output = Result<()>> + Send;

    /// Opens a stream to the server.
    ///
    /// # Errors
    /// It could not be opened.
    fn open(&self, protocol: &'static str) -> impl Future<Output = Result<Self::Stream>> + Send;
}

/// Serves on tokio in one thread.
///
/// # Errors
/// Those of `serve`.
pub fn serve(serve: impl Future<Output = Result<Infallible>> + Send + 'static) -> Result<Infallible> {
    Tokio::current_thread()?.run(serve)
}

/// The server's end of [`SINK`]: reads up to `read_chunk` bytes at a time, and says at the end how many there were.
///
/// # Errors
/// Those of the stream.
pub async fn sink(mut stream: impl AsyncRead + AsyncWrite + Unpin, read_chunk: usize) -> io::Result<()> {
    let mut buffer = vec![0; read_chunk];
    let mut length = [0; 8];
    let mut total = 0_u64;
    loop {
        stream.read_exact(&mut length).await?;
        let mut left = u64::from_be_bytes(length);
        if left == 0 {
            break;
        }
        total += left;
        while left > 0 {
            let room = usize::try_from(left).map_or(read_chunk, |left| left.min(read_chunk));
            let read = stream.read(&mut buffer[..room]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= read as u64;
        }
    }
    stream.write_all(&total.to_be_bytes()).await?;
    stream.flush().await?;
    stream.close().await
}

/// The server's end of [`ECHO`]: sends back what comes, 32 bytes at a time.
///
/// # Errors
/// Those of the stream, but for its end.
pub async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = [0; 32];
    while stream.read_exact(&mut buffer).await.is_ok() {
        stream.write_all(&buffer).await?;
        stream.flush().await?;
    }
    stream.close().await
}

/// The client's end of [`SINK`]: writes for so long, `chunk` bytes at a time, and returns how many the server has read, which is all.
///
/// # Errors
/// Those of the stream; or bytes were lost.
pub async fn bulk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    time: Duration,
    chunk: usize,
) -> Result<u64> {
    let chunk = vec![0x5a; chunk];
    let chunks = BATCH_BYTES / chunk.len();
    let batch = (chunks * chunk.len()) as u64;
    let start = Instant::now();
    let mut total = 0;
    while start.elapsed() < time {
        stream.write_all(&batch.to_be_bytes()).await?;
        for _ in 0..chunks {
            stream.write_all(&chunk).await?;
        }
        total += batch;
    }
    stream.write_all(&0_u64.to_be_bytes()).await?;
    stream.flush().await?;
    let mut read = [0; 8];
    stream.read_exact(&mut read).await.context("the server does not say what it has read")?;
    let read = u64::from_be_bytes(read);
    ensure!(read == total, "{total} bytes were sent and {read} arrived");
    Ok(total)
}

/// The client's end of [`ECHO`]: has 32 bytes echoed for so long, and returns how often.
///
/// # Errors
/// Those of the stream; or the echo is not what was sent.
pub async fn round_trips(mut stream: impl AsyncRead + AsyncWrite + Unpin, time: Duration) -> Result<u64> {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < time {
        round_trip(&mut stream).await?;
        count += 1;
    }
    Ok(count)
}

/// A node on tokio in one thread, as a [`Client`].
pub type OnTokio<N> = Driven<N, Tokio>;

/// A node and what runs it, as a [`Client`].
pub struct Driven<N: Node, E> {
    executor: E,
    node: N,
    held: Vec<N::Stream>,
}

impl<N: Node> OnTokio<N> {
    /// Starts a node, and connects it unless the work is to make connections.
    ///
    /// # Errors
    /// Those of `start` and of the dial.
    pub fn start(flags: &Flags, start: impl Future<Output = Result<N>>) -> Result<Self> {
        Self::start_on(Tokio::current_thread()?, flags, start)
    }
}

impl<N: Node, E: Executor> Driven<N, E> {
    /// Starts a node on `executor`, and connects it unless the work is to make connections.
    ///
    /// # Errors
    /// Those of `start` and of the dial.
    pub fn start_on(executor: E, flags: &Flags, start: impl Future<Output = Result<N>>) -> Result<Self> {
        let node = executor.block_on(async {
            let node = start.await?;
            if flags.mode != Mode::Conn && !flags.mounts_services() {
                node.dial().await?;
            }
            Ok::<_, anyhow::Error>(node)
        })?;
        Ok(Self { executor, node, held: Vec::new() })
    }
}

impl<N: Node, E: Executor> Client for Driven<N, E> {
    fn bulk(&mut self, time: Duration, chunk: usize) -> Result<u64> {
        let node = self.node.clone();
        self.executor.run(async move { bulk(node.open(SINK).await?, time, chunk).await })
    }

    fn round_trips(&mut self, time: Duration) -> Result<u64> {
        let node = self.node.clone();
        self.executor.run(async move { round_trips(node.open(ECHO).await?, time).await })
    }

    fn new_streams(&mut self, time: Duration, parallel: usize) -> Result<u64> {
        self.executor.block_on(async {
            let start = Instant::now();
            let one = |node: N| async move {
                let mut count = 0;
                while start.elapsed() < time {
                    let mut stream = node.open(ECHO).await?;
                    round_trip(&mut stream).await?;
                    stream.close().await?;
                    count += 1;
                }
                Ok::<u64, anyhow::Error>(count)
            };
            let tasks: Vec<_> = (0..parallel).map(|_| self.executor.spawn(one(self.node.clone()))).collect();
            let mut total = 0;
            for task in tasks {
                total += task.await?;
            }
            Ok(total)
        })
    }

    fn connections(&mut self, time: Duration) -> Result<u64> {
        let node = self.node.clone();
        self.executor.run(async move {
            let start = Instant::now();
            let mut count = 0;
            while start.elapsed() < time {
                node.dial_until_closed().await?;
                count += 1;
            }
            Ok(count)
        })
    }

    fn hold_connections(&mut self, count: u64) -> Result<()> {
        self.executor.block_on(async {
            for _ in 0..count {
                self.node.dial().await?;
            }
            Ok(())
        })
    }

    fn hold_streams(&mut self, count: u64) -> Result<()> {
        self.executor.block_on(async {
            for _ in 0..count {
                let mut stream = self.node.open(ECHO).await?;
                round_trip(&mut stream).await?;
                self.held.push(stream);
            }
            Ok(())
        })
    }

    fn rest(&mut self, time: Duration) {
        self.executor.block_on(async { self.executor.sleep(time).await });
    }
}

async fn round_trip(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<()> {
    let sent = [7; 32];
    stream.write_all(&sent).await?;
    stream.flush().await?;
    let mut echoed = [0; 32];
    stream.read_exact(&mut echoed).await.context("no echo")?;
    ensure!(echoed == sent, "the echo is not what was sent");
    Ok(())
}
