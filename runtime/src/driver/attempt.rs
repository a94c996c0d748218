//! A byte stream that is being dialled.

use super::wakes::{Wakes, remember};
use crate::runtime::BoxFuture;
use crate::transport::Link;
use parking_lot::Mutex;
use peerwork_core::swarm::TransportError;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

type Outcome = Result<Link, TransportError>;

/// The driver's end of an attempt. Once it is dropped nothing is left of the attempt, neither a socket that connects nor one that is
/// connected: the dialer counts on its descriptor for the next one.
pub(crate) struct Attempt(Arc<Mutex<Progress>>);

enum Progress {
    Connecting { connecting: BoxFuture<Outcome>, task: Option<Waker> },
    Done(Outcome),
    Over,
}

impl Attempt {
    /// An attempt, and the future that makes it. That ends with whether there is an outcome to take.
    pub(crate) fn new(connecting: BoxFuture<Outcome>) -> (Self, impl Future<Output = bool>) {
        let progress = Arc::new(Mutex::new(Progress::Connecting { connecting, task: None }));
        let task = std::future::poll_fn({
            let progress = progress.clone();
            move |cx| progress.lock().poll(cx)
        });
        (Self(progress), task)
    }

    /// The outcome, if there is one.
    pub(crate) fn into_outcome(self) -> Option<Outcome> {
        match std::mem::replace(&mut *self.0.lock(), Progress::Over) {
            Progress::Done(outcome) => Some(outcome),
            Progress::Connecting { .. } | Progress::Over => None,
        }
    }
}

impl Progress {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        match self {
            Self::Connecting { connecting, task } => match connecting.as_mut().poll(cx) {
                Poll::Ready(outcome) => *self = Self::Done(outcome),
                Poll::Pending => {
                    remember(task, cx.waker());
                    return Poll::Pending;
                }
            },
            Self::Done(_) => {}
            Self::Over => return Poll::Ready(false),
        }
        Poll::Ready(true)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut wakes = Wakes::default();
        if let Progress::Connecting { task, .. } = std::mem::replace(&mut *self.0.lock(), Progress::Over) {
            wakes.add(task);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;
    use bytes::BytesMut;
    use futures_util::FutureExt;
    use std::future::{pending, ready};
    use std::io;

    /// A socket that is known to be open as long as there is one more of what it holds.
    struct Held(#[expect(dead_code, reason = "it is only held")] Arc<()>);

    impl crate::transport::Socket for Held {
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut BytesMut) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[test]
    fn nothing_is_left_of_an_attempt_that_is_given_up() {
        for is_connected in [false, true] {
            let held = Arc::new(());
            let socket = Box::new(Held(held.clone()));
            let link = Link { socket, remote_address: "/ip4/127.0.0.1/tcp/1".parse().unwrap() };
            let (attempt, mut task) = Attempt::new(Box::pin(async move {
                if !is_connected {
                    pending::<()>().await;
                }
                ready(Ok(link)).await
            }));
            assert_eq!((&mut task).now_or_never(), is_connected.then_some(true));
            assert_eq!(Arc::strong_count(&held), 2);
            // The task has not had another turn.
            drop(attempt);
            assert_eq!(Arc::strong_count(&held), 1, "connected: {is_connected}");
            assert_eq!(task.now_or_never(), Some(false));
        }
    }
}
