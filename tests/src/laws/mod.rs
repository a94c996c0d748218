//! The laws of the state machines, as checks that run on any machine, yours too.
//!
//! [`peerwork_core::machine`] says what the laws are. Those that can be checked without knowing the machine are [`Law`]; each is
//! checked in many cases, and a case is a number from which all chance in it is drawn. A check runs a case several times with drivers
//! of different habits, which cut the input in other places, take the output later, wake the machine early or hand over an earlier time, and
//! compares what came of it.
//!
//! | what you wrote | its description | run it with |
//! |---|---|---|
//! | a security protocol | [`SecuritySubject`](security::SecuritySubject) is ready-made | [`layer::prove`] |
//! | a muxer | [`MuxerSubject`](muxer::MuxerSubject) is ready-made | [`layer::prove`] |
//! | another layer | implement [`LayerSubject`](layer::LayerSubject) | [`layer::prove`] |
//! | a protocol for streams | implement [`ProtocolSubject`](protocol::ProtocolSubject) | [`machine::prove`] of [`Mounted`](protocol::Mounted) |
//! | another machine | implement [`MachineSubject`](machine::MachineSubject) | [`machine::prove`] |
//!
//! `prove` also builds *broken twins* of the machine, each of which breaks one law on purpose, and fails if the check of that law
//! does not notice. So a description that exercises too little does not pass.
//!
//! ```
//! use bytes::Bytes;
//! use peerwork_core::crypto::Portable;
//! use peerwork_core::identity::PeerId;
//! use peerwork_core::negotiation::ProtocolId;
//! use peerwork_core::protocols::ping::{Ping, PingCommand, PingEvent, PingId};
//! use peerwork_core::security::{Role, secio::Secio};
//! use peerwork_core::{seed::Seed, time::Instant};
//! use peerwork_tests::laws::protocol::{Mounted, ProtocolSubject};
//! use peerwork_tests::laws::{Cases, layer, machine, security::SecuritySubject, table};
//! use std::sync::Arc;
//!
//! struct Pinging;
//!
//! impl ProtocolSubject for Pinging {
//!     type Protocol = Ping;
//!     type Id = PingId;
//!
//!     fn name(&self) -> String {
//!         "ping".to_owned()
//!     }
//!     fn build(&self, case: u64, now: Instant) -> Ping {
//!         Ping::new(Default::default(), Seed::reproducible(case), now)
//!     }
//!     fn command(&self, number: u64, peers: &[PeerId], _draw: &mut Seed) -> Option<PingCommand> {
//!         Some(PingCommand::Ping { id: PingId(number), peer: peers[number as usize % peers.len()] })
//!     }
//!     fn reply(&self, _protocol: &ProtocolId, message: &Bytes) -> Option<Bytes> {
//!         Some(message.clone()) // An honest remote sends the bytes back.
//!     }
//!     fn command_id(&self, PingCommand::Ping { id, .. }: &PingCommand) -> Option<PingId> {
//!         Some(*id)
//!     }
//!     fn outcome_id(&self, event: &PingEvent) -> Option<PingId> {
//!         let (PingEvent::Pong { id, .. } | PingEvent::Failed { id, .. }) = event;
//!         *id
//!     }
//! }
//!
//! let mut reports = machine::prove(&Mounted(Pinging), &Cases::new(4))?;
//! let secio = SecuritySubject::new(Arc::new(Secio::default()), Arc::new(Portable), Role::Dialer);
//! reports.extend(layer::prove(&secio, &Cases::new(4))?);
//! println!("{}", table(&reports));
//! # Ok::<(), peerwork_tests::laws::Violation>(())
//! ```
//!
//! A [`Violation`] prints the case. With [`Cases::from_env`], `PEERWORK_LAW_CASE=17` runs that case alone, and
//! `PEERWORK_LAW_CASES=1000` runs that many.

mod clock;
pub mod layer;
mod log;
pub mod machine;
pub mod muxer;
pub mod protocol;
pub mod security;

pub use log::Log;

use peerwork_core::security::Role;
use std::any::Any;
use std::env;
use std::fmt;
use std::iter;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A law that can be checked without knowing the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Law {
    /// 1: the same seed and the same inputs give the same outputs, byte for byte.
    Pure,
    /// 2: all that follows from an input is there at once, and nothing changes before the deadline.
    Visible,
    /// 3: where input is cut makes no difference.
    ChunkBlind,
    /// 4: how slowly bytes are taken makes no difference.
    SlowWriterSafe,
    /// 5: an early wake-up and an earlier `now` do nothing; a late wake-up is safe.
    SoftTime,
    /// 6, as far as it shows: the outputs that one call brings have a limit.
    Bounded,
    /// 7: after the end, no input changes anything.
    DeadMeansDead,
    /// 10: every command has exactly one outcome.
    OneOutcome,
}

impl Law {
    /// Its number in the list of laws in [`peerwork_core::machine`].
    pub const fn number(self) -> u8 {
        match self {
            Self::Pure => 1,
            Self::Visible => 2,
            Self::ChunkBlind => 3,
            Self::SlowWriterSafe => 4,
            Self::SoftTime => 5,
            Self::Bounded => 6,
            Self::DeadMeansDead => 7,
            Self::OneOutcome => 10,
        }
    }

    /// Its name there.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Visible => "visible",
            Self::ChunkBlind => "chunk-blind",
            Self::SlowWriterSafe => "slow-writer-safe",
            Self::SoftTime => "soft, monotone time",
            Self::Bounded => "bounded",
            Self::DeadMeansDead => "dead means dead",
            Self::OneOutcome => "one command, one outcome",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "law {} ({})", self.number(), self.name())
    }
}

/// Which cases to run. A case is a number from which everything in it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cases {
    numbers: Range<u64>,
    repeats: bool,
}

impl Cases {
    /// How many cases [`Cases::from_env`] runs if it is not told otherwise.
    pub const DEFAULT_COUNT: u64 = 16;

    /// The cases from 0 up to `count`.
    pub const fn new(count: u64) -> Self {
        Self { numbers: 0..count, repeats: false }
    }

    /// Case `number` alone, to look at a failure. Twins are left out.
    pub const fn only(number: u64) -> Self {
        Self { numbers: number..number.saturating_add(1), repeats: true }
    }

    /// As the environment says: `PEERWORK_LAW_CASE` is the one case to repeat, else `PEERWORK_LAW_CASES` is how many to
    /// run, else [`Cases::DEFAULT_COUNT`].
    ///
    /// # Panics
    /// If one of them is not a number.
    pub fn from_env() -> Self {
        let number = |name: &str| {
            let text = env::var(name).ok()?;
            Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
        };
        match number("PEERWORK_LAW_CASE") {
            Some(case) => Self::only(case),
            None => Self::new(number("PEERWORK_LAW_CASES").unwrap_or(Self::DEFAULT_COUNT)),
        }
    }

    /// `count` of them instead, unless they are one to be repeated.
    pub(crate) fn or_count(&self, count: u64) -> Self {
        if self.repeats { self.clone() } else { Self::new(count) }
    }

    pub(crate) fn numbers(&self) -> Range<u64> {
        self.numbers.clone()
    }

    /// Runs `check` for each case. It returns whether there was something to check.
    fn run(
        &self,
        machine: String,
        law: Law,
        check: impl Fn(u64) -> Result<bool, String>,
    ) -> Result<u64, Violation> {
        let mut checked = 0;
        for case in self.numbers() {
            let result = catch_unwind(AssertUnwindSafe(|| check(case)));
            match result.unwrap_or_else(|panic| Err(format!("it panicked: {}", panic_message(&*panic)))) {
                Ok(something) => checked += u64::from(something),
                Err(what) => return Err(Violation { machine, law, case: Some(case), what }),
            }
        }
        Ok(checked)
    }
}

fn opposite(role: Role) -> Role {
    match role {
        Role::Dialer => Role::Listener,
        Role::Listener => Role::Dialer,
    }
}

pub(crate) fn panic_message(panic: &dyn Any) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

/// A law that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Of which machine.
    pub machine: String,
    /// Which law.
    pub law: Law,
    /// In which case; `None` if it is about all cases together.
    pub case: Option<u64>,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} does not hold: {}", self.machine, self.law, self.what)?;
        match self.case {
            Some(case) => write!(f, "\nto repeat it, run the same test with PEERWORK_LAW_CASE={case}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Violation {}

/// A law that holds, as far as was looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// For which machine.
    pub machine: String,
    /// Which law.
    pub law: Law,
    /// In how many cases there was something to check.
    pub cases: u64,
    /// The broken twins that its check caught.
    pub twins: Vec<&'static str>,
    /// Why nothing was checked, if so.
    pub exempt: Option<&'static str>,
}

/// Checks one law and its twins, which come with the result of their check.
fn prove_law(
    machine: String,
    law: Law,
    exempt: Option<&'static str>,
    cases: &Cases,
    check: impl FnOnce() -> Result<u64, Violation>,
    twins: impl Iterator<Item = (&'static str, Result<u64, Violation>)>,
) -> Result<Report, Violation> {
    let mut report = Report { machine, law, cases: 0, twins: Vec::new(), exempt };
    if exempt.is_some() {
        return Ok(report);
    }
    report.cases = check()?;
    if cases.repeats {
        return Ok(report);
    }
    let vacuous = |what| Violation { machine: report.machine.clone(), law, case: None, what };
    if report.cases == 0 {
        return Err(vacuous("no case has anything to check".to_owned()));
    }
    for (twin, result) in twins {
        if result.is_ok() {
            return Err(vacuous(format!("its check does not notice the broken twin {twin:?}")));
        }
        report.twins.push(twin);
    }
    Ok(report)
}

/// The reports as a table, one line each.
pub fn table(reports: &[Report]) -> String {
    let lines = reports.iter().map(|report| {
        let law = format!("{:>2} {}", report.law.number(), report.law.name());
        let twins = report.exempt.map_or_else(|| report.twins.join(", "), |why| format!("({why})"));
        [report.machine.clone(), law, report.cases.to_string(), twins]
    });
    let head = ["machine", "law", "cases", "broken twins that it catches"].map(str::to_owned);
    let lines: Vec<_> = iter::once(head).chain(lines).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let (machine, law) = (width(0), width(1));
    let line = |[a, b, c, d]: &[String; 4]| format!("{a:<machine$}  {b:<law$}  {c:>5}  {d}\n");
    lines.iter().map(line).collect()
}
