//! The machine.

use super::codec::{self, Control, Header, HeaderDecoder, OurNumber, Received, TheirNumber, WireId};
use super::stream::Stream;
use super::table::Table;
use super::{CONTROL_PATIENCE, MAX_CONTROL_FRAMES, MAX_EVENTS, MAX_PAYLOAD_BYTES, Mplex, WhenFull};
use crate::collections::Queue;
use crate::machine::{Close, End, Layer};
use crate::muxer::parts::{Half, Reader, ReceiveBuffer};
use crate::muxer::{Muxer, MuxerError, OpenError, ReadError, ResetCause, StreamId, StreamsEvent, WriteError};
use crate::time::{Deadline, Instant};
use bytes::{Buf, Bytes, BytesMut};
use std::mem;

/// mplex on one connection.
pub(super) struct Session {
    config: Mplex,
    state: State,
    pub(super) streams: Table,
    /// The number of the next stream that we open, while there is one.
    next_number: Option<OurNumber>,
    /// The unread bytes of all streams.
    buffered: usize,
    /// The stream that holds up the input, because it has no room for what comes next.
    full: Option<Full>,
    /// Frames to be sent. At most [`MAX_CONTROL_FRAMES`], and two more for each open stream.
    control: Queue<Control>,
    /// When too many of them have waited for too long.
    control_deadline: Option<Instant>,
    /// At most [`MAX_EVENTS`], and what one call adds without input: one for each stream.
    events: Queue<StreamsEvent>,
    /// Whether somebody was told that no stream can be opened.
    opener_waits: bool,
    /// The latest time seen.
    now: Instant,
}

enum State {
    Open(Reading),
    Dead { error: MuxerError, close: Close },
}

enum Reading {
    Header(HeaderDecoder),
    /// So many bytes of a body are missing. They belong to the stream, if there is one, and are skipped otherwise.
    Body {
        stream: Option<StreamId>,
        missing: usize,
    },
}

impl Reading {
    fn frame() -> Self {
        Self::Header(HeaderDecoder::default())
    }

    fn body(stream: Option<StreamId>, missing: usize) -> Self {
        if missing == 0 { Self::frame() } else { Self::Body { stream, missing } }
    }
}

struct Full {
    stream: StreamId,
    reset_at: Instant,
}

impl Session {
    pub(super) fn new(config: Mplex, now: Instant) -> Self {
        let config = Mplex {
            max_send_payload_bytes: config.max_send_payload_bytes.clamp(1, MAX_PAYLOAD_BYTES),
            max_stream_buffer_bytes: config.max_stream_buffer_bytes.max(1),
            max_connection_buffer_bytes: config.max_connection_buffer_bytes.max(1),
            ..config
        };
        Self {
            config,
            state: State::Open(Reading::frame()),
            streams: Table::default(),
            next_number: Some(OurNumber::FIRST),
            buffered: 0,
            full: None,
            control: Queue::default(),
            control_deadline: None,
            events: Queue::default(),
            opener_waits: false,
            now,
        }
    }

    fn see(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<(), MuxerError> {
        while !input.is_empty() && self.wants_input() {
            let next = match &mut self.state {
                State::Dead { .. } => return Ok(()),
                State::Open(Reading::Header(decoder)) => match decoder.decode(input)? {
                    None => return Ok(()),
                    Some(header) => Reading::body(self.handle_header(header)?, header.len),
                },
                &mut State::Open(Reading::Body { stream, missing }) => {
                    let taken = self.handle_body(stream, missing, input);
                    Reading::body(stream, missing - taken)
                }
            };
            self.state = State::Open(next);
        }
        Ok(())
    }

    /// Returns the stream that the body is for.
    fn handle_header(&mut self, header: Header) -> Result<Option<StreamId>, MuxerError> {
        match header.received {
            Received::Data(wire) => return Ok(self.streams.by_wire(wire)),
            Received::Open(number) => self.accept(number)?,
            Received::Close(wire) => {
                if let Some(id) = self.streams.by_wire(wire) {
                    self.handle_close(id);
                }
            }
            Received::Reset(wire) => {
                if let Some(id) = self.streams.by_wire(wire) {
                    self.handle_reset(id);
                }
            }
        }
        Ok(None)
    }

    fn accept(&mut self, number: TheirNumber) -> Result<(), MuxerError> {
        let wire = WireId::Theirs(number);
        if self.streams.by_wire(wire).is_some() {
            let reason = "a new stream has the number of an open one";
            return Err(MuxerError::Violation { protocol: "mplex", reason });
        }
        if self.streams.inbound() < self.config.max_inbound_streams {
            let id = self.streams.insert(wire);
            self.events.push(StreamsEvent::Opened(id));
        } else {
            self.send(Control::Reset(wire));
        }
        Ok(())
    }

    fn handle_close(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.remote = Half::Closed;
            wake_reader(id, stream, &mut self.events);
            self.settle(id);
        }
    }

    fn handle_reset(&mut self, id: StreamId) {
        match self.streams.get_mut(id) {
            Some(stream) if stream.remote == Half::Closed && stream.reader != Reader::Finished => {
                stream.local = Half::Closed;
                self.settle(id);
            }
            _ => {
                self.forget(id);
                self.events.push(StreamsEvent::Reset(id, ResetCause::Remote));
            }
        }
    }

    /// Takes from the front of `input` what there is and what there is room for, and returns how much.
    fn handle_body(&mut self, stream: Option<StreamId>, missing: usize, input: &mut BytesMut) -> usize {
        let available = missing.min(input.len());
        let room = self.config.max_connection_buffer_bytes - self.buffered;
        let stream = stream.and_then(|id| Some((id, self.streams.get_mut(id)?)));
        let Some((id, stream)) = stream.filter(|(_, stream)| stream.remote == Half::Open) else {
            input.advance(available);
            return available;
        };
        let room = room.min(self.config.max_stream_buffer_bytes - stream.received.len());
        let taken = available.min(room);
        if taken == 0 {
            self.handle_full(id);
            return 0;
        }
        stream.received.push(input, taken, self.buffered);
        self.buffered += taken;
        wake_reader(id, stream, &mut self.events);
        taken
    }

    fn handle_full(&mut self, id: StreamId) {
        match self.config.when_full {
            WhenFull::Block { reset_after } => {
                self.full = Some(Full { stream: id, reset_at: self.now + reset_after });
            }
            WhenFull::Reset => self.reset_full(id),
        }
    }

    fn reset_full(&mut self, id: StreamId) {
        if let Some(stream) = self.forget(id) {
            self.send(Control::Reset(stream.wire));
            self.events.push(StreamsEvent::Reset(id, ResetCause::BufferFull));
        }
    }

    /// Gives up what a stream no longer needs: its place on the wire, or its place here.
    fn settle(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get(id) else { return };
        if stream.is_over() {
            self.forget(id);
        } else if stream.is_closed() {
            self.streams.unlink(id);
        }
    }

    fn forget(&mut self, id: StreamId) -> Option<Box<Stream>> {
        let stream = self.streams.remove(id)?;
        self.buffered -= stream.received.len();
        self.unblock_input();
        self.unblock_opener();
        Some(stream)
    }

    fn unblock_input(&mut self) {
        let Some(full) = &self.full else { return };
        let has_room = self.streams.get(full.stream).is_none_or(|stream| {
            self.buffered < self.config.max_connection_buffer_bytes
                && stream.received.len() < self.config.max_stream_buffer_bytes
        });
        if has_room {
            self.full = None;
        }
    }

    fn can_open(&self) -> bool {
        self.streams.outbound() < self.config.max_outbound_streams && self.control.len() < MAX_CONTROL_FRAMES
    }

    fn unblock_opener(&mut self) {
        if self.opener_waits && self.can_open() {
            self.opener_waits = false;
            self.events.push(StreamsEvent::CanOpen);
        }
    }

    /// Queues a control frame.
    fn send(&mut self, frame: Control) {
        self.control.push(frame);
        if self.control.len() >= MAX_CONTROL_FRAMES && self.control_deadline.is_none() {
            self.control_deadline = Some(self.now + CONTROL_PATIENCE);
        }
    }

    fn die(&mut self, error: MuxerError, close: Close) {
        if let State::Dead { .. } = self.state {
            return;
        }
        self.state = State::Dead { error, close };
        self.full = None;
        self.control_deadline = None;
        if close == Close::Now {
            self.control = Queue::default();
        }
        for (id, stream) in self.streams.iter_mut() {
            stream.local = Half::Closed;
            wake_reader(id, stream, &mut self.events);
        }
        if mem::take(&mut self.opener_waits) {
            self.events.push(StreamsEvent::CanOpen);
        }
    }

    /// Lets a reader take something from what a stream has received, or tells why there is nothing.
    fn take<T>(&mut self, id: StreamId, take: impl FnOnce(&mut ReceiveBuffer) -> T) -> Result<T, ReadError> {
        let dead = self.is_dead();
        let stream = self.streams.get_mut(id).ok_or(ReadError::Closed)?;
        let received = stream.received.len();
        if received > 0 {
            let taken = take(&mut stream.received);
            let len = received - stream.received.len();
            self.buffered -= len;
            self.unblock_input();
            return Ok(taken);
        }
        match stream.remote {
            Half::Closed => {
                stream.reader = Reader::Finished;
                self.settle(id);
                Err(ReadError::Ended)
            }
            Half::Open if dead => {
                self.forget(id);
                Err(ReadError::Closed)
            }
            Half::Open => {
                stream.reader = Reader::Waiting;
                Err(ReadError::Blocked)
            }
        }
    }

    fn is_dead(&self) -> bool {
        matches!(self.state, State::Dead { .. })
    }

    /// The memory on the heap, without the nodes of the maps and without what is shared with the driver's buffers.
    #[cfg(test)]
    pub(super) fn footprint(&mut self) -> usize {
        let queues = self.control.capacity() * size_of::<Control>()
            + self.events.capacity() * size_of::<StreamsEvent>();
        let mut buffered = 0;
        let mut streams = 0;
        for (_, stream) in self.streams.iter_mut() {
            buffered += stream.received.len();
            streams += size_of::<Stream>() + stream.received.footprint();
        }
        assert_eq!(self.buffered, buffered);
        queues + streams
    }
}

fn wake_reader(id: StreamId, stream: &mut Stream, events: &mut Queue<StreamsEvent>) {
    if stream.reader.wake() {
        events.push(StreamsEvent::Readable(id));
    }
}

impl Layer for Session {
    type Event = StreamsEvent;
    type Error = MuxerError;

    /// # Errors
    /// `Malformed`, `TooLarge`, `Violation`; `ControlFlood` after [`CONTROL_PATIENCE`]; `Ended` after `handle_end`. See
    /// [`MuxerError`].
    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), MuxerError> {
        self.see(now);
        if let Err(error) = self.advance(input) {
            self.die(error, Close::Now);
        }
        match &self.state {
            State::Open(_) => Ok(()),
            State::Dead { error, .. } => Err(error.clone()),
        }
    }

    fn handle_end(&mut self, end: End, _now: Instant) {
        let close = match end {
            End::Closed => Close::Flush,
            End::Failed => Close::Now,
        };
        self.die(MuxerError::Ended, close);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.see(now);
        if self.control_deadline.is_some_and(|at| at <= self.now) {
            self.die(MuxerError::ControlFlood { protocol: "mplex", max: MAX_CONTROL_FRAMES }, Close::Now);
        }
        if let Some(full) = &self.full
            && full.reset_at <= self.now
        {
            self.reset_full(full.stream);
        }
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, _now: Instant) -> usize {
        let start = out.len();
        while let Some(frame) = self.control.front() {
            let written = out.len() - start;
            if written >= max || (written > 0 && written + frame.len() > max) {
                break;
            }
            frame.encode(out);
            self.control.pop();
        }
        if self.control.len() < MAX_CONTROL_FRAMES {
            self.control_deadline = None;
        }
        self.unblock_opener();
        out.len() - start
    }

    fn poll_event(&mut self) -> Option<StreamsEvent> {
        self.events.pop()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let full = self.full.as_ref().map(|full| Deadline::new(full.reset_at, "a stream's buffer is full"));
        let control = self.control_deadline.map(|at| Deadline::new(at, "control frames are not sent"));
        Deadline::earlier(full, control)
    }

    fn wants_input(&self) -> bool {
        !self.is_dead()
            && self.full.is_none()
            && self.control.len() < MAX_CONTROL_FRAMES
            && self.events.len() < MAX_EVENTS
    }

    fn poll_close(&mut self) -> Option<Close> {
        match self.state {
            State::Open(_) => None,
            State::Dead { close, .. } => Some(close),
        }
    }
}

impl Muxer for Session {
    fn open_stream(&mut self, now: Instant) -> Result<StreamId, OpenError> {
        self.see(now);
        let Some(number) = self.next_number.filter(|_| !self.is_dead()) else {
            return Err(OpenError::Closed);
        };
        if !self.can_open() {
            self.opener_waits = true;
            return Err(OpenError::Blocked);
        }
        self.next_number = number.next();
        self.send(Control::Open(number));
        Ok(self.streams.insert(WireId::Ours(number)))
    }

    fn wants_transmit(&self) -> bool {
        !self.control.is_empty()
    }

    fn write(
        &mut self,
        stream: StreamId,
        data: &[u8],
        out: &mut BytesMut,
        max: usize,
        now: Instant,
    ) -> Result<usize, WriteError> {
        let stream = self.streams.get(stream).filter(|stream| stream.local == Half::Open);
        let wire = stream.ok_or(WriteError::Closed)?.wire;
        if data.is_empty() || max == 0 {
            return Ok(0);
        }
        let control = self.poll_transmit(out, max, now);
        let room = codec::payload_room(wire, max.saturating_sub(control));
        let room = match room {
            // However small `max` is, a call must get something done.
            0 if control == 0 => 1,
            room => room,
        };
        if room == 0 || !self.control.is_empty() {
            return Ok(0);
        }
        let len = data.len().min(room).min(self.config.max_send_payload_bytes);
        codec::encode_data(wire, &data[..len], out);
        Ok(len)
    }

    fn read(&mut self, id: StreamId, max: usize, _now: Instant) -> Result<Bytes, ReadError> {
        self.take(id, |received| received.read(max))
    }

    fn read_into(&mut self, id: StreamId, out: &mut [u8], _now: Instant) -> Result<usize, ReadError> {
        self.take(id, |received| received.read_into(out))
    }

    fn close_write(&mut self, id: StreamId, now: Instant) {
        self.see(now);
        if let Some(stream) = self.streams.get_mut(id)
            && stream.local == Half::Open
        {
            stream.local = Half::Closed;
            let wire = stream.wire;
            self.send(Control::Close(wire));
            self.settle(id);
        }
    }

    fn reset(&mut self, id: StreamId, now: Instant) {
        self.see(now);
        self.events.retain(|event| event.stream() != Some(id));
        let dead = self.is_dead();
        if let Some(stream) = self.forget(id)
            && !stream.is_closed()
            && !dead
        {
            self.send(Control::Reset(stream.wire));
        }
    }
}
