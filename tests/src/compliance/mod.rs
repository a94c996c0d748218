//! Compliance suites: what a muxer, a security protocol or a protocol for streams must do to work in a peerwork node.
//!
//! They run for any implementation, through the public traits alone.
//!
//! | what you wrote | its suite |
//! |---|---|
//! | a [`MuxerProtocol`](peerwork_core::muxer::MuxerProtocol) | [`MuxerSuite`] |
//! | a [`SecurityProtocol`](peerwork_core::security::SecurityProtocol) | [`SecuritySuite`] |
//! | a [`Protocol`](peerwork_core::protocols::Protocol) | [`ProtocolSuite`] |
//!
//! A suite is a list of [`Requirement`]s. [`check`] checks all of them and tells of every failure:
//!
//! ```
//! use peerwork_core::muxer::mplex::Mplex;
//! use peerwork_tests::compliance::{self, MuxerSuite};
//! use peerwork_tests::laws::Cases;
//!
//! let suite = MuxerSuite::new(Mplex::default()).cases(Cases::new(1));
//! compliance::check(&suite)?;
//! # Ok::<(), compliance::Failures>(())
//! ```
//!
//! In a test file, [`muxer_compliance!`](crate::muxer_compliance), [`security_compliance!`](crate::security_compliance) and
//! [`protocol_compliance!`](crate::protocol_compliance) make a `#[test]` of each requirement.
//!
//! Whatever depends on chance is checked in several cases, each of them a number that a failure prints. The environment chooses others:
//! see [`Cases::from_env`].

/// Declares the requirements of a suite, in the order in which they are checked: why, whether it is checked `Once` or in each of the
/// `Drawn` cases, and the function of that name. Exports the macro that makes a test of each.
macro_rules! requirements {
    ($d:tt $suite:ident $(<$subject:ident: $bound:ident>)?, $export:ident: $($(#[doc = $why:literal])+ $kind:ident $name:ident;)+) => {
        impl$(<$subject: $bound + 'static>)? $crate::compliance::Suite for $suite$(<$subject>)? {
            const REQUIREMENTS: &'static [$crate::compliance::Requirement<Self>] = &[$(
                $crate::compliance::Requirement {
                    name: stringify!($name),
                    why: concat!($($why),+),
                    check: $crate::compliance::Check::$kind($name),
                },
            )+];

            fn subject(&self) -> String {
                self.subject_name()
            }

            fn which_cases(&self) -> &$crate::laws::Cases {
                &self.cases
            }
        }

        #[doc = concat!("A module with a `#[test]` for each requirement of a [`", stringify!($suite), "`](crate::compliance::", stringify!($suite), ").")]
        ///
        /// It takes the name of the module, and an expression that makes the suite.
        #[macro_export]
        macro_rules! $export {
            ($d module:ident, $d suite:expr) => {
                mod $d module {
                    #[allow(unused_imports, reason = "the suite may be named in full")]
                    use super::*;

                    $(
                        #[test]
                        fn $name() {
                            $crate::compliance::assert(&$d suite, stringify!($name));
                        }
                    )+
                }
            };
        }
    };
}

pub mod muxer;
pub mod protocol;
pub mod security;

pub use muxer::MuxerSuite;
pub use protocol::ProtocolSuite;
pub use security::SecuritySuite;

use crate::laws::{Cases, panic_message};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// In how many cases the laws are checked: each takes many runs, and fewer are not enough for their broken twins.
const LAW_CASES: u64 = 8;

/// An implementation, and all that is required of it.
pub trait Suite: Sized + 'static {
    /// What is required, in the order in which it is checked.
    const REQUIREMENTS: &'static [Requirement<Self>];

    /// What a failure calls the implementation.
    fn subject(&self) -> String;

    /// The cases in which a requirement is checked that depends on chance.
    fn which_cases(&self) -> &Cases;
}

/// One thing that is required of an implementation.
#[derive(Debug)]
pub struct Requirement<S> {
    /// Its name, which is that of its test.
    pub name: &'static str,
    /// What must be so, and why.
    pub why: &'static str,
    pub(crate) check: Check<S>,
}

/// How a requirement is checked. A check that does not hold panics.
#[derive(Debug)]
pub(crate) enum Check<S> {
    /// Once: chance has no part in it.
    Once(fn(&S)),
    /// In several cases, from each of which all chance in it is drawn.
    Drawn(fn(&S, u64)),
}

impl<S: Suite> Requirement<S> {
    /// Checks it.
    ///
    /// # Errors
    /// The first case in which it does not hold.
    pub fn check(&self, suite: &S) -> Result<(), Failure> {
        match self.check {
            Check::Once(check) => self.run(suite, None, || check(suite)),
            Check::Drawn(check) => suite
                .which_cases()
                .numbers()
                .try_for_each(|case| self.run(suite, Some(case), || check(suite, case))),
        }
    }

    fn run(&self, suite: &S, case: Option<u64>, check: impl FnOnce()) -> Result<(), Failure> {
        catch_unwind(AssertUnwindSafe(check)).map_err(|panic| Failure {
            subject: suite.subject(),
            requirement: self.name,
            why: self.why.trim(),
            case,
            what: panic_message(&*panic).to_owned(),
        })
    }
}

/// Checks everything that the suite requires.
///
/// # Errors
/// Every requirement that does not hold.
pub fn check<S: Suite>(suite: &S) -> Result<(), Failures> {
    let failures: Vec<_> = S::REQUIREMENTS.iter().filter_map(|one| one.check(suite).err()).collect();
    if failures.is_empty() { Ok(()) } else { Err(Failures(failures)) }
}

/// Checks the requirement with this name.
///
/// # Panics
/// If it does not hold, or there is none with this name.
pub fn assert<S: Suite>(suite: &S, name: &str) {
    let requirement = S::REQUIREMENTS.iter().find(|requirement| requirement.name == name);
    let requirement = requirement.unwrap_or_else(|| panic!("the suite has no requirement {name:?}"));
    if let Err(failure) = requirement.check(suite) {
        panic!("{failure}");
    }
}

/// What a suite requires, as the lines of a Markdown table.
pub fn table<S: Suite>() -> String {
    let line = |it: &Requirement<S>| format!("| `{}` | {} |\n", it.name, it.why.trim());
    S::REQUIREMENTS.iter().map(line).collect()
}

/// A requirement that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Of which implementation.
    pub subject: String,
    /// The requirement.
    pub requirement: &'static str,
    /// What it says.
    pub why: &'static str,
    /// In which case; `None` if chance has no part in it.
    pub case: Option<u64>,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, requirement, why, case, what } = self;
        write!(f, "{subject} fails {requirement}: {what}\nrequired: {why}")?;
        match case {
            Some(case) => write!(f, "\nto repeat it, run the same test with PEERWORK_LAW_CASE={case}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// The requirements that do not hold, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures(pub Vec<Failure>);

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|failure| write!(f, "{failure}\n\n"))
    }
}

impl std::error::Error for Failures {}

/// What `run`, which always does the same, leaves allocated, by `live_bytes`. Repeated, because the test harness allocates too.
fn kept_bytes(live_bytes: impl Fn() -> usize, mut run: impl FnMut(&dyn Fn() -> usize) -> usize) -> usize {
    (0..4).map(|_| run(&live_bytes)).min().unwrap_or_default()
}
