//! The suite for protocols: one mounted on a swarm that the suite plays.

mod drive;
mod memory;
mod watch;

use super::LAW_CASES;
use crate::laws::machine::MachineSubject;
use crate::laws::protocol::Mounted;
use crate::laws::{Cases, machine};
use drive::{Drive, Weather};
use peerwork_core::protocols::Protocol;
use peerwork_core::time::Instant;
use std::collections::BTreeSet;
use watch::Rule;

pub use crate::laws::protocol::ProtocolSubject;

/// A protocol, described by a [`ProtocolSubject`]: how to build it, what to command, and what an honest remote says.
#[derive(Debug, Clone)]
pub struct ProtocolSuite<S> {
    pub(super) subject: Mounted<S>,
    pub(super) cases: Cases,
}

impl<S: ProtocolSubject> ProtocolSuite<S> {
    /// The suite for the protocol that `subject` describes.
    pub fn new(subject: S) -> Self {
        Self { subject: Mounted(subject), cases: Cases::from_env() }
    }

    /// Which cases to check. Default: [`Cases::from_env`].
    pub fn cases(self, cases: Cases) -> Self {
        Self { cases, ..self }
    }

    fn subject_name(&self) -> String {
        self.subject.name()
    }
}

requirements! { $ ProtocolSuite<S: ProtocolSubject>, protocol_compliance:
    /// What remotes may open is named once each, and the same whenever it is asked.
    Once names_what_it_serves;
    /// Nothing is asked of a stream before it is open, after it was reported closed, or after the protocol gave it up itself.
    Drawn speaks_only_of_open_streams;
    /// Every request for a stream has an id of its own and proposes something: the answer comes under this id.
    Drawn asks_under_fresh_ids;
    /// Messages fit the stream's framing: none on a raw stream, and the right length where it is fixed.
    Drawn keeps_to_the_framing;
    /// Nothing is sent behind a `Close`: it would be lost.
    Drawn sends_nothing_behind_its_close;
    /// What came back as `Blocked` is sent again, first and in order, once the stream is `Writable`; or the stream is reset. The remote must
    /// not miss a message in the middle.
    Drawn sends_again_what_was_refused;
    /// Every command has its outcome when nobody is connected and no stream can be opened.
    Drawn answers_when_nobody_is_there;
    /// Remotes may send anything: every command still has exactly one outcome, and nothing panics.
    Drawn survives_garbage;
    /// Facts may be late, repeated, lost and in any order. The swarm does not do that, but a protocol that then panicked, answered
    /// twice or kept its driver busy would take the whole node along.
    Drawn survives_any_facts;
    /// One call brings few outputs, whatever the remote sends: else it floods the swarm.
    Drawn says_little_at_a_time;
    /// The laws of every machine hold, and the checks notice when they are broken.
    Once obeys_the_laws;
}

fn names_what_it_serves<S: ProtocolSubject>(suite: &ProtocolSuite<S>) {
    let (protocol, _) = suite.subject.build(0, Instant::ORIGIN);
    let inbound = protocol.inbound();
    let names: BTreeSet<_> = inbound.iter().map(|inbound| &inbound.id).collect();
    assert_eq!(names.len(), inbound.len(), "a name is served twice: {inbound:?}");
    assert_eq!(protocol.inbound(), inbound, "what it serves changes");
}

/// Lives through a case in which everything is as the swarm promises.
fn watch<S: ProtocolSubject>(suite: &ProtocolSuite<S>, case: u64, rule: Rule) {
    Drive::new(&suite.subject, case, Weather::Fair, Some(rule)).run();
}

fn speaks_only_of_open_streams<S: ProtocolSubject>(suite: &ProtocolSuite<S>, case: u64) {
    watch(suite, case, Rule::OpenStreams);
}

fn asks_under_fresh_ids<S: ProtocolSubject>(suite: &ProtocolSuite<S>, case: u64) {
    watch(suite, case, Rule::FreshIds);
}

fn keeps_to_the_framing<S: ProtocolSubject>(suite: &ProtocolSuite<S>, case: u64) {
    watch(suite, case, Rule::Framing);
}

fn sends_nothing_behind_its_close<S: ProtocolSubject>(suite: &ProtocolSuite<S>, case: u64) {
    watch(suite, case, Rule::NothingBehindClose);
}

fn sends_again_what_was_refused<S: ProtocolSubject>(suite: &ProtocolSuite<S>, case: u64) {
    watch(suite, case, Rule::RefusedAgain);
}

fn answers_when_nobody_is_there<S: ProtocolSubject>(suite: &ProtocolSuite<S>, case: u64) {
    Drive::new(&suite.subject, case, Weather::Lonely, None).run().expect_all_answered();
}

fn survives_garbage<S: ProtocolSubject>(suite: &ProtocolSuite<S>, case: u64) {
    Drive::new(&suite.subject, case, Weather::Noise, None).run().expect_all_answered();
}

fn survives_any_facts<S: ProtocolSubject>(suite: &ProtocolSuite<S>, case: u64) {
    Drive::new(&suite.subject, case, Weather::Lies, None).run();
}

fn says_little_at_a_time<S: ProtocolSubject>(suite: &ProtocolSuite<S>, case: u64) {
    for weather in [Weather::Fair, Weather::Noise] {
        Drive::new(&suite.subject, case, weather, Some(Rule::FewOutputs)).run();
    }
}

fn obeys_the_laws<S: ProtocolSubject>(suite: &ProtocolSuite<S>) {
    if let Err(violation) = machine::prove(&suite.subject, &suite.cases.or_count(LAW_CASES)) {
        panic!("{violation}");
    }
}
