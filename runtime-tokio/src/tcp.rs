//! TCP sockets.

use bytes::BytesMut;
use futures_util::stream;
use peerwork_runtime::{Socket, TcpListener, bind_tcp};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A byte stream of tokio's as a [`Socket`], for transports of the user's own.
#[derive(Debug)]
pub struct Io<T>(pub T);

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Socket for Io<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        tokio_util::io::poll_read_buf(Pin::new(&mut self.0), cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

pub(crate) async fn connect(address: SocketAddr) -> io::Result<Box<dyn Socket>> {
    socket(TcpStream::connect(address).await?)
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = tokio::net::TcpListener::from_std(bind_tcp(address)?)?;
    let address = listener.local_addr()?;
    let incoming = stream::poll_fn(move |cx| {
        let accepted = listener.poll_accept(cx)?;
        accepted.map(|(stream, from)| Some(self::socket(stream).map(|socket| (socket, from))))
    });
    Ok(TcpListener { address, incoming: Box::pin(incoming) })
}

fn socket(stream: TcpStream) -> io::Result<Box<dyn Socket>> {
    // The connection gathers small writes itself.
    stream.set_nodelay(true)?;
    Ok(Box::new(Io(stream)))
}
