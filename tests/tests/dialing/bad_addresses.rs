//! A good address among bad ones: when exactly it connects.

use peerwork_core::address::{self, Multiaddr};
use peerwork_core::swarm::{DialTarget, SwarmEvent};
use peerwork_tests::drivers::Host;
use peerwork_tests::drivers::host::{LoopHost, run, run_while};
use peerwork_tests::drivers::network::{Faults, Stranger};
use peerwork_tests::recipe::{self, Security};
use std::net::Ipv4Addr;
use std::time::Duration;

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
const PUBLIC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// How long it takes until a peer is connected that has a good address at this place, in the dialer's order, and nine bad ones. Nothing
/// else takes any time.
fn time_to_connect(ip: Ipv4Addr, place: u16, bad: Stranger) -> Duration {
    let network = recipe::local(Security::Plaintext, Faults::NONE, 0);
    let (a, b) = (LoopHost::new(&network, 0), LoopHost::new(&network, 1));
    let good = run(&network, b.listen_at(ip.into())).unwrap();
    let (good, peer) = address::split_peer_id(&good).unwrap();
    let ports = (1..place).chain(60_000 + place..60_010);
    let bad_ones: Vec<Multiaddr> =
        ports.map(|port| address::from_socket_address((ip, port).into())).collect();
    assert_eq!(bad_ones.len(), 9);
    for address in &bad_ones {
        network.borrow_mut().put(address.clone(), bad);
    }
    let start = network.borrow().now();
    network.borrow_mut().take_record();
    let addresses = bad_ones.into_iter().chain([good]).collect();
    let dial = a.start_dial(DialTarget { peer, addresses });
    run_while(&network, secs(100));
    let record = network.borrow_mut().take_record();
    let answers: Vec<_> = record
        .iter()
        .filter_map(|(at, _, event)| match event {
            SwarmEvent::Dialed { dial: answered, .. } if *answered == dial => Some(*at - start),
            SwarmEvent::DialFailed { error, .. } => panic!("{error}"),
            _ => None,
        })
        .collect();
    run(&network, a.shutdown());
    run(&network, b.shutdown());
    assert_eq!([a.leftovers(), b.leftovers()].concat(), Vec::<String>::new());
    let [after] = answers[..] else { panic!("{answers:?}") };
    after
}

#[test]
fn nine_addresses_refuse_and_one_is_good() {
    let refuses = Stranger::Refuses(millis(1));
    for (ip, place, expected) in [
        (LOOPBACK, 1, millis(0)),
        // When the first has failed, all others are dialled at once, as far as there are tokens: eight.
        (LOOPBACK, 2, millis(1)),
        (LOOPBACK, 9, millis(1)),
        (LOOPBACK, 10, millis(2)),
        (PUBLIC, 10, millis(2)),
    ] {
        assert_eq!(time_to_connect(ip, place, refuses), expected, "{ip}, place {place}");
    }
    // Slow to refuse: the delay of the rank is over before.
    for (ip, expected) in [(LOOPBACK, millis(30)), (PUBLIC, millis(250))] {
        assert_eq!(time_to_connect(ip, 2, Stranger::Refuses(secs(1))), expected, "{ip}");
    }
}

#[test]
fn nine_addresses_are_silent_and_one_is_good() {
    for (ip, place, expected) in [
        (LOOPBACK, 1, millis(0)),
        // The delay of its rank.
        (LOOPBACK, 2, millis(30)),
        (LOOPBACK, 8, millis(30)),
        (PUBLIC, 2, millis(250)),
        (PUBLIC, 8, millis(250)),
        // Eight others have the peer's tokens until their time is over, the first of them at once, the others after that delay.
        (LOOPBACK, 9, secs(5)),
        (LOOPBACK, 10, secs(5) + millis(30)),
        (PUBLIC, 9, secs(15)),
        (PUBLIC, 10, secs(15) + millis(250)),
    ] {
        assert_eq!(time_to_connect(ip, place, Stranger::Silent), expected, "{ip}, place {place}");
    }
}
