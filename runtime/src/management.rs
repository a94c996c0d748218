//! What a user changes and asks about connections, whichever they are: access, standing, lifetimes, how many there are.

use crate::driver::Command;
use crate::metrics::{Metrics, TotalTraffic};
use crate::node::{Node, RequestError, Stopped};
use crate::requests::{Reply, answer};
use futures_channel::oneshot;
use peerwork_core::connection::ConnectionId;
use peerwork_core::identity::PeerId;
use peerwork_core::machine::Machine;
use peerwork_core::node;
use peerwork_core::protocols::Protocols;
use peerwork_core::swarm::{
    AccessChange, AccessRules, PeerOrRange, Standing, StandingChange, StandingError, SwarmInput, WhyAlive,
};
use peerwork_core::time::Instant;

/// What a handle wants.
pub(crate) enum Management {
    Access { change: AccessChange, reply: oneshot::Sender<()> },
    Rules { reply: oneshot::Sender<AccessRules> },
    Standing { change: StandingChange, reply: Reply<(), StandingError> },
    StandingOf { peer: PeerId, reply: oneshot::Sender<Standing> },
    KeepAlive { connection: ConnectionId, wanted: bool },
    WhyAlive { connection: ConnectionId, reply: oneshot::Sender<Option<WhyAlive>> },
    Metrics { reply: oneshot::Sender<Metrics> },
}

impl Management {
    /// Does it.
    pub(crate) fn perform<P: Protocols>(
        self,
        node: &mut node::Node<P>,
        traffic: &TotalTraffic,
        now: Instant,
    ) {
        match self {
            Self::Access { change, reply } => {
                node.handle_input(SwarmInput::Access(change), now);
                // Whoever asked may have gone.
                let _ = reply.send(());
            }
            Self::Rules { reply } => drop(reply.send(node.swarm().access().clone())),
            Self::Standing { change, reply } => {
                let result = node.swarm().check_standing(&change);
                node.handle_input(SwarmInput::Standing(change), now);
                answer(reply, result);
            }
            Self::StandingOf { peer, reply } => {
                drop(reply.send(node.swarm().standing(&peer).cloned().unwrap_or_default()));
            }
            Self::KeepAlive { connection, wanted } => {
                node.handle_input(SwarmInput::KeepAlive { connection, wanted }, now);
            }
            Self::WhyAlive { connection, reply } => {
                drop(reply.send(node.swarm().why_alive(connection, now)));
            }
            Self::Metrics { reply } => {
                let metrics = Metrics { swarm: node.swarm().counters(), traffic: traffic.get() };
                // Whoever asked may have gone.
                let _ = reply.send(metrics);
            }
        }
    }
}

/// Who may be connected, whose connections are closed when there are too many, and why a connection is open.
impl<P> Node<P>
where
    P: Protocols + Send + 'static,
    P::Command: Send,
    P::Event: Send + Sync,
{
    /// Puts a peer, an address or a range of addresses onto the block list, and closes the connections that it has. It can neither
    /// connect nor be dialled before it is unblocked. See [`AccessRules`] for the rule.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn block(&self, entry: impl Into<PeerOrRange>) -> Result<(), Stopped> {
        self.change_access(AccessChange::Block(entry.into())).await
    }

    /// Takes exactly this entry off the block list.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn unblock(&self, entry: impl Into<PeerOrRange>) -> Result<(), Stopped> {
        self.change_access(AccessChange::Unblock(entry.into())).await
    }

    /// Puts a peer, an address or a range of addresses onto the allow list. The first peer on it shuts out all other peers, the first
    /// range all other addresses; connections that may no longer be are closed.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn allow(&self, entry: impl Into<PeerOrRange>) -> Result<(), Stopped> {
        self.change_access(AccessChange::Allow(entry.into())).await
    }

    /// Takes exactly this entry off the allow list.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn disallow(&self, entry: impl Into<PeerOrRange>) -> Result<(), Stopped> {
        self.change_access(AccessChange::Disallow(entry.into())).await
    }

    /// Who may be connected.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn access(&self) -> Result<AccessRules, Stopped> {
        self.ask(|reply| Management::Rules { reply }).await
    }

    /// Says that a peer is worth so much more, or less if `value` is below 0, for the reason `name`, whose value is replaced. When there
    /// are [too many connections](peerwork_core::swarm::Watermarks), those to peers whose tags have the least sum are closed first.
    /// The peer need not be connected.
    ///
    /// # Errors
    /// See [`StandingError`]; or the node has stopped.
    pub async fn tag(
        &self,
        peer: PeerId,
        name: impl Into<String>,
        value: i32,
    ) -> Result<(), RequestError<StandingError>> {
        self.change_standing(StandingChange::Tag { peer, name: name.into(), value }).await
    }

    /// Takes a tag back.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn untag(
        &self,
        peer: PeerId,
        name: impl Into<String>,
    ) -> Result<(), RequestError<StandingError>> {
        self.change_standing(StandingChange::Untag { peer, name: name.into() }).await
    }

    /// Keeps the connections of a peer from being closed when there are too many, until every name that protects it is taken back.
    /// When they are idle they are closed nevertheless: see [`Node::keep_alive`].
    ///
    /// # Errors
    /// See [`StandingError`]; or the node has stopped.
    pub async fn protect(
        &self,
        peer: PeerId,
        name: impl Into<String>,
    ) -> Result<(), RequestError<StandingError>> {
        self.change_standing(StandingChange::Protect { peer, name: name.into() }).await
    }

    /// Takes a protection back.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn unprotect(
        &self,
        peer: PeerId,
        name: impl Into<String>,
    ) -> Result<(), RequestError<StandingError>> {
        self.change_standing(StandingChange::Unprotect { peer, name: name.into() }).await
    }

    /// The tags and protections of a peer.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn standing(&self, peer: PeerId) -> Result<Standing, Stopped> {
        self.ask(|reply| Management::StandingOf { peer, reply }).await
    }

    /// Keeps a connection open although no stream needs it, or no longer. The wish ends with the connection.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn keep_alive(&self, connection: ConnectionId, wanted: bool) -> Result<(), Stopped> {
        self.send(Command::Manage(Management::KeepAlive { connection, wanted })).await
    }

    /// Why a connection is open; `None` if it is gone. Its `Display` form is for people:
    ///
    /// ```text
    /// kept open:
    ///   2 streams of /chat/1.0.0, opened by the peer
    ///   the user wishes it
    /// not closed when there are too many connections: bootstrap
    /// ```
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn why_alive(&self, connection: ConnectionId) -> Result<Option<WhyAlive>, Stopped> {
        self.ask(|reply| Management::WhyAlive { connection, reply }).await
    }

    async fn change_access(&self, change: AccessChange) -> Result<(), Stopped> {
        self.ask(|reply| Management::Access { change, reply }).await
    }

    async fn change_standing(&self, change: StandingChange) -> Result<(), RequestError<StandingError>> {
        self.call(|reply| Command::Manage(Management::Standing { change, reply })).await
    }

    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Management,
    ) -> Result<T, Stopped> {
        self.query(|reply| Command::Manage(question(reply))).await
    }
}
