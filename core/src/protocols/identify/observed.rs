//! At which addresses this node can be reached from outside, as peers see it.
//!
//! Behind a NAT a node knows its listen addresses only. Who connects to it tells at which address it sees this node
//! ([`IdentifyInfo::observed_address`](super::IdentifyInfo::observed_address)). What one peer says is a claim, so an address counts once [`MIN_OBSERVERS`] observers in different networks agree on it.
//!
//! Only the *thin waist* of an address matters: IP address, transport and port. What follows it in our listen address
//! (`/quic-v1`, say) is put behind the external one too. A claim is ignored if
//!
//! - the local end of the connection is not one of our listen addresses. A connection that we dialled has a passing
//!   port, at which nobody can reach us;
//! - it is for another IP version or transport than the local end has;
//! - it leads nowhere from outside: loopback, unspecified, link-local, multicast, port 0, or an IPv6 address that a NAT64 made
//!   of an IPv4 one;
//! - the connection, or the claim, leads over a relay: what is seen is the relay.

use crate::address::{Multiaddr, Protocol, is_relayed};
use crate::connection::ConnectionId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many observers must agree on an address. One alone, or a few in league, could otherwise make us tell everybody an address
/// that is not ours, to lead our peers astray or to have them flood a victim. Other implementations ask for as many.
pub const MIN_OBSERVERS: usize = 4;

/// The most external thin waists of one local one: those with most observers, of equals the bytewise smaller ones. It keeps
/// a crowd of liars from filling what we tell others. Other implementations have the same limit.
pub const MAX_EXTERNAL_ADDRESSES: usize = 3;

/// The most observers of one local thin waist, each with one claim, and so the most candidates too. Further ones do not count
/// until one of these is gone. It keeps a flood of connections from filling our memory; whoever has that many networks to
/// fill it with could outvote the honest as well.
pub const MAX_OBSERVERS: usize = 256;

/// The most listen addresses that are considered; for further ones nothing is learned. With the other limits it bounds the memory
/// for claims and the number of external addresses.
pub const MAX_LISTEN_ADDRESSES: usize = 32;

/// What became of an external address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalState {
    /// Enough observers agree on it. Peers are told it from now on.
    Confirmed,
    /// Not enough observers are left, others have more, or this node no longer listens behind it.
    Expired,
}

/// An external address, and what became of it.
pub(super) type Change = (Multiaddr, ExternalState);

/// What peers claim, and what follows. See the [module documentation](self).
///
/// An observer has one voice on each of our thin waists: that of its first connection, as long as this one lasts. So several
/// connections, or peers, of one network need memory only for the first.
#[derive(Debug, Default)]
pub(super) struct Observed {
    locals: BTreeMap<ThinWaist, Local>,
    /// Where the claim of a connection is, for those that have one.
    claims: BTreeMap<ConnectionId, (ThinWaist, Observer)>,
    external: BTreeSet<Multiaddr>,
}

/// One thin waist at which we listen.
#[derive(Debug, Default)]
struct Local {
    /// What follows it in our listen addresses, once for each of them.
    tails: BTreeSet<Multiaddr>,
    /// The external thin waists that observers claim. At most [`MAX_OBSERVERS`].
    claims: BTreeMap<Observer, ThinWaist>,
}

impl Observed {
    /// The addresses that are confirmed, in order. At most [`MAX_EXTERNAL_ADDRESSES`] for each of
    /// [`MAX_LISTEN_ADDRESSES`].
    pub(super) fn external_addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.external.iter()
    }

    /// Where we listen now. Claims on other addresses are forgotten.
    pub(super) fn listening(&mut self, addresses: &[Multiaddr]) -> Vec<Change> {
        let mut before = std::mem::take(&mut self.locals);
        for (thin_waist, tail) in addresses.iter().filter_map(ThinWaist::split).take(MAX_LISTEN_ADDRESSES) {
            let local = self.locals.entry(thin_waist).or_insert_with(|| {
                let claims = before.remove(&thin_waist).map(|local| local.claims).unwrap_or_default();
                Local { tails: BTreeSet::new(), claims }
            });
            local.tails.insert(tail);
        }
        self.claims.retain(|_, (local, _)| self.locals.contains_key(local));
        self.changes()
    }

    /// The peer at `remote` claims to see us at `observed`, on a connection whose end here is `local`. Replaces what was claimed
    /// on this connection before.
    pub(super) fn observe(
        &mut self,
        connection: ConnectionId,
        local: ThinWaist,
        remote: &Multiaddr,
        observed: &Multiaddr,
    ) -> Vec<Change> {
        self.forget(connection);
        self.claim(connection, local, remote, observed);
        self.changes()
    }

    /// A connection is gone, and with it what was claimed on it.
    pub(super) fn disconnected(&mut self, connection: ConnectionId) -> Vec<Change> {
        if self.forget(connection) { self.changes() } else { Vec::new() }
    }

    /// Notes a claim, if it counts.
    fn claim(
        &mut self,
        connection: ConnectionId,
        local: ThinWaist,
        remote: &Multiaddr,
        observed: &Multiaddr,
    ) -> Option<()> {
        let external = ThinWaist::of(observed)?;
        let observer = Observer::at(remote)?;
        let claims = &mut self.locals.get_mut(&local)?.claims;
        let has_room = claims.len() < MAX_OBSERVERS && !claims.contains_key(&observer);
        if has_room && external.is_like(local) && external.is_reachable() {
            claims.insert(observer, external);
            self.claims.insert(connection, (local, observer));
        }
        Some(())
    }

    /// Whether there was something to forget.
    fn forget(&mut self, connection: ConnectionId) -> bool {
        let Some((local, observer)) = self.claims.remove(&connection) else { return false };
        if let Some(local) = self.locals.get_mut(&local) {
            local.claims.remove(&observer);
        }
        true
    }

    /// Counts again.
    fn changes(&mut self) -> Vec<Change> {
        let now = self.locals.values().flat_map(Local::external_addresses).collect();
        let before = std::mem::replace(&mut self.external, now);
        let expired = before.difference(&self.external).map(|gone| (gone.clone(), ExternalState::Expired));
        let confirmed = self.external.difference(&before).map(|new| (new.clone(), ExternalState::Confirmed));
        expired.chain(confirmed).collect()
    }

    /// How many claims, and listen addresses, are remembered.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        let ours: BTreeSet<_> = self.claims.values().copied().collect();
        let of_local = |(&at, local): (&ThinWaist, &Local)| {
            local.claims.keys().map(move |&by| (at, by)).collect::<Vec<_>>()
        };
        assert!(self.locals.iter().flat_map(of_local).eq(ours));
        assert_eq!(self.claims.len(), self.locals.values().map(|local| local.claims.len()).sum::<usize>());
        (self.claims.len(), self.locals.values().map(|local| local.tails.len()).sum())
    }
}

impl Local {
    fn external_addresses(&self) -> Vec<Multiaddr> {
        let waists = self.external();
        waists.iter().flat_map(|waist| self.tails.iter().map(|tail| waist.with_tail(tail))).collect()
    }

    /// What enough observers agree on, best first.
    fn external(&self) -> Vec<ThinWaist> {
        let mut observers = BTreeMap::<ThinWaist, usize>::new();
        for &external in self.claims.values() {
            *observers.entry(external).or_default() += 1;
        }
        let mut agreed: Vec<_> =
            observers.into_iter().filter(|&(_, observers)| observers >= MIN_OBSERVERS).collect();
        agreed.sort_by_key(|&(external, observers)| (Reverse(observers), external));
        agreed.truncate(MAX_EXTERNAL_ADDRESSES);
        agreed.into_iter().map(|(external, _)| external).collect()
    }
}

/// What all addresses of IP networks have in front. Ordered as its bytes in a [`Multiaddr`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ThinWaist {
    /// Never an IPv4 address in IPv6 form.
    ip: IpAddr,
    transport: Transport,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Transport {
    Tcp,
    Udp,
}

impl ThinWaist {
    /// `None` for an address without one, and for one over a relay: it is the relay's.
    pub(super) fn of(address: &Multiaddr) -> Option<Self> {
        Self::split(address).map(|(thin_waist, _)| thin_waist)
    }

    /// The same, and what follows.
    fn split(address: &Multiaddr) -> Option<(Self, Multiaddr)> {
        if is_relayed(address) {
            return None;
        }
        let ip = ip(address)?;
        let mut rest = address.iter().skip(1);
        let (transport, port) = match rest.next()? {
            Protocol::Tcp(port) => (Transport::Tcp, port),
            Protocol::Udp(port) => (Transport::Udp, port),
            _ => return None,
        };
        Some((Self { ip, transport, port }, rest.collect()))
    }

    fn with_tail(self, tail: &Multiaddr) -> Multiaddr {
        let port = match self.transport {
            Transport::Tcp => Protocol::Tcp(self.port),
            Transport::Udp => Protocol::Udp(self.port),
        };
        tail.iter().fold(Multiaddr::from(self.ip).with(port), Multiaddr::with)
    }

    /// Whether one can be a translation of the other.
    fn is_like(self, other: Self) -> bool {
        self.ip.is_ipv4() == other.ip.is_ipv4() && self.transport == other.transport
    }

    /// Whether it can lead here from another machine, as far as it shows.
    fn is_reachable(self) -> bool {
        let nowhere = self.ip.is_loopback() || self.ip.is_unspecified() || self.ip.is_multicast();
        let special = match self.ip {
            IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
            IpAddr::V6(ip) => ip.is_unicast_link_local() || is_nat64(ip),
        };
        self.port != 0 && !nowhere && !special
    }
}

/// `64:ff9b::/96` (RFC 6052), and `64:ff9b:1::/48` for use inside of one network (RFC 8215).
fn is_nat64(ip: Ipv6Addr) -> bool {
    matches!(ip.segments(), [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..])
}

/// Who counts as one: an IPv4 address, or what providers hand to one customer of IPv6, a /56. Further peers there cost an attacker
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Observer {
    Ip4(Ipv4Addr),
    Ip6([u8; 56 / 8]),
}

impl Observer {
    /// `None` if the peer is on this machine, from where nobody sees us from outside, behind a relay, or has no IP address.
    fn at(remote: &Multiaddr) -> Option<Self> {
        match ip(remote)? {
            ip if ip.is_loopback() || is_relayed(remote) => None,
            IpAddr::V4(ip) => Some(Self::Ip4(ip)),
            IpAddr::V6(ip) => ip.octets().first_chunk().copied().map(Self::Ip6),
        }
    }
}

/// The IP address that an address starts with; an IPv4 one in IPv6 form as what it is.
fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.to_canonical()),
        _ => None,
    }
}
