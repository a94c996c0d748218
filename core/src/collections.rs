//! A queue and a map that own no memory while they are empty, as nearly all of a connection's are nearly always.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Deref, DerefMut};

/// First in, first out.
#[derive(Debug)]
pub(crate) struct Queue<T>(VecDeque<T>);

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Queue<T> {
    pub(crate) fn push(&mut self, item: T) {
        self.0.push_back(item);
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let item = self.0.pop_front();
        self.free_if_empty();
        item
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.0.front()
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut T> {
        self.0.front_mut()
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
        self.free_if_empty();
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many items there is memory for.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    fn free_if_empty(&mut self) {
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }
}

/// An ordered map. The standard one keeps a node of eleven entries once it has had one.
#[derive(Debug)]
pub(crate) struct Map<K, V>(BTreeMap<K, V>);

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V> Map<K, V> {
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let value = self.0.remove(key);
        if self.0.is_empty() {
            self.0 = BTreeMap::new();
        }
        value
    }
}

impl<K, V> Deref for Map<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &BTreeMap<K, V> {
        &self.0
    }
}

impl<K, V> DerefMut for Map<K, V> {
    fn deref_mut(&mut self) -> &mut BTreeMap<K, V> {
        &mut self.0
    }
}
