//! Who may write next when the transmit buffer was full.

use crate::muxer::StreamId;
use std::collections::{BTreeSet, VecDeque};

/// How much a stream may write in one turn while others wait.
const TURN_BYTES: usize = 16 * 1024;

/// Streams that were refused room, in the order in which they asked. While some wait, only a stream whose turn has come may
/// write, and only so much; so no stream can starve another. Bounded by the number of streams; owns no memory while nobody waits.
#[derive(Debug, Default)]
pub(super) struct WriteTurns(Option<Box<Turns>>);

#[derive(Debug, Default)]
struct Turns {
    waiting: VecDeque<StreamId>,
    /// The members of `waiting`.
    queued: BTreeSet<StreamId>,
    /// Told to write, and have not yet.
    granted: BTreeSet<StreamId>,
}

impl WriteTurns {
    /// How much of `room` the stream may use now; zero if it must wait. Uses up its turn.
    pub(super) fn allow(&mut self, stream: StreamId, room: usize) -> usize {
        let Some(turns) = &mut self.0 else { return room };
        if room == 0 {
            return 0;
        }
        let has_turn = turns.granted.remove(&stream);
        let is_alone = turns.queued.is_empty() && turns.granted.is_empty();
        self.free_if_empty();
        match (has_turn, is_alone) {
            (_, true) => room,
            (true, false) => room.min(TURN_BYTES),
            (false, false) => 0,
        }
    }

    /// Nothing waits for the socket: turns that were not used lapse.
    pub(super) fn restart(&mut self) {
        if let Some(turns) = &mut self.0 {
            turns.granted.clear();
            self.free_if_empty();
        }
    }

    /// Puts `stream` at the end of the line, unless it stands in it.
    pub(super) fn wait(&mut self, stream: StreamId) {
        let turns = self.0.get_or_insert_default();
        if turns.queued.insert(stream) {
            turns.waiting.push_back(stream);
        }
    }

    /// The stream whose turn it is.
    pub(super) fn next(&mut self) -> Option<StreamId> {
        let turns = self.0.as_mut()?;
        let stream = turns.waiting.pop_front()?;
        turns.queued.remove(&stream);
        turns.granted.insert(stream);
        Some(stream)
    }

    /// The stream is gone.
    pub(super) fn forget(&mut self, stream: StreamId) {
        if let Some(turns) = &mut self.0 {
            // Its place in the line goes too, or a peer could make it grow with streams that come and go while one waits.
            if turns.queued.remove(&stream) {
                turns.waiting.retain(|waiting| *waiting != stream);
            }
            turns.granted.remove(&stream);
            self.free_if_empty();
        }
    }

    fn free_if_empty(&mut self) {
        if self.0.as_ref().is_some_and(|turns| turns.queued.is_empty() && turns.granted.is_empty()) {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greedy_stream_waits_for_its_turn() {
        let (greedy, patient) = (StreamId(1), StreamId(2));
        let mut turns = WriteTurns::default();
        assert_eq!(turns.allow(greedy, 100_000), 100_000);
        turns.wait(greedy);
        turns.wait(patient);
        turns.wait(patient);
        assert_eq!((turns.next(), turns.next(), turns.next()), (Some(greedy), Some(patient), None));
        assert_eq!(turns.allow(greedy, 100_000), TURN_BYTES);
        assert_eq!(turns.allow(greedy, 100_000), 0, "its turn is used up and another has one");
        turns.wait(greedy);
        assert_eq!(turns.allow(patient, 100), 100);
        assert_eq!(turns.allow(patient, 100), 0, "now the greedy one waits");
        turns.forget(greedy);
        assert_eq!(turns.next(), None);
        assert_eq!(turns.allow(patient, 100), 100);
    }

    #[test]
    fn streams_that_come_and_go_leave_nothing_in_the_line() {
        let mut turns = WriteTurns::default();
        turns.wait(StreamId(0));
        for stream in (1..9).map(StreamId) {
            turns.wait(stream);
            turns.forget(stream);
        }
        assert_eq!(turns.0.as_ref().map(|turns| turns.waiting.len()), Some(1));
        assert_eq!((turns.next(), turns.next()), (Some(StreamId(0)), None));
    }

    #[test]
    fn a_turn_that_is_not_used_lapses() {
        let (idle, busy) = (StreamId(1), StreamId(2));
        let mut turns = WriteTurns::default();
        turns.wait(idle);
        assert_eq!(turns.next(), Some(idle));
        assert_eq!(turns.allow(busy, 9), 0);
        turns.restart();
        assert_eq!(turns.allow(busy, 9), 9);
    }
}
