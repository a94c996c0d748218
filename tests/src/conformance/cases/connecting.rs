//! Dials, and what comes of them.

use crate::conformance::stage::{Bed, ECHO, parse, without_peer};
use crate::conformance::subject::{Command, Event, Setup, Subject};
use crate::conformance::system::{self, Unanswering};
use peerwork_core::address;
use peerwork_core::connection::ConnectionError;
use peerwork_core::identity::PeerId;
use peerwork_core::protocols::{StreamError, Target};
use peerwork_core::security::Role;
use peerwork_core::swarm::dialer::AttemptError;
use peerwork_core::swarm::{DialError, SwarmEvent, TransportError};
use std::time::{Duration, Instant};

/// The roles and peers of the next connection that was reported.
fn connected(event: &Event) -> Option<(Role, PeerId)> {
    match event {
        Event::Swarm(SwarmEvent::Connected { role, peer, .. }) => Some((*role, *peer)),
        _ => None,
    }
}

/// Why the next connection that was reported to be gone ended.
pub(super) fn disconnected(event: &Event) -> Option<ConnectionError> {
    match event {
        Event::Swarm(SwarmEvent::Disconnected { reason, .. }) => Some(reason.clone()),
        _ => None,
    }
}

/// Whether an error says that the address is not one for this node: where there are several transports, that none of them takes it.
pub(super) fn blames_address(error: &TransportError) -> bool {
    matches!(error, TransportError::Unsupported { .. } | TransportError::Address(_))
}

pub(super) fn connects<S: Subject>(bed: &Bed<S>) {
    let (one, two) = (Setup::new(1), Setup::new(2));
    let (dialing, listening) = (one.peer(), two.peer());
    let (dialer, listener, address) = bed.pair(one, two);
    let (connection, peer) = dialer.connect(&address);
    assert_eq!(peer, listening, "who answered");
    let at_dialer = dialer.run(|side| side.wait("its connection", connected));
    let at_listener = listener.run(|side| side.wait("its connection", connected));
    assert_eq!(at_dialer, (Role::Dialer, listening), "what the dialer tells of the connection");
    assert_eq!(at_listener, (Role::Listener, dialing), "what the listener tells of the connection");
    dialer.run(move |side| {
        side.echo_with(Target::Connection(connection), 1000);
        let unknown =
            side.start_open(Target::Peer(peer), "/conformance/unknown".parse().expect("this is a protocol"));
        let refused = side.opened(unknown);
        assert!(
            matches!(refused, Err(StreamError::Unsupported(_))),
            "a protocol that nobody speaks: {refused:?}"
        );
        side.subject.command(Command::Disconnect { connection });
        assert_eq!(side.wait("the end of the connection", disconnected), ConnectionError::ClosedHere);
        let token = side.start_open(Target::Peer(peer), ECHO);
        assert_eq!(side.opened(token), Err(StreamError::NotConnected), "a stream without a connection");
    });
    let reason = listener.run(|side| side.wait("the end of the connection", disconnected));
    assert_eq!(reason, ConnectionError::ClosedByPeer);
}

pub(super) fn says_why_it_cannot_dial<S: Subject>(bed: &Bed<S>) {
    let (dialer, listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    let (own, elsewhere) = (without_peer(&address), Setup::new(3).peer());
    let refusing = parse(&format!("/ip4/127.0.0.1/tcp/{}", system::unused_port()));
    let actual = Setup::new(2).peer();
    let wrong = AttemptError::WrongPeer { expected: elsewhere, actual };
    dialer.run(move |side| {
        let refused = AttemptError::Transport(TransportError::Refused);
        let failed = DialError::Failed(vec![(refusing.clone(), refused)]);
        assert_eq!(side.dial(refusing), Err(failed), "where nobody listens");
        let result = side.dial(address::with_peer_id(own.clone(), &elsewhere));
        let Err(DialError::Failed(failures)) = &result else { panic!("the wrong peer answers: {result:?}") };
        assert!(
            matches!(&failures[..], [(_, error)] if *error == wrong),
            "the wrong peer answers: {failures:?}"
        );
        let udp = parse("/ip4/127.0.0.1/udp/4001");
        let result = side.dial(udp);
        let Err(DialError::Failed(failures)) = &result else { panic!("no transport takes it: {result:?}") };
        let is_right =
            matches!(&failures[..], [(_, AttemptError::Transport(error))] if blames_address(error));
        assert!(is_right, "no transport takes it: {failures:?}");
        assert_eq!(side.connect(own).1, actual, "after all those");
    });
    listener.run(|side| {
        let itself = side.subject.local_peer();
        assert_eq!(side.dial(itself), Err(DialError::SelfDial), "its own id");
    });
    let to_itself = listener.run(move |side| side.dial(without_peer(&address)));
    let Err(DialError::Failed(failures)) = &to_itself else { panic!("its own address: {to_itself:?}") };
    assert!(matches!(&failures[..], [(_, AttemptError::SelfDial)]), "its own address: {failures:?}");
}

pub(super) fn cancels_a_dial<S: Subject>(bed: &Bed<S>) {
    let unanswering = match Unanswering::new() {
        Ok(Some(unanswering)) => unanswering,
        Ok(None) => return bed.skip("no address can be made that neither answers nor refuses"),
        Err(error) => return bed.skip(error),
    };
    let (dialer, listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    // What the executor opens at its first use.
    let (connection, _) = dialer.connect(&address);
    dialer.run(move |side| {
        side.subject.command(Command::Disconnect { connection });
        side.wait("the end of the connection", disconnected);
    });
    listener.run(|side| side.wait("the end of the connection", disconnected));
    let faults = dialer.faults();
    bed.expect_no_sockets_held(faults.as_deref());
    let before = bed.settled_sockets();
    let target = address::from_socket_address(unanswering.address());
    let token = dialer.run(move |side| {
        let token = side.start_dial(target);
        let early = side.wait_for(Duration::from_millis(200), "nothing", |event| match event {
            Event::Dialed { result, .. } => Some(result.clone()),
            _ => None,
        });
        assert_eq!(early, None, "an address that does not answer");
        token
    });
    let is_dialling = system::open_sockets() > before || before.is_none();
    assert!(is_dialling, "a dial takes a socket: {:?}, and {before:?} before", system::open_sockets());
    let outcome = dialer.run(move |side| {
        side.subject.command(Command::CancelDial { token });
        side.dialed(token)
    });
    assert_eq!(outcome, Err(DialError::Cancelled));
    bed.expect_sockets(before);
    bed.expect_no_sockets_held(faults.as_deref());
    let (_, peer) = dialer.connect(&address);
    dialer.run(move |side| side.echo_with(Target::Peer(peer), 1000));
}

pub(super) fn answers_other_threads<S: Subject>(bed: &Bed<S>) {
    let (dialer, _listener, address) = bed.pair(Setup::new(1), Setup::new(2));
    let (_, peer) = dialer.connect(&address);
    let node = dialer.run(|side| side.handle());
    // The node's own thread sleeps soundly: only a wake-up makes it look.
    let patience = bed.options.patience;
    let asleep = dialer.start(move |side| {
        let end = Instant::now() + patience;
        while !matches!(side.subject.next_event(patience / 2), Some(Event::Ping(_))) && Instant::now() < end {
        }
    });
    std::thread::sleep(Duration::from_millis(100));
    let (sender, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let executor = tokio::runtime::Builder::new_current_thread().build().expect("a thread can wait");
        // Nobody listens where the case has failed.
        let _ = sender.send(executor.block_on(node.ping(peer)));
    });
    let pong = answer.recv_timeout(patience / 4);
    assert!(matches!(pong, Ok(Ok(_))), "a ping from another thread: {pong:?}");
    asleep.end();
}
