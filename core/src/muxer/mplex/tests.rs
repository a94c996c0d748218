mod foreign;
mod limits;

use super::codec::{self, Control, MAX_NUMBER, OurNumber, Received, TheirNumber, WireId};
use super::session::Session;
use super::*;
use crate::machine::{Close, End, Layer};
use crate::muxer::{MuxerError, OpenError, ReadError, ResetCause, StreamId, StreamsEvent, WriteError};
use bytes::BytesMut;
use data_encoding::HEXLOWER;
use proptest::prelude::*;

const NOW: Instant = Instant::ORIGIN;

/// The first stream of a connection, the second, and so on, whoever opened it.
const FIRST: StreamId = StreamId(0);
const SECOND: StreamId = StreamId(1);

fn session(config: Mplex) -> Session {
    Session::new(config, NOW)
}

fn hex(hex: &str) -> BytesMut {
    HEXLOWER.decode(hex.as_bytes()).unwrap().as_slice().into()
}

/// A frame as the remote sends it. Flags are 0 new stream; 1, 3, 5 data, close, reset for a stream that we opened; 2, 4, 6 for one
/// that the remote opened.
fn frame(number: u64, flag: u64, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    crate::wire::varint::encode(number << 3 | flag, &mut out);
    crate::wire::frame::encode(body, &mut out);
    out
}

/// A session that was offered these frames and took them whole.
fn after(config: Mplex, frames: &[BytesMut]) -> Session {
    let mut session = session(config);
    offer(&mut session, &frames.concat());
    session
}

fn offer(session: &mut Session, bytes: &[u8]) {
    let mut input = BytesMut::from(bytes);
    session.handle_input(&mut input, NOW).unwrap();
    assert_eq!(input, "", "input is taken whole");
}

fn events(session: &mut Session) -> Vec<StreamsEvent> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

fn transmit(session: &mut Session) -> BytesMut {
    let mut out = BytesMut::new();
    session.poll_transmit(&mut out, usize::MAX, NOW);
    out
}

fn read(session: &mut Session, id: StreamId) -> Result<Vec<u8>, ReadError> {
    session.read(id, usize::MAX, NOW).map(Into::into)
}

fn read_all(session: &mut Session, id: StreamId) -> (Vec<u8>, ReadError) {
    let mut all = Vec::new();
    loop {
        match read(session, id) {
            Ok(bytes) => all.extend(bytes),
            Err(error) => return (all, error),
        }
    }
}

fn write(session: &mut Session, id: StreamId, data: &[u8]) -> Result<BytesMut, WriteError> {
    let mut out = BytesMut::new();
    session.write(id, data, &mut out, usize::MAX, NOW)?;
    Ok(out)
}

fn ours(number: u64) -> WireId {
    WireId::Ours(OurNumber::at(number))
}

fn theirs(number: u64) -> WireId {
    WireId::Theirs(TheirNumber::at(number))
}

// The wire.

#[test]
fn control_frames_of_the_reference() {
    let table = [
        (Control::Open(OurNumber::FIRST), "000130"),
        (Control::Open(OurNumber::at(17)), "8801023137"),
        (Control::Close(theirs(17)), "8b0100"),
        (Control::Close(ours(17)), "8c0100"),
        (Control::Reset(theirs(17)), "8d0100"),
        (Control::Reset(ours(17)), "8e0100"),
    ];
    for (control, bytes) in table {
        let mut out = BytesMut::new();
        control.encode(&mut out);
        assert_eq!(out, hex(bytes), "{control:?}");
        assert_eq!(control.len(), out.len(), "{control:?}");
    }
}

#[test]
fn headers_of_the_reference() {
    let table = [
        ("0001", Received::Open(TheirNumber::at(0)), 1),
        ("0000", Received::Open(TheirNumber::at(0)), 0),
        ("880102", Received::Open(TheirNumber::at(17)), 2),
        ("890105", Received::Data(ours(17)), 5),
        ("8a0105", Received::Data(theirs(17)), 5),
        ("8b0100", Received::Close(ours(17)), 0),
        ("8c0100", Received::Close(theirs(17)), 0),
        ("8d0100", Received::Reset(ours(17)), 0),
        ("8e0100", Received::Reset(theirs(17)), 0),
        ("faffffffffffffff7f00", Received::Data(theirs(MAX_NUMBER)), 0),
        ("02808040", Received::Data(theirs(0)), MAX_PAYLOAD_BYTES),
    ];
    for (bytes, received, len) in table {
        for chunk in 1..=bytes.len() / 2 {
            let mut decoder = codec::HeaderDecoder::default();
            let mut input = BytesMut::new();
            let mut header = None;
            for piece in hex(bytes).chunks(chunk) {
                assert_eq!(header, None, "{bytes}");
                input.extend_from_slice(piece);
                header = decoder.decode(&mut input).unwrap();
                assert_eq!(input, "", "{bytes}");
            }
            assert_eq!(header, Some(codec::Header { received, len }), "{bytes}");
        }
    }
}

#[test]
fn our_numbers_end() {
    let last = OurNumber::at(MAX_NUMBER);
    assert_eq!(OurNumber::FIRST.next(), Some(OurNumber::at(1)));
    assert_eq!(OurNumber::at(MAX_NUMBER - 1).next(), Some(last));
    assert_eq!(last.next(), None);
}

#[test]
fn streams_on_the_wire() {
    let mut session = session(Mplex::default());
    for n in 0..17 {
        session.open_stream(NOW).unwrap();
        session.reset(StreamId(n), NOW);
    }
    transmit(&mut session);
    let ours = session.open_stream(NOW).unwrap();
    assert_eq!(write(&mut session, ours, b"hello"), Ok(hex("88010231378a010568656c6c6f")));
    offer(&mut session, &hex("880100"));
    let Some(StreamsEvent::Opened(theirs)) = session.poll_event() else { panic!("not opened") };
    assert_eq!(write(&mut session, theirs, b"hello"), Ok(hex("89010568656c6c6f")));
    offer(&mut session, &hex("89010568656c6c6f"));
    assert_eq!(read(&mut session, ours), Ok(b"hello".to_vec()));
    offer(&mut session, &hex("8a010568656c6c6f"));
    assert_eq!(read(&mut session, theirs), Ok(b"hello".to_vec()));
}

proptest! {
    #[test]
    fn frames_fit_into_their_room(number in 0..=MAX_NUMBER, shift in 0_u32..60, room in 1_usize..3_000_000, remote: bool) {
        let number = number >> shift;
        let id = if remote { theirs(number) } else { ours(number) };
        let len = codec::payload_room(id, room).min(MAX_PAYLOAD_BYTES);
        let mut out = BytesMut::new();
        codec::encode_data(id, &vec![0; len], &mut out);
        prop_assert!(len == 0 || out.len() <= room);
        prop_assert!(len == MAX_PAYLOAD_BYTES || room < 13 || out.len() + 2 >= room, "room is used");
        for control in [Control::Open(OurNumber::at(number)), Control::Close(id), Control::Reset(id)] {
            out.clear();
            control.encode(&mut out);
            prop_assert_eq!(control.len(), out.len());
        }
    }
}

#[test]
fn writes_are_cut_at_the_limit() {
    for (limit, expected) in [(0, 1), (10, 10), (usize::MAX, MAX_PAYLOAD_BYTES)] {
        let mut session = session(Mplex { max_send_payload_bytes: limit, ..Mplex::default() });
        let id = session.open_stream(NOW).unwrap();
        let written = session.write(id, &vec![0; 3 << 20], &mut BytesMut::new(), usize::MAX, NOW);
        assert_eq!(written, Ok(expected));
    }
    let mut session = session(Mplex::default());
    let id = session.open_stream(NOW).unwrap();
    transmit(&mut session);
    assert_eq!(write(&mut session, id, &[0; 100_000]).unwrap().len(), 65_524 + 4);
    assert_eq!(write(&mut session, id, &[]).unwrap(), "", "no frame for nothing");
}

// Bad input.

#[test]
fn bad_input() {
    let malformed = |reason| MuxerError::Malformed { protocol: "mplex", reason };
    let too_large = |len| MuxerError::TooLarge { protocol: "mplex", len, max: 1_048_576 };
    let violation = |reason| MuxerError::Violation { protocol: "mplex", reason };
    let long = "a varint is longer than 9 bytes";
    let minimal = "a varint is not in its shortest form";
    let in_use = "a new stream has the number of an open one";
    let table = [
        ("flag 7", "8f01", malformed("the flag 7 has no meaning")),
        ("flag 7, whole", "8f0100", malformed("the flag 7 has no meaning")),
        ("endless number", "808080808080808080", malformed(long)),
        ("number not minimal", "8000", malformed(minimal)),
        ("endless length", "02ffffffffffffffffff", malformed(long)),
        ("length not minimal", "028100", malformed(minimal)),
        ("one byte too long", "02818040", too_large(1_048_577)),
        ("name too long", "00818040", too_large(1_048_577)),
        ("body of a close too long", "04818040", too_large(1_048_577)),
        ("longest length", "02ffffffffffffffff7f", too_large((1 << 63) - 1)),
        ("number in use", "00000000", violation(in_use)),
        ("number in use, half closed", "000004000000", violation(in_use)),
        ("number in use, with bytes", "000002017800013000", violation(in_use)),
    ];
    for (what, bytes, error) in table {
        let bytes = hex(bytes);
        for chunk in 1..=bytes.len() {
            let mut session = session(Mplex::default());
            let outcome =
                bytes.chunks(chunk).find_map(|piece| session.handle_input(&mut piece.into(), NOW).err());
            assert_eq!(outcome.as_ref(), Some(&error), "{what}");
            assert_eq!(session.poll_close(), Some(Close::Now), "{what}");
            assert!(!session.wants_input(), "{what}");
            let mut more = frame(5, 0, b"");
            assert_eq!(session.handle_input(&mut more, NOW), Err(error.clone()), "{what}: dead means dead");
            session.handle_end(End::Closed, NOW);
            assert_eq!(session.handle_input(&mut more, NOW), Err(error.clone()), "{what}: dead means dead");
            assert_eq!(more, frame(5, 0, b""), "{what}: a dead session takes nothing");
            assert_eq!(session.open_stream(NOW), Err(OpenError::Closed), "{what}");
            assert_eq!(transmit(&mut session), "", "{what}");
        }
    }
}

#[test]
fn what_came_before_an_error_can_be_read() {
    let mut session = after(Mplex::default(), &[frame(0, 0, b""), frame(0, 2, b"whole"), frame(0, 4, b"")]);
    session.handle_input(&mut hex("07"), NOW).unwrap_err();
    assert_eq!(read_all(&mut session, FIRST), (b"whole".to_vec(), ReadError::Ended));
    assert_eq!(read(&mut session, FIRST), Err(ReadError::Closed));
    assert!(session.streams.is_empty());
}

proptest! {
    #[test]
    fn noise_gives_the_same_outcome_in_any_chunks(
        noise in proptest::collection::vec(prop_oneof![0_u8..20, any::<u8>()], 0..300),
        chunk in 1_usize..10,
    ) {
        let outcome = |chunk: usize| {
            let mut session = session(Mplex { max_stream_buffer_bytes: 20, when_full: WhenFull::Reset, ..Mplex::default() });
            session.open_stream(NOW).unwrap();
            let error = noise.chunks(chunk).find_map(|piece| session.handle_input(&mut piece.into(), NOW).err());
            let events = events(&mut session);
            let streams: Vec<_> = (0..300).map(|id| read_all(&mut session, StreamId(id))).collect();
            (error, events, streams, transmit(&mut session))
        };
        prop_assert_eq!(outcome(chunk), outcome(usize::MAX));
    }
}

// What other implementations do.

#[test]
fn frames_of_unknown_streams_are_skipped_with_their_bodies() {
    let mut session = session(Mplex::default());
    for flag in 1..=6 {
        for body in [&b""[..], b"body", &[0; 70_000]] {
            offer(&mut session, &frame(9, flag, body));
        }
    }
    assert_eq!(events(&mut session), []);
    assert_eq!(transmit(&mut session), "");
    assert_eq!(session.footprint(), 0);
    offer(&mut session, &frame(0, 0, b""));
    assert_eq!(events(&mut session), [StreamsEvent::Opened(FIRST)], "still in step");
}

#[test]
fn writing_goes_on_after_the_remote_has_closed() {
    let mut session = after(Mplex::default(), &[frame(0, 0, b"0"), frame(0, 2, b"ask"), frame(0, 4, b"")]);
    assert_eq!(read_all(&mut session, FIRST), (b"ask".to_vec(), ReadError::Ended));
    assert_eq!(write(&mut session, FIRST, b"answer"), Ok(frame(0, 1, b"answer")));
    session.close_write(FIRST, NOW);
    assert_eq!(transmit(&mut session), frame(0, 3, b""));
    assert!(session.streams.is_empty());
}

#[test]
fn an_answer_survives_the_reset_behind_it() {
    // The remote has answered and closed, and wants no more of our request.
    let mut session = session(Mplex::default());
    let id = session.open_stream(NOW).unwrap();
    write(&mut session, id, b"a request of which the remote reads the start").unwrap();
    assert_eq!(read(&mut session, id), Err(ReadError::Blocked));
    offer(&mut session, &[frame(0, 1, b"answer"), frame(0, 3, b""), frame(0, 5, b"")].concat());
    assert_eq!(events(&mut session), [StreamsEvent::Readable(id)]);
    assert_eq!(write(&mut session, id, b"more"), Err(WriteError::Closed));
    session.close_write(id, NOW);
    assert_eq!(transmit(&mut session), "");
    assert_eq!(read_all(&mut session, id), (b"answer".to_vec(), ReadError::Ended));
    assert!(session.streams.is_empty());
}

#[test]
fn a_reset_after_everything_was_read_is_told() {
    let mut session = after(Mplex::default(), &[frame(0, 0, b""), frame(0, 4, b"")]);
    assert_eq!(read(&mut session, FIRST), Err(ReadError::Ended));
    events(&mut session);
    offer(&mut session, &frame(0, 6, b""));
    assert_eq!(events(&mut session), [StreamsEvent::Reset(FIRST, ResetCause::Remote)]);
    assert!(session.streams.is_empty());
}

#[test]
fn a_reset_loses_what_is_unread() {
    let mut session = after(Mplex::default(), &[frame(0, 0, b""), frame(0, 2, b"lost"), frame(0, 6, b"")]);
    let reset = StreamsEvent::Reset(FIRST, ResetCause::Remote);
    assert_eq!(events(&mut session), [StreamsEvent::Opened(FIRST), StreamsEvent::Readable(FIRST), reset]);
    assert_eq!(read(&mut session, FIRST), Err(ReadError::Closed));
    assert_eq!(session.footprint(), 0);
}

#[test]
fn late_frames_are_dropped() {
    let mut session = after(Mplex::default(), &[frame(0, 0, b""), frame(0, 4, b""), frame(0, 2, b"late")]);
    assert_eq!(read_all(&mut session, FIRST), (vec![], ReadError::Ended));
    offer(&mut session, &frame(0, 4, b""));
    session.reset(FIRST, NOW);
    assert_eq!(transmit(&mut session), frame(0, 5, b""));
    offer(&mut session, &[frame(0, 2, b"late"), frame(0, 6, b"")].concat());
    assert_eq!(events(&mut session), []);
    assert_eq!(transmit(&mut session), "");
}

#[test]
fn nothing_is_sent_for_a_stream_that_both_have_closed() {
    let mut session = after(Mplex::default(), &[frame(0, 0, b""), frame(0, 2, b"unread"), frame(0, 4, b"")]);
    session.close_write(FIRST, NOW);
    transmit(&mut session);
    session.reset(FIRST, NOW);
    assert_eq!(transmit(&mut session), "");
    assert!(session.streams.is_empty());
}

#[test]
fn a_number_can_be_used_again_when_its_stream_is_closed() {
    let mut session = after(Mplex::default(), &[frame(0, 0, b""), frame(0, 2, b"old"), frame(0, 4, b"")]);
    session.close_write(FIRST, NOW);
    offer(&mut session, &[frame(0, 0, b""), frame(0, 2, b"new")].concat());
    events(&mut session);
    assert_eq!(read_all(&mut session, FIRST), (b"old".to_vec(), ReadError::Ended));
    assert_eq!(read_all(&mut session, SECOND), (b"new".to_vec(), ReadError::Blocked));
    offer(&mut session, &[frame(0, 6, b""), frame(0, 0, b"")].concat());
    let third = StreamId(2);
    assert_eq!(
        events(&mut session),
        [StreamsEvent::Reset(SECOND, ResetCause::Remote), StreamsEvent::Opened(third)]
    );
}
