//! Time as a value: an [`Instant`] that the driver hands in, a [`Deadline`] that a machine hands out, and the
//! table in which a machine keeps its timers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in time: nanoseconds since an origin that the driver chose and never changes.
///
/// The origin means nothing to core: only differences count. All arithmetic saturates, so a number from a peer or
/// a clock that jumps cannot panic. The range is 584 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The driver's origin.
    pub const ORIGIN: Self = Self(0);

    /// The instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `since_origin` after the origin, or the last representable one.
    pub fn from_origin(since_origin: Duration) -> Self {
        Self::ORIGIN + since_origin
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this instant is; zero if it is not after it.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}

/// The latest point in time that a machine was told. An earlier one counts as this one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latest(Instant);

impl Latest {
    /// Notes `now`, and gives the time that it really is.
    pub fn see(&mut self, now: Instant) -> Instant {
        self.0 = self.0.max(now);
        self.0
    }

    /// The latest time that was noted.
    pub fn get(self) -> Instant {
        self.0
    }
}

/// When a machine wants to be woken, and why. Waking it earlier does nothing; later is safe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Deadline {
    /// The point in time at which `handle_timeout` has something to do.
    pub at: Instant,
    /// What it is for, in a few words for a log line.
    pub reason: &'static str,
}

impl Deadline {
    /// A deadline at `at`.
    pub const fn new(at: Instant, reason: &'static str) -> Self {
        Self { at, reason }
    }

    /// The earlier of two optional deadlines.
    pub fn earlier(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

/// A set of timers, at most one for each key: the earliest in constant time, changes in logarithmic time.
///
/// Bounded by the number of keys that its owner uses.
#[derive(Debug)]
pub struct Timers<K>(Set<K>);

/// A single timer is kept in place: most connections never have more.
#[derive(Debug)]
enum Set<K> {
    Empty,
    One(K, Deadline),
    /// Two or more have been in it since it was empty.
    Many {
        by_key: BTreeMap<K, Deadline>,
        by_time: BTreeSet<(Instant, K)>,
    },
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self(Set::Empty)
    }
}

impl<K: Ord + Copy> Timers<K> {
    /// Sets, moves or (with `None`) removes the timer of `key`.
    pub fn set(&mut self, key: K, deadline: Option<Deadline>) {
        match (&mut self.0, deadline) {
            (Set::Empty, None) => {}
            (Set::Empty, Some(deadline)) => self.0 = Set::One(key, deadline),
            (Set::One(one, at), Some(deadline)) if *one == key => *at = deadline,
            (Set::One(one, at), Some(_)) => {
                let (by_key, by_time) = (BTreeMap::from([(*one, *at)]), BTreeSet::from([(at.at, *one)]));
                self.0 = Set::Many { by_key, by_time };
                self.set(key, deadline);
            }
            (Set::One(one, _), None) if *one == key => self.0 = Set::Empty,
            (Set::One(..), None) => {}
            (Set::Many { by_key, .. }, deadline) if by_key.get(&key).copied() == deadline => {}
            (Set::Many { by_key, by_time }, deadline) => {
                let old = match deadline {
                    Some(deadline) => by_key.insert(key, deadline),
                    None => by_key.remove(&key),
                };
                if let Some(old) = old {
                    by_time.remove(&(old.at, key));
                }
                if let Some(new) = deadline {
                    by_time.insert((new.at, key));
                }
                if by_key.is_empty() {
                    self.0 = Set::Empty;
                }
            }
        }
    }

    fn first(&self) -> Option<(K, Deadline)> {
        match &self.0 {
            Set::Empty => None,
            Set::One(key, deadline) => Some((*key, *deadline)),
            Set::Many { by_key, by_time } => {
                let (_, key) = by_time.first()?;
                Some((*key, *by_key.get(key)?))
            }
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Deadline> {
        self.first().map(|(_, deadline)| deadline)
    }

    /// Takes one key whose deadline is not after `now`, the earliest first.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (key, _) = self.first().filter(|(_, deadline)| deadline.at <= now)?;
        self.set(key, None);
        Some(key)
    }

    /// The deadline of `key`, if one is set.
    pub fn get(&self, key: K) -> Option<Deadline> {
        match &self.0 {
            Set::Empty => None,
            Set::One(one, deadline) => (*one == key).then_some(*deadline),
            Set::Many { by_key, .. } => by_key.get(&key).copied(),
        }
    }

    /// Whether the timer of `key` is set.
    pub fn contains(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        match &self.0 {
            Set::Empty => 0,
            Set::One(..) => 1,
            Set::Many { by_key, .. } => by_key.len(),
        }
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Set::Empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let end = Instant::from_nanos(u64::MAX);
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(Instant::ORIGIN - end, Duration::ZERO);
    }

    #[test]
    fn an_earlier_time_is_ignored() {
        let at = Instant::from_nanos;
        let mut latest = Latest::default();
        assert_eq!([5, 3, 7].map(|nanos| latest.see(at(nanos))), [at(5), at(5), at(7)]);
    }

    #[test]
    fn timers_pop_in_order_of_time() {
        let at = |nanos| Some(Deadline::new(Instant::from_nanos(nanos), "test"));
        let mut timers = Timers::default();
        timers.set('a', at(30));
        timers.set('b', at(10));
        timers.set('c', at(20));
        timers.set('b', at(40));
        timers.set('c', None);
        assert_eq!(timers.next(), at(30));
        assert_eq!(timers.pop_due(Instant::from_nanos(29)), None);
        assert_eq!(timers.pop_due(Instant::from_nanos(40)), Some('a'));
        assert_eq!(timers.pop_due(Instant::from_nanos(40)), Some('b'));
        assert!(timers.is_empty());
    }
}
