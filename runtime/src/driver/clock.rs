//! The clock: the one place where time is read.

use crate::runtime::Runtime;
use peerwork_core::time::Instant;
use std::time::Duration;

/// Counts from the start of the node, by the runtime's clock.
pub(crate) struct Clock {
    source: Box<dyn Source>,
    origin: std::time::Instant,
}

/// What a clock is read from: a runtime of any kind.
pub(crate) trait Source: Send + Sync {
    fn now(&self) -> std::time::Instant;
    fn since_1970(&self) -> Duration;
}

impl<R: Runtime> Source for R {
    fn now(&self) -> std::time::Instant {
        Runtime::now(self)
    }

    fn since_1970(&self) -> Duration {
        Runtime::since_1970(self)
    }
}

impl Clock {
    pub(crate) fn start(source: impl Source + 'static) -> Self {
        Self { origin: source.now(), source: Box::new(source) }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_origin(self.source.now().saturating_duration_since(self.origin))
    }

    /// The wall clock.
    pub(crate) fn since_1970(&self) -> Duration {
        self.source.since_1970()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("origin", &self.origin).finish_non_exhaustive()
    }
}
