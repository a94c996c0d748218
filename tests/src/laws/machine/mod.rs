//! The laws of a [`Machine`]: 1, 2, 5, 6, 7 and 10.
//!
//! A machine is described by a [`MachineSubject`]: how to build it, and a world around it that draws its inputs and hears its
//! outputs, so that what it asks for is answered. A check runs the same case again and again with drivers of different
//! habits, and compares what went in and came out.

mod run;
mod twin;

use super::clock::Habit;
use super::{Cases, Law, Report, Violation, prove_law};
use peerwork_core::machine::Machine;
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use run::Run;
use std::fmt::Debug;
use twin::{FAULTS, Twin};

/// The laws that are checked of a machine.
pub const LAWS: [Law; 6] =
    [Law::Pure, Law::Visible, Law::SoftTime, Law::Bounded, Law::DeadMeansDead, Law::OneOutcome];

/// A machine, described for the law checks.
///
/// All that depends on chance depends on `case`, a number that a failed check prints, or on the `draw` that is handed in.
pub trait MachineSubject {
    /// The machine.
    type Machine: Machine<Input: Debug + Clone + PartialEq, Output: Debug + Clone + PartialEq>;
    /// What is around it: whatever the next input depends on. `()` if on nothing.
    type World;
    /// What a command and its outcome have in common. Any type if there are no commands.
    type Id: Debug + Clone + Ord;

    /// What the table of results calls it.
    fn name(&self) -> String;

    /// A fresh machine and the world around it.
    fn build(&self, case: u64, now: Instant) -> (Self::Machine, Self::World);

    /// Draws the next input. `None` lets time pass instead.
    fn input(&self, world: &mut Self::World, draw: &mut Seed, now: Instant) -> Option<Input<Self>>;

    /// Tells the world what came out. Values that an output only names can be taken from the machine here.
    fn output(
        &self,
        world: &mut Self::World,
        machine: &mut Self::Machine,
        output: &Output<Self>,
        now: Instant,
    ) {
        let _ = (world, machine, output, now);
    }

    /// The next of the inputs that bring everything to an end. `None`: nothing more to do, for now.
    fn wind_down(&self, world: &mut Self::World) -> Option<Input<Self>> {
        let _ = world;
        None
    }

    /// The id, if this input is a command. No two commands have the same.
    fn command_id(&self, input: &Input<Self>) -> Option<Self::Id> {
        let _ = input;
        None
    }

    /// The id of the command, if this output is its outcome.
    fn outcome_id(&self, output: &Output<Self>) -> Option<Self::Id> {
        let _ = output;
        None
    }

    /// Whether the machine says with this output that it is dead.
    fn is_last_word(&self, output: &Output<Self>) -> bool {
        let _ = output;
        false
    }

    /// The most outputs that one call may bring.
    fn max_outputs(&self) -> usize {
        64
    }

    /// How many inputs and waits make a case.
    fn steps(&self) -> usize {
        60
    }

    /// Why there is nothing to check about a law, if so.
    fn exempt(&self, law: Law) -> Option<&'static str> {
        let _ = law;
        None
    }
}

/// The input of a described machine.
pub type Input<S> = <<S as MachineSubject>::Machine as Machine>::Input;
/// The output of a described machine.
pub type Output<S> = <<S as MachineSubject>::Machine as Machine>::Output;

/// Checks every law, and that the check of each law catches the twins of this machine that break it.
///
/// # Errors
/// The first violation. A twin that is not caught is one: then the inputs do not do enough.
pub fn prove<S: MachineSubject>(subject: &S, cases: &Cases) -> Result<Vec<Report>, Violation> {
    let prove_one = |law| {
        let twins = FAULTS.iter().filter(|(breaks, ..)| *breaks == law);
        let twins = twins.map(|(_, fault, name)| (*name, check(&Twin::new(subject, *fault), law, cases)));
        prove_law(subject.name(), law, subject.exempt(law), cases, || check(subject, law, cases), twins)
    };
    LAWS.into_iter().map(prove_one).collect()
}

/// Checks one law. Returns in how many cases there was something to check.
///
/// # Errors
/// The first violation.
///
/// # Panics
/// If `law` is not one of [`LAWS`].
pub fn check<S: MachineSubject>(subject: &S, law: Law, cases: &Cases) -> Result<u64, Violation> {
    let check_case = match law {
        Law::Pure => pure,
        Law::Visible => visible,
        Law::SoftTime => soft_time,
        Law::Bounded => bounded,
        Law::DeadMeansDead => dead_means_dead,
        Law::OneOutcome => one_outcome,
        Law::ChunkBlind | Law::SlowWriterSafe => panic!("{law} is not a law of machines"),
    };
    cases.run(subject.name(), law, |case| check_case(subject, case))
}

fn pure<S: MachineSubject>(subject: &S, case: u64) -> Result<bool, String> {
    let expected = Run::whole(subject, case, Law::Pure, Habit::Exact)?;
    // Two at once, so that one would notice whatever they share.
    let mut runs = [
        Run::new(subject, case, Law::Pure, Habit::Exact)?,
        Run::new(subject, case, Law::Pure, Habit::Exact)?,
    ];
    for _ in 0..subject.steps() {
        for run in &mut runs {
            run.step()?;
        }
    }
    for run in runs {
        run.finish()?.log.compare_facts(&expected.log, false)?;
    }
    Ok(expected.outputs > 0)
}

fn visible<S: MachineSubject>(subject: &S, case: u64) -> Result<bool, String> {
    Ok(Run::whole(subject, case, Law::Visible, Habit::Suspicious)?.outputs > 0)
}

fn soft_time<S: MachineSubject>(subject: &S, case: u64) -> Result<bool, String> {
    let expected = Run::whole(subject, case, Law::SoftTime, Habit::Exact)?;
    for habit in [Habit::Restless, Habit::Backwards] {
        let trace = Run::whole(subject, case, Law::SoftTime, habit)?;
        let difference = trace.log.compare_facts(&expected.log, false);
        difference.map_err(|difference| format!("{habit:?} driver: {difference}"))?;
    }
    // Being late may change what happens, but only within the other laws.
    Run::whole(subject, case, Law::SoftTime, Habit::Late)?;
    Ok(expected.outputs > 0)
}

fn bounded<S: MachineSubject>(subject: &S, case: u64) -> Result<bool, String> {
    Ok(Run::whole(subject, case, Law::Bounded, Habit::Late)?.outputs > 0)
}

fn dead_means_dead<S: MachineSubject>(subject: &S, case: u64) -> Result<bool, String> {
    Ok(Run::whole(subject, case, Law::DeadMeansDead, Habit::Exact)?.died)
}

fn one_outcome<S: MachineSubject>(subject: &S, case: u64) -> Result<bool, String> {
    let late = Run::whole(subject, case, Law::OneOutcome, Habit::Late)?;
    let exact = Run::whole(subject, case, Law::OneOutcome, Habit::Exact)?;
    Ok(late.commands + exact.commands > 0)
}
