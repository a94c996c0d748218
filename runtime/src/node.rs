//! The handle of a running node.

use crate::driver::{Clock, Command, Driver, Surroundings, mailbox};
use crate::events::Events;
use crate::requests::Request;
use crate::runtime::Runtime;
use crate::stream::Stream;
use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::ConnectionId;
use peerwork_core::identity::PeerId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{BuildError, NodeBuilder};
use peerwork_core::peer_book::PeerStoreError;
use peerwork_core::protocols::identify::{IdentifyError, IdentifyInfo};
use peerwork_core::protocols::ping::PingError;
use peerwork_core::protocols::{Protocols, StreamError, Target};
use peerwork_core::records::{Record, RecordKey, RecordsError};
use peerwork_core::routing::FindError;
use peerwork_core::security::Role;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{ConnectionInfo, DialError, DialOptions, DialTarget, ListenError, ListenerId};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// How many calls of handles, and how many reports of connections, wait for the node's task; more wait with their callers.
const CHANNEL_CAPACITY: usize = 256;

/// A running node. Cheap to clone; when the last handle is dropped the node stops.
pub struct Node<P: Protocols = ()> {
    local_peer: PeerId,
    commands: mailbox::Sender<Command<P>>,
}

impl<P: Protocols> Clone for Node<P> {
    fn clone(&self) -> Self {
        Self { local_peer: self.local_peer, commands: self.commands.clone() }
    }
}

impl<P: Protocols> fmt::Debug for Node<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("local_peer", &self.local_peer).finish_non_exhaustive()
    }
}

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The caller is not inside the runtime.
    #[error("a node starts inside an async runtime: {0}")]
    NoRuntime(String),
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {0}")]
    NoEntropy(getrandom::Error),
    /// What was said does not make a node.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which address.
        address: Multiaddr,
        /// Why.
        error: RequestError<ListenError>,
    },
    /// The peer store cannot be read.
    #[error("the stored peers: {0}")]
    PeerStore(PeerStoreError),
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError<E> {
    /// What was asked for could not be done.
    #[error("{0}")]
    Failed(E),
    /// The node has stopped, or stopped meanwhile.
    #[error("the node has stopped")]
    Stopped,
}

/// The node has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node has stopped")]
pub struct Stopped;

/// Another handler has the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the protocol {0} has a handler already")]
pub struct ProtocolTaken(pub ProtocolId);

/// The answer to [`Node::listen`].
#[derive(Debug, Clone, PartialEq)]
pub struct Listening {
    /// For [`Node::stop_listening`].
    pub listener: ListenerId,
    /// Where, with the real port and this node's peer id: what others dial. The first of `addresses`.
    pub address: Multiaddr,
    /// The same for each of this machine's addresses where the wish was for all, as with `/ip4/0.0.0.0`; those that only this machine can
    /// dial are the last.
    pub addresses: Vec<Multiaddr>,
}

/// The answer to [`Node::dial`].
#[derive(Debug, Clone, PartialEq)]
pub struct Connected {
    /// The connection.
    pub connection: ConnectionId,
    /// Who is at the other end, proven.
    pub peer: PeerId,
    /// Which end we are.
    pub role: Role,
    /// Where the other end is: the address that answered.
    pub remote_address: Multiaddr,
    /// The security protocol, where one was negotiated.
    pub security: Option<ProtocolId>,
    /// The muxer, where one was negotiated.
    pub muxer: Option<ProtocolId>,
}

impl Connected {
    pub(crate) fn new(connection: ConnectionId, info: ConnectionInfo) -> Self {
        let ConnectionInfo { peer, role, remote_address, security, muxer } = info;
        Self { connection, peer, role, remote_address, security, muxer }
    }
}

/// The streams that remotes open for one protocol. Dropping it ends the handling.
///
/// At most 1,024 wait; while they do, further ones are reset.
#[derive(Debug)]
pub struct Incoming {
    streams: mpsc::Receiver<Stream>,
}

impl futures_core::Stream for Incoming {
    type Item = Stream;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Stream>> {
        self.streams.poll_next_unpin(cx)
    }
}

impl<P> Node<P>
where
    P: Protocols + Send + 'static,
    P::Command: Send,
    P::Event: Send + Sync,
{
    pub(crate) fn start<R: Runtime>(
        builder: NodeBuilder<P>,
        seed: Seed,
        surroundings: Surroundings<R>,
    ) -> Result<Self, BuildError> {
        let clock = Clock::start(surroundings.runtime.clone());
        let (runtime, dialable) = (surroundings.runtime.clone(), Arc::new(surroundings.transports.clone()));
        let builder = builder.configure(|config| config.swarm.dialer.dialable = dialable);
        let node = builder.build(seed, clock.now())?;
        let local_peer = node.local_peer();
        let (commands, receiver) = mailbox::mailbox(CHANNEL_CAPACITY);
        let driver = Driver::new(node, surroundings, clock, receiver, CHANNEL_CAPACITY);
        runtime.spawn(Box::pin(driver.run()));
        Ok(Self { local_peer, commands })
    }

    /// Who this node is.
    pub fn local_peer(&self) -> PeerId {
        self.local_peer
    }

    /// Listens on an address such as `/ip4/0.0.0.0/tcp/4001`; port 0 lets the system choose. This node's peer id may be at its end.
    /// Dropping the future ends the listening.
    ///
    /// # Errors
    /// The address is not one to listen on, is in use or not allowed; or the node has stopped.
    pub async fn listen(&self, address: Multiaddr) -> Result<Listening, RequestError<ListenError>> {
        self.call(|reply| Command::Listen { address, reply }).await
    }

    /// Where the node listens, with its peer id: what others dial.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn listen_addresses(&self) -> Result<Vec<Multiaddr>, Stopped> {
        self.query(|reply| Command::ListenAddresses { reply }).await
    }

    /// Stops listening. Connections stay.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn stop_listening(&self, listener: ListenerId) -> Result<(), Stopped> {
        self.send(Command::StopListening { listener }).await
    }

    /// Connects to a peer: to an address such as `/ip4/192.0.2.1/tcp/4001` or `/dns/example.com/tcp/4001`, where a `/p2p/ID` at its end
    /// says who must be there; to a [`PeerId`], wherever the [peer book](peerwork_core::peer_book) or else the peer routing says; or to a
    /// [`PeerInfo`](peerwork_core::identity::PeerInfo), and where its addresses fail as to its id. A peer that is connected already is not
    /// dialled again, and one that is being dialled is waited for. Dropping the future cancels the wish.
    ///
    /// # Errors
    /// See [`DialError`]; or the node has stopped.
    pub async fn dial(&self, target: impl Into<DialTarget>) -> Result<Connected, RequestError<DialError>> {
        self.dial_with(target, DialOptions::default()).await
    }

    /// As [`dial`](Self::dial), with a say in when the peer is dialled and for how long.
    ///
    /// # Errors
    /// As [`dial`](Self::dial).
    pub async fn dial_with(
        &self,
        target: impl Into<DialTarget>,
        options: DialOptions,
    ) -> Result<Connected, RequestError<DialError>> {
        let (_waiting, caller) = oneshot::channel();
        let target = target.into();
        self.call(|reply| Command::Dial { target, options, reply, caller }).await
    }

    /// Opens a raw stream, for the first of `protocols` that the peer speaks.
    ///
    /// # Errors
    /// See [`StreamError`]; or the node has stopped.
    pub async fn open_stream(
        &self,
        target: Target,
        protocols: &[ProtocolId],
    ) -> Result<Stream, RequestError<StreamError>> {
        let protocols = protocols.iter().cloned().collect();
        self.call(|reply| Command::OpenStream { target, protocols, reply }).await
    }

    /// Accepts raw streams of `protocol`; for a protocol of a mounted machine, those that the machine hands over.
    ///
    /// # Errors
    /// There is a handler already; or the node has stopped.
    pub async fn handle_protocol(
        &self,
        protocol: &ProtocolId,
    ) -> Result<Incoming, RequestError<ProtocolTaken>> {
        let (reply, answer) = oneshot::channel();
        let command = Command::HandleProtocol { protocol: protocol.clone(), reply };
        self.send(command).await.map_err(|Stopped| RequestError::Stopped)?;
        match answer.await {
            Ok(Some(streams)) => Ok(Incoming { streams }),
            Ok(None) => Err(RequestError::Failed(ProtocolTaken(protocol.clone()))),
            Err(_) => Err(RequestError::Stopped),
        }
    }

    /// Closes a connection in order: what was written is still delivered.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn disconnect(&self, connection: ConnectionId) -> Result<(), Stopped> {
        self.send(Command::Disconnect { connection }).await
    }

    /// Measures the round trip to a connected peer.
    ///
    /// # Errors
    /// See [`PingError`]; or the node has stopped.
    pub async fn ping(&self, peer: PeerId) -> Result<Duration, RequestError<PingError>> {
        self.call(|reply| Command::Request(Request::Ping { peer, reply })).await
    }

    /// Asks a connected peer what it is.
    ///
    /// # Errors
    /// See [`IdentifyError`]; or the node has stopped.
    pub async fn identify(&self, peer: PeerId) -> Result<Arc<IdentifyInfo>, RequestError<IdentifyError>> {
        self.call(|reply| Command::Request(Request::Identify { peer, reply })).await
    }

    /// Asks every source of peer routing where a peer may be. Answers when all have answered, after
    /// [`QUERY_TIMEOUT`](peerwork_core::routing::QUERY_TIMEOUT) at the latest; nobody may know anything.
    ///
    /// # Errors
    /// See [`FindError`]; or the node has stopped.
    pub async fn find_peer(&self, peer: PeerId) -> Result<Vec<Multiaddr>, RequestError<FindError>> {
        self.call(|reply| Command::Request(Request::FindPeer { peer, reply })).await
    }

    /// Keeps a record in every record store, and gives the number of those that do keep it.
    ///
    /// # Errors
    /// See [`RecordsError`]; or the node has stopped.
    pub async fn put_record(&self, record: Record) -> Result<usize, RequestError<RecordsError>> {
        self.call(|reply| Command::Request(Request::PutRecord { record, reply })).await
    }

    /// The best record of a key that any record store has, if any has one.
    ///
    /// # Errors
    /// See [`RecordsError`]; or the node has stopped.
    pub async fn get_record(&self, key: RecordKey) -> Result<Option<Record>, RequestError<RecordsError>> {
        self.call(|reply| Command::Request(Request::GetRecord { key, reply })).await
    }

    /// Commands one of the user's own protocols. Its answers are [`Event`](crate::Event)s.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn command(&self, command: P::Command) -> Result<(), Stopped> {
        self.send(Command::Protocol(command)).await
    }

    /// What happens to the node from now on.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn events(&self) -> Result<Events<P::Event>, Stopped> {
        self.query(|reply| Command::Subscribe { reply }).await
    }

    /// Stops the node: closes listeners and connections in order, saves what has changed in the peer book, and returns when every task
    /// has ended and the peer store is closed.
    pub async fn shutdown(&self) {
        let (reply, ended) = oneshot::channel();
        // The node's task drops the reply when everything has ended; a node that has stopped already drops it at once.
        let _ = self.send(Command::Shutdown { reply }).await;
        let _ = ended.await;
    }

    pub(crate) async fn send(&self, command: Command<P>) -> Result<(), Stopped> {
        self.commands.send(command).await.map_err(|_| Stopped)
    }

    pub(crate) async fn query<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command<P>,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await?;
        answer.await.map_err(|_| Stopped)
    }

    pub(crate) async fn call<T, E>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, RequestError<E>>>) -> Command<P>,
    ) -> Result<T, RequestError<E>> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await.map_err(|Stopped| RequestError::Stopped)?;
        answer.await.unwrap_or(Err(RequestError::Stopped))
    }
}
