//! What a runtime brings: TCP sockets, timers, tasks and the system's name resolution.

use crate::node::StartError;
use crate::resolver::Resolver;
use crate::transport::Socket;
use futures_core::Stream;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A boxed future that a runtime can run.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A boxed stream that a runtime can wait for.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// An async runtime: everything that the driver needs and does not write itself. A value of it is a cheap handle.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// The runtime of the calling task.
    ///
    /// # Errors
    /// [`StartError::NoRuntime`]: the caller is not inside one.
    fn current() -> Result<Self, StartError>;

    /// Runs `task` to its end in the background.
    fn spawn(&self, task: BoxFuture<()>);

    /// Completes after `duration`. May be late; the driver judges by [`now`](Self::now).
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;

    /// The time, by a clock that never goes back. It may stand still, for instance while the machine sleeps; sleeps should go by it.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// The wall clock, since 1970: for certificates, and for records and peers that are stored. Zero if it stands before that.
    fn since_1970(&self) -> Duration {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    /// Connects over TCP.
    ///
    /// # Errors
    /// The system's.
    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Socket>>>;

    /// Listens on TCP; port 0 lets the system choose. An IPv6 address takes IPv6 only, so that `0.0.0.0` and `[::]` can be listened on
    /// side by side.
    ///
    /// # Errors
    /// The system's.
    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpListener>>;

    /// The system's name resolution. Made anew for each node; it may read its configuration at the first use.
    fn resolver(&self) -> Arc<dyn Resolver>;
}

/// A TCP socket that listens.
pub struct TcpListener {
    /// Where, with the real port.
    pub address: SocketAddr,
    /// Each connection and where it comes from. An error does not end it: the driver goes on accepting after a while.
    pub incoming: BoxStream<io::Result<(Box<dyn Socket>, SocketAddr)>>,
}
