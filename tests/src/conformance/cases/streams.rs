//! What streams carry.

use crate::conformance::stage::{Actor, Bed, ECHO, Pattern, RAW};
use crate::conformance::subject::{Event, Setup, StreamEnd, Subject};
use peerwork_core::connection::ConnectionId;
use peerwork_core::muxer::yamux::INITIAL_WINDOW_BYTES;
use peerwork_core::protocols::{StreamKey, Target};
use std::collections::BTreeMap;
use std::time::Duration;

/// How many streams there are at a time.
const STREAMS: usize = 1_000;

/// How many of them are opened at the same moment: as many as may wait for the remote's answer.
const WISHES: usize = 200;

/// How many bytes a writer may be rid of while nobody reads them: a window of yamux, a full transmit buffer, and the frame that is the
/// last to go into it. No socket comes into it, since windows are what nodes promise each other.
const MAX_UNREAD_BYTES: usize = INITIAL_WINDOW_BYTES as usize + 64 * 1024 + 64 * 1024;

/// A stream of the protocol [`RAW`], at both ends.
pub(super) fn stream<S: Subject>(
    opener: &Actor<S>,
    acceptor: &Actor<S>,
    connection: ConnectionId,
) -> (StreamKey, StreamKey) {
    let opened = opener.run(move |side| side.open(Target::Connection(connection), RAW));
    (opened, acceptor.run(|side| side.accept()))
}

pub(super) fn echoes_both_ways_at_once<S: Subject>(bed: &Bed<S>) {
    let (dialer, _listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    let (connection, _) = dialer.connect(&address);
    let bulk = bed.options.bulk_bytes;
    dialer.run(move |side| side.echo_with(Target::Connection(connection), bulk));
}

pub(super) fn half_closes<S: Subject>(bed: &Bed<S>) {
    let (dialer, listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    let (connection, _) = dialer.connect(&address);
    for opener_first in [true, false] {
        let (opened, accepted) = stream(&dialer, &listener, connection);
        let (opener, acceptor) = ((&dialer, opened), (&listener, accepted));
        let (first, second) = if opener_first { (opener, acceptor) } else { (acceptor, opener) };
        let (node, stream) = first;
        node.run(move |side| {
            side.write(stream, b"the question").expect("the stream is open");
            side.subject.close(stream);
            assert_eq!(side.subject.write(stream, b"more"), Err(StreamEnd::Ended), "behind the end");
        });
        let (node, stream) = second;
        node.run(move |side| {
            assert_eq!(side.read_to_end(stream), Ok(b"the question".to_vec()));
            side.write(stream, &[7; 100_000]).expect("this direction is open");
            side.subject.close(stream);
        });
        let (node, stream) = first;
        let answer = node.run(move |side| side.read_to_end(stream));
        assert!(
            answer.as_deref() == Ok(&[7; 100_000][..]),
            "the answer, {:?} bytes",
            answer.map(|bytes| bytes.len())
        );
    }
}

pub(super) fn resets_one_stream<S: Subject>(bed: &Bed<S>) {
    let (dialer, listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    let (connection, _) = dialer.connect(&address);
    let (beside, accepted_beside) = stream(&dialer, &listener, connection);
    for by_opener in [true, false] {
        let (opened, accepted) = stream(&dialer, &listener, connection);
        dialer.run(move |side| side.write(opened, b"first")).expect("the stream is open");
        assert_eq!(listener.run(move |side| side.read_exact(accepted, 5)), Ok(b"first".to_vec()));
        let ((by, own), (at, theirs)) = if by_opener {
            ((&dialer, opened), (&listener, accepted))
        } else {
            ((&listener, accepted), (&dialer, opened))
        };
        // It waits when the reset comes.
        let reading = at.start(move |side| side.read(theirs));
        by.run(move |side| side.subject.reset(own));
        assert_eq!(
            reading.end(),
            Err(StreamEnd::Reset),
            "reading what was reset, by the opener: {by_opener}"
        );
        let written = at.run(move |side| side.write(theirs, b"more"));
        assert_eq!(written, Err(StreamEnd::Reset), "writing what was reset, by the opener: {by_opener}");
    }
    dialer.run(move |side| side.write(beside, b"unharmed")).expect("the stream beside is open");
    assert_eq!(listener.run(move |side| side.read_exact(accepted_beside, 8)), Ok(b"unharmed".to_vec()));
}

pub(super) fn holds_back_a_writer<S: Subject>(bed: &Bed<S>) {
    let (dialer, listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    let (connection, _) = dialer.connect(&address);
    let (opened, accepted) = stream(&dialer, &listener, connection);
    let taken = dialer.run(move |side| {
        let pattern = Pattern::new();
        let mut taken = 0;
        loop {
            match side.subject.write(opened, pattern.part(taken, usize::MAX)) {
                Ok(written) => taken += written,
                Err(StreamEnd::Blocked) => {
                    let is_writable = |event: &Event| (*event == Event::Writable(opened)).then_some(());
                    if side.wait_for(Duration::from_millis(300), "room to write", is_writable).is_none() {
                        return taken;
                    }
                }
                Err(end) => panic!("a writer whose reader does not read: {end}"),
            }
            assert!(taken <= MAX_UNREAD_BYTES, "{taken} bytes were taken that nobody reads");
        }
    });
    dialer.run(move |side| side.echo_with(Target::Connection(connection), 1_000_000));
    // Half a megabyte more, for which the reader must make room.
    let total = taken + 500_000;
    let writing = dialer.start(move |side| {
        let pattern = Pattern::new();
        let mut sent = taken;
        while sent < total {
            let part = pattern.part(sent, total - sent);
            side.write(opened, part).expect("the stream is open");
            sent += part.len();
        }
        side.subject.close(opened);
    });
    let read = listener.run(move |side| side.read_to_end(accepted)).expect("the stream ends in order");
    writing.end();
    assert_eq!(read.len(), total, "bytes that arrived in the end");
    assert!(Pattern::new().begins_with(&read), "what arrived in the end is not what was sent");
}

pub(super) fn carries_a_thousand_streams<S: Subject>(bed: &Bed<S>) {
    let (dialer, _listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    let (connection, _) = dialer.connect(&address);
    dialer.run(move |side| {
        let target = Target::Connection(connection);
        let mut streams = Vec::new();
        while streams.len() < STREAMS {
            let wishes: Vec<_> = (0..WISHES).map(|_| side.start_open(target, ECHO)).collect();
            for wish in wishes {
                let opened = side.opened(wish);
                streams.push(opened.unwrap_or_else(|error| panic!("stream {}: {error}", streams.len())));
            }
        }
        let mut numbers = BTreeMap::new();
        for (number, &stream) in streams.iter().enumerate() {
            side.write(stream, &content(number)).expect("the stream is open");
            numbers.insert(stream, number);
        }
        for &stream in &streams {
            side.subject.close(stream);
        }
        for (stream, number) in numbers {
            assert_eq!(side.read_to_end(stream), Ok(content(number)), "the echo of stream {number}");
            side.subject.drop_stream(stream);
        }
    });
}

/// What goes over one of many streams.
fn content(number: usize) -> Vec<u8> {
    format!("stream {number}; ").repeat(8).into_bytes()
}

pub(super) fn sends_without_a_flush<S: Subject>(bed: &Bed<S>) {
    let (dialer, listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    let (connection, _) = dialer.connect(&address);
    let (opened, accepted) = stream(&dialer, &listener, connection);
    for (from, out, to, into) in
        [(&dialer, opened, &listener, accepted), (&listener, accepted, &dialer, opened)]
    {
        for byte in 0..8 {
            from.run(move |side| side.write(out, &[byte])).expect("the stream is open");
            assert_eq!(to.run(move |side| side.read_exact(into, 1)), Ok(vec![byte]));
        }
    }
}
