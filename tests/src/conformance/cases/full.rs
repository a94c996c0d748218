//! Sockets that are full, because a relay passes nothing on.

use super::streams::stream;
use crate::conformance::stage::{Actor, Bed, Pattern};
use crate::conformance::subject::{Command, Event, HOUR, Setup, Subject};
use crate::conformance::system::Relay;
use peerwork_core::muxer::yamux::INITIAL_WINDOW_BYTES;
use peerwork_core::protocols::StreamKey;
use std::time::{Duration, Instant};

/// How many streams fill a socket.
const STREAMS: usize = 64;

/// How much each of them writes: what fits into its window, in which the agreement on its protocol has a place too.
const BYTES: usize = INITIAL_WINDOW_BYTES as usize - 4 * 1024;

/// When no stream has taken a byte for so long, the socket is full.
const FULL_AFTER: Duration = Duration::from_millis(100);

/// Two nodes, and a socket between them that is full.
struct Full<S> {
    dialer: Actor<S>,
    listener: Actor<S>,
    relay: Relay,
    /// Streams, at both ends, and how much each has taken of the pattern.
    streams: Vec<(StreamKey, StreamKey, usize)>,
}

/// Fills a socket, unless the system keeps all that the streams may send.
fn fill<S: Subject>(bed: &Bed<S>) -> Option<Full<S>> {
    let patient = Setup::new(1).configure(|config| config.swarm.connection.close_timeout = HOUR);
    let (dialer, listener, relay, address) = bed.relayed_pair(patient, Setup::new(2));
    let (connection, _) = dialer.connect(&address);
    let streams: Vec<_> = (0..STREAMS).map(|_| stream(&dialer, &listener, connection)).collect();
    let opened: Vec<_> = streams.iter().map(|(opened, _)| *opened).collect();
    relay.freeze(true);
    let taken = dialer.run(move |side| {
        let pattern = Pattern::new();
        let mut taken = vec![0; opened.len()];
        let mut last_taken = Instant::now();
        while last_taken.elapsed() < FULL_AFTER {
            for (&stream, taken) in opened.iter().zip(&mut taken) {
                while *taken < BYTES
                    && let Ok(written) = side.subject.write(stream, pattern.part(*taken, BYTES - *taken))
                {
                    *taken += written;
                    last_taken = Instant::now();
                }
            }
            side.drive(Duration::from_millis(2));
        }
        taken
    });
    if taken.iter().sum::<usize>() == STREAMS * BYTES {
        bed.skip("the system keeps more for a socket than all streams may send");
        return None;
    }
    let streams = streams.into_iter().zip(taken).map(|((opened, accepted), taken)| (opened, accepted, taken));
    Some(Full { streams: streams.collect(), dialer, listener, relay })
}

pub(super) fn waits_for_a_full_socket<S: Subject>(bed: &Bed<S>) {
    let Some(Full { dialer, listener, relay, streams }) = fill(bed) else { return };
    let rest = streams.clone();
    let writing = dialer.start(move |side| {
        let pattern = Pattern::new();
        for (stream, _, mut sent) in rest {
            while sent < BYTES {
                let part = pattern.part(sent, BYTES - sent);
                side.write(stream, part).expect("the stream is open");
                sent += part.len();
            }
            side.subject.close(stream);
        }
    });
    std::thread::sleep(Duration::from_millis(50));
    relay.freeze(false);
    writing.end();
    for (_, accepted, _) in streams {
        expect_pattern(&listener, accepted, BYTES);
    }
}

pub(super) fn delivers_what_it_took_before_it_stops<S: Subject>(bed: &Bed<S>) {
    let Some(Full { dialer, listener, relay, streams }) = fill(bed) else { return };
    let opened: Vec<_> = streams.iter().map(|(opened, _, _)| *opened).collect();
    dialer.run(|side| {
        for stream in opened {
            side.subject.close(stream);
        }
        side.subject.command(Command::Shutdown);
    });
    std::thread::sleep(Duration::from_millis(50));
    relay.freeze(false);
    for (_, accepted, taken) in streams {
        expect_pattern(&listener, accepted, taken);
    }
    dialer.run(|side| side.wait("its own end", |event| (*event == Event::ShutDown).then_some(())));
}

/// Reads a stream to its end, where so many bytes of the pattern should have come.
fn expect_pattern<S: Subject>(actor: &Actor<S>, stream: StreamKey, count: usize) {
    let read = actor.run(move |side| side.read_to_end(stream)).expect("the stream ends in order");
    assert_eq!(read.len(), count, "bytes that arrived in the end");
    assert!(Pattern::new().begins_with(&read), "what arrived in the end is not what was sent");
}
