//! Scenarios, in a network where each address does what is said.

mod scenarios;
mod tables;
mod tokens;
mod wishes;

use super::*;
use crate::address::Multiaddr;
use std::time::Duration;

const START: Instant = Instant::from_nanos(1_000_000_000);

fn peer(number: u8) -> PeerId {
    let digest = [&[0x12, 0x20][..], &[number; 32]].concat();
    PeerId::from_bytes(&digest).unwrap()
}

/// This node.
fn local() -> PeerId {
    peer(0)
}

fn address(text: &str) -> Multiaddr {
    text.parse().unwrap()
}

/// A loopback address.
fn near(port: u16) -> Multiaddr {
    address(&format!("/ip4/127.0.0.1/tcp/{port}"))
}

/// A public address.
fn far(port: u16) -> Multiaddr {
    address(&format!("/ip4/1.2.3.4/tcp/{port}"))
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What is at an address.
#[derive(Debug, Clone, Copy)]
enum Host {
    /// This peer, who is connected after a time.
    Peer(PeerId, Duration),
    /// Nobody, which is known after a time.
    Refuses(Duration),
}

/// A dialer in a network of hosts. Where there is none, nobody ever answers.
struct World {
    dialer: Dialer,
    now: Instant,
    hosts: BTreeMap<Multiaddr, Host>,
    /// What the hosts will say.
    coming: BTreeMap<(Instant, AttemptId), DialerInput>,
    next_connection: u64,
    /// The outputs and when they came, since they were last taken.
    log: Vec<(Duration, DialerOutput)>,
}

impl World {
    fn new(config: DialerConfig) -> Self {
        Self {
            dialer: Dialer::new(config, local(), Seed::reproducible(1), START),
            now: START,
            hosts: BTreeMap::new(),
            coming: BTreeMap::new(),
            next_connection: 0,
            log: Vec::new(),
        }
    }

    fn with(hosts: impl IntoIterator<Item = (Multiaddr, Host)>) -> Self {
        Self { hosts: hosts.into_iter().collect(), ..Self::new(DialerConfig::default()) }
    }

    fn input(&mut self, input: DialerInput) {
        self.dialer.handle_input(input, self.now);
        self.hear();
    }

    fn dial(&mut self, dial: u64, target: impl Into<DialTarget>) {
        self.dial_with(dial, target, DialOptions::default());
    }

    fn dial_with(&mut self, dial: u64, target: impl Into<DialTarget>, options: DialOptions) {
        self.input(DialerInput::Dial { dial: DialId(dial), target: target.into(), options, connected: None });
    }

    fn hear(&mut self) {
        while let Some(output) = self.dialer.poll_output() {
            match &output {
                DialerOutput::Start { attempt, address, .. } => self.start(*attempt, address),
                DialerOutput::CancelAttempt { attempt } => {
                    self.coming.retain(|(_, coming), _| coming != attempt);
                }
                _ => {}
            }
            self.log.push((self.now - START, output));
        }
    }

    fn start(&mut self, attempt: AttemptId, address: &Multiaddr) {
        let (after, input) = match self.hosts.get(address) {
            Some(&Host::Peer(peer, after)) => {
                let connection = ConnectionId(self.next_connection);
                self.next_connection += 1;
                (after, DialerInput::Succeeded { attempt, connection, peer })
            }
            Some(&Host::Refuses(after)) => {
                (after, DialerInput::Failed { attempt, error: TransportError::Refused.into() })
            }
            None => return,
        };
        self.coming.insert((self.now + after, attempt), input);
    }

    /// Lets time pass up to a point.
    fn run_until(&mut self, end: Duration) {
        let end = START + end;
        loop {
            let coming = self.coming.first_key_value().map(|((at, _), _)| *at);
            let due = self.dialer.poll_timeout().map(|deadline| deadline.at);
            match [coming, due].into_iter().flatten().min() {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
            if coming.is_some_and(|at| at <= self.now)
                && let Some((_, input)) = self.coming.pop_first()
            {
                self.input(input);
            } else {
                self.dialer.handle_timeout(self.now);
                self.hear();
            }
        }
        self.now = self.now.max(end);
    }

    /// Lets time pass until nothing is left to do.
    fn run(&mut self) {
        self.run_until(secs(100_000));
    }

    /// Takes the log, and of it what `pick` makes something of, with the time since the start.
    fn take<T>(&mut self, pick: impl Fn(DialerOutput) -> Option<T>) -> Vec<(Duration, T)> {
        let log = std::mem::take(&mut self.log);
        log.into_iter().filter_map(|(at, output)| Some((at, pick(output)?))).collect()
    }

    /// The attempts started and when.
    fn take_starts(&mut self) -> Vec<(Duration, Multiaddr)> {
        self.take(|output| match output {
            DialerOutput::Start { address, .. } => Some(address),
            _ => None,
        })
    }

    /// The answers and when they came.
    fn take_answers(&mut self) -> Vec<(Duration, u64, Result<ConnectionId, DialError>)> {
        let answers = self.take(|output| match output {
            DialerOutput::Finished { dial, result } => Some((dial.0, result)),
            _ => None,
        });
        answers.into_iter().map(|(at, (dial, result))| (at, dial, result)).collect()
    }

    /// All outputs but those for onlookers.
    fn take_outputs(&mut self) -> Vec<DialerOutput> {
        let outputs = self.take(|output| Some(output).filter(|it| !matches!(it, DialerOutput::Progress(_))));
        outputs.into_iter().map(|(_, output)| output).collect()
    }

    #[track_caller]
    fn expect_quiet(&self) {
        let counters = self.dialer.counters();
        let none = TokenCount::default();
        assert_eq!((counters.dials_waiting, counters.peer_tokens, counters.descriptors), (0, none, none));
        assert_eq!(self.dialer.poll_timeout(), None);
        assert!(self.dialer.dials.is_empty() && self.dialer.shared.attempts.is_empty());
        assert!(self.dialer.shared.lookups.is_empty() && self.dialer.shared.grants.is_empty());
    }
}

/// A peer and where he is.
fn at(peer: PeerId, addresses: impl IntoIterator<Item = Multiaddr>) -> DialTarget {
    DialTarget { peer: Some(peer), addresses: addresses.into_iter().collect() }
}

fn refused(address: Multiaddr) -> (Multiaddr, AttemptError) {
    (address, TransportError::Refused.into())
}
