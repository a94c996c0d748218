//! Listeners.

use super::connecting::blames_address;
use crate::conformance::stage::{Bed, any_port, parse, without_peer};
use crate::conformance::subject::{Command, Setup, Subject};
use crate::conformance::system;
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::protocols::Target;
use peerwork_core::swarm::dialer::AttemptError;
use peerwork_core::swarm::{DialError, ListenError, TransportError};
use std::net::TcpListener;

pub(super) fn stops_listening<S: Subject>(bed: &Bed<S>) {
    let (dialer, listener) =
        (bed.actor("the dialer", Setup::new(1)), bed.actor("the listener", Setup::new(2)));
    let late = bed.actor("a late dialer", Setup::new(3));
    let (closed, address) = listener.run(|side| {
        side.serve();
        side.listen(any_port()).expect("loopback has another port")
    });
    let (connection, _) = dialer.connect(&address);
    listener.run(move |side| side.subject.command(Command::StopListening { listener: closed }));
    let bare = without_peer(&address);
    let port = address::tcp_socket_address(&bare).expect("it is a TCP address");
    bed.eventually("whether the port can be had again", &true, || TcpListener::bind(port).is_ok());
    let refused = DialError::Failed(vec![(bare.clone(), AttemptError::Transport(TransportError::Refused))]);
    let dialled = bare.clone();
    assert_eq!(late.run(|side| side.dial(dialled)).expect_err("the listener is closed"), refused);
    dialer.run(move |side| side.echo_with(Target::Connection(connection), 100_000));
    let again = late.run(|side| side.listen(bare));
    assert!(again.is_ok(), "the port, for another node: {again:?}");
}

pub(super) fn listens_on_both_versions_of_ip<S: Subject>(bed: &Bed<S>) {
    if !system::has_ipv6() {
        return bed.skip("this machine has no IPv6");
    }
    let (dialer, listener) =
        (bed.actor("the dialer", Setup::new(1)), bed.actor("the listener", Setup::new(2)));
    let (four, six) = listener.run(|side| {
        let four = side.serve();
        let port = address::tcp_socket_address(&without_peer(&four)).expect("it is a TCP address").port();
        let six = side.listen(parse(&format!("/ip6/::1/tcp/{port}")));
        // An address that is IPv4 in an IPv6 socket: who gets it gets IPv4 on `::` as well.
        let mapped = side.listen(parse("/ip6/::ffff:127.0.0.1/tcp/0"));
        assert!(mapped.is_err(), "an IPv6 socket that takes IPv4: {mapped:?}");
        (four, six.map(|(_, address)| address))
    });
    let six = six.unwrap_or_else(|error| panic!("the same port of ::1: {error}"));
    for address in [four, six] {
        let another = bed.actor("another dialer", Setup::new(3));
        for dialer in [&dialer, &another] {
            let bare: Multiaddr = without_peer(&address);
            let (connection, _) = dialer.run(move |side| side.connect(bare));
            dialer.run(move |side| side.echo_with(Target::Connection(connection), 1000));
        }
    }
}

pub(super) fn says_why_it_cannot_listen<S: Subject>(bed: &Bed<S>) {
    // Bound to the end of the case.
    let holder = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let in_use = address::from_socket_address(holder.local_addr().expect("it is bound"));
    let actor = bed.actor("the listener", Setup::new(1));
    actor.run(move |side| {
        let error = |error| Err(ListenError::Transport(error));
        assert_eq!(side.listen(in_use), error(TransportError::InUse), "a port in use");
        // Reserved for documentation: nobody's.
        let foreign = parse("/ip4/192.0.2.1/tcp/0");
        assert_eq!(side.listen(foreign), error(TransportError::NotLocal), "an address of another machine");
        let udp = side.listen(parse("/ip4/127.0.0.1/udp/0"));
        let is_right = matches!(&udp, Err(ListenError::Transport(error)) if blames_address(error));
        assert!(is_right, "an address of no transport: {udp:?}");
        let elsewhere = address::with_peer_id(any_port(), &Setup::new(2).peer());
        let other = side.listen(elsewhere);
        let is_right = matches!(
            &other,
            Err(ListenError::Transport(TransportError::Other(_) | TransportError::Address(_)))
        );
        assert!(is_right, "an address of another node: {other:?}");
        let listening = side.listen(any_port());
        assert!(listening.is_ok(), "loopback, after all those: {listening:?}");
        side.shut_down();
        assert_eq!(side.listen(any_port()), Err(ListenError::ShuttingDown), "after its end");
    });
}
