//! A subject on tokio, broken as loops of one's own are.

use crate::adapters::TokioOneThread;
use bytes::Bytes;
use peerwork_core::identity::PeerId;
use peerwork_core::protocols::StreamKey;
use peerwork_core::swarm::SwarmEvent;
use peerwork_runtime::Node;
use peerwork_tests::conformance::{AsyncSubject, Command, Event, Faults, Setup, StreamEnd, Subject};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Now and then a byte is another.
    SwapsBytes,
    /// The remote does not hear that our direction of a stream ends.
    NeverCloses,
    /// A stream that is reset looks closed.
    ClosesForReset,
    /// A writer is never told to wait.
    TakesEverything,
    /// Who waits for bytes on a stream is told of half of them.
    ForgetsReaders,
    /// A node that is dropped goes on.
    IgnoresDrop,
    /// A node that is to stop is not driven any more.
    StopsAtOnce,
    /// That a connection has ended is not told.
    HidesEnds,
    /// What happened once is told twice.
    TellsTwice,
}

static FAULT: Mutex<Fault> = Mutex::new(Fault::SwapsBytes);

/// Sets what is broken in twins that start from now on.
pub(super) fn set_fault(fault: Fault) {
    *FAULT.lock().unwrap() = fault;
}

/// The subject.
pub(super) struct BrokenSubject {
    subject: AsyncSubject<TokioOneThread>,
    fault: Fault,
    /// What was taken that nobody wanted.
    taken: BTreeMap<StreamKey, VecDeque<u8>>,
    readable: usize,
    has_stopped: bool,
    again: Option<Event>,
}

impl Subject for BrokenSubject {
    fn name() -> String {
        format!("a subject that {:?}", *FAULT.lock().unwrap())
    }

    fn start(setup: Setup) -> Self {
        let (subject, fault) = (AsyncSubject::start(setup), *FAULT.lock().unwrap());
        Self { subject, fault, taken: BTreeMap::new(), readable: 0, has_stopped: false, again: None }
    }

    fn local_peer(&self) -> PeerId {
        self.subject.local_peer()
    }

    fn command(&mut self, command: Command) {
        match (self.fault, &command) {
            (Fault::IgnoresDrop, Command::Drop) => {}
            (Fault::StopsAtOnce, Command::Shutdown) => self.has_stopped = true,
            _ => self.subject.command(command),
        }
    }

    fn next_event(&mut self, patience: Duration) -> Option<Event> {
        for (stream, taken) in &mut self.taken {
            if let Ok(written) = self.subject.write(*stream, taken.make_contiguous()) {
                drop(taken.drain(..written));
            }
        }
        if self.has_stopped {
            std::thread::sleep(patience);
            return Some(Event::ShutDown);
        }
        if self.again.is_some() {
            return self.again.take();
        }
        let event = self.subject.next_event(patience);
        if let (Fault::HidesEnds, Some(Event::Swarm(SwarmEvent::Disconnected { .. }))) = (self.fault, &event)
        {
            return None;
        }
        if self.fault == Fault::TellsTwice {
            self.again = event.clone();
        }
        if let (Fault::ForgetsReaders, Some(Event::Readable(_))) = (self.fault, &event) {
            self.readable += 1;
            return event.filter(|_| self.readable.is_multiple_of(2));
        }
        event
    }

    fn read(&mut self, stream: StreamKey, max: usize) -> Result<Bytes, StreamEnd> {
        let bytes = self.subject.read(stream, max)?;
        if self.fault == Fault::SwapsBytes && bytes.len() > 1000 {
            let mut bytes = bytes.to_vec();
            bytes[500] = bytes[500].wrapping_add(1);
            return Ok(bytes.into());
        }
        Ok(bytes)
    }

    fn write(&mut self, stream: StreamKey, data: &[u8]) -> Result<usize, StreamEnd> {
        if self.fault == Fault::TakesEverything {
            self.taken.entry(stream).or_default().extend(data);
            return Ok(data.len());
        }
        self.subject.write(stream, data)
    }

    fn close(&mut self, stream: StreamKey) {
        if self.fault != Fault::NeverCloses {
            self.subject.close(stream);
        }
    }

    fn reset(&mut self, stream: StreamKey) {
        if self.fault == Fault::ClosesForReset {
            self.subject.close(stream);
        } else {
            self.subject.reset(stream);
        }
    }

    fn drop_stream(&mut self, stream: StreamKey) {
        self.subject.drop_stream(stream);
    }

    fn faults(&self) -> Option<Arc<Faults>> {
        self.subject.faults()
    }

    fn handle(&self) -> Option<Node> {
        self.subject.handle()
    }
}
