//! What runs the tasks of a node that is not on tokio.

use bench_harness::Executor;
use peerwork_smol::AsyncIo;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// An executor that peerwork has a runtime for.
pub(crate) trait Hosts: Executor {
    type Runtime: peerwork_runtime::Runtime;

    /// The runtime. To be called within the executor.
    fn runtime(&self) -> Self::Runtime;
}

impl Hosts for bench_harness::Tokio {
    type Runtime = peerwork_tokio::Tokio;

    fn runtime(&self) -> Self::Runtime {
        peerwork_runtime::Runtime::current().expect("it is called within tokio")
    }
}

/// smol's global executor.
#[derive(Debug, Clone)]
pub(crate) struct Smol;

impl Executor for Smol {
    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        smol::block_on(work)
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        smol::spawn(work)
    }

    fn detach(&self, work: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(work).detach();
    }

    async fn sleep(&self, time: Duration) {
        smol::Timer::after(time).await;
    }
}

impl Hosts for Smol {
    type Runtime = peerwork_smol::Smol;

    fn runtime(&self) -> Self::Runtime {
        AsyncIo::default()
    }
}

/// An executor of smol's in the calling thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct SmolLocal(Arc<smol::Executor<'static>>);

impl Executor for SmolLocal {
    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        smol::block_on(self.0.run(work))
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        self.0.spawn(work)
    }

    fn detach(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work).detach();
    }

    async fn sleep(&self, time: Duration) {
        smol::Timer::after(time).await;
    }
}

impl Hosts for SmolLocal {
    type Runtime = peerwork_smol::Smol;

    fn runtime(&self) -> Self::Runtime {
        AsyncIo::on(&self.0)
    }
}

/// async-std's global executor.
#[derive(Debug, Clone)]
pub(crate) struct AsyncStd;

impl Executor for AsyncStd {
    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        async_std::task::block_on(work)
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        async_std::task::spawn(work)
    }

    fn detach(&self, work: impl Future<Output = ()> + Send + 'static) {
        async_std::task::spawn(work);
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> {
        async_std::task::sleep(time)
    }
}

impl Hosts for AsyncStd {
    type Runtime = peerwork_async_std::AsyncStd;

    fn runtime(&self) -> Self::Runtime {
        AsyncIo::default()
    }
}
