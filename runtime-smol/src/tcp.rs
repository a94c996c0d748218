//! TCP sockets.

use bytes::BytesMut;
use futures_util::{AsyncRead, AsyncWrite, stream};
use peerwork_runtime::{Socket, TcpListener, bind_tcp};
use smol::Async;
use std::cell::Cell;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

/// How much is read at a time.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    /// Where bytes arrive. futures-io reads into what is initialized, and the room that a buffer has left is not: to fill that with
    /// zeros for each read costs more than to copy what has arrived, which often is little or nothing.
    static ARRIVED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A byte stream of futures-io as a [`Socket`], for transports of the user's own.
#[derive(Debug)]
pub struct Io<T>(pub T);

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Socket for Io<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        let mut arrived = ARRIVED.take();
        arrived.resize(READ_BYTES, 0);
        // At least a byte, since to read none means the end.
        let room = (buffer.capacity() - buffer.len()).clamp(1, READ_BYTES);
        let read = Pin::new(&mut self.0).poll_read(cx, &mut arrived[..room]);
        if let Poll::Ready(Ok(len)) = read {
            buffer.extend_from_slice(&arrived[..len]);
        }
        ARRIVED.set(arrived);
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

/// A connected socket. Closing it ends our direction, which async-io's own does not.
pub struct TcpStream(Async<std::net::TcpStream>);

impl TcpStream {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::new(Async::<std::net::TcpStream>::connect(address).await?)
    }

    fn new(stream: Async<std::net::TcpStream>) -> io::Result<Self> {
        // The connection gathers small writes itself.
        stream.get_ref().set_nodelay(true)?;
        Ok(Self(stream))
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, bytes)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.get_ref().shutdown(Shutdown::Write))
    }
}

pub(crate) async fn connect(address: SocketAddr) -> io::Result<Box<dyn Socket>> {
    Ok(socket(TcpStream::connect(address).await?))
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = Async::new_nonblocking(bind_tcp(address)?)?;
    let address = listener.get_ref().local_addr()?;
    let incoming = stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await;
        let accepted = accepted.and_then(|(stream, from)| Ok((socket(TcpStream::new(stream)?), from)));
        Some((accepted, listener))
    });
    Ok(TcpListener { address, incoming: Box::pin(incoming) })
}

fn socket(stream: TcpStream) -> Box<dyn Socket> {
    Box::new(Io(stream))
}
