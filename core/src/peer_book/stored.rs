//! What is worth keeping across restarts, as plain values, and where it is kept.

use super::Origin;
use crate::address::Multiaddr;
use crate::identity::PeerId;
use crate::negotiation::ProtocolId;
use std::error::Error;
use std::time::Duration;

/// Where a node's peers are kept from one run to the next, such as a file. Calls may block: a driver makes them where they hold nothing
/// up, one after the other. A node that stops waits for the last one.
pub trait PeerStore: Send + 'static {
    /// All peers that are stored.
    ///
    /// # Errors
    /// They cannot be read.
    fn peers(&mut self) -> Result<Vec<StoredPeer>, PeerStoreError>;

    /// Stores changes: all of them, or, if there is an error, none. Those are given again later.
    ///
    /// # Errors
    /// They cannot be stored at the moment.
    fn save(&mut self, changes: &[PeerChange]) -> Result<(), PeerStoreError>;
}

/// What a [`PeerStore`] has to say of a failure. Blame: the store, or what it is on.
pub type PeerStoreError = Box<dyn Error + Send + Sync>;

/// What a store has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerChange {
    /// Whom it is about.
    pub peer: PeerId,
    /// What is to be stored of it now; `None`: delete it.
    pub entry: Option<StoredPeer>,
}

/// A peer as it is stored. [`StoredPeer::encode`] and [`StoredPeer::decode`] are its binary form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPeer {
    /// Who.
    pub peer: PeerId,
    /// Where it can be reached, the best first.
    pub addresses: Vec<StoredAddress>,
    /// The sequence number of its signed record, if it has one.
    pub record_sequence: Option<u64>,
    /// Its software, if it told.
    pub agent_version: Option<String>,
    /// What it speaks, as far as it told.
    pub protocols: Vec<ProtocolId>,
}

/// An address as it is stored. Times are those of the wall clock, in whole seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAddress {
    /// The address, without a peer id at its end.
    pub address: Multiaddr,
    /// The most trusted of those who told of it.
    pub origin: Origin,
    /// When it expires; `None`: never.
    pub expires: Option<Duration>,
    /// When it last brought a connection.
    pub reached: Option<Duration>,
}
