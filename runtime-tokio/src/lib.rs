//! peerwork on tokio: sockets, timers and tasks, nothing else.
//!
//! ```
//! use peerwork_tokio::{NodeBuilder, Target};
//! use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let echo = "/echo/1.0.0".parse()?;
//!     let (server, client) = (peerwork_tokio::start(NodeBuilder::new())?, peerwork_tokio::start(NodeBuilder::new())?);
//!     let mut incoming = server.handle_protocol(&echo).await?;
//!     tokio::spawn(async move {
//!         while let Some(stream) = incoming.next().await {
//!             let (mut reader, mut writer) = stream.split();
//!             tokio::spawn(async move {
//!                 futures_util::io::copy(&mut reader, &mut writer).await?;
//!                 writer.close().await
//!             });
//!         }
//!     });
//!     let listening = server.listen("/ip4/127.0.0.1/tcp/0".parse()?).await?;
//!     let connected = client.dial(listening.address).await?;
//!     let mut stream = client.open_stream(Target::Peer(connected.peer), &[echo]).await?;
//!     stream.write_all(b"hello").await?;
//!     stream.close().await?;
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer).await?;
//!     assert_eq!(answer, "hello");
//!     Ok(())
//! }
//! ```

pub use peerwork_core as core;
pub use peerwork_core::node::NodeBuilder;
pub use peerwork_core::protocols::Target;
pub use peerwork_runtime::*;

use bytes::BytesMut;
use peerwork_core::protocols::Protocols;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::net::{TcpListener, TcpStream};

/// tokio: the runtime of the task that makes it.
#[derive(Debug, Clone)]
pub struct Tokio {
    handle: tokio::runtime::Handle,
}

impl Tokio {
    /// The runtime of the calling task.
    ///
    /// # Errors
    /// The caller is not inside a tokio runtime.
    pub fn current() -> Result<Self, tokio::runtime::TryCurrentError> {
        tokio::runtime::Handle::try_current().map(|handle| Self { handle })
    }
}

/// Starts a node on the runtime of the calling task.
///
/// # Errors
/// The caller is not inside a tokio runtime, or the operating system gives no randomness.
pub fn start<P>(builder: NodeBuilder<P>) -> Result<Node<P>, StartError>
where
    P: Protocols + Send + 'static,
    P::Command: Send,
    P::Event: Send + Sync,
{
    let runtime = Tokio::current().map_err(|error| StartError::NoRuntime(error.to_string()))?;
    Node::start(builder, runtime)
}

impl Runtime for Tokio {
    type Socket = TcpSocket;
    type Listener = TcpListening;

    fn spawn(&self, task: BoxFuture<()>) {
        self.handle.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpSocket>> {
        Box::pin(async move { TcpSocket::new(TcpStream::connect(address).await?) })
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpListening>> {
        Box::pin(async move { TcpListener::bind(address).await.map(TcpListening) })
    }
}

/// A TCP listener.
#[derive(Debug)]
pub struct TcpListening(TcpListener);

impl Listener for TcpListening {
    type Socket = TcpSocket;

    fn local_address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpSocket, SocketAddr)>> {
        self.0.poll_accept(cx).map(|accepted| {
            let (stream, address) = accepted?;
            Ok((TcpSocket::new(stream)?, address))
        })
    }
}

/// A TCP connection.
#[derive(Debug)]
pub struct TcpSocket(TcpStream);

impl TcpSocket {
    fn new(stream: TcpStream) -> io::Result<Self> {
        // The connection gathers small writes itself.
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }
}

impl Socket for TcpSocket {
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

/// The examples of the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
