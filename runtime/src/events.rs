//! What the node tells its users, as a stream.

use crate::driver::wakes::Wakes;
use futures_core::Stream;
use parking_lot::Mutex;
use peerwork_core::node::NodeEvent;
use peerwork_core::swarm::SwarmEvent;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

/// How many events wait for one subscriber; beyond that the oldest are dropped, and [`Event::Missed`] says how many.
pub const MAX_WAITING_EVENTS: usize = 1024;

/// Something that happened to a node.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<E = std::convert::Infallible> {
    /// To its listeners, connections and streams.
    Swarm(SwarmEvent),
    /// To a protocol: ping, identify, peer routing, the record stores or the user's own.
    Protocol(NodeEvent<E>),
    /// The subscriber was too slow: so many events were dropped.
    Missed(u64),
}

/// The events of a node from the moment of subscription on. Ends when the node has stopped.
#[derive(Debug)]
pub struct Events<E> {
    queue: Arc<Mutex<Queue<E>>>,
}

#[derive(Debug)]
struct Queue<E> {
    events: VecDeque<Event<E>>,
    missed: u64,
    reader: Option<Waker>,
    ended: bool,
}

/// The node's end of all subscriptions.
pub(crate) struct Subscribers<E> {
    queues: Vec<Weak<Mutex<Queue<E>>>>,
}

impl<E: Clone> Subscribers<E> {
    pub(crate) fn new() -> Self {
        Self { queues: Vec::new() }
    }

    pub(crate) fn subscribe(&mut self) -> Events<E> {
        let queue = Queue { events: VecDeque::new(), missed: 0, reader: None, ended: false };
        let queue = Arc::new(Mutex::new(queue));
        self.queues.push(Arc::downgrade(&queue));
        Events { queue }
    }

    pub(crate) fn send(&mut self, event: &Event<E>) {
        self.queues.retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            let mut wakes = Wakes::default();
            let mut queue = queue.lock();
            if queue.events.len() == MAX_WAITING_EVENTS {
                queue.events.pop_front();
                queue.missed += 1;
            }
            queue.events.push_back(event.clone());
            wakes.add(queue.reader.take());
            true
        });
    }
}

impl<E> Drop for Subscribers<E> {
    fn drop(&mut self) {
        for queue in self.queues.iter().filter_map(Weak::upgrade) {
            let mut wakes = Wakes::default();
            let mut queue = queue.lock();
            queue.ended = true;
            wakes.add(queue.reader.take());
        }
    }
}

impl<E> Stream for Events<E> {
    type Item = Event<E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event<E>>> {
        let mut queue = self.queue.lock();
        if queue.missed > 0 {
            return Poll::Ready(Some(Event::Missed(std::mem::take(&mut queue.missed))));
        }
        match queue.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.ended => Poll::Ready(None),
            None => {
                queue.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
