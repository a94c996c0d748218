//! Why a connection is open: what the user sees of [what keeps a connection open](super#what-keeps-a-connection-open).

use super::connections::{Record, State};
use super::limits::Direction;
use super::streams::Owner;
use super::{Standing, Swarm};
use crate::connection::{ConnectionId, OpenId};
use crate::identity::PeerId;
use crate::negotiation::{ProtocolId, join};
use crate::protocols::Protocols;
use crate::time::Instant;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Why a connection is open, as far as the node has heard of it. Its `Display` form is for people, one reason a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyAlive {
    /// Who is at the other end; `None` as long as that is not known.
    pub peer: Option<PeerId>,
    /// What keeps it open.
    pub state: Aliveness,
    /// What the peer is worth. It does not keep an idle connection open, but decides whose connections are closed when there are
    /// [too many](super::Watermarks).
    pub standing: Standing,
}

/// What keeps a connection open, if anything does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aliveness {
    /// It is on the way. It fails if it is not open in time.
    Opening,
    /// At least one reason keeps it open.
    Needed(Vec<AliveBecause>),
    /// Nothing keeps it open.
    Idle {
        /// How long it will stay open so. `None`: forever, no idle timeout is configured.
        closes_in: Option<Duration>,
    },
    /// We have told it to close.
    Closing,
}

/// Something that keeps a connection open.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AliveBecause {
    /// Streams of one protocol. Those that keep nothing open, as of ping and identify, are not told.
    Streams {
        /// The protocol.
        protocol: ProtocolId,
        /// Whether the remote opened them, not we.
        by_remote: bool,
        /// How many.
        count: usize,
    },
    /// Streams that we are opening.
    Opening {
        /// What is proposed, best first.
        protocols: SmallVec<[ProtocolId; 1]>,
        /// How many.
        count: usize,
    },
    /// The user wishes it.
    UserWish,
    /// A mounted protocol wishes it.
    ProtocolWish {
        /// The protocol, by the first of those that it lets remotes open; `None` if it lets them open none.
        protocol: Option<ProtocolId>,
    },
}

impl<P: Protocols> Swarm<P> {
    /// Why a connection is open; `None` if there is no such connection.
    ///
    /// It takes time for each of the connection's streams.
    pub fn why_alive(&self, connection: ConnectionId, now: Instant) -> Option<WhyAlive> {
        let record = self.record(connection)?;
        let State::Open { peer, is_closing, needs, idle_since, .. } = &record.state else {
            return Some(WhyAlive { peer: None, state: Aliveness::Opening, standing: Standing::default() });
        };
        let timeout = self.config.connection.idle_timeout;
        let state = match needs {
            _ if *is_closing => Aliveness::Closing,
            0 => Aliveness::Idle { closes_in: timeout.map(|timeout| *idle_since + timeout - now) },
            _ => Aliveness::Needed(self.reasons(connection, record)),
        };
        let standing = self.standings.get(peer).cloned().unwrap_or_default();
        Some(WhyAlive { peer: Some(*peer), state, standing })
    }

    fn reasons(&self, connection: ConnectionId, record: &Record) -> Vec<AliveBecause> {
        let mut streams: BTreeMap<(ProtocolId, bool), usize> = BTreeMap::new();
        if let State::Open { streams: open, .. } = &record.state {
            for stream in open.values().filter(|stream| stream.keep_alive) {
                let by_remote = stream.direction == Direction::Inbound;
                *streams.entry((stream.protocol.clone(), by_remote)).or_default() += 1;
            }
        }
        let mut opens: BTreeMap<&[ProtocolId], usize> = BTreeMap::new();
        let all = (connection, OpenId(u64::MIN))..=(connection, OpenId(u64::MAX));
        for (_, open) in self.opens.range(all).filter(|(_, open)| open.keep_alive) {
            *opens.entry(&open.protocols[..]).or_default() += 1;
        }
        let streams = streams.into_iter().map(|((protocol, by_remote), count)| AliveBecause::Streams {
            protocol,
            by_remote,
            count,
        });
        let opens = opens
            .into_iter()
            .map(|(protocols, count)| AliveBecause::Opening { protocols: protocols.into(), count });
        let wishes = self.keepers(connection).map(|owner| match owner {
            Owner::Application => AliveBecause::UserWish,
            Owner::Protocol(_) => AliveBecause::ProtocolWish { protocol: self.protocol_of(owner) },
        });
        streams.chain(opens).chain(wishes).collect()
    }

    fn protocol_of(&self, wanted: Owner) -> Option<ProtocolId> {
        self.owners.iter().find(|(_, owner)| **owner == wanted).map(|(protocol, _)| protocol.clone())
    }
}

impl fmt::Display for AliveBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = |count: &usize| if *count == 1 { "stream" } else { "streams" };
        match self {
            Self::Streams { protocol, by_remote, count } => {
                let opener = if *by_remote { "the peer" } else { "this node" };
                write!(f, "{count} {} of {protocol}, opened by {opener}", streams(count))
            }
            Self::Opening { protocols, count } => {
                write!(f, "{count} {} being opened for {}", streams(count), join(protocols))
            }
            Self::UserWish => f.write_str("the user wishes it"),
            Self::ProtocolWish { protocol: Some(protocol) } => write!(f, "the protocol {protocol} wishes it"),
            Self::ProtocolWish { protocol: None } => f.write_str("a mounted protocol wishes it"),
        }
    }
}

impl fmt::Display for WhyAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state {
            Aliveness::Opening => f.write_str("not open yet")?,
            Aliveness::Closing => f.write_str("closing")?,
            Aliveness::Idle { closes_in: None } => f.write_str("idle, and never closed for that")?,
            Aliveness::Idle { closes_in: Some(closes_in) } => {
                write!(f, "idle: closes in {} s unless it is used", closes_in.as_secs())?;
            }
            Aliveness::Needed(reasons) => {
                f.write_str("kept open:")?;
                for reason in reasons {
                    write!(f, "\n  {reason}")?;
                }
            }
        }
        let (value, mut protections) = (self.standing.value(), self.standing.protections().peekable());
        if self.standing.tags().next().is_some() {
            write!(f, "\nworth {value} when there are too many connections:")?;
            for (number, (name, value)) in self.standing.tags().enumerate() {
                write!(f, "{} {name} {value}", if number == 0 { "" } else { "," })?;
            }
        }
        if protections.peek().is_some() {
            let protections: Vec<&str> = protections.collect();
            write!(f, "\nnot closed when there are too many connections: {}", protections.join(", "))?;
        }
        Ok(())
    }
}
