//! Which address first: happy eyeballs.
//!
//! Addresses fall into groups that do not wait for one another: private ones, public ones, those over relays, and those that are not IP
//! addresses. In a group the best starts at once, the next one after a pause, and all others after one more pause if the first two are of
//! different families, or else with the second. TCP follows QUIC after a pause, and other transports follow both.

use super::addresses::Scope;
use crate::address::{Multiaddr, Protocol};
use std::time::Duration;

/// The pause between public addresses, and between relayed ones.
pub(super) const PUBLIC_PAUSE: Duration = Duration::from_millis(250);
/// The pause between private addresses.
pub(super) const PRIVATE_PAUSE: Duration = Duration::from_millis(30);
/// How long relays wait where there is a public address without one.
pub(super) const RELAY_DELAY: Duration = Duration::from_millis(500);
/// How long public addresses of other transports wait for QUIC and TCP, and those that are not IP addresses for all others.
pub(super) const OTHER_PUBLIC_PAUSE: Duration = Duration::from_secs(1);
/// How long private addresses of other transports wait for QUIC and TCP.
pub(super) const OTHER_PRIVATE_PAUSE: Duration = Duration::from_millis(100);

/// How good an address is within its group. The smaller, the better: first the transport and the family, then the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    class: Class,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    QuicV1Ip6,
    QuicDraftIp6,
    QuicV1Ip4,
    QuicDraftIp4,
    WebTransportIp6,
    WebTransportIp4,
    TcpIp6,
    TcpIp4,
    WebRtcDirect,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Quic,
    Tcp,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ip4,
    Ip6,
}

impl Class {
    fn transport(self) -> Transport {
        match self {
            Self::QuicV1Ip6
            | Self::QuicDraftIp6
            | Self::QuicV1Ip4
            | Self::QuicDraftIp4
            | Self::WebTransportIp6
            | Self::WebTransportIp4 => Transport::Quic,
            Self::TcpIp6 | Self::TcpIp4 => Transport::Tcp,
            Self::WebRtcDirect | Self::Other => Transport::Other,
        }
    }

    fn family(self) -> Option<Family> {
        match self {
            Self::QuicV1Ip6 | Self::QuicDraftIp6 | Self::WebTransportIp6 | Self::TcpIp6 => Some(Family::Ip6),
            Self::QuicV1Ip4 | Self::QuicDraftIp4 | Self::WebTransportIp4 | Self::TcpIp4 => Some(Family::Ip4),
            Self::WebRtcDirect | Self::Other => None,
        }
    }
}

impl Rank {
    /// The rank of an address; behind a relay nothing counts.
    pub(super) fn of(address: &Multiaddr) -> Self {
        let (mut is_ip6, mut class, mut port) = (false, Class::Other, 0);
        for part in address.iter().take_while(|part| *part != Protocol::P2pCircuit) {
            let either = |ip6, ip4| if is_ip6 { ip6 } else { ip4 };
            match part {
                Protocol::Ip6(_) => is_ip6 = true,
                Protocol::Tcp(number) => (class, port) = (either(Class::TcpIp6, Class::TcpIp4), number),
                Protocol::Udp(number) => port = number,
                Protocol::QuicV1 => class = either(Class::QuicV1Ip6, Class::QuicV1Ip4),
                Protocol::Quic => class = either(Class::QuicDraftIp6, Class::QuicDraftIp4),
                Protocol::WebTransport => class = either(Class::WebTransportIp6, Class::WebTransportIp4),
                Protocol::WebRTCDirect => class = Class::WebRtcDirect,
                _ => {}
            }
        }
        Self { class, port }
    }
}

/// How long each of the addresses waits, in their order, if all of them become known at the same time.
pub(super) fn delays(addresses: &[&Multiaddr]) -> Vec<Duration> {
    let mut delays = vec![Duration::ZERO; addresses.len()];
    let scopes: Vec<Scope> = addresses.iter().map(|address| Scope::of(address)).collect();
    let group = |scope| {
        let indices = (0..addresses.len()).filter(|&index| scopes[index] == scope);
        indices.map(|index| (Rank::of(addresses[index]), index)).collect::<Vec<_>>()
    };
    let public = group(Scope::Public);
    let relay_delay = if public.is_empty() { Duration::ZERO } else { RELAY_DELAY };
    let mut last = Duration::ZERO;
    for (members, pause, other_pause, offset) in [
        (group(Scope::Private), PRIVATE_PAUSE, OTHER_PRIVATE_PAUSE, Duration::ZERO),
        (public, PUBLIC_PAUSE, OTHER_PUBLIC_PAUSE, Duration::ZERO),
        (group(Scope::Relayed), PUBLIC_PAUSE, OTHER_PUBLIC_PAUSE, relay_delay),
    ] {
        for (index, delay) in in_group(members, pause, other_pause) {
            delays[index] = offset + delay;
            last = last.max(delays[index]);
        }
    }
    for (_, index) in group(Scope::Unknown) {
        delays[index] = last + OTHER_PUBLIC_PAUSE;
    }
    delays
}

/// The delays within one group, by index.
fn in_group(
    mut members: Vec<(Rank, usize)>,
    pause: Duration,
    other_pause: Duration,
) -> impl Iterator<Item = (usize, Duration)> {
    members.sort_unstable();
    let of = |wanted| move |(rank, _): &&(Rank, usize)| rank.class.transport() == wanted;
    let quic = staggered(members.iter().filter(of(Transport::Quic)), pause, Duration::ZERO);
    let tcp_start = latest(&quic).map_or(Duration::ZERO, |last| last + pause);
    let tcp = staggered(members.iter().filter(of(Transport::Tcp)), pause, tcp_start);
    let others_start = latest(&tcp).or(latest(&quic)).unwrap_or_default() + other_pause;
    let others: Vec<_> =
        members.iter().filter(of(Transport::Other)).map(|(_, index)| (*index, others_start)).collect();
    quic.into_iter().chain(tcp).chain(others)
}

/// The best at once, then the best of the other family, then the rest.
fn staggered<'a>(
    sorted: impl Iterator<Item = &'a (Rank, usize)>,
    pause: Duration,
    start: Duration,
) -> Vec<(usize, Duration)> {
    let mut sorted: Vec<_> = sorted.copied().collect();
    let family = |(rank, _): &(Rank, usize)| rank.class.family();
    let is_first_ip6 = sorted.first().is_some_and(|first| family(first) == Some(Family::Ip6));
    let best_ip4 = sorted.iter().position(|member| family(member) == Some(Family::Ip4));
    let both_families = is_first_ip6 && best_ip4.is_some();
    if let Some(best_ip4) = best_ip4.filter(|_| both_families) {
        let member = sorted.remove(best_ip4);
        sorted.insert(1, member);
    }
    let pauses = |place| match place {
        0 => 0,
        2.. if both_families => 2,
        _ => 1,
    };
    let delays = sorted.iter().enumerate();
    delays.map(|(place, (_, index))| (*index, start + pause * pauses(place))).collect()
}

fn latest(delays: &[(usize, Duration)]) -> Option<Duration> {
    delays.iter().map(|(_, delay)| *delay).max()
}
