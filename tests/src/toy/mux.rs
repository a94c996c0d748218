//! A toy muxer with flow control, `/toy-mux/1.0.0`.
//!
//! A frame is `kind (1 byte) | stream (4 bytes) | number (4 bytes)`, big-endian, and behind the kind `Data` as many bytes as the number
//! says. The dialer's streams are even and the listener's odd. Each side may send [`WINDOW_BYTES`] on a stream, and then as many more as the
//! other has read, which says so in the kind `Credit`. So an unread stream fills its own window and holds up nothing else.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::muxer::{
    Muxer, MuxerError, MuxerProtocol, OpenError, ReadError, ResetCause, StreamId, StreamsEvent, WriteError,
};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::security::Role;
use peerwork_core::time::{Deadline, Instant};
use std::collections::{BTreeMap, VecDeque};
use std::mem;

/// The name of the protocol.
pub const ID: ProtocolId = ProtocolId::from_static("/toy-mux/1.0.0");

/// How much one side may send on a stream before the other has read any of it. Bounds what an unread stream costs.
pub const WINDOW_BYTES: u32 = 64 * 1024;

/// How many control frames, or events, may wait. While there are more, no input is taken: a peer cannot make us queue answers that it does
/// not read.
pub const MAX_QUEUED: usize = 1024;

const HEADER_BYTES: usize = 9;
const NAME: &str = "toy-mux";

/// The protocol, and how many streams each side may have open. See the [module documentation](self).
#[derive(Debug, Clone, Copy)]
pub struct ToyMux {
    /// How many streams we open; then opening is `Blocked`.
    pub max_outbound_streams: usize,
    /// How many streams the remote may open; further ones are reset.
    pub max_inbound_streams: usize,
}

impl Default for ToyMux {
    fn default() -> Self {
        Self { max_outbound_streams: 256, max_inbound_streams: 256 }
    }
}

impl MuxerProtocol for ToyMux {
    fn id(&self) -> ProtocolId {
        ID
    }

    fn start(&self, role: Role, _now: Instant) -> Box<dyn Muxer> {
        Box::new(Session {
            config: *self,
            state: State::Open(Reading::default()),
            streams: BTreeMap::new(),
            next_ours: u32::from(role == Role::Listener),
            next_theirs: u32::from(role == Role::Dialer),
            control: VecDeque::new(),
            events: VecDeque::new(),
            opener_waits: false,
        })
    }
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// A new stream of the sender.
    Open,
    /// So many bytes follow.
    Data,
    /// The sender's direction ends.
    Close,
    /// Both directions end.
    Reset,
    /// The receiver of this may send so many bytes more.
    Credit,
}

impl Kind {
    fn decode(byte: u8) -> Result<Self, MuxerError> {
        let kinds = [Self::Open, Self::Data, Self::Close, Self::Reset, Self::Credit];
        let unknown = MuxerError::Malformed { protocol: NAME, reason: "there is no such kind of frame" };
        kinds.get(usize::from(byte)).copied().ok_or(unknown)
    }
}

/// One muxed connection. A stream's id is its number on the wire.
struct Session {
    config: ToyMux,
    state: State,
    streams: BTreeMap<u32, Stream>,
    next_ours: u32,
    /// The lowest number that a new stream of the remote can have.
    next_theirs: u32,
    control: VecDeque<[u8; HEADER_BYTES]>,
    events: VecDeque<StreamsEvent>,
    /// Somebody was told that no stream can be opened.
    opener_waits: bool,
}

enum State {
    Open(Reading),
    Dead(MuxerError, Close),
}

/// What has arrived of a frame.
enum Reading {
    /// So many bytes of its header.
    Header([u8; HEADER_BYTES], usize),
    /// All but so many bytes of its body.
    Body(u32, usize),
}

impl Default for Reading {
    fn default() -> Self {
        Self::Header([0; HEADER_BYTES], 0)
    }
}

struct Stream {
    received: BytesMut,
    /// How much the remote may still send.
    window: u32,
    /// What was read and not yet granted anew.
    consumed: u32,
    /// How much we may still send.
    credit: u32,
    closed_here: bool,
    closed_there: bool,
    reader_waits: bool,
    writer_waits: bool,
    /// The reader was told that the stream has ended.
    finished: bool,
}

impl Stream {
    fn new(inbound: bool) -> Self {
        Self {
            received: BytesMut::new(),
            window: WINDOW_BYTES,
            consumed: 0,
            credit: WINDOW_BYTES,
            closed_here: false,
            closed_there: false,
            reader_waits: inbound,
            writer_waits: false,
            finished: false,
        }
    }

    fn wake_reader(&mut self, id: u32, events: &mut VecDeque<StreamsEvent>) {
        let waited = mem::take(&mut self.reader_waits);
        events.extend(waited.then_some(StreamsEvent::Readable(StreamId(id.into()))));
    }
}

fn violation(reason: &'static str) -> MuxerError {
    MuxerError::Violation { protocol: NAME, reason }
}

impl Session {
    fn is_ours(&self, id: u32) -> bool {
        id % 2 == self.next_ours % 2
    }

    fn count(&self, ours: bool) -> usize {
        self.streams.keys().filter(|id| self.is_ours(**id) == ours).count()
    }

    fn stream(&mut self, id: StreamId) -> Option<(u32, &mut Stream)> {
        let id = u32::try_from(id.0).ok()?;
        Some((id, self.streams.get_mut(&id)?))
    }

    fn is_dead(&self) -> bool {
        matches!(self.state, State::Dead(..))
    }

    fn send(&mut self, kind: Kind, id: u32, number: u32) {
        self.control.push_back(header(kind, id, number));
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<(), MuxerError> {
        while !input.is_empty() && self.wants_input() {
            let State::Open(reading) = &mut self.state else { return Ok(()) };
            let next = match reading {
                Reading::Header(bytes, held) => {
                    let taken = input.len().min(HEADER_BYTES - *held);
                    input.copy_to_slice(&mut bytes[*held..*held + taken]);
                    *held += taken;
                    if *held < HEADER_BYTES {
                        return Ok(());
                    }
                    let bytes = *bytes;
                    self.handle_header(&bytes)?
                }
                &mut Reading::Body(id, missing) => {
                    let taken = input.split_to(missing.min(input.len()));
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.received.extend_from_slice(&taken);
                        stream.wake_reader(id, &mut self.events);
                    }
                    body(id, missing - taken.len())
                }
            };
            self.state = State::Open(next);
        }
        Ok(())
    }

    fn handle_header(&mut self, mut bytes: &[u8]) -> Result<Reading, MuxerError> {
        let (kind, id, number) = (Kind::decode(bytes.get_u8())?, bytes.get_u32(), bytes.get_u32());
        if !matches!(kind, Kind::Data | Kind::Credit) && number != 0 {
            return Err(MuxerError::Malformed { protocol: NAME, reason: "the number should be zero" });
        }
        if kind == Kind::Data && number > WINDOW_BYTES {
            return Err(MuxerError::TooLarge {
                protocol: NAME,
                len: number.into(),
                max: WINDOW_BYTES.into(),
            });
        }
        let missing = if kind == Kind::Data { number as usize } else { 0 };
        match (kind, self.streams.get_mut(&id)) {
            (Kind::Open, _) => self.accept(id)?,
            // It was reset here, or both have closed it, while the frame was on its way.
            (_, None) => {}
            (Kind::Data, Some(stream)) => {
                let too_much = violation("it sent more than it was allowed to");
                stream.window = stream.window.checked_sub(number).ok_or(too_much)?;
                if stream.closed_there {
                    return Err(violation("it sent on a stream that it had closed"));
                }
            }
            (Kind::Close, Some(stream)) => {
                stream.closed_there = true;
                stream.wake_reader(id, &mut self.events);
                self.settle(id);
            }
            (Kind::Reset, Some(_)) => {
                self.forget(id);
                self.events.push_back(StreamsEvent::Reset(StreamId(id.into()), ResetCause::Remote));
            }
            (Kind::Credit, Some(stream)) => {
                let total = stream.credit.checked_add(number).filter(|total| *total <= WINDOW_BYTES);
                stream.credit = total.ok_or(violation("it allowed more than was sent"))?;
                let waited = mem::take(&mut stream.writer_waits);
                self.events.extend(waited.then_some(StreamsEvent::Writable(StreamId(id.into()))));
            }
        }
        Ok(body(id, missing))
    }

    fn accept(&mut self, id: u32) -> Result<(), MuxerError> {
        if self.is_ours(id) || id < self.next_theirs {
            return Err(violation("a new stream has a number that cannot be new"));
        }
        self.next_theirs = id.saturating_add(2);
        if self.count(false) < self.config.max_inbound_streams {
            self.streams.insert(id, Stream::new(true));
            self.events.push_back(StreamsEvent::Opened(StreamId(id.into())));
        } else {
            self.send(Kind::Reset, id, 0);
        }
        Ok(())
    }

    /// Forgets a stream that both sides have closed and whose reader knows.
    fn settle(&mut self, id: u32) {
        if self.streams.get(&id).is_some_and(|it| it.closed_here && it.closed_there && it.finished) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: u32) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        if self.opener_waits && self.count(true) < self.config.max_outbound_streams {
            self.opener_waits = false;
            self.events.push_back(StreamsEvent::CanOpen);
        }
        Some(stream)
    }

    fn die(&mut self, error: MuxerError, close: Close) {
        if self.is_dead() {
            return;
        }
        self.state = State::Dead(error, close);
        if close == Close::Now {
            self.control.clear();
        }
        for (id, stream) in &mut self.streams {
            stream.closed_here = true;
            stream.wake_reader(*id, &mut self.events);
            let waited = mem::take(&mut stream.writer_waits);
            self.events.extend(waited.then_some(StreamsEvent::Writable(StreamId((*id).into()))));
        }
        self.events.extend(mem::take(&mut self.opener_waits).then_some(StreamsEvent::CanOpen));
    }
}

fn header(kind: Kind, id: u32, number: u32) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let mut rest = &mut bytes[..];
    rest.put_u8(kind as u8);
    rest.put_u32(id);
    rest.put_u32(number);
    bytes
}

fn body(id: u32, missing: usize) -> Reading {
    if missing == 0 { Reading::default() } else { Reading::Body(id, missing) }
}

impl Layer for Session {
    type Event = StreamsEvent;
    type Error = MuxerError;

    fn handle_input(&mut self, input: &mut BytesMut, _now: Instant) -> Result<(), MuxerError> {
        if let Err(error) = self.advance(input) {
            self.die(error, Close::Now);
        }
        match &self.state {
            State::Open(_) => Ok(()),
            State::Dead(error, _) => Err(error.clone()),
        }
    }

    fn handle_end(&mut self, end: End, _now: Instant) {
        self.die(MuxerError::Ended, if end == End::Closed { Close::Flush } else { Close::Now });
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, _now: Instant) -> usize {
        let mut appended = 0;
        while appended == 0 && max > 0 || appended + HEADER_BYTES <= max {
            let Some(frame) = self.control.pop_front() else { break };
            out.extend_from_slice(&frame);
            appended += HEADER_BYTES;
        }
        appended
    }

    fn poll_event(&mut self) -> Option<StreamsEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    fn wants_input(&self) -> bool {
        !self.is_dead() && self.control.len() < MAX_QUEUED && self.events.len() < MAX_QUEUED
    }

    fn poll_close(&mut self) -> Option<Close> {
        match self.state {
            State::Open(_) => None,
            State::Dead(_, close) => Some(close),
        }
    }
}

impl Muxer for Session {
    fn open_stream(&mut self, _now: Instant) -> Result<StreamId, OpenError> {
        let next = self.next_ours.checked_add(2).filter(|_| !self.is_dead()).ok_or(OpenError::Closed)?;
        if self.count(true) >= self.config.max_outbound_streams {
            self.opener_waits = true;
            return Err(OpenError::Blocked);
        }
        let id = mem::replace(&mut self.next_ours, next);
        self.streams.insert(id, Stream::new(false));
        self.send(Kind::Open, id, 0);
        Ok(StreamId(id.into()))
    }

    fn write(
        &mut self,
        stream: StreamId,
        data: &[u8],
        out: &mut BytesMut,
        max: usize,
        now: Instant,
    ) -> Result<usize, WriteError> {
        let (id, stream) = self.stream(stream).filter(|it| !it.1.closed_here).ok_or(WriteError::Closed)?;
        if data.is_empty() || max == 0 {
            return Ok(0);
        }
        stream.writer_waits = stream.credit == 0;
        if stream.writer_waits {
            return Err(WriteError::Blocked);
        }
        let control = self.poll_transmit(out, max, now);
        let room = max.saturating_sub(control + HEADER_BYTES);
        // However small `max` is, a call must get something done.
        let room = if control == 0 { room.max(1) } else { room };
        let Some(stream) = self.streams.get_mut(&id).filter(|_| room > 0 && self.control.is_empty()) else {
            return Ok(0);
        };
        let len = data.len().min(room).min(stream.credit as usize);
        stream.credit -= len as u32;
        out.extend_from_slice(&header(Kind::Data, id, len as u32));
        out.extend_from_slice(&data[..len]);
        Ok(len)
    }

    fn read(&mut self, stream: StreamId, max: usize, _now: Instant) -> Result<Bytes, ReadError> {
        let dead = self.is_dead();
        let (id, stream) = self.stream(stream).ok_or(ReadError::Closed)?;
        if stream.received.is_empty() {
            return Err(match stream.closed_there {
                true => {
                    stream.finished = true;
                    self.settle(id);
                    ReadError::Ended
                }
                false if dead => {
                    self.forget(id);
                    ReadError::Closed
                }
                false => {
                    stream.reader_waits = true;
                    ReadError::Blocked
                }
            });
        }
        let bytes = stream.received.split_to(max.min(stream.received.len())).freeze();
        stream.consumed += bytes.len() as u32;
        if stream.consumed >= WINDOW_BYTES / 2 && !stream.closed_there && !dead {
            let consumed = mem::take(&mut stream.consumed);
            stream.window += consumed;
            self.send(Kind::Credit, id, consumed);
        }
        Ok(bytes)
    }

    fn close_write(&mut self, stream: StreamId, _now: Instant) {
        let Some((id, stream)) = self.stream(stream).filter(|it| !it.1.closed_here) else { return };
        stream.closed_here = true;
        stream.writer_waits = false;
        self.send(Kind::Close, id, 0);
        self.settle(id);
    }

    fn reset(&mut self, stream: StreamId, _now: Instant) {
        self.events.retain(|event| event.stream() != Some(stream));
        let Some((id, _)) = self.stream(stream) else { return };
        let Some(stream) = self.forget(id) else { return };
        if !(self.is_dead() || stream.closed_here && stream.closed_there) {
            self.send(Kind::Reset, id, 0);
        }
    }
}
