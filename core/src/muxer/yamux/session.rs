//! The machine.

use super::codec::{Flags, Frame, HEADER_BYTES, HeaderDecoder};
use super::round_trip::RoundTrip;
use super::stream::{Stream, Writer};
use super::table::{Table, number_of};
use super::{CONTROL_PATIENCE, INITIAL_WINDOW_BYTES, MAX_CONTROL_FRAMES, MAX_EVENTS, Yamux};
use crate::collections::Queue;
use crate::machine::{Blame, Close, End, Layer};
use crate::muxer::parts::{Half, Reader, ReceiveBuffer};
use crate::muxer::{Muxer, MuxerError, OpenError, ReadError, ResetCause, StreamId, StreamsEvent, WriteError};
use crate::security::Role;
use crate::time::{Deadline, Instant};
use bytes::{Buf, Bytes, BytesMut};
use std::mem;

/// A window grows if as much as all of it was read in less round trips than this. One is what it takes if nothing else holds up the
/// remote.
const GROWTH_ROUND_TRIPS: u32 = 4;

/// The code of a go-away for a remote that broke the protocol.
const PROTOCOL_ERROR: u32 = 1;

/// yamux on one connection.
pub(super) struct Session {
    config: Yamux,
    state: State,
    pub(super) streams: Table,
    /// The number of the next stream that we open, while there is one.
    pub(super) next_number: Option<u32>,
    /// How many of the streams that we opened are not acknowledged.
    unacknowledged: usize,
    /// The unread bytes of all streams.
    buffered: usize,
    /// By how much the windows of all streams have grown.
    growth: usize,
    /// Made when there are bulk data for the first time.
    round_trip: Option<Box<RoundTrip>>,
    /// Frames to be sent. At most [`MAX_CONTROL_FRAMES`], and a few more for each open stream: its first frame, two grants, its end.
    control: Queue<Frame>,
    /// When too many of them have waited for too long.
    control_deadline: Option<Instant>,
    /// At most [`MAX_EVENTS`], and what one call adds without input: two for each stream.
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
    Body(Body),
}

/// The body of a data frame, of which a part is still to come. If its stream does not exist it is skipped.
#[derive(Clone, Copy)]
struct Body {
    number: u32,
    missing: u32,
    /// The remote's direction ends behind it.
    is_last: bool,
}

impl Reading {
    fn frame() -> Self {
        Self::Header(HeaderDecoder::default())
    }
}

fn violation(reason: &'static str) -> MuxerError {
    MuxerError::Violation { protocol: "yamux", reason }
}

impl Session {
    pub(super) fn new(config: Yamux, role: Role, now: Instant) -> Self {
        let first_number = match role {
            Role::Dialer => 1,
            Role::Listener => 2,
        };
        Self {
            config: config.in_range(),
            state: State::Open(Reading::frame()),
            streams: Table::new(role),
            next_number: Some(first_number),
            unacknowledged: 0,
            buffered: 0,
            growth: 0,
            round_trip: None,
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
                    Some(frame) => self.handle_frame(frame)?,
                },
                &mut State::Open(Reading::Body(body)) => self.handle_body(body, input),
            };
            self.state = State::Open(next);
        }
        Ok(())
    }

    /// Returns what is to be read next.
    fn handle_frame(&mut self, frame: Frame) -> Result<Reading, MuxerError> {
        match frame {
            Frame::Data { number, flags, len } => return self.handle_data(number, flags, len),
            Frame::WindowUpdate { number, flags, credit } => {
                self.handle_start(number, flags)?;
                if flags.has(Flags::RST) {
                    self.handle_reset(number);
                } else {
                    self.handle_credit(number, credit)?;
                }
                if flags.has(Flags::FIN) {
                    self.handle_close(number);
                }
            }
            Frame::Ping { flags, value } if flags.has(Flags::SYN) => {
                self.send(Frame::Ping { flags: Flags::ACK, value });
            }
            Frame::Ping { value, .. } => {
                if let Some(round_trip) = &mut self.round_trip {
                    round_trip.handle_answer(value, self.now);
                }
            }
            Frame::GoAway { code: 0 } => return Err(MuxerError::Ended),
            Frame::GoAway { code } => return Err(MuxerError::SessionEnded { protocol: "yamux", code }),
        }
        Ok(Reading::frame())
    }

    fn handle_data(&mut self, number: u32, flags: Flags, len: u32) -> Result<Reading, MuxerError> {
        let max = self.config.max_window_bytes;
        if len > max {
            return Err(MuxerError::TooLarge { protocol: "yamux", len: len.into(), max: max.into() });
        }
        let too_much = violation("it sent more than the window of a stream allows");
        // Checked first, so that a stream is not entered to be forgotten at once.
        if flags.has(Flags::SYN) && len > INITIAL_WINDOW_BYTES {
            return Err(too_much);
        }
        self.handle_start(number, flags)?;
        if flags.has(Flags::RST) {
            self.handle_reset(number);
        } else if let Some(stream) = self.streams.by_number(number)
            && !stream.window.take(len)
        {
            return Err(too_much);
        }
        Ok(self.after_body(Body { number, missing: len, is_last: flags.has(Flags::FIN) }))
    }

    /// What is to be read behind the part of a body that has come.
    fn after_body(&mut self, body: Body) -> Reading {
        if body.missing > 0 {
            return Reading::Body(body);
        }
        if body.is_last {
            self.handle_close(body.number);
        }
        Reading::frame()
    }

    /// A frame may be the first of its stream that comes.
    fn handle_start(&mut self, number: u32, flags: Flags) -> Result<(), MuxerError> {
        if flags.has(Flags::SYN) {
            self.accept(number)?;
        } else if let Some(stream) = self.streams.by_number(number)
            && mem::take(&mut stream.unacknowledged)
        {
            // Whatever comes first shows that the remote has it.
            self.unacknowledged -= 1;
            self.unblock_opener();
        }
        Ok(())
    }

    fn accept(&mut self, number: u32) -> Result<(), MuxerError> {
        if number == 0 || self.streams.is_ours(number) {
            return Err(violation("a new stream has a number that is not the peer's to give"));
        }
        if self.streams.by_number(number).is_some() {
            return Err(violation("a new stream has the number of an open one"));
        }
        if self.streams.inbound() >= self.config.max_inbound_streams {
            self.send(bare(number, Flags::RST));
            return Ok(());
        }
        let id = self.streams.accept(number, self.now);
        let id = id.ok_or(violation("it opened too many streams out of order"))?;
        self.send(bare(number, Flags::ACK));
        self.events.push(StreamsEvent::Opened(id));
        Ok(())
    }

    fn handle_credit(&mut self, number: u32, credit: u32) -> Result<(), MuxerError> {
        let Some(stream) = self.streams.by_number(number) else { return Ok(()) };
        let sum = stream.credit.checked_add(credit);
        stream.credit = sum.ok_or(violation("it granted more than 4 GiB on a stream"))?;
        if stream.credit > 0 {
            stream.wake_writer(&mut self.events);
        }
        Ok(())
    }

    fn handle_close(&mut self, number: u32) {
        if let Some(stream) = self.streams.by_number(number) {
            stream.remote = Half::Closed;
            stream.wake_reader(&mut self.events);
            let id = stream.id;
            self.settle(id);
        }
    }

    fn handle_reset(&mut self, number: u32) {
        let Some(stream) = self.streams.by_number(number) else { return };
        let id = stream.id;
        if stream.remote == Half::Closed && stream.reader != Reader::Finished {
            stream.close_local(&mut self.events);
            self.settle(id);
        } else {
            self.forget(id);
            self.events.push(StreamsEvent::Reset(id, ResetCause::Remote));
        }
    }

    /// Takes from the front of `input` what there is of the body and what there is room for.
    fn handle_body(&mut self, body: Body, input: &mut BytesMut) -> Reading {
        let available = input.len().min(body.missing as usize);
        let stream = self.streams.by_number(body.number).filter(|stream| stream.remote == Half::Open);
        let taken = match stream {
            None => {
                input.advance(available);
                available
            }
            Some(stream) => {
                let taken = available.min(self.config.max_connection_buffer_bytes - self.buffered);
                stream.received.push(input, taken, self.buffered);
                self.buffered += taken;
                stream.wake_reader(&mut self.events);
                taken
            }
        };
        self.after_body(Body { missing: body.missing - taken as u32, ..body })
    }

    /// Grants what was read of a stream's window, and makes it larger if it holds up the remote.
    fn grant(&mut self, id: StreamId) {
        let now = self.now;
        let round_trip = self.round_trip.get_or_insert_default();
        let ping = round_trip.next_ping(now);
        let few_round_trips = round_trip.time().unwrap_or_default() * GROWTH_ROUND_TRIPS;
        let Some(stream) = self.streams.get(id) else { return };
        let window = &mut stream.window;
        let others = self.growth - window.growth() as usize;
        let max = (self.config.max_connection_buffer_bytes / 2).saturating_sub(others);
        let max = INITIAL_WINDOW_BYTES.saturating_add(u32::try_from(max).unwrap_or(u32::MAX));
        let credit = window.grant(few_round_trips, max.min(self.config.max_window_bytes), now);
        self.growth = others + window.growth() as usize;
        self.send(Frame::WindowUpdate { number: number_of(id), flags: Flags::NONE, credit });
        if let Some(value) = ping {
            self.send(Frame::Ping { flags: Flags::SYN, value });
        }
    }

    /// Forgets a stream that is over.
    fn settle(&mut self, id: StreamId) {
        if self.streams.get(id).is_some_and(|stream| stream.is_over()) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: StreamId) -> Option<Box<Stream>> {
        let stream = self.streams.remove(id)?;
        self.buffered -= stream.received.len();
        self.growth -= stream.window.growth() as usize;
        self.unacknowledged -= usize::from(stream.unacknowledged);
        self.unblock_opener();
        Some(stream)
    }

    fn can_open(&self) -> bool {
        self.streams.outbound() < self.config.max_outbound_streams
            && self.unacknowledged < self.config.max_unacknowledged_streams
            && self.control.len() < MAX_CONTROL_FRAMES
    }

    fn unblock_opener(&mut self) {
        if self.opener_waits && self.can_open() {
            self.opener_waits = false;
            self.events.push(StreamsEvent::CanOpen);
        }
    }

    /// Queues a control frame.
    fn send(&mut self, frame: Frame) {
        self.control.push(frame);
        if self.control.len() >= MAX_CONTROL_FRAMES && self.control_deadline.is_none() {
            self.control_deadline = Some(self.now + CONTROL_PATIENCE);
        }
    }

    /// Appends control frames, at most `max` bytes if it is more than one, until all are sent or `last` is the next. Returns whether that
    /// is so.
    fn transmit(&mut self, out: &mut BytesMut, max: usize, last: Option<Frame>) -> bool {
        let start = out.len();
        let mut is_last = false;
        while let Some(frame) = self.control.front().copied() {
            is_last = Some(frame) == last;
            let written = out.len() - start;
            if is_last || written >= max || (written > 0 && written + HEADER_BYTES > max) {
                break;
            }
            frame.encode(out);
            self.control.pop();
        }
        if self.control.len() < MAX_CONTROL_FRAMES {
            self.control_deadline = None;
        }
        self.unblock_opener();
        is_last || self.control.is_empty()
    }

    /// The remote broke the protocol, and is told so. Or it ended the session.
    fn fail(&mut self, error: MuxerError) {
        let is_broken = error.blame() == Blame::Peer;
        self.control = Queue::default();
        self.die(error, if is_broken { Close::Flush } else { Close::Now });
        if is_broken {
            self.control.push(Frame::GoAway { code: PROTOCOL_ERROR });
        }
    }

    fn die(&mut self, error: MuxerError, close: Close) {
        if self.is_dead() {
            return;
        }
        self.state = State::Dead { error, close };
        self.control_deadline = None;
        if close == Close::Now {
            self.control = Queue::default();
        }
        for stream in self.streams.iter_mut() {
            stream.close_local(&mut self.events);
            stream.wake_reader(&mut self.events);
        }
        if mem::take(&mut self.opener_waits) {
            self.events.push(StreamsEvent::CanOpen);
        }
    }

    /// Lets a reader take something from what a stream has received, or tells why there is nothing.
    fn take<T>(&mut self, id: StreamId, take: impl FnOnce(&mut ReceiveBuffer) -> T) -> Result<T, ReadError> {
        let dead = self.is_dead();
        let stream = self.streams.get(id).ok_or(ReadError::Closed)?;
        let received = stream.received.len();
        if received > 0 {
            let taken = take(&mut stream.received);
            let len = received - stream.received.len();
            self.buffered -= len;
            if stream.window.consume(len) && stream.remote == Half::Open && !dead {
                self.grant(id);
            }
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
}

/// The frame that carries nothing but flags.
fn bare(number: u32, flags: Flags) -> Frame {
    Frame::WindowUpdate { number, flags, credit: 0 }
}

impl Layer for Session {
    type Event = StreamsEvent;
    type Error = MuxerError;

    /// # Errors
    /// `Malformed`, `TooLarge`, `Violation`; `SessionEnded` and `Ended` after a go-away; `ControlFlood` after [`CONTROL_PATIENCE`];
    /// `Ended` after `handle_end`. See [`MuxerError`].
    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), MuxerError> {
        self.see(now);
        if let Err(error) = self.advance(input) {
            self.fail(error);
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
            self.die(MuxerError::ControlFlood { protocol: "yamux", max: MAX_CONTROL_FRAMES }, Close::Now);
        }
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        self.see(now);
        let start = out.len();
        self.transmit(out, max, None);
        out.len() - start
    }

    fn poll_event(&mut self) -> Option<StreamsEvent> {
        self.events.pop()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.control_deadline.map(|at| Deadline::new(at, "control frames are not sent"))
    }

    fn wants_input(&self) -> bool {
        !self.is_dead()
            && self.buffered < self.config.max_connection_buffer_bytes
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
        self.next_number = number.checked_add(2);
        self.unacknowledged += 1;
        self.send(bare(number, Flags::SYN));
        Ok(self.streams.open(number, self.now))
    }

    fn write(
        &mut self,
        stream: StreamId,
        data: &[u8],
        out: &mut BytesMut,
        max: usize,
        now: Instant,
    ) -> Result<usize, WriteError> {
        self.see(now);
        let number = number_of(stream);
        let Some(stream) = self.streams.get(stream).filter(|stream| stream.writer != Writer::Closed) else {
            return Err(WriteError::Closed);
        };
        if data.is_empty() || max == 0 {
            return Ok(0);
        }
        if stream.credit == 0 {
            stream.writer = Writer::Waiting;
            return Err(WriteError::Blocked);
        }
        let start = out.len();
        let flags = if self.streams.is_ours(number) { Flags::SYN } else { Flags::ACK };
        let can_write = self.transmit(out, max, Some(bare(number, flags)));
        let control = out.len() - start;
        let room = match max.saturating_sub(control + HEADER_BYTES) {
            // However small `max` is, a call must get something done.
            0 if control == 0 => 1,
            room => room,
        };
        if !can_write || room == 0 {
            return Ok(0);
        }
        let flags = if self.control.pop().is_some() { flags } else { Flags::NONE };
        let Some(stream) = self.streams.by_number(number) else { return Ok(0) };
        let len = data.len().min(room).min(stream.credit as usize).min(self.config.max_send_payload_bytes);
        stream.credit -= len as u32;
        Frame::Data { number, flags, len: len as u32 }.encode(out);
        out.extend_from_slice(&data[..len]);
        Ok(len)
    }

    fn wants_transmit(&self) -> bool {
        !self.control.is_empty()
    }

    fn read(&mut self, id: StreamId, max: usize, now: Instant) -> Result<Bytes, ReadError> {
        self.see(now);
        self.take(id, |received| received.read(max))
    }

    fn read_into(&mut self, id: StreamId, out: &mut [u8], now: Instant) -> Result<usize, ReadError> {
        self.see(now);
        self.take(id, |received| received.read_into(out))
    }

    fn close_write(&mut self, id: StreamId, now: Instant) {
        self.see(now);
        if let Some(stream) = self.streams.get(id)
            && stream.writer != Writer::Closed
        {
            stream.writer = Writer::Closed;
            // rust-yamux up to 0.8 does not wake a reader for one in a window update.
            self.send(Frame::Data { number: number_of(id), flags: Flags::FIN, len: 0 });
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
            self.send(bare(number_of(id), Flags::RST));
        }
    }
}

#[cfg(test)]
impl Session {
    /// The memory on the heap, without the nodes of the map and without what is shared with the driver's buffers.
    pub(super) fn footprint(&mut self) -> usize {
        let queues = self.control.capacity() * size_of::<Frame>()
            + self.events.capacity() * size_of::<StreamsEvent>()
            + self.round_trip.as_ref().map_or(0, |_| size_of::<RoundTrip>());
        let (mut buffered, mut growth, mut streams) = (0, 0, 0);
        for stream in self.streams.iter_mut() {
            buffered += stream.received.len();
            growth += stream.window.growth() as usize;
            streams += size_of::<Stream>() + stream.received.footprint();
        }
        assert_eq!((self.buffered, self.growth), (buffered, growth));
        queues + streams
    }

    pub(super) fn stream_count(&self) -> usize {
        self.streams.inbound() + self.streams.outbound()
    }
}
