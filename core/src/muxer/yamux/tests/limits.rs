//! What happens at each limit, and what memory is held.

use super::*;
use crate::muxer::MIN_SHARED_BYTES;

#[test]
fn inbound_streams_over_the_limit_are_refused() {
    let config = Yamux { max_inbound_streams: 2, ..Yamux::default() };
    let opens = [update(2, SYN, 0), data(4, SYN, b""), data(6, SYN, b"skipped"), update(8, SYN, 0)];
    let mut session = after(config, &opens);
    assert_eq!(events(&mut session), [THEIRS[0], THEIRS[1]].map(StreamsEvent::Opened));
    let answers = [update(2, ACK, 0), update(4, ACK, 0), update(6, RST, 0), update(8, RST, 0)];
    assert_eq!(transmit(&mut session), answers.concat()[..]);
    offer(
        &mut session,
        &[data(6, NONE, b"skipped"), update(8, FIN, 0), update(2, RST, 0), update(10, SYN, 0)].concat(),
    );
    let reset = StreamsEvent::Reset(THEIRS[0], ResetCause::Remote);
    assert_eq!(events(&mut session), [reset, StreamsEvent::Opened(StreamId(10))], "a place was free");
    session.open_stream(NOW).unwrap();
}

#[test]
fn outbound_streams_over_the_limit_wait() {
    let mut session = session(Yamux { max_outbound_streams: 1, ..Yamux::default() });
    let first = session.open_stream(NOW).unwrap();
    transmit(&mut session);
    assert_eq!(session.open_stream(NOW), Err(OpenError::Blocked));
    assert_eq!(session.open_stream(NOW), Err(OpenError::Blocked));
    session.close_write(first, NOW);
    offer(&mut session, &update(1, ACK | FIN, 0));
    assert_eq!(events(&mut session), []);
    assert_eq!(read(&mut session, first), Err(ReadError::Ended));
    assert_eq!(events(&mut session), [StreamsEvent::CanOpen]);
    let second = session.open_stream(NOW).unwrap();
    session.reset(second, NOW);
    assert_eq!(events(&mut session), [], "nobody was refused");
}

#[test]
fn streams_that_are_not_acknowledged_hold_up_further_ones() {
    let first_frames = [
        ("an acknowledgement", update(1, ACK, 0)),
        ("one with payload", data(1, ACK, b"x")),
        ("whatever comes first", update(1, NONE, 1)),
        ("a refusal", update(1, RST, 0)),
    ];
    for (what, answer) in first_frames {
        let mut session = session(Yamux { max_unacknowledged_streams: 2, ..Yamux::default() });
        let ids = [(); 2].map(|()| session.open_stream(NOW).unwrap());
        transmit(&mut session);
        assert_eq!(session.open_stream(NOW), Err(OpenError::Blocked));
        assert_eq!(events(&mut session), []);
        offer(&mut session, &answer);
        offer(&mut session, &answer);
        assert_eq!(
            events(&mut session).iter().filter(|it| **it == StreamsEvent::CanOpen).count(),
            1,
            "{what}"
        );
        session.open_stream(NOW).unwrap();
        assert_eq!(session.open_stream(NOW), Err(OpenError::Blocked), "{what}: one answer, one stream");
        session.reset(ids[1], NOW);
        assert_eq!(events(&mut session), [StreamsEvent::CanOpen], "{what}");
    }
    let mut session = session(Yamux::default());
    for _ in 0..256 {
        session.open_stream(NOW).unwrap();
    }
    assert_eq!(session.open_stream(NOW), Err(OpenError::Blocked));
}

#[test]
fn whoever_waits_to_open_hears_of_the_end() {
    for config in [
        Yamux { max_outbound_streams: 0, ..Yamux::default() },
        Yamux { max_unacknowledged_streams: 0, ..Yamux::default() },
    ] {
        let mut session = session(config);
        while session.open_stream(NOW).is_ok() {}
        session.handle_end(End::Failed, NOW);
        assert_eq!(events(&mut session), [StreamsEvent::CanOpen]);
        assert_eq!(session.open_stream(NOW), Err(OpenError::Closed));
    }
}

/// A session that has as many control frames as it may, and the input that it did not take.
fn flooded(attack: impl Fn(u32) -> BytesMut) -> (Session, BytesMut) {
    let mut session = session(Yamux { max_inbound_streams: 0, ..Yamux::default() });
    let frames: Vec<_> = (1..=2 * MAX_CONTROL_FRAMES as u32).map(attack).collect();
    let mut input = BytesMut::from(&frames.concat()[..]);
    session.handle_input(&mut input, NOW).unwrap();
    assert!(!session.wants_input());
    assert_eq!(session.open_stream(NOW), Err(OpenError::Blocked));
    (session, input)
}

type Attack = fn(u32) -> BytesMut;

/// What makes us answer, and the answers.
const ATTACKS: [(Attack, Attack); 2] =
    [(|n| update(2 * n, SYN, 0), |n| update(2 * n, RST, 0)), (|n| ping(SYN, n), |n| ping(ACK, n))];

#[test]
fn input_waits_until_control_frames_have_left() {
    for (attack, answer) in ATTACKS {
        let (mut session, mut input) = flooded(attack);
        let mut out = transmit(&mut session);
        assert_eq!(events(&mut session), [StreamsEvent::CanOpen]);
        assert_eq!(session.poll_timeout(), None);
        session.handle_input(&mut input, NOW).unwrap();
        out.extend_from_slice(&transmit(&mut session));
        assert_eq!(input, "");
        let answers: Vec<_> = (1..=2 * MAX_CONTROL_FRAMES as u32).map(answer).collect();
        assert_eq!(out, answers.concat()[..]);
    }
}

#[test]
fn control_frames_that_never_leave_end_the_connection() {
    for (attack, _) in ATTACKS {
        let (mut session, mut input) = flooded(attack);
        let at = session.poll_timeout().unwrap().at;
        assert_eq!(at, NOW + CONTROL_PATIENCE);
        session.handle_timeout(at);
        assert_eq!(session.poll_close(), Some(Close::Now));
        let error = MuxerError::ControlFlood { protocol: "yamux", max: MAX_CONTROL_FRAMES };
        assert_eq!(session.handle_input(&mut input, at), Err(error));
        assert_eq!(events(&mut session), [StreamsEvent::CanOpen]);
        assert_eq!(session.footprint(), 0);
    }
}

#[test]
fn input_waits_until_events_are_polled() {
    let mut session = session(Yamux::default());
    let frames: Vec<_> = (1..=5_000).flat_map(|n| [update(2 * n, SYN, 0), update(2 * n, RST, 0)]).collect();
    let mut input = BytesMut::from(&frames.concat()[..]);
    let mut opened = 0;
    while !input.is_empty() {
        assert!(session.wants_input());
        session.handle_input(&mut input, NOW).unwrap();
        let events = events(&mut session);
        assert!(events.len() <= MAX_EVENTS);
        opened += events.iter().filter(|event| matches!(event, StreamsEvent::Opened(_))).count();
        transmit(&mut session);
    }
    assert_eq!(opened, 5_000);
}

// Memory.

#[test]
fn payload_is_handed_on_before_its_frame_is_whole() {
    let mut session = session(Yamux::default());
    let whole = data(2, SYN | FIN, &[7; 30_000]);
    offer(&mut session, &whole[..10_012]);
    assert_eq!(read_all(&mut session, THEIRS[0]), (vec![7; 10_000], ReadError::Blocked));
    offer(&mut session, &whole[10_012..]);
    assert_eq!(read_all(&mut session, THEIRS[0]), (vec![7; 20_000], ReadError::Ended));
}

#[test]
fn large_payload_is_shared_and_small_payload_copied() {
    for (len, shared) in [(MIN_SHARED_BYTES, true), (MIN_SHARED_BYTES - 1, false)] {
        let mut session = session(Yamux::default());
        let mut input = data(2, SYN, &vec![7; len]);
        let memory = input.as_ptr_range();
        session.handle_input(&mut input, NOW).unwrap();
        let bytes = session.read(THEIRS[0], usize::MAX, NOW).unwrap();
        assert_eq!(bytes, vec![7; len]);
        assert_eq!(memory.contains(&bytes.as_ptr()), shared, "{len}");
    }
}

#[test]
fn a_byte_costs_about_a_byte_however_it_is_sent() {
    for len in [1, 2, 17, 1_000] {
        let mut session = after(Yamux::default(), &[update(2, SYN, 0)]);
        let frames = data(2, NONE, &vec![7; len]).repeat(200 * 1024 / len);
        for piece in frames.chunks(5_000) {
            offer(&mut session, piece);
        }
        let footprint = session.footprint();
        assert!(footprint <= 2 * 200 * 1024, "{footprint} for payloads of {len}");
        let piece = session.read(THEIRS[0], usize::MAX, NOW).unwrap();
        assert!(piece.len() <= 64 * 1024, "memory is given back in pieces");
        let expected = 200 * 1024 / len * len - piece.len();
        assert_eq!(read_all(&mut session, THEIRS[0]), (vec![7; expected], ReadError::Blocked));
    }
}

#[test]
fn empty_payload_costs_nothing() {
    let mut session = after(Yamux::default(), &[update(2, SYN, 0)]);
    events(&mut session);
    let before = session.footprint();
    offer(&mut session, &data(2, NONE, b"").repeat(100_000));
    offer(&mut session, &update(2, NONE, 0).repeat(100_000));
    assert_eq!(events(&mut session), []);
    assert_eq!(session.footprint(), before);
    assert_eq!(read(&mut session, THEIRS[0]), Err(ReadError::Blocked));
}

#[test]
fn idle_streams_are_small() {
    let parts = [
        ("session", size_of::<Session>(), 320),
        ("stream", size_of::<super::super::stream::Stream>(), 72),
        ("  of which what is unread", size_of::<crate::muxer::parts::ReceiveBuffer>(), 32),
        ("  of which the window", size_of::<super::super::stream::Window>(), 24),
    ];
    for (part, bytes, bound) in parts {
        println!("{bytes:5} {part}");
        assert!(bytes <= bound, "{part} has {bytes} bytes, more than {bound}");
    }

    let mut session = session(Yamux::default());
    assert_eq!(session.footprint(), 0);
    for n in 0..100 {
        let id = session.open_stream(NOW).unwrap();
        write(&mut session, id, b"hello").unwrap();
        assert_eq!(read(&mut session, id), Err(ReadError::Blocked));
        offer(&mut session, &data(1 + 2 * n, ACK, &[1; 10_000]));
        events(&mut session);
        assert_eq!(read_all(&mut session, id).0.len(), 10_000);
    }
    // The map takes another 24 bytes or so for each stream when there are many.
    assert!(session.footprint() <= 100 * 80, "{}", session.footprint());
    for n in 0..100 {
        session.reset(StreamId(1 + 2 * n), NOW);
    }
    transmit(&mut session);
    assert_eq!(session.footprint(), 0);
}
