//! Readers that do not read, and streams too many.

use super::pair::{BOTH, Pair};
use super::{MuxerSuite, StreamLimits};
use peerwork_core::muxer::{OpenError, ReadError, StreamId, StreamsEvent, WriteError};

const CHUNK: [u8; 16 * 1024] = [42; 16 * 1024];

/// What stopped a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// It was told to wait.
    Blocked,
    /// The other end takes no input.
    InputRefused,
    /// The stream was reset.
    Reset,
}

/// Writes from end 0 to a stream that nobody reads. Returns how much, and what stopped it.
fn write_until_stopped(suite: &MuxerSuite, pair: &mut Pair, ids: [StreamId; 2]) -> (usize, Stop) {
    let mut sent = 0;
    loop {
        match pair.write(0, ids[0], &CHUNK, usize::MAX) {
            Ok(count) => sent += count,
            Err(WriteError::Blocked) => return (sent, Stop::Blocked),
            Err(WriteError::Closed) => return (sent, Stop::Reset),
        }
        pair.settle();
        if !pair.inputs[1].is_empty() {
            return (sent, Stop::InputRefused);
        }
        assert!(sent <= suite.max_unread_bytes, "{sent} bytes were taken for a stream that nobody reads");
    }
}

pub(super) fn holds_back_a_fast_writer(suite: &MuxerSuite) {
    let mut pair = suite.pair();
    let ids = pair.connect();
    let (sent, stop) = write_until_stopped(suite, &mut pair, ids);
    let (received, last) = pair.drain(1, ids[1]);
    match stop {
        Stop::Reset => assert_eq!(last, ReadError::Closed, "a stream that was reset gives nothing more"),
        Stop::Blocked | Stop::InputRefused => {
            assert_eq!((received.len(), last), (sent, ReadError::Blocked), "what was taken arrives");
        }
    }
    if stop != Stop::Reset {
        assert_eq!(pair.carry(0, ids, b"go on"), b"go on", "a stream that is read again goes on");
    }
}

pub(super) fn tells_a_blocked_writer_to_go_on(suite: &MuxerSuite) {
    let mut pair = suite.pair();
    let ids = pair.connect();
    let (sent, Stop::Blocked) = write_until_stopped(suite, &mut pair, ids) else { return };
    assert_eq!(pair.write(0, ids[0], &CHUNK, usize::MAX), Err(WriteError::Blocked), "nothing has changed");
    pair.settle();
    assert_eq!(pair.events(0), [], "nothing has been read");
    let (received, _) = pair.drain(1, ids[1]);
    assert_eq!(received.len(), sent);
    assert_eq!(pair.events(0), [StreamsEvent::Writable(ids[0])], "a writer that waits is told, once");
    assert!(matches!(pair.write(0, ids[0], &CHUNK, usize::MAX), Ok(1..)), "it was told that it can write");

    // The end of the connection, or of the stream, ends the waiting too.
    let (_, Stop::Blocked) = write_until_stopped(suite, &mut pair, ids) else { return };
    pair.reset(1, ids[1]);
    pair.settle();
    assert!(matches!(pair.events(0).last(), Some(StreamsEvent::Reset(..))), "a writer waits for ever");
    assert_eq!(pair.write(0, ids[0], b"x", usize::MAX), Err(WriteError::Closed));
}

pub(super) fn lets_a_blocked_writer_end(suite: &MuxerSuite) {
    let mut pair = suite.pair();
    let ids = pair.connect();
    let (sent, Stop::Blocked) = write_until_stopped(suite, &mut pair, ids) else { return };
    pair.close(0, ids[0]);
    let (received, last) = pair.drain(1, ids[1]);
    assert_eq!((received.len(), last), (sent, ReadError::Ended), "what was taken arrives, and the end");
    assert_eq!(pair.events(0), [], "who has ended waits for nothing");
}

pub(super) fn keeps_unread_streams_from_the_others(suite: &MuxerSuite) {
    if !suite.isolates_streams {
        return;
    }
    let mut pair = suite.pair();
    let unread = pair.connect();
    let other = pair.connect();
    let (_, stop) = write_until_stopped(suite, &mut pair, unread);
    assert_ne!(stop, Stop::InputRefused, "an unread stream holds up the whole connection");
    for end in BOTH {
        let payload = [end as u8; 300_000];
        let mut received = pair.carry(end, other, &payload);
        received.extend(pair.drain(1 - end, other[1 - end]).0);
        assert!(received == payload, "another stream lost bytes");
    }
}

pub(super) fn keeps_to_its_limits_of_streams(suite: &MuxerSuite) {
    let Some(limits) = suite.limits else { return };
    if limits.outbound > limits.inbound {
        refuses_inbound(suite, limits);
    } else {
        blocks_outbound(suite, limits);
    }
}

fn blocks_outbound(suite: &MuxerSuite, limits: StreamLimits) {
    let mut pair = suite.pair();
    let ids: Vec<_> = (0..limits.outbound).map(|_| pair.open(0)).collect();
    for _ in 0..2 {
        assert_eq!(pair.muxers[0].open_stream(pair.now), Err(OpenError::Blocked), "over the limit");
    }
    pair.settle();
    assert_eq!(pair.events(0), [], "nothing has ended");
    for (id, graceful) in ids.into_iter().zip([true, false]) {
        if graceful {
            end_in_order(&mut pair, id);
        } else {
            pair.reset(0, id);
            pair.settle();
        }
        let events = pair.events(0);
        assert_eq!(events.last(), Some(&StreamsEvent::CanOpen), "there is room for another: {events:?}");
        assert_eq!(events.iter().filter(|event| **event == StreamsEvent::CanOpen).count(), 1);
        pair.open(0);
        assert_eq!(pair.muxers[0].open_stream(pair.now), Err(OpenError::Blocked), "over the limit again");
    }
}

/// Ends a stream that end 0 opened and that end 1 may not have looked at.
fn end_in_order(pair: &mut Pair, id: StreamId) {
    pair.close(0, id);
    pair.settle();
    for accepted in pair.accepted(1) {
        if pair.read(1, accepted, 1) == Err(ReadError::Ended) {
            pair.close(1, accepted);
        }
    }
    assert_eq!(pair.drain(0, id), (vec![], ReadError::Ended));
}

fn refuses_inbound(suite: &MuxerSuite, limits: StreamLimits) {
    let mut pair = suite.pair();
    let ids: Vec<_> = (0..limits.inbound + 1).map(|_| pair.open(0)).collect();
    pair.settle();
    let accepted = pair.accepted(1);
    assert_eq!(accepted.len(), limits.inbound, "so many streams are accepted");
    let events = pair.events(0);
    let [StreamsEvent::Reset(refused, _)] = events[..] else {
        panic!("the opener of one stream too many is told that it was reset, not {events:?}");
    };
    let kept: Vec<_> = ids.into_iter().filter(|id| *id != refused).collect();
    pair.write_all(0, kept[0], b"still here");
    pair.settle();
    let arrived = accepted.iter().filter(|id| pair.read_all(1, **id).0 == b"still here").count();
    assert_eq!(arrived, 1, "the others live on");

    pair.reset(0, kept[0]);
    pair.open(0);
    pair.settle();
    assert_eq!(pair.accepted(1).len(), 1, "when a stream has ended there is room for another");
    assert_eq!(pair.events(0), []);
}
