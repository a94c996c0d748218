//! Drivers that run whole networks of nodes, and one view of a node for all of them.
//!
//! A test is written once, as an async function over [`Host`], and runs on
//!
//! - [`network`]: a bare loop in virtual time, over nodes that are either
//!   - [`LocalNode`](peerwork_core::node::LocalNode)s, whose halves share a thread, or
//!   - [`halves::Halves`], which delay every message between the halves by seed and stand on any carrier;
//! - [`tasks`]: the real driver of `peerwork-runtime`, with a task and a mutex for each connection.

pub mod halves;
pub mod host;
pub mod local;
pub mod network;
pub mod tasks;

use bytes::Bytes;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::{ConnectionError, ConnectionId};
use peerwork_core::identity::PeerId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::identify::{IdentifyError, IdentifyInfo};
use peerwork_core::protocols::ping::PingError;
use peerwork_core::protocols::{Protocols, StreamError, StreamKey};
use peerwork_core::swarm::{DialError, ListenError};
use std::sync::Arc;
use std::time::Duration;

/// A node as its user holds it, whatever drives it. Every call is one command, and its answer that command's outcome.
#[expect(async_fn_in_trait, reason = "a test awaits on its own thread, so nothing has to be Send")]
pub trait Host {
    /// The user's own protocols.
    type Protocols: Protocols;
    /// A raw stream.
    type Stream: HostStream;

    /// Who the node is.
    fn peer(&self) -> PeerId;

    /// Listens on a port of the system's choice. The answer is what others dial.
    ///
    /// # Errors
    /// See [`ListenError`].
    async fn listen(&self) -> Result<Multiaddr, ListenError>;

    /// Connects.
    ///
    /// # Errors
    /// See [`DialError`].
    async fn dial(&self, address: Multiaddr) -> Result<(ConnectionId, PeerId), DialError>;

    /// Who is at the other end of the next connection that a remote opened.
    async fn connected(&self) -> PeerId;

    /// Measures the round trip.
    ///
    /// # Errors
    /// See [`PingError`].
    async fn ping(&self, peer: PeerId) -> Result<Duration, PingError>;

    /// Asks a peer what it is.
    ///
    /// # Errors
    /// See [`IdentifyError`].
    async fn identify(&self, peer: PeerId) -> Result<Arc<IdentifyInfo>, IdentifyError>;

    /// Opens a raw stream.
    ///
    /// # Errors
    /// See [`StreamError`].
    async fn open(&self, peer: PeerId, protocol: &ProtocolId) -> Result<Self::Stream, StreamError>;

    /// Accepts raw streams of a protocol from now on, or those that a mounted protocol hands over.
    async fn handle(&self, protocol: &ProtocolId);

    /// The next stream of a protocol that is [handled](Host::handle).
    async fn accept(&self, protocol: &ProtocolId) -> Self::Stream;

    /// Commands one of the user's own protocols.
    async fn command(&self, command: <Self::Protocols as Protocols>::Command);

    /// The next event of one of the user's own protocols.
    async fn event(&self) -> <Self::Protocols as Protocols>::Event;

    /// Closes a connection in order.
    async fn disconnect(&self, connection: ConnectionId);

    /// Why the next of the connections that were open ended.
    async fn disconnected(&self) -> ConnectionError;

    /// Ends everything.
    async fn shutdown(&self);

    /// What the node still holds, in words; nothing if nothing. A driver that hides its node has nothing to say.
    fn leftovers(&self) -> Vec<String>;
}

/// A raw stream as its user holds it. Dropping it is what the user does who has no more interest in it.
#[expect(async_fn_in_trait, reason = "a test awaits on its own thread, so nothing has to be Send")]
pub trait HostStream {
    /// Which stream it is.
    fn key(&self) -> StreamKey;

    /// Writes everything.
    ///
    /// # Errors
    /// The stream is gone.
    async fn write_all(&mut self, data: &[u8]) -> Result<(), Gone>;

    /// Reads what there is, or waits for it. `None`: the remote has ended its direction.
    ///
    /// # Errors
    /// The stream is gone.
    async fn read(&mut self) -> Result<Option<Bytes>, Gone>;

    /// Ends our direction.
    async fn close(&mut self);

    /// Ends both directions at once.
    fn reset(self);

    /// Reads until the remote ends its direction.
    ///
    /// # Errors
    /// The stream is gone.
    async fn read_to_end(&mut self) -> Result<Vec<u8>, Gone> {
        let mut all = Vec::new();
        while let Some(bytes) = self.read().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }
}

/// The stream was reset, or its connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;
