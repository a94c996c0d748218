//! A queue and a map that own no memory while they are empty, as nearly all of a connection's are nearly always.

use smallvec::SmallVec;
use std::collections::VecDeque;

/// First in, first out. A single item is kept in place, since most queues never hold more.
#[derive(Debug, Default)]
pub(crate) enum Queue<T> {
    #[default]
    Empty,
    One(T),
    /// Two or more have been in it since it was empty.
    Many(VecDeque<T>),
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

/// An ordered map for the streams of a connection: few entries, and a new key is nearly always the greatest. A single entry is kept in
/// place. Finding takes logarithmic time; removing moves the entries behind.
#[derive(Debug)]
pub(crate) struct Map<K, V>(SmallVec<[(K, V); 1]>);

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(SmallVec::new())
    }
}

impl<K: Ord, V> Map<K, V> {
    fn find(&self, key: &K) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if last < key => Err(self.0.len()),
            _ => self.0.binary_search_by(|(other, _)| other.cmp(key)),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.find(key).ok().map(|index| &self.0[index].1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.find(key).ok().map(|index| &mut self.0[index].1)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(index) => Some(std::mem::replace(&mut self.0[index].1, value)),
            Err(index) => {
                self.0.insert(index, (key, value));
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let index = self.find(key).ok()?;
        Some(self.remove_at(index).1)
    }

    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.0.is_empty()).then(|| self.remove_at(0))
    }

    fn remove_at(&mut self, index: usize) -> (K, V) {
        let entry = self.0.remove(index);
        if self.0.is_empty() {
            self.0 = SmallVec::new();
        }
        entry
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }
}
