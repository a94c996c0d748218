//! What goes into a swarm and what comes out.

use super::dialer::{
    DialError, DialId, DialOptions, DialProgress, DialTarget, LookupId, RecordKind, Records,
};
use super::{AccessChange, StandingChange, StandingError};
use crate::address::{InvalidAddress, Multiaddr};
use crate::connection::{ConnectionError, ConnectionId, ToConnection, ToNode};
use crate::identity::PeerId;
use crate::negotiation::ProtocolId;
use crate::protocols::{RequestId, StreamError, StreamKey, Target};
use crate::security::Role;
use smallvec::SmallVec;
use std::fmt;
use std::time::Duration;

/// A place where the node listens. Chosen by the caller from a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u64);

/// Fresh entropy for the node's seed. Its `Debug` form hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entropy(pub [u8; 32]);

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy(..)")
    }
}

/// What a swarm is told: what the user wants, and what the driver has done and seen.
#[derive(Debug, Clone, PartialEq)]
pub enum SwarmInput<C> {
    /// The user wants to listen. Answered by [`SwarmEvent::Listening`] or [`SwarmEvent::ListenFailed`].
    Listen {
        /// Comes back in the answer. An id that was used before is refused.
        listener: ListenerId,
        /// Where.
        address: Multiaddr,
    },
    /// The user wants to stop listening. Answered by [`SwarmEvent::ListenerClosed`], unless there is no such listener.
    StopListening {
        /// Where.
        listener: ListenerId,
    },
    /// The user wants a connection. Answered by [`SwarmEvent::Dialed`] or [`SwarmEvent::DialFailed`], exactly once. How addresses are
    /// found, chosen and tried is written in [`dialer`](super::dialer).
    Dial {
        /// Comes back in the answer. An id that was used before is refused.
        dial: DialId,
        /// Whom and where.
        target: DialTarget,
        /// When, and for how long.
        options: DialOptions,
    },
    /// The user no longer wants the connection that he asked for. If the wish has no answer yet, [`SwarmEvent::DialFailed`] follows with
    /// [`DialError::Cancelled`](super::DialError::Cancelled); what others wish goes on.
    CancelDial {
        /// Which wish.
        dial: DialId,
    },
    /// The user wants a raw stream. Answered by [`SwarmEvent::StreamOpened`] or [`SwarmEvent::StreamFailed`], exactly once.
    OpenStream {
        /// Comes back in the answer. An id that is waiting for its answer is refused.
        request: RequestId,
        /// Where.
        target: Target,
        /// What to propose, best first.
        protocols: SmallVec<[ProtocolId; 1]>,
    },
    /// The user accepts raw streams of this protocol from now on. A protocol of a mounted machine is refused with
    /// [`SwarmEvent::ProtocolTaken`].
    HandleProtocol {
        /// The protocol.
        protocol: ProtocolId,
    },
    /// The user no longer accepts raw streams of this protocol.
    StopHandlingProtocol {
        /// The protocol.
        protocol: ProtocolId,
    },
    /// The user wants a connection closed. Answered by [`SwarmEvent::Disconnected`] where there is one.
    Disconnect {
        /// Which connection.
        connection: ConnectionId,
    },
    /// Whether the user wishes an open connection to stay open although no stream needs it. See
    /// [what keeps a connection open](super#what-keeps-a-connection-open).
    KeepAlive {
        /// Which connection.
        connection: ConnectionId,
        /// Whether it is to stay. The wish ends with the connection.
        wanted: bool,
    },
    /// The user changes who may be connected. Connections that the [rules](super::AccessRules) no longer allow are closed, with
    /// [`ConnectionError::Denied`].
    Access(AccessChange),
    /// The user changes what a peer is worth. Refused with [`SwarmEvent::StandingRefused`] over a limit.
    Standing(StandingChange),
    /// The user commands a mounted protocol.
    Command(C),
    /// Close everything. [`SwarmEvent::ShutDown`] is the last output, but for refusals of what is commanded after it.
    Shutdown,
    /// Entropy for the seed.
    Entropy(Entropy),
    /// The wall clock, for what peers show that is valid for a time: certificates. Never sent, their validity is not compared with it.
    /// To be sent again before connections are made after a clock step or a suspend; a driver may as well send it before each.
    WallClock {
        /// Since 1970.
        since_1970: Duration,
    },
    /// The driver listens now; comes once for each address where the wish names several.
    Listening {
        /// The listener.
        listener: ListenerId,
        /// The address, with its real port.
        address: Multiaddr,
    },
    /// The driver cannot listen, or not any more.
    ListenFailed {
        /// The listener.
        listener: ListenerId,
        /// Why.
        error: TransportError,
    },
    /// A remote connected. Answered by [`SwarmOutput::Connection`] or [`SwarmOutput::Refuse`].
    Incoming {
        /// Drawn with [`Swarm::next_connection_id`](super::Swarm::next_connection_id).
        connection: ConnectionId,
        /// Where.
        listener: ListenerId,
        /// Where it came from.
        remote_address: Multiaddr,
    },
    /// The driver's answer to [`SwarmOutput::Dial`]: the byte stream is there.
    Dialed {
        /// Which dial.
        connection: ConnectionId,
        /// Where the other end is.
        remote_address: Multiaddr,
    },
    /// The driver's other answer to [`SwarmOutput::Dial`].
    DialFailed {
        /// Which dial.
        connection: ConnectionId,
        /// Why.
        error: TransportError,
    },
    /// The driver's answer to [`SwarmOutput::Lookup`].
    LookedUp {
        /// Which question.
        lookup: LookupId,
        /// The records, or why there are none.
        result: Result<Records, TransportError>,
    },
    /// What a connection has to say, carried by the driver in order.
    FromConnection {
        /// Which connection.
        connection: ConnectionId,
        /// What it says.
        message: ToNode,
    },
}

/// What a swarm wants done, and what it tells the user.
#[derive(Debug, Clone, PartialEq)]
pub enum SwarmOutput<E> {
    /// For the user.
    Event(SwarmEvent),
    /// For the user, from a mounted protocol.
    Protocol(E),
    /// For the driver: listen here.
    Listen {
        /// The listener.
        listener: ListenerId,
        /// Where; port 0 lets the system choose.
        address: Multiaddr,
    },
    /// For the driver: stop listening.
    StopListening {
        /// The listener.
        listener: ListenerId,
    },
    /// For the driver: connect a byte stream.
    Dial {
        /// Comes back in the answer.
        connection: ConnectionId,
        /// Where, without a peer id and without names.
        address: Multiaddr,
    },
    /// For the driver: nobody waits for this dial any more. Needs no answer. What it has opened is closed before the next dial starts, or
    /// there would be more on the way than the dialer allows.
    CancelDial {
        /// Which dial.
        connection: ConnectionId,
    },
    /// For the driver: ask the name service. Answered by [`SwarmInput::LookedUp`].
    Lookup {
        /// Comes back in the answer.
        lookup: LookupId,
        /// The name, checked: letters, digits, `-`, `_` and dots, at most 253 bytes, perhaps with a dot at its end.
        name: String,
        /// Which of its records.
        kind: RecordKind,
    },
    /// For the driver: nobody waits for these records any more. Needs no answer.
    CancelLookup {
        /// Which question.
        lookup: LookupId,
    },
    /// For the driver: take the connection with [`Swarm::take_connection`](super::Swarm::take_connection) and drive it on the byte
    /// stream that was dialled or accepted.
    Connection {
        /// Which connection.
        connection: ConnectionId,
    },
    /// For the driver: drop the byte stream that was accepted.
    Refuse {
        /// Which connection.
        connection: ConnectionId,
    },
    /// For a connection, carried by the driver in order. One that is gone needs none.
    ToConnection {
        /// Which connection.
        connection: ConnectionId,
        /// What to tell it.
        message: ToConnection,
    },
}

/// What the user learns.
#[derive(Debug, Clone, PartialEq)]
pub enum SwarmEvent {
    /// The node listens.
    Listening {
        /// The listener.
        listener: ListenerId,
        /// The address, with its real port and without a peer id.
        address: Multiaddr,
    },
    /// The node cannot listen, or not any more.
    ListenFailed {
        /// The listener.
        listener: ListenerId,
        /// Why.
        error: ListenError,
    },
    /// The user stopped listening.
    ListenerClosed {
        /// The listener.
        listener: ListenerId,
    },
    /// A connection is open.
    Connected {
        /// The connection.
        connection: ConnectionId,
        /// Who is at the other end, proven.
        peer: PeerId,
        /// Which end we are.
        role: Role,
        /// Where the other end is.
        remote_address: Multiaddr,
        /// The security protocol, where one was negotiated.
        security: Option<ProtocolId>,
        /// The muxer, where one was negotiated.
        muxer: Option<ProtocolId>,
    },
    /// A wish to connect is granted. A new connection was reported before.
    Dialed {
        /// Which wish.
        dial: DialId,
        /// The connection. [`Swarm::connection_info`](super::Swarm::connection_info) tells what is known of it.
        connection: ConnectionId,
    },
    /// How an address of a dial fares, where the [configuration](super::SwarmConfig::reports_attempts) wants it told.
    Dialing(DialProgress),
    /// A wish to connect is not granted.
    DialFailed {
        /// Which wish.
        dial: DialId,
        /// Why.
        error: DialError,
    },
    /// A remote connected and was refused, or did not get as far as being known.
    IncomingFailed {
        /// The connection.
        connection: ConnectionId,
        /// Where it came from.
        remote_address: Multiaddr,
        /// Why.
        error: ConnectionError,
    },
    /// A connection that was open is gone.
    Disconnected {
        /// The connection.
        connection: ConnectionId,
        /// Who was at the other end.
        peer: PeerId,
        /// Why.
        reason: ConnectionError,
    },
    /// A raw stream is open: read and write it on its connection.
    StreamOpened {
        /// The stream.
        stream: StreamKey,
        /// Who is at the other end.
        peer: PeerId,
        /// What was agreed on.
        protocol: ProtocolId,
        /// The wish that it grants; `None` if the remote opened it, or a mounted protocol handed it over.
        request: Option<RequestId>,
    },
    /// A raw stream could not be opened.
    StreamFailed {
        /// The wish.
        request: RequestId,
        /// Why.
        error: StreamError,
    },
    /// A tag or a protection was refused.
    StandingRefused {
        /// What was wanted.
        change: StandingChange,
        /// Why.
        error: StandingError,
    },
    /// A mounted machine has this protocol; it cannot be handled by the application as well.
    ProtocolTaken {
        /// The protocol.
        protocol: ProtocolId,
    },
    /// Everything is closed. Whatever is commanded from now on is refused.
    ShutDown,
}

/// What a transport could not do, as far as the driver can tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No transport takes the address. Blame: the caller.
    #[error("no transport takes this address; expected {expected}")]
    Unsupported {
        /// What the transports take.
        expected: String,
    },
    /// The transport does not go there. Blame: the caller.
    #[error("{0}")]
    Address(#[from] InvalidAddress),
    /// The name in the address was not resolved. Blame: the caller, or the network.
    #[error("the name {name} is not resolved: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
    /// Nobody listens there. Blame: the peer.
    #[error("connection refused: nobody listens there")]
    Refused,
    /// The network has no way there. Blame: the network.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// Somebody else listens there. Blame: the caller.
    #[error("the address is in use; choose another port, or 0 for any")]
    InUse,
    /// The address is not this machine's. Blame: the caller.
    #[error("the address is not one of this machine's")]
    NotLocal,
    /// The system forbids it. Blame: the caller.
    #[error("the system does not allow it; ports below 1024 need privileges")]
    Forbidden,
    /// Something else, in the system's words.
    #[error("{0}")]
    Other(String),
}

/// Why the node does not listen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// The transport could not.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// The id was used before. Blame: the caller.
    #[error("the listener id was used before")]
    IdReused,
    /// The node shuts down. Blame: closed.
    #[error("the node is shutting down")]
    ShuttingDown,
}

/// What is known of an open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// Who is at the other end, proven.
    pub peer: PeerId,
    /// Which end we are.
    pub role: Role,
    /// Where the other end is.
    pub remote_address: Multiaddr,
    /// The security protocol, where one was negotiated.
    pub security: Option<ProtocolId>,
    /// The muxer, where one was negotiated.
    pub muxer: Option<ProtocolId>,
}

impl<C> SwarmInput<C> {
    /// The same input with another type of command.
    pub fn map_command<D>(self, map: impl FnOnce(C) -> D) -> SwarmInput<D> {
        match self {
            Self::Command(command) => SwarmInput::Command(map(command)),
            Self::Listen { listener, address } => SwarmInput::Listen { listener, address },
            Self::StopListening { listener } => SwarmInput::StopListening { listener },
            Self::Dial { dial, target, options } => SwarmInput::Dial { dial, target, options },
            Self::OpenStream { request, target, protocols } => {
                SwarmInput::OpenStream { request, target, protocols }
            }
            Self::HandleProtocol { protocol } => SwarmInput::HandleProtocol { protocol },
            Self::StopHandlingProtocol { protocol } => SwarmInput::StopHandlingProtocol { protocol },
            Self::CancelDial { dial } => SwarmInput::CancelDial { dial },
            Self::Disconnect { connection } => SwarmInput::Disconnect { connection },
            Self::KeepAlive { connection, wanted } => SwarmInput::KeepAlive { connection, wanted },
            Self::Access(change) => SwarmInput::Access(change),
            Self::Standing(change) => SwarmInput::Standing(change),
            Self::Shutdown => SwarmInput::Shutdown,
            Self::Entropy(entropy) => SwarmInput::Entropy(entropy),
            Self::WallClock { since_1970 } => SwarmInput::WallClock { since_1970 },
            Self::Listening { listener, address } => SwarmInput::Listening { listener, address },
            Self::ListenFailed { listener, error } => SwarmInput::ListenFailed { listener, error },
            Self::Incoming { connection, listener, remote_address } => {
                SwarmInput::Incoming { connection, listener, remote_address }
            }
            Self::Dialed { connection, remote_address } => SwarmInput::Dialed { connection, remote_address },
            Self::DialFailed { connection, error } => SwarmInput::DialFailed { connection, error },
            Self::LookedUp { lookup, result } => SwarmInput::LookedUp { lookup, result },
            Self::FromConnection { connection, message } => {
                SwarmInput::FromConnection { connection, message }
            }
        }
    }
}

impl<E> SwarmOutput<E> {
    /// The same output with another type of protocol event.
    pub fn map_protocol<F>(self, map: impl FnOnce(E) -> F) -> SwarmOutput<F> {
        match self {
            Self::Protocol(event) => SwarmOutput::Protocol(map(event)),
            Self::Event(event) => SwarmOutput::Event(event),
            Self::Listen { listener, address } => SwarmOutput::Listen { listener, address },
            Self::StopListening { listener } => SwarmOutput::StopListening { listener },
            Self::Dial { connection, address } => SwarmOutput::Dial { connection, address },
            Self::CancelDial { connection } => SwarmOutput::CancelDial { connection },
            Self::Lookup { lookup, name, kind } => SwarmOutput::Lookup { lookup, name, kind },
            Self::CancelLookup { lookup } => SwarmOutput::CancelLookup { lookup },
            Self::Connection { connection } => SwarmOutput::Connection { connection },
            Self::Refuse { connection } => SwarmOutput::Refuse { connection },
            Self::ToConnection { connection, message } => SwarmOutput::ToConnection { connection, message },
        }
    }
}
