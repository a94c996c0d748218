//! Which addresses are worth telling a peer, and which of its own are worth keeping.
//!
//! An address on one machine or one private network leads elsewhere on another, or nowhere. Where the peer is, its end of
//! the connection says.

use crate::address::{Multiaddr, Protocol};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From where an address leads to what it is meant to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// From the same machine.
    Machine,
    /// From the same network: private, shared and link-local addresses, and those that nobody can have.
    Network,
    /// From everywhere.
    Internet,
    /// It has no IP address or usual name in front, as on a transport in memory: all that can be done is to try.
    Unknown,
}

/// Which of our addresses to tell the peer at `remote`: those on loopback only to one on this machine.
pub(super) fn worth_telling<'a>(
    ours: impl IntoIterator<Item = &'a Multiaddr>,
    remote: &Multiaddr,
) -> impl Iterator<Item = &'a Multiaddr> {
    let least = reach(remote).min(Reach::Network);
    ours.into_iter().filter(move |address| reach(address) >= least)
}

/// Whether the peer at `remote` is on this machine.
pub(super) fn is_here(remote: &Multiaddr) -> bool {
    reach(remote) == Reach::Machine
}

/// Drops what the peer at `remote` told of itself that is of no use here: nothing if the peer is on this machine, or who
/// knows where; addresses on loopback if it is on our network; those on its own network too if it is on the internet.
pub(super) fn keep_useful(theirs: &mut Vec<Multiaddr>, remote: &Multiaddr) {
    let least = match reach(remote) {
        Reach::Machine | Reach::Unknown => return,
        reach => reach,
    };
    theirs.retain(|address| reach(address) >= least);
}

/// Judged by the first component that says where to go; a relay's address counts for what it relays to.
fn reach(address: &Multiaddr) -> Reach {
    match address.iter().find(|component| !matches!(component, Protocol::Ip6zone(_))) {
        Some(Protocol::Ip4(ip)) => ip_reach(ip.into()),
        Some(Protocol::Ip6(ip)) => ip_reach(ip.to_canonical()),
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) | Protocol::Dnsaddr(name)) => {
            name_reach(&name)
        }
        _ => Reach::Unknown,
    }
}

fn ip_reach(ip: IpAddr) -> Reach {
    match ip {
        ip if ip.is_loopback() => Reach::Machine,
        IpAddr::V4(ip) if is_local_v4(ip) => Reach::Network,
        IpAddr::V6(ip) if is_local_v6(ip) => Reach::Network,
        _ => Reach::Internet,
    }
}

fn is_local_v4(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    let shared = first == 100 && second & 0xc0 == 64;
    let reserved = first == 0 || first >= 240;
    ip.is_private() || ip.is_link_local() || ip.is_multicast() || shared || reserved
}

fn is_local_v6(ip: Ipv6Addr) -> bool {
    ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_multicast() || ip.is_unspecified()
}

/// RFC 6761 and RFC 6762 reserve these names.
fn name_reach(name: &str) -> Reach {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let ends_with = |last: &str| name.rsplit('.').next() == Some(last);
    match () {
        () if ends_with("localhost") => Reach::Machine,
        () if ends_with("local") || name.ends_with(".home.arpa") => Reach::Network,
        () => Reach::Internet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 16] = [
        "/ip4/127.0.0.1/tcp/1",
        "/ip6/::1/tcp/1",
        "/ip6/::ffff:127.0.0.1/tcp/1",
        "/dns/localhost/tcp/1",
        "/ip4/10.1.2.3/tcp/1",
        "/ip4/100.64.0.1/tcp/1",
        "/ip4/169.254.0.1/tcp/1",
        "/ip4/0.0.0.0/tcp/1",
        "/ip6/fd00::1/tcp/1",
        "/ip6zone/eth0/ip6/fe80::1/tcp/1",
        "/dns4/printer.local/tcp/1",
        "/ip4/8.8.8.8/tcp/1",
        "/ip4/100.128.0.1/tcp/1",
        "/ip6/2606:4700::1/udp/1/quic-v1",
        "/dns/example.org/tcp/1",
        "/memory/1",
    ];

    fn all() -> Vec<Multiaddr> {
        ALL.map(|text| text.parse().unwrap()).to_vec()
    }

    /// How many of [`ALL`] are left out from the front.
    #[test]
    fn addresses_are_told_and_kept_where_they_are_of_use() {
        let table = [
            // Where the peer is, what is not told, what is not kept.
            ("/ip4/127.0.0.1/tcp/9", 0, 0),
            ("/ip6/::1/tcp/9", 0, 0),
            ("/ip4/192.168.0.9/tcp/9", 4, 4),
            ("/ip4/172.16.0.9/tcp/9", 4, 4),
            ("/ip6/fe80::9/tcp/9", 4, 4),
            ("/ip4/172.32.0.9/tcp/9", 4, 11),
            ("/ip4/203.0.113.9/tcp/9", 4, 11),
            ("/dns/example.com/tcp/9", 4, 11),
            ("/memory/9", 4, 0),
        ];
        for (remote, untold, dropped) in table {
            let remote = remote.parse().unwrap();
            let told: Vec<_> = worth_telling(&all(), &remote).cloned().collect();
            assert_eq!(told, all()[untold..], "told to {remote}");
            let mut kept = all();
            keep_useful(&mut kept, &remote);
            assert_eq!(kept, all()[dropped..], "kept of {remote}");
        }
    }
}
