//! Addresses: the `multiaddr` crate's type, let in from peers through a guard.
//!
//! A [`Multiaddr`] is a list of components, each of which says one step of how to reach a peer:
//! `/ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...`. Bytes from a peer become one through [`from_bytes`], and text
//! from a user through [`parse`]; both let in only what means the same in bytes and in text. A `/` inside a DNS
//! name would not: as text it reads as further components, and a check of the one form would say nothing about
//! the other.

pub use multiaddr::{Multiaddr, Protocol};

use crate::identity::{InvalidPeerId, PeerId};
use std::net::{IpAddr, SocketAddr};

/// The longest address that is let in. The longest in use (a relayed one with several certificate hashes) have
/// about 300 bytes.
///
/// A longer one is refused with [`InvalidAddress::TooLong`], so that lists of addresses from peers take bounded
/// memory.
pub const MAX_ADDRESS_BYTES: usize = 1_024;

/// The longest text that is looked at, since decoding some components takes quadratic time.
const MAX_TEXT_BYTES: usize = 4 * MAX_ADDRESS_BYTES;

/// Why bytes, text or a whole address are not what is needed. Blame: whoever sent or wrote them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// It has no components, so it leads nowhere.
    #[error("the address is empty; expected one such as /ip4/127.0.0.1/tcp/4001")]
    Empty,
    /// It is longer than the limit.
    #[error("an address of {len} bytes is over the limit of {max}")]
    TooLong {
        /// How long it is.
        len: usize,
        /// The limit for bytes, or for text.
        max: usize,
    },
    /// The bytes are not a list of known components.
    #[error("malformed address: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// The text does not start with a slash.
    #[error("an address starts with '/'; expected one such as /ip4/127.0.0.1/tcp/4001")]
    NoSlash,
    /// A component of the text is unknown, lacks its value, or has one that is not valid.
    #[error("the component /{name} of the address is not valid: {reason}")]
    BadComponent {
        /// The component's name, its start if it is long, without control characters.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The peer id in it is none.
    #[error("the address names no valid peer: {0}")]
    PeerId(#[from] InvalidPeerId),
    /// Written as text and read again, it would be another address, or none.
    #[error("the address cannot be written as text: a component holds '/' or is not in its usual form")]
    Ambiguous,
    /// A name in it has control characters, which would garble logs and terminals.
    #[error("the address has control characters")]
    ControlCharacters,
    /// It is not one that TCP can listen on or dial.
    #[error(
        "not an address for TCP; expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT, and /p2p/PEER may follow"
    )]
    NotTcp(Multiaddr),
}

/// How much of a wrong component's name an error shows.
const MAX_SHOWN_CHARACTERS: usize = 40;

/// Lets an address in from a peer.
///
/// # Errors
/// It is empty, over [`MAX_ADDRESS_BYTES`] (or four times that as text), malformed, different when written as text and read again, names an
/// impossible peer id, or has control characters.
pub fn from_bytes(bytes: &[u8]) -> Result<Multiaddr, InvalidAddress> {
    limit(bytes.len(), MAX_ADDRESS_BYTES)?;
    let address = Multiaddr::try_from(bytes.to_vec())
        .map_err(|error| InvalidAddress::Malformed { reason: error.to_string() })?;
    check(address)
}

/// Reads an address that a user wrote. A peer id in it may have any form that [`PeerId`] reads.
///
/// # Errors
/// As [`from_bytes`]; of a component that is not valid the error gives the name and the reason.
pub fn parse(text: &str) -> Result<Multiaddr, InvalidAddress> {
    limit(text.len(), MAX_TEXT_BYTES)?;
    let components = match text.strip_prefix('/') {
        Some(components) => components,
        None if text.is_empty() => return Err(InvalidAddress::Empty),
        None => return Err(InvalidAddress::NoSlash),
    };
    let mut parts = components.split('/').peekable();
    let mut address = Multiaddr::empty();
    while let Some(&name) = parts.peek() {
        address.push(parse_component(name, &mut parts)?);
    }
    check(address)
}

/// Takes the component `name` off the front of `parts`.
fn parse_component<'a>(
    name: &str,
    parts: &mut impl Iterator<Item = &'a str>,
) -> Result<Protocol<'a>, InvalidAddress> {
    // The multiaddr crate reads peer ids in base58 only.
    if let "p2p" | "ipfs" = name {
        let id = parts.nth(1).unwrap_or_default();
        return Ok(peer_id_component(&id.parse()?));
    }
    Protocol::from_str_parts(parts).map_err(|error| InvalidAddress::BadComponent {
        name: name.chars().take(MAX_SHOWN_CHARACTERS).flat_map(char::escape_debug).collect(),
        reason: match error {
            multiaddr::Error::UnknownProtocolString(_) => "there is no such component".to_owned(),
            multiaddr::Error::InvalidProtocolString => "its value is missing or malformed".to_owned(),
            multiaddr::Error::ParsingError(error) => error.to_string(),
            other => other.to_string(),
        },
    })
}

fn limit(len: usize, max: usize) -> Result<(), InvalidAddress> {
    if len <= max { Ok(()) } else { Err(InvalidAddress::TooLong { len, max }) }
}

/// The guard. See the [module documentation](self).
fn check(address: Multiaddr) -> Result<Multiaddr, InvalidAddress> {
    if address.is_empty() {
        return Err(InvalidAddress::Empty);
    }
    limit(address.len(), MAX_ADDRESS_BYTES)?;
    for component in &address {
        if let Protocol::P2p(id) = component {
            PeerId::from_bytes(&id.to_bytes())?;
        }
    }
    let text = address.to_string();
    limit(text.len(), MAX_TEXT_BYTES)?;
    if text.contains(char::is_control) {
        return Err(InvalidAddress::ControlCharacters);
    }
    match text.parse::<Multiaddr>() {
        Ok(again) if again == address => Ok(address),
        _ => Err(InvalidAddress::Ambiguous),
    }
}

/// Takes the peer id off the end of an address: what is left says where to connect, the id says who must answer.
///
/// `None`, and the whole address, if it does not end with one. The id of a relay in front of `/p2p-circuit` stays.
///
/// # Errors
/// [`InvalidAddress::PeerId`]: the multihash at the end is not one that a peer id can be. Addresses from
/// [`from_bytes`] and [`parse`] have none such.
pub fn split_peer_id(address: &Multiaddr) -> Result<(Multiaddr, Option<PeerId>), InvalidAddress> {
    let mut address = address.clone();
    let Some(Protocol::P2p(id)) = address.iter().last() else { return Ok((address, None)) };
    let peer = PeerId::from_bytes(&id.to_bytes())?;
    address.pop();
    Ok((address, Some(peer)))
}

/// The address with `peer` at its end, instead of the peer id that may be there already.
pub fn with_peer_id(mut address: Multiaddr, peer: &PeerId) -> Multiaddr {
    if let Some(Protocol::P2p(_)) = address.iter().last() {
        address.pop();
    }
    address.with(peer_id_component(peer))
}

fn peer_id_component(peer: &PeerId) -> Protocol<'static> {
    let id = multiaddr::PeerId::from_bytes(&peer.to_bytes());
    Protocol::P2p(id.expect("multiaddr takes every multihash that a peer id can be"))
}

/// The IP address in front, which says where the bytes go. One of IPv4 that is written as IPv6 is of IPv4.
pub fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().find(|component| !matches!(component, Protocol::Ip6zone(_))) {
        Some(Protocol::Ip4(ip)) => Some(ip.into()),
        Some(Protocol::Ip6(ip)) => Some(ip.to_canonical()),
        _ => None,
    }
}

/// Whether the address starts with a name that is yet to be resolved.
pub fn starts_with_name(address: &Multiaddr) -> bool {
    let first = address.iter().next();
    matches!(first, Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_)))
}

/// Whether the address starts on the loopback interface, and so leads nowhere from other machines.
pub fn is_loopback(address: &Multiaddr) -> bool {
    ip(address).is_some_and(|ip| ip.is_loopback())
}

/// Whether the address leads over a relay (`/p2p-circuit`).
pub fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|component| component == Protocol::P2pCircuit)
}

/// The socket address of exactly `/ip4/ADDRESS/tcp/PORT` or `/ip6/ADDRESS/tcp/PORT`, without a peer id.
///
/// # Errors
/// [`InvalidAddress::NotTcp`]: the address has other components, or more.
pub fn tcp_socket_address(address: &Multiaddr) -> Result<SocketAddr, InvalidAddress> {
    let mut components = address.iter();
    let ip = match components.next() {
        Some(Protocol::Ip4(ip)) => IpAddr::V4(ip),
        Some(Protocol::Ip6(ip)) => IpAddr::V6(ip),
        _ => return Err(InvalidAddress::NotTcp(address.clone())),
    };
    match (components.next(), components.next()) {
        (Some(Protocol::Tcp(port)), None) => Ok(SocketAddr::new(ip, port)),
        _ => Err(InvalidAddress::NotTcp(address.clone())),
    }
}

/// The address of a TCP socket. An IPv6 zone is left out.
pub fn from_socket_address(socket: SocketAddr) -> Multiaddr {
    Multiaddr::from(socket.ip()).with(Protocol::Tcp(socket.port()))
}

#[cfg(test)]
mod tests;
