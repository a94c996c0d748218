//! What goes into a dialer and what comes out.

use crate::address::{InvalidAddress, Multiaddr};
use crate::connection::{ConnectionError, ConnectionId};
use crate::identity::{PeerId, PeerInfo};
use crate::machine::Blame;
use crate::security::SecurityError;
use crate::swarm::{AccessDenied, ConnectionLimit, TransportError};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// A wish to connect. Chosen by the caller from a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialId(pub u64);

/// One try to connect to one address. Drawn by the dialer from a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// One question to the name service. Drawn by the dialer from a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(pub u64);

/// Whom to dial, and where.
///
/// Made from what one has: an address (with `/p2p/ID` at its end, that says who must be there), a [`PeerId`], or a [`PeerInfo`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialTarget {
    /// Who must be there; `None`: whoever is.
    pub peer: Option<PeerId>,
    /// Where, without peer ids at the ends. If it is empty, or all of them fail, and it is said who: where the peer book says, and then
    /// peer routing.
    pub addresses: Vec<Multiaddr>,
}

impl From<PeerId> for DialTarget {
    fn from(peer: PeerId) -> Self {
        Self { peer: Some(peer), addresses: Vec::new() }
    }
}

impl From<PeerInfo> for DialTarget {
    fn from(info: PeerInfo) -> Self {
        Self { peer: Some(info.peer), addresses: info.addresses }
    }
}

impl From<Multiaddr> for DialTarget {
    /// A peer id at the end that is none stays where it is, and is refused when the address is dialled.
    fn from(address: Multiaddr) -> Self {
        match crate::address::split_peer_id(&address) {
            Ok((bare, Some(peer))) if bare.is_empty() => peer.into(),
            Ok((address, peer)) => Self { peer, addresses: vec![address] },
            Err(_) => Self { peer: None, addresses: vec![address] },
        }
    }
}

/// When a dial starts, and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialOptions {
    /// What is done where the peer is connected or being dialled already.
    pub condition: PeerCondition,
    /// How long the whole dial may take, [`MIN_TIMEOUT`](super::MIN_TIMEOUT) at least. `None`:
    /// [`DialerConfig::dial_timeout`](super::DialerConfig::dial_timeout).
    pub timeout: Option<Duration>,
    /// Dials also addresses that failed a short while ago and wait for their backoff to end, and those that a black-hole filter
    /// holds back.
    pub ignore_backoff: bool,
}

impl DialOptions {
    /// A new connection also where the peer is connected.
    pub fn always() -> Self {
        Self { condition: PeerCondition::Always, ..Self::default() }
    }
}

impl Default for DialOptions {
    fn default() -> Self {
        Self { condition: PeerCondition::Disconnected, timeout: None, ignore_backoff: false }
    }
}

/// What is done where the peer is connected or being dialled already. Of a dial to whoever is at an address, nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerCondition {
    /// A connected peer's best connection is the answer; a dial that is under way is joined. The default.
    #[default]
    Disconnected,
    /// As [`PeerCondition::Disconnected`], but where a dial is under way the answer is [`DialError::AlreadyDialing`].
    NotDialing,
    /// The peer is dialled even though it is connected; a dial that is under way is joined.
    Always,
}

/// Where addresses come from. A dial goes on for as long as one of them may have more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressSource {
    /// Whoever dials.
    Caller,
    /// The peer book.
    Book,
    /// The node's peer routing.
    Routing,
    /// The peer itself, by identify or by a connection that it made.
    Peer,
    /// Records of names.
    Name,
}

/// Which records of a name are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A: IPv4 addresses.
    Ip4,
    /// AAAA: IPv6 addresses.
    Ip6,
    /// TXT: of `_dnsaddr.NAME`, whose values say `dnsaddr=ADDRESS`.
    Txt,
}

/// The records of a name, as the name service gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// For [`RecordKind::Ip4`] and [`RecordKind::Ip6`].
    Addresses(Vec<IpAddr>),
    /// For [`RecordKind::Txt`]: each record, its parts joined.
    Texts(Vec<String>),
}

/// What a dialer is told.
#[derive(Debug, Clone, PartialEq)]
pub enum DialerInput {
    /// Somebody wants a connection. Answered by one [`DialerOutput::Finished`].
    Dial {
        /// Comes back in the answer. An id that was used before is refused.
        dial: DialId,
        /// Whom and where.
        target: DialTarget,
        /// When, and for how long.
        options: DialOptions,
        /// The best connection to the peer, if one is open.
        connected: Option<ConnectionId>,
    },
    /// Whoever wanted it no longer does. If it has no answer yet, that is [`DialError::Cancelled`].
    Cancel {
        /// Which wish.
        dial: DialId,
    },
    /// Addresses of a peer, if it is being dialled; otherwise nothing.
    Addresses {
        /// Whose.
        peer: PeerId,
        /// From where.
        source: AddressSource,
        /// The addresses, with or without the peer id at their ends.
        addresses: Vec<Multiaddr>,
    },
    /// A source that was asked with [`DialerOutput::FindAddresses`] has no more addresses of this peer.
    Exhausted {
        /// Whose.
        peer: PeerId,
        /// Which source.
        source: AddressSource,
    },
    /// The answer to [`DialerOutput::Lookup`].
    LookedUp {
        /// Which question.
        lookup: LookupId,
        /// The records, or why there are none.
        result: Result<Records, TransportError>,
    },
    /// The byte stream of an attempt is there, and is being upgraded to a connection. Addresses of its dial whose time has not come may
    /// wait for that a little.
    Upgrading {
        /// Which attempt.
        attempt: AttemptId,
    },
    /// An attempt has brought an open connection to `peer`, who is the one that it was for, if it was for one.
    Succeeded {
        /// Which attempt.
        attempt: AttemptId,
        /// The connection.
        connection: ConnectionId,
        /// Who is at its other end, proven.
        peer: PeerId,
    },
    /// An attempt has ended without a connection.
    Failed {
        /// Which attempt.
        attempt: AttemptId,
        /// Why.
        error: AttemptError,
    },
    /// A connection to a peer is open that no attempt brought: the peer made it.
    Connected {
        /// The connection.
        connection: ConnectionId,
        /// Who is at its other end, proven.
        peer: PeerId,
    },
    /// Where this node listens: never dialled.
    Listening {
        /// All of its addresses.
        addresses: Vec<Multiaddr>,
    },
    /// Ends every dial with [`DialError::ShuttingDown`]; none starts any more.
    ShutDown,
}

/// What a dialer wants done, and what it answers.
#[derive(Debug, Clone, PartialEq)]
pub enum DialerOutput {
    /// Look for addresses of a peer. Answered by any number of [`DialerInput::Addresses`] and then one [`DialerInput::Exhausted`].
    FindAddresses {
        /// Whose.
        peer: PeerId,
        /// Where to look: [`AddressSource::Book`] or [`AddressSource::Routing`].
        source: AddressSource,
    },
    /// Nobody waits for the peer's addresses from there any more. Needs no answer.
    StopFinding {
        /// Whose.
        peer: PeerId,
        /// Where.
        source: AddressSource,
    },
    /// Ask the name service. Answered by [`DialerInput::LookedUp`].
    Lookup {
        /// Comes back in the answer.
        lookup: LookupId,
        /// The name, checked: letters, digits, `-`, `_` and dots, at most 253 bytes, perhaps with a dot at its end.
        name: String,
        /// Which of its records.
        kind: RecordKind,
    },
    /// Nobody waits for these records any more. Needs no answer.
    CancelLookup {
        /// Which question.
        lookup: LookupId,
    },
    /// Connect. Answered by [`DialerInput::Succeeded`] or [`DialerInput::Failed`], unless it is cancelled before.
    Start {
        /// Comes back in the answer.
        attempt: AttemptId,
        /// Who must be there.
        peer: Option<PeerId>,
        /// Where, without a peer id at its end and without names.
        address: Multiaddr,
    },
    /// Stop an attempt; its tokens are free already. Needs no answer. A connection that it brings nevertheless is closed.
    CancelAttempt {
        /// Which attempt.
        attempt: AttemptId,
    },
    /// The one answer to a wish.
    Finished {
        /// Which wish.
        dial: DialId,
        /// The connection, or why there is none.
        result: Result<ConnectionId, DialError>,
    },
    /// How an address fares, for whoever looks on: the user, and the peer book. No dial depends on it.
    Progress(DialProgress),
}

/// How one address of a dial fares.
#[derive(Debug, Clone, PartialEq)]
pub struct DialProgress {
    /// Who is dialled.
    pub peer: Option<PeerId>,
    /// The address.
    pub address: Multiaddr,
    /// What happened to it.
    pub state: AttemptState,
}

/// What happened to an address of a dial.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptState {
    /// It is dialled after the delay of its rank, or sooner if nothing else is in flight.
    Queued {
        /// Where it came from.
        source: AddressSource,
        /// The delay.
        delay: Duration,
    },
    /// Its time has come, and it waits for a token.
    Waiting {
        /// Which one.
        token: Token,
    },
    /// It is being dialled.
    Started,
    /// It is no way to the peer.
    Failed {
        /// Why.
        error: AttemptError,
    },
    /// Another address was faster, or nobody waits any more.
    Cancelled,
    /// It brought the connection.
    Won,
}

/// An attempt that is under way or waits for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptInfo {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Who must be there.
    pub peer: Option<PeerId>,
    /// Where.
    pub address: Multiaddr,
    /// The token that it waits for. `None`: it is under way.
    pub lacks: Option<Token>,
}

/// What an attempt takes from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Token {
    /// One of the peer's: see [`DialerConfig::max_attempts_per_peer`](super::DialerConfig::max_attempts_per_peer).
    Peer,
    /// One of the file descriptors': see [`DialerConfig::max_descriptors`](super::DialerConfig::max_descriptors).
    Descriptor,
}

/// What dialling an address costs while it lasts, beside the peer's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A file descriptor: TCP and what runs over it.
    Descriptor,
    /// Nothing: what shares a socket or a connection, as relayed addresses do, or needs none.
    Nothing,
}

/// Which addresses the driver can dial, and what that costs. It answers the same for the same address as long as the node lives.
pub trait Dialable: fmt::Debug + Send + Sync {
    /// What dialling `address` costs. It has no peer id at its end and no names in it.
    ///
    /// # Errors
    /// No transport takes the address: [`TransportError::Unsupported`] says what they take.
    fn cost(&self, address: &Multiaddr) -> Result<Cost, TransportError>;
}

/// Why an address did not bring a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// It is not an address that can be dialled. Blame: who told it.
    #[error("{0}")]
    Address(#[from] InvalidAddress),
    /// It leads nowhere from here, or to somewhere else from everywhere. Blame: who told it.
    #[error("{0}")]
    Undialable(&'static str),
    /// It is this node's own. Blame: who told it.
    #[error("this address leads back to this node itself")]
    SelfDial,
    /// Another peer than the one that was dialled answered. Blame: the peer.
    #[error("the peer at this address is {actual}, not {expected}")]
    WrongPeer {
        /// Who was expected.
        expected: PeerId,
        /// Who answered.
        actual: PeerId,
    },
    /// The byte stream could not be connected. Blame: see the cause.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// There was no open connection in time. Blame: timeout.
    #[error("no answer in time")]
    Timeout,
    /// The connection died before it was open. Blame: see the cause.
    #[error("{0}")]
    Connection(ConnectionError),
    /// A limit of connections is reached, ours or one of their ranges. Only another connection's end makes room, so it fails at once; it
    /// says nothing of the address, which may be dialled again at any time. Blame: a limit.
    #[error("{0}")]
    Limit(#[from] ConnectionLimit),
    /// It failed a short while ago, and is not dialled before the time is over. Blame: a limit.
    #[error("it failed a short while ago, and is not dialled again for {} s", .remaining.as_secs().saturating_add(1))]
    Backoff {
        /// How long it will not be dialled.
        remaining: Duration,
    },
    /// Addresses of its kind hardly ever answer from here. Blame: a limit.
    #[error("addresses of this kind do not work from here: nearly none of the last 100 answered")]
    BlackHole,
    /// Another address of the peer leads to the same port in a better way, and is dialled: plain TCP, where this one says WebSockets over
    /// it; or QUIC version 1, where this one says WebTransport or an older QUIC. Blame: closed.
    #[error("another address leads to the same port with less overhead, and is dialled instead")]
    Redundant,
    /// The user's rules forbid it. Blame: the caller.
    #[error("{0}")]
    Blocked(#[from] AccessDenied),
    /// There are more addresses than are kept of a peer. Blame: who told them.
    #[error("more addresses than are dialled for one peer")]
    TooMany,
    /// The dial ended before its turn came. Blame: closed.
    #[error("the dial ended before its turn came")]
    NotTried,
}

impl AttemptError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Address(_) | Self::Undialable(_) | Self::SelfDial | Self::Blocked(_) => Blame::Caller,
            Self::Transport(TransportError::Address(_) | TransportError::Unsupported { .. }) => Blame::Caller,
            Self::WrongPeer { .. } => Blame::Peer,
            Self::Transport(_) | Self::NotTried | Self::Redundant => Blame::Closed,
            Self::Timeout => Blame::Timeout,
            Self::Connection(error) => error.blame(),
            Self::Limit(limit) => limit.blame(),
            Self::Backoff { .. } | Self::BlackHole | Self::TooMany => Blame::Limit,
        }
    }
}

impl From<ConnectionError> for AttemptError {
    fn from(error: ConnectionError) -> Self {
        match &error {
            ConnectionError::Limit(limit) => return Self::Limit(*limit),
            ConnectionError::Denied(denied) => return Self::Blocked(*denied),
            ConnectionError::Security { error, .. } => match **error {
                SecurityError::SelfDial => return Self::SelfDial,
                SecurityError::WrongPeer { expected, actual } => return Self::WrongPeer { expected, actual },
                _ => {}
            },
            _ => {}
        }
        Self::Connection(error)
    }
}

/// Why a dial brought no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Every address failed: each of them, with its own cause, in the order in which they became known. Blame: see the causes.
    #[error("{}", list(.0))]
    Failed(Vec<(Multiaddr, AttemptError)>),
    /// Nobody knows an address of the peer: neither the caller, nor the peer book, nor peer routing. Blame: the caller.
    #[error(
        "no address of this peer is known, not even to the peer book; say one, or add peer routing to the node"
    )]
    NoAddresses,
    /// The peer is this node itself. Blame: the caller.
    #[error("this is the node itself")]
    SelfDial,
    /// The peer is being dialled already. Blame: the caller.
    #[error("the peer is being dialled already")]
    AlreadyDialing,
    /// The time for the whole dial is over. These addresses had failed by then, or were not done. Blame: timeout.
    #[error("no connection in time{}", list_more(.0))]
    Timeout(Vec<(Multiaddr, AttemptError)>),
    /// The user's rules forbid the peer, so the dialer never heard of it. An address that they forbid is [`AttemptError::Blocked`], and so
    /// is a peer whose id was not known before it answered. Blame: the caller.
    #[error("{0}")]
    Blocked(#[from] AccessDenied),
    /// As many dials wait as may. Blame: a limit.
    #[error("{0} dials are waiting already, as many as may")]
    TooMany(usize),
    /// The user no longer wanted it. Blame: closed.
    #[error("the dial was cancelled")]
    Cancelled,
    /// The node shuts down. Blame: closed.
    #[error("the node is shutting down")]
    ShuttingDown,
    /// The id was used before. Blame: the caller.
    #[error("the dial id was used before")]
    IdReused,
}

fn list(failures: &[(Multiaddr, AttemptError)]) -> String {
    match failures {
        [(_, error)] => error.to_string(),
        several => {
            let each = several.iter().map(|(address, error)| format!("{address}: {error}"));
            format!(
                "none of {} addresses could be reached: {}",
                several.len(),
                each.collect::<Vec<_>>().join("; ")
            )
        }
    }
}

fn list_more(failures: &[(Multiaddr, AttemptError)]) -> String {
    if failures.is_empty() { String::new() } else { format!("; {}", list(failures)) }
}

impl DialError {
    /// Whose fault it is. Where several addresses failed: what the last one's was.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Failed(failures) => failures.last().map_or(Blame::Caller, |(_, error)| error.blame()),
            Self::NoAddresses | Self::SelfDial | Self::AlreadyDialing | Self::Blocked(_) | Self::IdReused => {
                Blame::Caller
            }
            Self::Timeout(_) => Blame::Timeout,
            Self::TooMany(_) => Blame::Limit,
            Self::Cancelled | Self::ShuttingDown => Blame::Closed,
        }
    }

    /// The causes, by address.
    pub fn failures(&self) -> &[(Multiaddr, AttemptError)] {
        match self {
            Self::Failed(failures) | Self::Timeout(failures) => failures,
            _ => &[],
        }
    }
}
