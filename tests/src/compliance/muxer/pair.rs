//! Two muxers and the bytes between them.

use bytes::{Bytes, BytesMut};
use peerwork_core::muxer::{
    MIN_FRAME_ROOM, Muxer, MuxerProtocol, ReadError, StreamId, StreamsEvent, WriteError,
};
use peerwork_core::security::Role;
use peerwork_core::time::Instant;
use std::iter;

pub(super) const BOTH: [usize; 2] = [0, 1];

/// The ends are 0, the dialer, and 1.
pub(super) struct Pair {
    pub(super) muxers: [Box<dyn Muxer>; 2],
    /// What each end has sent and the other has not been offered.
    pub(super) wires: [BytesMut; 2],
    /// What each end was offered and has not taken.
    pub(super) inputs: [BytesMut; 2],
    pub(super) now: Instant,
}

impl Pair {
    pub(super) fn new(protocol: &dyn MuxerProtocol) -> Self {
        let now = Instant::ORIGIN;
        Self {
            muxers: [Role::Dialer, Role::Listener].map(|role| protocol.start(role, now)),
            wires: Default::default(),
            inputs: Default::default(),
            now,
        }
    }

    pub(super) fn open(&mut self, end: usize) -> StreamId {
        let opened = self.muxers[end].open_stream(self.now);
        opened.unwrap_or_else(|error| panic!("end {end} cannot open a stream: {error}"))
    }

    /// Writes one frame at most.
    pub(super) fn write(
        &mut self,
        end: usize,
        stream: StreamId,
        data: &[u8],
        max: usize,
    ) -> Result<usize, WriteError> {
        let before = self.wires[end].len();
        let written = self.muxers[end].write(stream, data, &mut self.wires[end], max, self.now);
        let appended = self.wires[end].len() - before;
        assert!(appended <= max.max(MIN_FRAME_ROOM), "write appended {appended} bytes with a max of {max}");
        assert!(written.is_err() || written.is_ok_and(|count| count <= data.len()));
        written
    }

    /// Writes what any stream has room for unread.
    pub(super) fn write_all(&mut self, end: usize, stream: StreamId, mut data: &[u8]) {
        while !data.is_empty() {
            let written = self.write(end, stream, data, usize::MAX);
            assert!(matches!(written, Ok(1..)), "writing to {stream:?} with room for all gave {written:?}");
            data = &data[written.unwrap_or_default()..];
        }
    }

    /// Writes all of `data`, while the other end reads and drops its events. Returns what it
    /// has read.
    pub(super) fn carry(&mut self, end: usize, ids: [StreamId; 2], data: &[u8]) -> Vec<u8> {
        let (mut sent, mut received, mut stuck) = (0, Vec::new(), 0);
        while sent < data.len() {
            match self.write(end, ids[end], &data[sent..], usize::MAX) {
                Ok(0) | Err(WriteError::Blocked) => stuck += 1,
                Ok(count) => (sent, stuck) = (sent + count, 0),
                Err(error) => panic!("writing gave: {error}"),
            }
            assert!(stuck < 3, "a writer cannot go on although its stream is read");
            self.settle();
            self.events(1 - end);
            received.extend(self.read_all(1 - end, ids[1 - end]).0);
        }
        received
    }

    pub(super) fn read(&mut self, end: usize, stream: StreamId, max: usize) -> Result<Bytes, ReadError> {
        self.muxers[end].read(stream, max, self.now)
    }

    /// Reads until there is an error, and returns both.
    pub(super) fn read_all(&mut self, end: usize, stream: StreamId) -> (Vec<u8>, ReadError) {
        let mut all = Vec::new();
        loop {
            match self.read(end, stream, usize::MAX) {
                Ok(bytes) => {
                    assert!(!bytes.is_empty(), "reading gave no bytes and no error");
                    all.extend_from_slice(&bytes);
                }
                Err(error) => return (all, error),
            }
        }
    }

    /// Reads, and lets more arrive, until nothing does. The reader's events are dropped.
    pub(super) fn drain(&mut self, end: usize, stream: StreamId) -> (Vec<u8>, ReadError) {
        let mut all = Vec::new();
        loop {
            self.settle();
            self.events(end);
            let (bytes, error) = self.read_all(end, stream);
            if bytes.is_empty() {
                return (all, error);
            }
            all.extend(bytes);
        }
    }

    pub(super) fn close(&mut self, end: usize, stream: StreamId) {
        self.muxers[end].close_write(stream, self.now);
    }

    pub(super) fn reset(&mut self, end: usize, stream: StreamId) {
        self.muxers[end].reset(stream, self.now);
    }

    pub(super) fn transmit(&mut self, end: usize, max: usize) -> usize {
        let before = self.wires[end].len();
        let sent = self.muxers[end].poll_transmit(&mut self.wires[end], max, self.now);
        assert_eq!(self.wires[end].len() - before, sent, "poll_transmit must return what it appended");
        assert!(sent <= max.max(MIN_FRAME_ROOM), "poll_transmit appended {sent} bytes with a max of {max}");
        sent
    }

    /// Gives `to` at most `count` of the bytes that are on their way, and returns how many it took.
    pub(super) fn deliver(&mut self, to: usize, count: usize) -> usize {
        let wire = &mut self.wires[1 - to];
        let arrived = wire.split_to(count.min(wire.len()));
        let input = &mut self.inputs[to];
        input.extend_from_slice(&arrived);
        if input.is_empty() || !self.muxers[to].wants_input() {
            return 0;
        }
        let before = input.len();
        let taken = self.muxers[to].handle_input(input, self.now);
        assert_eq!(taken, Ok(()), "end {to} refused what the other sent");
        assert!(input.is_empty() || !self.muxers[to].wants_input(), "input is not taken whole");
        before - input.len()
    }

    /// Moves everything there is, both ways.
    pub(super) fn settle(&mut self) {
        let moved = |pair: &mut Self, end| pair.transmit(end, usize::MAX) + pair.deliver(end, usize::MAX);
        while BOTH.into_iter().map(|end| moved(self, end)).sum::<usize>() > 0 {}
    }

    pub(super) fn events(&mut self, end: usize) -> Vec<StreamsEvent> {
        iter::from_fn(|| self.muxers[end].poll_event()).collect()
    }

    /// The streams that were announced to `end` since its events were last taken.
    pub(super) fn accepted(&mut self, end: usize) -> Vec<StreamId> {
        let opened = |event| if let StreamsEvent::Opened(id) = event { Some(id) } else { None };
        self.events(end).into_iter().filter_map(opened).collect()
    }

    /// A stream that end 0 opened and of which both know. Its readers wait.
    pub(super) fn connect(&mut self) -> [StreamId; 2] {
        let opened = self.open(0);
        self.write_all(0, opened, b"hello");
        self.settle();
        let events = self.events(1);
        let [StreamsEvent::Opened(accepted), StreamsEvent::Readable(readable)] = events[..] else {
            panic!("not a new stream with bytes: {events:?}");
        };
        assert_eq!(accepted, readable, "the new stream is readable, and no other");
        assert_eq!(self.read_all(1, accepted), (b"hello".to_vec(), ReadError::Blocked));
        assert_eq!(self.read_all(0, opened), (vec![], ReadError::Blocked));
        [opened, accepted]
    }

    /// Both ends know nothing of these streams any more.
    pub(super) fn expect_forgotten(&mut self, ids: [StreamId; 2]) {
        for end in BOTH {
            assert_eq!(self.read(end, ids[end], 1), Err(ReadError::Closed), "end {end} has not forgotten");
            assert_eq!(self.write(end, ids[end], b"x", usize::MAX), Err(WriteError::Closed));
        }
    }
}
