//! The laws of a [`Layer`]: 1 to 5 and 7.
//!
//! A layer is described by a [`LayerSubject`]: how to build it, and a script of what happens to it. The script is drawn, or
//! recorded between two layers that talk to each other ([`record`]). A check runs the script again and again with drivers of different
//! habits, and compares what the layers sent and told.

mod run;
mod script;
mod twin;

pub use script::record;

use super::clock::Habit;
use super::log::{Log, compare_bytes};
use super::{Cases, Law, Report, Violation, prove_law};
use bytes::Bytes;
use peerwork_core::machine::{End, Layer};
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use run::{Run, Trace, Writer};
use script::{Cut, recut, spoil};
use std::fmt::{self, Debug};
use std::time::Duration;
use twin::{FAULTS, Twin};

/// The laws that are checked of a layer.
pub const LAWS: [Law; 6] =
    [Law::Pure, Law::Visible, Law::ChunkBlind, Law::SlowWriterSafe, Law::SoftTime, Law::DeadMeansDead];

/// A layer, described for the law checks.
///
/// All that depends on chance depends on `case`, a number that a failed check prints.
pub trait LayerSubject {
    /// The layer.
    type Layer: Layer<Event: Debug, Error: Debug>;

    /// What the table of results calls it.
    fn name(&self) -> String;

    /// A fresh layer.
    fn build(&self, case: u64, now: Instant) -> Self::Layer;

    /// What happens to the layer: enough to send and to tell something, within its limits even if nobody takes what it sends.
    ///
    /// # Errors
    /// The script could not be made. Counts as a violation.
    fn script(&self, case: u64) -> Result<Vec<Step>, String>;

    /// Does with the layer what the application might do. `number` is drawn from all numbers.
    fn operate(&self, layer: &mut Self::Layer, number: u64, now: Instant, log: &mut Log) {
        let _ = (layer, number, now, log);
    }

    /// Notes what an event says, and does what the application would. Whatever depends on how input was cut must be left out.
    fn event(
        &self,
        layer: &mut Self::Layer,
        event: <Self::Layer as Layer>::Event,
        now: Instant,
        log: &mut Log,
    ) {
        let _ = (layer, now);
        log.fact(event);
    }

    /// Notes what all sent bytes together mean to the remote. Needed where frames may leave in one order or another.
    fn sent(&self, case: u64, bytes: &[u8], log: &mut Log) {
        let _ = case;
        log.bytes(0, bytes);
    }

    /// Why there is nothing to check about a law, if so.
    fn exempt(&self, law: Law) -> Option<&'static str> {
        let _ = law;
        None
    }
}

/// One thing that happens to a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Bytes arrive.
    Input(Bytes),
    /// The byte stream below ends.
    End(End),
    /// Time passes, and the layer is woken at its deadlines.
    Wait(Duration),
    /// The application does something, see [`LayerSubject::operate`].
    Operation(u64),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(bytes) => write!(f, "input of {} bytes", bytes.len()),
            Self::End(end) => write!(f, "end, {end:?}"),
            Self::Wait(by) => write!(f, "wait of {by:?}"),
            Self::Operation(number) => write!(f, "operation {number}"),
        }
    }
}

impl Step {
    fn input(&self) -> Option<&Bytes> {
        match self {
            Self::Input(bytes) => Some(bytes),
            Self::End(_) | Self::Wait(_) | Self::Operation(_) => None,
        }
    }
}

/// Checks every law, and that the check of each law catches the twins of this layer that break it.
///
/// # Errors
/// The first violation. A twin that is not caught is one: then the script does not do enough.
pub fn prove<S: LayerSubject>(subject: &S, cases: &Cases) -> Result<Vec<Report>, Violation> {
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
pub fn check<S: LayerSubject>(subject: &S, law: Law, cases: &Cases) -> Result<u64, Violation> {
    let check_case = match law {
        Law::Pure => pure,
        Law::Visible => visible,
        Law::ChunkBlind => chunk_blind,
        Law::SlowWriterSafe => slow_writer_safe,
        Law::SoftTime => soft_time,
        Law::DeadMeansDead => dead_means_dead,
        Law::Bounded | Law::OneOutcome => panic!("{law} is not a law of layers"),
    };
    cases.run(subject.name(), law, |case| check_case(subject, case, &subject.script(case)?))
}

fn pure<S: LayerSubject>(subject: &S, case: u64, script: &[Step]) -> Result<bool, String> {
    let expected = Run::whole(subject, case, Habit::Exact, Writer::Prompt, script)?;
    // Two at once, so that one would notice whatever they share.
    let mut runs = [
        Run::new(subject, case, Habit::Exact, Writer::Prompt)?,
        Run::new(subject, case, Habit::Exact, Writer::Prompt)?,
    ];
    for step in script {
        for run in &mut runs {
            run.step(step)?;
        }
    }
    for run in runs {
        run.finish()?.compare(&expected, |ours, expected, _| compare_bytes("sent", expected, ours, false))?;
    }
    Ok(!expected.log.is_empty() || !expected.sent.is_empty())
}

fn visible<S: LayerSubject>(subject: &S, case: u64, script: &[Step]) -> Result<bool, String> {
    let trace = Run::whole(subject, case, Habit::Suspicious, Writer::Prompt, script)?;
    Ok(!trace.log.is_empty() || !trace.sent.is_empty())
}

fn chunk_blind<S: LayerSubject>(subject: &S, case: u64, script: &[Step]) -> Result<bool, String> {
    let mut draw = Seed::reproducible(case).child("cut");
    // Bad input must be blind to chunks as well.
    for script in [script.to_vec(), spoil(script, &mut draw)] {
        let expected = Run::whole(subject, case, Habit::Exact, Writer::Prompt, &script)?;
        for cut in [Cut::SingleBytes, Cut::Drawn, Cut::Drawn] {
            let cut = recut(&script, cut, &mut draw);
            let trace = Run::whole(subject, case, Habit::Exact, Writer::Prompt, &cut)?;
            compare(subject, case, &trace, &expected)?;
        }
    }
    Ok(script.iter().filter_map(Step::input).any(|bytes| bytes.len() > 1))
}

fn slow_writer_safe<S: LayerSubject>(subject: &S, case: u64, script: &[Step]) -> Result<bool, String> {
    let expected = Run::whole(subject, case, Habit::Exact, Writer::Prompt, script)?;
    for writer in [Writer::Small(1), Writer::Small(2), Writer::Small(7), Writer::Rare, Writer::Last] {
        let trace = Run::whole(subject, case, Habit::Exact, writer, script)?;
        compare(subject, case, &trace, &expected).map_err(|error| format!("{writer:?} writer: {error}"))?;
    }
    Ok(!expected.sent.is_empty())
}

fn soft_time<S: LayerSubject>(subject: &S, case: u64, script: &[Step]) -> Result<bool, String> {
    let expected = Run::whole(subject, case, Habit::Exact, Writer::Prompt, script)?;
    for habit in [Habit::Restless, Habit::Backwards] {
        let trace = Run::whole(subject, case, habit, Writer::Prompt, script)?;
        compare(subject, case, &trace, &expected).map_err(|error| format!("{habit:?} driver: {error}"))?;
    }
    // Being late may change what happens, but only within the other laws.
    Run::whole(subject, case, Habit::Late, Writer::Prompt, script)?;
    Ok(true)
}

fn dead_means_dead<S: LayerSubject>(subject: &S, case: u64, script: &[Step]) -> Result<bool, String> {
    let mut draw = Seed::reproducible(case).child("spoil");
    let mut run = Run::new(subject, case, Habit::Exact, Writer::Prompt)?;
    for step in &spoil(script, &mut draw) {
        run.step(step)?;
        if run.is_dead() {
            run.expect_dead(script)?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn compare<S: LayerSubject>(subject: &S, case: u64, trace: &Trace, expected: &Trace) -> Result<(), String> {
    trace.compare(expected, |ours, expected, torn| {
        if ours == expected {
            return Ok(());
        }
        let mean = |bytes| {
            let mut log = Log::default();
            subject.sent(case, bytes, &mut log);
            log
        };
        let (ours, expected) = (mean(ours), mean(expected));
        let of_sent = |difference| format!("sent: {difference}");
        ours.compare_facts(&expected, torn).map_err(of_sent)?;
        ours.compare_streams(&expected, torn).map_err(of_sent)
    })
}
