//! The smallest machine that has everything the laws speak of.

use peerwork_core::machine::Machine;
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use peerwork_tests::laws::machine::MachineSubject;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Sends one question for each command and tells its outcome: an answer, silence, or that the machine was stopped.
pub(crate) struct Courier {
    seed: Seed,
    /// By command: the token of the question, and when it was sent.
    asked: BTreeMap<u64, (u64, Instant)>,
    outputs: VecDeque<Output>,
    now: Instant,
    stopped: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Ask { id: u64 },
    Answer { token: u64 },
    Stop,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    Question { token: u64 },
    Outcome { id: u64, outcome: Outcome },
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered { after: Duration },
    TimedOut,
    Stopped,
}

const PATIENCE: Duration = Duration::from_secs(5);

impl Courier {
    pub(crate) fn new(seed: Seed, now: Instant) -> Self {
        Self { seed, asked: BTreeMap::new(), outputs: VecDeque::new(), now, stopped: false }
    }

    fn end(&mut self, id: u64, outcome: impl FnOnce(Duration) -> Outcome) {
        if let Some((_, sent)) = self.asked.remove(&id) {
            self.outputs.push_back(Output::Outcome { id, outcome: outcome(self.now - sent) });
        }
    }
}

impl Machine for Courier {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, input: Input, now: Instant) {
        self.now = self.now.max(now);
        match input {
            _ if self.stopped => {}
            Input::Ask { id } => {
                let token = self.seed.below(u64::MAX);
                self.asked.insert(id, (token, self.now));
                self.outputs.push_back(Output::Question { token });
            }
            Input::Answer { token } => {
                let id = self.asked.iter().find(|(_, (asked, _))| *asked == token).map(|(id, _)| *id);
                if let Some(id) = id {
                    self.end(id, |after| Outcome::Answered { after });
                }
            }
            Input::Stop => {
                while let Some((&id, _)) = self.asked.first_key_value() {
                    self.end(id, |_| Outcome::Stopped);
                }
                self.outputs.push_back(Output::Stopped);
                self.stopped = true;
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        let late = |sent: Instant| sent + PATIENCE <= self.now;
        let late: Vec<_> =
            self.asked.iter().filter(|(_, (_, sent))| late(*sent)).map(|(id, _)| *id).collect();
        for id in late {
            self.end(id, |_| Outcome::TimedOut);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let first = self.asked.values().map(|(_, sent)| *sent).min()?;
        Some(Deadline::new(first + PATIENCE, "answer"))
    }
}

/// A courier, and a world that answers about half of its questions and now and then stops it.
pub(crate) struct Couriers;

#[derive(Default)]
pub(crate) struct Street {
    next_id: u64,
    open: Vec<u64>,
}

impl MachineSubject for Couriers {
    type Machine = Courier;
    type World = Street;
    type Id = u64;

    fn name(&self) -> String {
        "courier (toy)".to_owned()
    }

    fn build(&self, case: u64, now: Instant) -> (Courier, Street) {
        (Courier::new(Seed::reproducible(case), now), Street::default())
    }

    fn input(&self, street: &mut Street, draw: &mut Seed, _now: Instant) -> Option<Input> {
        match draw.below(50) {
            0 => Some(Input::Stop),
            1..25 => {
                street.next_id += 1;
                Some(Input::Ask { id: street.next_id })
            }
            _ if street.open.is_empty() => None,
            _ => {
                let at = draw.below(street.open.len() as u64) as usize;
                Some(Input::Answer { token: street.open.swap_remove(at) })
            }
        }
    }

    fn output(&self, street: &mut Street, _: &mut Courier, output: &Output, _: Instant) {
        if let Output::Question { token } = output {
            street.open.push(*token);
        }
    }

    fn command_id(&self, input: &Input) -> Option<u64> {
        match input {
            Input::Ask { id } => Some(*id),
            Input::Answer { .. } | Input::Stop => None,
        }
    }

    fn outcome_id(&self, output: &Output) -> Option<u64> {
        match output {
            Output::Outcome { id, .. } => Some(*id),
            Output::Question { .. } | Output::Stopped => None,
        }
    }

    fn is_last_word(&self, output: &Output) -> bool {
        *output == Output::Stopped
    }
}
