//! Identify, `/ipfs/id/1.0.0`: what is at the other end of a connection? And identify push, `/ipfs/id/push/1.0.0`:
//! what has changed there?
//!
//! The acceptor of a stream tells its key, addresses, protocols and software, and at which address it sees
//! the opener; then it ends the stream. The opener only listens. Of push it is the other way round: the opener tells
//! and the acceptor listens.
//!
//! [`Identify`] asks once on every new connection, and again on [`IdentifyCommand::Identify`]. It answers
//! whoever asks. What a peer tells is a claim: only its key is checked, against the id that the connection
//! has proven. A peer that fails to identify itself, or is of another version, is reported and stays
//! connected.
//!
//! An answer may come in several messages, which are taken as one; [`codec::merge`] says how. Ours is a
//! single one of at most [`MAX_SENT_BYTES`].
//!
//! # Push
//!
//! When the addresses or protocols of this node change, it pushes to the connected peers that speak push, as they
//! say when they are identified: [`PUSH_DELAY`] after the first of several changes, to [`MAX_PUSHES`] at a time,
//! and never what the peer was told already. A push tells what is true when its stream opens. One that fails is not
//! repeated; the next change is pushed again.
//!
//! What a peer pushes is reported exactly as it came ([`IdentifyEvent::Pushed`]), and not kept here: an idle
//! connection should be small. [`IdentifyInfo::update`] merges it into what was known.
//!
//! The swarm hears it too, as it hears every answer ([`ToSwarm::Identified`]): the peer book keeps what it says of the peer, once
//! for all connections.
//!
//! # Addresses, and signed records of them
//!
//! Our addresses on loopback are told only to peers on the same machine. Of a peer's addresses those are dropped that
//! lead elsewhere from here: on loopback, if the peer is not on this machine; on private networks, if it is on the
//! internet.
//!
//! A peer's signed record is verified. If it is valid and the peer's own, its addresses are taken instead of those
//! beside it, and [`IdentifyInfo::certified`] holds it; otherwise it counts as missing, which is no error. Our own
//! record goes along if the crypto provider signs with our key and everything fits into one message: there are
//! peers that read only one, of 4 KiB, so sending the record in a second message would hide it from them.
//!
//! # External addresses
//!
//! What peers tell in [`IdentifyInfo::observed_address`], of connections that came to one of our listeners, says where this
//! node can be reached from outside. Once [`MIN_OBSERVERS`] in different networks agree, the address is reported
//! ([`IdentifyEvent::ExternalAddress`]) and told to peers beside the listen addresses, as long as they stay connected. A
//! claim counts only if it fits the listener's IP version and transport and can lead here from elsewhere.

mod addresses;
mod answers;
pub mod codec;
mod exchange;
mod observed;
mod own;
mod pushed;
mod pushing;
mod reading;
#[cfg(test)]
mod tests;

pub use codec::{IdentifyInfo, InvalidMessage};
pub use observed::{
    ExternalState, MAX_EXTERNAL_ADDRESSES, MAX_LISTEN_ADDRESSES, MAX_OBSERVERS, MIN_OBSERVERS,
};

use super::table::{Connections, Requests};
use super::{FromSwarm, InboundProtocol, Protocol, StreamCloseCause, StreamError, StreamKey, ToSwarm};
use crate::address::Multiaddr;
use crate::connection::{ConnectionId, Framing};
use crate::crypto::CryptoProvider;
use crate::identity::{Keypair, PeerId};
use crate::machine::{Blame, Machine};
use crate::negotiation::ProtocolId;
use crate::time::{Deadline, Instant, Timers};
use answers::Answers;
use exchange::Exchange;
use observed::{Change, Observed, ThinWaist};
use own::{Own, Snapshot};
use pushed::Pushed;
use pushing::Pushing;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The protocol's name.
pub const PROTOCOL: ProtocolId = ProtocolId::from_static("/ipfs/id/1.0.0");

/// The name of identify push.
pub const PUSH_PROTOCOL: ProtocolId = ProtocolId::from_static("/ipfs/id/push/1.0.0");

/// The most pushes of ours that are under way at a time; further ones wait. It keeps a node with many connections
/// from opening a stream on all of them at once. Other implementations have the same limit.
pub const MAX_PUSHES: usize = 32;

/// How long after a change it is pushed. What changes meanwhile, as when a node starts to listen on several
/// addresses, is pushed with it.
pub const PUSH_DELAY: Duration = Duration::from_secs(1);

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
    /// Whether every new connection's peer is asked. Without it, peers are asked on command only.
    pub asks_on_connect: bool,
    /// How long after it was asked a peer must have told everything. Opening a stream is part of it. A push, in either
    /// direction, must be over in the same time.
    pub timeout: Duration,
    /// How many streams of one connection may be open on which the remote asks us. A further one replaces the
    /// oldest, which is reset. Zero: every one is reset.
    pub max_inbound_streams: usize,
    /// The sequence number of this node's first signed record; each further one counts up. Peers ignore records whose number
    /// is not above that of the last one they saw, so it must grow from start to start of the same identity. Runtimes
    /// set the wall clock, in nanoseconds since 1970, if it is zero: it is always ahead of a count of changes.
    pub first_sequence: u64,
}

impl Default for IdentifyConfig {
    /// `ipfs/0.1.0`, as the public network has it, and `peerwork/` with its version; every new peer is asked; 5
    /// seconds, two inbound streams.
    fn default() -> Self {
        Self {
            protocol_version: "ipfs/0.1.0".to_owned(),
            agent_version: concat!("peerwork/", env!("CARGO_PKG_VERSION")).to_owned(),
            asks_on_connect: true,
            timeout: Duration::from_secs(5),
            max_inbound_streams: 2,
            first_sequence: 0,
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
    /// A peer told of a change without being asked.
    Pushed {
        /// Who.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// What. Nothing missing has changed: see [`IdentifyInfo::update`].
        info: Arc<IdentifyInfo>,
    },
    /// A peer asked what we are, and the stream with our answer ended in order.
    Sent {
        /// Who.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
    },
    /// A peer took our push: the stream ended in order.
    PushSent {
        /// Who.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
    },
    /// A peer pushed something that is not as it should be. None of it counts, and the peer stays connected.
    PushFailed {
        /// Who.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// Why.
        error: IdentifyError,
    },
    /// An address at which others can reach this node was learned from them, or counts no longer.
    ExternalAddress {
        /// The address.
        address: Multiaddr,
        /// Which of the two.
        state: ExternalState,
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

impl From<StreamCloseCause> for IdentifyError {
    fn from(cause: StreamCloseCause) -> Self {
        match cause {
            StreamCloseCause::ConnectionClosed => Self::ConnectionClosed,
            cause => Self::StreamClosed(cause),
        }
    }
}

/// The machine. See the [module documentation](self).
#[derive(Debug)]
pub struct Identify {
    connections: Connections<Connection>,
    pushing: Pushing,
    timers: Timers<Timer>,
    shared: Shared,
}

/// What there is to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The end of an exchange.
    Exchange(ConnectionId),
    /// The end of a peer's push.
    Pushed(ConnectionId),
    /// The end of our push.
    Pushing(ConnectionId),
    /// Further changes of what this node is.
    PushDelay,
}

/// One connection: the exchange in which we ask, the streams on which we are asked, the peer's push.
#[derive(Debug)]
struct Connection {
    exchange: Exchange,
    answers: Answers,
    pushed: Pushed,
    /// What the peer was told last, or is being told.
    told: Snapshot,
    /// As it said itself.
    speaks_push: bool,
}

/// The two ends of a connection.
#[derive(Debug)]
struct Link {
    connection: ConnectionId,
    peer: PeerId,
    /// Where the peer is.
    remote_address: Multiaddr,
    /// Where it came in, if the peer dialled. Not the whole address: an idle connection should be small.
    local: Option<ThinWaist>,
}

/// What the connections have in common.
#[derive(Debug)]
struct Shared {
    config: IdentifyConfig,
    own: Own,
    observed: Observed,
    now: Instant,
    requests: Requests,
    outputs: VecDeque<ToSwarm<IdentifyEvent>>,
}

impl Identify {
    /// A machine without connections. It signs its records with `keypair`, the node's identity.
    pub fn new(
        mut config: IdentifyConfig,
        keypair: Arc<Keypair>,
        crypto: Arc<dyn CryptoProvider>,
        now: Instant,
    ) -> Self {
        config.timeout = config.timeout.max(MIN_TIMEOUT);
        config.protocol_version = codec::clean_version(config.protocol_version.as_bytes());
        config.agent_version = codec::clean_version(config.agent_version.as_bytes());
        let own = Own::new(keypair, crypto, config.first_sequence);
        let shared = Shared {
            config,
            own,
            observed: Observed::default(),
            now,
            requests: Requests::default(),
            outputs: VecDeque::new(),
        };
        Self {
            connections: Connections::default(),
            pushing: Pushing::default(),
            timers: Timers::default(),
            shared,
        }
    }

    /// Changes a connection, if it exists, and then does what follows from the change.
    fn change(&mut self, id: ConnectionId, change: impl FnOnce(&mut Connection, &mut Shared)) {
        if let Some(connection) = self.connections.get_mut(id) {
            change(connection, &mut self.shared);
            connection.exchange.proceed(&mut self.shared);
            self.timers.set(Timer::Exchange(id), connection.exchange.deadline());
            self.timers.set(Timer::Pushed(id), connection.pushed.deadline());
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

    fn connected(&mut self, link: Link) {
        let (id, peer) = (link.connection, link.peer);
        if self.connections.get_mut(id).is_none() {
            let connection = Connection {
                exchange: Exchange::new(link),
                answers: Answers::default(),
                pushed: Pushed::default(),
                told: Snapshot::NONE,
                speaks_push: false,
            };
            self.connections.insert(id, peer, connection);
            if self.shared.config.asks_on_connect {
                self.change(id, |connection, shared| connection.exchange.ask(None, shared));
            }
        }
    }

    fn disconnected(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(id) {
            self.timers.set(Timer::Exchange(id), None);
            self.timers.set(Timer::Pushed(id), None);
            connection.exchange.disconnected(&mut self.shared);
            self.forget_pushes(id);
            let changes = self.shared.observed.disconnected(id);
            self.external_changed(changes);
        }
    }

    /// External addresses came or went.
    fn external_changed(&mut self, changes: Vec<Change>) {
        if !changes.is_empty() {
            let external = self.shared.observed.external_addresses().cloned().collect();
            self.shared.own.set_external(external);
            self.plan_pushes();
        }
        for (address, state) in changes {
            self.shared.event(IdentifyEvent::ExternalAddress { address, state });
        }
    }

    fn opened_by_remote(&mut self, stream: StreamKey, protocol: &ProtocolId) {
        self.change(stream.connection, |to, shared| {
            if *protocol == PUSH_PROTOCOL {
                to.pushed.opened(stream, shared);
            } else if to.answers.opened(stream, to.exchange.link(), shared) {
                to.told = shared.own.snapshot();
            }
        });
    }

    fn message(&mut self, stream: StreamKey, message: &[u8]) {
        self.change(stream.connection, |to, shared| {
            to.answers.message(stream, shared);
            to.exchange.message(stream, message, shared);
            to.pushed.message(stream, message, to.exchange.link(), shared);
        });
        self.reset_push(stream);
    }

    fn remote_closed(&mut self, stream: StreamKey) {
        let mut changes = Vec::new();
        self.change(stream.connection, |to, shared| {
            let asked = to.exchange.remote_closed(stream, shared);
            let pushed = to.pushed.remote_closed(stream, to.exchange.link(), shared);
            let Some(info) = asked.or(pushed) else { return };
            let Link { connection, peer, remote_address, local } = to.exchange.link();
            if !info.protocols.is_empty() {
                to.speaks_push = info.protocols.contains(&PUSH_PROTOCOL);
            }
            if let (Some(local), Some(observed)) = (local, &info.observed_address) {
                changes = shared.observed.observe(*connection, *local, remote_address, observed);
            }
            shared.outputs.push_back(ToSwarm::Identified { connection: *connection, peer: *peer, info });
        });
        self.external_changed(changes);
        self.push_to_late(stream.connection);
    }

    fn closed(&mut self, stream: StreamKey, cause: &StreamCloseCause) {
        self.change(stream.connection, |to, shared| {
            let link = to.exchange.link();
            if to.answers.closed(stream, cause) {
                shared.event(IdentifyEvent::Sent { peer: link.peer, connection: link.connection });
            }
            to.pushed.closed(stream, cause, link, shared);
            to.exchange.closed(stream, cause.clone(), shared);
        });
        self.push_closed(stream, cause);
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
            FromSwarm::Local(info) => {
                let changes = self.shared.observed.listening(&info.listen_addresses);
                if self.shared.own.change(info) {
                    self.plan_pushes();
                }
                self.external_changed(changes);
            }
            FromSwarm::Connected { connection, peer, remote_address, local_address, .. } => {
                let local = local_address.as_ref().and_then(ThinWaist::of);
                self.connected(Link { connection, peer, remote_address, local });
            }
            FromSwarm::Disconnected { connection, .. } => self.disconnected(connection),
            FromSwarm::StreamOpened { stream, request: None, protocol, .. } => {
                self.opened_by_remote(stream, &protocol);
            }
            FromSwarm::StreamOpened { stream, request: Some(request), .. } => {
                self.shared.requests.remove(request);
                if !self.push_opened(request, stream) {
                    self.change(stream.connection, |to, shared| to.exchange.opened(request, stream, shared));
                }
            }
            FromSwarm::OpenFailed { request, error } => {
                if let Some(id) = self.shared.requests.remove(request)
                    && !self.push_not_opened(id, request, &error)
                {
                    self.change(id, |to, shared| to.exchange.open_failed(request, error.into(), shared));
                }
            }
            FromSwarm::Message { stream, message, .. } => self.message(stream, &message),
            FromSwarm::RemoteClosed { stream } => self.remote_closed(stream),
            FromSwarm::Blocked { stream, message } => {
                self.push_blocked(stream, message.clone());
                self.change(stream.connection, |to, _| to.answers.blocked(stream, message));
            }
            FromSwarm::Writable { stream } => {
                self.push_writable(stream);
                self.change(stream.connection, |to, shared| to.answers.writable(stream, shared));
            }
            FromSwarm::StreamClosed { stream, cause } => self.closed(stream, &cause),
            FromSwarm::FindPeer { .. }
            | FromSwarm::StopFinding { .. }
            | FromSwarm::Identified { .. }
            | FromSwarm::Dialed { .. }
            | FromSwarm::DialFailed { .. } => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.shared.now = self.shared.now.max(now);
        while let Some(timer) = self.timers.pop_due(self.shared.now) {
            match timer {
                Timer::Exchange(id) => self.change(id, |to, shared| to.exchange.expire(shared)),
                Timer::Pushed(id) => {
                    self.change(id, |to, shared| to.pushed.expire(to.exchange.link(), shared));
                }
                Timer::Pushing(id) => self.expire_push(id),
                Timer::PushDelay => self.push_to_all(),
            }
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
        vec![
            InboundProtocol { id: PROTOCOL, options: answers::STREAM_OPTIONS },
            InboundProtocol { id: PUSH_PROTOCOL, options: pushed::STREAM_OPTIONS },
        ]
    }
}

/// How streams of this protocol are cut into messages, on both sides.
const FRAMING: Framing = Framing::LengthPrefixed { max_bytes: MAX_MESSAGE_BYTES };
