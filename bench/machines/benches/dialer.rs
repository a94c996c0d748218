//! What the dialer costs per attempt, while ever more wait: an attempt fails, and its tokens are handed on to the next.

#![allow(missing_docs, reason = "criterion's macros make functions without any")]
#![allow(clippy::unwrap_used, reason = "a benchmark that panics has failed")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use peerwork_core::address::{Multiaddr, Protocol};
use peerwork_core::identity::PeerId;
use peerwork_core::machine::Machine;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::TransportError;
use peerwork_core::swarm::dialer::{
    AttemptId, DialId, DialOptions, DialTarget, Dialer, DialerConfig, DialerInput, DialerOutput, Token,
};
use peerwork_core::time::Instant;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Addresses of a peer. One of them is in flight or waits, and so do all others after the delay of their rank.
const ADDRESSES_PER_PEER: u16 = 10;

/// Longer than any benchmark runs.
const FOREVER: Duration = Duration::from_secs(1_000_000_000);

/// How fast time passes between two attempts.
const TICK: Duration = Duration::from_millis(1);

criterion_group!(dialer, attempts);
criterion_main!(dialer);

fn attempts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dialer, an attempt fails and the next one starts");
    group.throughput(Throughput::Elements(1));
    for waiting in [1_000, 10_000, 100_000] {
        let mut load = Load::new(waiting / u32::from(ADDRESSES_PER_PEER));
        let counters = load.dialer.counters();
        println!(
            "{waiting}: {} in flight, {} wait for a descriptor, {} for their peer's token",
            counters.descriptors.in_use,
            counters.tokens(Token::Descriptor).waiting,
            counters.tokens(Token::Peer).waiting,
        );
        group.bench_function(BenchmarkId::from_parameter(waiting), |bencher| {
            bencher.iter(|| load.fail_next());
        });
        assert_eq!(load.dialer.counters().descriptors.in_use, DialerConfig::default().max_descriptors);
    }
}

/// A dialer that has to reach peers none of whom can be reached, again and again.
struct Load {
    dialer: Dialer,
    now: Instant,
    /// The peer of each dial there was.
    dials: Vec<u32>,
    running: VecDeque<AttemptId>,
}

impl Load {
    fn new(peers: u32) -> Self {
        let config = DialerConfig {
            attempt_timeout: FOREVER,
            dial_timeout: FOREVER,
            max_dials: usize::MAX,
            ..DialerConfig::default()
        };
        let now = Instant::ORIGIN;
        let dialer = Dialer::new(config, peer(u32::MAX), Seed::reproducible(1), now);
        let mut load = Self { dialer, now, dials: Vec::new(), running: VecDeque::new() };
        for number in 0..peers {
            load.dial(number);
        }
        // All delays are over: who does not run waits for a token.
        load.now = load.now + Duration::from_secs(10);
        load.dialer.handle_timeout(load.now);
        load.settle();
        load
    }

    fn dial(&mut self, number: u32) {
        let dial = DialId(self.dials.len() as u64);
        self.dials.push(number);
        let ip = Multiaddr::from(Ipv4Addr::from(0x0100_0000 + number));
        let target = DialTarget {
            peer: Some(peer(number)),
            addresses: (1..=ADDRESSES_PER_PEER).map(|port| ip.clone().with(Protocol::Tcp(port))).collect(),
        };
        let options = DialOptions { ignore_backoff: true, ..DialOptions::default() };
        self.input(DialerInput::Dial { dial, target, options, connected: None });
    }

    fn input(&mut self, input: DialerInput) {
        self.dialer.handle_input(input, self.now);
        self.settle();
    }

    /// Does what the dialer says. Nobody knows of more addresses, and who has failed is dialled again.
    fn settle(&mut self) {
        while let Some(output) = self.dialer.poll_output() {
            match output {
                DialerOutput::Start { attempt, .. } => self.running.push_back(attempt),
                DialerOutput::FindAddresses { peer, source } => {
                    self.input(DialerInput::Exhausted { peer, source });
                }
                DialerOutput::Finished { dial, .. } => self.dial(self.dials[dial.0 as usize]),
                _ => {}
            }
        }
    }

    fn fail_next(&mut self) {
        let attempt = self.running.pop_front().unwrap();
        self.input(DialerInput::Failed { attempt, error: TransportError::Refused.into() });
        self.now = self.now + TICK;
        self.dialer.handle_timeout(self.now);
        self.settle();
    }
}

fn peer(number: u32) -> PeerId {
    let digest = [&[0x12, 0x20][..], &number.to_be_bytes(), &[0; 28]].concat();
    PeerId::from_bytes(&digest).unwrap()
}
