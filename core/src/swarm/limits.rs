//! How much of everything a swarm allows, and how much there is.

use crate::machine::Blame;

/// How many connections and streams there may be. Nothing is ever more than its limit says, and what is refused costs nobody else.
///
/// A connection is *pending* until its peer is authenticated and streams can be opened on it. A stream counts from the moment
/// at which we ask for it, or at which the remote and we have agreed on its protocol; before that the limits of the
/// [connection](crate::connection::ConnectionConfig::max_negotiating_streams) and of its muxer hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all, pending or open. Beyond it dials fail and remotes are refused, with [`ConnectionLimit::Total`]. Stops
    /// whoever would use up our memory and descriptors. Default: 4,096.
    pub max_connections: usize,
    /// Those of them that remotes made; further remotes are refused with [`ConnectionLimit::Inbound`]. Less than
    /// [`Limits::max_connections`], it keeps room for our own dials, so that remotes cannot cut us off by taking every place.
    /// Default: 3,072.
    pub max_inbound_connections: usize,
    /// Those of them that we dialled; further dials fail with [`ConnectionLimit::Outbound`]. Keeps room for remotes when peers make us
    /// dial more and more others. Default: 3,072.
    pub max_outbound_connections: usize,
    /// Open connections to one peer. One more is closed as soon as its peer is known, with [`ConnectionLimit::PerPeer`].
    /// Stops a peer from taking every place under one identity. Default: 8.
    pub max_connections_per_peer: usize,
    /// Pending connections of remotes; further remotes are refused with [`ConnectionLimit::PendingInbound`]. Stops remotes that
    /// connect and stay silent, or that make us compute handshakes. Default: 256.
    pub max_pending_inbound: usize,
    /// Dials that are under way; more fail with [`ConnectionLimit::PendingOutbound`]. Stops peers that make us dial addresses
    /// where nobody answers, ours or a victim's. Default: 256.
    pub max_pending_outbound: usize,
    /// Streams in all that remotes opened; further ones are reset. Stops many peers from doing together what none may do alone.
    /// Default: 32,768.
    pub max_inbound_streams: usize,
    /// Streams in all that we opened; more are refused with [`StreamError::Limit`](crate::protocols::StreamError::Limit).
    /// Stops peers whose requests make us open streams to others. Default: 32,768.
    pub max_outbound_streams: usize,
    /// Streams that one peer opened, on all its connections; further ones are reset. Stops a peer from getting more by
    /// connecting several times. Default: 2,048.
    pub max_inbound_streams_per_peer: usize,
    /// Streams that we opened to one peer, on all its connections; more are refused with `StreamError::Limit`. Default: 2,048.
    pub max_outbound_streams_per_peer: usize,
    /// Streams that the remote opened on one connection; further ones are reset. Stops a peer from making us keep ever more
    /// streams. Default: 1,024.
    pub max_inbound_streams_per_connection: usize,
    /// Streams that we opened on one connection; more are refused with `StreamError::Limit`. Default: 1,024.
    pub max_outbound_streams_per_connection: usize,
}

impl Default for Limits {
    /// What is said at each field.
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            max_inbound_connections: 3_072,
            max_outbound_connections: 3_072,
            max_connections_per_peer: 8,
            max_pending_inbound: 256,
            max_pending_outbound: 256,
            max_inbound_streams: 32_768,
            max_outbound_streams: 32_768,
            max_inbound_streams_per_peer: 2_048,
            max_outbound_streams_per_peer: 2_048,
            max_inbound_streams_per_connection: 1_024,
            max_outbound_streams_per_connection: 1_024,
        }
    }
}

impl Limits {
    /// Whether one more connection may start.
    pub(super) fn check_connection(
        &self,
        usage: &Usage,
        direction: Direction,
    ) -> Result<(), ConnectionLimit> {
        let rule = |count: usize, max: usize, limit: fn(usize) -> ConnectionLimit| {
            if count < max { Ok(()) } else { Err(limit(max)) }
        };
        let Usage { connections, pending, .. } = usage;
        rule(connections.total(), self.max_connections, ConnectionLimit::Total)?;
        match direction {
            Direction::Inbound => {
                rule(connections.inbound(), self.max_inbound_connections, ConnectionLimit::Inbound)?;
                rule(pending.inbound(), self.max_pending_inbound, ConnectionLimit::PendingInbound)
            }
            Direction::Outbound => {
                rule(connections.outbound(), self.max_outbound_connections, ConnectionLimit::Outbound)?;
                rule(pending.outbound(), self.max_pending_outbound, ConnectionLimit::PendingOutbound)
            }
        }
    }

    /// Whether there may be one more stream beside those that there are in all, with its peer and on its connection.
    pub(super) fn allow_stream(
        &self,
        all: Count,
        peer: Count,
        connection: Count,
        direction: Direction,
    ) -> bool {
        let limits = match direction {
            Direction::Inbound => [
                self.max_inbound_streams,
                self.max_inbound_streams_per_peer,
                self.max_inbound_streams_per_connection,
            ],
            Direction::Outbound => [
                self.max_outbound_streams,
                self.max_outbound_streams_per_peer,
                self.max_outbound_streams_per_connection,
            ],
        };
        [all, peer, connection].into_iter().zip(limits).all(|(count, limit)| count.of(direction) < limit)
    }
}

/// The limit of connections that was reached, with its value. Blame: a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionLimit {
    /// [`Limits::max_connections`].
    #[error("all {0} connections that are allowed are taken")]
    Total(usize),
    /// [`Limits::max_inbound_connections`].
    #[error("all {0} connections that remotes may make are taken")]
    Inbound(usize),
    /// [`Limits::max_outbound_connections`].
    #[error("all {0} connections that this node may make are taken")]
    Outbound(usize),
    /// [`Limits::max_connections_per_peer`].
    #[error("all {0} connections that are allowed with one peer are open")]
    PerPeer(usize),
    /// [`Limits::max_pending_inbound`].
    #[error("{0} remotes are being authenticated, as many as are allowed at a time")]
    PendingInbound(usize),
    /// [`Limits::max_pending_outbound`].
    #[error("{0} dials are under way, as many as are allowed at a time")]
    PendingOutbound(usize),
}

impl ConnectionLimit {
    /// Whose fault it is: a limit's.
    pub fn blame(self) -> Blame {
        Blame::Limit
    }
}

/// Who started a connection or opened a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The remote.
    Inbound,
    /// This node.
    Outbound,
}

/// How many there are of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    // 32 bits are enough for what has to fit into memory many times over, and half the size.
    inbound: u32,
    outbound: u32,
}

impl Count {
    /// Those that remotes started.
    pub fn inbound(self) -> usize {
        self.of(Direction::Inbound)
    }

    /// Those that this node started.
    pub fn outbound(self) -> usize {
        self.of(Direction::Outbound)
    }

    /// All of them.
    pub fn total(self) -> usize {
        self.inbound() + self.outbound()
    }

    pub(super) fn of(self, direction: Direction) -> usize {
        match direction {
            Direction::Inbound => self.inbound as usize,
            Direction::Outbound => self.outbound as usize,
        }
    }

    pub(super) fn add(&mut self, direction: Direction) {
        let count = self.side(direction);
        *count = count.saturating_add(1);
    }

    pub(super) fn remove(&mut self, direction: Direction) {
        let count = self.side(direction);
        debug_assert!(*count > 0, "what is removed was counted");
        *count = count.saturating_sub(1);
    }

    fn side(&mut self, direction: Direction) -> &mut u32 {
        match direction {
            Direction::Inbound => &mut self.inbound,
            Direction::Outbound => &mut self.outbound,
        }
    }
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |sum, count| Self {
            inbound: sum.inbound.saturating_add(count.inbound),
            outbound: sum.outbound.saturating_add(count.outbound),
        })
    }
}

/// What counts against the [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Connections, pending or open.
    pub connections: Count,
    /// Those of them that are pending.
    pub pending: Count,
    /// Streams, those included that we have asked for.
    pub streams: Count,
}
