//! What happens at each limit, and what memory is held.

use super::*;
use crate::muxer::{MAX_SHARED_BYTES, MIN_SHARED_BYTES};
use std::time::Duration;

#[test]
fn inbound_streams_over_the_limit_are_refused() {
    let config = Mplex { max_inbound_streams: 2, ..Mplex::default() };
    let opens: Vec<_> = (0..4).map(|n| frame(n, 0, b"name")).collect();
    let mut session = after(config, &opens);
    assert_eq!(events(&mut session), [FIRST, SECOND].map(StreamsEvent::Opened));
    assert_eq!(transmit(&mut session), [frame(2, 5, b""), frame(3, 5, b"")].concat()[..]);
    offer(
        &mut session,
        &[frame(2, 2, b"skipped"), frame(3, 4, b""), frame(0, 6, b""), frame(2, 0, b"")].concat(),
    );
    let reset = StreamsEvent::Reset(FIRST, ResetCause::Remote);
    assert_eq!(events(&mut session), [reset, StreamsEvent::Opened(StreamId(2))], "a place was free");
    session.open_stream(NOW).unwrap();
}

#[test]
fn outbound_streams_over_the_limit_wait() {
    let mut session = session(Mplex { max_outbound_streams: 1, ..Mplex::default() });
    let first = session.open_stream(NOW).unwrap();
    transmit(&mut session);
    assert_eq!(session.open_stream(NOW), Err(OpenError::Blocked));
    assert_eq!(session.open_stream(NOW), Err(OpenError::Blocked));
    session.close_write(first, NOW);
    offer(&mut session, &frame(0, 3, b""));
    assert_eq!(events(&mut session), []);
    assert_eq!(read(&mut session, first), Err(ReadError::Ended));
    assert_eq!(events(&mut session), [StreamsEvent::CanOpen]);
    let second = session.open_stream(NOW).unwrap();
    session.reset(second, NOW);
    assert_eq!(events(&mut session), [], "nobody was refused");
}

#[test]
fn whoever_waits_to_open_hears_of_the_end() {
    let mut session = session(Mplex { max_outbound_streams: 0, ..Mplex::default() });
    assert_eq!(session.open_stream(NOW), Err(OpenError::Blocked));
    session.handle_end(End::Failed, NOW);
    assert_eq!(events(&mut session), [StreamsEvent::CanOpen]);
    assert_eq!(session.open_stream(NOW), Err(OpenError::Closed));
}

/// A session that has as many control frames as it may, and the input that it did not take.
fn flooded() -> (Session, BytesMut) {
    let mut session = session(Mplex { max_inbound_streams: 0, ..Mplex::default() });
    let opens: Vec<_> = (0..2 * MAX_CONTROL_FRAMES as u64).map(|n| frame(n, 0, b"")).collect();
    let mut input = BytesMut::from(&opens.concat()[..]);
    session.handle_input(&mut input, NOW).unwrap();
    assert!(!session.wants_input());
    assert_eq!(session.open_stream(NOW), Err(OpenError::Blocked));
    (session, input)
}

#[test]
fn input_waits_until_control_frames_have_left() {
    let (mut session, mut input) = flooded();
    let mut out = transmit(&mut session);
    assert_eq!(events(&mut session), [StreamsEvent::CanOpen]);
    assert_eq!(session.poll_timeout(), None);
    session.handle_input(&mut input, NOW).unwrap();
    out.extend_from_slice(&transmit(&mut session));
    assert_eq!(input, "");
    let resets: Vec<_> = (0..2 * MAX_CONTROL_FRAMES as u64).map(|n| frame(n, 5, b"")).collect();
    assert_eq!(out, resets.concat()[..]);
}

#[test]
fn control_frames_that_never_leave_end_the_connection() {
    let (mut session, mut input) = flooded();
    let at = session.poll_timeout().unwrap().at;
    assert_eq!(at, NOW + CONTROL_PATIENCE);
    session.handle_timeout(at);
    assert_eq!(session.poll_close(), Some(Close::Now));
    let error = MuxerError::ControlFlood { protocol: "mplex", max: MAX_CONTROL_FRAMES };
    assert_eq!(session.handle_input(&mut input, at), Err(error));
    assert_eq!(events(&mut session), [StreamsEvent::CanOpen]);
    assert_eq!(session.footprint(), 0);
}

#[test]
fn input_waits_until_events_are_polled() {
    let mut session = session(Mplex::default());
    let frames: Vec<_> = (0..5_000).flat_map(|n| [frame(n, 0, b""), frame(n, 6, b"")]).collect();
    let mut input = BytesMut::from(&frames.concat()[..]);
    let mut opened = 0;
    while !input.is_empty() {
        assert!(session.wants_input());
        session.handle_input(&mut input, NOW).unwrap();
        let events = events(&mut session);
        assert!(events.len() <= MAX_EVENTS);
        opened += events.iter().filter(|event| matches!(event, StreamsEvent::Opened(_))).count();
    }
    assert_eq!(opened, 5_000);
}

const PATIENCE: Duration = Duration::from_secs(5);

fn ten_bytes(when_full: WhenFull) -> Mplex {
    Mplex { max_stream_buffer_bytes: 10, max_connection_buffer_bytes: 15, when_full, ..Mplex::default() }
}

/// Two streams, of which the first has a full buffer and more to come, and then something for the second.
fn blocked() -> (Session, BytesMut) {
    let mut session = after(ten_bytes(Mplex::default().when_full), &[frame(0, 0, b""), frame(1, 0, b"")]);
    let mut input = BytesMut::from(&[frame(0, 2, b"0123456789abcd"), frame(1, 2, b"other")].concat()[..]);
    session.handle_input(&mut input, NOW).unwrap();
    assert!(!session.wants_input());
    assert_eq!(input.len(), 4 + 2 + 5);
    assert_eq!(session.poll_timeout().unwrap().at, NOW + PATIENCE);
    events(&mut session);
    (session, input)
}

#[test]
fn a_full_stream_holds_up_the_connection_until_it_is_read() {
    let (mut session, mut input) = blocked();
    let left = input.clone();
    session.handle_input(&mut input, NOW).unwrap();
    assert_eq!(input, left, "nothing is taken");
    assert_eq!(session.read(FIRST, 3, NOW).unwrap(), "012");
    assert!(session.wants_input());
    assert_eq!(session.poll_timeout(), None);
    session.handle_input(&mut input, NOW).unwrap();
    assert_eq!(input.len(), 1 + 2 + 5);
    assert_eq!(read_all(&mut session, FIRST).0, b"3456789abc");
    session.handle_input(&mut input, NOW).unwrap();
    assert_eq!(input, "");
    assert_eq!(read_all(&mut session, FIRST), (b"d".to_vec(), ReadError::Blocked));
    assert_eq!(read_all(&mut session, SECOND), (b"other".to_vec(), ReadError::Blocked));
}

#[test]
fn a_stream_that_stays_full_is_reset() {
    let (mut session, mut input) = blocked();
    session.handle_timeout(NOW + (PATIENCE - Duration::from_nanos(1)));
    assert_eq!(events(&mut session), [], "too early");
    session.handle_timeout(NOW + PATIENCE);
    assert_eq!(events(&mut session), [StreamsEvent::Reset(FIRST, ResetCause::BufferFull)]);
    assert_eq!(transmit(&mut session), frame(0, 5, b""));
    assert_eq!(session.poll_timeout(), None);
    session.handle_input(&mut input, NOW + PATIENCE).unwrap();
    assert_eq!(input, "");
    assert_eq!(read_all(&mut session, SECOND), (b"other".to_vec(), ReadError::Blocked));
}

#[test]
fn a_full_stream_that_is_reset_here_frees_the_connection() {
    let (mut session, mut input) = blocked();
    session.reset(FIRST, NOW);
    session.handle_input(&mut input, NOW).unwrap();
    assert_eq!(read_all(&mut session, SECOND), (b"other".to_vec(), ReadError::Blocked));
}

#[test]
fn reading_another_stream_does_not_prolong_the_wait() {
    let mut session = after(ten_bytes(Mplex::default().when_full), &[frame(0, 0, b""), frame(1, 0, b"")]);
    offer(&mut session, &frame(1, 2, b"abc"));
    let mut input = frame(0, 2, b"0123456789a");
    session.handle_input(&mut input, NOW).unwrap();
    assert_eq!(read(&mut session, SECOND), Ok(b"abc".to_vec()));
    session.handle_input(&mut input, NOW + Duration::from_secs(4)).unwrap();
    assert_eq!(session.poll_timeout().unwrap().at, NOW + PATIENCE);
    assert_eq!(input, "a");
}

#[test]
fn any_reading_helps_when_the_connection_is_full() {
    let mut session = after(ten_bytes(Mplex::default().when_full), &[frame(0, 0, b""), frame(1, 0, b"")]);
    offer(&mut session, &[frame(0, 2, b"01234567"), frame(1, 2, b"0123456")].concat());
    let mut input = frame(1, 2, b"7");
    session.handle_input(&mut input, NOW).unwrap();
    assert!(!session.wants_input());
    assert_eq!(session.read(FIRST, 1, NOW).unwrap(), "0");
    assert!(session.wants_input());
}

#[test]
fn a_clock_that_goes_back_is_ignored() {
    let late = NOW + Duration::from_secs(60);
    let mut session = session(ten_bytes(Mplex::default().when_full));
    session.handle_input(&mut frame(0, 0, b""), late).unwrap();
    session.handle_input(&mut frame(0, 2, &[0; 11]), NOW).unwrap();
    assert_eq!(session.poll_timeout().unwrap().at, late + PATIENCE);
}

#[test]
fn a_full_stream_can_be_reset_at_once() {
    let config = ten_bytes(WhenFull::Reset);
    let open = [frame(0, 0, b""), frame(1, 0, b"")];
    let mut session = after(config, &open);
    events(&mut session);
    offer(&mut session, &[frame(0, 2, b"0123456789"), frame(1, 2, b"01234")].concat());
    assert_eq!(events(&mut session), [FIRST, SECOND].map(StreamsEvent::Readable), "full is not too full");
    offer(&mut session, &[frame(1, 2, b""), frame(1, 2, b"5 is too much for the connection")].concat());
    assert_eq!(events(&mut session), [StreamsEvent::Reset(SECOND, ResetCause::BufferFull)]);
    offer(&mut session, &frame(0, 2, b"a"));
    assert_eq!(events(&mut session), [StreamsEvent::Reset(FIRST, ResetCause::BufferFull)]);
    assert_eq!(transmit(&mut session), [frame(1, 5, b""), frame(0, 5, b"")].concat()[..]);
    assert_eq!(session.footprint(), 0);
}

#[test]
fn buffers_have_room_for_a_byte() {
    let config = Mplex { max_stream_buffer_bytes: 0, max_connection_buffer_bytes: 0, ..Mplex::default() };
    let mut session = after(config, &[frame(0, 0, b"")]);
    let mut input = frame(0, 2, b"abc");
    let mut all = Vec::new();
    while !input.is_empty() {
        session.handle_input(&mut input, NOW).unwrap();
        all.extend(read(&mut session, FIRST).unwrap());
    }
    assert_eq!(all, b"abc");
}

// Memory.

#[test]
fn payload_is_handed_on_before_its_frame_is_whole() {
    let mut session = after(Mplex::default(), &[frame(0, 0, b"")]);
    let whole = frame(0, 2, &[7; 30_000]);
    offer(&mut session, &whole[..10_000]);
    assert_eq!(read(&mut session, FIRST).unwrap().len(), 10_000 - 4);
    offer(&mut session, &whole[10_000..]);
    assert_eq!(read_all(&mut session, FIRST).0.len(), 20_004);
}

#[test]
fn large_payload_is_shared_and_small_payload_copied() {
    for (len, shared) in [(MIN_SHARED_BYTES, true), (MIN_SHARED_BYTES - 1, false)] {
        let mut session = after(Mplex::default(), &[frame(0, 0, b"")]);
        let mut input = frame(0, 2, &vec![7; len]);
        let memory = input.as_ptr_range();
        session.handle_input(&mut input, NOW).unwrap();
        let bytes = session.read(FIRST, usize::MAX, NOW).unwrap();
        assert_eq!(bytes, vec![7; len]);
        assert_eq!(memory.contains(&bytes.as_ptr()), shared, "{len}");
    }
}

#[test]
fn what_piles_up_is_copied() {
    let mut session = after(Mplex::default(), &[frame(0, 0, b"")]);
    let memory: Vec<_> = (0..10)
        .map(|_| {
            let mut input = frame(0, 2, &vec![7; MAX_SHARED_BYTES / 4]);
            let memory = input.as_ptr_range();
            session.handle_input(&mut input, NOW).unwrap();
            // Kept, so that no other buffer takes its place.
            (memory, input)
        })
        .collect();
    let mut shared = 0;
    while let Ok(bytes) = session.read(FIRST, usize::MAX, NOW) {
        shared += usize::from(memory.iter().any(|(memory, _)| memory.contains(&bytes.as_ptr())));
    }
    assert_eq!(shared, 4);
}

#[test]
fn a_byte_costs_about_a_byte_however_it_is_sent() {
    let config = Mplex { max_stream_buffer_bytes: 200 * 1024, ..Mplex::default() };
    for len in [1, 2, 17, 1_000] {
        let mut session = after(config, &[frame(0, 0, b"")]);
        let frames = frame(0, 2, &vec![7; len]).repeat(config.max_stream_buffer_bytes / len);
        for piece in frames.chunks(5_000) {
            offer(&mut session, piece);
        }
        let footprint = session.footprint();
        assert!(footprint <= 2 * config.max_stream_buffer_bytes, "{footprint} for payloads of {len}");
        let piece = session.read(FIRST, usize::MAX, NOW).unwrap();
        assert!(piece.len() <= 64 * 1024, "memory is given back in pieces");
        let expected = config.max_stream_buffer_bytes / len * len - piece.len();
        assert_eq!(read_all(&mut session, FIRST), (vec![7; expected], ReadError::Blocked));
    }
}

proptest! {
    #[test]
    fn small_and_large_payload_keep_their_order(
        steps in proptest::collection::vec((prop_oneof![1_usize..20, 4_000_usize..5_000, 60_000_usize..70_000], 0_usize..90_000), 1..20),
    ) {
        let mut session = after(Mplex::default(), &[frame(0, 0, b"")]);
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        for (n, (len, max)) in steps.into_iter().enumerate() {
            let payload = vec![n as u8; len];
            offer(&mut session, &frame(0, 2, &payload));
            sent.extend(payload);
            received.extend(session.read(FIRST, max, NOW).unwrap());
            session.footprint();
        }
        received.extend(read_all(&mut session, FIRST).0);
        prop_assert_eq!(sent, received);
    }
}

#[test]
fn small_payload_between_reads_does_not_pile_up() {
    let mut session = after(Mplex::default(), &[frame(0, 0, b"")]);
    for _ in 0..10_000 {
        offer(&mut session, &frame(0, 2, b"ab"));
        assert_eq!(session.read(FIRST, 1, NOW).unwrap().len(), 1);
    }
    assert!(session.footprint() < 100_000, "{}", session.footprint());
    assert_eq!(read_all(&mut session, FIRST).0.len(), 10_000);
}

#[test]
fn empty_payload_costs_nothing() {
    let mut session = after(Mplex::default(), &[frame(0, 0, b"")]);
    events(&mut session);
    let before = session.footprint();
    offer(&mut session, &frame(0, 2, b"").repeat(100_000));
    assert_eq!(events(&mut session), []);
    assert_eq!(session.footprint(), before);
    assert_eq!(read(&mut session, FIRST), Err(ReadError::Blocked));
}

#[test]
fn idle_streams_are_small() {
    assert!(size_of::<Session>() <= 336, "{}", size_of::<Session>());
    let mut session = session(Mplex::default());
    assert_eq!(session.footprint(), 0);
    for n in 0..100 {
        let id = session.open_stream(NOW).unwrap();
        write(&mut session, id, b"hello").unwrap();
        assert_eq!(read(&mut session, id), Err(ReadError::Blocked));
        offer(&mut session, &frame(n, 1, &[1; 10_000]));
        events(&mut session);
        assert_eq!(read_all(&mut session, id).0.len(), 10_000);
    }
    // The two maps take another 80 bytes for each stream when there are many.
    assert!(session.footprint() <= 100 * 104, "{}", session.footprint());
    for n in 0..100 {
        session.reset(StreamId(n), NOW);
    }
    transmit(&mut session);
    assert_eq!(session.footprint(), 0);
}
