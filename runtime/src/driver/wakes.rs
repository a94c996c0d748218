//! Waking tasks without a lock in hand.

use smallvec::SmallVec;
use std::task::Waker;

/// Has `slot` hold the task's waker. A clone is made only if it does not.
pub(crate) fn remember(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(known) => known.clone_from(waker),
        None => *slot = Some(waker.clone()),
    }
}

/// Tasks to wake, which happens when this is dropped. Made before a lock is taken, it is dropped after it is released, so that a task
/// that runs at once on another thread does not meet the lock.
#[derive(Default)]
pub(crate) struct Wakes(SmallVec<[Waker; 2]>);

impl Wakes {
    pub(crate) fn add(&mut self, task: impl IntoIterator<Item = Waker>) {
        self.0.extend(task);
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}
