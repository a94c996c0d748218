//! How much may be sent, and how much is granted.

use super::*;
use std::time::Duration;

const WINDOW: usize = INITIAL_WINDOW_BYTES as usize;

/// What the remote sends to fill the first window of its stream 2.
fn full_window() -> BytesMut {
    data(2, NONE, &[7; WINDOW])
}

#[test]
fn a_writer_waits_for_the_window() {
    let mut session = session(Yamux::default());
    let id = session.open_stream(NOW).unwrap();
    let mut written = 0;
    while let Ok(frame) = write(&mut session, id, &[7; 50_000]) {
        written += frame.len() - codec::HEADER_BYTES;
    }
    assert_eq!(written, WINDOW);
    assert_eq!(write(&mut session, id, b"x"), Err(WriteError::Blocked));
    offer(&mut session, &update(1, ACK, 0));
    assert_eq!(events(&mut session), []);
    offer(&mut session, &[update(1, NONE, 3), update(1, NONE, 2)].concat());
    assert_eq!(events(&mut session), [StreamsEvent::Writable(id)], "once");
    assert_eq!(write(&mut session, id, b"1234567"), Ok(data(1, NONE, b"12345")));
    assert_eq!(write(&mut session, id, b"67"), Err(WriteError::Blocked));
    offer(&mut session, &[update(1, FIN, 0), update(1, RST, 0)].concat());
    assert_eq!(events(&mut session), [StreamsEvent::Writable(id)], "it need not wait any more");
    assert_eq!(write(&mut session, id, b"67"), Err(WriteError::Closed));
}

#[test]
fn a_writer_that_waits_hears_of_the_end() {
    let mut session = session(Yamux::default());
    let id = session.open_stream(NOW).unwrap();
    while write(&mut session, id, &[7; 50_000]).is_ok() {}
    session.handle_end(End::Failed, NOW);
    assert_eq!(events(&mut session), [StreamsEvent::Writable(id)]);
    assert_eq!(write(&mut session, id, b"x"), Err(WriteError::Closed));
}

#[test]
fn a_window_may_be_raised_with_the_first_frame() {
    let mut session = after(Yamux::default(), &[update(2, SYN, 100_000)]);
    let ours = session.open_stream(NOW).unwrap();
    offer(&mut session, &update(1, ACK, 100_000));
    for id in [THEIRS[0], ours] {
        let mut written = 0;
        while let Ok(len) = session.write(id, &[7; 50_000], &mut BytesMut::new(), usize::MAX, NOW) {
            written += len;
        }
        assert_eq!(written, WINDOW + 100_000);
    }
}

#[test]
fn the_largest_credit_is_no_overflow() {
    let mut session = after(Yamux::default(), &[update(2, SYN, u32::MAX - INITIAL_WINDOW_BYTES)]);
    session.write(THEIRS[0], b"x", &mut BytesMut::new(), usize::MAX, NOW).unwrap();
    offer(&mut session, &update(2, NONE, 1));
}

#[test]
fn credit_is_granted_on_reading_and_for_half_of_the_window() {
    let mut session = after(Yamux::default(), &[update(2, SYN, 0)]);
    transmit(&mut session);
    offer(&mut session, &full_window());
    assert_eq!(transmit(&mut session), "", "nothing is granted for what has merely arrived");
    assert_eq!(session.read(THEIRS[0], WINDOW / 2 - 1, NOW).unwrap().len(), WINDOW / 2 - 1);
    assert_eq!(transmit(&mut session), "", "less than half was read");
    session.read(THEIRS[0], 1, NOW).unwrap();
    let granted = update(2, NONE, INITIAL_WINDOW_BYTES / 2);
    assert_eq!(transmit(&mut session), [granted, ping(SYN, 1)].concat()[..]);
    offer(&mut session, &data(2, NONE, &[8; WINDOW / 2]));
    let mut one_more = data(2, NONE, b"x");
    assert_eq!(session.handle_input(&mut one_more, NOW), Err(violation(TOO_MUCH)));
}

#[test]
fn what_is_skipped_counts_towards_no_window() {
    let mut session = after(Yamux::default(), &[data(2, SYN, b"x")]);
    session.reset(THEIRS[0], NOW);
    transmit(&mut session);
    for _ in 0..3 {
        offer(&mut session, &full_window());
    }
    assert_eq!(transmit(&mut session), "");
    assert_eq!(session.footprint(), 0);
}

#[test]
fn nothing_is_granted_to_a_remote_that_has_closed() {
    let mut session = after(Yamux::default(), &[update(2, SYN, 0), full_window(), update(2, FIN, 0)]);
    transmit(&mut session);
    assert_eq!(read_all(&mut session, THEIRS[0]).0.len(), WINDOW);
    assert_eq!(transmit(&mut session), "");
}

const ROUND_TRIP: Duration = Duration::from_millis(50);

/// A remote that fills the window of its stream as soon as it is granted, and an application that reads it as soon as it arrives.
struct Flow {
    session: Session,
    id: StreamId,
    now: Instant,
    /// What the remote may send.
    credit: u32,
    pings: usize,
}

impl Flow {
    fn new(config: Yamux) -> Self {
        Self::of(after(config, &[update(2, SYN, 0)]), NOW)
    }

    fn of(session: Session, now: Instant) -> Self {
        Self { session, id: THEIRS[0], now, credit: INITIAL_WINDOW_BYTES, pings: 0 }
    }

    /// The remote sends what it may; `pass` later it is all read; a round trip later the remote hears of it.
    fn turn(&mut self, pass: Duration) {
        let number = self.id.0 as u32;
        while self.credit > 0 {
            let len = self.credit.min(1 << 16);
            self.credit -= len;
            offer_at(&mut self.session, &data(number, NONE, &vec![7; len as usize]), self.now);
        }
        self.now = self.now + pass;
        while self.session.read(self.id, usize::MAX, self.now).is_ok() {}
        self.session.poll_event();
        let mut out = BytesMut::new();
        self.session.poll_transmit(&mut out, usize::MAX, self.now);
        self.now = self.now + ROUND_TRIP;
        let mut decoder = HeaderDecoder::default();
        while let Some(frame) = decoder.decode(&mut out).unwrap() {
            match frame {
                Frame::Ping { flags: SYN, value } => {
                    self.pings += 1;
                    offer_at(&mut self.session, &ping(ACK, value), self.now);
                }
                Frame::WindowUpdate { number: its, credit, .. } if its == number => self.credit += credit,
                Frame::WindowUpdate { .. } => {}
                frame => panic!("{frame:?}"),
            }
        }
        self.session.footprint();
    }
}

#[test]
fn a_window_doubles_while_it_holds_up_the_remote() {
    let mut flow = Flow::new(Yamux { max_window_bytes: 3 << 20, ..Yamux::default() });
    let mut credits = Vec::new();
    for _ in 0..6 {
        credits.push(flow.credit >> 10);
        flow.turn(Duration::ZERO);
    }
    // The first turn measures.
    assert_eq!(credits, [256, 256, 512, 1024, 2048, 3072]);
    assert_eq!(flow.pings, 1);
}

#[test]
fn a_window_does_not_grow_for_a_reader_that_is_slow_itself() {
    let mut flow = Flow::new(Yamux::default());
    for _ in 0..20 {
        flow.turn(ROUND_TRIP * 4);
        assert_eq!(flow.credit, INITIAL_WINDOW_BYTES);
    }
}

#[test]
fn windows_grow_together_up_to_half_of_the_connection_s_buffer() {
    let config = Yamux { max_connection_buffer_bytes: 4 << 20, ..Yamux::default() };
    let mut flow = Flow::new(config);
    for _ in 0..20 {
        flow.turn(Duration::ZERO);
    }
    assert_eq!(flow.credit, (2 << 20) + INITIAL_WINDOW_BYTES);
    let (mut session, now) = (flow.session, flow.now);
    offer_at(&mut session, &update(4, SYN, 0), now);
    let mut second = Flow { id: THEIRS[1], ..Flow::of(session, now) };
    second.turn(Duration::ZERO);
    second.turn(Duration::ZERO);
    assert_eq!(second.credit, INITIAL_WINDOW_BYTES, "there is nothing left to grow by");
    second.session.reset(THEIRS[0], second.now);
    for _ in 0..20 {
        second.turn(Duration::ZERO);
    }
    assert_eq!(second.credit, (2 << 20) + INITIAL_WINDOW_BYTES);
}

#[test]
fn a_full_connection_takes_no_input_until_something_is_read() {
    let config = Yamux { max_connection_buffer_bytes: WINDOW + 10, ..Yamux::default() };
    let mut session = after(config, &[update(2, SYN, 0), update(4, SYN, 0), full_window()]);
    let mut input = data(4, FIN, b"0123456789abc");
    session.handle_input(&mut input, NOW).unwrap();
    assert_eq!(input, "abc");
    assert!(!session.wants_input());
    session.handle_input(&mut input, NOW).unwrap();
    assert_eq!(input, "abc", "nothing is taken");
    assert_eq!(session.poll_timeout(), None);
    session.read(THEIRS[0], 2, NOW).unwrap();
    assert!(session.wants_input());
    session.handle_input(&mut input, NOW).unwrap();
    assert_eq!(input, "c");
    assert_eq!(read(&mut session, THEIRS[1]), Ok(b"0123456789ab".to_vec()));
    session.handle_input(&mut input, NOW).unwrap();
    assert_eq!(read_all(&mut session, THEIRS[1]), (b"c".to_vec(), ReadError::Ended));
    session.reset(THEIRS[0], NOW);
    assert!(session.wants_input());
}

// Pings.

#[test]
fn pings_are_answered() {
    let mut session = after(Yamux::default(), &[ping(SYN, 0), ping(SYN, 0xdead_beef)]);
    assert_eq!(transmit(&mut session), [ping(ACK, 0), ping(ACK, 0xdead_beef)].concat()[..]);
}

#[test]
fn answers_that_nobody_asked_for_mean_nothing() {
    let mut session = after(Yamux::default(), &[ping(ACK, 0), ping(ACK, 1), ping(NONE, 7)]);
    assert_eq!((transmit(&mut session), session.footprint()), (BytesMut::new(), 0));
    let mut flow = Flow::of(after(Yamux::default(), &[update(2, SYN, 0)]), NOW);
    flow.turn(Duration::ZERO);
    // Answered twice, and with other values, at once.
    offer_at(&mut flow.session, &[ping(ACK, 1), ping(ACK, 2), ping(ACK, 0)].concat(), flow.now);
    flow.turn(Duration::ZERO);
    assert_eq!(flow.credit, 2 * INITIAL_WINDOW_BYTES, "the round trip is as long as it was");
}

#[test]
fn only_bulk_data_are_measured_and_rarely() {
    let mut session = after(Yamux::default(), &[update(2, SYN, 0)]);
    for second in 0..1_000 {
        let now = NOW + Duration::from_secs(second);
        offer_at(&mut session, &data(2, NONE, b"question"), now);
        session.read(THEIRS[0], 100, now).unwrap();
        assert_eq!(session.poll_timeout(), None, "no timers");
    }
    assert_eq!(transmit(&mut session), update(2, ACK, 0), "small messages are not measured");

    let mut flow = Flow::of(session, NOW + Duration::from_secs(1_000));
    flow.credit = INITIAL_WINDOW_BYTES - 8_000;
    flow.turn(Duration::from_secs(1));
    assert_eq!(flow.pings, 1);
    for seconds in 2..=61 {
        flow.turn(Duration::from_secs(1) - ROUND_TRIP);
        assert!((1..=1 + seconds / 10).contains(&flow.pings), "{} after {seconds} s", flow.pings);
    }
    assert!(flow.pings >= 6, "{}", flow.pings);
}

#[test]
fn a_ping_that_is_not_answered_is_the_only_one() {
    let mut session = after(Yamux::default(), &[update(2, SYN, 0)]);
    transmit(&mut session);
    let mut pings = 0;
    for minute in 0..10 {
        let now = NOW + Duration::from_secs(60 * minute);
        offer_at(&mut session, &data(2, NONE, &[7; WINDOW / 2]), now);
        while session.read(THEIRS[0], WINDOW, now).is_ok() {}
        let sent = transmit(&mut session);
        assert_eq!(&sent[..12], update(2, NONE, INITIAL_WINDOW_BYTES / 2));
        pings += sent.len() / 12 - 1;
    }
    assert_eq!(pings, 1);
}
