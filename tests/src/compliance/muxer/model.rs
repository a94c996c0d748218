//! Random runs of two muxers, checked step by step: bytes arrive as they were sent, every stream ends, and nothing is left.
//!
//! A muxer is expected to announce its streams in the order in which they were opened.

use super::MuxerSuite;
use super::pair::{BOTH, Pair};
use peerwork_core::muxer::{ReadError, ResetCause, StreamId, StreamsEvent, WriteError};
use peerwork_core::seed::Seed;
use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

/// One step of a random run. `end` and `stream` choose whose and which; numbers out of range wrap around.
#[derive(Debug, Clone)]
enum Step {
    Open { end: usize },
    Write { end: usize, stream: usize, len: usize, max: usize },
    Read { end: usize, stream: usize, max: usize },
    Close { end: usize, stream: usize },
    Reset { end: usize, stream: usize },
    Transmit { end: usize, max: usize },
    Deliver { end: usize, count: usize },
    Wait { millis: u64 },
}

/// Runs in each case.
const RUNS: usize = 16;

pub(super) fn agrees_with_a_model(suite: &MuxerSuite, case: u64) {
    let mut draw = Seed::reproducible(case).child("model");
    for _ in 0..RUNS {
        let mut pair = suite.pair();
        run(&mut pair, suite.streams(MAX_STREAMS), &mut draw);
    }
}

/// How many streams an end opens in one run.
const MAX_STREAMS: usize = 12;

/// A random run, after which the pair is as it was before.
pub(super) fn run(pair: &mut Pair, max_streams: usize, draw: &mut Seed) {
    let steps = 1 + draw.below(120);
    let mut model = Model { pair, streams: Vec::new(), opened: [0; 2], unannounced: Default::default() };
    for _ in 0..steps {
        let step = draw_step(draw);
        if !matches!(step, Step::Open { end } if model.opened[end] == max_streams) {
            model.step(&step);
        }
        model.take_events();
    }
    model.finish();
}

fn draw_step(draw: &mut Seed) -> Step {
    let mut number = |bound: u64| draw.below(bound) as usize;
    let (kind, end, stream) = (number(26), number(2), number(8));
    match kind {
        0..2 => Step::Open { end },
        2..8 => Step::Write { end, stream, len: number(300), max: 1 + number(199) },
        8..13 => Step::Read { end, stream, max: 1 + number(299) },
        13..15 => Step::Close { end, stream },
        15 => Step::Reset { end, stream },
        16..19 => Step::Transmit { end, max: number(60) },
        19..25 => Step::Deliver { end, count: 1 + number(199) },
        _ => Step::Wait { millis: draw.below(2_000) },
    }
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
    reader_waits: bool,
    writer_waits: bool,
}

impl Side {
    fn is_gone(&self) -> bool {
        self.reset || self.told_reset || (self.closed && self.told_end)
    }
}

/// Two muxers and what must be true of them.
struct Model<'a> {
    pair: &'a mut Pair,
    streams: Vec<[Side; 2]>,
    /// How many streams each end has opened.
    opened: [usize; 2],
    /// Streams that the end opened and the other has not heard of.
    unannounced: [VecDeque<usize>; 2],
}

/// The byte at this position of what `end` sends on this stream.
fn byte(stream: usize, end: usize, position: usize) -> u8 {
    (position * 31 + position / 256 + stream * 7 + end * 3) as u8
}

impl Model<'_> {
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
                    self.pair.reset(end, id);
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
                    let due = muxer.poll_timeout().filter(|deadline| deadline.at <= self.pair.now);
                    assert_eq!(due, None, "a deadline stays in the past");
                }
            }
        }
    }

    fn open(&mut self, end: usize) {
        let id = self.pair.open(end);
        self.opened[end] += 1;
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
                assert!(!side.closed && !side.is_gone(), "stream {n} at {end} is closed for writing");
                side.written += written;
            }
            Err(WriteError::Closed) => assert!(may_fail, "stream {n} at {end} is open for writing"),
            Err(WriteError::Blocked) => side.writer_waits = true,
        }
    }

    fn close(&mut self, end: usize, n: usize) {
        let Some(id) = self.streams[n][end].id else { return };
        self.pair.close(end, id);
        self.streams[n][end].closed = true;
    }

    /// Returns whether there may be more.
    fn read(&mut self, end: usize, n: usize, max: usize) -> bool {
        let Some(id) = self.streams[n][end].id else { return false };
        let result = self.pair.read(end, id, max);
        let [side, other] = self.sides(n, end);
        match result {
            Ok(bytes) => {
                assert!((1..=max).contains(&bytes.len()), "a read of at most {max} gave {}", bytes.len());
                assert!(!side.is_gone(), "stream {n} at {end} is gone");
                for got in bytes {
                    assert_eq!(got, byte(n, 1 - end, side.read), "byte {} of stream {n} to {end}", side.read);
                    side.read += 1;
                }
                return true;
            }
            Err(ReadError::Blocked) => side.reader_waits = true,
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
            let n = self.unannounced[1 - end].pop_front().unwrap_or_else(|| panic!("nobody opened {id:?}"));
            self.streams[n][end] = Side { id: Some(id), reader_waits: true, ..Side::default() };
            return;
        }
        let n = self.streams.iter().position(|sides| sides[end].id == event.stream());
        let n = n.unwrap_or_else(|| panic!("{event:?}, of which end {end} knows nothing"));
        let [side, other] = self.sides(n, end);
        assert!(!side.is_gone(), "{event:?} for a stream that is gone");
        match event {
            StreamsEvent::Readable(_) => assert!(mem::take(&mut side.reader_waits), "no reader waits"),
            StreamsEvent::Writable(_) => assert!(mem::take(&mut side.writer_waits), "no writer waits"),
            StreamsEvent::Reset(_, ResetCause::Remote) => {
                assert!(other.reset, "stream {n} was not reset at {}", 1 - end);
                side.told_reset = true;
            }
            StreamsEvent::Reset(..) => {
                side.reset = true;
                side.told_reset = true;
            }
            StreamsEvent::Opened(_) | StreamsEvent::CanOpen => {}
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
        assert!(self.unannounced.iter().all(VecDeque::is_empty), "a stream was never announced");
        let left = self.pair.wires.iter().chain(&self.pair.inputs).map(|left| left.len()).sum::<usize>();
        assert_eq!(left, 0, "bytes are stuck on the wire");
        for n in 0..self.streams.len() {
            for end in BOTH {
                let [side, other] = self.sides(n, end).map(|side| side.clone());
                if !side.reset && !other.reset {
                    assert!(side.told_end && side.read == other.written, "stream {n} to {end} is not whole");
                }
                let Some(id) = side.id else { panic!("stream {n} is unknown at {end}") };
                let forgotten = self.pair.read(end, id, 1) == Err(ReadError::Closed);
                assert!(forgotten, "stream {n} at {end} is not forgotten");
                assert_eq!(self.pair.write(end, id, b"x", 99), Err(WriteError::Closed));
                assert_eq!(self.pair.muxers[end].poll_timeout(), None, "there is nothing to wait for");
            }
        }
    }
}
