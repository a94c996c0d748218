//! A transport that carries streams by itself: no bytes below, no handshake, no muxer.
//!
//! The two ends of a [`MemoryCarrier`] exchange [`Frame`]s, plain values that a driver moves. It is what QUIC or WebRTC will be to
//! a [`Connection`](peerwork_core::connection::Connection), as small as it can be: it tells who the other end is, and streams have windows, so
//! that whoever does not read stops whoever writes. **Nobody is authenticated: for tests only.**

use bytes::Bytes;
use peerwork_core::connection::{Carrier, CarrierEvent, ConnectionError, Established};
use peerwork_core::identity::PublicKey;
use peerwork_core::machine::{Close, End};
use peerwork_core::muxer::{OpenError, ReadError, ResetCause, StreamId, Streams, StreamsEvent, WriteError};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::security::{HandshakeSetup, Role, SecurityError};
use peerwork_core::time::{Deadline, Instant};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What errors of the greeting call the transport.
pub const ID: ProtocolId = ProtocolId::from_static("/memory");

/// What one end tells the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Who we are. The first frame each way.
    Hello(PublicKey),
    /// The other end is who it should be. The second frame each way.
    Welcome,
    /// A stream. The dialer's have even numbers, the listener's odd ones.
    Open(StreamId),
    /// Bytes of a stream, as far as its window goes.
    Data(StreamId, Bytes),
    /// So many bytes were read: the window is wider again.
    Credit(StreamId, usize),
    /// No more bytes will come in this direction.
    Close(StreamId),
    /// Both directions are over.
    Reset(StreamId),
}

/// The limits of a [`MemoryCarrier`]. Both ends must have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryConfig {
    /// How much may be unread, or on its way, on one stream. More ends the stream as a violation.
    pub window_bytes: usize,
    /// How many streams each end may have open. Further ones are blocked here, and reset if they come from the remote.
    pub max_streams: usize,
    /// How long the greeting may take.
    pub handshake_timeout: Duration,
    /// How long the remote may take to close after we have.
    pub close_timeout: Duration,
}

impl Default for MemoryConfig {
    /// 64 KiB a stream, 256 streams each way, 15 s to greet, 5 s to close.
    fn default() -> Self {
        Self {
            window_bytes: 64 * 1024,
            max_streams: 256,
            handshake_timeout: Duration::from_secs(15),
            close_timeout: Duration::from_secs(5),
        }
    }
}

/// One end. The driver moves what [`MemoryCarrier::poll_frame`] gives to [`MemoryCarrier::handle_frame`] of the other, in order.
pub struct MemoryCarrier {
    config: MemoryConfig,
    setup: HandshakeSetup,
    phase: Phase,
    /// Who the remote is, until it has welcomed us.
    remote: Option<Box<Established>>,
    streams: BTreeMap<StreamId, Stream>,
    next_stream: StreamId,
    /// What the remote's next stream must be.
    next_remote: StreamId,
    opener_waits: bool,
    /// At most a window for each stream, and a few frames that carry nothing.
    frames: VecDeque<Frame>,
    /// At most a few for each stream.
    events: VecDeque<CarrierEvent>,
    now: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting { give_up: Instant },
    Open,
    Closing { give_up: Instant },
    Closed,
}

struct Stream {
    received: VecDeque<Bytes>,
    received_bytes: usize,
    /// How much we may send.
    window: usize,
    local_open: bool,
    remote_open: bool,
    reader_waits: bool,
    /// It has been told that the remote's direction has ended.
    reader_done: bool,
    writer_waits: bool,
}

impl MemoryCarrier {
    /// One end of a fresh connection.
    pub fn new(config: MemoryConfig, setup: HandshakeSetup, now: Instant) -> Self {
        let hello = Frame::Hello(setup.keypair.public().clone());
        Self {
            config,
            phase: Phase::Greeting { give_up: now + config.handshake_timeout },
            remote: None,
            streams: BTreeMap::new(),
            next_stream: StreamId(u64::from(setup.role == Role::Listener)),
            next_remote: StreamId(u64::from(setup.role == Role::Dialer)),
            setup,
            opener_waits: false,
            frames: [hello].into(),
            events: VecDeque::new(),
            now,
        }
    }

    /// The next frame for the other end.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        self.frames.pop_front().filter(|_| self.phase != Phase::Closed)
    }

    /// Takes a frame of the other end.
    pub fn handle_frame(&mut self, frame: Frame, now: Instant) {
        self.now = self.now.max(now);
        match (self.phase, frame) {
            (Phase::Greeting { .. }, Frame::Hello(key)) => self.greet(key),
            (Phase::Greeting { .. }, Frame::Welcome) => self.open(),
            (Phase::Open, Frame::Open(id)) => self.accept(id),
            (Phase::Open, Frame::Data(id, bytes)) => self.receive(id, bytes),
            (Phase::Open, Frame::Credit(id, bytes)) => self.widen(id, bytes),
            (Phase::Open, Frame::Close(id)) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.remote_open = false;
                    self.wake_reader(id);
                }
            }
            (Phase::Open, Frame::Reset(id)) => self.end(id, ResetCause::Remote),
            (Phase::Closing { .. } | Phase::Closed, _) => {}
            (Phase::Greeting { .. } | Phase::Open, _) => {
                self.refuse(SecurityError::Malformed("a frame is out of turn"));
            }
        }
    }

    /// Nothing more comes from the other end.
    pub fn handle_end(&mut self, end: End, now: Instant) {
        self.now = self.now.max(now);
        self.die(end.into());
        self.phase = Phase::Closed;
    }

    /// Whether the other end should be told that nothing more comes: after the last frame, or at once.
    pub fn poll_close(&self) -> Option<Close> {
        match self.phase {
            Phase::Greeting { .. } | Phase::Open => None,
            Phase::Closing { .. } => Some(Close::Flush),
            Phase::Closed => Some(Close::Now),
        }
    }

    fn greet(&mut self, public_key: PublicKey) {
        let peer = public_key.to_peer_id();
        match self.setup.expected_peer {
            _ if public_key == *self.setup.keypair.public() => self.refuse(SecurityError::SelfDial),
            Some(expected) if expected != peer => {
                self.refuse(SecurityError::WrongPeer { expected, actual: peer });
            }
            _ => {
                let established = Established { peer, public_key, security: None, muxer: None };
                self.remote = Some(Box::new(established));
                self.frames.push_back(Frame::Welcome);
            }
        }
    }

    fn open(&mut self) {
        if let Some(established) = self.remote.take() {
            self.phase = Phase::Open;
            self.events.push_back(CarrierEvent::Established(established));
        } else {
            self.refuse(SecurityError::Malformed("a frame is out of turn"));
        }
    }

    /// The greeting failed. Our own still leaves, so that the remote can see why.
    fn refuse(&mut self, error: SecurityError) {
        let now = self.now;
        self.close(ConnectionError::Security { protocol: ID, error: error.into() }, now);
    }

    fn accept(&mut self, id: StreamId) {
        if id != self.next_remote {
            return self.refuse(SecurityError::Malformed("a stream has a number that it cannot have"));
        }
        self.next_remote.0 = id.0.saturating_add(2);
        if self.count(id) >= self.config.max_streams {
            self.frames.push_back(Frame::Reset(id));
        } else {
            self.add(id, true);
            self.events.push_back(CarrierEvent::Stream(StreamsEvent::Opened(id)));
        }
    }

    fn receive(&mut self, id: StreamId, bytes: Bytes) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.received_bytes += bytes.len();
        if !stream.remote_open || stream.received_bytes > self.config.window_bytes {
            self.frames.push_back(Frame::Reset(id));
            return self.end(id, ResetCause::Violation);
        }
        stream.received.push_back(bytes);
        self.wake_reader(id);
    }

    fn widen(&mut self, id: StreamId, bytes: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.window = stream.window.saturating_add(bytes).min(self.config.window_bytes);
        if std::mem::take(&mut stream.writer_waits) {
            self.events.push_back(CarrierEvent::Stream(StreamsEvent::Writable(id)));
        }
    }

    fn add(&mut self, id: StreamId, reader_waits: bool) {
        let stream = Stream {
            received: VecDeque::new(),
            received_bytes: 0,
            window: self.config.window_bytes,
            local_open: true,
            remote_open: true,
            reader_waits,
            reader_done: false,
            writer_waits: false,
        };
        self.streams.insert(id, stream);
    }

    /// How many streams are open that were opened by the end that opened `id`.
    fn count(&self, id: StreamId) -> usize {
        self.streams.keys().filter(|other| other.0 % 2 == id.0 % 2).count()
    }

    fn wake_reader(&mut self, id: StreamId) {
        if let Some(stream) = self.streams.get_mut(&id)
            && std::mem::take(&mut stream.reader_waits)
        {
            self.events.push_back(CarrierEvent::Stream(StreamsEvent::Readable(id)));
        }
    }

    fn end(&mut self, id: StreamId, cause: ResetCause) {
        if self.forget(id) {
            self.events.push_back(CarrierEvent::Stream(StreamsEvent::Reset(id, cause)));
        }
    }

    /// Forgets a stream that is over in both directions.
    fn settle(&mut self, id: StreamId) {
        if self.streams.get(&id).is_some_and(|stream| !stream.local_open && stream.reader_done) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: StreamId) -> bool {
        let existed = self.streams.remove(&id).is_some();
        let is_ours = id.0 % 2 == self.next_stream.0 % 2;
        if existed && is_ours && std::mem::take(&mut self.opener_waits) {
            self.events.push_back(CarrierEvent::Stream(StreamsEvent::CanOpen));
        }
        existed
    }

    /// Ends the streams for writing and, behind what has arrived, for reading.
    fn die(&mut self, error: ConnectionError) {
        if let Phase::Closing { .. } | Phase::Closed = self.phase {
            return;
        }
        let ids: Vec<StreamId> = self.streams.keys().copied().collect();
        for id in ids {
            self.streams.get_mut(&id).into_iter().for_each(|stream| stream.local_open = false);
            self.wake_reader(id);
        }
        self.events.push_back(CarrierEvent::Closed(error));
    }
}

impl Streams for MemoryCarrier {
    fn open_stream(&mut self, now: Instant) -> Result<StreamId, OpenError> {
        self.now = self.now.max(now);
        if self.phase != Phase::Open {
            return Err(OpenError::Closed);
        }
        let id = self.next_stream;
        if self.count(id) >= self.config.max_streams {
            self.opener_waits = true;
            return Err(OpenError::Blocked);
        }
        self.next_stream.0 += 2;
        self.add(id, false);
        self.frames.push_back(Frame::Open(id));
        Ok(id)
    }

    fn write(&mut self, id: StreamId, data: &[u8], _now: Instant) -> Result<usize, WriteError> {
        let stream =
            self.streams.get_mut(&id).filter(|stream| stream.local_open).ok_or(WriteError::Closed)?;
        let len = data.len().min(stream.window);
        if len == 0 && !data.is_empty() {
            stream.writer_waits = true;
            return Err(WriteError::Blocked);
        }
        stream.window -= len;
        self.frames.push_back(Frame::Data(id, Bytes::copy_from_slice(&data[..len])));
        Ok(len)
    }

    fn read(&mut self, id: StreamId, max: usize, _now: Instant) -> Result<Bytes, ReadError> {
        let stream = self.streams.get_mut(&id).ok_or(ReadError::Closed)?;
        if let Some(first) = stream.received.front_mut() {
            let bytes = first.split_to(max.min(first.len()));
            if first.is_empty() {
                stream.received.pop_front();
            }
            stream.received_bytes -= bytes.len();
            if self.phase == Phase::Open && stream.remote_open {
                self.frames.push_back(Frame::Credit(id, bytes.len()));
            }
            return Ok(bytes);
        }
        match (stream.remote_open, self.phase) {
            (false, _) => {
                stream.reader_done = true;
                self.settle(id);
                Err(ReadError::Ended)
            }
            (true, Phase::Open | Phase::Greeting { .. }) => {
                stream.reader_waits = true;
                Err(ReadError::Blocked)
            }
            (true, Phase::Closing { .. } | Phase::Closed) => {
                self.forget(id);
                Err(ReadError::Closed)
            }
        }
    }

    fn close_write(&mut self, id: StreamId, _now: Instant) {
        if let Some(stream) = self.streams.get_mut(&id)
            && std::mem::take(&mut stream.local_open)
        {
            self.frames.push_back(Frame::Close(id));
            self.settle(id);
        }
    }

    fn reset(&mut self, id: StreamId, _now: Instant) {
        if self.forget(id) && self.phase == Phase::Open {
            self.frames.push_back(Frame::Reset(id));
        }
    }
}

impl Carrier for MemoryCarrier {
    fn poll_event(&mut self) -> Option<CarrierEvent> {
        self.events.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        match self.phase {
            Phase::Greeting { give_up } if give_up <= self.now => {
                self.die(ConnectionError::HandshakeTimeout);
                self.phase = Phase::Closed;
            }
            Phase::Closing { give_up } if give_up <= self.now => self.phase = Phase::Closed,
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        match self.phase {
            Phase::Greeting { give_up } => Some(Deadline::new(give_up, "greeting timeout")),
            Phase::Closing { give_up } => Some(Deadline::new(give_up, "close timeout")),
            Phase::Open | Phase::Closed => None,
        }
    }

    fn close(&mut self, reason: ConnectionError, now: Instant) {
        self.now = self.now.max(now);
        if let Phase::Greeting { .. } | Phase::Open = self.phase {
            self.die(reason);
            self.phase = Phase::Closing { give_up: self.now + self.config.close_timeout };
        }
    }
}
