//! How every muxer behaves, whatever its wire format: two of them back to back, by themselves or against a naive [`model`].

pub(crate) mod model;

use super::*;
use crate::machine::{Close, End};

pub(crate) const BOTH: [usize; 2] = [0, 1];

/// Two muxers and the bytes between them. The ends are 0 and 1.
pub(crate) struct Pair<M: Muxer + ?Sized> {
    pub(crate) muxers: [Box<M>; 2],
    /// What each end has sent and the other has not been offered.
    pub(crate) wires: [BytesMut; 2],
    /// What each end was offered and has not taken.
    pub(crate) inputs: [BytesMut; 2],
    pub(crate) now: Instant,
}

pub(crate) fn pair(protocol: &dyn MuxerProtocol) -> Pair<dyn Muxer> {
    let now = Instant::ORIGIN;
    Pair::new([protocol.start(Role::Dialer, now), protocol.start(Role::Listener, now)])
}

impl<M: Muxer + ?Sized> Pair<M> {
    pub(crate) fn new(muxers: [Box<M>; 2]) -> Self {
        Self { muxers, wires: Default::default(), inputs: Default::default(), now: Instant::ORIGIN }
    }

    pub(crate) fn open(&mut self, end: usize) -> StreamId {
        self.muxers[end].open_stream(self.now).unwrap()
    }

    /// Writes one frame at most.
    pub(crate) fn write(
        &mut self,
        end: usize,
        stream: StreamId,
        data: &[u8],
        max: usize,
    ) -> Result<usize, WriteError> {
        let before = self.wires[end].len();
        let written = self.muxers[end].write(stream, data, &mut self.wires[end], max, self.now);
        assert!(self.wires[end].len() - before <= max.max(MIN_FRAME_ROOM));
        written
    }

    pub(crate) fn write_all(&mut self, end: usize, stream: StreamId, mut data: &[u8]) {
        while !data.is_empty() {
            let written = self.write(end, stream, data, usize::MAX).unwrap();
            assert_ne!(written, 0);
            data = &data[written..];
        }
    }

    pub(crate) fn read(&mut self, end: usize, stream: StreamId, max: usize) -> Result<Bytes, ReadError> {
        self.muxers[end].read(stream, max, self.now)
    }

    /// Reads until there is an error, and returns both.
    pub(crate) fn read_all(&mut self, end: usize, stream: StreamId) -> (Vec<u8>, ReadError) {
        let mut all = Vec::new();
        loop {
            match self.read(end, stream, usize::MAX) {
                Ok(bytes) => all.extend_from_slice(&bytes),
                Err(error) => return (all, error),
            }
        }
    }

    pub(crate) fn transmit(&mut self, end: usize, max: usize) -> usize {
        let before = self.wires[end].len();
        let sent = self.muxers[end].poll_transmit(&mut self.wires[end], max, self.now);
        assert_eq!(self.wires[end].len() - before, sent);
        assert!(sent <= max.max(MIN_FRAME_ROOM));
        sent
    }

    /// Gives `to` at most `count` of the bytes that are on their way, and returns how many it took.
    pub(crate) fn deliver(&mut self, to: usize, count: usize) -> usize {
        let wire = &mut self.wires[1 - to];
        let arrived = wire.split_to(count.min(wire.len()));
        let input = &mut self.inputs[to];
        input.extend_from_slice(&arrived);
        if input.is_empty() || !self.muxers[to].wants_input() {
            return 0;
        }
        let before = input.len();
        self.muxers[to].handle_input(input, self.now).unwrap();
        assert!(input.is_empty() || !self.muxers[to].wants_input(), "input is taken whole");
        before - self.inputs[to].len()
    }

    /// Moves everything there is, both ways.
    pub(crate) fn settle(&mut self) {
        while BOTH
            .into_iter()
            .map(|end| self.transmit(end, usize::MAX) + self.deliver(end, usize::MAX))
            .sum::<usize>()
            > 0
        {}
    }

    pub(crate) fn events(&mut self, end: usize) -> Vec<StreamsEvent> {
        std::iter::from_fn(|| self.muxers[end].poll_event()).collect()
    }

    /// A stream from end 0 to end 1 of which both know.
    pub(crate) fn connect(&mut self) -> [StreamId; 2] {
        let opened = self.open(0);
        self.write_all(0, opened, b"hello");
        self.settle();
        let events = self.events(1);
        let [StreamsEvent::Opened(accepted), StreamsEvent::Readable(_)] = events[..] else {
            panic!("not a new stream with bytes: {events:?}");
        };
        assert_eq!(self.read_all(1, accepted), (b"hello".to_vec(), ReadError::Blocked));
        [opened, accepted]
    }
}

/// All that can be said of any muxer.
pub(crate) fn behaves(protocol: &dyn MuxerProtocol) {
    carries_both_ways_and_forgets(protocol);
    carries_behind_a_half_close(protocol);
    tells_of_a_reset(protocol);
    tells_a_cut_stream_from_a_whole_one(protocol);
    wakes_a_reader_once(protocol);
    wakes_a_reader_at_the_end(protocol);
    knows_no_other_streams(protocol);
    makes_progress_in_little_room(protocol);
    keeps_within_the_room_given(protocol);
    is_blind_to_chunks(protocol);
    survives_the_end_at_every_byte(protocol);
}

fn carries_both_ways_and_forgets(protocol: &dyn MuxerProtocol) {
    let mut pair = pair(protocol);
    let ids = pair.connect();
    let payload: Vec<u8> = (0..200_000_u32).map(|n| (n / 7) as u8).collect();
    for end in BOTH {
        let other = 1 - end;
        pair.write_all(end, ids[end], &payload);
        pair.muxers[end].close_write(ids[end], pair.now);
        pair.muxers[end].close_write(ids[end], pair.now);
        let written = pair.write(end, ids[end], b"late", usize::MAX);
        assert_eq!(written, Err(WriteError::Closed));
        pair.settle();
        assert_eq!(pair.read_all(other, ids[other]), (payload.clone(), ReadError::Ended));
    }
    for end in BOTH {
        assert_eq!(pair.read(end, ids[end], 1), Err(ReadError::Closed), "forgotten");
        assert_eq!(pair.muxers[end].poll_timeout(), None);
        assert_eq!(pair.muxers[end].poll_close(), None);
    }
}

fn carries_behind_a_half_close(protocol: &dyn MuxerProtocol) {
    let mut pair = pair(protocol);
    let ids = pair.connect();
    pair.muxers[0].close_write(ids[0], pair.now);
    pair.settle();
    assert_eq!(pair.events(1), [StreamsEvent::Readable(ids[1])]);
    assert_eq!(pair.read(1, ids[1], 1), Err(ReadError::Ended));
    pair.write_all(1, ids[1], b"answer");
    pair.settle();
    assert_eq!(pair.read_all(0, ids[0]), (b"answer".to_vec(), ReadError::Blocked));
}

fn tells_of_a_reset(protocol: &dyn MuxerProtocol) {
    for end in BOTH {
        let other = 1 - end;
        let mut pair = pair(protocol);
        let ids = pair.connect();
        pair.write_all(end, ids[end], b"lost");
        pair.muxers[end].reset(ids[end], pair.now);
        pair.settle();
        assert_eq!(pair.events(end), []);
        assert_eq!(pair.events(other).last(), Some(&StreamsEvent::Reset(ids[other], ResetCause::Remote)));
        for end in BOTH {
            assert_eq!(pair.read(end, ids[end], 1), Err(ReadError::Closed));
            assert_eq!(pair.write(end, ids[end], b"x", usize::MAX), Err(WriteError::Closed));
        }
        let again = pair.connect();
        assert!(again[0] > ids[0] && again[1] > ids[1], "ids are not used again");
    }
}

fn tells_a_cut_stream_from_a_whole_one(protocol: &dyn MuxerProtocol) {
    for how in [End::Closed, End::Failed] {
        for (whole, last) in [(true, ReadError::Ended), (false, ReadError::Closed)] {
            let mut pair = pair(protocol);
            let ids = pair.connect();
            pair.write_all(0, ids[0], b"and then");
            if whole {
                pair.muxers[0].close_write(ids[0], pair.now);
            }
            pair.settle();
            pair.muxers[1].handle_end(how, pair.now);
            assert_eq!(pair.events(1), [StreamsEvent::Readable(ids[1])]);
            assert_eq!(pair.read_all(1, ids[1]), (b"and then".to_vec(), last));
            assert_eq!(pair.read(1, ids[1], 1), Err(ReadError::Closed));
            assert_eq!(pair.write(1, ids[1], b"x", usize::MAX), Err(WriteError::Closed));
            assert_eq!(pair.muxers[1].open_stream(pair.now), Err(OpenError::Closed));
            let close = if how == End::Closed { Close::Flush } else { Close::Now };
            assert_eq!(pair.muxers[1].poll_close(), Some(close));
            assert_eq!(pair.muxers[1].handle_input(&mut BytesMut::new(), pair.now), Err(MuxerError::Ended));
        }
    }
}

fn wakes_a_reader_at_the_end(protocol: &dyn MuxerProtocol) {
    let mut pair = pair(protocol);
    let ids = pair.connect();
    pair.muxers[1].handle_end(End::Failed, pair.now);
    assert_eq!(pair.events(1), [StreamsEvent::Readable(ids[1])]);
    pair.muxers[1].reset(ids[1], pair.now);
    assert_eq!(pair.transmit(1, usize::MAX), 0);
}

fn wakes_a_reader_once(protocol: &dyn MuxerProtocol) {
    let mut pair = pair(protocol);
    let ids = pair.connect();
    for _ in 0..3 {
        pair.write_all(0, ids[0], b"one");
        pair.settle();
    }
    assert_eq!(pair.events(1), [StreamsEvent::Readable(ids[1])]);
    assert_eq!(pair.read(1, ids[1], 2).unwrap().len(), 2);
    pair.write_all(0, ids[0], b"two");
    pair.settle();
    assert_eq!(pair.events(1), [], "nobody waits");
}

fn knows_no_other_streams(protocol: &dyn MuxerProtocol) {
    let mut pair = pair(protocol);
    let id = StreamId(77);
    assert_eq!(pair.read(0, id, 1), Err(ReadError::Closed));
    assert_eq!(pair.write(0, id, b"x", usize::MAX), Err(WriteError::Closed));
    pair.muxers[0].close_write(id, pair.now);
    pair.muxers[0].reset(id, pair.now);
    assert_eq!(pair.transmit(0, usize::MAX), 0);
    assert_eq!(pair.events(0), []);
}

fn makes_progress_in_little_room(protocol: &dyn MuxerProtocol) {
    for max in [1, 2, 5, 13, MIN_FRAME_ROOM, 200] {
        let mut pair = pair(protocol);
        let id = pair.open(0);
        let payload = [7; 1_000];
        let mut sent = 0;
        let mut calls = 0;
        while sent < payload.len() {
            sent += pair.write(0, id, &payload[sent..], max).unwrap();
            calls += 1;
            assert!(calls <= payload.len() + 2, "every call with room gets something done");
        }
        pair.muxers[0].close_write(id, pair.now);
        while pair.transmit(0, max) > 0 {}
        pair.settle();
        let Some(StreamsEvent::Opened(accepted)) = pair.muxers[1].poll_event() else {
            panic!("not announced");
        };
        assert_eq!(pair.read_all(1, accepted), (payload.to_vec(), ReadError::Ended));
    }
}

fn keeps_within_the_room_given(protocol: &dyn MuxerProtocol) {
    for max in [5, 9, 13, MIN_FRAME_ROOM, 100] {
        let mut pair = pair(protocol);
        let ids: Vec<_> = (0..50).map(|_| pair.open(0)).collect();
        for id in &ids[40..] {
            while pair.write(0, *id, b"x", max) == Ok(0) {}
        }
        while pair.transmit(0, max) > 0 {}
        pair.settle();
        let events = pair.events(1);
        let opened = events.iter().filter(|event| matches!(event, StreamsEvent::Opened(_))).count();
        let readable = events.iter().filter(|event| matches!(event, StreamsEvent::Readable(_))).count();
        assert_eq!((opened, readable), (50, 10));
    }
}

/// What end 0 sends while it uses everything once.
fn recording(protocol: &dyn MuxerProtocol) -> BytesMut {
    let mut pair = pair(protocol);
    let ids: Vec<_> = (0..4).map(|_| pair.open(0)).collect();
    for (n, id) in ids.iter().enumerate() {
        pair.write_all(0, *id, &[n as u8; 90]);
    }
    pair.muxers[0].reset(ids[0], pair.now);
    pair.muxers[0].close_write(ids[1], pair.now);
    pair.write_all(0, ids[2], b"more");
    pair.transmit(0, usize::MAX);
    pair.wires[0].split()
}

fn is_blind_to_chunks(protocol: &dyn MuxerProtocol) {
    let recording = recording(protocol);
    let outcome = |chunk: usize| {
        let mut pair = pair(protocol);
        let mut events = Vec::new();
        for piece in recording.chunks(chunk) {
            pair.wires[0].extend_from_slice(piece);
            assert_eq!(pair.deliver(1, usize::MAX), piece.len());
            events.extend(pair.events(1));
        }
        let opened: Vec<_> = events
            .iter()
            .filter_map(|event| if let StreamsEvent::Opened(id) = event { Some(*id) } else { None })
            .collect();
        let read: Vec<_> = opened.iter().map(|id| pair.read_all(1, *id)).collect();
        (events, read)
    };
    let whole = outcome(usize::MAX);
    assert_eq!(whole.1.len(), 4);
    for chunk in 1..20 {
        assert_eq!(outcome(chunk), whole, "chunks of {chunk}");
    }
}

fn survives_the_end_at_every_byte(protocol: &dyn MuxerProtocol) {
    let recording = recording(protocol);
    for end in 0..=recording.len() {
        let mut pair = pair(protocol);
        pair.wires[0].extend_from_slice(&recording[..end]);
        pair.deliver(1, usize::MAX);
        pair.muxers[1].handle_end(End::Closed, pair.now);
        for event in pair.events(1) {
            if let StreamsEvent::Opened(id) = event {
                let (_, last) = pair.read_all(1, id);
                assert_ne!(last, ReadError::Blocked);
                assert_eq!(pair.read(1, id, 1), Err(ReadError::Closed));
            }
        }
    }
}
