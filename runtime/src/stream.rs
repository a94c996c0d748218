//! A raw stream as its user holds it.

use crate::driver::connection::StreamSource;
use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use peerwork_core::identity::PeerId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::StreamKey;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A raw stream to a peer: `AsyncRead` and `AsyncWrite` of futures-io and, with the feature `tokio-io`, of tokio.
///
/// Writing waits while the connection's transmit buffer (or the stream's window) is full. Closing ends our direction only; the
/// remote's can still be read. Dropping a stream resets it, unless both directions have ended; what was written before a close is
/// still delivered.
///
/// Reading and writing fail with `ConnectionReset` after a reset and with `ConnectionAborted` when the connection is gone.
pub struct Stream {
    key: StreamKey,
    peer: PeerId,
    protocol: ProtocolId,
    source: Arc<dyn StreamSource>,
    read_ended: bool,
    write_closed: bool,
}

impl Stream {
    pub(crate) fn new(
        key: StreamKey,
        peer: PeerId,
        protocol: ProtocolId,
        source: Arc<dyn StreamSource>,
    ) -> Self {
        source.attach(key.stream);
        Self { key, peer, protocol, source, read_ended: false, write_closed: false }
    }

    /// Which stream of which connection this is.
    pub fn key(&self) -> StreamKey {
        self.key
    }

    /// Who is at the other end.
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// The protocol that was agreed on.
    pub fn protocol(&self) -> &ProtocolId {
        &self.protocol
    }

    /// Ends both directions at once. The remote sees a reset.
    pub fn reset(self) {
        self.source.reset(self.key.stream);
    }

    /// Reads the next chunk, at most `max_bytes` of it, without a copy. Empty: the remote has ended its direction.
    ///
    /// # Errors
    /// The stream was reset, or the connection is gone.
    pub fn poll_read_chunk(&mut self, cx: &mut Context<'_>, max_bytes: usize) -> Poll<io::Result<Bytes>> {
        if self.read_ended {
            return Poll::Ready(Ok(Bytes::new()));
        }
        let chunk = ready!(self.source.poll_read(self.key.stream, max_bytes, cx))?;
        self.read_ended = chunk.is_empty();
        Poll::Ready(Ok(chunk))
    }

    fn poll_write_bytes(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_closed {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the stream was closed for writing",
            )));
        }
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.source.poll_write(self.key.stream, data, cx)
    }

    fn close_write(&mut self) {
        if !std::mem::replace(&mut self.write_closed, true) {
            self.source.close_write(self.key.stream);
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("key", &self.key)
            .field("peer", &self.peer)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.detach(self.key.stream);
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let chunk = ready!(self.poll_read_chunk(cx, buf.len()))?;
        buf[..chunk.len()].copy_from_slice(&chunk);
        Poll::Ready(Ok(chunk.len()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_bytes(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.flush();
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close_write();
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "tokio-io")]
impl tokio::io::AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() > 0 {
            let chunk = ready!(self.poll_read_chunk(cx, buf.remaining()))?;
            buf.put_slice(&chunk);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "tokio-io")]
impl tokio::io::AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self, cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_close(self, cx)
    }
}
