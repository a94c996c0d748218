//! Everything that other implementations are known to do, and what comes of it here.

use super::*;
use std::fmt::Write;

/// What came of frames: events, what each stream then gives to its reader, what is sent, the error.
///
/// We have opened stream 0 before, with the number 0 on the wire, and its announcement has left.
fn outcome(config: Mplex, frames: &[BytesMut], chunk: usize) -> String {
    let mut session = session(config);
    session.open_stream(NOW).unwrap();
    transmit(&mut session);
    let (mut told, mut streams) = (Vec::new(), vec![FIRST]);
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
    let sent = transmit(&mut session);
    if !sent.is_empty() {
        write!(text, "sends {}; ", HEXLOWER.encode(&sent)).unwrap();
    }
    if let Some(error) = error {
        write!(text, "dies: {error}; ").unwrap();
    }
    text.trim_end_matches("; ").to_owned()
}

const MIB: usize = MAX_PAYLOAD_BYTES;

#[test]
fn what_other_implementations_do_is_survived() {
    let opened = frame(0, 0, b"");
    let data = |bytes: &[u8]| frame(0, 2, bytes);
    let table: &[(&str, Vec<BytesMut>, &str)] = &[
        // Names.
        ("go: a name of digits", vec![frame(0, 0, b"0"), data(b"x")], "1 opened; 0 Blocked; 1 \"x\" Blocked"),
        ("rust: no name", vec![opened.clone(), data(b"x")], "1 opened; 0 Blocked; 1 \"x\" Blocked"),
        ("js: a letter", vec![frame(0, 0, b"i0"), data(b"x")], "1 opened; 0 Blocked; 1 \"x\" Blocked"),
        ("a long name", vec![frame(0, 0, &[b'n'; MIB]), data(b"x")], "1 opened; 0 Blocked; 1 \"x\" Blocked"),
        // Numbers.
        (
            "js: numbers from 2^28 on lose bits there, not here",
            vec![frame(1 << 29, 0, b""), frame(1 << 29, 2, b"x")],
            "1 opened; 0 Blocked; 1 \"x\" Blocked",
        ),
        (
            "the largest number",
            vec![frame(MAX_NUMBER, 0, b""), frame(MAX_NUMBER, 2, b"x"), frame(MAX_NUMBER, 4, b"")],
            "1 opened; 0 Blocked; 1 \"x\" Ended",
        ),
        (
            "both sides use the same number",
            vec![opened.clone(), frame(0, 1, b"of ours"), data(b"of theirs")],
            "1 opened; 0 \"of ours\" Blocked; 1 \"of theirs\" Blocked",
        ),
        (
            "a flag of the wrong side means no stream",
            vec![data(b"x"), frame(0, 4, b""), frame(0, 6, b"")],
            "0 Blocked",
        ),
        (
            "a number again, after its stream was reset",
            vec![opened.clone(), frame(0, 6, b""), opened.clone(), data(b"x")],
            "1 opened; 1 reset, Remote; 2 opened; 0 Blocked; 1 Closed; 2 \"x\" Blocked",
        ),
        (
            "js: a number in use again; go and rust close the connection too",
            vec![opened.clone(), data(b"x"), opened.clone()],
            "1 opened; 0 Closed; 1 \"x\" Closed; \
             dies: the peer broke the rules of mplex: a new stream has the number of an open one",
        ),
        // Ends.
        (
            "bodies of close and reset",
            vec![opened.clone(), data(b"x"), frame(0, 4, b"bye"), frame(0, 5, b"error")],
            "1 opened; 0 reset, Remote; 0 Closed; 1 \"x\" Ended",
        ),
        (
            "go: data after its own close",
            vec![opened.clone(), data(b"x"), frame(0, 4, b""), data(b"late"), frame(0, 4, b"")],
            "1 opened; 0 Blocked; 1 \"x\" Ended",
        ),
        (
            "rust: a close for a stream that it has dropped",
            vec![frame(0, 3, b""), frame(0, 3, b"")],
            "0 Ended",
        ),
        (
            "rust: a reset for a stream that it has dropped",
            vec![opened.clone(), data(b"x"), frame(0, 6, b"")],
            "1 opened; 1 reset, Remote; 0 Blocked; 1 Closed",
        ),
        (
            "a reset behind a close, which go ignores: what came before can be read",
            vec![opened.clone(), data(b"x"), frame(0, 4, b""), frame(0, 6, b"")],
            "1 opened; 0 Blocked; 1 \"x\" Ended",
        ),
        ("rust: our stream refused at its limit", vec![frame(0, 5, b"")], "0 reset, Remote; 0 Closed"),
        (
            "resets crossing each other",
            vec![frame(0, 5, b""), frame(0, 5, b""), frame(0, 1, b"late")],
            "0 reset, Remote; 0 Closed",
        ),
        (
            "frames of streams that never were, which js counts",
            (1..=6).flat_map(|flag| [frame(9, flag, b""), frame(9, flag, &[7; 5_000])]).collect(),
            "0 Blocked",
        ),
        // Payload.
        (
            "go: chunks of 4,076 bytes",
            vec![opened.clone(), data(&[7; 4_076]), data(&[7; 4_076])],
            "1 opened; 0 Blocked; 1 8152 bytes Blocked",
        ),
        (
            "rust: frames of 8 KiB",
            vec![opened.clone(), data(&[7; 8_192])],
            "1 opened; 0 Blocked; 1 8192 bytes Blocked",
        ),
        (
            "js: a frame of 1 MiB",
            vec![opened.clone(), data(&[7; MIB])],
            "1 opened; 0 Blocked; 1 1048576 bytes Blocked",
        ),
        (
            "no payload",
            vec![opened.clone(), data(b""), data(b"x"), data(b"")],
            "1 opened; 0 Blocked; 1 \"x\" Blocked",
        ),
        (
            "one byte over 1 MiB",
            vec![opened.clone(), hex("02818040")],
            "1 opened; 0 Closed; 1 Closed; dies: a mplex frame of 1048577 bytes is over the limit of 1048576",
        ),
        // What nobody should do.
        (
            "flag 7, which go skips and js waits for ever behind",
            vec![opened, data(b"x"), frame(0, 7, b"")],
            "1 opened; 0 Closed; 1 \"x\" Closed; dies: malformed mplex frame: the flag 7 has no meaning",
        ),
    ];
    for (what, frames, expected) in table {
        let len = frames.concat().len();
        for chunk in [1, 2, 3, 7, len] {
            if len / chunk < 20_000 {
                assert_eq!(outcome(Mplex::default(), frames, chunk), *expected, "{what}, chunks of {chunk}");
            }
        }
    }
}

#[test]
fn streams_over_the_limit_cost_themselves_and_not_the_connection() {
    // rust closed the connection here once.
    let config = Mplex { max_inbound_streams: 1, ..Mplex::default() };
    let frames = [
        frame(0, 0, b""),
        frame(1, 0, b"over"),
        frame(1, 2, b"dropped"),
        frame(1, 4, b""),
        frame(2, 0, b""),
        frame(0, 2, b"heard"),
    ];
    let expected = "1 opened; 0 Blocked; 1 \"heard\" Blocked; sends 0d001500";
    for chunk in [1, 2, 3, 7, 100] {
        assert_eq!(outcome(config, &frames, chunk), expected);
    }
}

#[test]
fn what_is_not_read_costs_what_the_policy_says() {
    let frames = [frame(0, 0, b""), frame(1, 0, b""), frame(0, 2, &[7; 30]), frame(1, 2, b"other")];
    let small = |when_full| Mplex { max_stream_buffer_bytes: 20, when_full, ..Mplex::default() };
    let reset =
        "1 opened; 2 opened; 1 reset, BufferFull; 0 Blocked; 1 Closed; 2 \"other\" Blocked; sends 0500";
    assert_eq!(outcome(small(WhenFull::Reset), &frames, usize::MAX), reset);

    // As a driver has it that keeps what was not taken.
    let reset_after = std::time::Duration::from_secs(3);
    let mut session = session(small(WhenFull::Block { reset_after }));
    let mut input = BytesMut::from(&frames.concat()[..]);
    session.handle_input(&mut input, NOW).unwrap();
    assert!(!session.wants_input(), "all wait for one");
    let full = session.poll_timeout().unwrap();
    assert_eq!((full.at, full.reason), (NOW + reset_after, "a stream's buffer is full"));
    session.handle_timeout(full.at);
    session.handle_input(&mut input, full.at).unwrap();
    assert_eq!(read_all(&mut session, SECOND), (b"other".to_vec(), ReadError::Blocked));
    assert_eq!(transmit(&mut session), frame(0, 5, b""));
}

#[test]
fn the_end_of_the_connection_without_ends_of_its_streams() {
    // rust says nothing about its streams when it closes.
    let mut session = after(Mplex::default(), &[frame(0, 0, b""), frame(0, 2, b"cut"), frame(1, 0, b"")]);
    offer(&mut session, &[frame(1, 2, b"whole"), frame(1, 4, b"")].concat());
    session.handle_end(End::Closed, NOW);
    assert_eq!(read_all(&mut session, FIRST), (b"cut".to_vec(), ReadError::Closed));
    assert_eq!(read_all(&mut session, SECOND), (b"whole".to_vec(), ReadError::Ended));
    assert!(session.streams.is_empty());
}
