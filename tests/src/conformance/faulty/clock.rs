//! Time that stops, goes on and jumps, and sleeps that ring when they should not.

use super::Faults;
use peerwork_runtime::BoxFuture;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// When sleeps ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ringing {
    /// When they should.
    #[default]
    OnTime,
    /// When half of their time is over.
    Early,
    /// So much too late.
    Late(Duration),
    /// Not at all.
    Never,
}

#[derive(Debug)]
pub(super) struct Clock(Mutex<State>);

#[derive(Debug)]
struct State {
    pace: Pace,
    ringing: Ringing,
    /// Counts what sleeps have to hear of: they begin anew.
    changes: u64,
    /// Who sleeps.
    sleepers: BTreeMap<u64, Waker>,
    next_sleeper: u64,
}

#[derive(Debug, Clone, Copy)]
enum Pace {
    /// It was `time` at `real`.
    Goes {
        time: Instant,
        real: Instant,
    },
    Stands {
        time: Instant,
    },
}

impl Pace {
    fn now(self) -> Instant {
        match self {
            Self::Goes { time, real } => time + real.elapsed(),
            Self::Stands { time } => time,
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        let now = Instant::now();
        Self(Mutex::new(State {
            pace: Pace::Goes { time: now, real: now },
            ringing: Ringing::default(),
            changes: 0,
            sleepers: BTreeMap::new(),
            next_sleeper: 0,
        }))
    }
}

impl Clock {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Instant {
        self.lock().pace.now()
    }

    pub(super) fn stop(&self) {
        self.change(|state| state.pace = Pace::Stands { time: state.pace.now() });
    }

    pub(super) fn resume(&self, jump: Duration) {
        self.change(|state| state.pace = Pace::Goes { time: state.pace.now() + jump, real: Instant::now() });
    }

    pub(super) fn set_ringing(&self, ringing: Ringing) {
        self.change(|state| state.ringing = ringing);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.changes += 1;
        let sleepers = std::mem::take(&mut state.sleepers);
        drop(state);
        sleepers.into_values().for_each(Waker::wake);
    }
}

impl State {
    /// When to look again at a sleep, unless it is to ring now.
    fn remaining(&self, start: Instant, duration: Duration) -> Result<(), Option<Duration>> {
        let due = match self.ringing {
            Ringing::OnTime => start + duration,
            Ringing::Early => start + duration / 2,
            Ringing::Late(delay) => start + duration + delay,
            Ringing::Never => return Err(None),
        };
        match (due.saturating_duration_since(self.pace.now()), self.pace) {
            (Duration::ZERO, _) => Ok(()),
            (remaining, Pace::Goes { .. }) => Err(Some(remaining)),
            (_, Pace::Stands { .. }) => Err(None),
        }
    }
}

/// Where a sleeper is known, as long as it sleeps.
struct Sleeper {
    faults: Arc<Faults>,
    number: u64,
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // Dropped without the lock in hand: it may take its task along, which may hold a sleep.
        let _waker = self.faults.clock.lock().sleepers.remove(&self.number);
    }
}

/// Sleeps for `duration` by the faulty clock, by means of real sleeps that `sleep` makes.
pub(super) fn sleep(
    faults: Arc<Faults>,
    duration: Duration,
    sleep: impl Fn(Duration) -> BoxFuture<()> + Send + 'static,
) -> BoxFuture<()> {
    let (start, number) = {
        let mut state = faults.clock.lock();
        state.next_sleeper += 1;
        (state.pace.now(), state.next_sleeper)
    };
    let sleeper = Sleeper { faults, number };
    // The real sleep, and after how many changes it was begun.
    let mut real: Option<(u64, BoxFuture<()>)> = None;
    Box::pin(poll_fn(move |cx: &mut Context<'_>| {
        loop {
            let mut state = sleeper.faults.clock.lock();
            let remaining = match state.remaining(start, duration) {
                Ok(()) => return Poll::Ready(()),
                Err(remaining) => remaining,
            };
            let last_waker = state.sleepers.insert(sleeper.number, cx.waker().clone());
            let changes = state.changes;
            drop(state);
            drop(last_waker);
            let Some(remaining) = remaining else {
                real = None;
                return Poll::Pending;
            };
            let (_, ring) = match &mut real {
                Some(begun) if begun.0 == changes => begun,
                stale => stale.insert((changes, sleep(remaining))),
            };
            if ring.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            real = None;
        }
    }))
}
