//! What is stored of peers.

use peerwork_core::peer_book::{PeerBook, StoredPeer};
use peerwork_core::time::Instant;
use std::time::Duration;

/// What can be read says the same when it is written and read again, and a peer book takes it or leaves it.
pub fn stored_peer(data: &[u8]) {
    let Ok(stored) = StoredPeer::decode(data) else { return };
    assert_eq!(StoredPeer::decode(&stored.encode()).as_ref(), Ok(&stored));
    let mut book = PeerBook::default();
    let is_kept = book.restore(&stored, Duration::from_secs(1_800_000_000), Instant::ORIGIN);
    assert_eq!(is_kept, !book.addresses(stored.peer, Instant::ORIGIN).is_empty());
}
