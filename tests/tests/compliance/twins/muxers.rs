//! The toy muxer, broken.

use super::expect_caught;
use bytes::{Bytes, BytesMut};
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::muxer::{
    MIN_FRAME_ROOM, Muxer, MuxerError, MuxerProtocol, OpenError, ReadError, ResetCause, StreamId,
    StreamsEvent, WriteError,
};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::security::Role;
use peerwork_core::time::{Deadline, Instant};
use peerwork_tests::compliance::MuxerSuite;
use peerwork_tests::compliance::muxer::StreamLimits;
use peerwork_tests::laws::Cases;
use peerwork_tests::toy::mux::{ToyMux, WINDOW_BYTES};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Long reads come out wrong.
    CorruptsBytes,
    /// A read gives what there is on the next stream.
    MixesStreams,
    /// Who has read to the end can write no more.
    EndEndsBoth,
    /// Who has closed reads no more.
    DeafAfterClose,
    HidesResets,
    TellsOwnResets,
    /// Much input after a reset kills the connection.
    DiesOfLateFrames,
    WakesTwice,
    WaitsForUnknownStreams,
    ReusesIds,
    NeedsRoom,
    IgnoresRoom,
    DropsSingleBytes,
    CutLooksWhole,
    WholeLooksCut,
    SleepsThroughTheEnd,
    PanicsOnGarbage,
    /// Takes all that comes, and lets the remote send more, whether it is read or not.
    Hoards,
    HidesWritable,
    /// Who was told to wait cannot close.
    EndWaits,
    /// An unread stream holds up all.
    HoldsUpAll,
    HidesCanOpen,
}

const FAULTS: &[(Fault, &[&str])] = &[
    (Fault::CorruptsBytes, &["carries_both_ways_and_forgets", "agrees_with_a_model"]),
    (Fault::MixesStreams, &["carries_many_streams_at_once"]),
    (Fault::EndEndsBoth, &["carries_behind_a_half_close"]),
    (Fault::DeafAfterClose, &["closes_from_both_ends_at_once", "carries_behind_a_half_close"]),
    (Fault::HidesResets, &["tells_of_a_reset"]),
    (Fault::TellsOwnResets, &["resets_from_both_ends_at_once"]),
    (Fault::DiesOfLateFrames, &["drops_what_arrives_for_a_stream_that_was_reset"]),
    (Fault::WakesTwice, &["wakes_a_reader_once", "agrees_with_a_model"]),
    (Fault::WaitsForUnknownStreams, &["knows_no_other_streams"]),
    (Fault::ReusesIds, &["never_uses_an_id_again"]),
    (Fault::NeedsRoom, &["makes_progress_in_little_room"]),
    (Fault::IgnoresRoom, &["keeps_within_the_room_given"]),
    (Fault::DropsSingleBytes, &["is_blind_to_chunks", "obeys_the_laws"]),
    (Fault::CutLooksWhole, &["survives_the_end_at_every_byte", "tells_a_cut_stream_from_a_whole_one"]),
    (Fault::WholeLooksCut, &["tells_a_cut_stream_from_a_whole_one"]),
    (Fault::SleepsThroughTheEnd, &["wakes_a_reader_at_the_end"]),
    (Fault::PanicsOnGarbage, &["survives_garbage", "survives_any_flipped_bit"]),
    (Fault::Hoards, &["holds_back_a_fast_writer"]),
    (Fault::HidesWritable, &["tells_a_blocked_writer_to_go_on"]),
    (Fault::EndWaits, &["lets_a_blocked_writer_end"]),
    (Fault::HoldsUpAll, &["keeps_unread_streams_from_the_others"]),
    (Fault::HidesCanOpen, &["keeps_to_its_limits_of_streams"]),
];

#[test]
fn every_requirement_notices_a_broken_muxer() {
    let inner = ToyMux { max_outbound_streams: 20, max_inbound_streams: 30 };
    let suite = |fault| {
        MuxerSuite::new(BrokenMux { inner, fault })
            .isolates_streams()
            .max_unread_bytes(WINDOW_BYTES as usize)
            .limits(StreamLimits { outbound: 20, inbound: 30 })
            .cases(Cases::new(8))
    };
    expect_caught(suite, FAULTS);
}

#[derive(Debug)]
struct BrokenMux {
    inner: ToyMux,
    fault: Option<Fault>,
}

impl MuxerProtocol for BrokenMux {
    fn id(&self) -> ProtocolId {
        self.inner.id()
    }

    fn start(&self, role: Role, now: Instant) -> Box<dyn Muxer> {
        let inner = self.inner.start(role, now);
        match self.fault {
            None => inner,
            Some(fault) => Box::new(Broken {
                inner,
                fault,
                streams: BTreeSet::new(),
                ended: BTreeSet::new(),
                closed: BTreeSet::new(),
                hoard: BTreeMap::new(),
                events: VecDeque::new(),
                unread: 0,
                was_reset: false,
                was_blocked: false,
                dead: false,
            }),
        }
    }
}

struct Broken {
    inner: Box<dyn Muxer>,
    fault: Fault,
    streams: BTreeSet<StreamId>,
    /// Streams that were read to the end, and streams that were closed here.
    ended: BTreeSet<StreamId>,
    closed: BTreeSet<StreamId>,
    hoard: BTreeMap<StreamId, BytesMut>,
    events: VecDeque<StreamsEvent>,
    /// Bytes that came since the last read.
    unread: usize,
    was_reset: bool,
    was_blocked: bool,
    dead: bool,
}

impl Broken {
    /// The stream of the inner muxer that has this id outside.
    fn inside(&self, id: StreamId) -> StreamId {
        match self.streams.last() {
            Some(latest) if self.fault == Fault::ReusesIds && id == StreamId(0) => *latest,
            _ => id,
        }
    }

    fn outside(&mut self, id: StreamId) -> StreamId {
        self.streams.insert(id);
        if self.fault == Fault::ReusesIds { StreamId(0) } else { id }
    }

    fn read_inner(&mut self, stream: StreamId, max: usize, now: Instant) -> Result<Bytes, ReadError> {
        if self.fault == Fault::Hoards {
            let hoarded = self.hoard.entry(stream).or_default();
            if !hoarded.is_empty() {
                return Ok(hoarded.split_to(max.min(hoarded.len())).freeze());
            }
        }
        if self.fault == Fault::MixesStreams
            && let Ok(bytes) = self.inner.read(StreamId(stream.0 + 2), max, now)
        {
            return Ok(bytes);
        }
        self.inner.read(stream, max, now)
    }
}

impl Layer for Broken {
    type Event = StreamsEvent;
    type Error = MuxerError;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), MuxerError> {
        self.unread += input.len();
        match self.fault {
            Fault::DropsSingleBytes if input.len() == 1 => input.clear(),
            Fault::DiesOfLateFrames if self.was_reset && input.len() > 1_000 => {
                return Err(MuxerError::Ended);
            }
            _ => {}
        }
        let result = self.inner.handle_input(input, now);
        assert!(result.is_ok() || self.fault != Fault::PanicsOnGarbage, "garbage");
        if self.fault == Fault::Hoards {
            for id in 0..20 {
                while let Ok(bytes) = self.inner.read(StreamId(id), usize::MAX, now) {
                    self.hoard.entry(StreamId(id)).or_default().extend_from_slice(&bytes);
                }
            }
        }
        result
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        self.inner.handle_end(end, now);
        self.dead = true;
        if self.fault == Fault::SleepsThroughTheEnd {
            while self.inner.poll_event().is_some() {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        let max = if self.fault == Fault::IgnoresRoom && max > 0 { usize::MAX } else { max };
        self.inner.poll_transmit(out, max, now)
    }

    fn poll_event(&mut self) -> Option<StreamsEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let event = self.inner.poll_event()?;
        let hidden = match event {
            StreamsEvent::Reset(..) => self.fault == Fault::HidesResets,
            StreamsEvent::Writable(_) => self.fault == Fault::HidesWritable,
            StreamsEvent::CanOpen => self.fault == Fault::HidesCanOpen,
            StreamsEvent::Opened(_) | StreamsEvent::Readable(_) => false,
        };
        if hidden {
            return self.poll_event();
        }
        match event {
            StreamsEvent::Opened(id) => Some(StreamsEvent::Opened(self.outside(id))),
            StreamsEvent::Readable(id) => {
                let event = StreamsEvent::Readable(self.outside(id));
                self.events.extend((self.fault == Fault::WakesTwice).then_some(event));
                Some(event)
            }
            other => Some(other),
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.inner.poll_timeout()
    }

    fn wants_input(&self) -> bool {
        let held_up = self.fault == Fault::HoldsUpAll && self.unread > WINDOW_BYTES as usize;
        self.inner.wants_input() && !held_up
    }

    fn poll_close(&mut self) -> Option<Close> {
        self.inner.poll_close()
    }
}

impl Muxer for Broken {
    fn open_stream(&mut self, now: Instant) -> Result<StreamId, OpenError> {
        let id = self.inner.open_stream(now)?;
        Ok(self.outside(id))
    }

    fn write(
        &mut self,
        stream: StreamId,
        data: &[u8],
        out: &mut BytesMut,
        max: usize,
        now: Instant,
    ) -> Result<usize, WriteError> {
        let max = match self.fault {
            Fault::IgnoresRoom => usize::MAX,
            Fault::NeedsRoom if max < MIN_FRAME_ROOM => 0,
            _ => max,
        };
        if self.fault == Fault::EndEndsBoth && self.ended.contains(&stream) {
            return Err(WriteError::Closed);
        }
        let result = self.inner.write(self.inside(stream), data, out, max, now);
        self.was_blocked = result == Err(WriteError::Blocked);
        result
    }

    fn read(&mut self, stream: StreamId, max: usize, now: Instant) -> Result<Bytes, ReadError> {
        let result = self.read_inner(self.inside(stream), max, now);
        match (result, self.fault) {
            (Ok(bytes), Fault::CorruptsBytes) if bytes.len() > 100 => {
                let mut bytes = BytesMut::from(&bytes[..]);
                bytes[99] ^= 1;
                Ok(bytes.freeze())
            }
            (Ok(_), Fault::DeafAfterClose) if self.closed.contains(&stream) => self.read(stream, max, now),
            (Ok(bytes), _) => {
                self.unread = 0;
                Ok(bytes)
            }
            (Err(ReadError::Closed), Fault::WaitsForUnknownStreams) if !self.streams.contains(&stream) => {
                Err(ReadError::Blocked)
            }
            (Err(ReadError::Closed), Fault::CutLooksWhole) if self.dead && self.ended.insert(stream) => {
                Err(ReadError::Ended)
            }
            (Err(ReadError::Ended), Fault::WholeLooksCut) if self.dead => Err(ReadError::Closed),
            (Err(error), _) => {
                if error == ReadError::Ended {
                    self.ended.insert(stream);
                }
                Err(error)
            }
        }
    }

    fn close_write(&mut self, stream: StreamId, now: Instant) {
        self.closed.insert(stream);
        if self.fault == Fault::EndWaits && self.was_blocked {
            return;
        }
        self.inner.close_write(self.inside(stream), now);
    }

    fn reset(&mut self, stream: StreamId, now: Instant) {
        self.was_reset = true;
        self.inner.reset(self.inside(stream), now);
        if self.fault == Fault::TellsOwnResets {
            self.events.push_back(StreamsEvent::Reset(stream, ResetCause::Remote));
        }
    }
}
