//! What runs the tasks of a program that is measured.

use anyhow::{Context, Result};
use futures_util::FutureExt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// What runs tasks. A clone is the same one.
pub trait Executor: Clone + Send + Sync + 'static {
    /// Runs `work` on the calling thread.
    fn block_on<T>(&self, work: impl Future<Output = T>) -> T;

    /// Runs `work` as a task, as long as its outcome is waited for.
    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static;

    /// Runs `work` as a task that nobody waits for.
    fn detach(&self, work: impl Future<Output = ()> + Send + 'static);

    /// Completes after so long.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()>;

    /// Does `work` in a task, as programs do, and waits. What `block_on` itself polls may cost a system call more each time it is woken.
    fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.block_on(self.spawn(work))
    }
}

/// tokio.
#[derive(Debug, Clone)]
pub struct Tokio(Arc<Runtime>);

impl Tokio {
    /// In one thread.
    ///
    /// # Errors
    /// The system gives it no sockets to wait for.
    pub fn current_thread() -> Result<Self> {
        Self::build(&mut Builder::new_current_thread())
    }

    /// With two threads that take each other's tasks, however many processors there are.
    ///
    /// # Errors
    /// The system gives it no threads, or no sockets to wait for.
    pub fn multi_thread() -> Result<Self> {
        Self::build(Builder::new_multi_thread().worker_threads(2))
    }

    fn build(builder: &mut Builder) -> Result<Self> {
        let runtime = builder.enable_all().build().context("there is no tokio runtime to be had")?;
        Ok(Self(Arc::new(runtime)))
    }
}

impl Executor for Tokio {
    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.block_on(work)
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        self.0.spawn(work).map(|done| done.expect("a task that panics ends the program's work"))
    }

    fn detach(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work);
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> {
        tokio::time::sleep(time)
    }
}
