//! Virtual time, and the habits of drivers with their clocks.

use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use std::time::Duration;

/// How a driver treats deadlines and `now`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// Wakes the machine at its deadlines and never else.
    Exact,
    /// Exact, and in between it looks whether something changed that should not have.
    Suspicious,
    /// Exact, and wakes the machine at other times as well.
    Restless,
    /// Sleeps past deadlines, and may hand over input before it looks at the clock.
    Late,
    /// Exact, but hands over an earlier `now` every now and then.
    Backwards,
}

/// What the clock needs from a machine on the bench.
pub(super) trait Clocked {
    fn handle_timeout(&mut self, now: Instant);
    fn poll_timeout(&self) -> Option<Deadline>;
    /// Polls until the machine has nothing more to say. Returns how much came.
    fn settle(&mut self, now: Instant) -> Result<usize, String>;
}

/// When every run starts: not at the origin, so that there is an earlier `now`.
pub(super) const START: Instant = Instant::from_nanos(3_600_000_000_000);

/// Wake-ups in one wait. More is a machine that keeps its driver busy.
const MAX_WAKE_UPS: usize = 10_000;

/// The longest wait that is drawn.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(3600);

const TICK: Duration = Duration::from_nanos(1);

#[derive(Debug)]
pub(super) struct Clock {
    now: Instant,
    habit: Habit,
    draw: Seed,
}

impl Clock {
    pub(super) fn new(habit: Habit, draw: Seed) -> Self {
        Self { now: START, habit, draw }
    }

    pub(super) fn habit(&self) -> Habit {
        self.habit
    }

    /// How long until the deadline of `machine`.
    pub(super) fn until_deadline(&self, machine: &impl Clocked) -> Option<Duration> {
        Some(machine.poll_timeout()?.at - self.now)
    }

    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// The `now` for the next call.
    pub(super) fn stamp(&mut self, machine: &mut impl Clocked) -> Instant {
        if !matches!(self.habit, Habit::Restless | Habit::Backwards) || self.draw.below(2) == 0 {
            return self.now;
        }
        // An early wake-up; and the machine must see the true time, or an earlier one would not be earlier to it.
        machine.handle_timeout(self.now);
        if self.habit == Habit::Backwards { self.earlier() } else { self.now }
    }

    /// Lets time pass and wakes the machine as the habit has it.
    pub(super) fn pass(&mut self, by: Duration, machine: &mut impl Clocked) -> Result<(), String> {
        let target = self.now + by;
        if self.habit == Habit::Late {
            self.now = target;
            return if self.draw.below(2) == 0 { self.wake(machine) } else { Ok(()) };
        }
        for _ in 0..MAX_WAKE_UPS {
            let due = machine.poll_timeout().filter(|deadline| deadline.at <= target);
            let next = due.map_or(target, |deadline| deadline.at.max(self.now));
            self.sleep(next, machine)?;
            self.now = next;
            if due.is_none() {
                return Ok(());
            }
            self.wake(machine)?;
        }
        Err(format!("woken {MAX_WAKE_UPS} times within {by:?}"))
    }

    /// Law 2: the polls are empty, so nothing may change before the deadline, which lies ahead.
    pub(super) fn inspect(&self, machine: &mut impl Clocked) -> Result<(), String> {
        if self.habit != Habit::Suspicious {
            return Ok(());
        }
        self.expect_future(machine, "everything was polled")?;
        self.expect_no_change(self.now, machine)
    }

    /// Wakes the machine, after which its deadline must lie ahead.
    pub(super) fn wake(&mut self, machine: &mut impl Clocked) -> Result<(), String> {
        machine.handle_timeout(self.now);
        if self.habit == Habit::Backwards {
            machine.handle_timeout(self.earlier());
        }
        machine.settle(self.now)?;
        self.expect_future(machine, "handle_timeout")
    }

    fn sleep(&mut self, until: Instant, machine: &mut impl Clocked) -> Result<(), String> {
        let Some(asleep) = until.saturating_since(self.now).checked_sub(TICK) else { return Ok(()) };
        match self.habit {
            Habit::Suspicious => self.expect_no_change(self.now + asleep, machine),
            Habit::Restless => {
                let nanos = u64::try_from(asleep.as_nanos()).unwrap_or(u64::MAX);
                let early = self.now + Duration::from_nanos(self.draw.below(nanos));
                machine.handle_timeout(early);
                machine.settle(early).map(drop)
            }
            Habit::Exact | Habit::Late | Habit::Backwards => Ok(()),
        }
    }

    fn expect_future(&self, machine: &impl Clocked, after: &str) -> Result<(), String> {
        match machine.poll_timeout() {
            Some(deadline) if deadline.at <= self.now => Err(format!(
                "after {after} at {:?} there is a deadline at {:?} ({}): output hides behind it, or the driver spins",
                self.now, deadline.at, deadline.reason
            )),
            _ => Ok(()),
        }
    }

    fn expect_no_change(&self, at: Instant, machine: &mut impl Clocked) -> Result<(), String> {
        let before = machine.poll_timeout();
        machine.handle_timeout(at);
        let came = machine.settle(at)?;
        let after = machine.poll_timeout();
        if came > 0 {
            return Err(format!(
                "a wake-up at {at:?}, before the deadline {before:?}, brought {came} outputs"
            ));
        }
        if after != before {
            return Err(format!("a wake-up at {at:?} changed the deadline from {before:?} to {after:?}"));
        }
        Ok(())
    }

    fn earlier(&mut self) -> Instant {
        Instant::from_nanos(self.draw.below(self.now.as_nanos()))
    }
}

/// Draws a wait: a moment, exactly up to the deadline, or past it.
pub(super) fn draw_wait(until_deadline: Option<Duration>, draw: &mut Seed) -> Duration {
    let moment = Duration::from_micros(draw.below(1_000_000));
    match (draw.below(4), until_deadline) {
        (0 | 1, _) | (_, None) => moment,
        (2, Some(deadline)) => deadline.min(MAX_WAIT),
        (_, Some(deadline)) => (deadline + moment).min(MAX_WAIT),
    }
}
