//! Which addresses are TCP's, and what it tells of those it listens on.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::*;

fn address(text: &str) -> Multiaddr {
    address::parse(text).unwrap()
}

#[test]
fn its_addresses() {
    const PEER: &str = "12D3KooWBtg3aaRMjxwedh83aGiUkwSxDwUZkzuJcfaqUmo7R3pq";
    for text in
        ["/ip4/1.2.3.4/tcp/0", "/ip6/::1/tcp/5", "/dns/a/tcp/1", "/dns4/a/tcp/1", "/dns6/a.b/tcp/65535"]
    {
        assert!(Target::of(&address(text)).is_some(), "{text}");
    }
    let others = [
        "/tcp/1",
        "/ip4/1.2.3.4",
        "/ip4/1.2.3.4/udp/1/quic-v1",
        "/ip4/1.2.3.4/tcp/1/ws",
        "/ip4/1.2.3.4/tcp/1/p2p-circuit",
        "/dns/a",
        "/dns/a/udp/1",
        "/dns4/a/tcp/443/wss",
        "/dnsaddr/a/tcp/1",
        "/dns/a/ip4/1.2.3.4/tcp/1",
        "/memory/1",
        &format!("/ip4/1.2.3.4/tcp/1/p2p/{PEER}"),
        &format!("/dns/a/tcp/1/p2p/{PEER}"),
    ];
    for text in others {
        assert!(Target::of(&address(text)).is_none(), "{text}");
    }
}

#[test]
fn all_addresses_are_those_of_the_interfaces() {
    let one = "192.0.2.1:7".parse().unwrap();
    assert_eq!(reachable(one), [address("/ip4/192.0.2.1/tcp/7")]);
    let all = reachable("0.0.0.0:7".parse().unwrap());
    assert!(
        all.iter()
            .all(|address| matches!(address.iter().next(), Some(Protocol::Ip4(ip)) if !ip.is_unspecified()))
    );
    assert_eq!(all.last(), Some(&address("/ip4/127.0.0.1/tcp/7")), "loopback is the last");
    let all = reachable("[::]:7".parse().unwrap());
    assert!(all.iter().all(|address| matches!(address.iter().next(), Some(Protocol::Ip6(_)))), "{all:?}");
}
