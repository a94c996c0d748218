//! Echo, `/echo/1.0.0`: what the opener of a stream sends comes back, until it ends its direction.
//!
//! Every node of the program [serves](serve) it; [`measure`] uses it.

use crate::failure::{Failure, failed};
use futures_util::StreamExt;
use peerwork_tokio::core::negotiation::ProtocolId;
use peerwork_tokio::core::seed::Seed;
use peerwork_tokio::{Node, Stream};
use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The protocol's name.
pub(crate) const PROTOCOL: ProtocolId = ProtocolId::from_static("/echo/1.0.0");

/// The most bytes that are read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A prime near [`CHUNK_BYTES`]: bytes that come back at a wrong place do not match.
const PATTERN_BYTES: usize = 65_521;

/// Why an echo failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EchoError {
    /// Other bytes came back.
    #[error("the peer sent back other bytes than it got, from byte {position} on")]
    Differs {
        /// Where the first piece with a difference starts, from 0.
        position: u64,
    },
    /// More came back than was sent.
    #[error("the peer sent back more than the {sent} bytes that it got")]
    TooMany {
        /// How many were sent.
        sent: u64,
    },
    /// Less came back than was sent.
    #[error("the peer sent back only {received} of {sent} bytes")]
    TooFew {
        /// How many were sent.
        sent: u64,
        /// How many came back.
        received: u64,
    },
    /// For a while nothing could be sent, and nothing came back.
    #[error("no byte went either way for {} s; a slow peer needs more --timeout", .0.as_secs_f64())]
    Silent(Duration),
    /// The stream was reset, or the connection is gone.
    #[error("the echo broke off: {0}")]
    Broken(#[from] io::Error),
}

/// Sends back what peers send, until the node stops.
///
/// # Errors
/// The node has stopped.
pub(crate) async fn serve(node: &Node) -> Result<(), Failure> {
    let mut incoming = node.handle_protocol(&PROTOCOL).await.map_err(failed(Failure::Taken))?;
    tokio::spawn(async move {
        while let Some(stream) = incoming.next().await {
            tokio::spawn(async move {
                let peer = stream.peer();
                if let Err(error) = send_back(stream).await {
                    tracing::debug!(%peer, %error, "an echo broke off");
                }
            });
        }
    });
    Ok(())
}

async fn send_back(mut stream: Stream) -> io::Result<()> {
    loop {
        let chunk = poll_fn(|cx| stream.poll_read_chunk(cx, CHUNK_BYTES)).await?;
        if chunk.is_empty() {
            return stream.shutdown().await;
        }
        // A peer that does not read what comes back is not read either.
        stream.write_all(&chunk).await?;
    }
}

/// Sends `bytes` bytes and reads them back at the same time. Returns how long it took, and calls `on_progress` with how many are
/// back already.
///
/// # Errors
/// Something else comes back, the stream breaks, or nothing moves for `patience` to twice `patience`.
pub(crate) async fn measure(
    stream: Stream,
    bytes: u64,
    seed: Seed,
    patience: Duration,
    on_progress: impl Fn(u64),
) -> Result<Duration, EchoError> {
    let pattern = Pattern::new(seed);
    let moved = Cell::new(0);
    let count = |count| moved.set(moved.get() + count);
    let (reader, writer) = tokio::io::split(stream);
    let start = Instant::now();
    let send = send(writer, &pattern, bytes, count);
    let receive = receive(reader, &pattern, bytes, |received, chunk| {
        count(chunk);
        on_progress(received);
    });
    tokio::select! {
        result = async { tokio::try_join!(send, receive) } => result.map(|_| start.elapsed()),
        () = silence(&moved, patience) => Err(EchoError::Silent(patience)),
    }
}

async fn send(
    mut writer: impl AsyncWrite + Unpin,
    pattern: &Pattern,
    bytes: u64,
    on_sent: impl Fn(u64),
) -> Result<(), EchoError> {
    let mut sent = 0;
    while sent < bytes {
        let written = writer.write(pattern.at(sent, bytes - sent)).await? as u64;
        sent += written;
        on_sent(written);
    }
    Ok(writer.shutdown().await?)
}

async fn receive(
    mut reader: impl AsyncRead + Unpin,
    pattern: &Pattern,
    bytes: u64,
    on_received: impl Fn(u64, u64),
) -> Result<(), EchoError> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut received = 0;
    loop {
        let mut chunk = match reader.read(&mut buffer).await? {
            0 if received == bytes => return Ok(()),
            0 => return Err(EchoError::TooFew { sent: bytes, received }),
            length => &buffer[..length],
        };
        let length = chunk.len() as u64;
        if bytes - received < length {
            return Err(EchoError::TooMany { sent: bytes });
        }
        while !chunk.is_empty() {
            let expected = pattern.at(received, chunk.len() as u64);
            let (piece, rest) = chunk.split_at(expected.len());
            if piece != expected {
                return Err(EchoError::Differs { position: received });
            }
            received += piece.len() as u64;
            chunk = rest;
        }
        on_received(received, length);
    }
}

/// Ends once nothing has moved for `patience`.
async fn silence(moved: &Cell<u64>, patience: Duration) {
    let mut before = None;
    while before != Some(moved.get()) {
        before = Some(moved.get());
        tokio::time::sleep(patience).await;
    }
}

/// Random bytes, repeated without end.
struct Pattern(Vec<u8>);

impl Pattern {
    fn new(mut seed: Seed) -> Self {
        let mut bytes = vec![0; PATTERN_BYTES];
        seed.fill(&mut bytes);
        Self(bytes)
    }

    /// Some bytes from `position` on: at least one, at most `max`, which is not 0.
    fn at(&self, position: u64, max: u64) -> &[u8] {
        let start = (position % PATTERN_BYTES as u64) as usize;
        let rest = &self.0[start..];
        &rest[..rest.len().min(usize::try_from(max).unwrap_or(usize::MAX))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn received(bytes: &[u8], expected: u64) -> Result<(), EchoError> {
        receive(bytes, &Pattern::new(Seed::reproducible(1)), expected, |_, _| {}).await
    }

    #[tokio::test]
    async fn what_is_sent_is_what_is_expected() {
        for bytes in [0, 1, PATTERN_BYTES as u64, 200_000] {
            let mut sent = Vec::new();
            send(&mut sent, &Pattern::new(Seed::reproducible(1)), bytes, |_| {}).await.unwrap();
            assert_eq!(sent.len() as u64, bytes);
            received(&sent, bytes).await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_comes_back_is_compared() {
        let mut bytes = Vec::new();
        send(&mut bytes, &Pattern::new(Seed::reproducible(1)), 100_000, |_| {}).await.unwrap();
        let short = received(&bytes, 100_001).await;
        assert!(matches!(short, Err(EchoError::TooFew { sent: 100_001, received: 100_000 })));
        let long = received(&bytes, 99_999).await;
        assert!(matches!(long, Err(EchoError::TooMany { sent: 99_999 })));
        bytes[70_000] ^= 1;
        let wrong = received(&bytes, 100_000).await;
        assert!(matches!(wrong, Err(EchoError::Differs { position }) if position <= 70_000), "{wrong:?}");
    }
}
