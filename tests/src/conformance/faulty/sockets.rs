//! Sockets that fail, go a byte at a time, or do not go at all.

use super::{Counted, Faults};
use bytes::{Buf, BytesMut};
use peerwork_runtime::Socket;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

/// What is done with sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Connecting.
    Connect,
    /// Listening.
    Listen,
    /// Accepting.
    Accept,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Ending our direction.
    Shutdown,
}

/// What comes of an operation instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SocketFault {
    /// An error of this kind.
    Fails(io::ErrorKind),
    /// Nothing is written, without an error. Only [`Operation::Write`] can do that.
    TakesNothing,
}

#[derive(Debug, Default)]
pub(super) struct Sockets(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    to_come: BTreeMap<Operation, VecDeque<SocketFault>>,
    is_piecemeal: bool,
    are_writes_stalled: bool,
    /// Who waits for a socket to read or write, or whatever it does.
    waiting: BTreeMap<(u64, Operation), Waker>,
    next_socket: u64,
}

impl Sockets {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
    }

    pub(super) fn fail_next(&self, operation: Operation, fault: SocketFault) {
        self.change(|state| state.to_come.entry(operation).or_default().push_back(fault));
    }

    pub(super) fn faults_to_come(&self) -> usize {
        self.lock().to_come.values().map(VecDeque::len).sum()
    }

    pub(super) fn set_piecemeal(&self, is_piecemeal: bool) {
        self.change(|state| state.is_piecemeal = is_piecemeal);
    }

    pub(super) fn stall_writes(&self, are_stalled: bool) {
        self.change(|state| state.are_writes_stalled = are_stalled);
    }

    /// The error of an operation that is to fail.
    pub(super) fn fault(&self, operation: Operation) -> io::Result<()> {
        match self.lock().take(operation) {
            Some(SocketFault::Fails(kind)) => Err(kind.into()),
            Some(SocketFault::TakesNothing) | None => Ok(()),
        }
    }
}

impl State {
    fn take(&mut self, operation: Operation) -> Option<SocketFault> {
        self.to_come.get_mut(&operation)?.pop_front()
    }
}

/// A socket of another runtime.
pub(super) struct FaultySocket {
    socket: Box<dyn Socket>,
    number: u64,
    /// Read from the socket, to be given piecemeal.
    received: BytesMut,
    faults: Arc<Faults>,
    _counted: Counted,
}

impl FaultySocket {
    pub(super) fn boxed(socket: Box<dyn Socket>, faults: Arc<Faults>, counted: Counted) -> Box<dyn Socket> {
        let number = {
            let mut state = faults.sockets.lock();
            state.next_socket += 1;
            state.next_socket
        };
        Box::new(Self { socket, number, received: BytesMut::new(), faults, _counted: counted })
    }

    /// Whether the operation is to be done in small pieces, unless it does not go on, or fails.
    fn begin(&self, operation: Operation, cx: &Context<'_>) -> Poll<Result<bool, SocketFault>> {
        let mut state = self.faults.sockets.lock();
        if let Some(fault) = state.take(operation) {
            return Poll::Ready(Err(fault));
        }
        let last_waker = state.waiting.insert((self.number, operation), cx.waker().clone());
        let is_stalled = operation == Operation::Write && state.are_writes_stalled;
        let is_piecemeal = state.is_piecemeal;
        // The last waker may take its task along, which may hold a socket.
        drop(state);
        drop(last_waker);
        if is_stalled { Poll::Pending } else { Poll::Ready(Ok(is_piecemeal)) }
    }
}

impl Drop for FaultySocket {
    fn drop(&mut self) {
        let operations = [Operation::Read, Operation::Write, Operation::Shutdown];
        let _wakers = {
            let mut state = self.faults.sockets.lock();
            operations.map(|operation| state.waiting.remove(&(self.number, operation)))
        };
    }
}

impl Socket for FaultySocket {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        let is_piecemeal = match ready!(self.begin(Operation::Read, cx)) {
            Ok(is_piecemeal) => is_piecemeal,
            Err(SocketFault::Fails(kind)) => return Poll::Ready(Err(kind.into())),
            Err(SocketFault::TakesNothing) => false,
        };
        if !is_piecemeal && self.received.is_empty() {
            return self.socket.poll_read(cx, buffer);
        }
        if self.received.is_empty() {
            self.received.reserve(buffer.capacity());
            if ready!(self.socket.poll_read(cx, &mut self.received))? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        buffer.extend_from_slice(&self.received[..1]);
        self.received.advance(1);
        Poll::Ready(Ok(1))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(self.begin(Operation::Write, cx)) {
            Ok(is_piecemeal) => {
                let len = if is_piecemeal { bytes.len().min(1) } else { bytes.len() };
                self.socket.poll_write(cx, &bytes[..len])
            }
            Err(SocketFault::Fails(kind)) => Poll::Ready(Err(kind.into())),
            Err(SocketFault::TakesNothing) => Poll::Ready(Ok(0)),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.begin(Operation::Shutdown, cx)) {
            Ok(_) | Err(SocketFault::TakesNothing) => self.socket.poll_shutdown(cx),
            Err(SocketFault::Fails(kind)) => Poll::Ready(Err(kind.into())),
        }
    }
}
