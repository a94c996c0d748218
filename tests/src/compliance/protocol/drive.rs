//! One life of a protocol in a world of the suite's making.

use super::ProtocolSubject;
use super::watch::{Rule, Watch};
use crate::laws::machine::MachineSubject;
use crate::laws::protocol::{Command, Mounted, World};
use bytes::Bytes;
use peerwork_core::connection::Framing;
use peerwork_core::machine::Machine;
use peerwork_core::protocols::{FromSwarm, InboundProtocol, Protocol};
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

const START: Instant = Instant::from_nanos(3_600_000_000_000);

/// Outputs of one call after which it is taken to have no end.
const MAX_POLLS: usize = 100_000;

/// Rounds of ending everything after which there is taken to be no end.
const MAX_ROUNDS: usize = 5_000;

/// The longest message of noise.
const MAX_NOISE_BYTES: usize = 200;

/// Old facts that are kept to be told again.
const MAX_HISTORY: usize = 100;

/// What a protocol is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    /// What the swarm promises.
    Fair,
    /// The same, but every message is noise.
    Noise,
    /// The same, but nobody ever connects.
    Lonely,
    /// True facts, but some are lost, and old ones are told again at any time.
    Lies,
}

/// A protocol, its world, and somebody who watches.
pub(super) struct Drive<'a, S: ProtocolSubject> {
    subject: &'a Mounted<S>,
    protocol: S::Protocol,
    world: World,
    weather: Weather,
    watch: Watch,
    inbound: Vec<InboundProtocol>,
    draw: Seed,
    now: Instant,
    history: Vec<FromSwarm<Command<S>>>,
    /// Every command, and whether it has had its outcome.
    commands: BTreeMap<S::Id, bool>,
}

impl<'a, S: ProtocolSubject> Drive<'a, S> {
    pub(super) fn new(subject: &'a Mounted<S>, case: u64, weather: Weather, rule: Option<Rule>) -> Self {
        let (protocol, world) = subject.build(case, START);
        let inbound = protocol.inbound();
        Self {
            subject,
            protocol,
            world,
            weather,
            watch: Watch::new(rule, inbound.clone()),
            inbound,
            draw: Seed::reproducible(case).child("drive"),
            now: START,
            history: Vec::new(),
            commands: BTreeMap::new(),
        }
    }

    /// Lives, and then ends everything.
    pub(super) fn run(mut self) -> Self {
        self.live();
        self
    }

    /// A round of life after which nothing is open.
    pub(super) fn live(&mut self) {
        for _ in 0..self.subject.steps() {
            if self.draw.below(4) == 0 {
                self.wait();
            } else {
                self.step();
            }
        }
        self.wind_down();
    }

    pub(super) fn expect_all_answered(&self) {
        let unanswered = self.commands.iter().find(|(_, answered)| !**answered);
        assert_eq!(unanswered, None, "when everything is over, a command has had no outcome");
    }

    /// Forgets what it knows of the past.
    pub(super) fn forget_commands(&mut self) {
        self.commands.clear();
        self.watch.forget();
    }

    fn step(&mut self) {
        let Some(fact) = self.subject.input(&mut self.world, &mut self.draw, self.now) else { return };
        match self.weather {
            Weather::Fair => self.tell(fact),
            Weather::Noise => {
                let fact = self.spoil(fact);
                self.tell(fact);
            }
            Weather::Lonely => {
                if !matches!(fact, FromSwarm::Connected { .. }) {
                    self.tell(fact);
                }
            }
            Weather::Lies => {
                self.lie();
                let is_command = matches!(fact, FromSwarm::Command(_));
                if is_command || self.draw.below(6) > 0 {
                    self.tell(fact.clone());
                }
                if !is_command && self.history.len() < MAX_HISTORY {
                    self.history.push(fact);
                }
            }
        }
    }

    /// Tells old facts again.
    fn lie(&mut self) {
        for _ in 0..self.draw.below(3) {
            let at = self.draw.below(self.history.len() as u64) as usize;
            if let Some(fact) = self.history.get(at).cloned() {
                self.tell(fact);
            }
        }
    }

    /// Puts noise in place of a message.
    fn spoil(&mut self, fact: FromSwarm<Command<S>>) -> FromSwarm<Command<S>> {
        let FromSwarm::Message { stream, message, received_at } = fact else { return fact };
        // A fixed length is what the swarm makes sure of.
        let fixed = self.inbound.iter().any(|it| matches!(it.options.framing, Framing::Fixed(_)));
        let len = if fixed { message.len() } else { self.draw.below(MAX_NOISE_BYTES as u64) as usize };
        let mut noise = vec![0; len];
        self.draw.fill(&mut noise);
        FromSwarm::Message { stream, message: Bytes::from(noise), received_at }
    }

    fn tell(&mut self, fact: FromSwarm<Command<S>>) {
        if let Some(id) = self.subject.command_id(&fact) {
            self.commands.insert(id, false);
        }
        self.watch.told(&fact);
        self.protocol.handle_input(fact, self.now);
        self.hear();
    }

    fn hear(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.protocol.poll_output() {
            outputs += 1;
            assert!(outputs < MAX_POLLS, "one call brings outputs without end");
            self.watch.said(&output);
            if let Some(id) = self.subject.outcome_id(&output) {
                let answered = self.commands.insert(id, true);
                assert_ne!(answered, Some(true), "{output:?} is the second outcome of its command");
                assert!(answered.is_some(), "{output:?} is the outcome of no command");
            }
            self.subject.output(&mut self.world, &mut self.protocol, &output, self.now);
        }
        self.watch.counted(outputs, self.subject.max_outputs());
    }

    /// Lets some time pass, or all up to the deadline.
    fn wait(&mut self) {
        let moment = Duration::from_micros(self.draw.below(1_000_000));
        let wait = match self.protocol.poll_timeout() {
            Some(deadline) if self.draw.below(4) == 0 => deadline.at - self.now,
            _ => moment,
        };
        self.pass(wait.min(Duration::from_secs(3600)));
    }

    fn pass(&mut self, wait: Duration) {
        self.now = self.now + wait;
        self.protocol.handle_timeout(self.now);
        self.hear();
        let due = self.protocol.poll_timeout().filter(|deadline| deadline.at <= self.now);
        assert_eq!(due, None, "after handle_timeout a deadline is still due: the driver spins");
    }

    /// Ends everything that is open, truthfully, until there is nothing more to end.
    fn wind_down(&mut self) {
        for _ in 0..MAX_ROUNDS {
            if let Some(fact) = self.subject.wind_down(&mut self.world) {
                self.tell(fact);
                continue;
            }
            match self.protocol.poll_timeout() {
                Some(deadline) if deadline.at - self.now < Duration::from_secs(3600) => {
                    self.pass(deadline.at - self.now);
                }
                _ => return,
            }
        }
        // Who was told of connections that are not there may ping them for ever.
        let may_go_on = self.weather == Weather::Lies;
        assert!(may_go_on, "after {MAX_ROUNDS} rounds of ending everything there is still something to do");
    }
}
