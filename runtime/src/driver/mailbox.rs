//! A bounded queue of messages from many tasks to one, which takes no memory of its own for a message.

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The room for messages that an empty mailbox keeps.
const KEPT_CAPACITY: usize = 64;

/// A mailbox in which `capacity` messages may wait; then senders wait. Each sender may be one ahead of that.
pub(crate) fn mailbox<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let state = State {
        messages: VecDeque::new(),
        capacity,
        receiver: ReceiverState::Busy,
        blocked: BTreeMap::new(),
        senders: 1,
        next_ticket: 1,
    };
    let shared = Arc::new(Mutex::new(state));
    (Sender { ticket: 0, shared: shared.clone() }, Receiver { shared })
}

/// The receiver is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gone;

struct State<T> {
    messages: VecDeque<T>,
    capacity: usize,
    receiver: ReceiverState,
    /// Who waits for room. A message that is taken wakes the first, the last one all: one that has given up must not keep others waiting.
    blocked: BTreeMap<u64, Waker>,
    senders: usize,
    /// A number that nobody waits under.
    next_ticket: u64,
}

impl<T> State<T> {
    fn draw_ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket - 1
    }
}

enum ReceiverState {
    Busy,
    Waiting(Waker),
    Gone,
}

impl ReceiverState {
    fn take_waker(&mut self) -> Option<Waker> {
        match std::mem::replace(self, Self::Busy) {
            Self::Waiting(waker) => Some(waker),
            other => {
                *self = other;
                None
            }
        }
    }
}

/// Where messages are put in.
pub(crate) struct Sender<T> {
    /// What it waits under in [`Sender::poll_ready`].
    ticket: u64,
    shared: Arc<Mutex<State<T>>>,
}

impl<T> Sender<T> {
    /// Whether there is room for a message; wakes the task when there is.
    ///
    /// # Errors
    /// The receiver is gone.
    pub(crate) fn poll_ready(&self, cx: &Context<'_>) -> Poll<Result<(), Gone>> {
        self.poll_ready_as(self.ticket, cx)
    }

    fn poll_ready_as(&self, ticket: u64, cx: &Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.shared.lock();
        if matches!(state.receiver, ReceiverState::Gone) {
            return Poll::Ready(Err(Gone));
        }
        if state.messages.len() < state.capacity {
            return Poll::Ready(Ok(()));
        }
        state.blocked.insert(ticket, cx.waker().clone());
        Poll::Pending
    }

    /// Puts a message in, which [`Sender::poll_ready`] has found room for.
    ///
    /// # Errors
    /// The receiver is gone.
    pub(crate) fn put(&self, message: T) -> Result<(), Gone> {
        let mut state = self.shared.lock();
        if matches!(state.receiver, ReceiverState::Gone) {
            drop(state);
            return Err(Gone);
        }
        state.messages.push_back(message);
        let waker = state.receiver.take_waker();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Puts a message in when there is room. Several calls may wait at a time.
    ///
    /// # Errors
    /// The receiver is gone.
    pub(crate) async fn send(&self, message: T) -> Result<(), Gone> {
        let ticket = self.shared.lock().draw_ticket();
        poll_fn(|cx| self.poll_ready_as(ticket, cx)).await?;
        self.put(message)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        let mut state = self.shared.lock();
        state.senders += 1;
        let ticket = state.draw_ticket();
        drop(state);
        Self { ticket, shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.senders -= 1;
        let own = state.blocked.remove(&self.ticket);
        let waker = if state.senders == 0 { state.receiver.take_waker() } else { None };
        drop(state);
        drop(own);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Where messages are taken out.
pub(crate) struct Receiver<T> {
    shared: Arc<Mutex<State<T>>>,
}

impl<T> Receiver<T> {
    /// The next message; `None` when all senders are gone and everything has been taken.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<T>> {
        let mut state = self.shared.lock();
        let Some(message) = state.messages.pop_front() else {
            if state.senders == 0 {
                return Poll::Ready(None);
            }
            state.receiver = ReceiverState::Waiting(cx.waker().clone());
            return Poll::Pending;
        };
        let blocked = if state.messages.is_empty() {
            if state.messages.capacity() > KEPT_CAPACITY {
                state.messages = VecDeque::new();
            }
            std::mem::take(&mut state.blocked)
        } else {
            state.blocked.pop_first().into_iter().collect()
        };
        drop(state);
        blocked.into_values().for_each(Waker::wake);
        Poll::Ready(Some(message))
    }

    /// As [`Receiver::poll_next`].
    pub(crate) async fn next(&self) -> Option<T> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.receiver = ReceiverState::Gone;
        let (messages, blocked) = (std::mem::take(&mut state.messages), std::mem::take(&mut state.blocked));
        drop(state);
        drop(messages);
        blocked.into_values().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::task::noop_waker;

    #[test]
    fn messages_come_out_in_order_and_then_the_end() {
        let (sender, receiver) = mailbox(2);
        assert!(receiver.next().now_or_never().is_none());
        let other = sender.clone();
        assert_eq!((sender.put(1), other.put(2)), (Ok(()), Ok(())));
        drop((sender, other));
        let taken: Vec<_> = (0..3).map(|_| receiver.next().now_or_never()).collect();
        assert_eq!(taken, [Some(Some(1)), Some(Some(2)), Some(None)]);
    }

    #[test]
    fn senders_wait_for_room() {
        let (sender, receiver) = mailbox(1);
        let mut waiting = Box::pin(async {
            sender.send(1).await?;
            sender.send(2).await
        });
        assert_eq!(waiting.as_mut().now_or_never(), None);
        assert_eq!(receiver.next().now_or_never(), Some(Some(1)));
        assert_eq!(waiting.as_mut().now_or_never(), Some(Ok(())));
        assert_eq!(receiver.next().now_or_never(), Some(Some(2)));
    }

    #[test]
    fn senders_hear_that_the_receiver_is_gone() {
        let (sender, receiver) = mailbox(1);
        sender.put(1).unwrap();
        let waker = noop_waker();
        assert!(sender.poll_ready(&Context::from_waker(&waker)).is_pending());
        drop(receiver);
        assert_eq!(sender.poll_ready(&Context::from_waker(&waker)), Poll::Ready(Err(Gone)));
        assert_eq!(sender.put(2), Err(Gone));
    }
}
