//! What the book keeps of one peer.

use super::{
    IDENTIFY_TTL, KnownAddress, KnownPeer, MAX_ADDRESS_BYTES_PER_PEER, MAX_PROTOCOL_BYTES, MAX_PROTOCOLS,
    Origin, REACHED_TTL, RECORD_TTL, ROUTING_TTL, Standing, StoredAddress, StoredPeer,
};
use crate::address::Multiaddr;
use crate::identity::PeerId;
use crate::negotiation::ProtocolId;
use crate::protocols::identify::codec::clean_version;
use crate::time::Instant;
use std::cmp::Reverse;
use std::time::Duration;

/// One peer.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// At most `max_addresses_per_peer`, and [`MAX_ADDRESS_BYTES_PER_PEER`]; each once.
    addresses: Vec<Known>,
    /// How many are open.
    pub(super) connections: usize,
    /// Whether it was stored when its change was last taken.
    pub(super) is_stored: bool,
    /// Under which key it is among those that can make room, if it is there.
    pub(super) place: Option<(Standing, Instant)>,
    record_sequence: Option<u64>,
    agent_version: Option<Box<str>>,
    /// At most [`MAX_PROTOCOLS`] and [`MAX_PROTOCOL_BYTES`].
    protocols: Vec<ProtocolId>,
}

/// One address.
#[derive(Debug)]
struct Known {
    address: Multiaddr,
    origin: Origin,
    /// `None`: never.
    expires: Option<Instant>,
    told: Instant,
    reached: Option<Reached>,
    has_failed: bool,
}

/// When an address last brought a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    /// Before this node started: by the wall clock, since 1970.
    Before(Duration),
    /// Since then.
    At(Instant),
}

impl Known {
    fn standing(&self) -> Standing {
        match self.origin {
            Origin::User => Standing::User,
            _ if self.reached.is_some() => Standing::Reached,
            Origin::Record => Standing::Certified,
            Origin::Identify | Origin::Dialed => Standing::Met,
            Origin::Routing => Standing::Hearsay,
        }
    }

    /// Whether it lives on while its peer is connected.
    fn is_held(&self) -> bool {
        self.origin != Origin::Routing || self.reached.is_some()
    }

    /// Lets it live for its time from `now` on, or longer if it would have.
    fn renew(&mut self, now: Instant) {
        let renewed = self.ttl().map(|ttl| now + ttl);
        self.expires = match (self.expires, renewed) {
            (Some(old), Some(new)) => Some(old.max(new)),
            _ => renewed,
        };
    }

    /// `None`: for ever.
    fn ttl(&self) -> Option<Duration> {
        match self.origin {
            Origin::User => None,
            _ if self.reached.is_some() && !self.has_failed => Some(REACHED_TTL),
            Origin::Record => Some(RECORD_TTL),
            Origin::Identify | Origin::Dialed => Some(IDENTIFY_TTL),
            Origin::Routing => Some(ROUTING_TTL),
        }
    }

    /// What is smaller is better.
    fn rank(&self) -> impl Ord + use<> {
        let is_sure = matches!(self.origin, Origin::User | Origin::Record);
        (self.has_failed, Reverse(is_sure), Reverse(self.reached), Reverse(self.told))
    }

    /// What is smaller makes room first.
    fn place(&self) -> (Standing, Option<Instant>, Instant) {
        (self.standing(), self.expires, self.told)
    }
}

impl Entry {
    /// Notes that somebody told of an address; whether it is kept. Who is trusted less than who told before changes nothing.
    pub(super) fn tell(&mut self, address: &Multiaddr, origin: Origin, max: usize, now: Instant) -> bool {
        if let Some(known) = self.find(address) {
            if origin >= known.origin {
                (known.origin, known.told) = (origin, now);
                known.renew(now);
            }
            return true;
        }
        let address = address.clone();
        let mut known =
            Known { address, origin, expires: Some(now), told: now, reached: None, has_failed: false };
        known.renew(now);
        self.insert(known, max)
    }

    /// An address has brought a connection.
    pub(super) fn reach(&mut self, address: &Multiaddr, max: usize, now: Instant) {
        let reached = Some(Reached::At(now));
        if let Some(known) = self.find(address) {
            (known.reached, known.has_failed) = (reached, false);
            known.renew(now);
            return;
        }
        let (address, origin, expires) = (address.clone(), Origin::Dialed, Some(now + REACHED_TTL));
        self.insert(Known { address, origin, expires, told: now, reached, has_failed: false }, max);
    }

    /// The peer's whole list, by identify.
    pub(super) fn identify(&mut self, addresses: &[Multiaddr], max: usize, now: Instant) {
        self.addresses.retain(|known| known.origin != Origin::Identify || addresses.contains(&known.address));
        for address in addresses {
            self.tell(address, Origin::Identify, max, now);
        }
    }

    /// The peer's whole list, signed. Whether it is newer than what was known.
    pub(super) fn certify(
        &mut self,
        sequence: u64,
        addresses: &[Multiaddr],
        max: usize,
        now: Instant,
    ) -> bool {
        if self.record_sequence.is_some_and(|known| sequence < known) {
            return false;
        }
        let is_newer = self.record_sequence.replace(sequence) != Some(sequence);
        if is_newer {
            let is_own_word = |origin| matches!(origin, Origin::Identify | Origin::Record);
            self.addresses.retain(|known| !is_own_word(known.origin) || addresses.contains(&known.address));
        }
        for address in addresses {
            self.tell(address, Origin::Record, max, now);
        }
        is_newer
    }

    /// What the peer is, as far as it told. Texts from peers become clean and short.
    pub(super) fn describe(&mut self, agent_version: Option<&str>, protocols: &[ProtocolId]) {
        if let Some(agent) = agent_version {
            self.agent_version = Some(clean_version(agent.as_bytes()).into());
        }
        if !protocols.is_empty() {
            let mut bytes = 0;
            let fits = |protocol: &&ProtocolId| {
                bytes += protocol.as_str().len();
                bytes <= MAX_PROTOCOL_BYTES
            };
            self.protocols = protocols.iter().take(MAX_PROTOCOLS).take_while(fits).cloned().collect();
        }
    }

    pub(super) fn fail(&mut self, address: &Multiaddr) {
        if let Some(known) = self.find(address) {
            known.has_failed = true;
        }
    }

    pub(super) fn forget(&mut self, address: &Multiaddr) {
        self.addresses.retain(|known| known.address != *address);
    }

    /// Another peer is there.
    pub(super) fn mistake(&mut self, address: &Multiaddr) {
        self.fail(address);
        self.addresses.retain(|known| known.address != *address || known.origin == Origin::User);
    }

    /// Forgets all but whether the peer is connected. If it is not, the entry is [void](Entry::is_void).
    pub(super) fn clear(&mut self) {
        let Self { connections, is_stored, place, .. } = *self;
        *self = Self { connections, is_stored, place, ..Self::default() };
    }

    /// The peer's last connection is closed: from now on what it said expires.
    pub(super) fn renew(&mut self, now: Instant) {
        self.addresses.iter_mut().filter(|known| known.is_held()).for_each(|known| known.renew(now));
    }

    /// Drops what has expired. What a connected peer said itself, or where it was reached, lives on.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.connections > 0 {
            self.renew(now);
        }
        self.addresses.retain(|known| known.expires.is_none_or(|expires| expires > now));
    }

    /// Takes back what was stored and has not expired.
    pub(super) fn restore(&mut self, stored: &StoredPeer, max: usize, since_1970: Duration, now: Instant) {
        for StoredAddress { address, origin, expires, reached } in &stored.addresses {
            let (address, reached) = (address.clone(), reached.map(Reached::Before));
            let mut known =
                Known { address, origin: *origin, expires: None, told: now, reached, has_failed: false };
            if let Some(ttl) = known.ttl() {
                let remaining = expires.unwrap_or(Duration::MAX).saturating_sub(since_1970);
                if remaining.is_zero() {
                    continue;
                }
                known.expires = Some(now + remaining.min(ttl));
            }
            if self.find(&known.address).is_none() {
                self.insert(known, max);
            }
        }
        self.record_sequence = self.record_sequence.max(stored.record_sequence);
        self.describe(stored.agent_version.as_deref(), &stored.protocols);
    }

    /// `None`: it is not worth storing.
    pub(super) fn to_stored(&self, peer: PeerId, since_1970: Duration, now: Instant) -> Option<StoredPeer> {
        let stored = |known: &Known| StoredAddress {
            address: known.address.clone(),
            origin: known.origin,
            expires: known.expires.map(|expires| whole_seconds(since_1970.saturating_add(expires - now))),
            reached: known.reached.map(|reached| match reached {
                Reached::Before(since_1970) => since_1970,
                Reached::At(then) => whole_seconds(since_1970.saturating_sub(now - then)),
            }),
        };
        self.is_worth_storing().then(|| StoredPeer {
            peer,
            addresses: self.best_first(now).map(stored).collect(),
            record_sequence: self.record_sequence,
            agent_version: self.agent_version.as_deref().map(str::to_owned),
            protocols: self.protocols.clone(),
        })
    }

    /// `None`: all of it has expired.
    pub(super) fn known(&self, peer: PeerId, now: Instant) -> Option<KnownPeer> {
        let is_connected = self.connections > 0;
        let expiry = |known: &'_ Known| known.expires.filter(|_| !(is_connected && known.is_held()));
        let addresses: Vec<_> = self
            .best_first(now)
            .map(|known| KnownAddress {
                address: known.address.clone(),
                origin: known.origin,
                remaining: expiry(known).map(|expires| expires - now),
                was_reached: known.reached.is_some(),
                has_failed: known.has_failed,
            })
            .collect();
        (is_connected || !addresses.is_empty()).then_some(KnownPeer {
            peer,
            addresses,
            is_connected,
            agent_version: self.agent_version.as_deref().map(str::to_owned),
            protocols: self.protocols.clone(),
            record_sequence: self.record_sequence,
        })
    }

    pub(super) fn addresses(&self, now: Instant) -> Vec<Multiaddr> {
        self.best_first(now).map(|known| known.address.clone()).collect()
    }

    pub(super) fn is_worth_storing(&self) -> bool {
        self.standing() >= Standing::Certified
    }

    /// Nothing is known of where the peer could be reached, and it is not connected.
    pub(super) fn is_void(&self) -> bool {
        self.addresses.is_empty() && self.connections == 0
    }

    /// The key by which it makes room; `None` if it never does.
    pub(super) fn place(&self) -> Option<(Standing, Instant)> {
        let standing = self.standing();
        let can_go = standing < Standing::User && self.connections == 0;
        let expires = self.addresses.iter().filter_map(|known| known.expires).max()?;
        can_go.then_some((standing, expires))
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.addresses.iter().filter_map(|known| known.expires).min()
    }

    /// That of its best address. A peer that connected and told none is no hearsay either.
    pub(super) fn standing(&self) -> Standing {
        let without = if self.connections > 0 { Standing::Met } else { Standing::Hearsay };
        self.addresses.iter().map(Known::standing).max().unwrap_or(without).max(without)
    }

    fn best_first(&self, now: Instant) -> impl Iterator<Item = &Known> {
        let is_connected = self.connections > 0;
        let lives = |known: &&Known| {
            (is_connected && known.is_held()) || known.expires.is_none_or(|expires| expires > now)
        };
        let mut live: Vec<_> = self.addresses.iter().filter(lives).collect();
        live.sort_by_key(|known| known.rank());
        live.into_iter()
    }

    fn find(&mut self, address: &Multiaddr) -> Option<&mut Known> {
        self.addresses.iter_mut().find(|known| known.address == *address)
    }

    /// Keeps a new address if what is dearer leaves room for it.
    fn insert(&mut self, new: Known, max: usize) -> bool {
        let standing = new.standing();
        let (mut count, mut bytes) = (1, new.address.len());
        let stays = |known: &&Known| known.standing() > standing || known.origin == Origin::User;
        for known in self.addresses.iter().filter(stays) {
            (count, bytes) = (count + 1, bytes + known.address.len());
        }
        if count > max || bytes > MAX_ADDRESS_BYTES_PER_PEER {
            return false;
        }
        while self.addresses.len() >= max || self.bytes() + new.address.len() > MAX_ADDRESS_BYTES_PER_PEER {
            let places = self.addresses.iter().enumerate().map(|(index, known)| (known.place(), index));
            let Some((_, index)) = places.min() else { return false };
            self.addresses.remove(index);
        }
        self.addresses.push(new);
        true
    }

    fn bytes(&self) -> usize {
        self.addresses.iter().map(|known| known.address.len()).sum()
    }
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}
