//! What a runtime brings: sockets, timers and tasks.

use bytes::BytesMut;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// A boxed future that a runtime can run.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An async runtime: everything that the driver needs and does not write itself. A value of it is a cheap handle.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected byte stream.
    type Socket: Socket;
    /// A listening socket.
    type Listener: Listener<Socket = Self::Socket>;

    /// Runs `task` to its end in the background.
    fn spawn(&self, task: BoxFuture<()>);

    /// Completes after `duration`. May be late; the driver judges by the clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;

    /// Connects over TCP.
    ///
    /// # Errors
    /// The system's.
    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<Self::Socket>>;

    /// Listens on TCP; port 0 lets the system choose.
    ///
    /// # Errors
    /// The system's.
    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<Self::Listener>>;
}

/// A listening socket.
pub trait Listener: Send + 'static {
    /// What it accepts.
    type Socket;

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    fn local_address(&self) -> io::Result<SocketAddr>;

    /// The next connection and where it comes from.
    ///
    /// # Errors
    /// The system's. The driver goes on accepting after a while.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Self::Socket, SocketAddr)>>;
}

/// A connected byte stream. A `poll_*` that is pending wakes the task of its last call.
pub trait Socket: Send + 'static {
    /// Appends what has arrived to `buffer`, into its spare capacity. Zero: the remote has ended its direction.
    ///
    /// # Errors
    /// The system's.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Sends a prefix of `bytes` and gives its length.
    ///
    /// # Errors
    /// The system's.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Ends our direction.
    ///
    /// # Errors
    /// The system's.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
