//! What the suite holds a node by.

use super::faulty::Faults;
use bytes::Bytes;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::ConnectionId;
use peerwork_core::identity::{Keypair, PeerId};
use peerwork_core::muxer::MuxerProtocol;
use peerwork_core::muxer::yamux::Yamux;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{NodeBuilder, NodeConfig};
use peerwork_core::protocols::ping::PingEvent;
use peerwork_core::protocols::{StreamError, StreamKey, Target};
use peerwork_core::security::noise::Noise;
use peerwork_core::swarm::{DialError, DialTarget, ListenError, ListenerId, SwarmEvent};
use peerwork_runtime::Node;
use std::sync::Arc;
use std::time::Duration;

/// A node and whatever drives it, on one thread. It moves when it is called: nothing here waits but [`next_event`](Self::next_event).
///
/// [`AsyncSubject`](super::AsyncSubject) is one for every async adapter. A loop of one's own implements this itself.
pub trait Subject: Sized + 'static {
    /// What the report calls it.
    fn name() -> String;

    /// Starts the node that `setup` says. It listens nowhere yet.
    fn start(setup: Setup) -> Self;

    /// Who the node is.
    fn local_peer(&self) -> PeerId;

    /// Takes a command. What comes of it is an event, and it may happen only while [`next_event`](Self::next_event) runs.
    fn command(&mut self, command: Command);

    /// Drives the node until there is an event, or `patience` is over by the real clock.
    fn next_event(&mut self, patience: Duration) -> Option<Event>;

    /// Reads at least one byte and at most `max` of a stream.
    ///
    /// # Errors
    /// See [`StreamEnd`]. After [`StreamEnd::Blocked`] comes [`Event::Readable`] once there is something else to be told.
    fn read(&mut self, stream: StreamKey, max: usize) -> Result<Bytes, StreamEnd>;

    /// Writes a prefix of `data`, which is not empty, and gives its length. It leaves without any further call but to
    /// [`next_event`](Self::next_event).
    ///
    /// # Errors
    /// See [`StreamEnd`]. After [`StreamEnd::Blocked`] comes [`Event::Writable`] once there is something else to be told.
    fn write(&mut self, stream: StreamKey, data: &[u8]) -> Result<usize, StreamEnd>;

    /// Ends our direction of a stream.
    fn close(&mut self, stream: StreamKey);

    /// Ends both directions of a stream at once, and forgets it.
    fn reset(&mut self, stream: StreamKey);

    /// Forgets a stream. Whatever has not ended of it is reset.
    fn drop_stream(&mut self, stream: StreamKey);

    /// What breaks the runtime below the node, where there is one. The cases that need it are not for a subject without.
    fn faults(&self) -> Option<Arc<Faults>> {
        None
    }

    /// How often the node was woken so far, where that is counted: for a loop, how often it has gone round. The cases that need it are not
    /// for a subject without.
    fn wake_ups(&self) -> Option<usize> {
        self.faults().map(|faults| faults.polls())
    }

    /// The node's handle, where it has one that other threads can use. The cases that need it are not for a subject without.
    fn handle(&self) -> Option<Node> {
        None
    }
}

/// Chosen by who gives a command, and comes back in its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// What a node is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Listens. The outcome is [`Event::Listened`].
    Listen {
        /// Comes back.
        token: Token,
        /// Where.
        address: Multiaddr,
    },
    /// Stops listening.
    StopListening {
        /// Which listener.
        listener: ListenerId,
    },
    /// Connects. The outcome is [`Event::Dialed`].
    Dial {
        /// Comes back.
        token: Token,
        /// Whom, and where.
        target: DialTarget,
    },
    /// Nobody waits for a dial any more: its outcome is [`DialError::Cancelled`], unless there was one.
    CancelDial {
        /// That of the dial.
        token: Token,
    },
    /// Opens a raw stream. The outcome is [`Event::Opened`].
    OpenStream {
        /// Comes back.
        token: Token,
        /// To whom.
        target: Target,
        /// For what.
        protocol: ProtocolId,
    },
    /// Accepts raw streams: [`Event::Incoming`].
    HandleProtocol {
        /// Of this protocol.
        protocol: ProtocolId,
    },
    /// Closes a connection in order.
    Disconnect {
        /// Which one.
        connection: ConnectionId,
    },
    /// Stops the node in order: [`Event::ShutDown`] when nothing is left.
    Shutdown,
    /// Drops the node and its streams without a word, as a program does that has forgotten them. [`Event::ShutDown`] when nothing is
    /// left.
    Drop,
}

/// What a node tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The outcome of [`Command::Listen`].
    Listened {
        /// The command's.
        token: Token,
        /// The listener, and where it can be dialled, with the real port.
        result: Result<(ListenerId, Multiaddr), ListenError>,
    },
    /// The outcome of [`Command::Dial`].
    Dialed {
        /// The command's.
        token: Token,
        /// The connection, and who is at its other end.
        result: Result<(ConnectionId, PeerId), DialError>,
    },
    /// The outcome of [`Command::OpenStream`].
    Opened {
        /// The command's.
        token: Token,
        /// The stream.
        result: Result<StreamKey, StreamError>,
    },
    /// A remote opened a stream.
    Incoming {
        /// The stream.
        stream: StreamKey,
        /// Who opened it.
        peer: PeerId,
        /// What for.
        protocol: ProtocolId,
    },
    /// [`StreamEnd::Blocked`] is over for reading. May come without need.
    Readable(StreamKey),
    /// [`StreamEnd::Blocked`] is over for writing. May come without need.
    Writable(StreamKey),
    /// Something happened to the node's listeners or connections.
    Swarm(SwarmEvent),
    /// A ping ended.
    Ping(PingEvent),
    /// The node is over.
    ShutDown,
}

/// Why nothing was read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamEnd {
    /// Not now.
    #[error("not now")]
    Blocked,
    /// Reading: the remote has ended its direction, and all that it sent has been read. Writing: our direction is closed.
    #[error("this direction has ended")]
    Ended,
    /// The stream was reset, by either end.
    #[error("the stream was reset")]
    Reset,
    /// The connection is gone.
    #[error("the connection is gone")]
    ConnectionClosed,
}

/// The node that a case wants.
#[derive(Debug, Clone)]
pub struct Setup {
    number: u8,
    config: NodeConfig,
}

/// How long a node in the suite lets a remote take to close, and to shake hands: short, so that the suite is.
pub const SHORT_TIMEOUT: Duration = Duration::from_millis(400);

/// Longer than any case takes.
pub(super) const HOUR: Duration = Duration::from_secs(3600);

impl Setup {
    /// Node number `number`, with noise and yamux. It does nothing of its own accord: no pings, and idle connections stay.
    pub fn new(number: u8) -> Self {
        let mut config = NodeConfig::default();
        config.ping.interval = None;
        let connection = &mut config.swarm.connection;
        connection.security = vec![Arc::new(Noise)];
        connection.muxers = vec![Arc::new(Yamux::default())];
        connection.idle_timeout = None;
        connection.close_timeout = SHORT_TIMEOUT;
        Self { number, config }
    }

    /// With another muxer instead.
    #[must_use]
    pub fn muxer(mut self, muxer: impl MuxerProtocol) -> Self {
        self.config.swarm.connection.muxers = vec![Arc::new(muxer)];
        self
    }

    /// With other settings.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut NodeConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// Who it will be.
    pub fn peer(&self) -> PeerId {
        PeerId::from_public_key(self.keypair().public())
    }

    fn keypair(&self) -> Keypair {
        Keypair::ed25519_from_secret(&[self.number; 32])
    }

    /// What builds it, on any driver.
    pub fn into_builder(self) -> NodeBuilder {
        NodeBuilder::new().identity(self.keypair()).configure(|config| *config = self.config)
    }
}
