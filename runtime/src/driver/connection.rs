//! One connection on its socket: a task, and the stream handles that share it under one mutex.
//!
//! A handle works on the connection itself: it reads or writes the stream and makes one attempt to write to the socket. The task
//! does the rest: it reads the socket, waits for it, keeps time and carries messages to the node.

use super::ToDriver;
use super::buffers::{BUFFER_BYTES, Common};
use super::handles::Handles;
use super::mailbox;
use super::wakes::{Wakes, remember};
use crate::runtime::{BoxFuture, Runtime};
use crate::transport::Socket;
use bytes::{Buf, Bytes, BytesMut};
use parking_lot::{Mutex, MutexGuard};
use peerwork_core::connection::{Connection, ConnectionId, StreamEvent, ToConnection, Traffic};
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::muxer::{ReadError, StreamId, WriteError};
use peerwork_core::protocols::{StreamCloseCause, StreamError};
use peerwork_core::time::Instant;
use smallvec::SmallVec;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The least room for which a read of the socket is worth its while.
const MIN_READ_BYTES: usize = 32 * 1024;

/// The most bytes of an unfinished frame that are copied out of the buffer while the rest is awaited.
const MAX_KEPT_BYTES: usize = 4 * 1024;

/// How much the task reads before it lets others run, the readers of its streams above all.
const MAX_READ_BYTES: usize = BUFFER_BYTES;

/// How many turns the task lets others have before it writes. Who is to answer what has arrived, or to use a stream that was opened,
/// hears of it through the driver and perhaps a task that accepts; so it can add what it has to say to the same packet.
const TURNS_TO_WRITE: usize = 3;

/// How often the task goes round before it lets others run.
const ROUNDS: usize = 16;

/// The most bytes gathered before they are written to the socket.
const WRITE_BYTES: usize = BUFFER_BYTES;

/// A write of at least this many bytes goes to the socket at once; smaller ones are gathered until the task runs.
const DIRECT_WRITE_BYTES: usize = 4 * 1024;

/// A connection, shared by its task and its stream handles.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// What the node has sent. Beside the state, so that the node never waits for a connection at work.
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    /// Seldom more than one, which needs no allocation.
    messages: SmallVec<[ToConnection; 1]>,
    task: Option<Waker>,
}

struct State {
    connection: Connection,
    common: Arc<Common>,
    /// `None` once it is dropped.
    socket: Option<Box<dyn Socket>>,
    /// Read from the socket and not taken by the connection. Has a buffer only then.
    input: BytesMut,
    /// Taken from the connection and not by the socket. Has a buffer only then.
    output: BytesMut,
    /// The connection did not want what is in `input`.
    was_blocked: bool,
    read_ended: bool,
    shut_down: bool,
    task: Option<Waker>,
    /// When the task came to have a turn before long. Until it has it, handles need not wake it, and take this for the time.
    scheduled: Option<Instant>,
    /// Until when the task sleeps.
    armed: Option<Instant>,
    handles: Handles,
    /// What the node knows of what went over the connection.
    counted: Traffic,
}

/// A connection as its stream handles see it.
pub(crate) trait StreamSource: Send + Sync {
    fn attach(&self, stream: StreamId);
    fn poll_read(&self, stream: StreamId, max: usize, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>>;
    fn poll_write(&self, stream: StreamId, data: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>>;
    fn flush(&self);
    fn close_write(&self, stream: StreamId);
    fn reset(&self, stream: StreamId);
    /// The handle is gone.
    fn detach(&self, stream: StreamId);
}

impl Shared {
    pub(crate) fn new(connection: Connection, socket: Box<dyn Socket>, common: Arc<Common>) -> Self {
        let state = State {
            connection,
            common,
            socket: Some(socket),
            input: BytesMut::new(),
            output: BytesMut::new(),
            was_blocked: false,
            read_ended: false,
            shut_down: false,
            task: None,
            scheduled: None,
            armed: None,
            handles: Handles::default(),
            counted: Traffic::default(),
        };
        Self { state: Mutex::new(state), inbox: Mutex::default() }
    }

    /// The state and the time, for a handle.
    fn lock(&self) -> (MutexGuard<'_, State>, Instant) {
        let state = self.state.lock();
        let now = state.scheduled.unwrap_or_else(|| state.common.clock.now());
        (state, now)
    }

    /// Leaves a message of the node for the task.
    pub(crate) fn post(&self, message: ToConnection) {
        let mut wakes = Wakes::default();
        let mut inbox = self.inbox.lock();
        inbox.messages.push(message);
        wakes.add(inbox.task.take());
    }

    /// Closes the socket of a connection that is not open yet, after the message that ends it: the node counts on its descriptor.
    pub(crate) fn abandon_handshake(&self) {
        let mut state = self.state.lock();
        if state.connection.is_opening() {
            state.socket = None;
        }
    }
}

impl State {
    /// Gives the connection a buffer to write into.
    fn lend_buffer(&mut self) {
        self.connection.lend_buffer(|| self.common.buffers.take());
    }

    /// Takes it back, if it has not been written into.
    fn reclaim_buffer(&mut self) {
        if let Some(buffer) = self.connection.reclaim_buffer() {
            self.common.buffers.give(buffer);
        }
    }

    /// Moves bytes from the connection to the socket until it takes no more. Returns whether any moved.
    fn flush(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut progress = false;
        while let Some(socket) = &mut self.socket {
            if self.output.is_empty() {
                self.common.buffers.give(std::mem::take(&mut self.output));
                if !self.connection.wants_transmit() {
                    break;
                }
                self.connection.lend_buffer(|| self.common.buffers.take());
                if self.connection.poll_transmit(&mut self.output, WRITE_BYTES, now) == 0 {
                    break;
                }
            }
            match socket.poll_write(cx, &self.output) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.output.advance(written);
                    progress = true;
                }
                Poll::Ready(_) => {
                    self.end(End::Failed, now);
                    return true;
                }
                Poll::Pending => return progress,
            }
        }
        self.reclaim_buffer();
        let is_flushed = self.output.is_empty() && self.connection.poll_close() == Some(Close::Flush);
        if is_flushed && !self.shut_down {
            let outcome = self.socket.as_mut().map_or(Poll::Ready(Ok(())), |socket| socket.poll_shutdown(cx));
            self.shut_down = outcome.is_ready();
            if let Poll::Ready(Err(_)) = outcome {
                // The remote will not hear that it is to close too.
                self.end(End::Failed, now);
                return true;
            }
        }
        progress
    }

    /// Moves bytes from the socket to the connection, one read at most. Returns how many, or `None` if there are none now.
    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<usize> {
        if !self.connection.wants_input() || self.read_ended {
            return None;
        }
        if std::mem::take(&mut self.was_blocked) && !self.input.is_empty() {
            self.give_input(now);
            return Some(0);
        }
        let socket = self.socket.as_mut()?;
        if self.input.capacity() - self.input.len() < MIN_READ_BYTES {
            let mut roomy = self.common.buffers.take();
            roomy.reserve(self.input.len() + MIN_READ_BYTES);
            roomy.extend_from_slice(&self.input);
            self.common.buffers.give(std::mem::replace(&mut self.input, roomy));
        }
        let received = match socket.poll_read(cx, &mut self.input) {
            Poll::Pending => None,
            Poll::Ready(outcome) => Some(outcome),
        };
        match received {
            // The start of a frame may be all there is for a long time.
            None if !self.input.is_empty() && self.input.len() <= MAX_KEPT_BYTES => {
                let start = BytesMut::from(&self.input[..]);
                self.common.buffers.give(std::mem::replace(&mut self.input, start));
            }
            None => {}
            Some(Ok(0)) => self.end(End::Closed, now),
            Some(Ok(_)) => self.give_input(now),
            Some(Err(_)) => self.end(End::Failed, now),
        }
        if self.input.is_empty() {
            self.common.buffers.give(std::mem::take(&mut self.input));
        }
        received.map(Result::unwrap_or_default)
    }

    fn give_input(&mut self, now: Instant) {
        self.lend_buffer();
        // A connection that dies of its input reports that itself.
        drop(self.connection.handle_input(&mut self.input, now));
        self.reclaim_buffer();
        self.was_blocked = !self.connection.wants_input();
    }

    fn end(&mut self, end: End, now: Instant) {
        self.read_ended = true;
        self.input = BytesMut::new();
        if end == End::Failed {
            self.output = BytesMut::new();
        }
        self.connection.handle_end(end, now);
    }

    /// Tells the node how much went over the connection.
    fn count_traffic(&mut self) {
        let traffic = self.connection.traffic();
        if traffic != self.counted {
            self.common.traffic.add(traffic.since(self.counted));
            self.counted = traffic;
        }
    }

    /// Has the stream handles woken that can go on.
    fn wake_streams(&mut self, wakes: &mut Wakes) {
        while let Some(event) = self.connection.poll_stream_event() {
            let (StreamEvent::Readable(id) | StreamEvent::Writable(id) | StreamEvent::Closed(id, _)) = event;
            let Some(handle) = self.handles.get_mut(id) else { continue };
            let (read, write) = match event {
                StreamEvent::Readable(_) => (true, false),
                StreamEvent::Writable(_) => (false, true),
                StreamEvent::Closed(_, cause) => {
                    handle.cause = Some(Box::new(cause));
                    (true, true)
                }
            };
            wakes.add(if read { handle.reader.take() } else { None });
            wakes.add(if write { handle.writer.take() } else { None });
        }
    }

    /// After a handle has worked on the connection: does what can be done at once, and wakes the task for the rest.
    fn after_handle(&mut self, flush: bool, now: Instant, wakes: &mut Wakes) {
        self.wake_streams(wakes);
        let Some(task) = self.task.take() else { return };
        let wants_transmit = self.connection.wants_transmit();
        if flush && wants_transmit {
            self.flush(&mut Context::from_waker(&task), now);
            self.count_traffic();
            self.wake_streams(wakes);
        }
        let is_unblocked = self.was_blocked && self.connection.wants_input();
        let is_earlier = match (self.connection.poll_timeout(), self.armed) {
            // A sleep that rang when nothing was due is of no use any more.
            (Some(deadline), Some(armed)) => deadline.at < armed || armed <= now,
            (deadline, None) => deadline.is_some(),
            (None, Some(_)) => false,
        };
        let has_work =
            (!flush && wants_transmit) || is_unblocked || is_earlier || self.connection.has_messages();
        if has_work && self.scheduled.is_none() {
            self.scheduled = Some(now);
            wakes.add([task.clone()]);
        }
        self.task = Some(task);
    }

    fn closed_error(&self, stream: StreamId) -> io::Error {
        let handle = self.handles.get(stream);
        match handle.and_then(|handle| handle.cause.as_deref().cloned()) {
            Some(StreamCloseCause::ConnectionClosed) => {
                io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was closed")
            }
            Some(StreamCloseCause::NotAgreed(error)) if matches!(*error, StreamError::Unsupported(_)) => {
                io::Error::new(io::ErrorKind::Unsupported, error.to_string())
            }
            Some(cause) => io::Error::new(io::ErrorKind::ConnectionReset, cause.to_string()),
            // It was over before its handle was there to hear why.
            None if self.socket.is_none() => {
                io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was closed")
            }
            None => io::Error::new(io::ErrorKind::ConnectionReset, "the stream was reset"),
        }
    }
}

impl StreamSource for Shared {
    fn attach(&self, stream: StreamId) {
        self.state.lock().handles.of(stream);
    }

    fn poll_read(&self, stream: StreamId, max: usize, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let mut wakes = Wakes::default();
        let (mut state, now) = self.lock();
        let result = state.connection.read(stream, max, now);
        if result == Err(ReadError::Blocked) {
            // Before anything else is done, which may bring what it waits for.
            state.handles.of(stream).reader = Some(cx.waker().clone());
        }
        // Whoever waits has said what there is to say. Whoever has read may be about to answer.
        state.after_handle(result.is_err(), now, &mut wakes);
        match result {
            Ok(bytes) => Poll::Ready(Ok(bytes)),
            Err(ReadError::Ended) => Poll::Ready(Ok(Bytes::new())),
            Err(ReadError::Closed) => Poll::Ready(Err(state.closed_error(stream))),
            Err(ReadError::Blocked) => Poll::Pending,
        }
    }

    fn poll_write(&self, stream: StreamId, data: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut wakes = Wakes::default();
        let (mut state, now) = self.lock();
        state.lend_buffer();
        let result = state.connection.write(stream, data, now);
        if result.is_err() {
            state.reclaim_buffer();
        }
        if result == Err(WriteError::Blocked) {
            state.handles.of(stream).writer = Some(cx.waker().clone());
        }
        let is_small = result.is_ok_and(|written| written < DIRECT_WRITE_BYTES);
        state.after_handle(!is_small, now, &mut wakes);
        match result {
            Ok(written) => Poll::Ready(Ok(written)),
            Err(WriteError::Blocked) => Poll::Pending,
            Err(WriteError::Closed) => Poll::Ready(Err(state.closed_error(stream))),
        }
    }

    fn flush(&self) {
        let mut wakes = Wakes::default();
        let (mut state, now) = self.lock();
        state.after_handle(true, now, &mut wakes);
    }

    fn close_write(&self, stream: StreamId) {
        let mut wakes = Wakes::default();
        let (mut state, now) = self.lock();
        state.connection.close_write(stream, now);
        state.after_handle(false, now, &mut wakes);
    }

    fn reset(&self, stream: StreamId) {
        let mut wakes = Wakes::default();
        let (mut state, now) = self.lock();
        state.connection.reset(stream, now);
        state.after_handle(false, now, &mut wakes);
    }

    fn detach(&self, stream: StreamId) {
        let mut wakes = Wakes::default();
        let (mut state, now) = self.lock();
        state.handles.remove(stream);
        state.connection.abandon(stream, now);
        state.after_handle(false, now, &mut wakes);
    }
}

/// Runs a connection on its socket until both are done.
pub(crate) async fn run<R: Runtime>(
    id: ConnectionId,
    shared: Arc<Shared>,
    runtime: R,
    to_driver: mailbox::Sender<ToDriver>,
) {
    let mut task = Task { id, runtime, to_driver, sleep: None, turns_given: 0 };
    std::future::poll_fn(|cx| task.poll(&shared, cx)).await;
}

struct Task<R: Runtime> {
    id: ConnectionId,
    runtime: R,
    to_driver: mailbox::Sender<ToDriver>,
    sleep: Option<BoxFuture<()>>,
    /// How many turns others have had to add to what is to be written.
    turns_given: usize,
}

impl<R: Runtime> Task<R> {
    fn poll(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<()> {
        let mut wakes = Wakes::default();
        let mut state = shared.state.lock();
        state.scheduled = None;
        remember(&mut state.task, cx.waker());
        let mut received = 0;
        let mut lets_others_write = false;
        let mut now = state.common.clock.now();
        for _ in 0..ROUNDS {
            let mut progress = Self::take_inbox(shared, &mut state, cx, now);
            progress |= self.keep_time(&mut state, cx, now);
            // To a handshake nobody has anything to add.
            lets_others_write = state.connection.is_open()
                && state.output.is_empty()
                && state.connection.wants_transmit()
                && self.turns_given < TURNS_TO_WRITE;
            if !lets_others_write {
                self.turns_given = 0;
                progress |= state.flush(cx, now);
            }
            let read = state.read(cx, now);
            received += read.unwrap_or_default();
            progress |= read.is_some();
            state.count_traffic();
            state.wake_streams(&mut wakes);
            if state.connection.poll_close() == Some(Close::Now) {
                // Before the node hears of it, which then counts on its descriptor.
                state.socket = None;
            }
            match self.send_messages(&mut state, cx) {
                Ok(sent) => progress |= sent,
                Err(DriverGone) => {
                    state.end(End::Failed, now);
                    return Self::finish(&mut state, &mut wakes);
                }
            }
            if state.connection.poll_close() == Some(Close::Now) && !state.connection.has_messages() {
                return Self::finish(&mut state, &mut wakes);
            }
            if !progress && !lets_others_write {
                return Poll::Pending;
            }
            // Readers need no turn of ours: with several threads each one wakes another thread in vain.
            if !progress || received >= MAX_READ_BYTES {
                break;
            }
            now = state.common.clock.now();
        }
        // Counted however the loop ended: a connection that always has something to read must write too.
        self.turns_given += usize::from(lets_others_write);
        state.scheduled = Some(now);
        // Readers first: what they take frees the buffers for the next turn.
        drop((state, wakes));
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn finish(state: &mut State, wakes: &mut Wakes) -> Poll<()> {
        state.socket = None;
        state.output = BytesMut::new();
        state.input = BytesMut::new();
        state.task = None;
        state.wake_streams(wakes);
        Poll::Ready(())
    }

    fn take_inbox(shared: &Shared, state: &mut State, cx: &Context<'_>, now: Instant) -> bool {
        let messages = {
            let mut inbox = shared.inbox.lock();
            remember(&mut inbox.task, cx.waker());
            std::mem::take(&mut inbox.messages)
        };
        let progress = !messages.is_empty();
        if progress {
            state.lend_buffer();
        }
        for message in messages {
            state.connection.handle_message(message, now);
        }
        progress
    }

    fn send_messages(&self, state: &mut State, cx: &Context<'_>) -> Result<bool, DriverGone> {
        let mut progress = false;
        while state.connection.has_messages() {
            match self.to_driver.poll_ready(cx) {
                Poll::Ready(Ok(())) => {
                    let Some(message) = state.connection.poll_message() else { break };
                    let message = ToDriver::FromConnection { connection: self.id, message };
                    self.to_driver.put(message).map_err(|_| DriverGone)?;
                    progress = true;
                }
                Poll::Ready(Err(_)) => return Err(DriverGone),
                Poll::Pending => break,
            }
        }
        Ok(progress)
    }

    fn keep_time(&mut self, state: &mut State, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(deadline) = state.connection.poll_timeout() else { return false };
        if deadline.at <= now {
            state.connection.handle_timeout(now);
            return true;
        }
        // A timer that rings too early does no harm; one that is set anew for every byte does.
        if self.sleep.is_none() || state.armed.is_none_or(|armed| deadline.at < armed) {
            self.sleep = Some(self.runtime.sleep(deadline.at - now));
            state.armed = Some(deadline.at);
        }
        if let Some(sleep) = &mut self.sleep
            && sleep.as_mut().poll(cx).is_ready()
        {
            self.sleep = None;
            state.armed = None;
            return true;
        }
        false
    }
}

struct DriverGone;

#[cfg(test)]
mod tests;
