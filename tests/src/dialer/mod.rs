//! The dialer's promises, as checks on random schedules.
//!
//! A *case* is a number, from which all chance in it is drawn: limits, wishes, addresses, results, cancellations and how time passes. A
//! [`World`] draws what the dialer is told, and a [`Watch`] looks on: after every step it holds what came out against each [`Promise`], and
//! against a [`Model`] of the rate limiter that is made of lists and obviously right. The model must agree on who holds which token, and who
//! waits for which.
//!
//! The checks are seen to fail on *twins* of the dialer that are broken on purpose ([`Twin`]).
//!
//! # What is promised of what must hold
//!
//! | what must hold in any dialer of this kind | promises |
//! |---|---|
//! | 1. tokens in use are within their limits, and those of live attempts | [`Promise::TokensHaveLimits`] |
//! | 2. when all is quiet, all tokens are free and all tables empty | [`Promise::QuietMeansEmpty`] |
//! | 3. what starts holds all its tokens, and gives each back once | [`Promise::StartsHoldTokens`], and the model |
//! | 4. no token is idle that somebody lacks; first come, first served | [`Promise::TokensAreHandedOn`] |
//! | 5. nothing starts for nobody; one peer starves no other | [`Promise::WantedWhenStarted`], [`Promise::TokensHaveLimits`] |
//! | 6. relays and what runs over UDP cost no descriptor, TCP does | [`Promise::CostsAreCharged`] |
//! | 7. one dial for a peer, one attempt for an address in it | [`Promise::OneDialPerPeer`], [`Promise::EveryAddressOnce`] |
//! | 8. every wish has one answer | [`Promise::OneAnswer`] |
//! | 9. success answers all in that step, and starts nothing more | [`Promise::SuccessAnswersAll`] |
//! | 10. losers are cancelled, and are never the answer | [`Promise::LosersAreCancelled`] |
//! | 11. failure comes when nothing is left, with every cause | [`Promise::FailsWhenExhausted`] |
//! | 12. who leaves does not matter to others; the last one ends all | [`Promise::LeavingIsPrivate`] |
//! | 13. what is added is dialled, and what failed not again; what was in backoff or a black hole may be | [`Promise::EveryAddressOnce`] |
//! | 14. backoff is kept, grows, and ends with any success; what is cancelled has none | [`Promise::BackoffIsKept`]; the exact times are a scenario beside the dialer |
//! | 15. delays are kept unless nothing is in flight; private addresses do not wait for public ones, relays do | [`Promise::DelaysAreKept`], [`Promise::RanksAreKept`]; but all wait for what is being upgraded |
//! | 16. IPv6, then IPv4, then the rest; lower ports first | [`Promise::RanksAreKept`] for TCP; QUIC is in a table beside the dialer |
//! | 17. nobody dials himself, his own addresses, or what nobody can dial | [`Promise::UndialableIsRefused`] |
//! | 18. a wrong peer is one failed address, and no answer | [`Promise::WrongPeerIsNoAnswer`]; closing the connection is the swarm's |
//! | 19. an open connection is the answer | [`Promise::ConnectedIsAnAnswer`] |
//! | 20. so is one that the peer makes meanwhile, and counts stay right | [`Promise::InboundAnswersAll`], and the model |
//! | 21. no attempt and no wish outlives its time | [`Promise::DeadlinesAreKept`] |
//! | 22. events come in their order, and once | [`Promise::OneAnswer`], and [`Promise::EveryAddressOnce`] for how an address fares; left out: those about connections, which are the swarm's |
//! | 23. after the shutdown nothing starts, and all are answered | [`Promise::ShutDownEndsAll`] |
//! | 24. the same inputs give the same outputs | [`Promise::SameAgain`] |
//! | 25. only public addresses are held back as black holes; probes go through, and a success ends it | [`Promise::BlackHolesAreAvoided`] |
//! | beyond these: what is being upgraded has time, and so have IPv6 addresses of names; what is redundant gives way; callers have room | [`Promise::UpgradesHaveTime`], [`Promise::Ip6HasTime`], [`Promise::RedundantGivesWay`], [`Promise::CallersHaveRoom`] |
//!
//! What else is left to others: that a late driver does no harm is for [the laws](crate::laws); the exact delays, all that can be wrong with
//! an address or a name, and the times of whole dials are tables and scenarios beside the dialer; which connection to a peer is the best is
//! the swarm's.

mod model;
mod promise;
mod twin;
mod watch;
mod world;

pub use model::Model;
pub use promise::{Promise, Tally, Violation};
pub use twin::Twin;
pub use watch::Watch;
pub use world::{Draw, NoMemory, World, cost, listening, owner_of_name, peer};

use peerwork_core::machine::Machine;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::dialer::{
    BackoffConfig, BlackHoleConfig, Dialer, DialerConfig, DialerInput, DialerOutput,
};
use peerwork_core::time::Instant;
use std::sync::Arc;
use std::time::Duration;

/// Inputs and waits of a case.
const STEPS: usize = 120;

/// The most inputs and waits that are drawn from bytes.
const MAX_STEPS: usize = 400;

/// When a case starts: not at the origin, so that there is an earlier time.
const START: Instant = Instant::from_nanos(1_000_000_000_000);

/// Limits so small that a case meets them.
pub fn config(draw: Draw<'_>) -> DialerConfig {
    DialerConfig {
        max_attempts_per_peer: 1 + draw(4) as usize,
        max_descriptors: 1 + draw(6) as usize,
        attempt_timeout: Duration::from_secs(15),
        local_attempt_timeout: Duration::from_secs(5),
        dial_timeout: Duration::from_secs(60),
        max_addresses: 4 + draw(12) as usize,
        max_dials: 4 + draw(20) as usize,
        backoff: BackoffConfig::default(),
        black_hole: BlackHoleConfig { window: 6, min_successes: 2 },
        max_lookups: 1 + draw(6) as usize,
        resolution_delay: Duration::from_millis(50),
        max_name_depth: 2,
        dialable: Arc::new(NoMemory),
    }
}

/// Runs a case with a sound dialer, or a broken one. Returns how often there was something to check about each promise, and what happened, to
/// compare runs.
///
/// # Errors
/// The first promise that was broken.
pub fn run(case: u64, twin: Option<Twin>) -> Result<(Tally, Vec<String>), Violation> {
    let mut seed = Seed::reproducible(case).child("dialer");
    let machine_seed = seed.child("machine");
    let mut bench = Bench::new(machine_seed, twin, &mut |bound| seed.below(bound));
    match bench.run(STEPS, &mut |bound| seed.below(bound)) {
        Ok(()) => Ok((bench.watch.tally(), bench.log)),
        Err((promise, what)) => {
            Err(Violation { case, promise, what: format!("{what}\nafter{}", bench.latest()) })
        }
    }
}

/// Runs what bytes say, each of which is a choice.
///
/// # Panics
/// A promise is broken.
pub fn run_bytes(data: &[u8]) {
    let mut choices = data.iter().copied();
    let mut draw = |bound: u64| {
        let bytes = if bound <= 256 { 1 } else { 3 };
        (0..bytes).fold(0, |number, _| number << 8 | u64::from(choices.next().unwrap_or_default())) % bound
    };
    let mut bench = Bench::new(Seed::reproducible(0), None, &mut draw);
    if let Err((promise, what)) = bench.run(data.len().min(MAX_STEPS), &mut draw) {
        panic!("{promise:?} is broken: {what}\nafter{}", bench.latest());
    }
}

type Broken = (Promise, String);

struct Bench {
    dialer: Dialer,
    twin: Option<Twin>,
    watch: Watch,
    world: World,
    now: Instant,
    /// All inputs and outputs.
    log: Vec<String>,
}

impl Bench {
    fn new(seed: Seed, twin: Option<Twin>, draw: Draw<'_>) -> Self {
        let config = config(draw);
        let dialer = Dialer::new(Twin::config(twin, &config), peer(0), seed, START);
        let (watch, world) = (Watch::new(&config), World::default());
        Self { dialer, twin, watch, world, now: START, log: Vec::new() }
    }

    fn latest(&self) -> String {
        self.log.iter().rev().take(40).rev().map(|line| format!("\n  {line}")).collect()
    }

    fn run(&mut self, steps: usize, draw: Draw<'_>) -> Result<(), Broken> {
        for _ in 0..steps {
            let input = if draw(4) == 0 { None } else { self.world.draw(draw) };
            match input {
                Some(input) => self.step(Some(input))?,
                None => self.wait(draw)?,
            }
        }
        if draw(2) == 0 {
            self.step(Some(DialerInput::ShutDown))?;
            let input = self.world.draw(draw);
            self.step(input)?;
        }
        while let Some(input) = self.world.wind_down() {
            self.step(Some(input))?;
        }
        self.pass(Duration::from_secs(100))?;
        self.watch.expect_quiet(&self.dialer)
    }

    /// A moment, or exactly up to the deadline, or longer.
    fn wait(&mut self, draw: Draw<'_>) -> Result<(), Broken> {
        let moment = Duration::from_millis(draw(600));
        let to_deadline = self.dialer.poll_timeout().map(|deadline| deadline.at.saturating_since(self.now));
        let wait = match (draw(6), to_deadline) {
            (0..3, _) | (_, None) => moment,
            (3 | 4, Some(wait)) => wait,
            (_, Some(_)) => Duration::from_millis(draw(12_000)),
        };
        self.pass(wait)
    }

    fn pass(&mut self, wait: Duration) -> Result<(), Broken> {
        let end = self.now + wait;
        while let Some(deadline) = self.dialer.poll_timeout().filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(deadline.at);
            self.step(None)?;
        }
        self.now = end;
        Ok(())
    }

    fn step(&mut self, input: Option<DialerInput>) -> Result<(), Broken> {
        if let Some(input) = &input {
            self.log.push(format!("{:?} in  {input:?}", self.now));
        }
        match input.clone().and_then(|input| Twin::input(self.twin, &self.dialer, input)) {
            Some(input) => self.dialer.handle_input(input, self.now),
            None => self.dialer.handle_timeout(self.now),
        }
        let mut outputs: Vec<DialerOutput> = std::iter::from_fn(|| self.dialer.poll_output()).collect();
        Twin::output(self.twin, &mut outputs);
        for output in &outputs {
            self.log.push(format!("{:?} out {output:?}", self.now));
            self.world.hear(output);
        }
        self.watch.step(input.as_ref(), &outputs, &self.dialer, self.now)
    }
}
