//! Random runs of two muxers, checked step by step: bytes arrive as they were sent, every stream ends, and nothing is left.
//!
//! A muxer is expected to announce its streams in the order in which they were opened, and to reach no limit of streams.

use super::{BOTH, Pair};
use crate::muxer::{Muxer, ReadError, ResetCause, StreamId, StreamsEvent, WriteError};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::time::Duration;

/// One step of a random run. `end` and `stream` choose whose and which; numbers out of range wrap around.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Open { end: usize },
    Write { end: usize, stream: usize, len: usize, max: usize },
    Read { end: usize, stream: usize, max: usize },
    Close { end: usize, stream: usize },
    Reset { end: usize, stream: usize },
    Transmit { end: usize, max: usize },
    Deliver { end: usize, count: usize },
    Wait { millis: u64 },
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = 0_usize..2;
    let stream = 0_usize..8;
    let step = prop_oneof![
        2 => end.clone().prop_map(|end| Step::Open { end }),
        6 => (end.clone(), stream.clone(), 0_usize..300, 1_usize..200)
            .prop_map(|(end, stream, len, max)| Step::Write { end, stream, len, max }),
        5 => (end.clone(), stream.clone(), 1_usize..300).prop_map(|(end, stream, max)| Step::Read { end, stream, max }),
        2 => (end.clone(), stream.clone()).prop_map(|(end, stream)| Step::Close { end, stream }),
        1 => (end.clone(), stream).prop_map(|(end, stream)| Step::Reset { end, stream }),
        3 => (end.clone(), 0_usize..60).prop_map(|(end, max)| Step::Transmit { end, max }),
        6 => (end, 1_usize..200).prop_map(|(end, count)| Step::Deliver { end, count }),
        1 => (0_u64..2_000).prop_map(|millis| Step::Wait { millis }),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What the model knows of one stream at one end.
#[derive(Debug, Default, Clone)]
struct Side {
    id: Option<StreamId>,
    written: usize,
    read: usize,
    closed: bool,
    /// The stream was reset here, by the application or by the muxer itself.
    reset: bool,
    /// The event of a reset came.
    told_reset: bool,
    told_end: bool,
    waits: bool,
}

impl Side {
    fn is_gone(&self) -> bool {
        self.reset || self.told_reset || (self.closed && self.told_end)
    }
}

/// Two muxers and what must be true of them.
pub(crate) struct Model<M: Muxer + ?Sized> {
    pub(crate) pair: Pair<M>,
    streams: Vec<[Side; 2]>,
    /// Streams that the end opened and the other has not heard of.
    unannounced: [VecDeque<usize>; 2],
}

/// The byte at this position of what `end` sends on this stream.
fn byte(stream: usize, end: usize, position: usize) -> u8 {
    (position * 31 + position / 256 + stream * 7 + end * 3) as u8
}

impl<M: Muxer + ?Sized> Model<M> {
    /// Makes the steps, then closes and reads everything, and checks on the way.
    pub(crate) fn run(pair: Pair<M>, steps: &[Step]) -> Self {
        let mut model = Self { pair, streams: Vec::new(), unannounced: Default::default() };
        for step in steps {
            model.step(step);
            model.take_events();
        }
        model.finish();
        model
    }

    /// The stream that the step means, if the end knows of it.
    fn pick(&self, end: usize, stream: usize) -> Option<(usize, StreamId)> {
        let known: Vec<_> =
            self.streams.iter().enumerate().filter_map(|(n, sides)| Some((n, sides[end].id?))).collect();
        known.get(stream % known.len().max(1)).copied()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Open { end } => self.open(end),
            Step::Write { end, stream, len, max } => self.write(end, stream, len, max),
            Step::Read { end, stream, max } => {
                if let Some((n, _)) = self.pick(end, stream) {
                    self.read(end, n, max);
                }
            }
            Step::Close { end, stream } => {
                if let Some((n, _)) = self.pick(end, stream) {
                    self.close(end, n);
                }
            }
            Step::Reset { end, stream } => {
                if let Some((n, id)) = self.pick(end, stream) {
                    self.pair.muxers[end].reset(id, self.pair.now);
                    self.streams[n][end].reset = true;
                }
            }
            Step::Transmit { end, max } => {
                self.pair.transmit(end, max);
            }
            Step::Deliver { end, count } => {
                self.pair.deliver(end, count);
            }
            Step::Wait { millis } => {
                self.pair.now = self.pair.now + Duration::from_millis(millis);
                for muxer in &mut self.pair.muxers {
                    muxer.handle_timeout(self.pair.now);
                    assert!(muxer.poll_timeout().is_none_or(|deadline| deadline.at > self.pair.now));
                }
            }
        }
    }

    fn open(&mut self, end: usize) {
        let id = self.pair.open(end);
        self.unannounced[end].push_back(self.streams.len());
        let mut sides = [Side::default(), Side::default()];
        sides[end].id = Some(id);
        self.streams.push(sides);
    }

    fn write(&mut self, end: usize, stream: usize, len: usize, max: usize) {
        let Some((n, id)) = self.pick(end, stream) else { return };
        let start = self.streams[n][end].written;
        let data: Vec<u8> = (start..start + len).map(|position| byte(n, end, position)).collect();
        let result = self.pair.write(end, id, &data, max);
        let [side, other] = self.sides(n, end);
        let may_fail = side.closed || side.is_gone() || other.reset;
        match result {
            Ok(written) => {
                assert!(!side.closed && !side.is_gone());
                side.written += written;
            }
            Err(WriteError::Closed) => assert!(may_fail, "stream {n} at {end} is open for writing"),
            Err(WriteError::Blocked) => {}
        }
    }

    fn close(&mut self, end: usize, n: usize) {
        let Some(id) = self.streams[n][end].id else { return };
        self.pair.muxers[end].close_write(id, self.pair.now);
        self.streams[n][end].closed = true;
    }

    /// Returns whether there may be more.
    fn read(&mut self, end: usize, n: usize, max: usize) -> bool {
        let Some(id) = self.streams[n][end].id else { return false };
        let result = self.pair.read(end, id, max);
        let [side, other] = self.sides(n, end);
        match result {
            Ok(bytes) => {
                assert!((1..=max).contains(&bytes.len()) && !side.is_gone());
                for got in bytes {
                    assert_eq!(got, byte(n, 1 - end, side.read), "byte {} of stream {n} to {end}", side.read);
                    side.read += 1;
                }
                return true;
            }
            Err(ReadError::Blocked) => side.waits = true,
            Err(ReadError::Ended) => {
                assert!(
                    other.closed && side.read == other.written && !side.is_gone(),
                    "a cut stream looks whole"
                );
                side.told_end = true;
            }
            Err(ReadError::Closed) => {
                let over = side.told_end && (side.closed || other.reset);
                assert!(side.is_gone() || over, "stream {n} at {end} is gone");
            }
        }
        false
    }

    fn sides(&mut self, n: usize, end: usize) -> [&mut Side; 2] {
        let [first, second] = &mut self.streams[n];
        if end == 0 { [first, second] } else { [second, first] }
    }

    fn take_events(&mut self) {
        for end in BOTH {
            for event in self.pair.events(end) {
                self.take_event(end, event);
            }
        }
    }

    fn take_event(&mut self, end: usize, event: StreamsEvent) {
        if let StreamsEvent::Opened(id) = event {
            let n = self.unannounced[1 - end].pop_front().unwrap();
            self.streams[n][end] = Side { id: Some(id), waits: true, ..Side::default() };
            return;
        }
        let id = event.stream().expect("no limit of streams was reached");
        let n = self.streams.iter().position(|sides| sides[end].id == Some(id)).unwrap();
        let [side, other] = self.sides(n, end);
        assert!(!side.is_gone(), "{event:?} for a stream that is gone");
        match event {
            StreamsEvent::Readable(_) => assert!(std::mem::take(&mut side.waits), "nobody waits"),
            StreamsEvent::Reset(_, ResetCause::Remote) => {
                assert!(other.reset);
                side.told_reset = true;
            }
            StreamsEvent::Reset(..) => {
                side.reset = true;
                side.told_reset = true;
            }
            _ => {}
        }
    }

    /// Closes what is open and reads what there is, until nothing moves any more. Then nothing may be left.
    fn finish(&mut self) {
        let mut moved = true;
        while moved {
            for n in 0..self.streams.len() {
                BOTH.into_iter().for_each(|end| self.close(end, n));
            }
            moved = false;
            for n in 0..self.streams.len() {
                for end in BOTH {
                    while self.read(end, n, usize::MAX) {
                        moved = true;
                    }
                }
            }
            for end in BOTH {
                moved |= self.pair.transmit(end, usize::MAX) + self.pair.deliver(end, usize::MAX) > 0;
                self.take_events();
            }
        }
        self.assert_nothing_is_left();
    }

    fn assert_nothing_is_left(&mut self) {
        assert!(self.unannounced.iter().all(VecDeque::is_empty));
        assert!(self.pair.wires.iter().chain(&self.pair.inputs).all(|left| left.is_empty()));
        for n in 0..self.streams.len() {
            for end in BOTH {
                let [side, other] = self.sides(n, end).map(|side| side.clone());
                if !side.reset && !other.reset {
                    assert!(side.told_end && side.read == other.written, "stream {n} to {end} is not whole");
                }
                let id = side.id.unwrap();
                assert_eq!(
                    self.pair.read(end, id, 1),
                    Err(ReadError::Closed),
                    "stream {n} at {end} is not forgotten"
                );
                assert_eq!(self.pair.write(end, id, b"x", 99), Err(WriteError::Closed));
                assert_eq!(self.pair.muxers[end].poll_timeout(), None);
            }
        }
    }
}
