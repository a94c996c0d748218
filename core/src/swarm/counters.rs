//! What a swarm counts.

use super::dialer::DialerCounters;
use super::limits::{ConnectionLimit, Direction, Usage};
use crate::connection::ConnectionError;

/// What a [`Swarm`](super::Swarm) has done since it was made, until it was over, and what there is now.
///
/// Connections that are open now are those that were opened less those that are gone; the same holds for streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SwarmCounters {
    /// Connections that were opened: the peer was known, and streams could be opened.
    pub connections_opened: ByDirection,
    /// Those of them that are gone, by why.
    pub connections_closed: ClosedConnections,
    /// Connections of remotes that were never opened, by why. What becomes of our own attempts the [dialer](Self::dialer) counts.
    pub incoming_failed: FailedIncoming,
    /// Streams whose protocol was agreed on, or that did not wait for that.
    pub streams_opened: ByDirection,
    /// Those of them that are gone.
    pub streams_closed: ByDirection,
    /// Streams of remotes that were reset when their protocol was agreed on: over a [limit](super::Limits), or nobody handles the
    /// protocol any more.
    pub streams_refused: u64,
    /// Streams that we wanted and did not get, whyever.
    pub streams_failed: u64,
    /// Now: connections, and streams with those that we have asked for.
    pub usage: Usage,
    /// Now: peers to whom a connection is open.
    pub peers: usize,
    /// Now: peers in the [peer book](crate::peer_book), connected or not; some of them may have expired.
    pub known_peers: usize,
    /// What the dialer counts.
    pub dialer: DialerCounters,
}

/// How many, by who started them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByDirection {
    /// Remotes did.
    pub inbound: u64,
    /// This node did.
    pub outbound: u64,
}

/// Connections that were open and are gone, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClosedConnections {
    /// No stream needed it any more.
    pub idle: u64,
    /// There were too many: see [`Watermarks`](super::Watermarks).
    pub trimmed: u64,
    /// A change of the [`AccessRules`](super::AccessRules) forbade it.
    pub denied: u64,
    /// This node closed it: the user or a protocol wanted it, or the node shut down.
    pub closed_here: u64,
    /// The peer closed it in order.
    pub closed_by_peer: u64,
    /// The byte stream below broke.
    pub broken: u64,
    /// The secure channel or the muxer failed, most of the time because the peer broke its rules.
    pub failed: u64,
}

/// Connections of remotes that were never opened, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FailedIncoming {
    /// The [`AccessRules`](super::AccessRules) do not allow the address or the peer.
    pub denied: u64,
    /// Over one of the [`Limits`](super::Limits), but for the rate.
    pub over_limit: u64,
    /// Remotes in its range connected [faster](super::RangeLimits::inbound_rate) than is allowed.
    pub too_fast: u64,
    /// The handshake was not over in time.
    pub timed_out: u64,
    /// The handshake failed, or somebody closed the connection during it.
    pub failed: u64,
}

impl ByDirection {
    /// All of them.
    pub fn total(self) -> u64 {
        self.inbound.saturating_add(self.outbound)
    }

    pub(super) fn add(&mut self, direction: Direction) {
        increment(match direction {
            Direction::Inbound => &mut self.inbound,
            Direction::Outbound => &mut self.outbound,
        });
    }
}

impl ClosedConnections {
    /// All of them.
    pub fn total(self) -> u64 {
        let Self { idle, trimmed, denied, closed_here, closed_by_peer, broken, failed } = self;
        [idle, trimmed, denied, closed_here, closed_by_peer, broken, failed].into_iter().sum()
    }

    pub(super) fn add(&mut self, reason: &ConnectionError) {
        increment(match reason {
            ConnectionError::Idle => &mut self.idle,
            ConnectionError::Limit(ConnectionLimit::HighWatermark(_)) => &mut self.trimmed,
            ConnectionError::Denied(_) => &mut self.denied,
            ConnectionError::ClosedHere => &mut self.closed_here,
            ConnectionError::ClosedByPeer => &mut self.closed_by_peer,
            ConnectionError::Broken => &mut self.broken,
            ConnectionError::PrivateNetwork(cause) => return self.add(cause),
            ConnectionError::Negotiation { .. }
            | ConnectionError::Security { .. }
            | ConnectionError::Channel(_)
            | ConnectionError::Muxer(_)
            | ConnectionError::HandshakeTimeout
            | ConnectionError::Reflected
            | ConnectionError::Limit(_) => &mut self.failed,
        });
    }
}

impl FailedIncoming {
    /// All of them.
    pub fn total(self) -> u64 {
        let Self { denied, over_limit, too_fast, timed_out, failed } = self;
        [denied, over_limit, too_fast, timed_out, failed].into_iter().sum()
    }

    pub(super) fn add(&mut self, error: &ConnectionError) {
        increment(match error {
            ConnectionError::Denied(_) => &mut self.denied,
            ConnectionError::Limit(ConnectionLimit::Rate { .. }) => &mut self.too_fast,
            ConnectionError::Limit(_) => &mut self.over_limit,
            ConnectionError::HandshakeTimeout => &mut self.timed_out,
            ConnectionError::PrivateNetwork(cause) => return self.add(cause),
            ConnectionError::Negotiation { .. }
            | ConnectionError::Security { .. }
            | ConnectionError::Channel(_)
            | ConnectionError::Muxer(_)
            | ConnectionError::Reflected
            | ConnectionError::Idle
            | ConnectionError::ClosedHere
            | ConnectionError::ClosedByPeer
            | ConnectionError::Broken => &mut self.failed,
        });
    }
}

pub(super) fn increment(count: &mut u64) {
    *count = count.saturating_add(1);
}
