//! All stores of a node taken as one.

use super::{
    InvalidRecord, Record, RecordKey, RecordStore, StoreError, StoreInput, StoreOutput, StoreRequestId,
    Validators,
};
use crate::machine::{Blame, Machine};
use crate::protocols::{FromSwarm, InboundProtocol, Protocol, ToSwarm};
use crate::time::{Deadline, Instant, Latest, Timers};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// How many commands may be under way; a further one fails with [`RecordsError::TooMany`].
pub const MAX_OPERATIONS: usize = 256;

/// How long the stores may take for a command, or for each of the two steps of a put, which are to read and to write; then it ends with
/// what they have said.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);

/// One command. Chosen by the user, from a counter of the user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordsId(pub u64);

/// What the user asks of a node's stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordsCommand {
    /// Keep a record in every store. Answered by [`RecordsEvent::Stored`] or [`RecordsEvent::Failed`].
    Put {
        /// Comes back in the answer.
        id: RecordsId,
        /// What.
        record: Record,
    },
    /// Get the best value that any store has. Answered by [`RecordsEvent::Found`] or [`RecordsEvent::Failed`].
    Get {
        /// Comes back in the answer.
        id: RecordsId,
        /// Of which key.
        key: RecordKey,
    },
}

/// What a node's stores tell the user: once for each command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordsEvent {
    /// At least one store keeps the record.
    Stored {
        /// Which command.
        id: RecordsId,
        /// How many do.
        stores: usize,
    },
    /// The stores were asked.
    Found {
        /// Which command.
        id: RecordsId,
        /// The best valid record, if any has one.
        record: Option<Record>,
    },
    /// It could not be done.
    Failed {
        /// Which command.
        id: RecordsId,
        /// Why.
        error: RecordsError,
    },
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// The record is not valid. Blame: the caller.
    #[error("{0}")]
    Invalid(#[from] InvalidRecord),
    /// A store has a better value under the same key, which stays. Blame: the caller.
    #[error("a better value is kept under this key already")]
    Outdated,
    /// Every store refused or failed. Blame: see the first cause.
    #[error("no store did it: {}", join(.0))]
    Stores(Vec<StoreError>),
    /// Not one store answered in time. Blame: timeout.
    #[error("no store answered in time")]
    Timeout,
    /// The node has no store. Blame: the caller.
    #[error("the node has no record store; add one when it is built")]
    NoStore,
    /// [`MAX_OPERATIONS`] are under way. Blame: a limit.
    #[error("{MAX_OPERATIONS} commands are under way already")]
    TooMany,
    /// The node is over. Blame: closed. A put may have reached some stores before.
    #[error("the node is shut down")]
    ShutDown,
}

impl RecordsError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Invalid(_) | Self::Outdated | Self::NoStore => Blame::Caller,
            Self::Stores(errors) => errors.first().map_or(Blame::Limit, StoreError::blame),
            Self::Timeout => Blame::Timeout,
            Self::TooMany => Blame::Limit,
            Self::ShutDown => Blame::Closed,
        }
    }
}

fn join(errors: &[StoreError]) -> String {
    errors.iter().map(StoreError::to_string).collect::<Vec<_>>().join("; ")
}

/// All stores of a node. See the [module documentation](super).
#[derive(Debug, Default)]
pub struct Records {
    stores: Vec<Box<dyn RecordStore>>,
    validators: Validators,
    operations: BTreeMap<StoreRequestId, Operation>,
    next_request: u64,
    timers: Timers<StoreRequestId>,
    events: VecDeque<RecordsEvent>,
    is_over: bool,
    latest: Latest,
}

/// A command under way.
#[derive(Debug)]
struct Operation {
    id: RecordsId,
    key: RecordKey,
    step: Step,
    /// The stores that have not answered.
    asked: BTreeSet<usize>,
    /// One at most for each store.
    errors: Vec<StoreError>,
}

#[derive(Debug)]
enum Step {
    /// The stores are asked what they have; then `new` is put, if it is the best.
    Read { values: Vec<Bytes>, new: Option<Bytes> },
    /// The stores are told to keep the value; so many do.
    Write { value: Bytes, stored: usize },
}

impl Records {
    /// Writes to and reads from `stores`, and checks with `validators`.
    pub fn new(stores: Vec<Box<dyn RecordStore>>, validators: Validators) -> Self {
        Self { stores, validators, ..Self::default() }
    }

    fn command(&mut self, command: RecordsCommand, now: Instant) {
        let (id, key, new) = match command {
            RecordsCommand::Put { id, record } => match self.validators.validate(&record) {
                Ok(()) => (id, record.key, Some(record.value)),
                Err(error) => return self.fail(id, error.into()),
            },
            RecordsCommand::Get { id, key } => (id, key, None),
        };
        if self.is_over {
            return self.fail(id, RecordsError::ShutDown);
        }
        if self.stores.is_empty() {
            return self.fail(id, RecordsError::NoStore);
        }
        if self.operations.len() >= MAX_OPERATIONS {
            return self.fail(id, RecordsError::TooMany);
        }
        let step = Step::Read { values: Vec::new(), new };
        self.ask(Operation { id, key, step, asked: BTreeSet::new(), errors: Vec::new() }, now);
        self.collect(now);
    }

    fn fail(&mut self, id: RecordsId, error: RecordsError) {
        self.events.push_back(RecordsEvent::Failed { id, error });
    }

    /// Starts the operation's step with every store.
    fn ask(&mut self, mut operation: Operation, now: Instant) {
        let request = StoreRequestId(self.next_request);
        self.next_request += 1;
        operation.asked = (0..self.stores.len()).collect();
        let key = operation.key.clone();
        let input = match &operation.step {
            Step::Read { .. } => StoreInput::Get { request, key },
            Step::Write { value, .. } => {
                StoreInput::Put { request, record: Record { key, value: value.clone() } }
            }
        };
        for store in &mut self.stores {
            store.handle_input(input.clone(), now);
        }
        self.operations.insert(request, operation);
        self.timers.set(request, Some(Deadline::new(now + OPERATION_TIMEOUT, "record store timeout")));
    }

    /// Takes what the stores have to say. A step that follows from it asks them again.
    fn collect(&mut self, now: Instant) {
        while let Some((store, output)) = self.next_answer() {
            let (request, answer) = match output {
                StoreOutput::Stored { request } => (request, Ok(None)),
                StoreOutput::Found { request, value } => (request, Ok(value)),
                StoreOutput::Failed { request, error } => (request, Err(error)),
            };
            if let Some(operation) = self.operations.get_mut(&request)
                && operation.asked.remove(&store)
            {
                operation.note(answer, &self.validators);
                if operation.asked.is_empty() {
                    self.finish(request, now);
                }
            }
        }
    }

    fn next_answer(&mut self) -> Option<(usize, StoreOutput)> {
        self.stores.iter_mut().enumerate().find_map(|(index, store)| Some((index, store.poll_output()?)))
    }

    /// Takes an operation out, for whose answers nobody waits any more.
    fn take(&mut self, request: StoreRequestId, now: Instant) -> Option<Operation> {
        self.timers.set(request, None);
        let operation = self.operations.remove(&request)?;
        for &late in &operation.asked {
            self.stores[late].handle_input(StoreInput::Cancel { request }, now);
        }
        Some(operation)
    }

    /// Ends the step: all have answered, or their time is up.
    fn finish(&mut self, request: StoreRequestId, now: Instant) {
        let Some(operation) = self.take(request, now) else { return };
        let Operation { id, key, step, asked, errors } = operation;
        let nobody = if asked.len() + errors.len() < self.stores.len() {
            None
        } else if errors.is_empty() {
            Some(RecordsError::Timeout)
        } else {
            Some(RecordsError::Stores(errors))
        };
        let event = match (step, nobody) {
            (_, Some(error)) => RecordsEvent::Failed { id, error },
            (Step::Write { stored, .. }, None) => RecordsEvent::Stored { id, stores: stored },
            (Step::Read { values, new: None }, None) => {
                let record = self.validators.best(&key, &values).map(|value| Record { key, value });
                RecordsEvent::Found { id, record }
            }
            (Step::Read { mut values, new: Some(new) }, None) => {
                values.push(new.clone());
                if self.validators.best(&key, &values).is_some_and(|best| best == new) {
                    let step = Step::Write { value: new, stored: 0 };
                    return self
                        .ask(Operation { id, key, step, asked: BTreeSet::new(), errors: Vec::new() }, now);
                }
                RecordsEvent::Failed { id, error: RecordsError::Outdated }
            }
        };
        self.events.push_back(event);
    }
}

impl Operation {
    /// Takes one store's answer.
    fn note(&mut self, answer: Result<Option<Bytes>, StoreError>, validators: &Validators) {
        match (answer, &mut self.step) {
            (Err(error), _) => self.errors.push(error),
            (Ok(_), Step::Write { stored, .. }) => *stored += 1,
            (Ok(None), Step::Read { .. }) => {}
            (Ok(Some(value)), Step::Read { values, .. }) => {
                let record = Record { key: self.key.clone(), value };
                if validators.validate(&record).is_ok() {
                    values.push(record.value);
                }
            }
        }
    }
}

impl Machine for Records {
    type Input = FromSwarm<RecordsCommand>;
    type Output = ToSwarm<RecordsEvent>;

    fn handle_input(&mut self, input: Self::Input, now: Instant) {
        let now = self.latest.see(now);
        if let FromSwarm::Command(command) = input {
            self.command(command, now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.latest.see(now);
        for store in &mut self.stores {
            store.handle_timeout(now);
        }
        self.collect(now);
        while let Some(request) = self.timers.pop_due(now) {
            self.finish(request, now);
        }
        self.collect(now);
    }

    fn poll_output(&mut self) -> Option<Self::Output> {
        self.events.pop_front().map(ToSwarm::Event)
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.stores.iter().map(|store| store.poll_timeout()).fold(self.timers.next(), Deadline::earlier)
    }
}

impl Protocol for Records {
    type Command = RecordsCommand;
    type Event = RecordsEvent;

    fn inbound(&self) -> Vec<InboundProtocol> {
        Vec::new()
    }

    fn shut_down(&mut self, now: Instant) {
        self.is_over = true;
        let requests: Vec<StoreRequestId> = self.operations.keys().copied().collect();
        for request in requests {
            if let Some(Operation { id, .. }) = self.take(request, now) {
                self.fail(id, RecordsError::ShutDown);
            }
        }
    }
}
