//! Broken twins: any machine, made to break one law on purpose, so that its check can be seen to fail.

use super::{Input, MachineSubject, Output};
use crate::laws::Law;
use peerwork_core::machine::Machine;
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

/// A way for a machine to break a law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Every second instance loses its first output, whatever its seed.
    CountsInstances,
    /// What input brings is there only after the next wake-up, and no deadline says so.
    OutputUnannounced,
    /// What input brings is there only after a wake-up, which is due at once.
    OutputBehindTimer,
    /// The deadline stays in the past.
    Spins,
    /// An early wake-up brings an output.
    WakesEarly,
    /// An earlier `now` brings an output.
    FollowsClockBack,
    /// An output comes more often than there may be outputs.
    Floods,
    /// Goes on after its last word.
    SpeaksAfterDeath,
    /// A command has two outcomes.
    AnswersTwice,
    /// A command has no outcome.
    NeverAnswers,
}

/// The number of the next instance of [`Fault::CountsInstances`].
static INSTANCES: AtomicU64 = AtomicU64::new(0);

/// Every fault with the law that it breaks and what the table of results calls it.
pub(super) const FAULTS: [(Law, Fault, &str); 10] = [
    (Law::Pure, Fault::CountsInstances, "counts instances"),
    (Law::Visible, Fault::OutputUnannounced, "output unannounced"),
    (Law::Visible, Fault::OutputBehindTimer, "output behind a timer"),
    (Law::Visible, Fault::Spins, "spins"),
    (Law::SoftTime, Fault::WakesEarly, "wakes early"),
    (Law::SoftTime, Fault::FollowsClockBack, "follows the clock back"),
    (Law::Bounded, Fault::Floods, "floods"),
    (Law::DeadMeansDead, Fault::SpeaksAfterDeath, "speaks after death"),
    (Law::OneOutcome, Fault::AnswersTwice, "answers twice"),
    (Law::OneOutcome, Fault::NeverAnswers, "never answers"),
];

/// The description of a machine, of which every instance has a fault.
pub(super) struct Twin<'a, S> {
    subject: &'a S,
    fault: Fault,
}

impl<'a, S> Twin<'a, S> {
    pub(super) fn new(subject: &'a S, fault: Fault) -> Self {
        Self { subject, fault }
    }
}

impl<'a, S: MachineSubject> MachineSubject for Twin<'a, S> {
    type Machine = BrokenMachine<'a, S>;
    type World = S::World;
    type Id = S::Id;

    fn name(&self) -> String {
        format!("{} with a fault", self.subject.name())
    }

    fn build(&self, case: u64, now: Instant) -> (Self::Machine, Self::World) {
        let counts = self.fault == Fault::CountsInstances;
        let swallow = counts && INSTANCES.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        let (inner, world) = self.subject.build(case, now);
        let (subject, fault) = (self.subject, self.fault);
        let machine = BrokenMachine {
            subject,
            inner,
            fault,
            now,
            swallow,
            held: None,
            latest: None,
            extra: VecDeque::new(),
            dead: false,
        };
        (machine, world)
    }

    fn input(&self, world: &mut Self::World, draw: &mut Seed, now: Instant) -> Option<Input<Self>> {
        self.subject.input(world, draw, now)
    }

    fn output(
        &self,
        world: &mut Self::World,
        machine: &mut Self::Machine,
        output: &Output<Self>,
        now: Instant,
    ) {
        self.subject.output(world, &mut machine.inner, output, now);
    }

    fn wind_down(&self, world: &mut Self::World) -> Option<Input<Self>> {
        self.subject.wind_down(world)
    }

    fn command_id(&self, input: &Input<Self>) -> Option<Self::Id> {
        self.subject.command_id(input)
    }

    fn outcome_id(&self, output: &Output<Self>) -> Option<Self::Id> {
        self.subject.outcome_id(output)
    }

    fn is_last_word(&self, output: &Output<Self>) -> bool {
        self.subject.is_last_word(output)
    }

    fn max_outputs(&self) -> usize {
        self.subject.max_outputs()
    }

    fn steps(&self) -> usize {
        self.subject.steps()
    }
}

/// A machine with a fault.
pub(super) struct BrokenMachine<'a, S: MachineSubject> {
    subject: &'a S,
    inner: S::Machine,
    fault: Fault,
    /// The latest `now`.
    now: Instant,
    /// The next output is to be lost.
    swallow: bool,
    /// Since when output is held back.
    held: Option<Instant>,
    /// The latest output, to be said again.
    latest: Option<Output<S>>,
    /// Comes before anything of the inner machine.
    extra: VecDeque<Output<S>>,
    dead: bool,
}

impl<S: MachineSubject> BrokenMachine<'_, S> {
    fn before_call(&mut self, now: Instant) {
        let back = now < self.now && self.fault == Fault::FollowsClockBack;
        let dead = self.dead && self.fault == Fault::SpeaksAfterDeath;
        if back || dead {
            self.extra.extend(self.latest.clone());
        }
        self.now = self.now.max(now);
    }

    /// What becomes of an output of the inner machine.
    fn pass_on(&mut self, output: &Output<S>) {
        let outcome = self.subject.outcome_id(output).is_some();
        let times = match self.fault {
            Fault::CountsInstances if std::mem::take(&mut self.swallow) => 0,
            Fault::Floods => self.subject.max_outputs() + 1,
            Fault::AnswersTwice if outcome => 2,
            Fault::NeverAnswers if outcome => 0,
            _ => 1,
        };
        self.dead |= self.subject.is_last_word(output);
        self.latest = Some(output.clone());
        self.extra.extend(std::iter::repeat_n(output.clone(), times));
    }
}

impl<S: MachineSubject> Machine for BrokenMachine<'_, S> {
    type Input = Input<S>;
    type Output = Output<S>;

    fn handle_input(&mut self, input: Self::Input, now: Instant) {
        self.before_call(now);
        self.inner.handle_input(input, now);
        if matches!(self.fault, Fault::OutputUnannounced | Fault::OutputBehindTimer) {
            self.held = Some(self.now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.before_call(now);
        self.held = (self.fault == Fault::Spins).then_some(self.now);
        let early = self.inner.poll_timeout().is_none_or(|deadline| now < deadline.at);
        if early && self.fault == Fault::WakesEarly {
            self.extra.extend(self.latest.clone());
        }
        self.inner.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Self::Output> {
        if self.held.is_some() && self.fault != Fault::Spins {
            return None;
        }
        while self.extra.is_empty() {
            let output = self.inner.poll_output()?;
            self.pass_on(&output);
        }
        self.extra.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let ours = match self.fault {
            Fault::OutputBehindTimer => self.held.map(|since| Deadline::new(since, "output")),
            Fault::Spins => self.held.map(|since| Deadline::new(since, "spinning")),
            _ => None,
        };
        Deadline::earlier(ours, self.inner.poll_timeout())
    }
}
