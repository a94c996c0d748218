//! What can be dialled at all, and where an address leads.

use super::types::{AttemptError, Cost, Dialable};
use crate::address::{self, InvalidAddress, MAX_ADDRESS_BYTES, Multiaddr, Protocol};
use crate::identity::PeerId;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// To this machine or its own network: loopback, link-local, private.
    Private,
    /// To any other IP address.
    Public,
    /// Over a relay.
    Relayed,
    /// It does not start with an IP address.
    Unknown,
}

impl Scope {
    pub(super) fn of(address: &Multiaddr) -> Self {
        if address::is_relayed(address) {
            return Self::Relayed;
        }
        match first_ip(address) {
            Some(ip) if is_private(ip) => Self::Private,
            Some(_) => Self::Public,
            None => Self::Unknown,
        }
    }
}

/// The IP address at the start, behind its zone.
fn first_ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().find(|part| !matches!(part, Protocol::Ip6zone(_)))? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

fn is_private(ip: IpAddr) -> bool {
    let is_shared = |ip: Ipv4Addr| ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared(ip),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Takes the peer id off the end of an address that somebody told of `expected`, or of whoever is there. Returns who must be there.
///
/// # Errors
/// [`AttemptError::Address`]: it is empty, too long, or ends with an impossible peer id. [`AttemptError::Undialable`]: it is another
/// peer's.
pub(super) fn split(
    address: &Multiaddr,
    expected: Option<PeerId>,
) -> Result<(Multiaddr, Option<PeerId>), AttemptError> {
    if address.len() > MAX_ADDRESS_BYTES {
        return Err(InvalidAddress::TooLong { len: address.len(), max: MAX_ADDRESS_BYTES }.into());
    }
    let (address, peer) = address::split_peer_id(address)?;
    if address.is_empty() {
        return Err(InvalidAddress::Empty.into());
    }
    match (peer, expected) {
        (Some(peer), Some(expected)) if peer != expected => {
            Err(AttemptError::Undialable("it is the address of another peer"))
        }
        _ => Ok((address, peer.or(expected))),
    }
}

/// Knows what leads back here, and what the driver can dial.
#[derive(Debug)]
pub(super) struct Gate {
    local_peer: PeerId,
    listening: BTreeSet<Multiaddr>,
    dialable: Arc<dyn Dialable>,
}

impl Gate {
    pub(super) fn new(local_peer: PeerId, dialable: Arc<dyn Dialable>) -> Self {
        Self { local_peer, listening: BTreeSet::new(), dialable }
    }

    pub(super) fn set_listening(&mut self, addresses: Vec<Multiaddr>) {
        let bare = |address| address::split_peer_id(&address).map_or(address, |(bare, _)| bare);
        self.listening = addresses.into_iter().map(bare).collect();
    }

    /// Whether this node is meant.
    pub(super) fn is_local(&self, peer: PeerId) -> bool {
        peer == self.local_peer
    }

    /// What dialling an address costs, which has no peer id at its end and no names in it.
    ///
    /// # Errors
    /// Nobody can dial it, or the driver cannot.
    pub(super) fn cost(&self, address: &Multiaddr) -> Result<Cost, AttemptError> {
        if self.leads_here(address) {
            return Err(AttemptError::SelfDial);
        }
        address.iter().try_for_each(|part| check_component(&part)).map_err(AttemptError::Undialable)?;
        if is_link_local_without_zone(address) {
            return Err(AttemptError::Undialable(
                "a link-local address needs a zone in front of it: /ip6zone/INTERFACE/ip6/...",
            ));
        }
        Ok(self.dialable.cost(address)?)
    }

    /// Whether it is one of our own, or goes over ourselves as a relay.
    fn leads_here(&self, address: &Multiaddr) -> bool {
        let local = self.local_peer.to_bytes();
        let is_us = |part| matches!(part, Protocol::P2p(id) if id.to_bytes() == local);
        self.listening.contains(address) || address.iter().any(is_us)
    }
}

fn check_component(part: &Protocol<'_>) -> Result<(), &'static str> {
    let ip = match part {
        Protocol::Ip4(ip) => IpAddr::from(*ip),
        Protocol::Ip6(ip) => IpAddr::from(*ip).to_canonical(),
        Protocol::Tcp(0) | Protocol::Udp(0) => return Err("nobody listens on port 0"),
        _ => return Ok(()),
    };
    if ip.is_unspecified() {
        Err("the unspecified address is no machine's; expected one of the remote's")
    } else if ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Err("a multicast or broadcast address is no single machine's; expected one of the remote's")
    } else {
        Ok(())
    }
}

fn is_link_local_without_zone(address: &Multiaddr) -> bool {
    matches!(address.iter().next(), Some(Protocol::Ip6(ip)) if ip.is_unicast_link_local())
}
