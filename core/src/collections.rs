//! A queue and a map that own no memory while they are empty, as nearly all of a connection's are nearly always.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Deref, DerefMut};

/// First in, first out. A single item is kept in place, since most queues never hold more.
#[derive(Debug)]
pub(crate) enum Queue<T> {
    Empty,
    One(T),
    /// Two or more have been in it since it was empty.
    Many(VecDeque<T>),
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::Empty
    }
}

impl<T> Queue<T> {
    pub(crate) fn push(&mut self, item: T) {
        *self = match std::mem::take(self) {
            Self::Empty => Self::One(item),
            Self::One(first) => Self::Many(VecDeque::from([first, item])),
            Self::Many(mut items) => {
                items.push_back(item);
                Self::Many(items)
            }
        };
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        if let Self::Many(items) = self
            && items.len() > 1
        {
            return items.pop_front();
        }
        match std::mem::take(self) {
            Self::Empty => None,
            Self::One(item) => Some(item),
            Self::Many(mut items) => items.pop_front(),
        }
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.iter().next()
    }

    pub(crate) fn front_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Empty => None,
            Self::One(item) => Some(item),
            Self::Many(items) => items.front_mut(),
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let is_empty = match self {
            Self::Empty => true,
            Self::One(item) => !keep(item),
            Self::Many(items) => {
                items.retain(keep);
                items.is_empty()
            }
        };
        if is_empty {
            *self = Self::Empty;
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Many(items) => items.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// How many items there is memory for on the heap.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::Many(items) => items.capacity(),
            Self::Empty | Self::One(_) => 0,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let (first, items) = match self {
            Self::Empty => (None, None),
            Self::One(item) => (Some(item), None),
            Self::Many(items) => (None, Some(items.iter())),
        };
        first.into_iter().chain(items.into_iter().flatten())
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
