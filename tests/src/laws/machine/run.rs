//! One run of a machine in its world.

use super::{Input, MachineSubject, Output};
use crate::laws::Law;
use crate::laws::clock::{Clock, Clocked, Habit, MAX_WAIT, draw_wait};
use crate::laws::log::Log;
use peerwork_core::machine::Machine;
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use std::collections::BTreeMap;
use std::mem;

/// Rounds of bringing everything to an end. More is a machine that cannot be brought to an end.
const MAX_WIND_DOWN_ROUNDS: usize = 10_000;

/// Polls without an end in sight. More is a machine that never has nothing to say.
const MAX_POLLS: usize = 100_000;

/// A machine on the bench, with its world and a driver of known habits.
pub(super) struct Run<'a, S: MachineSubject> {
    bench: Bench<'a, S>,
    clock: Clock,
    draw: Seed,
    steps: usize,
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) log: Log,
    pub(super) outputs: usize,
    pub(super) commands: usize,
    pub(super) died: bool,
}

struct Bench<'a, S: MachineSubject> {
    subject: &'a S,
    machine: S::Machine,
    world: S::World,
    /// Inputs and outputs in order.
    log: Log,
    outputs: usize,
    /// Every command there was, and whether it has had its outcome.
    commands: BTreeMap<S::Id, bool>,
    last_word: Option<String>,
    /// The law that is being checked. The others are left to their own checks.
    law: Law,
}

impl<'a, S: MachineSubject> Run<'a, S> {
    pub(super) fn new(subject: &'a S, case: u64, law: Law, habit: Habit) -> Result<Self, String> {
        let mut draw = Seed::reproducible(case).child("inputs");
        let clock = Clock::new(habit, draw.child("clock"));
        let (machine, world) = subject.build(case, clock.now());
        let (log, commands) = (Log::default(), BTreeMap::new());
        let mut bench = Bench { subject, machine, world, log, outputs: 0, commands, last_word: None, law };
        bench.settle(clock.now())?;
        clock.inspect(&mut bench)?;
        Ok(Self { bench, clock, draw, steps: 0 })
    }

    pub(super) fn whole(subject: &'a S, case: u64, law: Law, habit: Habit) -> Result<Trace, String> {
        let mut run = Self::new(subject, case, law, habit)?;
        for _ in 0..subject.steps() {
            run.step()?;
        }
        run.finish()
    }

    /// Draws one input or one wait.
    pub(super) fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        let at = self.steps;
        let result = self.take_step();
        result.map_err(|error| format!("in step {at}: {error}\nafter{}", self.bench.log.latest()))
    }

    fn take_step(&mut self) -> Result<(), String> {
        let Self { bench, clock, draw, .. } = self;
        let waits = draw.below(4) == 0;
        let input = if waits { None } else { bench.subject.input(&mut bench.world, draw, clock.now()) };
        match input {
            Some(input) => self.feed(input),
            None => {
                let wait = draw_wait(clock.until_deadline(bench), draw);
                clock.pass(wait, bench)?;
                clock.inspect(bench)
            }
        }
    }

    /// Brings everything to an end, after which every command must have had its outcome.
    pub(super) fn finish(mut self) -> Result<Trace, String> {
        for _ in 0..MAX_WIND_DOWN_ROUNDS {
            if let Some(input) = self.bench.subject.wind_down(&mut self.bench.world) {
                self.feed(input)?;
                continue;
            }
            self.clock.wake(&mut self.bench)?;
            match self.clock.until_deadline(&self.bench) {
                Some(wait) if wait <= MAX_WAIT => self.clock.pass(wait, &mut self.bench)?,
                _ => return self.bench.into_trace(),
            }
        }
        Err(format!("after {MAX_WIND_DOWN_ROUNDS} rounds of winding down there is still something to do"))
    }

    fn feed(&mut self, input: Input<S>) -> Result<(), String> {
        let Self { bench, clock, .. } = self;
        bench.log.fact(format_args!("in {input:?}"));
        // A dead machine has told its end already, to every command.
        let command = bench.subject.command_id(&input).filter(|_| bench.last_word.is_none());
        if let Some(id) = command
            && bench.commands.insert(id.clone(), false).is_some()
        {
            return Err(format!("the description drew the command id {id:?} twice"));
        }
        let now = clock.stamp(bench);
        bench.machine.handle_input(input, now);
        bench.settle(clock.now())?;
        clock.inspect(bench)
    }
}

impl<S: MachineSubject> Bench<'_, S> {
    fn hear(&mut self, output: &Output<S>, now: Instant) -> Result<(), String> {
        self.outputs += 1;
        self.log.fact(format_args!("out {output:?}"));
        if let Some(last) = self.last_word.as_ref().filter(|_| self.law == Law::DeadMeansDead) {
            return Err(format!("{output:?} came after {last}, which should have been the last output"));
        }
        if self.subject.is_last_word(output) {
            self.last_word = Some(format!("{output:?}"));
        }
        if let Some(id) = self.subject.outcome_id(output) {
            let answered = self.commands.get_mut(&id).map(|answered| mem::replace(answered, true));
            match answered {
                Some(false) => {}
                _ if self.law != Law::OneOutcome => {}
                Some(true) => return Err(format!("{output:?} is the second outcome of command {id:?}")),
                None => return Err(format!("{output:?} is the outcome of {id:?}, which was no command")),
            }
        }
        self.subject.output(&mut self.world, &mut self.machine, output, now);
        Ok(())
    }

    fn into_trace(self) -> Result<Trace, String> {
        let unanswered = self.commands.iter().find(|(_, answered)| !**answered);
        if let Some((id, _)) = unanswered.filter(|_| self.law == Law::OneOutcome) {
            return Err(format!("command {id:?} has had no outcome when everything was over"));
        }
        Ok(Trace {
            log: self.log,
            outputs: self.outputs,
            commands: self.commands.len(),
            died: self.last_word.is_some(),
        })
    }
}

impl<S: MachineSubject> Clocked for Bench<'_, S> {
    fn handle_timeout(&mut self, now: Instant) {
        self.machine.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.machine.poll_timeout()
    }

    fn settle(&mut self, now: Instant) -> Result<usize, String> {
        let max = if self.law == Law::Bounded { self.subject.max_outputs() } else { MAX_POLLS };
        let mut came = 0;
        while let Some(output) = self.machine.poll_output() {
            came += 1;
            self.hear(&output, now)?;
            if came > max {
                return Err(format!("more than {max} outputs after one call"));
            }
        }
        Ok(came)
    }
}
