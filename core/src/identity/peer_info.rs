//! A peer, and where it can be reached.

use super::PeerId;
use crate::address::{InvalidAddress, Multiaddr, split_peer_id, with_peer_id};

/// The most addresses that are kept of one peer, so that a list of them cannot fill our memory. Nodes have a few dozen at most.
pub const MAX_PEER_ADDRESSES: usize = 500;

/// A peer, and where it can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// The peer.
    pub peer: PeerId,
    /// Its addresses, without the peer id at their ends, each of them once.
    pub addresses: Vec<Multiaddr>,
}

/// Why addresses are not those of a peer. Blame: whoever wrote or sent them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeerInfo {
    /// There are none.
    #[error("there is no address; expected at least one that ends with /p2p/PEER")]
    Empty,
    /// An address does not end with a peer id.
    #[error("the address {0} does not end with a peer id; expected /p2p/PEER at its end")]
    NoPeer(Multiaddr),
    /// The addresses are those of several peers.
    #[error("the addresses are those of two peers, {0} and {1}; expected one peer's")]
    TwoPeers(PeerId, PeerId),
    /// There are more than [`MAX_PEER_ADDRESSES`].
    #[error("a peer has at most {MAX_PEER_ADDRESSES} addresses")]
    TooMany,
    /// The peer id at the end of an address is none.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
}

impl PeerInfo {
    /// Takes addresses apart that all end with `/p2p/` and the same peer.
    ///
    /// An address that is only `/p2p/PEER` names the peer and adds no address.
    ///
    /// # Errors
    /// There are none or too many, one does not end with a peer id, or they are those of several peers: see [`InvalidPeerInfo`].
    pub fn from_addresses<'a>(
        addresses: impl IntoIterator<Item = &'a Multiaddr>,
    ) -> Result<Self, InvalidPeerInfo> {
        let mut info: Option<Self> = None;
        for full in addresses {
            let (address, Some(peer)) = split_peer_id(full)? else {
                return Err(InvalidPeerInfo::NoPeer(full.clone()));
            };
            let info = info.get_or_insert(Self { peer, addresses: Vec::new() });
            if info.peer != peer {
                return Err(InvalidPeerInfo::TwoPeers(info.peer, peer));
            }
            if address.is_empty() || info.addresses.contains(&address) {
                continue;
            }
            if info.addresses.len() == MAX_PEER_ADDRESSES {
                return Err(InvalidPeerInfo::TooMany);
            }
            info.addresses.push(address);
        }
        info.ok_or(InvalidPeerInfo::Empty)
    }

    /// The addresses with the peer id at their ends; only `/p2p/PEER` if there are none.
    pub fn to_addresses(&self) -> Vec<Multiaddr> {
        if self.addresses.is_empty() {
            return vec![with_peer_id(Multiaddr::empty(), &self.peer)];
        }
        self.addresses.iter().map(|address| with_peer_id(address.clone(), &self.peer)).collect()
    }
}
