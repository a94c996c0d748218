//! What is worth keeping across restarts, as plain values.

use super::Origin;
use crate::address::Multiaddr;
use crate::identity::PeerId;
use crate::negotiation::ProtocolId;
use std::time::Duration;

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
