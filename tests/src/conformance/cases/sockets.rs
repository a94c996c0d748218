//! Sockets that fail.

use super::connecting::disconnected;
use crate::conformance::faulty::{Operation, SocketFault};
use crate::conformance::stage::{Bed, ECHO, any_port, without_peer};
use crate::conformance::subject::{Command, Event, HOUR, Setup, Subject};
use peerwork_core::connection::ConnectionError;
use peerwork_core::protocols::Target;
use peerwork_core::swarm::dialer::AttemptError;
use peerwork_core::swarm::{DialError, ListenError, SwarmEvent};
use peerwork_runtime::transport_error;
use std::io::{self, ErrorKind};

/// What a socket may answer, of whatever system.
const KINDS: &[ErrorKind] = &[
    ErrorKind::AddrInUse,
    ErrorKind::AddrNotAvailable,
    ErrorKind::AlreadyExists,
    ErrorKind::BrokenPipe,
    ErrorKind::ConnectionAborted,
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionReset,
    ErrorKind::HostUnreachable,
    ErrorKind::Interrupted,
    ErrorKind::InvalidData,
    ErrorKind::InvalidInput,
    ErrorKind::NetworkDown,
    ErrorKind::NetworkUnreachable,
    ErrorKind::NotConnected,
    ErrorKind::NotFound,
    ErrorKind::Other,
    ErrorKind::OutOfMemory,
    ErrorKind::PermissionDenied,
    ErrorKind::ResourceBusy,
    ErrorKind::TimedOut,
    ErrorKind::UnexpectedEof,
    ErrorKind::Unsupported,
    ErrorKind::WouldBlock,
    ErrorKind::WriteZero,
];

/// Those that a system gives while it accepts: each costs a pause.
const ACCEPT_KINDS: &[ErrorKind] = &[
    ErrorKind::ConnectionAborted,
    ErrorKind::Interrupted,
    ErrorKind::Other,
    ErrorKind::OutOfMemory,
    ErrorKind::PermissionDenied,
];

/// How often the tasks of a node may be polled for one fault: else it turns in circles.
const MAX_POLLS: usize = 2_000;

pub(super) fn survives_errors_of_sockets<S: Subject>(bed: &Bed<S>) {
    // A broken connection does not wait for the remote to close.
    let patient =
        |number| Setup::new(number).configure(|config| config.swarm.connection.close_timeout = HOUR);
    let (dialer, listener, address) = bed.pair(patient(1), patient(2));
    let (_, peer) = dialer.connect(&address);
    let faults = dialer.needed_faults();
    let bare = without_peer(&address);
    for &kind in KINDS {
        let expected = transport_error(&io::Error::from(kind));
        faults.fail_next(Operation::Connect, SocketFault::Fails(kind));
        let target = bare.clone();
        let failed = dialer.run(move |side| side.dial(target));
        let failures = vec![(bare.clone(), AttemptError::Transport(expected.clone()))];
        assert_eq!(failed, Err(DialError::Failed(failures)), "connecting fails: {kind:?}");
        faults.fail_next(Operation::Listen, SocketFault::Fails(kind));
        let failed = dialer.run(|side| side.listen(any_port()));
        assert_eq!(failed, Err(ListenError::Transport(expected)), "listening fails: {kind:?}");
    }
    let of_connections = [Operation::Read, Operation::Write, Operation::Shutdown];
    let errors = of_connections
        .iter()
        .flat_map(|&operation| KINDS.iter().map(move |&kind| (operation, SocketFault::Fails(kind))));
    for (operation, fault) in errors.chain([(Operation::Write, SocketFault::TakesNothing)]) {
        let before = faults.polls();
        let (connection, _) = dialer.connect(&bare);
        faults.fail_next(operation, fault);
        let reason = dialer.run(move |side| {
            match operation {
                Operation::Write => drop(side.start_open(Target::Connection(connection), ECHO)),
                Operation::Shutdown => side.subject.command(Command::Disconnect { connection }),
                _ => {}
            }
            side.wait(format!("the end of the connection after {operation:?} {fault:?}"), disconnected)
        });
        let expected = if operation == Operation::Shutdown {
            ConnectionError::ClosedHere
        } else {
            ConnectionError::Broken
        };
        assert_eq!(reason, expected, "{operation:?} {fault:?}");
        listener.run(|side| side.wait("the end of the connection", gone));
        let polls = faults.polls() - before;
        assert!(polls <= MAX_POLLS, "its tasks were polled {polls} times for {operation:?} {fault:?}");
        // On the connection beside it.
        dialer.run(move |side| side.echo_with(Target::Peer(peer), 1000));
    }
    assert_eq!(faults.faults_to_come(), 0, "faults that were never met");
    let accepting = listener.needed_faults();
    for &kind in ACCEPT_KINDS {
        accepting.fail_next(Operation::Accept, SocketFault::Fails(kind));
        // This one is lost.
        let target = bare.clone();
        dialer.run(move |side| drop(side.dial(target)));
        dialer.connect(&bare);
    }
    dialer.run(move |side| side.echo_with(Target::Peer(peer), 100_000));
}

/// Whether a connection is gone, which may not even have been open at this end.
fn gone(event: &Event) -> Option<()> {
    let is_gone =
        matches!(event, Event::Swarm(SwarmEvent::Disconnected { .. } | SwarmEvent::IncomingFailed { .. }));
    is_gone.then_some(())
}

pub(super) fn works_a_byte_at_a_time<S: Subject>(bed: &Bed<S>) {
    let (dialer, listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    for actor in [&dialer, &listener] {
        actor.needed_faults().set_piecemeal(true);
    }
    let (connection, _) = dialer.connect(&address);
    dialer.run(move |side| {
        side.echo_with(Target::Connection(connection), 5_000);
        side.subject.command(Command::Disconnect { connection });
    });
    assert_eq!(
        listener.run(|side| side.wait("the end of the connection", disconnected)),
        ConnectionError::ClosedByPeer
    );
}
