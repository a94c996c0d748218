//! How a dialer behaves, and what it counts.

use super::types::{Cost, Dialable, Token};
use crate::address::{Multiaddr, Protocol, is_relayed};
use crate::swarm::TransportError;
use std::sync::Arc;
use std::time::Duration;

/// The shortest timeout; a shorter one counts as this.
pub const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// How a [`Dialer`](super::Dialer) behaves. A limit of zero counts as one, and a timeout below [`MIN_TIMEOUT`] as that.
#[derive(Debug, Clone)]
pub struct DialerConfig {
    /// Attempts to reach one peer that may be under way at a time; further ones wait. Those that wait for a descriptor count. Stops
    /// a peer with many addresses from taking every descriptor. Default: 8.
    pub max_attempts_per_peer: usize,
    /// Attempts in all that cost a file descriptor and may be under way at a time; further ones wait. Stops dials from using up the
    /// process's descriptors, and the network from seeing a flood. It should be less than
    /// [`Limits::max_pending_outbound`](crate::swarm::Limits::max_pending_outbound), at which attempts fail. Default: 160.
    pub max_descriptors: usize,
    /// How long one attempt may take until the connection is open. Default: 15 s.
    pub attempt_timeout: Duration,
    /// The same for a loopback, link-local or private address, where answers are near. Default: 5 s.
    pub local_attempt_timeout: Duration,
    /// How long a wish waits, unless it says otherwise. Default: 60 s.
    pub dial_timeout: Duration,
    /// Addresses that one dial takes, whatever they come from, those included that are refused and those with names. Further ones are
    /// dropped, and [`AttemptError::TooMany`](super::AttemptError::TooMany) stands for them. Of what others than the callers tell,
    /// it takes three quarters as many, so that they cannot keep out what a caller knows who joins later. Stops peers and name servers
    /// from making us dial without end. Default: 100.
    pub max_addresses: usize,
    /// Wishes that wait for their answer; further ones fail with [`DialError::TooMany`](super::DialError::TooMany). Stops whoever makes
    /// this node dial from filling its memory. Default: 16,384.
    pub max_dials: usize,
    /// When an address that failed may be dialled again.
    pub backoff: BackoffConfig,
    /// When a kind of address is given up.
    pub black_hole: BlackHoleConfig,
    /// Questions to the name service that one dial asks; what needs more fails. Stops a name that leads to ever more names. Default: 32.
    pub max_lookups: usize,
    /// How long the IPv4 addresses of a name wait for its IPv6 addresses where they are known first, so that those are dialled first: the
    /// resolution delay of RFC 8305, section 3. They wait no longer than until the question for the others is answered. Zero: not at all.
    /// Default: 50 ms.
    pub resolution_delay: Duration,
    /// Names of `/dnsaddr` that may lead to one another, the first one included. Stops chains of names. Default: 4.
    pub max_name_depth: usize,
    /// Which addresses the driver can dial, and what that costs. Default: [`EveryAddress`].
    pub dialable: Arc<dyn Dialable>,
}

impl Default for DialerConfig {
    /// What is said at each field.
    fn default() -> Self {
        Self {
            max_attempts_per_peer: 8,
            max_descriptors: 160,
            attempt_timeout: Duration::from_secs(15),
            local_attempt_timeout: Duration::from_secs(5),
            dial_timeout: Duration::from_secs(60),
            max_addresses: 100,
            max_dials: 16_384,
            backoff: BackoffConfig::default(),
            black_hole: BlackHoleConfig::default(),
            max_lookups: 32,
            resolution_delay: Duration::from_millis(50),
            max_name_depth: 4,
            dialable: Arc::new(EveryAddress),
        }
    }
}

/// When an address of a peer may be dialled again after it failed.
///
/// The first time after [`base`](Self::base); after `n` more failures, after `base + n² × step`; never later than
/// [`max`](Self::max). Up to a tenth more is drawn, so that nodes that failed together do not come back together. A connection to the
/// peer, whoever made it, ends the backoff of all its addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffConfig {
    /// The first backoff. Default: 5 s.
    pub base: Duration,
    /// How fast it grows. Default: 1 s.
    pub step: Duration,
    /// The longest. Default: 300 s.
    pub max: Duration,
    /// Addresses of which a failure is remembered. Beyond it the one that would be forgotten first is forgotten. Stops peers with many
    /// bad addresses from filling our memory. Default: 8,192.
    pub max_entries: usize,
}

impl Default for BackoffConfig {
    /// What is said at each field.
    fn default() -> Self {
        Self {
            base: Duration::from_secs(5),
            step: Duration::from_secs(1),
            max: Duration::from_secs(300),
            max_entries: 8_192,
        }
    }
}

/// When a kind of address, IPv6 or UDP, counts as one that does not work from here.
///
/// Some networks swallow what is sent that way, and each dial would waste time on it. Only public addresses are counted and held
/// back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlackHoleConfig {
    /// So many attempts of a kind are looked at, the latest. While the kind is held back, each address of so many is dialled
    /// nevertheless, to see whether it works again. Default: 100.
    pub window: usize,
    /// A kind is held back when fewer of them than this succeeded. Zero: never. Default: 5.
    pub min_successes: usize,
}

impl Default for BlackHoleConfig {
    /// What is said at each field.
    fn default() -> Self {
        Self { window: 100, min_successes: 5 }
    }
}

/// Takes every address; what it costs is what [`Cost::of`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EveryAddress;

impl Dialable for EveryAddress {
    fn cost(&self, address: &Multiaddr) -> Result<Cost, TransportError> {
        Ok(Cost::of(address))
    }
}

impl Cost {
    /// What dialling an address usually costs: a descriptor for TCP, Unix sockets and what runs over them, nothing for what a relay
    /// dials, for what shares a UDP socket, and for the rest.
    pub fn of(address: &Multiaddr) -> Self {
        let needs_socket = |component| matches!(component, Protocol::Tcp(_) | Protocol::Unix(_));
        if !is_relayed(address) && address.iter().any(needs_socket) {
            Self::Descriptor
        } else {
            Self::Nothing
        }
    }
}

/// What a dialer has done since it was made, and what there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DialerCounters {
    /// Wishes that were answered with a connection.
    pub dials_succeeded: u64,
    /// Wishes whose every address failed, or that had none.
    pub dials_failed: u64,
    /// Wishes whose time was over.
    pub dials_timed_out: u64,
    /// Wishes that were cancelled, or ended by the shutdown.
    pub dials_cancelled: u64,
    /// Wishes that could not start: over a limit, of this node itself, of a peer that was being dialled already.
    pub dials_refused: u64,
    /// Addresses that were not dialled: nobody can, or not now, or a better one was.
    pub addresses_refused: u64,
    /// Attempts that were started.
    pub attempts_started: u64,
    /// Attempts that brought the connection.
    pub attempts_succeeded: u64,
    /// Attempts that failed before their time was over.
    pub attempts_failed: u64,
    /// Attempts whose time was over.
    pub attempts_timed_out: u64,
    /// Attempts that were cancelled after they were started.
    pub attempts_cancelled: u64,
    /// Questions to the name service.
    pub lookups: u64,
    /// Now: wishes without an answer.
    pub dials_waiting: usize,
    /// Now: tokens of peers.
    pub peer_tokens: TokenCount,
    /// Now: tokens of descriptors.
    pub descriptors: TokenCount,
}

/// How many tokens of a kind are in use, and how many attempts wait for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenCount {
    /// In use, by attempts that are under way or wait for another token.
    pub in_use: usize,
    /// Attempts that wait for one.
    pub waiting: usize,
}

impl DialerCounters {
    /// The tokens of one kind.
    pub fn tokens(&self, token: Token) -> TokenCount {
        match token {
            Token::Peer => self.peer_tokens,
            Token::Descriptor => self.descriptors,
        }
    }
}
