//! The life of streams.

use super::MuxerSuite;
use super::pair::{BOTH, Pair};
use peerwork_core::muxer::{ReadError, ResetCause, StreamId, StreamsEvent, WriteError};
use peerwork_core::seed::Seed;
use std::collections::BTreeSet;

pub(super) fn carries_both_ways_and_forgets(suite: &MuxerSuite) {
    let mut pair = suite.pair();
    let ids = pair.connect();
    let payload: Vec<u8> = (0..200_000_u32).map(|n| (n / 7) as u8).collect();
    for end in BOTH {
        let mut received = pair.carry(end, ids, &payload);
        pair.close(end, ids[end]);
        pair.close(end, ids[end]);
        assert_eq!(pair.write(end, ids[end], b"late", usize::MAX), Err(WriteError::Closed), "after a close");
        let (rest, last) = pair.drain(1 - end, ids[1 - end]);
        received.extend(rest);
        assert!(received == payload, "{} bytes of {} came, or others", received.len(), payload.len());
        assert_eq!(last, ReadError::Ended);
    }
    pair.expect_forgotten(ids);
    for muxer in &mut pair.muxers {
        assert_eq!(muxer.poll_timeout(), None, "there is nothing to wait for");
        assert_eq!(muxer.poll_close(), None, "the connection goes on");
    }
}

/// What end `end` writes to its stream number `number`.
fn payload(end: usize, number: usize) -> Vec<u8> {
    vec![(2 * number + end) as u8; 10 + 7 * number]
}

pub(super) fn carries_many_streams_at_once(suite: &MuxerSuite, case: u64) {
    let mut draw = Seed::reproducible(case);
    let mut pair = suite.pair();
    let count = suite.streams(50);
    let opened = BOTH.map(|end| (0..count).map(|_| pair.open(end)).collect::<Vec<_>>());
    let mut to_write: Vec<_> = BOTH.into_iter().flat_map(|end| (0..count).map(move |n| (end, n))).collect();
    while !to_write.is_empty() {
        let (end, number) = to_write.swap_remove(draw.below(to_write.len() as u64) as usize);
        pair.write_all(end, opened[end][number], &payload(end, number));
        pair.close(end, opened[end][number]);
        if draw.below(4) == 0 {
            pair.settle();
        }
    }
    pair.settle();
    for end in BOTH {
        let accepted = pair.accepted(end);
        assert_eq!(accepted.len(), count, "end {end} was not told of every stream");
        let mut expected: BTreeSet<_> = (0..count).map(|number| payload(1 - end, number)).collect();
        for id in accepted {
            let (bytes, last) = pair.drain(end, id);
            assert_eq!(last, ReadError::Ended);
            assert!(expected.remove(&bytes), "{} bytes on {id:?} are not those of any stream", bytes.len());
            pair.close(end, id);
        }
    }
    pair.settle();
    for end in BOTH {
        for id in &opened[end] {
            assert_eq!(pair.drain(end, *id), (vec![], ReadError::Ended));
            assert_eq!(pair.read(end, *id, 1), Err(ReadError::Closed), "not forgotten");
        }
    }
}

pub(super) fn carries_behind_a_half_close(suite: &MuxerSuite) {
    for end in BOTH {
        let other = 1 - end;
        let mut pair = suite.pair();
        let ids = pair.connect();
        pair.close(end, ids[end]);
        pair.settle();
        assert_eq!(pair.events(other), [StreamsEvent::Readable(ids[other])], "a reader learns of the end");
        assert_eq!(pair.read(other, ids[other], 1), Err(ReadError::Ended));
        let answer = pair.carry(other, ids, b"answer");
        assert_eq!(answer, b"answer");
        assert_eq!(pair.read(end, ids[end], 1), Err(ReadError::Blocked));
    }
}

pub(super) fn closes_from_both_ends_at_once(suite: &MuxerSuite) {
    let mut pair = suite.pair();
    let ids = pair.connect();
    for end in BOTH {
        pair.write_all(end, ids[end], b"last words");
        pair.close(end, ids[end]);
    }
    pair.settle();
    for end in BOTH {
        assert_eq!(pair.read_all(end, ids[end]), (b"last words".to_vec(), ReadError::Ended));
    }
    pair.expect_forgotten(ids);
}

pub(super) fn tells_of_a_reset(suite: &MuxerSuite) {
    for end in BOTH {
        for half_closed in [false, true] {
            let other = 1 - end;
            let mut pair = suite.pair();
            let ids = pair.connect();
            if half_closed {
                pair.close(other, ids[other]);
                pair.settle();
            }
            pair.events(end);
            pair.write_all(end, ids[end], b"lost");
            pair.reset(end, ids[end]);
            pair.settle();
            assert_eq!(pair.events(end), [], "whoever resets a stream is not told");
            let reset = StreamsEvent::Reset(ids[other], ResetCause::Remote);
            assert_eq!(pair.events(other).last(), Some(&reset), "the other end is told");
            pair.expect_forgotten(ids);
        }
    }
}

pub(super) fn resets_from_both_ends_at_once(suite: &MuxerSuite) {
    let mut pair = suite.pair();
    let ids = pair.connect();
    for end in BOTH {
        pair.reset(end, ids[end]);
    }
    pair.settle();
    for end in BOTH {
        assert_eq!(pair.events(end), [], "both know");
    }
    pair.expect_forgotten(ids);
    expect_to_work(&mut pair);
}

pub(super) fn drops_what_arrives_for_a_stream_that_was_reset(suite: &MuxerSuite) {
    for end in BOTH {
        let mut pair = suite.pair();
        let ids = pair.connect();
        pair.write_all(end, ids[end], &[1; 5_000]);
        pair.close(end, ids[end]);
        pair.transmit(end, usize::MAX);
        pair.reset(1 - end, ids[1 - end]);
        pair.settle();
        assert_eq!(pair.events(1 - end), []);
        pair.events(end);
        pair.reset(end, ids[end]);
        pair.settle();
        pair.expect_forgotten(ids);
        expect_to_work(&mut pair);
    }
}

/// The connection carries a fresh stream.
fn expect_to_work(pair: &mut Pair) {
    let ids = pair.connect();
    assert_eq!(pair.carry(1, ids, b"still here"), b"still here");
}

pub(super) fn wakes_a_reader_once(suite: &MuxerSuite) {
    let mut pair = suite.pair();
    let ids = pair.connect();
    for _ in 0..3 {
        pair.write_all(0, ids[0], b"one");
        pair.settle();
    }
    assert_eq!(pair.events(1), [StreamsEvent::Readable(ids[1])], "a reader waits once");
    assert_eq!(pair.read(1, ids[1], 2).map(|bytes| bytes.len()), Ok(2), "a read gives at most its max");
    pair.write_all(0, ids[0], b"two");
    pair.settle();
    assert_eq!(pair.events(1), [], "nobody waits");
    assert_eq!(pair.read_all(1, ids[1]), (b"eoneonetwo".to_vec(), ReadError::Blocked));
}

pub(super) fn knows_no_other_streams(suite: &MuxerSuite) {
    let mut pair = suite.pair();
    let id = StreamId(77);
    for end in BOTH {
        assert_eq!(pair.read(end, id, 1), Err(ReadError::Closed));
        assert_eq!(pair.write(end, id, b"x", usize::MAX), Err(WriteError::Closed));
        pair.close(end, id);
        pair.reset(end, id);
        assert_eq!(pair.transmit(end, usize::MAX), 0, "nothing is sent for a stream that does not exist");
        assert_eq!(pair.events(end), []);
    }
    expect_to_work(&mut pair);
}

pub(super) fn never_uses_an_id_again(suite: &MuxerSuite) {
    let mut pair = suite.pair();
    let mut seen = BOTH.map(|_| BTreeSet::new());
    for round in 0..20 {
        let ids = pair.connect();
        for end in BOTH {
            assert!(seen[end].insert(ids[end]), "end {end} gave {:?} to a second stream", ids[end]);
        }
        pair.reset(round % 2, ids[round % 2]);
        pair.settle();
        BOTH.into_iter().for_each(|end| drop(pair.events(end)));
    }
}
