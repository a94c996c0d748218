//! Protocols: each is one [`Machine`] that is mounted on the swarm.
//!
//! A protocol never sees a socket, a muxer or a handshake. The swarm tells it, as [`FromSwarm`], which peers are connected, which
//! streams were opened, which whole messages arrived, and what the user commands; it answers, as [`ToSwarm`], with streams to
//! open, messages to send and events for the user. ping and identify are built so, and a user's own are mounted in the same
//! way.
//!
//! [`Protocol`] is one machine. [`Protocols`] is what the swarm takes: a protocol, nothing (`()`), or a tuple of protocols,
//! whose commands and events are told apart by type ([`OneOf2`] and so on).

pub mod identify;
mod mounted;
pub mod perf;
pub mod ping;
mod table;
#[cfg(test)]
mod testing;

pub use mounted::{Fact, OneOf2, OneOf3, OneOf4, Protocols};

use crate::connection::{ConnectionId, Framing};
use crate::identity::{PeerId, PublicKey};
use crate::machine::{Blame, Machine};
use crate::muxer::{ResetCause, StreamId};
use crate::negotiation::{ProtocolId, join};
use crate::security::Role;
use crate::swarm::{DialError, DialOptions, DialTarget};
use crate::time::Instant;
use bytes::Bytes;
use identify::IdentifyInfo;
use multiaddr::Multiaddr;
use smallvec::SmallVec;
use std::fmt::Debug;
use std::sync::Arc;

/// A protocol as the swarm mounts it. `peerwork-tests` has a compliance suite for it.
pub trait Protocol:
    Machine<Input = FromSwarm<<Self as Protocol>::Command>, Output = ToSwarm<<Self as Protocol>::Event>>
{
    /// What the user can ask of it.
    type Command: Debug + Clone + PartialEq;
    /// What it tells the user.
    type Event: Debug + Clone + PartialEq;

    /// The protocols that remotes may open towards us. Asked once, when the protocol is mounted.
    fn inbound(&self) -> Vec<InboundProtocol>;

    /// Whether it can find out where peers are: whether the swarm may ask it with [`FromSwarm::FindPeer`]. Asked once, when the protocol
    /// is mounted.
    fn finds_peers(&self) -> bool {
        false
    }

    /// The node is about to be over. No peer is connected any more and no timeout will come, so whoever waits for something else, such as
    /// a disk or a name server, ends what is under way and refuses what is commanded from now on.
    fn shut_down(&mut self, _now: Instant) {}
}

/// A protocol that remotes may open, and how its streams are treated.
#[derive(Debug, Clone, PartialEq)]
pub struct InboundProtocol {
    /// Its name.
    pub id: ProtocolId,
    /// How its streams are treated.
    pub options: StreamOptions,
}

/// How a stream is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamOptions {
    /// How bytes become messages. [`Framing::Raw`] hands the stream to the application.
    pub framing: Framing,
    /// How many messages may be delivered before [`ToSwarm::Grant`] allows more. Without credit no more than one read of the stream
    /// (64 KiB) is held for it.
    pub credit: u32,
    /// Whether a stream of this kind keeps an otherwise idle connection open.
    pub keep_alive: bool,
    /// For a stream that we open: do not wait for the answer to the last proposal, so for no answer if there is only one. The
    /// stream counts as open at once, and what is written leaves right behind the proposal, a round trip earlier. The answer still has
    /// to come within the [negotiation timeout](crate::connection::ConnectionConfig::negotiation_timeout). If the remote does not
    /// speak the protocol, the stream ends with [`StreamCloseCause::NotAgreed`] instead of not being opened, or with
    /// [`StreamCloseCause::Reset`] if the remote's reset overtakes its answer.
    pub lazy: bool,
}

impl StreamOptions {
    /// A raw stream for the application, which keeps the connection alive.
    pub const fn raw() -> Self {
        Self { framing: Framing::Raw, credit: 0, keep_alive: true, lazy: false }
    }

    /// A stream of messages, which keeps the connection alive; none is delivered before [`ToSwarm::Grant`] allows it.
    pub const fn messages(framing: Framing) -> Self {
        Self { framing, ..Self::raw() }
    }

    /// The same, but so many messages are delivered before [`ToSwarm::Grant`] allows more.
    pub const fn with_credit(self, credit: u32) -> Self {
        Self { credit, ..self }
    }
}

/// One stream of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey {
    /// The connection.
    pub connection: ConnectionId,
    /// The stream on it.
    pub stream: StreamId,
}

/// A request to open a stream, or to dial. Chosen by whoever asks, from a counter of his own; streams and dials do not mind each other's
/// ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Where to open a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// On this connection.
    Connection(ConnectionId),
    /// On the best connection to this peer.
    Peer(PeerId),
}

/// What the swarm tells a protocol.
#[derive(Debug, Clone, PartialEq)]
pub enum FromSwarm<C> {
    /// The user wants something.
    Command(C),
    /// What this node is changed. Sent once before everything else.
    Local(Arc<LocalInfo>),
    /// A connection is open: secured and muxed.
    Connected {
        /// The connection.
        connection: ConnectionId,
        /// Who is at the other end.
        peer: PeerId,
        /// Which end we are.
        role: Role,
        /// Where the other end is: the address that was dialled, or that the connection came from.
        remote_address: Multiaddr,
        /// Where this end is, if remotes can reach us there: the first address of the listener that the connection came to.
        /// Where a listener has several (one for each interface), all have the IP version, transport and port in common, so
        /// the first stands for all of them. `None` if we dialled, since this end then has a passing port, or if the
        /// listener is gone.
        local_address: Option<Multiaddr>,
    },
    /// A connection that was open is gone. Every stream on it has been reported closed before, and every request
    /// for one failed.
    Disconnected {
        /// The connection.
        connection: ConnectionId,
        /// Who was at the other end.
        peer: PeerId,
    },
    /// A stream is open. The outcome of [`ToSwarm::OpenStream`], or opened by the remote.
    StreamOpened {
        /// The stream.
        stream: StreamKey,
        /// Who is at the other end.
        peer: PeerId,
        /// What was agreed on.
        protocol: ProtocolId,
        /// The request, or `None` if the remote opened the stream.
        request: Option<RequestId>,
    },
    /// A stream could not be opened. The other outcome of [`ToSwarm::OpenStream`].
    OpenFailed {
        /// The request.
        request: RequestId,
        /// Why.
        error: StreamError,
    },
    /// A whole message arrived. Uses up one credit.
    Message {
        /// The stream.
        stream: StreamKey,
        /// The message without its length prefix.
        message: Bytes,
        /// When its last byte was given to the connection.
        received_at: Instant,
    },
    /// The remote ended its direction; all its messages have been delivered.
    RemoteClosed {
        /// The stream.
        stream: StreamKey,
    },
    /// [`ToSwarm::Send`] was refused: too much waits to be written. [`FromSwarm::Writable`] ends it.
    ///
    /// A refusal stops the stream until the protocol has been told `Writable`: what it sent after the refused message
    /// comes back too, in order, and a [`ToSwarm::Close`] after it counts for nothing. So sending it all again, in the
    /// order in which it came back, keeps the order. The first message on a stream, and the first after `Writable`, is always taken.
    Blocked {
        /// The stream.
        stream: StreamKey,
        /// The message, given back.
        message: Bytes,
    },
    /// Sending may go on after `Blocked`.
    Writable {
        /// The stream.
        stream: StreamKey,
    },
    /// The stream is gone; the last word on it. Comes once for each `StreamOpened`, except after [`ToSwarm::IntoRaw`].
    StreamClosed {
        /// The stream.
        stream: StreamKey,
        /// Why.
        cause: StreamCloseCause,
    },
    /// Where is `peer`? A dial needs it. Comes only to protocols that [find peers](Protocol::finds_peers), and not again before the
    /// answer or [`FromSwarm::StopFinding`]. The answer: any number of [`ToSwarm::Addresses`], then one [`ToSwarm::FindFinished`].
    FindPeer {
        /// Whom.
        peer: PeerId,
    },
    /// Nobody waits for the answer to [`FromSwarm::FindPeer`] any more. No [`ToSwarm::FindFinished`] may follow, not even one that waits to
    /// be taken: it would be the answer to the next question about the peer.
    StopFinding {
        /// Whom.
        peer: PeerId,
    },
    /// A peer told what it is: a mounted protocol said so with [`ToSwarm::Identified`].
    Identified {
        /// On which connection, which is open.
        connection: ConnectionId,
        /// Who.
        peer: PeerId,
        /// What. After the first time on a connection nothing missing has changed: see [`IdentifyInfo::update`].
        info: Arc<IdentifyInfo>,
    },
    /// The connection is there. The outcome of [`ToSwarm::Dial`].
    Dialed {
        /// The request.
        request: RequestId,
        /// The connection, which is open. A new one was reported before.
        connection: ConnectionId,
        /// Who is at the other end, proven.
        peer: PeerId,
    },
    /// There is no connection. The other outcome of [`ToSwarm::Dial`].
    DialFailed {
        /// The request.
        request: RequestId,
        /// Why.
        error: DialError,
    },
}

/// What a protocol wants from the swarm.
#[derive(Debug, Clone, PartialEq)]
pub enum ToSwarm<E> {
    /// Something for the user.
    Event(E),
    /// Open a stream. Answered by [`FromSwarm::StreamOpened`] or [`FromSwarm::OpenFailed`], exactly once.
    OpenStream {
        /// Comes back in the answer.
        request: RequestId,
        /// Where.
        target: Target,
        /// What to propose, best first.
        protocols: SmallVec<[ProtocolId; 1]>,
        /// How to treat the stream.
        options: StreamOptions,
    },
    /// Send one message, which the framing makes a frame. Answered only if refused ([`FromSwarm::Blocked`]).
    Send {
        /// The stream.
        stream: StreamKey,
        /// The message without a length prefix.
        message: Bytes,
    },
    /// Allow the delivery of `messages` more messages.
    Grant {
        /// The stream.
        stream: StreamKey,
        /// How many more.
        messages: u32,
    },
    /// End our direction, after everything sent.
    Close {
        /// The stream.
        stream: StreamKey,
    },
    /// End both directions at once.
    Reset {
        /// The stream.
        stream: StreamKey,
    },
    /// Hand the stream to the application as raw bytes, from the next undelivered message on. The protocol hears nothing of it any
    /// more, not even of messages that are on their way to it: hand over only when all credit is used up, or they are lost.
    IntoRaw {
        /// The stream.
        stream: StreamKey,
    },
    /// Whether a connection is to stay open although no stream needs it. See
    /// [what keeps a connection open](crate::swarm#what-keeps-a-connection-open).
    KeepAlive {
        /// The connection.
        connection: ConnectionId,
        /// Whether it is to stay. The wish ends with the connection.
        wanted: bool,
    },
    /// Close a connection. What was sent before is still sent, as far as the remote takes it within the
    /// [close timeout](crate::connection::ConnectionConfig::close_timeout).
    Disconnect {
        /// The connection.
        connection: ConnectionId,
    },
    /// Addresses at which a peer may be. A dial that is under way tries them, and the peer book notes them.
    Addresses {
        /// Whose.
        peer: PeerId,
        /// The addresses, with or without the peer id at their ends.
        addresses: Vec<Multiaddr>,
    },
    /// There is nothing more to say to [`FromSwarm::FindPeer`].
    FindFinished {
        /// Whom.
        peer: PeerId,
    },
    /// A peer told what it is. The peer book notes it, a dial to the peer that is under way tries its addresses, and all mounted
    /// protocols hear it ([`FromSwarm::Identified`]). Counts for nothing if the connection is not open, or not to this peer.
    Identified {
        /// On which connection.
        connection: ConnectionId,
        /// Who.
        peer: PeerId,
        /// What.
        info: Arc<IdentifyInfo>,
    },
    /// Connect. Answered by [`FromSwarm::Dialed`] or [`FromSwarm::DialFailed`], exactly once, and at once where nothing is to be done.
    ///
    /// It is a dial like the user's, and shares all limits with them: at most
    /// [`max_dials`](crate::swarm::DialerConfig::max_dials) wait for a connection, so a protocol that dials whomever it hears of bounds
    /// its dials itself, or the user's fail.
    Dial {
        /// Comes back in the answer. An id that is waiting for its answer is refused, with [`DialError::IdReused`].
        request: RequestId,
        /// Whom and where.
        target: DialTarget,
        /// When, and for how long.
        options: DialOptions,
    },
    /// The connection that was asked for with [`ToSwarm::Dial`] is no longer wanted. If the request has no answer yet,
    /// [`FromSwarm::DialFailed`] follows with [`DialError::Cancelled`]; what others wish goes on.
    CancelDial {
        /// Which request.
        request: RequestId,
    },
}

impl<E> ToSwarm<E> {
    /// Makes [`ToSwarm::OpenStream`] with one protocol to propose.
    pub fn open(request: RequestId, target: Target, protocol: ProtocolId, options: StreamOptions) -> Self {
        Self::OpenStream { request, target, protocols: SmallVec::from_iter([protocol]), options }
    }
}

/// What this node is: what identify tells others.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalInfo {
    /// Our identity.
    pub peer: PeerId,
    /// Its key.
    pub public_key: PublicKey,
    /// Where we listen.
    pub listen_addresses: Vec<Multiaddr>,
    /// What remotes may open.
    pub protocols: Vec<ProtocolId>,
}

/// Why a stream could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// There is no open connection to that peer, or with that id. Blame: the caller.
    #[error("not connected to the peer")]
    NotConnected,
    /// The remote speaks none of the proposed protocols. Blame: the peer.
    #[error("the peer does not speak {}", join(.0))]
    Unsupported(SmallVec<[ProtocolId; 1]>),
    /// The remote did not answer in time. Blame: timeout.
    #[error("the peer did not agree on a protocol in time")]
    Timeout,
    /// Our limit of streams that we may open (on the connection, to the peer, in all), or of requests that wait for the
    /// muxer, is reached. Blame: a limit.
    #[error("as many streams are open, or wait to be, as are allowed")]
    Limit,
    /// The remote's negotiation made no sense. Blame: the peer.
    #[error("the peer's negotiation failed: {0}")]
    Negotiation(String),
    /// The remote reset the stream, or closed it, before a protocol was agreed on. Blame: closed.
    #[error("the peer closed the stream before a protocol was agreed on")]
    Refused,
    /// The connection died first. Blame: closed.
    #[error("the connection was closed")]
    ConnectionClosed,
    /// The request's id is waiting for its answer already, or nothing was proposed. Blame: the caller.
    #[error("the request is not valid: {0}")]
    Invalid(&'static str),
}

impl StreamError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NotConnected | Self::Invalid(_) => Blame::Caller,
            Self::Unsupported(_) | Self::Negotiation(_) => Blame::Peer,
            Self::Timeout => Blame::Timeout,
            Self::Limit => Blame::Limit,
            Self::Refused | Self::ConnectionClosed => Blame::Closed,
        }
    }
}

/// Why an open stream ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamCloseCause {
    /// In order: both directions ended.
    #[error("the stream ended")]
    Ended,
    /// We reset it.
    #[error("this node reset the stream")]
    ResetHere,
    /// It was reset under us.
    #[error("{0}")]
    Reset(ResetCause),
    /// The remote sent a message that the framing forbids; we reset the stream.
    #[error("the peer sent a bad message: {0}")]
    BadMessage(crate::wire::FrameError),
    /// The remote ended its direction in the middle of a message; we reset the stream.
    #[error("the peer ended the stream in the middle of a message")]
    Truncated,
    /// The stream did not wait for the remote to accept its protocol ([`StreamOptions::lazy`]), and the remote did not. Blame: see
    /// the cause.
    #[error("{0}")]
    NotAgreed(Box<StreamError>),
    /// The connection died.
    #[error("the connection was closed")]
    ConnectionClosed,
}

impl StreamCloseCause {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Ended | Self::ResetHere | Self::ConnectionClosed | Self::Reset(ResetCause::Remote) => {
                Blame::Closed
            }
            Self::Reset(ResetCause::BufferFull) => Blame::Limit,
            Self::Reset(ResetCause::Violation) | Self::BadMessage(_) | Self::Truncated => Blame::Peer,
            Self::NotAgreed(error) => error.blame(),
        }
    }
}
