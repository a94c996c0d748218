//! async-io's sockets and timers as a runtime.

use crate::executor::Executor;
use crate::tcp;
use peerwork_runtime::{BoxFuture, Dns, Resolver, Runtime, Socket, StartError, TcpListener};
use smol::Timer;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The runtime that async-io's sockets and timers make with an executor, of which every kind will do: async-io waits for all of them in a
/// thread of its own.
#[derive(Debug, Clone, Default)]
pub struct AsyncIo<E> {
    executor: E,
}

impl<E: Executor> AsyncIo<E> {
    /// With this executor.
    pub fn new(executor: E) -> Self {
        Self { executor }
    }
}

impl<E: Executor> Runtime for AsyncIo<E> {
    fn current() -> Result<Self, StartError> {
        E::current().map(Self::new)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.executor.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let timer = Timer::after(duration);
        Box::pin(async move {
            timer.await;
        })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Socket>>> {
        Box::pin(tcp::connect(address))
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpListener>> {
        Box::pin(async move { tcp::listen(address) })
    }

    fn resolver(&self) -> Arc<dyn Resolver> {
        Arc::new(Dns::on(self.clone()))
    }
}
