//! Who may be connected: the user's lists of peers and address ranges. [`AccessRules`] has the rule.

mod range;
#[cfg(test)]
mod tests;

pub use range::{AddressRange, InvalidPeerOrRange, InvalidRange, PeerOrRange};

use crate::address::{self, Multiaddr, Protocol};
use crate::identity::PeerId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Who may be connected: a list of those who are blocked, and one of those who are allowed.
///
/// # The rule
///
/// A connection may exist if its address may *and* its peer may:
///
/// - who is on the block list may not, whatever the allow list says;
/// - where the allow list has peers, only those may; where it has ranges, only addresses in them. A list of peers says nothing of
///   addresses, and the other way round: with both, a peer must be on the list and come from a range on it.
///
/// Without any entry everybody may. The order in which entries were made does not matter, nor how long their prefixes are.
///
/// # What is judged when
///
/// An address as soon as it is known: a remote that connects is refused before anything is made for it. A peer as soon as it has proven
/// who it is: a connection to one that may not be there is closed before it is reported, and no stream on it is. When the rules
/// change, connections that they no longer allow are closed.
///
/// Of an address counts the IP address in front (over a relay it is the relay's) and every peer that is named in it. A name is judged
/// when it has been resolved. An address with neither, such as `/memory/7`, is in no range.
///
/// # Cost
///
/// The lists are as long as the user makes them: to forget an entry would let in whom it keeps out. Looking something up takes logarithmic
/// time for each length of prefix in use.
///
/// ```
/// use peerwork_core::swarm::{AccessDenied, AccessRules};
///
/// let mut rules = AccessRules::default();
/// rules.allow("10.0.0.0/8".parse()?);
/// rules.block("10.6.6.6".parse()?);
/// assert_eq!(rules.check_ip([10, 1, 2, 3].into()), Ok(()));
/// assert_eq!(rules.check_ip([192, 0, 2, 1].into()), Err(AccessDenied::AddressNotAllowed));
/// assert_eq!(rules.check_ip([10, 6, 6, 6].into()), Err(AccessDenied::BlockedRange("10.6.6.6".parse()?)));
/// # Ok::<(), peerwork_core::swarm::InvalidPeerOrRange>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessRules {
    blocked: List,
    allowed: List,
}

/// A change of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessChange {
    /// Onto the block list.
    Block(PeerOrRange),
    /// Off the block list: exactly this entry, not what else covers it.
    Unblock(PeerOrRange),
    /// Onto the allow list. The first peer there shuts out all others, and so does the first range.
    Allow(PeerOrRange),
    /// Off the allow list: exactly this entry. Without the last peer all may again, and so with the last range.
    Disallow(PeerOrRange),
}

/// Why a peer or an address may not be connected. Blame: nobody's, the user wants it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessDenied {
    /// The peer is on the block list.
    #[error("the peer is on the block list")]
    BlockedPeer,
    /// The address is in a range of the block list, this one if several have it.
    #[error("the block list has {0}")]
    BlockedRange(AddressRange),
    /// There is an allow list of peers, without this one.
    #[error("the peer is not on the allow list")]
    PeerNotAllowed,
    /// There is an allow list of ranges, and the address is in none of them.
    #[error("the address is in no range of the allow list")]
    AddressNotAllowed,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct List {
    peers: BTreeSet<PeerId>,
    /// By the length of their prefixes.
    ranges: BTreeMap<u8, BTreeSet<AddressRange>>,
}

impl List {
    fn insert(&mut self, entry: PeerOrRange) {
        match entry {
            PeerOrRange::Peer(peer) => self.peers.insert(peer),
            PeerOrRange::Range(range) => self.ranges.entry(range.prefix()).or_default().insert(range),
        };
    }

    fn remove(&mut self, entry: PeerOrRange) {
        match entry {
            PeerOrRange::Peer(peer) => {
                self.peers.remove(&peer);
            }
            PeerOrRange::Range(range) => {
                if let Some(ranges) = self.ranges.get_mut(&range.prefix()) {
                    ranges.remove(&range);
                }
                self.ranges.retain(|_, ranges| !ranges.is_empty());
            }
        }
    }

    /// The shortest prefix that has the address.
    fn find(&self, ip: IpAddr) -> Option<AddressRange> {
        let around = |prefix: &u8| AddressRange::around(ip, *prefix);
        let found = |(prefix, ranges): (_, &BTreeSet<_>)| ranges.get(&around(prefix)).copied();
        self.ranges.iter().find_map(found)
    }

    fn entries(&self) -> impl Iterator<Item = PeerOrRange> + '_ {
        let ranges = self.ranges.values().flatten().copied().map(PeerOrRange::Range);
        self.peers.iter().copied().map(PeerOrRange::Peer).chain(ranges)
    }
}

impl AccessRules {
    /// Puts a peer or a range onto the block list.
    pub fn block(&mut self, entry: PeerOrRange) {
        self.blocked.insert(entry);
    }

    /// Puts a peer or a range onto the allow list.
    pub fn allow(&mut self, entry: PeerOrRange) {
        self.allowed.insert(entry);
    }

    /// Makes a change. One that is made already, or is taken back without having been made, changes nothing.
    pub fn apply(&mut self, change: AccessChange) {
        match change {
            AccessChange::Block(entry) => self.block(entry),
            AccessChange::Unblock(entry) => self.blocked.remove(entry),
            AccessChange::Allow(entry) => self.allow(entry),
            AccessChange::Disallow(entry) => self.allowed.remove(entry),
        }
    }

    /// Who is on the block list.
    pub fn blocked(&self) -> impl Iterator<Item = PeerOrRange> + '_ {
        self.blocked.entries()
    }

    /// Who is on the allow list.
    pub fn allowed(&self) -> impl Iterator<Item = PeerOrRange> + '_ {
        self.allowed.entries()
    }

    /// Whether the peer may be connected.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn check_peer(&self, peer: &PeerId) -> Result<(), AccessDenied> {
        if self.blocked.peers.contains(peer) {
            return Err(AccessDenied::BlockedPeer);
        }
        let is_allowed = self.allowed.peers.is_empty() || self.allowed.peers.contains(peer);
        if is_allowed { Ok(()) } else { Err(AccessDenied::PeerNotAllowed) }
    }

    /// Whether there may be connections to the IP address.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn check_ip(&self, ip: IpAddr) -> Result<(), AccessDenied> {
        if let Some(range) = self.blocked.find(ip) {
            return Err(AccessDenied::BlockedRange(range));
        }
        let is_allowed = self.allowed.ranges.is_empty() || self.allowed.find(ip).is_some();
        if is_allowed { Ok(()) } else { Err(AccessDenied::AddressNotAllowed) }
    }

    /// Whether there may be connections to the address, and to the peers that it names.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn check_address(&self, address: &Multiaddr) -> Result<(), AccessDenied> {
        let peers = address.iter().filter_map(|component| match component {
            Protocol::P2p(id) => PeerId::from_bytes(&id.to_bytes()).ok(),
            _ => None,
        });
        for peer in peers {
            self.check_peer(&peer)?;
        }
        match address::ip(address) {
            Some(ip) => self.check_ip(ip),
            None if self.allowed.ranges.is_empty() || address::starts_with_name(address) => Ok(()),
            None => Err(AccessDenied::AddressNotAllowed),
        }
    }
}
