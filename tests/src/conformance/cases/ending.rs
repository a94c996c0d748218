//! How nodes and connections end.

use super::connecting::disconnected;
use crate::conformance::stage::{Bed, ECHO, Pattern, RAW, any_port};
use crate::conformance::subject::{Command, Event, HOUR, SHORT_TIMEOUT, Setup, StreamEnd, Subject};
use crate::conformance::system::Unanswering;
use peerwork_core::address;
use peerwork_core::connection::ConnectionError;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::protocols::Target;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// How long a node may take to stop, whatever its remotes do: to let messages leave, to let the remote close, and some more for a busy
/// machine.
const MAX_STOP: Duration = Duration::from_millis(2 * SHORT_TIMEOUT.as_millis() as u64 + 3_000);

pub(super) fn ends_in_order<S: Subject>(bed: &Bed<S>) {
    // mplex has no words of farewell.
    let setup = |number| {
        let setup = Setup::new(number).muxer(Mplex::default());
        setup.configure(|config| config.swarm.connection.close_timeout = HOUR)
    };
    let (dialer, listener, address) = bed.pair(setup(1), setup(2));
    let (connection, _) = dialer.connect(&address);
    dialer.run(move |side| side.subject.command(Command::Disconnect { connection }));
    let reason = listener.run(|side| side.wait("the end of the connection", disconnected));
    assert_eq!(reason, ConnectionError::ClosedByPeer, "at the other end");
    assert_eq!(
        dialer.run(|side| side.wait("the end of the connection", disconnected)),
        ConnectionError::ClosedHere
    );
    bed.expect_no_sockets_held(dialer.faults().as_deref());
}

pub(super) fn stops_when_dropped<S: Subject>(bed: &Bed<S>) {
    let (dialer, listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    let (connection, _) = dialer.connect(&address);
    let sending = dialer.start(move |side| {
        let stream = side.open(Target::Connection(connection), RAW);
        let pattern = Pattern::new();
        loop {
            if let Err(end) = side.write(stream, pattern.part(0, usize::MAX)) {
                break end;
            }
        }
    });
    let dropped = listener.run(|side| {
        let stream = side.accept();
        side.read_exact(stream, 500_000).expect("the stream goes on");
        side.subject.command(Command::Drop);
        side.subject.faults()
    });
    let end = sending.end();
    assert!(matches!(end, StreamEnd::Reset | StreamEnd::ConnectionClosed), "the stream's end: {end}");
    let reason = dialer.run(|side| side.wait("the end of the connection", disconnected));
    assert!(matches!(reason, ConnectionError::ClosedByPeer | ConnectionError::Broken), "{reason}");
    listener.run(|side| side.wait("its own end", |event| (*event == Event::ShutDown).then_some(())));
    bed.expect_nothing_held(dropped.as_deref());
}

pub(super) fn stops_beside_a_silent_remote<S: Subject>(bed: &Bed<S>) {
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let target = address::from_socket_address(silent.local_addr().expect("it is bound"));
    let dialer = bed.actor("the dialer", Setup::new(1));
    dialer.run(move |side| side.start_dial(target));
    let _held = silent.accept().expect("the dialer connects");
    let start = Instant::now();
    dialer.shut_down();
    let took = start.elapsed();
    assert!(took < MAX_STOP, "it took {took:?} to stop");
    bed.expect_nothing_held(dialer.faults().as_deref());
}

pub(super) fn stops_beside_a_remote_that_hangs<S: Subject>(bed: &Bed<S>) {
    let (dialer, _listener, relay, address) = bed.relayed_pair(Setup::new(1), Setup::new(2));
    let (connection, _) = dialer.connect(&address);
    dialer.run(move |side| side.echo_with(Target::Connection(connection), 1000));
    relay.freeze(true);
    let start = Instant::now();
    dialer.shut_down();
    let took = start.elapsed();
    assert!(took < MAX_STOP, "it took {took:?} to stop");
    bed.expect_nothing_held(dialer.faults().as_deref());
}

pub(super) fn survives_a_cut<S: Subject>(bed: &Bed<S>) {
    let (dialer, listener, relay, address) = bed.relayed_pair(Setup::new(1), Setup::new(2));
    let direct = listener.run(|side| side.serve());
    let (beside, _) = dialer.connect(&direct);
    let (connection, _) = dialer.connect(&address);
    let opened = dialer.run(move |side| side.open(Target::Connection(connection), RAW));
    let accepted = listener.run(|side| side.accept());
    let ends = [(&dialer, opened), (&listener, accepted)];
    let reading = ends.map(|(actor, stream)| actor.start(move |side| side.read(stream)));
    relay.cut();
    for (reading, (actor, stream)) in reading.into_iter().zip(ends) {
        assert_eq!(
            reading.end(),
            Err(StreamEnd::ConnectionClosed),
            "reading a stream of a connection that is cut"
        );
        let written = actor.run(move |side| side.write(stream, b"more"));
        assert_eq!(written, Err(StreamEnd::ConnectionClosed), "writing a stream of a connection that is cut");
        let reason = actor.run(|side| side.wait("the end of the connection", disconnected));
        assert!(matches!(reason, ConnectionError::ClosedByPeer | ConnectionError::Broken), "{reason}");
    }
    dialer.run(move |side| side.echo_with(Target::Connection(beside), 1000));
}

pub(super) fn stops_though_nothing_can_be_written<S: Subject>(bed: &Bed<S>) {
    let (dialer, _listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    let (connection, _) = dialer.connect(&address);
    let faults = dialer.needed_faults();
    dialer.run(move |side| {
        let stream = side.open(Target::Connection(connection), ECHO);
        faults.stall_writes(true);
        let pattern = Pattern::new();
        let mut taken = 0;
        while let Ok(written) = side.subject.write(stream, pattern.part(0, usize::MAX)) {
            taken += written;
            assert!(taken < 1_000_000, "{taken} bytes were taken that cannot be written");
        }
    });
    let start = Instant::now();
    dialer.shut_down();
    let took = start.elapsed();
    assert!(took < MAX_STOP, "it took {took:?} to stop");
    bed.expect_nothing_held(dialer.faults().as_deref());
}

pub(super) fn leaves_nothing_behind<S: Subject>(bed: &Bed<S>) {
    // What the executor opens at its first use, and keeps.
    drop(bed.pair(Setup::new(1), Setup::new(2)));
    let unanswering = Unanswering::new().ok().flatten();
    let before = bed.settled_sockets();
    let (dialer, listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    let (connection, _) = dialer.connect(&address);
    if let Some(unanswering) = &unanswering {
        let target = address::from_socket_address(unanswering.address());
        dialer.run(move |side| side.start_dial(target));
    }
    dialer.run(move |side| {
        side.listen(any_port()).expect("loopback has a port");
        side.echo_with(Target::Connection(connection), 1000);
        let stream = side.open(Target::Connection(connection), ECHO);
        side.write(stream, &[1; 100_000]).expect("the stream is open");
        side.open(Target::Connection(connection), RAW);
    });
    let faults = [dialer.faults(), listener.faults()];
    dialer.shut_down();
    bed.expect_nothing_held(faults[0].as_deref());
    listener.run(|side| side.wait("the end of the connection", disconnected));
    listener.shut_down();
    bed.expect_nothing_held(faults[1].as_deref());
    drop((dialer, listener));
    bed.expect_sockets(before);
}
