//! The end of the suite's patience. It does not go by the timers that are under test.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// Wakes one task, from a thread of its own.
pub(super) struct Alarm(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    armed: Option<(Instant, Waker)>,
    /// When the thread looks again of its own accord.
    looks_again: Option<Instant>,
    is_over: bool,
}

impl Alarm {
    pub(super) fn new() -> Self {
        let shared = Arc::<Shared>::default();
        let at_work = shared.clone();
        let thread = std::thread::Builder::new().name("conformance alarm".to_owned());
        thread.spawn(move || at_work.run()).expect("a thread can be started");
        Self(shared)
    }

    /// Ready once it is `at`. Until then it remembers whom to wake, in place of those before.
    pub(super) fn poll(&self, at: Instant, cx: &Context<'_>) -> Poll<()> {
        if Instant::now() >= at {
            return Poll::Ready(());
        }
        let mut state = self.0.lock();
        let last = state.armed.replace((at, cx.waker().clone()));
        if state.looks_again.is_none_or(|looks_again| at < looks_again) {
            self.0.changed.notify_one();
        }
        drop(state);
        drop(last);
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.is_over {
            let now = Instant::now();
            if let Some((_, waker)) = state.armed.take_if(|(at, _)| *at <= now) {
                drop(state);
                waker.wake();
                state = self.lock();
                continue;
            }
            state.looks_again = state.armed.as_ref().map(|(at, _)| *at);
            state = match state.looks_again {
                Some(at) => {
                    let waited = self.changed.wait_timeout(state, at.saturating_duration_since(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
