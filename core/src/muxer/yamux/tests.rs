mod foreign;
mod limits;
mod windows;

use super::codec::{Flags, Frame, HeaderDecoder};
use super::session::Session;
use super::*;
use crate::machine::{Close, End, Layer};
use crate::muxer::{MuxerError, OpenError, ReadError, ResetCause, StreamId, StreamsEvent, WriteError};
use bytes::BytesMut;
use data_encoding::HEXLOWER;
use proptest::prelude::*;

const NOW: Instant = Instant::ORIGIN;

/// The first streams that a dialer opens, and that a listener opens.
const OURS: [StreamId; 2] = [StreamId(1), StreamId(3)];
const THEIRS: [StreamId; 3] = [StreamId(2), StreamId(4), StreamId(6)];

const NONE: Flags = Flags::NONE;
const SYN: Flags = Flags::SYN;
const ACK: Flags = Flags::ACK;
const FIN: Flags = Flags::FIN;
const RST: Flags = Flags::RST;

/// A dialer.
fn session(config: Yamux) -> Session {
    Session::new(config, Role::Dialer, NOW)
}

fn hex(hex: &str) -> BytesMut {
    HEXLOWER.decode(hex.as_bytes()).unwrap().as_slice().into()
}

fn encoded(frame: Frame) -> BytesMut {
    let mut out = BytesMut::new();
    frame.encode(&mut out);
    out
}

fn data(number: u32, flags: Flags, body: &[u8]) -> BytesMut {
    let mut out = encoded(Frame::Data { number, flags, len: body.len() as u32 });
    out.extend_from_slice(body);
    out
}

fn update(number: u32, flags: Flags, credit: u32) -> BytesMut {
    encoded(Frame::WindowUpdate { number, flags, credit })
}

fn ping(flags: Flags, value: u32) -> BytesMut {
    encoded(Frame::Ping { flags, value })
}

fn go_away(code: u32) -> BytesMut {
    encoded(Frame::GoAway { code })
}

/// A dialer that was offered these frames and took them whole.
fn after(config: Yamux, frames: &[BytesMut]) -> Session {
    let mut session = session(config);
    offer(&mut session, &frames.concat());
    session
}

fn offer(session: &mut Session, bytes: &[u8]) {
    offer_at(session, bytes, NOW);
}

fn offer_at(session: &mut Session, bytes: &[u8], now: Instant) {
    let mut input = BytesMut::from(bytes);
    session.handle_input(&mut input, now).unwrap();
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

// The wire.

#[test]
fn frames_of_the_reference() {
    let update = |flags, credit| Frame::WindowUpdate { number: 1, flags, credit };
    let table = [
        ("000100010000000100000000", update(SYN, 0)),
        ("000000010000000100000005", Frame::Data { number: 1, flags: SYN, len: 5 }),
        ("000100020000000100000000", update(ACK, 0)),
        ("000100040000000100000000", update(FIN, 0)),
        ("000100080000000100000000", update(RST, 0)),
        ("000100000000000100040000", update(NONE, 262_144)),
        ("0002000100000000deadbeef", Frame::Ping { flags: SYN, value: 0xdead_beef }),
        ("0002000200000000deadbeef", Frame::Ping { flags: ACK, value: 0xdead_beef }),
        ("000300000000000000000000", Frame::GoAway { code: 0 }),
        ("000300000000000000000001", Frame::GoAway { code: 1 }),
        ("00000007ffffffffffffffff", Frame::Data { number: !0, flags: SYN | ACK | FIN, len: !0 }),
    ];
    for (bytes, frame) in table {
        assert_eq!(encoded(frame), hex(bytes), "{frame:?}");
        for chunk in 1..=bytes.len() / 2 {
            let mut decoder = HeaderDecoder::default();
            let mut input = BytesMut::new();
            let mut decoded = None;
            for piece in hex(bytes).chunks(chunk) {
                assert_eq!(decoded, None, "{bytes}");
                input.extend_from_slice(piece);
                decoded = decoder.decode(&mut input).unwrap();
                assert_eq!(input, "", "{bytes}");
            }
            assert_eq!(decoded, Some(frame), "{bytes}");
        }
    }
}

#[test]
fn streams_on_the_wire() {
    let mut session = session(Yamux::default());
    let ours = session.open_stream(NOW).unwrap();
    assert_eq!(ours, OURS[0]);
    assert_eq!(write(&mut session, ours, b"hello"), Ok(hex("00000001000000010000000568656c6c6f")));
    assert_eq!(write(&mut session, ours, b"hello"), Ok(hex("00000000000000010000000568656c6c6f")));
    assert_eq!(transmit(&mut session), "", "it was announced by its first frame");
    session.open_stream(NOW).unwrap();
    assert_eq!(
        transmit(&mut session),
        hex("000100010000000300000000"),
        "it is announced if nothing is written"
    );

    offer(&mut session, &hex("000000010000000200000005 68656c6c6f".replace(' ', "").as_str()));
    assert_eq!(events(&mut session), [StreamsEvent::Opened(THEIRS[0]), StreamsEvent::Readable(THEIRS[0])]);
    assert_eq!(read(&mut session, THEIRS[0]), Ok(b"hello".to_vec()));
    assert_eq!(write(&mut session, THEIRS[0], b"hello"), Ok(hex("00000002000000020000000568656c6c6f")));
    assert_eq!(write(&mut session, THEIRS[0], b"hello"), Ok(hex("00000000000000020000000568656c6c6f")));
    assert_eq!(transmit(&mut session), "", "it was acknowledged by its first frame");
    offer(&mut session, &update(4, SYN, 0));
    assert_eq!(
        transmit(&mut session),
        hex("000100020000000400000000"),
        "it is acknowledged if nothing is written"
    );

    session.close_write(ours, NOW);
    session.reset(THEIRS[0], NOW);
    assert_eq!(transmit(&mut session), hex("000000040000000100000000000100080000000200000000"));
}

#[test]
fn a_listener_opens_even_streams() {
    let mut session = Session::new(Yamux::default(), Role::Listener, NOW);
    assert_eq!(session.open_stream(NOW), Ok(StreamId(2)));
    assert_eq!(session.open_stream(NOW), Ok(StreamId(4)));
    offer(&mut session, &data(1, SYN, b""));
    assert_eq!(events(&mut session), [StreamsEvent::Opened(StreamId(1))]);
}

#[test]
fn streams_are_announced_in_order() {
    let mut session = session(Yamux::default());
    let ids: Vec<_> = (0..4).map(|_| session.open_stream(NOW).unwrap()).collect();
    assert_eq!(
        write(&mut session, ids[1], b"x"),
        Ok([update(1, SYN, 0), data(3, SYN, b"x")].concat()[..].into())
    );
    session.close_write(ids[0], NOW);
    let rest = [update(5, SYN, 0), update(7, SYN, 0), data(1, FIN, b"")];
    assert_eq!(transmit(&mut session), rest.concat()[..]);
}

#[test]
fn streams_that_are_announced_out_of_order_have_ids_of_their_own() {
    let mut session =
        after(Yamux::default(), &[data(6, SYN, b"six"), data(2, SYN, b"two"), data(2, RST, b"")]);
    let two = StreamId(1 << 32 | 2);
    let opened = [StreamId(6), two].map(|id| [StreamsEvent::Opened(id), StreamsEvent::Readable(id)]);
    let reset = StreamsEvent::Reset(two, ResetCause::Remote);
    assert_eq!(events(&mut session), [&opened.concat()[..], &[reset]].concat());
    offer(&mut session, &data(2, SYN, b"again"));
    let again = StreamId(2 << 32 | 2);
    assert_eq!(events(&mut session)[0], StreamsEvent::Opened(again));
    assert_eq!(read(&mut session, two), Err(ReadError::Closed), "it was another stream");
    assert_eq!(read(&mut session, THEIRS[0]), Err(ReadError::Closed), "there was no such stream");
    assert_eq!(read(&mut session, again), Ok(b"again".to_vec()));
    assert_eq!(read(&mut session, StreamId(6)), Ok(b"six".to_vec()));
}

#[test]
fn writes_are_cut_at_the_limit() {
    for (limit, expected) in [(0, 1), (10, 10), (usize::MAX, INITIAL_WINDOW_BYTES as usize)] {
        let mut session = session(Yamux { max_send_payload_bytes: limit, ..Yamux::default() });
        let id = session.open_stream(NOW).unwrap();
        let written = session.write(id, &vec![0; 3 << 20], &mut BytesMut::new(), usize::MAX, NOW);
        assert_eq!(written, Ok(expected));
    }
    let mut session = session(Yamux::default());
    let id = session.open_stream(NOW).unwrap();
    assert_eq!(write(&mut session, id, &[0; 100_000]).unwrap().len(), 64 * 1024);
    assert_eq!(write(&mut session, id, &[]).unwrap(), "", "no frame for nothing");
    for (room, expected) in [(12, 1), (13, 1), (100, 88)] {
        assert_eq!(session.write(id, &[0; 200], &mut BytesMut::new(), room, NOW), Ok(expected));
    }
}

#[test]
fn our_numbers_end() {
    let mut session = session(Yamux::default());
    session.next_number = Some(u32::MAX);
    let id = session.open_stream(NOW).unwrap();
    assert_eq!(id, StreamId(u32::MAX.into()));
    assert_eq!(session.open_stream(NOW), Err(OpenError::Closed));
}

// Bad input.

fn malformed(reason: &'static str) -> MuxerError {
    MuxerError::Malformed { protocol: "yamux", reason }
}

fn violation(reason: &'static str) -> MuxerError {
    MuxerError::Violation { protocol: "yamux", reason }
}

const TOO_MUCH: &str = "it sent more than the window of a stream allows";

#[test]
fn bad_input() {
    let too_large = |len| MuxerError::TooLarge { protocol: "yamux", len, max: 16 << 20 };
    let not_theirs = violation("a new stream has a number that is not the peer's to give");
    let in_use = violation("a new stream has the number of an open one");
    let overflow = violation("it granted more than 4 GiB on a stream");
    let opened = update(2, SYN, 0);
    let table = [
        ("version 1", hex("010000000000000200000000"), malformed("the version is not 0")),
        ("type 4", hex("000400000000000200000000"), malformed("the type of the frame has no meaning")),
        (
            "the highest type",
            hex("00ff00000000000200000000"),
            malformed("the type of the frame has no meaning"),
        ),
        ("flag 16", hex("000000100000000200000000"), malformed("a flag has no meaning")),
        ("all flags", hex("0001ffff0000000200000000"), malformed("a flag has no meaning")),
        ("a go-away of a stream", hex("000300000000000200000000"), malformed("a go-away names a stream")),
        ("stream 0", update(0, SYN, 0), not_theirs.clone()),
        ("one of our streams", update(1, SYN, 0), not_theirs.clone()),
        ("one of our streams, with payload", data(7, SYN, b"x"), not_theirs),
        ("a number in use", [opened.clone(), data(2, SYN, b"x")].concat()[..].into(), in_use.clone()),
        (
            "a number in use, closed",
            [opened.clone(), update(2, FIN, 0), update(2, SYN, 0)].concat()[..].into(),
            in_use,
        ),
        ("more than any window", hex("000000000000000201000001"), too_large((16 << 20) + 1)),
        ("more than any window, unknown stream", hex("0000000000000063ffffffff"), too_large(u32::MAX.into())),
        ("more than any window, new stream", hex("0000000100000002ffffffff"), too_large(u32::MAX.into())),
        ("more than the first window, new stream", hex("000000010000000200040001"), violation(TOO_MUCH)),
        (
            "more than the window",
            [opened.clone(), hex("000000000000000200040001")].concat()[..].into(),
            violation(TOO_MUCH),
        ),
        (
            "more than is left",
            [data(2, SYN, b"x"), hex("000000000000000200040000")].concat()[..].into(),
            violation(TOO_MUCH),
        ),
        ("too much credit", [opened.clone(), update(2, NONE, !0)].concat()[..].into(), overflow.clone()),
        ("too much credit at once", update(2, SYN, !0), overflow.clone()),
        (
            "too much credit at last",
            [opened, update(2, NONE, !0 - 262_144), update(2, NONE, 1)].concat()[..].into(),
            overflow,
        ),
        ("it ends with an error", go_away(2), MuxerError::SessionEnded { protocol: "yamux", code: 2 }),
        ("it ends", go_away(0), MuxerError::Ended),
    ];
    for (what, bytes, error) in table {
        let last_words =
            if error.blame() == crate::machine::Blame::Peer { go_away(1) } else { BytesMut::new() };
        for chunk in 1..=bytes.len() {
            let mut session = session(Yamux::default());
            let outcome =
                bytes.chunks(chunk).find_map(|piece| session.handle_input(&mut piece.into(), NOW).err());
            assert_eq!(outcome.as_ref(), Some(&error), "{what}");
            let close = if last_words.is_empty() { Close::Now } else { Close::Flush };
            assert_eq!(session.poll_close(), Some(close), "{what}");
            assert!(!session.wants_input(), "{what}");
            let mut more = update(8, SYN, 0);
            assert_eq!(session.handle_input(&mut more, NOW), Err(error.clone()), "{what}: dead means dead");
            session.handle_end(End::Closed, NOW);
            assert_eq!(session.handle_input(&mut more, NOW), Err(error.clone()), "{what}: dead means dead");
            assert_eq!(more, update(8, SYN, 0), "{what}: a dead session takes nothing");
            assert_eq!(session.open_stream(NOW), Err(OpenError::Closed), "{what}");
            assert_eq!(transmit(&mut session), last_words, "{what}");
            assert_eq!(transmit(&mut session), "", "{what}");
        }
    }
}

#[test]
fn what_came_before_an_error_can_be_read() {
    let mut session =
        after(Yamux::default(), &[data(2, SYN, b"whole"), update(2, FIN, 0), data(4, SYN, b"cut")]);
    session.handle_input(&mut hex("ff0000000000000000000000"), NOW).unwrap_err();
    assert_eq!(read_all(&mut session, THEIRS[0]), (b"whole".to_vec(), ReadError::Ended));
    assert_eq!(read(&mut session, THEIRS[0]), Err(ReadError::Closed));
    assert_eq!(read_all(&mut session, THEIRS[1]), (b"cut".to_vec(), ReadError::Closed));
    assert_eq!(session.stream_count(), 0);
}

fn any_frame() -> impl Strategy<Value = BytesMut> {
    let flags = (0_u16..16).prop_map(|bits| {
        let chosen = [SYN, ACK, FIN, RST].into_iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1);
        chosen.fold(NONE, |all, (_, flag)| all | flag)
    });
    let number = prop_oneof![8 => 0_u32..7, 1 => any::<u32>()];
    (0..20, flags, number, 0_u32..200).prop_map(|(kind, flags, number, len)| match kind {
        0 => ping(flags, len),
        1 => update(number, flags, len << 24),
        2..8 => update(number, flags, len),
        _ => data(number, flags, &vec![len as u8; len as usize]),
    })
}

proptest! {
    #[test]
    fn noise_gives_the_same_outcome_in_any_chunks(
        frames in proptest::collection::vec(any_frame(), 0..60),
        noise in proptest::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..100),
        chunk in 1_usize..30,
    ) {
        let noise = [&frames.concat()[..], &noise].concat();
        let outcome = |chunk: usize| {
            let mut session = session(Yamux { max_inbound_streams: 3, ..Yamux::default() });
            session.open_stream(NOW).unwrap();
            let error = noise.chunks(chunk).find_map(|piece| session.handle_input(&mut piece.into(), NOW).err());
            let events = events(&mut session);
            let ids = events.iter().filter_map(|event| event.stream()).chain([OURS[0]]).collect::<Vec<_>>();
            session.footprint();
            let streams: Vec<_> = ids.into_iter().map(|id| read_all(&mut session, id)).collect();
            (error, events, streams, transmit(&mut session))
        };
        prop_assert_eq!(outcome(chunk), outcome(usize::MAX));
    }
}
