//! The rules that need no dial: tables.

use super::super::addresses::{Gate, Scope, split};
use super::super::black_hole::BlackHoles;
use super::super::filter::redundant;
use super::super::names::{Name, Question};
use super::super::ranking::delays;
use super::*;
use crate::address::InvalidAddress;
use std::sync::Arc;

#[test]
fn delays_are_those_of_happy_eyeballs() {
    for (addresses, expected) in [
        // Lower ports first; the rest together with the second.
        (&["/ip4/1.2.3.4/tcp/3", "/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/2"][..], &[250, 0, 250][..]),
        // IPv6, then IPv4, then the rest.
        (
            &[
                "/ip4/1.2.3.4/tcp/2",
                "/ip6/2001:db8::1/tcp/9",
                "/ip4/1.2.3.4/tcp/1",
                "/ip6/2001:db8::1/tcp/10",
            ],
            &[500, 0, 250, 500],
        ),
        // Private ones have shorter pauses and do not wait for public ones.
        (
            &["/ip4/10.0.0.1/tcp/1", "/ip4/1.2.3.4/tcp/1", "/ip6/fc00::1/tcp/1", "/ip4/127.0.0.1/tcp/2"],
            &[30, 0, 0, 60],
        ),
        // TCP follows QUIC, and other transports follow both.
        (
            &[
                "/ip4/1.2.3.4/tcp/1",
                "/ip4/1.2.3.4/udp/1/quic-v1",
                "/ip4/1.2.3.4/udp/1/webrtc-direct",
                "/ip4/1.2.3.4/udp/1/quic-v1/webtransport",
                "/ip4/1.2.3.4/udp/1/quic",
                "/ip4/1.2.3.4/tcp/2/ws",
            ],
            &[500, 0, 1750, 250, 250, 750],
        ),
        (&["/ip4/10.0.0.1/udp/1/webrtc-direct", "/ip4/10.0.0.1/tcp/1"], &[100, 0]),
        // Relays wait where there is a public address, and what is no IP address waits for all others.
        (&["/ip4/1.2.3.4/tcp/1/p2p-circuit", "/ip4/10.0.0.1/tcp/1"], &[0, 0]),
        (
            &[
                "/memory/7",
                "/ip4/1.2.3.4/tcp/1/p2p-circuit",
                "/ip4/1.2.3.4/tcp/1",
                "/ip4/9.9.9.9/tcp/1/p2p-circuit",
            ],
            &[1750, 500, 0, 750],
        ),
        (&["/memory/7"], &[1000]),
        (&[], &[]),
    ] {
        let addresses: Vec<_> = addresses.iter().map(|text| address(text)).collect();
        let expected: Vec<_> = expected.iter().copied().map(millis).collect();
        assert_eq!(delays(&addresses.iter().collect::<Vec<_>>()), expected, "{addresses:?}");
    }
}

#[test]
fn what_better_addresses_make_redundant() {
    let plain = "/ip4/1.2.3.4/tcp/1";
    let quic = "/ip4/1.2.3.4/udp/1/quic-v1";
    for (better, other, is_redundant) in [
        (plain, "/ip4/1.2.3.4/tcp/1/ws", true),
        (plain, "/ip4/1.2.3.4/tcp/1/x-parity-ws/%2Fpath", true),
        (plain, "/ip4/1.2.3.4/tcp/1/wss", true),
        (plain, "/ip4/1.2.3.4/tcp/1/tls/ws", true),
        (plain, "/ip4/1.2.3.4/tcp/1/tls/sni/example.com/ws", true),
        (quic, "/ip4/1.2.3.4/udp/1/quic", true),
        (quic, "/ip4/1.2.3.4/udp/1/quic-v1/webtransport", true),
        (quic, "/ip4/1.2.3.4/udp/1/quic/webtransport", true),
        ("/ip6/2001:db8::1/tcp/1", "/ip6/2001:db8::1/tcp/1/ws", true),
        ("/ip6zone/a/ip6/fe80::1/tcp/1", "/ip6zone/a/ip6/fe80::1/tcp/1/ws", true),
        // At another port, address or zone, or over another protocol.
        (plain, "/ip4/1.2.3.4/tcp/2/ws", false),
        (plain, "/ip4/1.2.3.5/tcp/1/ws", false),
        ("/ip6zone/a/ip6/fe80::1/tcp/1", "/ip6zone/b/ip6/fe80::1/tcp/1/ws", false),
        (plain, "/ip4/1.2.3.4/udp/1/quic-v1/webtransport", false),
        (quic, "/ip4/1.2.3.4/tcp/1/ws", false),
        // Neither is better.
        (plain, "/ip4/1.2.3.4/tcp/1/tls", false),
        (plain, "/ip4/1.2.3.4/tcp/1/http", false),
        ("/ip4/1.2.3.4/tcp/1/tls", "/ip4/1.2.3.4/tcp/1/ws", false),
        ("/ip4/1.2.3.4/tcp/1/ws", "/ip4/1.2.3.4/tcp/1/wss", false),
        ("/ip4/1.2.3.4/udp/1/quic", "/ip4/1.2.3.4/udp/1/quic/webtransport", false),
        (quic, "/ip4/1.2.3.4/udp/1/webrtc-direct", false),
        // Behind a relay it is the relay's matter.
        (plain, "/ip4/1.2.3.4/tcp/1/ws/p2p-circuit", false),
        ("/ip4/1.2.3.4/tcp/1/p2p-circuit", "/ip4/1.2.3.4/tcp/1/ws", false),
    ] {
        let (better, other) = (address(better), address(other));
        let expected = |place| if is_redundant { vec![place] } else { vec![] };
        assert_eq!(redundant(&[(None, &better), (None, &other)]), expected(1), "{other} beside {better}");
        assert_eq!(redundant(&[(None, &other), (None, &better)]), expected(0), "{better} after {other}");
        let of_others = [(Some(peer(1)), &better), (Some(peer(2)), &other), (None, &other)];
        assert_eq!(redundant(&of_others), Vec::<usize>::new(), "{other} of another peer");
    }
}

#[test]
fn scopes() {
    for (text, expected) in [
        ("/ip4/127.0.0.1/tcp/1", Scope::Private),
        ("/ip4/169.254.1.1/tcp/1", Scope::Private),
        ("/ip4/100.64.0.1/tcp/1", Scope::Private),
        ("/ip4/100.128.0.1/tcp/1", Scope::Public),
        ("/ip6/::ffff:10.0.0.1/tcp/1", Scope::Private),
        ("/ip6zone/eth0/ip6/fe80::1/tcp/1", Scope::Private),
        ("/ip6/2001:db8::1/tcp/1", Scope::Public),
        ("/ip4/127.0.0.1/tcp/1/p2p-circuit", Scope::Relayed),
        ("/memory/1", Scope::Unknown),
    ] {
        assert_eq!(Scope::of(&address(text)), expected, "{text}");
    }
}

/// Only TCP.
#[derive(Debug)]
struct Tcp;

impl Dialable for Tcp {
    fn cost(&self, address: &Multiaddr) -> Result<Cost, TransportError> {
        let is_tcp = address.protocol_stack().any(|part| part == "tcp");
        is_tcp.then_some(Cost::Descriptor).ok_or(TransportError::Unsupported { expected: "tcp".to_owned() })
    }
}

#[test]
fn what_nobody_can_dial_is_refused() {
    let mut gate = Gate::new(local(), Arc::new(Tcp));
    gate.set_listening(vec![near(4001), address(&format!("/ip4/5.6.7.8/tcp/1/p2p/{}", local()))]);
    let multicast = "a multicast or broadcast address is no single machine's; expected one of the remote's";
    let unspecified = "the unspecified address is no machine's; expected one of the remote's";
    let zone = "a link-local address needs a zone in front of it: /ip6zone/INTERFACE/ip6/...";
    for (text, expected) in [
        ("/ip4/1.2.3.4/tcp/1", Ok(Cost::Descriptor)),
        ("/ip6zone/eth0/ip6/fe80::1/tcp/1", Ok(Cost::Descriptor)),
        ("/ip4/0.0.0.0/tcp/1", Err(AttemptError::Undialable(unspecified))),
        ("/ip6/::/tcp/1", Err(AttemptError::Undialable(unspecified))),
        ("/ip6/::ffff:0.0.0.0/tcp/1", Err(AttemptError::Undialable(unspecified))),
        ("/ip4/224.0.0.1/tcp/1", Err(AttemptError::Undialable(multicast))),
        ("/ip4/255.255.255.255/tcp/1", Err(AttemptError::Undialable(multicast))),
        ("/ip6/ff02::1/tcp/1", Err(AttemptError::Undialable(multicast))),
        ("/ip4/1.2.3.4/tcp/0", Err(AttemptError::Undialable("nobody listens on port 0"))),
        ("/ip6/fe80::1/tcp/1", Err(AttemptError::Undialable(zone))),
        ("/ip4/127.0.0.1/tcp/4001", Err(AttemptError::SelfDial)),
        ("/ip4/5.6.7.8/tcp/1", Err(AttemptError::SelfDial)),
        ("/memory/1", Err(TransportError::Unsupported { expected: "tcp".to_owned() }.into())),
    ] {
        assert_eq!(gate.cost(&address(text)), expected, "{text}");
    }
    let over_us = address(&format!("/ip4/9.9.9.9/tcp/1/p2p/{}/p2p-circuit", local()));
    assert_eq!(gate.cost(&over_us), Err(AttemptError::SelfDial));
}

#[test]
fn peer_ids_come_off_or_are_another_peers() {
    let full = |number| address(&format!("/ip4/1.2.3.4/tcp/1/p2p/{}", peer(number)));
    for (told, expected, result) in [
        (far(1), None, Ok((far(1), None))),
        (far(1), Some(peer(1)), Ok((far(1), Some(peer(1))))),
        (full(1), None, Ok((far(1), Some(peer(1))))),
        (full(1), Some(peer(1)), Ok((far(1), Some(peer(1))))),
        (full(2), Some(peer(1)), Err(AttemptError::Undialable("it is the address of another peer"))),
        (Multiaddr::empty(), None, Err(InvalidAddress::Empty.into())),
        (
            (0..200).fold(far(1), |long, _| long.with(crate::address::Protocol::Memory(1))),
            None,
            Err(InvalidAddress::TooLong { len: 2008, max: 1024 }.into()),
        ),
    ] {
        assert_eq!(split(&told, expected), result);
    }
}

#[test]
fn costs_are_those_of_sockets() {
    for (text, expected) in [
        ("/ip4/1.2.3.4/tcp/1", Cost::Descriptor),
        ("/ip4/1.2.3.4/tcp/1/tls/ws", Cost::Descriptor),
        ("/unix/socket", Cost::Descriptor),
        ("/ip4/1.2.3.4/udp/1/quic-v1", Cost::Nothing),
        ("/ip4/1.2.3.4/udp/1/quic-v1/webtransport", Cost::Nothing),
        ("/ip4/1.2.3.4/udp/1/webrtc-direct", Cost::Nothing),
        ("/ip4/1.2.3.4/tcp/1/p2p-circuit", Cost::Nothing),
        ("/memory/1", Cost::Nothing),
    ] {
        assert_eq!(EveryAddress.cost(&address(text)), Ok(expected), "{text}");
    }
}

#[test]
fn names_are_found_and_checked() {
    let question = |name: &str, kinds| Ok(Some(Question { name: name.to_owned(), kinds }));
    let bad = |name: &str, reason: &str| {
        Err(TransportError::Name { name: name.to_owned(), reason: reason.to_owned() })
    };
    let label = "each part of a name has 1 to 63 bytes and does not start with '-'";
    let long = "a".repeat(64);
    let longest = ["a".repeat(61), "b".repeat(63), "c".repeat(63), "d".repeat(63)].join(".");
    for (text, expected) in [
        ("/ip4/1.2.3.4/tcp/1".to_owned(), Ok(None)),
        ("/dns4/a.com/tcp/1".to_owned(), question("a.com", &[RecordKind::Ip4])),
        ("/dns6/a.com./tcp/1".to_owned(), question("a.com.", &[RecordKind::Ip6])),
        ("/dns/a_b-1.com/tcp/1".to_owned(), question("a_b-1.com", &[RecordKind::Ip6, RecordKind::Ip4])),
        ("/dnsaddr/a.com".to_owned(), question("_dnsaddr.a.com", &[RecordKind::Txt])),
        ("/ip4/1.2.3.4/tcp/1/p2p-circuit/dns4/a.com".to_owned(), Ok(None)),
        ("/memory/1/dnsaddr/a.com".to_owned(), bad("a.com", "/dnsaddr stands at the start of an address")),
        (format!("/dns4/{longest}/tcp/1"), question(&longest, &[RecordKind::Ip4])),
        (format!("/dns4/a{longest}/tcp/1"), bad(&format!("a{longest}"), "a name has at most 253 bytes")),
        (format!("/dnsaddr/{longest}"), bad(&longest, "a name has at most 253 bytes")),
        (format!("/dns4/{long}/tcp/1"), bad(&long, label)),
        ("/dns4/a..b/tcp/1".to_owned(), bad("a..b", label)),
        ("/dns4/-a/tcp/1".to_owned(), bad("-a", label)),
        ("/dns4/./tcp/1".to_owned(), bad(".", label)),
        (
            "/dns4/ä.com/tcp/1".to_owned(),
            bad(
                "ä.com",
                "a name has letters, digits, '-', '_' and dots; write other alphabets in punycode (xn--...)",
            ),
        ),
    ] {
        let found = Name::find(&address(&text)).map(|name| name.question()).transpose();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn entries_of_dnsaddr_end_with_what_stands_behind_the_name() {
    let told = address("/dnsaddr/a.com/tcp/1");
    let records = ["/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/2", "/dns4/b.com/tcp/1"]
        .map(|text| format!("dnsaddr={text}"));
    let records = Records::Texts([records.to_vec(), vec!["/ip4/1.2.3.4/tcp/1".to_owned()]].concat());
    let found = Name::find(&told).unwrap().answer(&told, None, RecordKind::Txt, &records);
    assert_eq!(found, Ok(vec![far(1), address("/dns4/b.com/tcp/1")]));
}

#[test]
fn a_black_hole_is_probed_and_left() {
    let mut holes = BlackHoles::new(BlackHoleConfig::default());
    let ip6 = address("/ip6/2001:db8::1/tcp/1");
    let others =
        ["/ip6/fc00::1/tcp/1", "/ip4/1.2.3.4/tcp/1", "/ip6/2001:db8::1/tcp/1/p2p-circuit"].map(address);
    for number in 0..100 {
        assert!(holes.admits(&ip6), "{number}");
        // Four successes are too few.
        holes.record(&ip6, number % 25 == 0);
        others.iter().for_each(|address| holes.record(address, false));
    }
    assert!((1..100).all(|_| !holes.admits(&ip6)));
    assert!(holes.admits(&ip6) && !holes.admits(&ip6));
    assert!(others.iter().all(|address| holes.admits(address)));
    holes.record(&ip6, false);
    assert!(!holes.admits(&ip6));
    holes.record(&ip6, true);
    assert!(holes.admits(&ip6));
}
