//! The bytes below: room, chunks, the end, and what makes no sense.

use super::MuxerSuite;
use super::pair::Pair;
use bytes::BytesMut;
use peerwork_core::machine::{Blame, Close, End};
use peerwork_core::muxer::{
    MIN_FRAME_ROOM, MuxerError, OpenError, ReadError, StreamId, StreamsEvent, WriteError,
};
use peerwork_core::seed::Seed;

pub(super) fn makes_progress_in_little_room(suite: &MuxerSuite) {
    for max in [1, 2, 5, 13, MIN_FRAME_ROOM, 200] {
        let mut pair = suite.pair();
        let id = pair.open(0);
        let payload = [7; 1_000];
        let mut sent = 0;
        for calls in 0.. {
            if sent == payload.len() {
                break;
            }
            assert!(calls < payload.len() + 16, "a call with room for {max} bytes must get something done");
            match pair.write(0, id, &payload[sent..], max) {
                Ok(written) => sent += written,
                Err(error) => panic!("writing with room for {max} bytes gave: {error}"),
            }
        }
        pair.close(0, id);
        while pair.transmit(0, max) > 0 {}
        pair.settle();
        let accepted = pair.accepted(1);
        assert_eq!(accepted.len(), 1, "the stream was not announced");
        assert_eq!(pair.read_all(1, accepted[0]), (payload.to_vec(), ReadError::Ended));
    }
}

pub(super) fn keeps_within_the_room_given(suite: &MuxerSuite) {
    let (count, written) = (suite.streams(50), suite.streams(50) / 2);
    for max in [5, 9, 13, MIN_FRAME_ROOM, 100] {
        let mut pair = suite.pair();
        let ids: Vec<_> = (0..count).map(|_| pair.open(0)).collect();
        for id in &ids[count - written..] {
            while pair.write(0, *id, b"x", max) == Ok(0) {}
        }
        while pair.transmit(0, max) > 0 {}
        pair.settle();
        let events = pair.events(1);
        let opened = events.iter().filter(|event| matches!(event, StreamsEvent::Opened(_))).count();
        let readable = events.iter().filter(|event| matches!(event, StreamsEvent::Readable(_))).count();
        assert_eq!((opened, readable), (count, written), "with room for {max} bytes");
    }
}

/// What end 0 sends while it uses everything once.
fn recording(suite: &MuxerSuite) -> BytesMut {
    let mut pair = suite.pair();
    let ids: Vec<_> = (0..suite.streams(4)).map(|_| pair.open(0)).collect();
    for (n, id) in ids.iter().enumerate() {
        pair.write_all(0, *id, &[n as u8; 90]);
    }
    pair.reset(0, ids[0]);
    pair.close(0, ids[1]);
    if let Some(id) = ids.get(2) {
        pair.write_all(0, *id, b"more");
    }
    while pair.transmit(0, usize::MAX) > 0 {}
    pair.wires[0].split()
}

pub(super) fn is_blind_to_chunks(suite: &MuxerSuite) {
    let recording = recording(suite);
    let outcome = |chunk: usize| {
        let mut pair = suite.pair();
        let mut events = Vec::new();
        for piece in recording.chunks(chunk) {
            pair.wires[0].extend_from_slice(piece);
            assert_eq!(pair.deliver(1, usize::MAX), piece.len(), "input is not taken whole");
            events.extend(pair.events(1));
        }
        let read: Vec<_> = opened(&events).into_iter().map(|id| pair.read_all(1, id)).collect();
        (events, read)
    };
    let whole = outcome(usize::MAX);
    assert_eq!(whole.1.len(), suite.streams(4), "not every stream was announced");
    for chunk in 1..20 {
        assert!(outcome(chunk) == whole, "chunks of {chunk} bytes make a difference");
    }
}

fn opened(events: &[StreamsEvent]) -> Vec<StreamId> {
    let opened = |event: &_| if let StreamsEvent::Opened(id) = event { Some(*id) } else { None };
    events.iter().filter_map(opened).collect()
}

pub(super) fn survives_the_end_at_every_byte(suite: &MuxerSuite) {
    let recording = recording(suite);
    for end in 0..=recording.len() {
        let mut pair = suite.pair();
        pair.wires[0].extend_from_slice(&recording[..end]);
        pair.deliver(1, usize::MAX);
        pair.muxers[1].handle_end(End::Closed, pair.now);
        let closed_by_peer =
            opened(&pair.events(1)).into_iter().filter(|id| reads_to_the_end(&mut pair, *id));
        assert!(closed_by_peer.count() <= 1, "after {end} bytes a cut stream looks whole");
    }
}

/// Whether the stream of the dead end 1 ended in order.
fn reads_to_the_end(pair: &mut Pair, id: StreamId) -> bool {
    let (_, last) = pair.read_all(1, id);
    assert_ne!(last, ReadError::Blocked, "a reader of {id:?} would wait for ever");
    assert_eq!(pair.read(1, id, 1), Err(ReadError::Closed), "{id:?} is not forgotten");
    last == ReadError::Ended
}

pub(super) fn tells_a_cut_stream_from_a_whole_one(suite: &MuxerSuite) {
    for how in [End::Closed, End::Failed] {
        for (whole, last) in [(true, ReadError::Ended), (false, ReadError::Closed)] {
            let mut pair = suite.pair();
            let ids = pair.connect();
            pair.write_all(0, ids[0], b"and then");
            if whole {
                pair.close(0, ids[0]);
            }
            pair.settle();
            pair.muxers[1].handle_end(how, pair.now);
            assert_eq!(pair.events(1), [StreamsEvent::Readable(ids[1])]);
            assert_eq!(pair.read_all(1, ids[1]), (b"and then".to_vec(), last), "closed before: {whole}");
            assert_eq!(pair.read(1, ids[1], 1), Err(ReadError::Closed));
            assert_eq!(pair.write(1, ids[1], b"x", usize::MAX), Err(WriteError::Closed));
            assert_eq!(pair.muxers[1].open_stream(pair.now), Err(OpenError::Closed));
            let close = if how == End::Closed { Close::Flush } else { Close::Now };
            assert_eq!(pair.muxers[1].poll_close(), Some(close));
            assert_eq!(pair.muxers[1].handle_input(&mut BytesMut::new(), pair.now), Err(MuxerError::Ended));
        }
    }
}

pub(super) fn wakes_a_reader_at_the_end(suite: &MuxerSuite) {
    for how in [End::Closed, End::Failed] {
        let mut pair = suite.pair();
        let ids = pair.connect();
        pair.muxers[1].handle_end(how, pair.now);
        assert_eq!(pair.events(1), [StreamsEvent::Readable(ids[1])]);
        pair.reset(1, ids[1]);
        assert_eq!(pair.transmit(1, usize::MAX), 0, "nothing is sent for a stream of a dead connection");
    }
}

pub(super) fn survives_garbage(suite: &MuxerSuite, case: u64) {
    let mut draw = Seed::reproducible(case).child("garbage");
    let recording = recording(suite);
    for _ in 0..20 {
        let mut garbage = vec![0; 1 + draw.below(600) as usize];
        draw.fill(&mut garbage);
        if draw.below(2) == 0 {
            let sense = &recording[..draw.below(recording.len() as u64) as usize];
            garbage = [sense, &garbage].concat();
        }
        offer(suite, &garbage, 1 + draw.below(100) as usize);
    }
}

pub(super) fn survives_any_flipped_bit(suite: &MuxerSuite, case: u64) {
    let recording = recording(suite);
    for at in 0..recording.len() {
        let mut spoilt = recording.to_vec();
        // Eight cases in a row flip every bit there is.
        spoilt[at] ^= 1 << ((at as u64 + case) % 8);
        offer(suite, &spoilt, usize::MAX);
    }
}

/// Offers bytes that may make no sense to end 1, and checks how it takes them.
fn offer(suite: &MuxerSuite, bytes: &[u8], chunk: usize) {
    let mut pair = suite.pair();
    let mut events = Vec::new();
    for piece in bytes.chunks(chunk) {
        let mut input = BytesMut::from(piece);
        if let Err(error) = pair.muxers[1].handle_input(&mut input, pair.now) {
            assert!(matches!(error.blame(), Blame::Peer | Blame::Limit), "it blames nobody: {error}");
            expect_dead(&mut pair, &error);
            break;
        }
        assert!(input.is_empty() || !pair.muxers[1].wants_input(), "input is not taken whole");
        pair.transmit(1, usize::MAX);
        events.extend(pair.events(1));
    }
    pair.muxers[1].handle_end(End::Failed, pair.now);
    events.extend(pair.events(1));
    for id in opened(&events) {
        reads_to_the_end(&mut pair, id);
    }
}

/// End 1 died of `error`, and stays dead.
fn expect_dead(pair: &mut Pair, error: &MuxerError) {
    let muxer = &mut pair.muxers[1];
    assert!(muxer.poll_close().is_some(), "a dead muxer keeps the connection");
    assert!(!muxer.wants_input(), "a dead muxer wants input");
    let mut more = BytesMut::from(&b"more"[..]);
    assert_eq!(muxer.handle_input(&mut more, pair.now).as_ref(), Err(error), "the error is for good");
    assert_eq!(more, "more", "a dead muxer takes nothing");
    assert_eq!(muxer.open_stream(pair.now), Err(OpenError::Closed));
}
