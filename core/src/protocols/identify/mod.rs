//! Identify, `/ipfs/id/1.0.0`: what is at the other end of a connection?
//!
//! The acceptor of a stream tells its key, addresses, protocols and software, and at which address it sees
//! the opener; then it ends the stream. The opener only listens.
//!
//! [`Identify`] asks once on every new connection, and again on [`IdentifyCommand::Identify`]. It answers
//! whoever asks. What a peer tells is a claim: only its key is checked, against the id that the connection
//! has proven. A peer that fails to identify itself, or is of another version, is reported and stays
//! connected.
//!
//! An answer may come in several messages, which are taken as one; [`codec::merge`] says how. Ours is a
//! single one of at most [`MAX_SENT_BYTES`].

mod answers;
pub mod codec;
mod exchange;
#[cfg(test)]
mod tests;

pub use codec::{IdentifyInfo, InvalidMessage};

use super::table::{Connections, Requests};
use super::{FromSwarm, InboundProtocol, LocalInfo, Protocol, StreamCloseCause, StreamError, ToSwarm};
use crate::address::Multiaddr;
use crate::connection::{ConnectionId, Framing};
use crate::identity::PeerId;
use crate::machine::{Blame, Machine};
use crate::negotiation::ProtocolId;
use crate::time::{Deadline, Instant, Timers};
use answers::Answers;
use exchange::Exchange;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The protocol's name.
pub const PROTOCOL: ProtocolId = ProtocolId::from_static("/ipfs/id/1.0.0");

/// The longest message that is read; a longer one costs the peer the stream. Other implementations have the
/// same limit.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// The most messages that are read; one more costs the peer the stream. Other implementations have the same
/// limit. With [`MAX_MESSAGE_BYTES`] it bounds what a peer can make us keep.
pub const MAX_MESSAGES: usize = 10;

/// The longest message that is sent, because some peers read no more. Addresses, and then protocols, that do
/// not fit are left out.
pub const MAX_SENT_BYTES: usize = 4 * 1024;

/// The most who may wait for one exchange. A further command fails with [`IdentifyError::TooMany`].
pub const MAX_WAITING: usize = 16;

/// The shortest timeout; a shorter one in the configuration counts as this.
pub const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// How [`Identify`] behaves, and what it tells of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentifyConfig {
    /// The network or family of protocols that this node belongs to. Cleaned as [`codec::clean_version`]
    /// does.
    pub protocol_version: String,
    /// This node's software. Cleaned as [`codec::clean_version`] does.
    pub agent_version: String,
    /// How long after it was asked a peer must have told everything. Opening a stream is part of it.
    pub timeout: Duration,
    /// How many streams of one connection may be open on which the remote asks us. A further one replaces the
    /// oldest, which is reset. Zero: every one is reset.
    pub max_inbound_streams: usize,
}

impl Default for IdentifyConfig {
    /// `ipfs/0.1.0`, as the public network has it, and `peerwork/` with its version; 5 seconds, two inbound
    /// streams.
    fn default() -> Self {
        Self {
            protocol_version: "ipfs/0.1.0".to_owned(),
            agent_version: concat!("peerwork/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeout: Duration::from_secs(5),
            max_inbound_streams: 2,
        }
    }
}

/// One commanded exchange. Chosen by the user, from a counter of the user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentifyId(pub u64);

/// What the user can ask of [`Identify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentifyCommand {
    /// Ask `peer` again, on the oldest connection to it. An exchange that is under way there counts. Answered
    /// by one [`IdentifyEvent`] with this id.
    Identify {
        /// Comes back in the answer.
        id: IdentifyId,
        /// Whom.
        peer: PeerId,
    },
}

/// What [`Identify`] tells the user.
#[derive(Debug, Clone, PartialEq)]
pub enum IdentifyEvent {
    /// A peer told what it is.
    Received {
        /// Who.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// The command, or `None` if the connection is new.
        id: Option<IdentifyId>,
        /// What.
        info: Arc<IdentifyInfo>,
    },
    /// A peer asked what we are, and the stream with our answer ended in order.
    Sent {
        /// Who.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
    },
    /// A peer did not tell, or not as it should.
    Failed {
        /// Who.
        peer: PeerId,
        /// On which connection; `None` if there was none.
        connection: Option<ConnectionId>,
        /// The command, or `None` if the connection is new.
        id: Option<IdentifyId>,
        /// Why.
        error: IdentifyError,
    },
}

/// Why a peer could not be identified.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentifyError {
    /// There is no open connection to the peer. Blame: the caller.
    #[error("not connected to the peer")]
    NotConnected,
    /// [`MAX_WAITING`] wait already. Blame: a limit.
    #[error("{MAX_WAITING} wait already to identify the peer on this connection")]
    TooMany,
    /// The peer does not speak identify. Blame: the peer.
    #[error("the peer does not speak identify")]
    Unsupported,
    /// No stream could be opened. Blame: see the cause.
    #[error("no identify stream could be opened: {0}")]
    NotOpened(StreamError),
    /// The peer did not tell everything in time. Blame: timeout.
    #[error("the peer did not identify itself in time")]
    Timeout,
    /// A message is not one; the stream was reset. Blame: the peer.
    #[error("the peer sent an invalid identify message: {0}")]
    InvalidMessage(#[from] InvalidMessage),
    /// The peer gave another key than that of its id; the stream was reset. Blame: the peer.
    #[error("the peer's key belongs to {0}")]
    WrongKey(PeerId),
    /// The peer sent more than [`MAX_MESSAGES`]; the stream was reset. Blame: the peer.
    #[error("the peer sent more than {MAX_MESSAGES} identify messages")]
    TooManyMessages,
    /// The peer ended the stream without a message. Blame: the peer.
    #[error("the peer told nothing")]
    Nothing,
    /// The stream broke before its end. Blame: see the cause.
    #[error("the identify stream ended early: {0}")]
    StreamClosed(StreamCloseCause),
    /// The connection was closed before the end. Blame: closed.
    #[error("the connection was closed")]
    ConnectionClosed,
}

impl IdentifyError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NotConnected => Blame::Caller,
            Self::TooMany => Blame::Limit,
            Self::Unsupported
            | Self::InvalidMessage(_)
            | Self::WrongKey(_)
            | Self::TooManyMessages
            | Self::Nothing => Blame::Peer,
            Self::NotOpened(error) => error.blame(),
            Self::Timeout => Blame::Timeout,
            Self::StreamClosed(cause) => cause.blame(),
            Self::ConnectionClosed => Blame::Closed,
        }
    }
}

impl From<StreamError> for IdentifyError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Unsupported(_) => Self::Unsupported,
            StreamError::NotConnected | StreamError::ConnectionClosed => Self::ConnectionClosed,
            error => Self::NotOpened(error),
        }
    }
}

/// The machine. See the [module documentation](self).
#[derive(Debug)]
pub struct Identify {
    connections: Connections<Connection>,
    /// The timeouts of the exchanges.
    timers: Timers<ConnectionId>,
    shared: Shared,
}

/// One connection: the exchange in which we ask, and the streams on which we are asked.
#[derive(Debug)]
struct Connection {
    exchange: Exchange,
    answers: Answers,
}

/// What the connections have in common.
#[derive(Debug)]
struct Shared {
    config: IdentifyConfig,
    /// What this node is; unknown until the swarm has said it.
    local: Option<Arc<LocalInfo>>,
    now: Instant,
    requests: Requests,
    outputs: VecDeque<ToSwarm<IdentifyEvent>>,
}

impl Identify {
    /// A machine without connections.
    pub fn new(mut config: IdentifyConfig, now: Instant) -> Self {
        config.timeout = config.timeout.max(MIN_TIMEOUT);
        config.protocol_version = codec::clean_version(config.protocol_version.as_bytes());
        config.agent_version = codec::clean_version(config.agent_version.as_bytes());
        let shared =
            Shared { config, local: None, now, requests: Requests::default(), outputs: VecDeque::new() };
        Self { connections: Connections::default(), timers: Timers::default(), shared }
    }

    /// Changes a connection, if it exists, and then does what follows from the change.
    fn change(&mut self, id: ConnectionId, change: impl FnOnce(&mut Connection, &mut Shared)) {
        if let Some(connection) = self.connections.get_mut(id) {
            change(connection, &mut self.shared);
            connection.exchange.proceed(&mut self.shared);
            self.timers.set(id, connection.exchange.deadline());
        }
    }

    fn command(&mut self, id: IdentifyId, peer: PeerId) {
        match self.connections.oldest(peer) {
            Some(oldest) => {
                self.change(oldest, |connection, shared| connection.exchange.ask(Some(id), shared));
            }
            None => self.shared.event(IdentifyEvent::Failed {
                peer,
                connection: None,
                id: Some(id),
                error: IdentifyError::NotConnected,
            }),
        }
    }

    fn connected(&mut self, id: ConnectionId, peer: PeerId, remote_address: Multiaddr) {
        if self.connections.get_mut(id).is_none() {
            let exchange = Exchange::new(id, peer);
            let answers = Answers::new(remote_address);
            self.connections.insert(id, peer, Connection { exchange, answers });
            self.change(id, |connection, shared| connection.exchange.ask(None, shared));
        }
    }

    fn disconnected(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(id) {
            self.timers.set(id, None);
            connection.exchange.disconnected(&mut self.shared);
        }
    }
}

impl Shared {
    fn event(&mut self, event: IdentifyEvent) {
        self.outputs.push_back(ToSwarm::Event(event));
    }
}

impl Machine for Identify {
    type Input = FromSwarm<IdentifyCommand>;
    type Output = ToSwarm<IdentifyEvent>;

    fn handle_input(&mut self, input: Self::Input, now: Instant) {
        self.shared.now = self.shared.now.max(now);
        match input {
            FromSwarm::Command(IdentifyCommand::Identify { id, peer }) => self.command(id, peer),
            FromSwarm::Local(info) => self.shared.local = Some(info),
            FromSwarm::Connected { connection, peer, remote_address, .. } => {
                self.connected(connection, peer, remote_address);
            }
            FromSwarm::Disconnected { connection, .. } => self.disconnected(connection),
            FromSwarm::StreamOpened { stream, request: None, .. } => {
                self.change(stream.connection, |to, shared| to.answers.opened(stream, shared));
            }
            FromSwarm::StreamOpened { stream, request: Some(request), .. } => {
                self.shared.requests.remove(request);
                self.change(stream.connection, |to, shared| to.exchange.opened(request, stream, shared));
            }
            FromSwarm::OpenFailed { request, error } => {
                if let Some(id) = self.shared.requests.remove(request) {
                    self.change(id, |to, shared| to.exchange.open_failed(error.into(), shared));
                }
            }
            FromSwarm::Message { stream, message, .. } => {
                self.change(stream.connection, |to, shared| {
                    to.answers.message(stream, shared);
                    to.exchange.message(stream, &message, shared);
                });
            }
            FromSwarm::RemoteClosed { stream } => {
                self.change(stream.connection, |to, shared| to.exchange.remote_closed(stream, shared));
            }
            FromSwarm::Blocked { stream, message } => {
                self.change(stream.connection, |to, _| to.answers.blocked(stream, message));
            }
            FromSwarm::Writable { stream } => {
                self.change(stream.connection, |to, shared| to.answers.writable(stream, shared));
            }
            FromSwarm::StreamClosed { stream, cause } => self.change(stream.connection, |to, shared| {
                if to.answers.closed(stream, &cause) {
                    let (peer, connection) = (to.exchange.peer(), stream.connection);
                    shared.event(IdentifyEvent::Sent { peer, connection });
                }
                to.exchange.closed(stream, cause, shared);
            }),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.shared.now = self.shared.now.max(now);
        while let Some(id) = self.timers.pop_due(self.shared.now) {
            self.change(id, |connection, shared| connection.exchange.expire(shared));
        }
    }

    fn poll_output(&mut self) -> Option<Self::Output> {
        self.shared.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.timers.next()
    }
}

impl Protocol for Identify {
    type Command = IdentifyCommand;
    type Event = IdentifyEvent;

    fn inbound(&self) -> Vec<InboundProtocol> {
        vec![InboundProtocol { id: PROTOCOL, options: answers::STREAM_OPTIONS }]
    }
}

/// How streams of this protocol are cut into messages, on both sides.
const FRAMING: Framing = Framing::LengthPrefixed { max_bytes: MAX_MESSAGE_BYTES };
