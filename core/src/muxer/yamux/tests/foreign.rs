//! Everything that other implementations are known to do, and what comes of it here.

use super::*;
use std::fmt::Write;

/// What came of frames: events, what each stream then gives to its reader, what is sent, the error.
///
/// We have opened stream 1 before, and its announcement has left.
fn outcome(config: Yamux, frames: &[BytesMut], chunk: usize) -> String {
    let mut session = session(config);
    session.open_stream(NOW).unwrap();
    transmit(&mut session);
    let (mut told, mut streams) = (Vec::new(), vec![OURS[0]]);
    let mut error = None;
    for piece in frames.concat().chunks(chunk) {
        error = error.or(session.handle_input(&mut piece.into(), NOW).err());
        told.extend(events(&mut session));
    }
    let mut text = String::new();
    for event in told {
        match event {
            StreamsEvent::Opened(id) => {
                streams.push(id);
                write!(text, "{} opened; ", id.0)
            }
            StreamsEvent::Reset(id, cause) => write!(text, "{} reset, {cause:?}; ", id.0),
            // Readers are asked below.
            _ => Ok(()),
        }
        .unwrap();
    }
    for id in streams {
        let (bytes, end) = read_all(&mut session, id);
        match &bytes[..] {
            [] => write!(text, "{} {end:?}; ", id.0),
            bytes if bytes.len() < 20 => {
                write!(text, "{} {:?} {end:?}; ", id.0, bytes.escape_ascii().to_string())
            }
            bytes => write!(text, "{} {} bytes {end:?}; ", id.0, bytes.len()),
        }
        .unwrap();
    }
    let mut sent = transmit(&mut session);
    while let Some(frame) = HeaderDecoder::default().decode(&mut sent).unwrap() {
        match frame {
            Frame::WindowUpdate { number, flags: ACK, .. } => write!(text, "accepts {number}; "),
            Frame::WindowUpdate { number, flags: RST, .. } => write!(text, "refuses {number}; "),
            Frame::WindowUpdate { number, flags: NONE, credit } => {
                write!(text, "grants {credit} on {number}; ")
            }
            Frame::Ping { flags: ACK, value } => write!(text, "answers {value}; "),
            Frame::Ping { flags: SYN, .. } => write!(text, "measures; "),
            Frame::GoAway { code } => write!(text, "goes away, {code}; "),
            frame => write!(text, "sends {frame:?}; "),
        }
        .unwrap();
    }
    if let Some(error) = error {
        write!(text, "dies: {error}; ").unwrap();
    }
    text.trim_end_matches("; ").to_owned()
}

const KIB: usize = 1024;

#[test]
fn what_other_implementations_do_is_survived() {
    let opened = update(2, SYN, 0);
    let payload = |bytes: &[u8]| data(2, NONE, bytes);
    let table: &[(&str, Vec<BytesMut>, &str)] = &[
        // New streams.
        (
            "go: a window update opens",
            vec![opened.clone(), payload(b"x")],
            "2 opened; 1 Blocked; 2 \"x\" Blocked; accepts 2",
        ),
        (
            "rust: the first data open",
            vec![data(2, SYN, b"x")],
            "2 opened; 1 Blocked; 2 \"x\" Blocked; accepts 2",
        ),
        (
            "data without payload open",
            vec![data(2, SYN, b""), payload(b"x")],
            "2 opened; 1 Blocked; 2 \"x\" Blocked; accepts 2",
        ),
        (
            "js: the window is raised at once",
            vec![update(2, SYN, 1 << 20), payload(b"x")],
            "2 opened; 1 Blocked; 2 \"x\" Blocked; accepts 2",
        ),
        (
            "go and rust: streams are announced out of order",
            vec![data(6, SYN, b"six"), data(2, SYN, b"two")],
            "6 opened; 4294967298 opened; 1 Blocked; 6 \"six\" Blocked; 4294967298 \"two\" Blocked; accepts 6; accepts 2",
        ),
        (
            "the largest number",
            vec![data(u32::MAX - 1, SYN, b"x")],
            "4294967294 opened; 1 Blocked; 4294967294 \"x\" Blocked; accepts 4294967294",
        ),
        (
            "a first window in one frame",
            vec![data(2, SYN, &[7; 256 * KIB])],
            "2 opened; 1 Blocked; 2 262144 bytes Blocked; accepts 2; grants 262144 on 2; measures",
        ),
        (
            "opened and ended at once",
            vec![data(2, SYN | FIN, b"x")],
            "2 opened; 1 Blocked; 2 \"x\" Ended; accepts 2",
        ),
        (
            "rust: opened and dropped",
            vec![update(2, SYN | RST, 0)],
            "2 opened; 2 reset, Remote; 1 Blocked; 2 Closed; accepts 2",
        ),
        // Answers.
        (
            "go: our stream is acknowledged alone",
            vec![update(1, ACK, 0), data(1, NONE, b"x")],
            "1 \"x\" Blocked",
        ),
        ("rust: our stream is acknowledged with data", vec![data(1, ACK, b"x")], "1 \"x\" Blocked"),
        ("our stream is never acknowledged", vec![data(1, NONE, b"x")], "1 \"x\" Blocked"),
        ("our stream is acknowledged twice", vec![update(1, ACK, 0), data(1, ACK, b"x")], "1 \"x\" Blocked"),
        ("our stream is refused", vec![update(1, RST, 0)], "1 reset, Remote; 1 Closed"),
        (
            "our stream is acknowledged and refused",
            vec![update(1, ACK | RST, 0)],
            "1 reset, Remote; 1 Closed",
        ),
        // Ends.
        (
            "rust: the end rides on data",
            vec![data(2, SYN, b"x"), data(2, FIN, b"y")],
            "2 opened; 1 Blocked; 2 \"xy\" Ended; accepts 2",
        ),
        (
            "go: the end rides on a window update",
            vec![data(2, SYN, b"x"), update(2, FIN, 0)],
            "2 opened; 1 Blocked; 2 \"x\" Ended; accepts 2",
        ),
        (
            "the end rides on credit",
            vec![data(2, SYN, b"x"), update(2, FIN, 1000)],
            "2 opened; 1 Blocked; 2 \"x\" Ended; accepts 2",
        ),
        (
            "the end twice",
            vec![data(2, SYN, b"x"), update(2, FIN, 0), update(2, FIN, 0)],
            "2 opened; 1 Blocked; 2 \"x\" Ended; accepts 2",
        ),
        (
            "data behind the end",
            vec![data(2, SYN | FIN, b"x"), payload(b"late")],
            "2 opened; 1 Blocked; 2 \"x\" Ended; accepts 2",
        ),
        (
            "js: a reset rides on a window update",
            vec![data(2, SYN, b"x"), update(2, RST, 0)],
            "2 opened; 2 reset, Remote; 1 Blocked; 2 Closed; accepts 2",
        ),
        (
            "go: a reset has a reason, which is no credit",
            vec![data(2, SYN, b"x"), update(2, RST, !0)],
            "2 opened; 2 reset, Remote; 1 Blocked; 2 Closed; accepts 2",
        ),
        (
            "a reset rides on data",
            vec![data(2, SYN, b"x"), data(2, RST, b"dropped"), update(4, SYN, 0)],
            "2 opened; 2 reset, Remote; 4 opened; 1 Blocked; 2 Closed; 4 Blocked; accepts 2; accepts 4",
        ),
        (
            "a reset behind the end: what came before can be read",
            vec![data(2, SYN | FIN, b"x"), update(2, RST, !0)],
            "2 opened; 1 Blocked; 2 \"x\" Ended; accepts 2",
        ),
        (
            "the end and a reset at once",
            vec![data(2, SYN, b"x"), update(2, FIN | RST, 0)],
            "2 opened; 2 reset, Remote; 1 Blocked; 2 Closed; accepts 2",
        ),
        (
            "resets crossing each other",
            vec![update(1, RST, 0), update(1, RST, 0), data(1, NONE, b"late")],
            "1 reset, Remote; 1 Closed",
        ),
        (
            "frames of streams that never were",
            [NONE, ACK, FIN, RST]
                .into_iter()
                .flat_map(|flags| [update(9, flags, !0), data(98, flags, &[7; 5_000])])
                .collect(),
            "1 Blocked",
        ),
        ("frames of no stream", vec![update(0, NONE, 5), data(0, NONE, b"skipped")], "1 Blocked"),
        // Payload.
        (
            "rust: frames of 16 KiB",
            vec![opened.clone(), payload(&[7; 16 * KIB]), payload(&[7; 16 * KIB])],
            "2 opened; 1 Blocked; 2 32768 bytes Blocked; accepts 2",
        ),
        (
            "go and js: frames of 64 KiB",
            vec![opened.clone(), payload(&[7; 64 * KIB - 12])],
            "2 opened; 1 Blocked; 2 65524 bytes Blocked; accepts 2",
        ),
        (
            "no payload",
            vec![opened.clone(), payload(b""), payload(b"x"), payload(b"")],
            "2 opened; 1 Blocked; 2 \"x\" Blocked; accepts 2",
        ),
        (
            "no credit",
            vec![opened.clone(), update(2, NONE, 0), payload(b"x")],
            "2 opened; 1 Blocked; 2 \"x\" Blocked; accepts 2",
        ),
        // The session.
        ("go and rust: pings", vec![ping(SYN, 7), ping(SYN, 7)], "1 Blocked; answers 7; answers 7"),
        ("a ping that names a stream", vec![hex("000200010000000900000007")], "1 Blocked; answers 7"),
        ("answers to no ping, of which rust dies", vec![ping(ACK, 7)], "1 Blocked"),
        (
            "rust and js: the session ends",
            vec![data(2, SYN | FIN, b"x"), go_away(0)],
            "2 opened; 1 Closed; 2 \"x\" Ended; dies: the connection was closed",
        ),
        (
            "the session ends amid a stream",
            vec![data(2, SYN, b"x"), go_away(0)],
            "2 opened; 1 Closed; 2 \"x\" Closed; dies: the connection was closed",
        ),
        (
            "go: the session ends with any code",
            vec![go_away(0x1234)],
            "1 Closed; dies: the peer ended the yamux session with the error code 4660",
        ),
        // What nobody should do.
        (
            "one byte over the window",
            vec![opened, payload(&[7; 256 * KIB]), payload(b"x")],
            "2 opened; 1 Closed; 2 262144 bytes Closed; goes away, 1; dies: the peer broke the rules of yamux: it sent more than the window of a stream allows",
        ),
    ];
    for (what, frames, expected) in table {
        let len = frames.concat().len();
        for chunk in [1, 2, 3, 7, 13, len] {
            if len / chunk < 20_000 {
                assert_eq!(outcome(Yamux::default(), frames, chunk), *expected, "{what}, chunks of {chunk}");
            }
        }
    }
}

#[test]
fn streams_over_the_limit_cost_themselves_and_not_the_connection() {
    // rust closes the connection here.
    let config = Yamux { max_inbound_streams: 1, ..Yamux::default() };
    let frames = [
        update(2, SYN, 0),
        data(4, SYN, b"over"),
        data(4, NONE, b"dropped"),
        update(4, FIN, 0),
        update(6, SYN, 0),
        data(2, NONE, b"heard"),
    ];
    let expected = "2 opened; 1 Blocked; 2 \"heard\" Blocked; accepts 2; refuses 4; refuses 6";
    for chunk in [1, 2, 3, 7, 100] {
        assert_eq!(outcome(config, &frames, chunk), expected);
    }
}

#[test]
fn writing_goes_on_after_the_remote_has_closed() {
    let mut session = after(Yamux::default(), &[data(2, SYN | FIN, b"ask")]);
    assert_eq!(read_all(&mut session, THEIRS[0]), (b"ask".to_vec(), ReadError::Ended));
    assert_eq!(write(&mut session, THEIRS[0], b"answer"), Ok(data(2, ACK, b"answer")));
    session.close_write(THEIRS[0], NOW);
    assert_eq!(transmit(&mut session), data(2, FIN, b""));
    assert_eq!(session.stream_count(), 0);
}

#[test]
fn an_answer_survives_the_reset_behind_it() {
    // The remote has answered and closed, and wants no more of our request.
    let mut session = session(Yamux::default());
    let id = session.open_stream(NOW).unwrap();
    write(&mut session, id, b"a request of which the remote reads the start").unwrap();
    assert_eq!(read(&mut session, id), Err(ReadError::Blocked));
    offer(&mut session, &[data(1, ACK, b"answer"), update(1, FIN, 0), update(1, RST, 3)].concat());
    assert_eq!(events(&mut session), [StreamsEvent::Readable(id)]);
    assert_eq!(write(&mut session, id, b"more"), Err(WriteError::Closed));
    session.close_write(id, NOW);
    assert_eq!(transmit(&mut session), "");
    assert_eq!(read_all(&mut session, id), (b"answer".to_vec(), ReadError::Ended));
    assert_eq!(session.stream_count(), 0);
}

#[test]
fn nothing_is_sent_for_a_stream_that_both_have_closed() {
    let mut session = after(Yamux::default(), &[data(2, SYN | FIN, b"unread")]);
    session.close_write(THEIRS[0], NOW);
    transmit(&mut session);
    session.reset(THEIRS[0], NOW);
    assert_eq!(transmit(&mut session), "");
    assert_eq!(session.stream_count(), 0);
}

#[test]
fn the_end_of_the_connection_without_ends_of_its_streams() {
    // go says nothing about its streams when it closes.
    let mut session = after(Yamux::default(), &[data(2, SYN, b"cut"), data(4, SYN | FIN, b"whole")]);
    session.handle_end(End::Closed, NOW);
    assert_eq!(read_all(&mut session, THEIRS[0]), (b"cut".to_vec(), ReadError::Closed));
    assert_eq!(read_all(&mut session, THEIRS[1]), (b"whole".to_vec(), ReadError::Ended));
    assert_eq!(session.stream_count(), 0);
}
