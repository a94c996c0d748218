//! What runs tasks.

use crate::AsyncIo;
use peerwork_runtime::{BoxFuture, StartError};
use std::sync::{Arc, Weak};

/// What runs tasks. A value of it is a cheap handle; sockets and timers are none of its business.
pub trait Executor: Clone + Send + Sync + Unpin + 'static {
    /// The executor of a node that is told none.
    ///
    /// # Errors
    /// [`StartError::NoRuntime`]: there is none where the caller is.
    fn current() -> Result<Self, StartError>;

    /// Runs `task` to its end in the background. An executor that has come to its end drops it.
    fn spawn(&self, task: BoxFuture<()>);
}

/// smol's global executor, or one of the user's own.
#[derive(Debug, Clone, Default)]
pub struct SmolExecutor(
    /// Not kept alive by the tasks that it owns, which would keep one another then.
    Option<Weak<smol::Executor<'static>>>,
);

impl AsyncIo<SmolExecutor> {
    /// An executor of the user's own, which must be run for anything to happen. When it is dropped, all tasks are.
    pub fn on(executor: &Arc<smol::Executor<'static>>) -> Self {
        Self::new(SmolExecutor(Some(Arc::downgrade(executor))))
    }
}

impl Executor for SmolExecutor {
    fn current() -> Result<Self, StartError> {
        Ok(Self::default())
    }

    fn spawn(&self, task: BoxFuture<()>) {
        match &self.0 {
            None => smol::spawn(task).detach(),
            Some(executor) => {
                if let Some(executor) = executor.upgrade() {
                    executor.spawn(task).detach();
                }
            }
        }
    }
}
