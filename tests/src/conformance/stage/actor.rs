//! A node on a thread of its own, and the jobs it is given.

use super::Watch;
use super::side::Side;
use crate::conformance::faulty::Faults;
use crate::conformance::subject::{Setup, Subject};
use crate::laws::panic_message;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::ConnectionId;
use peerwork_core::identity::PeerId;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long an actor without work drives its node before it looks for work.
const IDLE_SLICE: Duration = Duration::from_millis(2);

type Job<S> = Box<dyn FnOnce(&mut Side<S>) + Send>;

/// A node on a thread of its own.
pub(in crate::conformance) struct Actor<S> {
    jobs: Option<mpsc::Sender<Job<S>>>,
    thread: Option<JoinHandle<()>>,
    watch: Arc<Watch>,
}

/// A job at work.
pub(in crate::conformance) struct Doing<T>(mpsc::Receiver<Result<T, Box<dyn Any + Send>>>);

impl<T> Doing<T> {
    /// Waits for its end.
    pub(in crate::conformance) fn end(self) -> T {
        match self.0.recv() {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => panic!("a node's thread has ended before its time"),
        }
    }
}

impl<S: Subject> Actor<S> {
    pub(super) fn start_thread(
        name: &'static str,
        setup: Setup,
        watch: Arc<Watch>,
        patience: Duration,
    ) -> Self {
        let (jobs, work) = mpsc::channel::<Job<S>>();
        let at_work = watch.clone();
        let thread = std::thread::Builder::new().name(format!("conformance {name}"));
        let thread = thread.spawn(move || {
            let subject = match catch_unwind(AssertUnwindSafe(|| S::start(setup))) {
                Ok(subject) => subject,
                Err(panic) => return at_work.fail(panic_message(&*panic)),
            };
            let mut side = Side::new(subject, name, patience, at_work);
            loop {
                match work.try_recv() {
                    Ok(job) => job(&mut side),
                    Err(TryRecvError::Empty) => side.idle(IDLE_SLICE),
                    Err(TryRecvError::Disconnected) => break,
                }
            }
        });
        Self { jobs: Some(jobs), thread: Some(thread.expect("a thread can be started")), watch }
    }

    /// Begins a job.
    pub(in crate::conformance) fn start<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Side<S>) -> T + Send + 'static,
    ) -> Doing<T> {
        let (sender, receiver) = mpsc::channel();
        let job: Job<S> = Box::new(move |side| {
            let result = catch_unwind(AssertUnwindSafe(|| job(side)));
            if let Err(panic) = &result {
                side.watch.fail(panic_message(&**panic));
            }
            // Nobody waits for it where the case has failed.
            let _ = sender.send(result);
        });
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
        Doing(receiver)
    }

    /// Does a job.
    pub(in crate::conformance) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Side<S>) -> T + Send + 'static,
    ) -> T {
        self.start(job).end()
    }

    /// What breaks its runtime, where there is one.
    pub(in crate::conformance) fn faults(&self) -> Option<Arc<Faults>> {
        self.run(|side| side.subject.faults())
    }

    /// What breaks its runtime, in a case that needs that.
    pub(in crate::conformance) fn needed_faults(&self) -> Arc<Faults> {
        self.faults().expect("the case is only for subjects with a runtime")
    }

    /// Dials, which must work.
    pub(in crate::conformance) fn connect(&self, address: &Multiaddr) -> (ConnectionId, PeerId) {
        let address = address.clone();
        self.run(move |side| side.connect(address))
    }

    /// Stops the node in order.
    pub(in crate::conformance) fn shut_down(&self) {
        self.run(Side::shut_down);
    }
}

impl<S> Drop for Actor<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.watch.give_up();
        }
        self.jobs = None;
        // A thread that panicked has said so.
        drop(self.thread.take().map(JoinHandle::join));
    }
}
