//! What a dialer promises.

use std::collections::BTreeMap;
use std::fmt;

/// What a dialer promises, in the order in which its documentation comes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// No more tokens are in use than there are, in all and of each peer, and those in use are those of live attempts.
    TokensHaveLimits,
    /// When nobody wishes anything and nothing is in flight, all tokens are free and no deadline is left.
    QuietMeansEmpty,
    /// An attempt starts only while it holds each token that it needs, and gives each back once.
    StartsHoldTokens,
    /// No token is free that an attempt lacks, and queues are first in, first out: who holds what is as in the model.
    TokensAreHandedOn,
    /// Nothing starts for which nobody waits.
    WantedWhenStarted,
    /// What costs no descriptor takes none, and what costs one takes one.
    CostsAreCharged,
    /// There is one dial for a peer: no address is attempted twice at a time, no source asked twice at a time.
    OneDialPerPeer,
    /// Every wish has one answer.
    OneAnswer,
    /// With the first connection all wishes are answered in that step, and nothing starts for them after it.
    SuccessAnswersAll,
    /// With a success the other attempts are cancelled in that step; the results of attempts that have ended change nothing.
    LosersAreCancelled,
    /// A dial fails only when nothing is queued, in flight or expected, and then lists each address once, with its cause.
    FailsWhenExhausted,
    /// Who leaves changes nothing for others, and with the last all ends in that step.
    LeavingIsPrivate,
    /// An address is attempted once in a dial, whoever told it, and none is forgotten.
    EveryAddressOnce,
    /// An address in backoff is not started before its time, unless somebody insists; none is in backoff that has not failed since the peer
    /// was reached.
    BackoffIsKept,
    /// An address starts no earlier than its delay after it became known, unless nothing is in flight; and then all whose time is the same,
    /// and no later.
    DelaysAreKept,
    /// Within what becomes known together, IPv6 comes before IPv4 and lower ports before higher ones; relays wait for public addresses, and
    /// private addresses for nobody.
    RanksAreKept,
    /// While a public address is being upgraded, nothing of its dial starts for 250 ms, unless nothing is in flight.
    UpgradesHaveTime,
    /// The IPv4 addresses of a name that are known first wait for the IPv6 addresses.
    Ip6HasTime,
    /// Beside a better address of the same port that waits or is in flight, none waits; and only beside such a one is it refused.
    RedundantGivesWay,
    /// Those who are not callers fill three quarters of the places, and what callers tell has the rest.
    CallersHaveRoom,
    /// What nobody can dial is not started.
    UndialableIsRefused,
    /// A wrong peer is one failed address, and no answer.
    WrongPeerIsNoAnswer,
    /// Where a connection is open already, that is the answer, and nothing else happens.
    ConnectedIsAnAnswer,
    /// A connection that the peer makes answers all wishes in that step.
    InboundAnswersAll,
    /// No attempt and no wish outlives its time.
    DeadlinesAreKept,
    /// After the shutdown nothing starts, and each wish is answered.
    ShutDownEndsAll,
    /// The same inputs give the same outputs.
    SameAgain,
    /// A kind of public address that hardly ever works is held back, but for probes, until one works.
    BlackHolesAreAvoided,
}

impl Promise {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::TokensHaveLimits,
        Self::QuietMeansEmpty,
        Self::StartsHoldTokens,
        Self::TokensAreHandedOn,
        Self::WantedWhenStarted,
        Self::CostsAreCharged,
        Self::OneDialPerPeer,
        Self::OneAnswer,
        Self::SuccessAnswersAll,
        Self::LosersAreCancelled,
        Self::FailsWhenExhausted,
        Self::LeavingIsPrivate,
        Self::EveryAddressOnce,
        Self::BackoffIsKept,
        Self::DelaysAreKept,
        Self::RanksAreKept,
        Self::UpgradesHaveTime,
        Self::Ip6HasTime,
        Self::RedundantGivesWay,
        Self::CallersHaveRoom,
        Self::UndialableIsRefused,
        Self::WrongPeerIsNoAnswer,
        Self::ConnectedIsAnAnswer,
        Self::InboundAnswersAll,
        Self::DeadlinesAreKept,
        Self::ShutDownEndsAll,
        Self::SameAgain,
        Self::BlackHolesAreAvoided,
    ];
}

/// How often there was something to check about each promise.
pub type Tally = BTreeMap<Promise, u64>;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// In which case.
    pub case: u64,
    /// Which promise.
    pub promise: Promise,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, promise, what } = self;
        write!(
            f,
            "{promise:?} is broken: {what}\nto repeat it, run the same test with PEERWORK_DIALER_CASE={case}"
        )
    }
}

impl std::error::Error for Violation {}
