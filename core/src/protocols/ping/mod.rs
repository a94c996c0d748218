//! Ping, `/ipfs/ping/1.0.0`: does the peer still answer, and how fast?
//!
//! The opener of a stream sends 32 random bytes, the acceptor sends them back, and so on for as long as the
//! opener likes.
//!
//! [`Ping`] measures every connection now and then by itself, and any peer on [`PingCommand::Ping`]. A
//! connection has at most one ping stream of ours, which is kept for the next ping: some peers accept only
//! one. Pings of one connection follow each other. A failed ping is reported and has no other consequence:
//! whether to close the connection is for the user to say. Ping streams do not keep a connection open.
//!
//! Peers end a ping stream when they like, after half a minute for instance. So a ping that loses a stream on
//! which others succeeded before is sent once more, on a fresh stream; only what happens there, or its
//! timeout, is reported.

mod inbound;
mod outbound;
#[cfg(test)]
mod tests;

use super::table::{Connections, Requests};
use super::{FromSwarm, InboundProtocol, Protocol, StreamCloseCause, StreamError, StreamOptions, ToSwarm};
use crate::connection::{ConnectionId, Framing};
use crate::identity::PeerId;
use crate::machine::{Blame, Machine};
use crate::negotiation::ProtocolId;
use crate::seed::Seed;
use crate::time::{Deadline, Instant, Timers};
use inbound::Inbound;
use outbound::Outbound;
use std::collections::VecDeque;
use std::time::Duration;

/// The protocol's name.
pub const PROTOCOL: ProtocolId = ProtocolId::from_static("/ipfs/ping/1.0.0");

/// The most pings that may wait for one connection, the one under way included. A further one fails with
/// [`PingError::TooMany`].
pub const MAX_PINGS_PER_CONNECTION: usize = 16;

/// The most echoes of one inbound stream that wait to be sent. Credit keeps it to two; a stream with more is
/// reset.
pub const MAX_ECHOES_PER_STREAM: usize = 2;

/// The shortest interval and timeout; a shorter one in the configuration counts as this.
pub const MIN_DURATION: Duration = Duration::from_millis(1);

/// How many bytes are sent and come back.
const PAYLOAD_BYTES: usize = 32;

const STREAM_OPTIONS: StreamOptions =
    StreamOptions { framing: Framing::Fixed(PAYLOAD_BYTES), credit: 0, keep_alive: false, lazy: false };

/// How [`Ping`] behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PingConfig {
    /// How long after the last ping of a connection, or after its start, the next automatic one is sent.
    /// `None`: never.
    pub interval: Option<Duration>,
    /// How long after the command, or after the interval, the echo must have arrived. Opening a stream is
    /// part of it.
    pub timeout: Duration,
    /// How many ping streams one connection's remote may have open. A further one replaces the oldest, which
    /// is reset. Zero: every one is reset.
    pub max_inbound_streams: usize,
}

impl Default for PingConfig {
    /// Every 15 seconds, a timeout of 20 seconds, two inbound streams.
    fn default() -> Self {
        Self {
            interval: Some(Duration::from_secs(15)),
            timeout: Duration::from_secs(20),
            max_inbound_streams: 2,
        }
    }
}

/// One commanded ping. Chosen by the user, from a counter of the user's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PingId(pub u64);

/// What the user can ask of [`Ping`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PingCommand {
    /// Measure the oldest connection to `peer`. Answered by one [`PingEvent`] with this id.
    Ping {
        /// Comes back in the answer.
        id: PingId,
        /// Whom.
        peer: PeerId,
    },
}

/// What [`Ping`] tells the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PingEvent {
    /// The peer answered.
    Pong {
        /// Who.
        peer: PeerId,
        /// On which connection.
        connection: ConnectionId,
        /// The command, or `None` for an automatic ping.
        id: Option<PingId>,
        /// From sending to the arrival of the echo.
        round_trip: Duration,
    },
    /// The peer did not answer, or not as it should.
    Failed {
        /// Who.
        peer: PeerId,
        /// On which connection; `None` if there was none.
        connection: Option<ConnectionId>,
        /// The command, or `None` for an automatic ping.
        id: Option<PingId>,
        /// Why.
        error: PingError,
    },
}

/// Why a ping failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// There is no open connection to the peer. Blame: the caller.
    #[error("not connected to the peer")]
    NotConnected,
    /// [`MAX_PINGS_PER_CONNECTION`] wait already. Blame: a limit.
    #[error("{MAX_PINGS_PER_CONNECTION} pings wait already for this connection")]
    TooMany,
    /// The peer does not speak ping. Automatic pings of this connection stop, until one on command succeeds.
    /// Blame: the peer.
    #[error("the peer does not speak ping")]
    Unsupported,
    /// No stream could be opened. Blame: see the cause.
    #[error("no ping stream could be opened: {0}")]
    NotOpened(StreamError),
    /// No echo arrived in time. Blame: timeout.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The peer sent something else than the echo; the stream was reset. Blame: the peer.
    #[error("the peer's answer is not what was sent")]
    WrongEcho,
    /// The stream ended before the echo. Blame: see the cause.
    #[error("the ping stream ended early: {0}")]
    StreamClosed(StreamCloseCause),
    /// The connection was closed before the echo. Blame: closed.
    #[error("the connection was closed")]
    ConnectionClosed,
}

impl PingError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NotConnected => Blame::Caller,
            Self::TooMany => Blame::Limit,
            Self::Unsupported | Self::WrongEcho => Blame::Peer,
            Self::NotOpened(error) => error.blame(),
            Self::Timeout => Blame::Timeout,
            Self::StreamClosed(cause) => cause.blame(),
            Self::ConnectionClosed => Blame::Closed,
        }
    }
}

impl From<StreamError> for PingError {
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
pub struct Ping {
    connections: Connections<Connection>,
    /// For each connection the timeout of its first ping, or the time of its next automatic one.
    timers: Timers<ConnectionId>,
    shared: Shared,
}

/// One connection: the stream on which we ping, and those on which we are pinged.
#[derive(Debug)]
struct Connection {
    outbound: Outbound,
    inbound: Inbound,
}

/// What the connections have in common.
#[derive(Debug)]
struct Shared {
    config: PingConfig,
    seed: Seed,
    now: Instant,
    requests: Requests,
    outputs: VecDeque<ToSwarm<PingEvent>>,
}

impl Ping {
    /// A machine without connections. The seed makes the payloads.
    pub fn new(mut config: PingConfig, seed: Seed, now: Instant) -> Self {
        config.interval = config.interval.map(|interval| interval.max(MIN_DURATION));
        config.timeout = config.timeout.max(MIN_DURATION);
        let shared = Shared { config, seed, now, requests: Requests::default(), outputs: VecDeque::new() };
        Self { connections: Connections::default(), timers: Timers::default(), shared }
    }

    /// Changes a connection, if it exists, and then does what follows from the change.
    fn change(&mut self, id: ConnectionId, change: impl FnOnce(&mut Connection, &mut Shared)) {
        if let Some(connection) = self.connections.get_mut(id) {
            change(connection, &mut self.shared);
            connection.outbound.proceed(&mut self.shared);
            self.timers.set(id, connection.outbound.deadline(&self.shared));
        }
    }

    fn command(&mut self, id: PingId, peer: PeerId) {
        match self.connections.oldest(peer) {
            Some(oldest) => {
                self.change(oldest, |connection, shared| connection.outbound.ping(Some(id), shared));
            }
            None => self.shared.event(PingEvent::Failed {
                peer,
                connection: None,
                id: Some(id),
                error: PingError::NotConnected,
            }),
        }
    }

    fn connected(&mut self, id: ConnectionId, peer: PeerId) {
        let outbound = Outbound::new(id, peer, self.shared.now);
        self.connections.insert(id, peer, Connection { outbound, inbound: Inbound::default() });
        self.change(id, |_, _| {});
    }

    fn disconnected(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.remove(id) {
            self.timers.set(id, None);
            connection.outbound.disconnected(&mut self.shared);
        }
    }
}

impl Shared {
    fn event(&mut self, event: PingEvent) {
        self.outputs.push_back(ToSwarm::Event(event));
    }
}

impl Machine for Ping {
    type Input = FromSwarm<PingCommand>;
    type Output = ToSwarm<PingEvent>;

    fn handle_input(&mut self, input: Self::Input, now: Instant) {
        self.shared.now = self.shared.now.max(now);
        match input {
            FromSwarm::Command(PingCommand::Ping { id, peer }) => self.command(id, peer),
            FromSwarm::Local(_) => {}
            FromSwarm::Connected { connection, peer, .. } => self.connected(connection, peer),
            FromSwarm::Disconnected { connection, .. } => self.disconnected(connection),
            FromSwarm::StreamOpened { stream, request: None, .. } => {
                self.change(stream.connection, |to, shared| to.inbound.opened(stream, shared));
            }
            FromSwarm::StreamOpened { stream, request: Some(request), .. } => {
                self.shared.requests.remove(request);
                self.change(stream.connection, |to, shared| to.outbound.opened(request, stream, shared));
            }
            FromSwarm::OpenFailed { request, error } => {
                if let Some(id) = self.shared.requests.remove(request) {
                    self.change(id, |to, shared| to.outbound.open_failed(error.into(), shared));
                }
            }
            FromSwarm::Message { stream, message, received_at } => {
                self.change(stream.connection, |to, shared| {
                    if to.outbound.is(stream) {
                        to.outbound.message(&message, received_at, shared);
                    } else {
                        to.inbound.message(stream, message, shared);
                    }
                });
            }
            FromSwarm::RemoteClosed { stream } => {
                self.change(stream.connection, |to, shared| {
                    if to.outbound.is(stream) {
                        to.outbound.remote_closed(shared);
                    } else {
                        to.inbound.remote_closed(stream, shared);
                    }
                });
            }
            FromSwarm::Blocked { stream, message } => {
                self.change(stream.connection, |to, shared| {
                    if to.outbound.is(stream) {
                        to.outbound.blocked();
                    } else {
                        to.inbound.blocked(stream, message, shared);
                    }
                });
            }
            FromSwarm::Writable { stream } => {
                self.change(stream.connection, |to, shared| {
                    if to.outbound.is(stream) {
                        to.outbound.writable(shared);
                    } else {
                        to.inbound.writable(stream, shared);
                    }
                });
            }
            FromSwarm::StreamClosed { stream, cause } => {
                self.change(stream.connection, |to, shared| {
                    if to.outbound.is(stream) {
                        to.outbound.closed(cause, shared);
                    } else {
                        to.inbound.closed(stream);
                    }
                });
            }
            FromSwarm::FindPeer { .. }
            | FromSwarm::StopFinding { .. }
            | FromSwarm::Identified { .. }
            | FromSwarm::Dialed { .. }
            | FromSwarm::DialFailed { .. } => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.shared.now = self.shared.now.max(now);
        while let Some(id) = self.timers.pop_due(self.shared.now) {
            self.change(id, |connection, shared| connection.outbound.due(shared));
        }
    }

    fn poll_output(&mut self) -> Option<Self::Output> {
        self.shared.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.timers.next()
    }
}

impl Protocol for Ping {
    type Command = PingCommand;
    type Event = PingEvent;

    fn inbound(&self) -> Vec<InboundProtocol> {
        vec![InboundProtocol { id: PROTOCOL, options: StreamOptions { credit: 1, ..STREAM_OPTIONS } }]
    }
}
