//! A queue that owns no memory while it is empty.

use std::collections::VecDeque;

/// First in, first out. Most queues of a connection are empty nearly always, so the memory is given back each time.
#[derive(Debug)]
pub(super) struct Queue<T>(VecDeque<T>);

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Queue<T> {
    pub(super) fn push(&mut self, item: T) {
        self.0.push_back(item);
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let item = self.0.pop_front();
        self.free_if_empty();
        item
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.0.front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut T> {
        self.0.front_mut()
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
        self.free_if_empty();
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many items there is memory for.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    fn free_if_empty(&mut self) {
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }
}
