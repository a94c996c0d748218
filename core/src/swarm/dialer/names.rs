//! Names in addresses: what to ask the name service, and what its answers mean.
//!
//! `/dns4` and `/dns6` stand for the IP addresses of a name, `/dns` for both. `/dnsaddr/NAME` stands for the addresses that the TXT records
//! of `_dnsaddr.NAME` say, some of which may be names again.

use super::types::{RecordKind, Records};
use crate::address::{self, Multiaddr, Protocol};
use crate::identity::PeerId;
use crate::swarm::TransportError;
use std::net::{IpAddr, Ipv4Addr};

/// The longest name in DNS, without the dot at its end.
const MAX_NAME_BYTES: usize = 253;

/// The longest part between two dots in DNS.
const MAX_LABEL_BYTES: usize = 63;

/// What stands in front of an address in a TXT record.
const DNSADDR_PREFIX: &str = "dnsaddr=";

/// The first name in an address, as far as this node has to resolve it: what is behind a relay is for the relay to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    name: String,
    kind: Kind,
    /// Which component it is.
    position: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `/dns4`, `/dns6` or `/dns`: the families.
    Ip(&'static [RecordKind]),
    /// `/dnsaddr`.
    Addresses,
}

/// The address with an IPv4 address in the place of a name, if that is what the name says; otherwise as it was.
pub(super) fn write_out(address: Multiaddr) -> Multiaddr {
    match Name::find(&address) {
        Some(name @ Name { kind: Kind::Ip(kinds), .. }) if kinds.contains(&RecordKind::Ip4) => {
            name.name.parse::<Ipv4Addr>().map_or(address.clone(), |ip| name.put(&address, ip.into()))
        }
        _ => address,
    }
}

/// What to ask the name service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// Whose records: checked.
    pub(super) name: String,
    /// Which kinds of records.
    pub(super) kinds: &'static [RecordKind],
}

impl Name {
    /// Finds the name in an address that has one.
    pub(super) fn find(address: &Multiaddr) -> Option<Self> {
        let parts = address.iter().take_while(|part| *part != Protocol::P2pCircuit).enumerate();
        let mut names = parts.filter_map(|(position, part)| {
            let (name, kind) = match part {
                Protocol::Dns(name) => (name, Kind::Ip(&[RecordKind::Ip6, RecordKind::Ip4])),
                Protocol::Dns4(name) => (name, Kind::Ip(&[RecordKind::Ip4])),
                Protocol::Dns6(name) => (name, Kind::Ip(&[RecordKind::Ip6])),
                Protocol::Dnsaddr(name) => (name, Kind::Addresses),
                _ => return None,
            };
            Some(Self { name: name.into_owned(), kind, position })
        });
        names.next()
    }

    /// Whether it stands for whole addresses, which may be names again.
    pub(super) fn is_dnsaddr(&self) -> bool {
        self.kind == Kind::Addresses
    }

    /// What to ask about it.
    ///
    /// # Errors
    /// [`TransportError::Name`]: it cannot be a name, or not here.
    pub(super) fn question(&self) -> Result<Question, TransportError> {
        let (name, kinds) = match self.kind {
            Kind::Ip(kinds) => (self.name.clone(), kinds),
            Kind::Addresses if self.position > 0 => {
                return Err(self.error("/dnsaddr stands at the start of an address"));
            }
            Kind::Addresses => (format!("_dnsaddr.{}", self.name), &[RecordKind::Txt][..]),
        };
        check(&name).map_err(|reason| self.error(reason))?;
        Ok(Question { name, kinds })
    }

    /// The addresses that an answer to a question of `kind` makes of the address that the name was found in. Those from TXT records may
    /// end with peer ids; those of other peers than `peer` are left out.
    ///
    /// # Errors
    /// [`TransportError::Name`]: the answer is none to that question, or has nothing that can be used.
    pub(super) fn answer(
        &self,
        address: &Multiaddr,
        peer: Option<PeerId>,
        kind: RecordKind,
        records: &Records,
    ) -> Result<Vec<Multiaddr>, TransportError> {
        let answers: Vec<_> = match (kind, records) {
            (RecordKind::Txt, Records::Texts(texts)) => {
                texts.iter().filter_map(|text| self.entry(address, peer, text)).collect()
            }
            (RecordKind::Ip4 | RecordKind::Ip6, Records::Addresses(ips)) => {
                let fitting = ips.iter().filter(|ip| ip.is_ipv4() == (kind == RecordKind::Ip4));
                fitting.map(|ip| self.put(address, *ip)).collect()
            }
            _ => return Err(self.error("the answer has records that were not asked for")),
        };
        if answers.is_empty() {
            Err(self.error("no record of it is an address that fits"))
        } else {
            Ok(answers)
        }
    }

    /// The address with an IP address in the place of the name.
    fn put(&self, address: &Multiaddr, ip: IpAddr) -> Multiaddr {
        let parts = address.iter().enumerate();
        parts.map(|(position, part)| if position == self.position { ip.into() } else { part }).collect()
    }

    /// The address that a TXT record says, if it is one and ends with what stands behind the name.
    fn entry(&self, address: &Multiaddr, peer: Option<PeerId>, text: &str) -> Option<Multiaddr> {
        let entry = address::parse(text.strip_prefix(DNSADDR_PREFIX)?).ok()?;
        let (bare, of) = address::split_peer_id(&entry).ok()?;
        if of.is_some() && peer.is_some() && of != peer {
            return None;
        }
        let wanted: Vec<_> = address.iter().skip(self.position + 1).collect();
        let parts: Vec<_> = bare.iter().collect();
        parts.ends_with(&wanted).then_some(entry)
    }

    /// An error about this name.
    pub(super) fn error(&self, reason: impl Into<String>) -> TransportError {
        TransportError::Name { name: self.name.clone(), reason: reason.into() }
    }
}

/// Lets through only what can be a name, so that no name service meets anything else.
fn check(name: &str) -> Result<(), &'static str> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if bare.len() > MAX_NAME_BYTES {
        return Err("a name has at most 253 bytes");
    }
    if !bare.bytes().all(fits) {
        return Err(
            "a name has letters, digits, '-', '_' and dots; write other alphabets in punycode (xn--...)",
        );
    }
    let is_label = |label: &str| (1..=MAX_LABEL_BYTES).contains(&label.len()) && !label.starts_with('-');
    if !bare.split('.').all(is_label) {
        return Err("each part of a name has 1 to 63 bytes and does not start with '-'");
    }
    Ok(())
}
