//! What a user tells and asks the peer book.

use crate::driver::Command;
use crate::node::{Node, RequestError, Stopped};
use crate::requests::{Reply, answer};
use futures_channel::oneshot;
use peerwork_core::address::Multiaddr;
use peerwork_core::identity::PeerId;
use peerwork_core::node;
use peerwork_core::peer_book::{AddPeerError, KnownPeer};
use peerwork_core::protocols::Protocols;
use peerwork_core::time::Instant;

/// What a handle wants.
pub(crate) enum Peers {
    Add { peer: PeerId, address: Multiaddr, reply: Reply<(), AddPeerError> },
    Forget { peer: PeerId, reply: oneshot::Sender<()> },
    Known { peer: PeerId, reply: oneshot::Sender<Option<KnownPeer>> },
    All { reply: oneshot::Sender<Vec<KnownPeer>> },
}

impl Peers {
    /// Does it.
    pub(crate) fn perform<P: Protocols>(self, node: &mut node::Node<P>, now: Instant) {
        match self {
            Self::Add { peer, address, reply } => {
                answer(reply, node.peer_book_mut().add(peer, &address, now));
            }
            Self::Forget { peer, reply } => {
                node.peer_book_mut().forget(peer, now);
                // Whoever asked may have gone.
                let _ = reply.send(());
            }
            Self::Known { peer, reply } => drop(reply.send(node.swarm().peer_book().get(peer, now))),
            Self::All { reply } => drop(reply.send(node.swarm().peer_book().peers(now).collect())),
        }
    }
}

/// Where peers can be reached, as far as the node knows.
impl<P> Node<P>
where
    P: Protocols + Send + 'static,
    P::Command: Send,
    P::Event: Send + Sync,
{
    /// Says that a peer is at an address, which may end with its id. The address is tried whenever the peer is dialled, until it is
    /// forgotten.
    ///
    /// # Errors
    /// It is no address, that of another peer, or there is no room: see [`AddPeerError`]; or the node has stopped.
    pub async fn add_address(
        &self,
        peer: PeerId,
        address: Multiaddr,
    ) -> Result<(), RequestError<AddPeerError>> {
        self.call(|reply| Command::Peers(Peers::Add { peer, address, reply })).await
    }

    /// Forgets all that is known of a peer. Its connections stay.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn forget_peer(&self, peer: PeerId) -> Result<(), Stopped> {
        self.query(|reply| Command::Peers(Peers::Forget { peer, reply })).await
    }

    /// What is known of a peer: its addresses, the best first, and what it told.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn known_peer(&self, peer: PeerId) -> Result<Option<KnownPeer>, Stopped> {
        self.query(|reply| Command::Peers(Peers::Known { peer, reply })).await
    }

    /// All peers that are known, in the order of their ids: a copy of the whole
    /// [peer book](peerwork_core::peer_book), which may be large.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn known_peers(&self) -> Result<Vec<KnownPeer>, Stopped> {
        self.query(|reply| Command::Peers(Peers::All { reply })).await
    }
}
