//! Broken twins: the dialer, made to break a promise on purpose, so that the checks can be seen to fail.

use super::Promise;
use peerwork_core::swarm::dialer::{
    AddressSource, AttemptError, AttemptState, BackoffConfig, BlackHoleConfig, DialProgress, Dialer,
    DialerConfig, DialerInput, DialerOutput,
};
use std::time::Duration;

/// What is wrong with a dialer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twin {
    /// It has a descriptor more than it may.
    OneTokenTooMany,
    /// It has a token less than it may, so one is idle.
    OneTokenIdle,
    /// It starts what waits for a token.
    StartsWithout,
    /// It loses what starts.
    ForgetsToStart,
    /// It loses an answer.
    ForgetsToAnswer,
    /// It answers twice.
    AnswersTwice,
    /// It does not say that attempts are cancelled.
    KeepsLosers,
    /// It dials what is in backoff.
    NoBackoff,
    /// It does not care where it listens.
    DialsItself,
    /// It takes a wrong peer for the right one.
    TakesAnyPeer,
    /// It does not hear of connections that peers make.
    DeafToInbound,
    /// It takes no note of an address that it is told.
    LosesAddresses,
    /// It gives attempts more time.
    TakesItsTime,
    /// It goes on after the shutdown.
    StaysUp,
    /// It forgets whom it is connected to.
    DialsConnected,
    /// It dials on in a black hole.
    LikesBlackHoles,
    /// It does not hear that attempts are being upgraded.
    DeafToUpgrades,
    /// It does not wait for IPv6 addresses.
    Hasty,
    /// It takes up what is redundant.
    DialsTwice,
    /// It lets others than callers have more places.
    TakesAnybodysWord,
    /// It has fewer places.
    TakesNobodysWord,
}

impl Twin {
    /// All of them, and the promises whose checks notice.
    pub const ALL: [(Self, &'static [Promise]); 21] = [
        (
            Self::OneTokenTooMany,
            &[Promise::TokensHaveLimits, Promise::TokensAreHandedOn, Promise::StartsHoldTokens],
        ),
        (Self::OneTokenIdle, &[Promise::TokensAreHandedOn]),
        (Self::StartsWithout, &[Promise::StartsHoldTokens]),
        (Self::ForgetsToStart, &[Promise::TokensAreHandedOn, Promise::DelaysAreKept]),
        (Self::ForgetsToAnswer, &[Promise::OneAnswer, Promise::SuccessAnswersAll]),
        (Self::AnswersTwice, &[Promise::OneAnswer]),
        (Self::KeepsLosers, &[Promise::LosersAreCancelled, Promise::LeavingIsPrivate]),
        (Self::NoBackoff, &[Promise::BackoffIsKept]),
        (Self::DialsItself, &[Promise::UndialableIsRefused]),
        (Self::TakesAnyPeer, &[Promise::WrongPeerIsNoAnswer]),
        (Self::DeafToInbound, &[Promise::InboundAnswersAll]),
        (Self::LosesAddresses, &[Promise::EveryAddressOnce]),
        (Self::TakesItsTime, &[Promise::DeadlinesAreKept]),
        (Self::StaysUp, &[Promise::ShutDownEndsAll]),
        (Self::DialsConnected, &[Promise::ConnectedIsAnAnswer]),
        (Self::LikesBlackHoles, &[Promise::BlackHolesAreAvoided]),
        (Self::DeafToUpgrades, &[Promise::UpgradesHaveTime]),
        (Self::Hasty, &[Promise::Ip6HasTime]),
        (Self::DialsTwice, &[Promise::RedundantGivesWay, Promise::EveryAddressOnce]),
        (Self::TakesAnybodysWord, &[Promise::CallersHaveRoom]),
        (Self::TakesNobodysWord, &[Promise::CallersHaveRoom]),
    ];

    pub(super) fn config(twin: Option<Self>, config: &DialerConfig) -> DialerConfig {
        let mut config = config.clone();
        match twin {
            Some(Self::OneTokenTooMany) => config.max_descriptors += 1,
            Some(Self::OneTokenIdle) => config.max_descriptors = (config.max_descriptors - 1).max(1),
            Some(Self::NoBackoff) => {
                config.backoff =
                    BackoffConfig { base: Duration::ZERO, step: Duration::ZERO, ..config.backoff };
            }
            Some(Self::TakesItsTime) => config.attempt_timeout *= 2,
            Some(Self::Hasty) => config.resolution_delay = Duration::ZERO,
            Some(Self::TakesAnybodysWord) => config.max_addresses *= 2,
            Some(Self::TakesNobodysWord) => config.max_addresses = 1,
            Some(Self::LikesBlackHoles) => {
                config.black_hole = BlackHoleConfig { min_successes: 0, ..config.black_hole }
            }
            _ => {}
        }
        config
    }

    pub(super) fn input(twin: Option<Self>, dialer: &Dialer, mut input: DialerInput) -> Option<DialerInput> {
        match (twin, &mut input) {
            (Some(Self::DialsItself), DialerInput::Listening { addresses }) => addresses.clear(),
            (Some(Self::DeafToInbound), DialerInput::Connected { .. }) => return None,
            (Some(Self::StaysUp), DialerInput::ShutDown) => return None,
            (Some(Self::DeafToUpgrades), DialerInput::Upgrading { .. }) => return None,
            (Some(Self::DialsConnected), DialerInput::Dial { connected, .. }) => *connected = None,
            (Some(Self::TakesAnyPeer), DialerInput::Succeeded { attempt, peer, .. }) => {
                let info = dialer.attempts().find(|info| info.attempt == *attempt);
                *peer = info.and_then(|info| info.peer).unwrap_or(*peer);
            }
            (Some(Self::LosesAddresses), DialerInput::Addresses { addresses, .. }) => drop(addresses.pop()),
            _ => {}
        }
        Some(input)
    }

    pub(super) fn output(twin: Option<Self>, outputs: &mut Vec<DialerOutput>) {
        match twin {
            Some(Self::StartsWithout) => outputs.iter_mut().for_each(start_what_waits),
            Some(Self::ForgetsToStart) => {
                // It comes right behind its progress.
                remove_first(outputs, |output| {
                    matches!(
                        output,
                        DialerOutput::Progress(DialProgress { state: AttemptState::Started, .. })
                    )
                });
                remove_first(outputs, |output| matches!(output, DialerOutput::Start { .. }));
            }
            Some(Self::ForgetsToAnswer) => {
                remove_first(outputs, |output| matches!(output, DialerOutput::Finished { .. }));
            }
            Some(Self::AnswersTwice) => {
                let answer = outputs.iter().find(|output| matches!(output, DialerOutput::Finished { .. }));
                outputs.extend(answer.cloned());
            }
            Some(Self::DialsTwice) => outputs.iter_mut().for_each(queue_what_is_redundant),
            Some(Self::KeepsLosers) => {
                outputs.retain(|output| !matches!(output, DialerOutput::CancelAttempt { .. }));
            }
            _ => {}
        }
    }
}

fn start_what_waits(output: &mut DialerOutput) {
    if let DialerOutput::Progress(DialProgress { state, .. }) = output
        && let AttemptState::Waiting { .. } = state
    {
        *state = AttemptState::Started;
    }
}

fn queue_what_is_redundant(output: &mut DialerOutput) {
    if let DialerOutput::Progress(DialProgress { state, .. }) = output
        && let AttemptState::Failed { error: AttemptError::Redundant } = state
    {
        *state = AttemptState::Queued { source: AddressSource::Peer, delay: Duration::from_secs(1) };
    }
}

fn remove_first(outputs: &mut Vec<DialerOutput>, is_meant: impl Fn(&DialerOutput) -> bool) {
    if let Some(index) = outputs.iter().position(is_meant) {
        outputs.remove(index);
    }
}
