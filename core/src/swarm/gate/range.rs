//! Ranges of IP addresses, and what rules are made for: a peer or a range.

use crate::identity::{InvalidPeerId, PeerId};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A range of IP addresses with a common prefix, such as `192.0.2.0/24` or `2001:db8::/32`.
///
/// An IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.1`) is the IPv4 address, here and in whatever a range is compared
/// with. So `::/0` has every IPv6 address and no IPv4 one, and `::ffff:0:0/96` is `0.0.0.0/0`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange(IpNet);

/// Why text or numbers are not a range. Blame: who wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// What is in front of the prefix length is no IP address.
    #[error("not an IP address or a range of them; expected one such as 192.0.2.0/24 or 2001:db8::/32")]
    Address,
    /// The prefix length is not a number, or longer than the address.
    #[error("the length of the prefix, behind the '/', is a number from 0 to {max} here")]
    Prefix {
        /// How many bits the address has.
        max: u8,
    },
    /// The address has bits that the prefix does not cover, so it is not clear what is meant.
    #[error("the address has bits set behind its prefix; the range is {0}, and a single address has no '/'")]
    HostBits(AddressRange),
}

impl AddressRange {
    /// The range of all addresses whose first `prefix` bits are those of `address`, which has no others.
    ///
    /// # Errors
    /// The prefix is longer than the address, or the address has bits behind it.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, InvalidRange> {
        let canonical = address.to_canonical();
        // Of an IPv4 address written as IPv6, the first 96 bits only say so.
        let is_mapped = canonical.is_ipv4() && address.is_ipv6() && (96..=128).contains(&prefix);
        let (address, prefix) = if is_mapped { (canonical, prefix - 96) } else { (address, prefix) };
        let net = IpNet::new(address, prefix);
        let net = net.map_err(|_| InvalidRange::Prefix { max: bits(address) })?;
        if net.trunc() == net { Ok(Self(net)) } else { Err(InvalidRange::HostBits(Self(net.trunc()))) }
    }

    /// The range of `prefix` bits that `address` is in; its own, if it has fewer.
    pub(in crate::swarm) fn around(address: IpAddr, prefix: u8) -> Self {
        let address = address.to_canonical();
        let net = IpNet::new(address, prefix.min(bits(address)));
        Self(net.unwrap_or_else(|_| address.into()).trunc())
    }

    /// Whether the address is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// How many bits all its addresses have in common.
    pub fn prefix(&self) -> u8 {
        self.0.prefix_len()
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl From<IpAddr> for AddressRange {
    /// The one address.
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical().into())
    }
}

impl FromStr for AddressRange {
    type Err = InvalidRange;

    /// Reads `ADDRESS/PREFIX`, or a single address.
    fn from_str(text: &str) -> Result<Self, InvalidRange> {
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| InvalidRange::Address)?;
        match prefix {
            None => Ok(address.into()),
            // `parse` would take a sign.
            Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                let prefix = prefix.parse().map_err(|_| InvalidRange::Prefix { max: bits(address) })?;
                Self::new(address, prefix)
            }
            Some(_) => Err(InvalidRange::Prefix { max: bits(address) }),
        }
    }
}

impl fmt::Display for AddressRange {
    /// A single address without its prefix length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

impl fmt::Debug for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a rule of access is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerOrRange {
    /// A peer, wherever it is.
    Peer(PeerId),
    /// Everybody at these addresses.
    Range(AddressRange),
}

/// Why text is neither a peer nor a range. Blame: who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeerOrRange {
    /// It has a dot, a colon or a slash, which peer ids have not.
    #[error("{0}")]
    Range(#[from] InvalidRange),
    /// It has none of them.
    #[error("neither a range of addresses, such as 192.0.2.0/24, nor a peer id: {0}")]
    Peer(#[from] InvalidPeerId),
}

impl From<PeerId> for PeerOrRange {
    fn from(peer: PeerId) -> Self {
        Self::Peer(peer)
    }
}

impl From<AddressRange> for PeerOrRange {
    fn from(range: AddressRange) -> Self {
        Self::Range(range)
    }
}

impl From<IpAddr> for PeerOrRange {
    fn from(address: IpAddr) -> Self {
        Self::Range(address.into())
    }
}

impl FromStr for PeerOrRange {
    type Err = InvalidPeerOrRange;

    fn from_str(text: &str) -> Result<Self, InvalidPeerOrRange> {
        if text.contains(['.', ':', '/']) {
            Ok(Self::Range(text.parse()?))
        } else {
            Ok(Self::Peer(text.parse()?))
        }
    }
}

impl fmt::Display for PeerOrRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => peer.fmt(f),
            Self::Range(range) => range.fmt(f),
        }
    }
}
