//! What the peer book learns.

use super::dialer::{self, AddressSource, AttemptError, AttemptState, DialProgress, DialerInput};
use super::{Multiaddr, Swarm, TransportError};
use crate::connection::ConnectionId;
use crate::identity::PeerId;
use crate::peer_book::PeerBook;
use crate::protocols::identify::IdentifyInfo;
use crate::protocols::{Fact, Protocols};
use crate::time::Instant;
use std::sync::Arc;

impl<P: Protocols> Swarm<P> {
    /// Notes something of a peer; of this node itself nothing, whoever tells.
    pub(super) fn note(&mut self, peer: PeerId, change: impl FnOnce(&mut PeerBook)) {
        if peer != self.local_peer {
            change(&mut self.book);
        }
    }

    /// Notes what an attempt that failed says of its address.
    pub(super) fn note_attempt(&mut self, progress: &DialProgress, now: Instant) {
        let DialProgress { peer, address, state: AttemptState::Failed { error } } = progress else { return };
        match (error, *peer) {
            (AttemptError::WrongPeer { expected, .. }, _) => self.book.wrong_peer(*expected, address, now),
            // It may have given the attempt up in favour of the connection that it has.
            (AttemptError::Connection(_), Some(peer)) if self.peers.contains_key(&peer) => {}
            // Nobody connects to a name: nothing would ever take that word back.
            (AttemptError::Transport(TransportError::Name { .. }), _) => {}
            (error, Some(peer)) if dialer::is_of_address(error) => self.book.failed(peer, address, now),
            _ => {}
        }
    }

    /// A protocol told where a peer may be.
    pub(super) fn learn_addresses(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, now: Instant) {
        self.note(peer, |book| book.routed(peer, &addresses, now));
        self.tell_dialer(DialerInput::Addresses { peer, source: AddressSource::Routing, addresses }, now);
    }

    /// A peer told what it is.
    pub(super) fn learn_identity(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        info: Arc<IdentifyInfo>,
        now: Instant,
    ) {
        if self.peer_at(connection) != Some(peer) {
            return;
        }
        self.note(peer, |book| book.identified(peer, &info, now));
        let addresses = info.listen_addresses.clone();
        self.tell_dialer(DialerInput::Addresses { peer, source: AddressSource::Peer, addresses }, now);
        self.broadcast(&Fact::Identified { connection, peer, info }, now);
    }
}
