//! The conformance suite for adapters: what a runtime, or a loop of one's own, must do for the nodes that run on it.
//!
//! Each case plays on a few [`Subject`]s: nodes, and whatever drives them. [`AsyncSubject`] is the one for all async adapters: it takes an
//! [`Adapter`], a few lines that say how to make an executor. A loop of one's own implements [`Subject`] itself.
//!
//! ```
//! use peerwork_tests::conformance::{Adapter, AsyncSubject, Options, Report, run};
//! use peerwork_tokio::Tokio; // yours
//!
//! /// An executor of your runtime.
//! struct OneThread(tokio::runtime::Runtime);
//!
//! impl Adapter for OneThread {
//!     type Runtime = Tokio;
//!
//!     fn name() -> String {
//!         "tokio, one thread".to_owned()
//!     }
//!     fn new() -> Self {
//!         Self(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap())
//!     }
//!     fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
//!         self.0.block_on(future)
//!     }
//! }
//!
//! let mut report = Report::default();
//! # let options = Options { only_case: Some("connects".to_owned()), ..Options::default() };
//! run::<AsyncSubject<OneThread>>(&options, &mut report);
//! report.assert_all();
//! ```
//!
//! [`check`] is the same in one call.
//!
//! Below the node there is always a [`Faulty`] runtime: it wraps yours, counts what the node holds of it, and breaks it where a case wants
//! that.

mod alarm;
mod cases;
mod faulty;
mod handles;
mod report;
mod stage;
mod subject;
mod system;

pub use cases::{case_names, table};
pub use faulty::{Faults, Faulty, Held, Operation, Ringing, SocketFault};
pub use handles::{Adapter, AsyncSubject};
pub use report::{Outcome, Report};
pub use subject::{Command, Event, SHORT_TIMEOUT, Setup, StreamEnd, Subject, Token};

use cases::{Case, Needs};
use stage::Bed;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How the suite runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long a case waits for any one thing. Default: 10 s.
    pub patience: Duration,
    /// How long a case may take in all. Default: 60 s.
    pub case_limit: Duration,
    /// How much is echoed both ways at once. Default: [`BULK_BYTES`].
    pub bulk_bytes: usize,
    /// The one case to run. Default: all.
    pub only_case: Option<String>,
}

/// How much is echoed both ways at once.
pub const BULK_BYTES: usize = 64 * 1024 * 1024;

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            case_limit: Duration::from_secs(60),
            bulk_bytes: BULK_BYTES,
            only_case: None,
        }
    }
}

impl Options {
    /// The defaults, but for the case that the environment variable `PEERWORK_CONFORMANCE_CASE` names.
    pub fn from_env() -> Self {
        Self { only_case: std::env::var("PEERWORK_CONFORMANCE_CASE").ok(), ..Self::default() }
    }
}

/// Runs the suite for `S`, as the environment says: see [`Options::from_env`] and [`run`].
///
/// # Panics
/// If a case fails. The message is the whole [`Report`].
pub fn check<S: Subject>() {
    let mut report = Report::default();
    run::<S>(&Options::from_env(), &mut report);
    report.assert_all();
}

/// Runs the suite for `S`, and adds its column to `report`. The cases run one after the other, whoever else runs the suite: sockets are
/// counted in the whole process.
///
/// The environment variable `PEERWORK_CONFORMANCE_ADAPTER` names the one subject to run; others are left out.
///
/// # Panics
/// If `options` name a case that there is not.
pub fn run<S: Subject>(options: &Options, report: &mut Report) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let name = S::name();
    if std::env::var("PEERWORK_CONFORMANCE_ADAPTER").is_ok_and(|only| only != name) {
        return;
    }
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let cases = cases::all::<S>();
    let is_wanted = |case: &&Case<S>| options.only_case.as_ref().is_none_or(|only| case.name == only);
    assert!(cases.iter().any(|case| is_wanted(&case)), "there is no case {:?}", options.only_case);
    for case in cases.iter().filter(is_wanted) {
        let start = Instant::now();
        let outcome = play(case, options);
        report.add(&name, case, outcome, start.elapsed());
    }
}

/// Plays a case on a thread of its own, so that it ends in time even where it hangs.
fn play<S: Subject>(case: &Case<S>, options: &Options) -> Outcome {
    let bed = Bed::<S>::new(options.clone());
    let (watch, run, needs) = (bed.watch.clone(), case.run, case.needs);
    let (sender, ended) = mpsc::channel();
    let thread = std::thread::Builder::new().name(format!("conformance {}", case.name));
    let thread = thread.spawn(move || {
        let played = catch_unwind(AssertUnwindSafe(|| {
            let is_applicable = needs == Needs::Nothing || {
                let actor = bed.actor("the subject", Setup::new(0));
                actor.run(move |side| match needs {
                    Needs::Nothing => true,
                    Needs::Runtime => side.subject.faults().is_some(),
                    Needs::WakeUps => side.subject.wake_ups().is_some(),
                    Needs::Handle => side.subject.handle().is_some(),
                })
            };
            if is_applicable {
                run(&bed);
            }
            is_applicable
        }));
        let played = played.map_err(|panic| crate::laws::panic_message(&*panic).to_owned());
        // Whoever waits gives up only when it takes too long.
        let _ = sender.send(played);
    });
    drop(thread.expect("a thread can be started"));
    let limit = options.case_limit;
    match (ended.recv_timeout(limit), watch.failure()) {
        (Ok(Ok(_)), Some(failure)) => Outcome::No(failure),
        (Ok(Err(panic)), failure) => Outcome::No(failure.unwrap_or(panic)),
        (Ok(Ok(false)), None) => Outcome::NotApplicable,
        (Ok(Ok(true)), None) => watch.skipped().map_or(Outcome::Yes, Outcome::Skipped),
        (Err(RecvTimeoutError::Timeout), failure) => {
            watch.give_up();
            let hung = format!("not done after {limit:?}: {}", watch.waiting());
            Outcome::No(failure.map_or_else(|| hung.clone(), |failure| format!("{failure}; then {hung}")))
        }
        (Err(RecvTimeoutError::Disconnected), _) => Outcome::No("the case's thread has vanished".to_owned()),
    }
}
