//! What runs tasks.

use peerwork_smol::{BoxFuture, Executor, StartError};

/// async-std's global executor.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsyncStdExecutor;

impl Executor for AsyncStdExecutor {
    fn current() -> Result<Self, StartError> {
        Ok(Self)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        async_std::task::spawn(task);
    }
}
