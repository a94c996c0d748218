//! The peer book: who was heard of, and where they can be reached.
//!
//! Whoever learns something says it: a peer was [connected](PeerBook::connected) or [identified](PeerBook::identified) itself, peer
//! routing [told](PeerBook::routed) of it, the user [added](PeerBook::add) it. [`PeerBook::addresses`] gives a peer's addresses to the
//! dialer, the best first.
//!
//! # How long an address is kept
//!
//! | origin | lives |
//! |---|---|
//! | [`Origin::Routing`] | [`ROUTING_TTL`] |
//! | [`Origin::Identify`] | while its peer is connected, and [`IDENTIFY_TTL`] |
//! | [`Origin::Record`] | while its peer is connected, and [`RECORD_TTL`] |
//! | [`Origin::Dialed`], and any that brought a connection | while its peer is connected, and [`REACHED_TTL`] |
//! | [`Origin::User`] | until it is forgotten |
//!
//! Several may tell of one address; what counts is the most trusted of them. What a peer says of itself replaces what it said
//! before: a list of identify replaces those addresses that only identify told, and a signed record with a higher sequence number
//! replaces those and the ones of the record before. A record with a lower number changes nothing, and one with the same number is
//! the same record: it replaces nothing.
//!
//! # What happens when it is full
//!
//! Peers, addresses of a peer, protocols and texts all have limits. What has expired goes first. Then the one with the lowest
//! [`Standing`], and among equals the one that expires first, makes room for one of the same or a higher standing; otherwise the new one is not
//! kept. Connected peers and those of the user never make room. So whoever floods the book with made-up peers, or connects with any number of
//! identities, displaces only what was as cheap to come by.
//!
//! # Time
//!
//! The book needs no wake-ups: what has expired is left out of every answer, and is dropped at the next change.
//!
//! # Across restarts
//!
//! The book stores nothing itself. [`PeerBook::take_change`] says what has changed since it was last asked, as values that can be
//! written anywhere, and [`PeerBook::restore`] takes them back; a [`PeerStore`] is where a driver does that. Only peers are stored that
//! are worth it: those of the user, those to whom a connection was made, and those with a signed record.

mod codec;
mod entry;
mod stored;
#[cfg(test)]
mod tests;

pub use codec::InvalidStoredPeer;
pub use stored::{PeerChange, PeerStore, PeerStoreError, StoredAddress, StoredPeer};

use crate::address::{InvalidAddress, MAX_ADDRESS_BYTES, Multiaddr, split_peer_id};
use crate::identity::{PeerId, SignedPeerRecord};
use crate::machine::Blame;
use crate::negotiation::ProtocolId;
use crate::protocols::identify::IdentifyInfo;
use crate::time::{Deadline, Instant, Latest, Timers};
use entry::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long an address is kept that peer routing told: such addresses are cheap to ask for again.
pub const ROUTING_TTL: Duration = Duration::from_secs(10 * 60);

/// How long the addresses are kept that a peer told by identify, from then on or from the end of its last connection.
pub const IDENTIFY_TTL: Duration = Duration::from_secs(30 * 60);

/// How long the addresses of a signed peer record are kept, from then on or from the end of the peer's last connection.
pub const RECORD_TTL: Duration = Duration::from_secs(60 * 60);

/// How long an address is kept that brought a connection, from then on or from the end of the peer's last connection. Long enough for a
/// node that was off for a night to find its network again.
pub const REACHED_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The most bytes that the addresses of one peer take together. Over it they make room as they do over
/// [`PeerBookConfig::max_addresses_per_peer`]. Stops peers with a few huge addresses instead of many.
pub const MAX_ADDRESS_BYTES_PER_PEER: usize = 4 * 1_024;

/// The most protocols that are kept of a peer; further ones are dropped. Other implementations have the same limit.
pub const MAX_PROTOCOLS: usize = 128;

/// The most bytes that the names of a peer's protocols take together; what does not fit is dropped.
pub const MAX_PROTOCOL_BYTES: usize = 4 * 1_024;

/// How large a peer book becomes. A peer that told all of itself takes about 4 KiB, and at most 24 KiB if it lies as much as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerBookConfig {
    /// The most peers, at least one. What happens when the book is full is written at the [module](self).
    pub max_peers: usize,
    /// The most addresses of one peer, at least one. The least trusted ones make room, and among equals the one that expires first.
    pub max_addresses_per_peer: usize,
}

impl Default for PeerBookConfig {
    /// 10,000 peers with 64 addresses each.
    fn default() -> Self {
        Self { max_peers: 10_000, max_addresses_per_peer: 64 }
    }
}

/// From where an address is known; the later ones are trusted more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Peer routing told.
    Routing,
    /// Nobody told; whoever dialled it found the peer there.
    Dialed,
    /// The peer told by identify.
    Identify,
    /// The peer told in a signed record.
    Record,
    /// The user said so.
    User,
}

/// How dear an entry is when the book is full; the earlier ones make room for the later ones. A peer has the standing of its best address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Others told.
    Hearsay,
    /// The peer was connected, and told itself.
    Met,
    /// The peer signed it.
    Certified,
    /// A connection was made to it.
    Reached,
    /// The user said so.
    User,
}

/// Why the user's word could not be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddPeerError {
    /// All peers in the book are connected or the user's. Blame: a limit.
    #[error(
        "the peer book is full: it holds {0} peers that are connected or were added by hand; forget some of them"
    )]
    TooManyPeers(usize),
    /// All addresses of the peer are the user's. Blame: a limit.
    #[error(
        "the peer has as many addresses as are kept of one, all of them added by hand; forget some of them"
    )]
    TooManyAddresses,
    /// The address is that of another peer. Blame: the caller.
    #[error("the address ends with the peer id {0}; expected none, or that of the peer")]
    OtherPeer(PeerId),
    /// It is not an address. Blame: the caller.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
}

impl AddPeerError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::TooManyPeers(_) | Self::TooManyAddresses => Blame::Limit,
            Self::OtherPeer(_) | Self::Address(_) => Blame::Caller,
        }
    }
}

/// What the book knows of a peer.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownPeer {
    /// Who.
    pub peer: PeerId,
    /// Its addresses, the best first.
    pub addresses: Vec<KnownAddress>,
    /// Whether it is connected.
    pub is_connected: bool,
    /// Its software, if it told.
    pub agent_version: Option<String>,
    /// What it speaks, as far as it told.
    pub protocols: Vec<ProtocolId>,
    /// The sequence number of its signed record, if it has one.
    pub record_sequence: Option<u64>,
}

/// What the book knows of an address.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownAddress {
    /// The address, without a peer id at its end.
    pub address: Multiaddr,
    /// The most trusted of those who told of it.
    pub origin: Origin,
    /// How long it will be kept; `None`: until it is forgotten, or while its peer is connected.
    pub remaining: Option<Duration>,
    /// Whether it has brought a connection.
    pub was_reached: bool,
    /// Whether the last attempt to dial it failed.
    pub has_failed: bool,
}

/// Who was heard of, and where they can be reached. See the [module documentation](self).
#[derive(Debug, Default)]
pub struct PeerBook {
    config: PeerBookConfig,
    /// At most `max_peers`.
    peers: BTreeMap<PeerId, Entry>,
    /// When the first address of each peer expires.
    expiries: Timers<PeerId>,
    /// Who can make room, the first one first: all but connected peers and those of the user.
    replaceable: BTreeSet<(Standing, Instant, PeerId)>,
    /// Who has changed since the last [`PeerBook::take_change`]. At most twice `max_peers`, which is enough for all who are in the book
    /// and all who were stored and are gone.
    changed: BTreeSet<PeerId>,
    latest: Latest,
}

impl PeerBook {
    /// An empty book.
    pub fn new(config: PeerBookConfig) -> Self {
        let config = PeerBookConfig {
            max_peers: config.max_peers.max(1),
            max_addresses_per_peer: config.max_addresses_per_peer.max(1),
        };
        Self { config, ..Self::default() }
    }

    /// The user says that `peer` is at `address`, which may end with its id.
    ///
    /// # Errors
    /// There is no room, or it is no address of this peer: see [`AddPeerError`].
    pub fn add(&mut self, peer: PeerId, address: &Multiaddr, now: Instant) -> Result<(), AddPeerError> {
        let (bare, owner) = split_peer_id(address)?;
        match owner {
            Some(other) if other != peer => return Err(AddPeerError::OtherPeer(other)),
            _ if bare.is_empty() => return Err(InvalidAddress::Empty.into()),
            _ if bare.len() > MAX_ADDRESS_BYTES => {
                return Err(InvalidAddress::TooLong { len: bare.len(), max: MAX_ADDRESS_BYTES }.into());
            }
            _ => {}
        }
        let max = self.config.max_addresses_per_peer;
        self.change(peer, now, |entry, now| entry.tell(&bare, Origin::User, max, now))
            .ok_or(AddPeerError::TooManyPeers(self.config.max_peers))?
            .then_some(())
            .ok_or(AddPeerError::TooManyAddresses)
    }

    /// Peer routing says that `peer` is at `addresses`. Those that name another peer are left out.
    pub fn routed(&mut self, peer: PeerId, addresses: &[Multiaddr], now: Instant) {
        let max = self.config.max_addresses_per_peer;
        self.change(peer, now, |entry, now| {
            for address in bare(addresses, peer, max) {
                entry.tell(&address, Origin::Routing, max, now);
            }
        });
    }

    /// A connected peer told of itself, by identify or by a push of it. What it left out is unchanged.
    pub fn identified(&mut self, peer: PeerId, info: &IdentifyInfo, now: Instant) {
        let max = self.config.max_addresses_per_peer;
        let record = info.certified.as_ref().filter(|record| record.peer == peer);
        self.change(peer, now, |entry, now| {
            let addresses = bare(&info.listen_addresses, peer, max);
            match record {
                Some(record) => drop(entry.certify(record.sequence, &addresses, max, now)),
                None if addresses.is_empty() => {}
                None => entry.identify(&addresses, max, now),
            }
            entry.describe(info.agent_version.as_deref(), &info.protocols);
        });
    }

    /// Somebody passed a signed record on. Whether it says something newer than what was known, and is kept.
    pub fn certified(&mut self, signed: &SignedPeerRecord, now: Instant) -> bool {
        let max = self.config.max_addresses_per_peer;
        let record = signed.record();
        let addresses = bare(&record.addresses, record.peer, max);
        let certify = |entry: &mut Entry, now| entry.certify(record.sequence, &addresses, max, now);
        self.change(record.peer, now, certify).unwrap_or(false)
    }

    /// A connection to `peer` is open: by dialling the address `dialed`, or, if that is `None`, made by the peer.
    pub fn connected(&mut self, peer: PeerId, dialed: Option<&Multiaddr>, now: Instant) {
        let max = self.config.max_addresses_per_peer;
        self.change(peer, now, |entry, now| {
            entry.connections = entry.connections.saturating_add(1);
            for address in bare(dialed, peer, 1) {
                entry.reach(&address, max, now);
            }
        });
    }

    /// A connection to `peer` that was open is closed.
    pub fn disconnected(&mut self, peer: PeerId, now: Instant) {
        self.change_known(peer, now, |entry, now| {
            entry.connections = entry.connections.saturating_sub(1);
            if entry.connections == 0 {
                entry.renew(now);
            }
        });
    }

    /// `address` was dialled and did not bring a connection. It is tried last from now on, until it does.
    pub fn failed(&mut self, peer: PeerId, address: &Multiaddr, now: Instant) {
        self.change_known(peer, now, |entry, _| {
            bare([address], peer, 1).iter().for_each(|address| entry.fail(address));
        });
    }

    /// Forgets an address, whoever told of it.
    pub fn forget_address(&mut self, peer: PeerId, address: &Multiaddr, now: Instant) {
        self.change_known(peer, now, |entry, _| {
            bare([address], peer, 1).iter().for_each(|address| entry.forget(address));
        });
    }

    /// Another peer than `peer` answered at `address`, which is forgotten, unless the user said it.
    pub fn wrong_peer(&mut self, peer: PeerId, address: &Multiaddr, now: Instant) {
        self.change_known(peer, now, |entry, _| {
            bare([address], peer, 1).iter().for_each(|address| entry.mistake(address));
        });
    }

    /// Forgets all of a peer, except that it is connected if it is.
    pub fn forget(&mut self, peer: PeerId, now: Instant) {
        self.change_known(peer, now, |entry, _| entry.clear());
    }

    /// Where a peer may be, the best first: what failed when it was last dialled behind all others; then what the user said or
    /// the peer has signed, what last brought a connection, and what was told last.
    pub fn addresses(&self, peer: PeerId, now: Instant) -> Vec<Multiaddr> {
        let now = now.max(self.latest.get());
        self.peers.get(&peer).map(|entry| entry.addresses(now)).unwrap_or_default()
    }

    /// What is known of a peer.
    pub fn get(&self, peer: PeerId, now: Instant) -> Option<KnownPeer> {
        self.peers.get(&peer)?.known(peer, now.max(self.latest.get()))
    }

    /// All peers, in the order of their ids.
    pub fn peers(&self, now: Instant) -> impl Iterator<Item = KnownPeer> {
        let now = now.max(self.latest.get());
        self.peers.iter().filter_map(move |(&peer, entry)| entry.known(peer, now))
    }

    /// How many peers are kept; some of them may have expired.
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// What has changed in what is worth storing, a peer at a time. `since_1970` is the wall clock.
    pub fn take_change(&mut self, since_1970: Duration, now: Instant) -> Option<PeerChange> {
        let now = self.pass_time(now);
        loop {
            let peer = self.changed.pop_first()?;
            let Some(entry) = self.peers.get_mut(&peer) else {
                return Some(PeerChange { peer, entry: None });
            };
            let stored = entry.to_stored(peer, since_1970, now);
            let was_stored = std::mem::replace(&mut entry.is_stored, stored.is_some());
            if was_stored || stored.is_some() {
                return Some(PeerChange { peer, entry: stored });
            }
        }
    }

    /// A change that was taken could not be stored: it will be given again.
    pub fn put_back(&mut self, peer: PeerId) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            // It may be on the disk still, whatever has become of it here.
            entry.is_stored = true;
        }
        self.note_change(peer);
    }

    fn note_change(&mut self, peer: PeerId) {
        if self.changed.len() < self.config.max_peers.saturating_mul(2) {
            self.changed.insert(peer);
        }
    }

    /// Takes a peer back that was stored. Whether it is kept; if all of it has expired or there is no room, the next change says that
    /// it is to be deleted.
    ///
    /// `since_1970` is the wall clock. If that was set back, nothing lives longer than if it were new.
    pub fn restore(&mut self, stored: &StoredPeer, since_1970: Duration, now: Instant) -> bool {
        let (peer, max) = (stored.peer, self.config.max_addresses_per_peer);
        let is_new = !self.peers.contains_key(&peer);
        self.change(peer, now, |entry, now| entry.restore(stored, max, since_1970, now));
        let Some(entry) = self.peers.get_mut(&peer) else {
            self.note_change(peer);
            return false;
        };
        entry.is_stored = true;
        if is_new {
            self.changed.remove(&peer);
        }
        true
    }

    /// Changes the entry of `peer`, a new one if it has none. `None`: there is nothing to keep in a new one, or no room for it.
    fn change<R>(
        &mut self,
        peer: PeerId,
        now: Instant,
        change: impl FnOnce(&mut Entry, Instant) -> R,
    ) -> Option<R> {
        let now = self.pass_time(now);
        let result = if let Some(entry) = self.peers.get_mut(&peer) {
            change(entry, now)
        } else {
            let mut entry = Entry::default();
            let result = change(&mut entry, now);
            if entry.is_void() || !self.make_room(entry.standing()) {
                return None;
            }
            // Of those who are gone, only who was stored still has a change to be taken.
            entry.is_stored = self.changed.contains(&peer);
            self.peers.insert(peer, entry);
            result
        };
        self.settle(peer);
        Some(result)
    }

    /// The same for a peer that has an entry; otherwise nothing.
    fn change_known(&mut self, peer: PeerId, now: Instant, change: impl FnOnce(&mut Entry, Instant)) {
        let now = self.pass_time(now);
        if let Some(entry) = self.peers.get_mut(&peer) {
            change(entry, now);
            self.settle(peer);
        }
    }

    /// Whether there is room for a peer of this standing now.
    fn make_room(&mut self, standing: Standing) -> bool {
        if self.peers.len() < self.config.max_peers {
            return true;
        }
        match self.replaceable.first() {
            Some(&(lowest, _, peer)) if lowest <= standing => {
                self.peers.get_mut(&peer).into_iter().for_each(Entry::clear);
                self.settle(peer);
                true
            }
            _ => false,
        }
    }

    /// Drops what has expired, and renews what connected peers said. Each address costs this once in its time to live.
    fn pass_time(&mut self, now: Instant) -> Instant {
        let now = self.latest.see(now);
        while let Some(peer) = self.expiries.pop_due(now) {
            if let Some(entry) = self.peers.get_mut(&peer) {
                entry.expire(now);
                self.settle(peer);
            }
        }
        now
    }

    /// Puts a changed entry where it belongs now.
    fn settle(&mut self, peer: PeerId) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let place = entry.place();
        let old = std::mem::replace(&mut entry.place, place);
        if old != place {
            self.replaceable.extend(place.map(|(standing, expires)| (standing, expires, peer)));
            if let Some((standing, expires)) = old {
                self.replaceable.remove(&(standing, expires, peer));
            }
        }
        let expiry = entry.next_expiry().map(|at| Deadline::new(at, "an address expires"));
        self.expiries.set(peer, expiry);
        let (is_stored, is_void) = (entry.is_stored, entry.is_void());
        if is_stored || entry.is_worth_storing() {
            self.note_change(peer);
        }
        if is_void {
            self.peers.remove(&peer);
            if !is_stored {
                self.changed.remove(&peer);
            }
        }
    }
}

/// The first `max` addresses as the book keeps them: without the peer's id at their ends. Left out are those that are empty, too long, or
/// name another peer.
fn bare<'a>(addresses: impl IntoIterator<Item = &'a Multiaddr>, peer: PeerId, max: usize) -> Vec<Multiaddr> {
    let bare = |address: &Multiaddr| {
        let (address, owner) = split_peer_id(address).ok()?;
        let is_fit = owner.is_none_or(|owner| owner == peer);
        (is_fit && !address.is_empty() && address.len() <= MAX_ADDRESS_BYTES).then_some(address)
    };
    addresses.into_iter().filter_map(bare).take(max).collect()
}
