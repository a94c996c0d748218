//! How much of everything a swarm allows, and how much there is.

use super::gate::AddressRange;
use crate::machine::Blame;

/// How many connections and streams there may be. Nothing is ever more than its limit says, and what is refused costs nobody else.
///
/// A connection is *pending* until its peer is authenticated and streams can be opened on it. A stream counts from the moment
/// at which we ask for it, or at which the remote and we have agreed on its protocol; before that the limits of the
/// [connection](crate::connection::ConnectionConfig::max_negotiating_streams) and of its muxer hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all, pending or open. Beyond it attempts to dial fail and remotes are refused, with [`ConnectionLimit::Total`]. Stops
    /// whoever would use up our memory and descriptors. Default: 4,096.
    pub max_connections: usize,
    /// Those of them that remotes made; further remotes are refused with [`ConnectionLimit::Inbound`]. Less than
    /// [`Limits::max_connections`], it keeps room for our own dials, so that remotes cannot cut us off by taking every place.
    /// Default: 3,072.
    pub max_inbound_connections: usize,
    /// Those of them that we dialled; further attempts fail with [`ConnectionLimit::Outbound`]. They do not wait, for nobody knows when one
    /// of these connections ends. Keeps room for remotes when peers make us dial more and more others. Default: 3,072.
    pub max_outbound_connections: usize,
    /// Open connections to one peer. One more is closed as soon as its peer is known, with [`ConnectionLimit::PerPeer`].
    /// Stops a peer from taking every place under one identity. Default: 8.
    pub max_connections_per_peer: usize,
    /// Pending connections of remotes; further remotes are refused with [`ConnectionLimit::PendingInbound`]. Stops remotes that
    /// connect and stay silent, or that make us compute handshakes. Default: 256.
    pub max_pending_inbound: usize,
    /// Pending connections that we dial; further attempts fail with [`ConnectionLimit::PendingOutbound`]. More than
    /// [`DialerConfig::max_descriptors`](super::DialerConfig::max_descriptors), for which attempts wait, it is met only by what takes no
    /// descriptor, and by connections that the dialer has given up and that are not gone yet. Stops remotes that are slow to close from
    /// making these more and more. Default: 256.
    pub max_pending_outbound: usize,
    /// What remotes in one narrow range may take: one host, as far as can be told. IPv4 addresses count one by one, and of IPv6 the
    /// networks of 64 bits, since whoever has one address there has all of its network. Stops a host from taking every place by
    /// being many peers. Default: `/32` and `/64`; 64 connections that it made and 64 to it, 16 pending; 64 at once and then 8 a second.
    ///
    /// Connections within this machine are exempt, except that an address of it may have half of [`Limits::max_pending_inbound`] pending.
    /// Whoever can make them has the machine already, or they come through a proxy on it, from everywhere. Where they come through a
    /// proxy on another machine, these limits and the wide ones have to be raised: they hold for all that come through it together.
    pub narrow_range: RangeLimits,
    /// The same for wide ranges, which hold for the narrow ones within them together. Stops who rents a whole network. Default: `/24` and
    /// `/48`, the least that is routed or given away; four times as much as a narrow range in everything.
    pub wide_range: RangeLimits,
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

/// How much one range of addresses may have. A range is what has the first bits of its addresses in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeLimits {
    /// How many bits an IPv4 range has in common, 32 at most.
    pub ipv4_prefix: u8,
    /// How many bits an IPv6 range has in common, 64 at most: what is behind them tells no hosts apart. Of a wide range no prefix may
    /// be longer than that of the narrow one.
    pub ipv6_prefix: u8,
    /// Connections that remotes there made, pending or open; further remotes are refused with [`ConnectionLimit::InboundRange`].
    pub max_inbound_connections: usize,
    /// Connections that we made there, pending or open; further dials fail with [`ConnectionLimit::OutboundRange`]. Stops peers that
    /// make us dial the same host under many names, and keeps our connections from being all with one.
    pub max_outbound_connections: usize,
    /// Connections of remotes there whose peer is not known yet; further remotes are refused with [`ConnectionLimit::PendingRange`].
    /// Much less than [`Limits::max_pending_inbound`], it keeps a host that connects and stays silent from locking others out.
    pub max_pending_inbound: usize,
    /// How fast remotes there may connect; beyond it they are refused with [`ConnectionLimit::Rate`]. Stops a host that makes us compute
    /// handshake after handshake. What is refused takes no token.
    pub inbound_rate: Rate,
}

/// How often something may happen: a bucket of tokens, full at first, of which each time takes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many tokens the bucket holds. 0: it may never happen.
    pub burst: u32,
    /// How many come back each second; 0 counts as 1.
    pub per_second: u32,
}

impl Rate {
    /// As often as you like.
    pub const UNLIMITED: Self = Self { burst: u32::MAX, per_second: u32::MAX };
}

impl RangeLimits {
    /// Everything.
    pub const UNLIMITED: Self = Self {
        ipv4_prefix: 0,
        ipv6_prefix: 0,
        max_inbound_connections: usize::MAX,
        max_outbound_connections: usize::MAX,
        max_pending_inbound: usize::MAX,
        inbound_rate: Rate::UNLIMITED,
    };
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
            narrow_range: RangeLimits {
                ipv4_prefix: 32,
                ipv6_prefix: 64,
                max_inbound_connections: 64,
                max_outbound_connections: 64,
                max_pending_inbound: 16,
                inbound_rate: Rate { burst: 64, per_second: 8 },
            },
            wide_range: RangeLimits {
                ipv4_prefix: 24,
                ipv6_prefix: 48,
                max_inbound_connections: 256,
                max_outbound_connections: 256,
                max_pending_inbound: 64,
                inbound_rate: Rate { burst: 256, per_second: 32 },
            },
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
    /// The same, but so many connections, of which remotes may make three quarters, and this node as well.
    #[must_use]
    pub const fn with_max_connections(self, max: usize) -> Self {
        let most = max - max / 4;
        Self { max_connections: max, max_inbound_connections: most, max_outbound_connections: most, ..self }
    }

    /// How many connections from one address of this machine may be pending.
    pub(super) fn max_pending_loopback(&self) -> usize {
        self.max_pending_inbound.div_ceil(2)
    }

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
    /// [`RangeLimits::max_inbound_connections`].
    #[error("all {max} connections that remotes at {range} may make are taken")]
    InboundRange {
        /// Where.
        range: AddressRange,
        /// The limit.
        max: usize,
    },
    /// [`RangeLimits::max_outbound_connections`].
    #[error("all {max} connections that this node may make to {range} are taken")]
    OutboundRange {
        /// Where.
        range: AddressRange,
        /// The limit.
        max: usize,
    },
    /// [`RangeLimits::max_pending_inbound`].
    #[error("{max} remotes at {range} are being authenticated, as many as are allowed at a time")]
    PendingRange {
        /// Where.
        range: AddressRange,
        /// The limit.
        max: usize,
    },
    /// [`RangeLimits::inbound_rate`].
    #[error("remotes at {range} connect faster than is allowed")]
    Rate {
        /// Where.
        range: AddressRange,
    },
    /// [`Watermarks::high`](super::Watermarks::high).
    #[error("closed to get below the high watermark of {0} connections")]
    HighWatermark(usize),
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
