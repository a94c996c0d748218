//! A runtime with faults: any runtime, whose clock stops and jumps, whose sleeps ring when they should not, and whose sockets fail, go a
//! byte at a time or not at all. It counts what the node holds of it.

mod clock;
mod sockets;

pub use clock::Ringing;
pub use sockets::{Operation, SocketFault};

use clock::Clock;
use futures_util::StreamExt;
use peerwork_runtime::{BoxFuture, Resolver, Runtime, Socket, StartError, TcpListener};
use sockets::{FaultySocket, Sockets};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The runtime `R`, with faults.
#[derive(Debug, Clone)]
pub struct Faulty<R> {
    runtime: R,
    faults: Arc<Faults>,
}

impl<R> Faulty<R> {
    /// `runtime`, as `faults` say from now on.
    pub fn new(runtime: R, faults: Arc<Faults>) -> Self {
        Self { runtime, faults }
    }
}

/// What is wrong with a [`Faulty`] runtime, nothing to begin with, and what is alive in it.
#[derive(Debug, Default)]
pub struct Faults {
    /// Time.
    clock: Clock,
    /// Sockets.
    sockets: Sockets,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    tasks: AtomicUsize,
    sockets: AtomicUsize,
    sleeps: AtomicUsize,
    polls: AtomicUsize,
}

/// What a node holds of its runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Sockets, those that listen and those that connect included.
    pub sockets: usize,
    /// Sleeps.
    pub sleeps: usize,
}

impl Faults {
    /// What is alive now.
    pub fn held(&self) -> Held {
        let Counts { tasks, sockets, sleeps, .. } = &self.counts;
        let [tasks, sockets, sleeps] = [tasks, sockets, sleeps].map(|count| count.load(Ordering::SeqCst));
        Held { tasks, sockets, sleeps }
    }

    /// How often tasks were polled so far.
    pub fn polls(&self) -> usize {
        self.counts.polls.load(Ordering::SeqCst)
    }

    /// Stops the clock.
    pub fn stop_clock(&self) {
        self.clock.stop();
    }

    /// Has the clock go on, `jump` later than it was. One that goes jumps.
    pub fn resume_clock(&self, jump: Duration) {
        self.clock.resume(jump);
    }

    /// Changes when sleeps ring, those included that have begun.
    pub fn set_ringing(&self, ringing: Ringing) {
        self.clock.set_ringing(ringing);
    }

    /// Has the next such operation fail, on whatever socket it is. Several stand in line.
    pub fn fail_next(&self, operation: Operation, fault: SocketFault) {
        self.sockets.fail_next(operation, fault);
    }

    /// How many faults wait for their operation.
    pub fn faults_to_come(&self) -> usize {
        self.sockets.faults_to_come()
    }

    /// Has every socket read and write one byte at a time.
    pub fn set_piecemeal(&self, is_piecemeal: bool) {
        self.sockets.set_piecemeal(is_piecemeal);
    }

    /// Has every socket take no bytes, as if the remote did not read; until it is over.
    pub fn stall_writes(&self, are_stalled: bool) {
        self.sockets.stall_writes(are_stalled);
    }
}

/// One of what is counted, as long as it lives.
struct Counted {
    faults: Arc<Faults>,
    count: fn(&Counts) -> &AtomicUsize,
}

impl Counted {
    fn new(faults: &Arc<Faults>, count: fn(&Counts) -> &AtomicUsize) -> Self {
        count(&faults.counts).fetch_add(1, Ordering::SeqCst);
        Self { faults: faults.clone(), count }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.count)(&self.faults.counts).fetch_sub(1, Ordering::SeqCst);
    }
}

/// A task. Dropped before it is counted out.
struct Task {
    task: BoxFuture<()>,
    counted: Counted,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.counted.faults.counts.polls.fetch_add(1, Ordering::SeqCst);
        self.task.as_mut().poll(cx)
    }
}

impl<R: Runtime> Runtime for Faulty<R> {
    fn current() -> Result<Self, StartError> {
        Ok(Self::new(R::current()?, Arc::default()))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        let counted = Counted::new(&self.faults, |counts| &counts.tasks);
        self.runtime.spawn(Box::pin(Task { task, counted }));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let counted = Counted::new(&self.faults, |counts| &counts.sleeps);
        let runtime = self.runtime.clone();
        let ring = clock::sleep(self.faults.clone(), duration, move |duration| runtime.sleep(duration));
        Box::pin(async move {
            let _counted = counted;
            ring.await;
        })
    }

    fn now(&self) -> Instant {
        self.faults.clock.now()
    }

    fn since_1970(&self) -> Duration {
        // The wall clock stops and jumps with the other one.
        let (now, by_clock) = (Instant::now(), self.faults.clock.now());
        let real = self.runtime.since_1970();
        (real + by_clock.saturating_duration_since(now))
            .saturating_sub(now.saturating_duration_since(by_clock))
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Socket>>> {
        let counted = Counted::new(&self.faults, |counts| &counts.sockets);
        let (runtime, faults) = (self.runtime.clone(), self.faults.clone());
        Box::pin(async move {
            faults.sockets.fault(Operation::Connect)?;
            let socket = runtime.connect(address).await?;
            Ok(FaultySocket::boxed(socket, faults, counted))
        })
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpListener>> {
        let counted = Counted::new(&self.faults, |counts| &counts.sockets);
        let (runtime, faults) = (self.runtime.clone(), self.faults.clone());
        Box::pin(async move {
            faults.sockets.fault(Operation::Listen)?;
            let TcpListener { address, incoming } = runtime.listen(address).await?;
            let incoming = incoming.map(move |accepted| {
                let _listening = &counted;
                // A socket that is dropped was not accepted.
                faults.sockets.fault(Operation::Accept)?;
                let (socket, from) = accepted?;
                let counted = Counted::new(&faults, |counts| &counts.sockets);
                Ok((FaultySocket::boxed(socket, faults.clone(), counted), from))
            });
            Ok(TcpListener { address, incoming: Box::pin(incoming) })
        })
    }

    fn resolver(&self) -> Arc<dyn Resolver> {
        self.runtime.resolver()
    }
}
