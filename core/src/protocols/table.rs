//! What most protocols keep: something for each connection, and the streams that they asked for.

use super::RequestId;
use crate::connection::ConnectionId;
use crate::identity::PeerId;
use std::collections::{BTreeMap, BTreeSet};

/// The open connections, each with a `T`, and which of them lead to a peer. Bounded by the swarm's limit of
/// connections.
#[derive(Debug)]
pub(super) struct Connections<T> {
    /// Boxed, because a map's nodes are half empty when ids count up.
    by_id: BTreeMap<ConnectionId, Box<(PeerId, T)>>,
    by_peer: BTreeSet<(PeerId, ConnectionId)>,
}

impl<T> Default for Connections<T> {
    fn default() -> Self {
        Self { by_id: BTreeMap::new(), by_peer: BTreeSet::new() }
    }
}

impl<T> Connections<T> {
    /// Adds a connection, unless it is there already.
    pub(super) fn insert(&mut self, id: ConnectionId, peer: PeerId, new: T) {
        self.by_id.entry(id).or_insert_with(|| {
            self.by_peer.insert((peer, id));
            Box::new((peer, new))
        });
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<T> {
        let (peer, old) = *self.by_id.remove(&id)?;
        self.by_peer.remove(&(peer, id));
        Some(old)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut T> {
        self.by_id.get_mut(&id).map(|entry| &mut entry.1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// All of them, the oldest first: ids count up.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ConnectionId, &T)> {
        self.by_id.iter().map(|(id, entry)| (*id, &entry.1))
    }

    /// The connections to `peer`, the oldest first.
    pub(super) fn of_peer(&self, peer: PeerId) -> impl Iterator<Item = (ConnectionId, &T)> {
        let of_peer = (peer, ConnectionId(u64::MIN))..=(peer, ConnectionId(u64::MAX));
        let ids = self.by_peer.range(of_peer).map(|&(_, id)| id);
        ids.filter_map(|id| Some((id, &self.by_id.get(&id)?.1)))
    }

    /// The oldest connection to `peer`.
    pub(super) fn oldest(&self, peer: PeerId) -> Option<ConnectionId> {
        self.of_peer(peer).next().map(|(id, _)| id)
    }

    #[cfg(test)]
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        debug_assert_eq!(self.by_id.len(), self.by_peer.len());
        self.by_id.values().map(|entry| &entry.1)
    }
}

/// The streams that were asked for and are neither open nor refused yet, and for which connection.
///
/// Bounded by its owner, who asks for one stream of a connection at a time.
#[derive(Debug, Default)]
pub(super) struct Requests {
    next: u64,
    pending: BTreeMap<RequestId, ConnectionId>,
}

impl Requests {
    /// A fresh id for a request on `connection`.
    pub(super) fn add(&mut self, connection: ConnectionId) -> RequestId {
        let request = RequestId(self.next);
        self.next += 1;
        self.pending.insert(request, connection);
        request
    }

    /// Forgets a request that was answered, or whose connection is gone, and returns the connection.
    pub(super) fn remove(&mut self, request: RequestId) -> Option<ConnectionId> {
        self.pending.remove(&request)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }
}
