//! What TCP tells of the addresses that it listens on.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::*;
use peerwork_core::address::Protocol;

fn address(text: &str) -> Multiaddr {
    address::parse(text).unwrap()
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
