//! The smallest layer that has everything the laws speak of.

use bytes::BytesMut;
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use peerwork_tests::laws::Log;
use peerwork_tests::laws::layer::{LayerSubject, Step, record};
use std::collections::VecDeque;
use std::time::Duration;

/// Both sides send a line with a number; then lines are told and answered, until "bye" or silence.
pub(crate) struct Greeter {
    phase: Phase,
    unsent: VecDeque<Vec<u8>>,
    events: VecDeque<GreeterEvent>,
    idle_since: Instant,
    now: Instant,
}

enum Phase {
    Greeting { held_back: Vec<Vec<u8>> },
    Talking,
    Over(Close),
    Dead(GreeterError),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GreeterEvent {
    Greeted(String),
    Line(String),
    Ended(End),
    Bored,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GreeterError {
    TooLong,
    NotText,
}

const MAX_LINE_BYTES: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);

impl Greeter {
    pub(crate) fn new(mut seed: Seed, now: Instant) -> Self {
        let greeting = format!("I am {}\n", seed.below(1000)).into_bytes();
        Self {
            phase: Phase::Greeting { held_back: Vec::new() },
            unsent: [greeting].into(),
            events: VecDeque::new(),
            idle_since: now,
            now,
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        let line = format!("{text}\n").into_bytes();
        match &mut self.phase {
            Phase::Greeting { held_back } => held_back.push(line),
            Phase::Talking => self.unsent.push_back(line),
            Phase::Over(_) | Phase::Dead(_) => {}
        }
    }

    fn handle_line(&mut self, line: String) {
        match std::mem::replace(&mut self.phase, Phase::Talking) {
            Phase::Greeting { held_back } => {
                self.unsent.extend(held_back);
                self.events.push_back(GreeterEvent::Greeted(line));
            }
            Phase::Talking if line == "bye" => self.phase = Phase::Over(Close::Flush),
            Phase::Talking => {
                if !line.starts_with("yes, ") {
                    self.say(&format!("yes, {line}"));
                }
                self.events.push_back(GreeterEvent::Line(line));
            }
            over => self.phase = over,
        }
    }

    fn die(&mut self, error: GreeterError) -> Result<(), GreeterError> {
        self.phase = Phase::Dead(error.clone());
        Err(error)
    }

    fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Greeting { .. } | Phase::Talking)
    }
}

impl Layer for Greeter {
    type Event = GreeterEvent;
    type Error = GreeterError;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), GreeterError> {
        self.now = self.now.max(now);
        if let Phase::Dead(error) = &self.phase {
            return Err(error.clone());
        }
        while self.is_up() {
            match input.iter().take(MAX_LINE_BYTES + 1).position(|byte| *byte == b'\n') {
                Some(end) => {
                    let line = input.split_to(end + 1);
                    let Ok(line) = String::from_utf8(line[..end].to_vec()) else {
                        return self.die(GreeterError::NotText);
                    };
                    self.idle_since = self.now;
                    self.handle_line(line);
                }
                None if input.len() > MAX_LINE_BYTES => return self.die(GreeterError::TooLong),
                None => break,
            }
        }
        Ok(())
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        self.now = self.now.max(now);
        if self.is_up() {
            self.events.push_back(GreeterEvent::Ended(end));
            self.phase = Phase::Over(if end == End::Closed { Close::Flush } else { Close::Now });
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.poll_timeout().is_some_and(|deadline| deadline.at <= self.now) {
            self.events.push_back(GreeterEvent::Bored);
            self.phase = Phase::Over(Close::Now);
        }
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, _now: Instant) -> usize {
        let before = out.len();
        while out.len() - before < max {
            let Some(line) = self.unsent.pop_front() else { break };
            out.extend_from_slice(&line);
        }
        out.len() - before
    }

    fn poll_event(&mut self) -> Option<GreeterEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.is_up().then(|| Deadline::new(self.idle_since + PATIENCE, "silence"))
    }

    fn wants_input(&self) -> bool {
        self.is_up()
    }

    fn poll_close(&mut self) -> Option<Close> {
        match &self.phase {
            Phase::Greeting { .. } | Phase::Talking => None,
            Phase::Over(close) => Some(*close),
            Phase::Dead(_) => Some(Close::Now),
        }
    }
}

/// Two greeters that talk to each other.
pub(crate) struct Greeting;

impl LayerSubject for Greeting {
    type Layer = Greeter;

    fn name(&self) -> String {
        "greeter (toy)".to_owned()
    }

    fn build(&self, case: u64, now: Instant) -> Greeter {
        Greeter::new(Seed::reproducible(case), now)
    }

    fn script(&self, case: u64) -> Result<Vec<Step>, String> {
        record(self, self, case, 12)
    }

    fn operate(&self, layer: &mut Greeter, number: u64, _now: Instant, _log: &mut Log) {
        layer.say(&if number.is_multiple_of(16) {
            "bye".to_owned()
        } else {
            format!("line {}", number % 1000)
        });
    }
}
