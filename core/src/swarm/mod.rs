//! The swarm: listeners, dials, connections and their limits, and the mounted protocols on the streams.
//!
//! A [`Swarm`] is a [`Machine`]. It never touches a byte of a connection: it hands out
//! [`Connection`](crate::connection::Connection)s by value, and talks to them in messages that the driver carries. What it knows of a connection is what the connection last said.
//!
//! # What keeps a connection open
//!
//! A connection stays open as long as at least one of these holds, and for
//! [`idle_timeout`](ConnectionConfig::idle_timeout) after the last of them has ended:
//!
//! - a stream with [`StreamOptions::keep_alive`] is open. Raw streams of the application have it, and the question of identify; those
//!   of ping, and those on which identify answers, do not, or no connection would ever be idle;
//! - we are opening such a stream, or the wish for a stream waits for the muxer;
//! - the user or a protocol wishes it ([`SwarmInput::KeepAlive`], [`ToSwarm::KeepAlive`](crate::protocols::ToSwarm::KeepAlive)).
//!
//! Bytes on other streams count for nothing. Each side judges for itself, so a connection lasts as long as both need it. One that
//! was just made has `idle_timeout` to be used.
//!
//! [`Swarm::why_alive`] tells which of these hold for a connection.
//!
//! # Who is let in, and who has to go
//!
//! A remote that connects is refused, before anything is made for it, if the user's [`AccessRules`] do not allow its address or a limit
//! is reached: of connections in all, or of its narrow or wide range of addresses ([`Limits`]). Once its peer is known, the connection is
//! closed unreported if the rules do not allow the peer, or if it has as many connections as one may. [`Watermarks`], where they are
//! set, close the least useful connections when there are many; [`StandingChange`] says what peers are worth.
//!
//! # What it remembers of peers
//!
//! The [peer book](crate::peer_book) notes whom a connection was open to, by which address where we dialled it, and until when; what
//! peers [tell](crate::protocols::ToSwarm::Identified) of themselves; and where protocols that
//! [find peers](crate::protocols::Protocol::finds_peers) say that they are. An address that was dialled in vain is tried last from then on, and
//! one where another peer answers is forgotten, unless the user said it. So [dialling a peer](DialTarget) by its id alone finds whoever was
//! met before. Of this node itself nothing is noted.
//!
//! # Several connections to one peer
//!
//! They are equals: both sides open streams on any of them, and each lives and ends by itself. Two nodes that dial each other at the
//! same time have two connections. For [`Target::Peer`](crate::protocols::Target::Peer) the swarm takes the best one: one that
//! we have not told to close before one that we have, then a direct one before one over a relay (`/p2p-circuit` in the remote address),
//! then the one with most streams, then the oldest.

mod connections;
mod counters;
pub mod dialer;
mod dialing;
mod gate;
mod learning;
mod limits;
mod ranges;
mod standing;
mod streams;
#[cfg(test)]
mod tests;
mod types;
mod watermarks;
mod why;
mod wishes;

pub use counters::{ByDirection, ClosedConnections, FailedIncoming, SwarmCounters};
pub use dialer::{DialError, DialId, DialOptions, DialTarget, DialerConfig};
pub use gate::{
    AccessChange, AccessDenied, AccessRules, AddressRange, InvalidPeerOrRange, InvalidRange, PeerOrRange,
};
pub use limits::{ConnectionLimit, Count, Limits, RangeLimits, Rate, Usage};
pub use standing::{
    MAX_NAME_BYTES, MAX_NAMES_PER_PEER, MAX_RATED_PEERS, Standing, StandingChange, StandingError,
};
pub use types::{
    ConnectionInfo, Entropy, ListenError, ListenerId, SwarmEvent, SwarmInput, SwarmOutput, TransportError,
};
pub use watermarks::Watermarks;
pub use why::{AliveBecause, Aliveness, WhyAlive};

use crate::address::{self, Multiaddr};
use crate::collections::Queue;
use crate::connection::{
    ConnectionConfig, ConnectionError, ConnectionId, NodeMessage, OpenId, ProtocolTable, ToConnection,
};
use crate::identity::{Keypair, PeerId};
use crate::machine::Machine;
use crate::negotiation::ProtocolId;
use crate::peer_book::{PeerBook, PeerBookConfig};
use crate::protocols::{Fact, LocalInfo, Protocols, RequestId, StreamOptions};
use crate::security::HandshakeSetup;
use crate::seed::Seed;
use crate::time::{Deadline, Instant, Latest};
use connections::{Record, State};
use dialer::{AttemptError, AttemptId, Dialer, DialerInput};
use ranges::Ranges;
use smallvec::SmallVec;
use standing::Standings;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use streams::{Owner, PendingOpen};
use watermarks::Trimming;
use wishes::{Wisher, Wishes};

/// How a swarm behaves.
#[derive(Debug, Clone)]
pub struct SwarmConfig {
    /// How its connections behave.
    pub connection: ConnectionConfig,
    /// How it dials.
    pub dialer: DialerConfig,
    /// How many peers it remembers, and how much of each.
    pub peer_book: PeerBookConfig,
    /// Whether it tells how each address of a dial fares ([`SwarmEvent::Dialing`]): several events for each dial. Default: no.
    pub reports_attempts: bool,
    /// How many connections and streams there may be.
    pub limits: Limits,
    /// Who may be connected.
    pub access: AccessRules,
    /// When connections are closed because there are too many. Default: `None`. Those that nobody needs are closed when they are
    /// idle, and remotes over the [limits](Self::limits) are refused, so it takes somebody who knows what peers are worth to say
    /// that one in use is to make room for another.
    pub watermarks: Option<Watermarks>,
    /// How many bytes of messages may wait on one stream before sending answers `Blocked`. One message always may.
    pub max_unsent_bytes: usize,
}

impl Default for SwarmConfig {
    /// Everybody may be connected, and no watermarks; 64 KiB unsent on a stream.
    fn default() -> Self {
        Self {
            connection: ConnectionConfig::default(),
            dialer: DialerConfig::default(),
            peer_book: PeerBookConfig::default(),
            reports_attempts: false,
            limits: Limits::default(),
            access: AccessRules::default(),
            watermarks: None,
            max_unsent_bytes: 64 * 1024,
        }
    }
}

/// Connections, and the protocols `P` on them. See the [module documentation](self).
pub struct Swarm<P: Protocols> {
    config: SwarmConfig,
    connection_config: Arc<ConnectionConfig>,
    keypair: Arc<Keypair>,
    local_peer: PeerId,
    seed: Seed,
    protocols: P,
    /// Who gets the streams of which inbound protocol.
    owners: BTreeMap<ProtocolId, Owner>,
    table: Arc<ProtocolTable>,
    listeners: BTreeMap<ListenerId, Vec<Multiaddr>>,
    /// Boxed, because a map's nodes are half empty when ids count up.
    connections: BTreeMap<ConnectionId, Box<Record>>,
    peers: BTreeMap<PeerId, SmallVec<[ConnectionId; 1]>>,
    usage: Usage,
    /// But for what there is now.
    counters: SwarmCounters,
    ranges: Ranges,
    access: AccessRules,
    standings: Standings,
    trimming: Trimming,
    /// Connections that are to stay open, and who wishes it.
    kept: BTreeSet<(ConnectionId, Owner)>,
    /// Connections that the driver has yet to take.
    untaken: BTreeMap<ConnectionId, HandshakeSetup>,
    opens: BTreeMap<(ConnectionId, OpenId), PendingOpen>,
    /// The wishes in `opens`, by what their owners call them.
    requests: BTreeSet<(Owner, RequestId)>,
    dialer: Dialer,
    wishes: Wishes,
    book: PeerBook,
    /// The attempts that the dialer waits for.
    attempts: BTreeMap<AttemptId, ConnectionId>,
    /// The protocols that find peers.
    finders: Vec<usize>,
    /// The peers that they are looking for.
    finding: BTreeSet<(PeerId, usize)>,
    outputs: Queue<SwarmOutput<P::Event>>,
    ids: Ids,
    life: Life,
    latest: Latest,
    /// When it was last told, and the time since 1970 at that time.
    wall_clock: Option<(Instant, Duration)>,
}

/// The next id of each kind.
#[derive(Debug, Default)]
struct Ids {
    connection: u64,
    open: u64,
    listener: u64,
    dial: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    ShuttingDown,
    Over,
}

impl<P: Protocols> Swarm<P> {
    /// A swarm with the identity `keypair` and the mounted `protocols`.
    pub fn new(
        config: SwarmConfig,
        keypair: impl Into<Arc<Keypair>>,
        protocols: P,
        mut seed: Seed,
        now: Instant,
    ) -> Self {
        let keypair = keypair.into();
        let mut connection_config = config.connection.clone();
        connection_config.prepare(&keypair, &mut seed);
        let finders = protocols.finders();
        let mut owners = BTreeMap::new();
        let mut table = ProtocolTable::default();
        for (index, inbound) in protocols.inbound() {
            table.0.insert(inbound.id.clone(), inbound.options);
            owners.insert(inbound.id, Owner::protocol(index));
        }
        let local_peer = keypair.public().to_peer_id();
        let book = PeerBook::new(config.peer_book);
        let dialer = Dialer::new(config.dialer.clone(), local_peer, seed.child("dialer"), now);
        let mut swarm = Self {
            connection_config: Arc::new(connection_config),
            access: config.access.clone(),
            config,
            local_peer,
            keypair,
            seed,
            protocols,
            owners,
            table: Arc::new(table),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            peers: BTreeMap::new(),
            usage: Usage::default(),
            counters: SwarmCounters::default(),
            ranges: Ranges::default(),
            standings: Standings::default(),
            trimming: Trimming::default(),
            kept: BTreeSet::new(),
            untaken: BTreeMap::new(),
            opens: BTreeMap::new(),
            requests: BTreeSet::new(),
            dialer,
            wishes: Wishes::default(),
            book,
            attempts: BTreeMap::new(),
            finders,
            finding: BTreeSet::new(),
            outputs: Queue::default(),
            ids: Ids::default(),
            life: Life::Running,
            latest: Latest::default(),
            wall_clock: None,
        };
        swarm.tell_local(now);
        swarm.drain_protocols(now);
        swarm
    }

    /// Who this node is.
    pub fn local_peer(&self) -> PeerId {
        self.local_peer
    }

    /// Where the node listens.
    pub fn listen_addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.listeners.values().flatten()
    }

    /// The mounted protocols.
    pub fn protocols(&self) -> &P {
        &self.protocols
    }

    /// Whether a mounted machine has this protocol.
    pub fn is_mounted(&self, protocol: &ProtocolId) -> bool {
        matches!(self.owners.get(protocol), Some(Owner::Protocol(_)))
    }

    /// The peers to whom a connection is open, each once.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.peers.keys().copied()
    }

    /// Whether a connection is open or on the way.
    pub fn has_connection(&self, connection: ConnectionId) -> bool {
        self.connections.contains_key(&connection)
    }

    /// What is known of an open connection.
    pub fn connection_info(&self, connection: ConnectionId) -> Option<ConnectionInfo> {
        let Record { role, remote_address, state } = self.record(connection)?;
        let State::Open { peer, security, muxer, .. } = state else { return None };
        Some(ConnectionInfo {
            peer: *peer,
            role: *role,
            remote_address: remote_address.clone(),
            security: security.clone(),
            muxer: muxer.clone(),
        })
    }

    /// How many connections there are, open or on the way.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// How much there is of what [`Limits`] limits.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// What it has done, and what there is now. Costs what [`Dialer::counters`] costs.
    pub fn counters(&self) -> SwarmCounters {
        SwarmCounters {
            usage: self.usage,
            peers: self.peers.len(),
            known_peers: self.book.len(),
            dialer: self.dialer.counters(),
            ..self.counters
        }
    }

    /// Who may be connected.
    pub fn access(&self) -> &AccessRules {
        &self.access
    }

    /// What a peer is worth; `None` if it has no tags and no protections.
    pub fn standing(&self, peer: &PeerId) -> Option<&Standing> {
        self.standings.get(peer)
    }

    /// Whether [`SwarmInput::Standing`] would be done now.
    ///
    /// # Errors
    /// Why not.
    pub fn check_standing(&self, change: &StandingChange) -> Result<(), StandingError> {
        self.standings.check(change)
    }

    /// Who was heard of, and where they can be reached. See [what it remembers](self#what-it-remembers-of-peers).
    pub fn peer_book(&self) -> &PeerBook {
        &self.book
    }

    /// To restore what was stored, to add and forget peers, and to take what is to be stored. A dial that has read the book does not
    /// read it again.
    pub fn peer_book_mut(&mut self) -> &mut PeerBook {
        &mut self.book
    }

    /// Draws the id for an incoming connection.
    pub fn next_connection_id(&mut self) -> ConnectionId {
        let id = ConnectionId(self.ids.connection);
        self.ids.connection = self.ids.connection.saturating_add(1);
        id
    }

    /// Makes [`SwarmInput::Listen`] and returns its id.
    pub fn listen(&mut self, address: Multiaddr, now: Instant) -> ListenerId {
        let listener = ListenerId(self.ids.listener);
        self.handle_input(SwarmInput::Listen { listener, address }, now);
        listener
    }

    /// Makes [`SwarmInput::Dial`] with the default options and returns its id.
    pub fn dial(&mut self, target: impl Into<DialTarget>, now: Instant) -> DialId {
        self.dial_with(target, DialOptions::default(), now)
    }

    /// Makes [`SwarmInput::Dial`] and returns its id.
    pub fn dial_with(&mut self, target: impl Into<DialTarget>, options: DialOptions, now: Instant) -> DialId {
        let (dial, target) = (DialId(self.ids.dial), target.into());
        self.handle_input(SwarmInput::Dial { dial, target, options }, now);
        dial
    }

    fn handle_listen(&mut self, listener: ListenerId, address: Multiaddr) {
        let error = if listener.0 < self.ids.listener {
            ListenError::IdReused
        } else if self.life != Life::Running {
            ListenError::ShuttingDown
        } else {
            self.ids.listener = listener.0.saturating_add(1);
            self.listeners.insert(listener, Vec::new());
            return self.outputs.push(SwarmOutput::Listen { listener, address });
        };
        self.event(SwarmEvent::ListenFailed { listener, error });
    }

    fn handle_listening(&mut self, listener: ListenerId, address: Multiaddr, now: Instant) {
        if let Some(addresses) = self.listeners.get_mut(&listener)
            && !addresses.contains(&address)
        {
            addresses.push(address.clone());
            self.event(SwarmEvent::Listening { listener, address });
            self.tell_local(now);
        }
    }

    fn close_listener(&mut self, listener: ListenerId, event: SwarmEvent, now: Instant) {
        if self.listeners.remove(&listener).is_some() {
            self.event(event);
            self.tell_local(now);
        }
    }

    fn set_handler(&mut self, protocol: ProtocolId, wanted: bool, now: Instant) {
        let owner = self.owners.get(&protocol);
        if let Some(Owner::Protocol(_)) = owner {
            return self.event(SwarmEvent::ProtocolTaken { protocol });
        }
        if owner.is_some() == wanted {
            return;
        }
        let mut table = (*self.table).clone();
        if wanted {
            table.0.insert(protocol.clone(), StreamOptions::raw());
            self.owners.insert(protocol, Owner::Application);
        } else {
            table.0.remove(&protocol);
            self.owners.remove(&protocol);
        }
        self.table = Arc::new(table);
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in ids {
            self.send(id, NodeMessage::Protocols(self.table.clone()));
        }
        self.tell_local(now);
    }

    /// Tells the dialer and the protocols what this node is.
    fn tell_local(&mut self, now: Instant) {
        let addresses: Vec<Multiaddr> = self.listen_addresses().cloned().collect();
        self.tell_dialer(DialerInput::Listening { addresses: addresses.clone() }, now);
        let info = Arc::new(LocalInfo {
            peer: self.local_peer,
            public_key: self.keypair.public().clone(),
            listen_addresses: addresses,
            protocols: self.table.0.keys().cloned().collect(),
        });
        self.broadcast(&Fact::Local(info), now);
    }

    fn broadcast(&mut self, fact: &Fact, now: Instant) {
        for index in 0..P::COUNT {
            self.protocols.handle_fact(index, fact.clone(), now);
        }
    }

    fn event(&mut self, event: SwarmEvent) {
        self.outputs.push(SwarmOutput::Event(event));
    }

    /// Sends a message to a connection whose byte stream exists.
    fn send(&mut self, connection: ConnectionId, message: NodeMessage) {
        if self.record(connection).is_some_and(Record::is_attached) {
            self.outputs.push(SwarmOutput::ToConnection { connection, message: ToConnection(message) });
        }
    }

    fn shut_down(&mut self, now: Instant) {
        if self.life != Life::Running {
            return;
        }
        self.life = Life::ShuttingDown;
        self.trimming = Trimming::default();
        let listeners: Vec<ListenerId> = self.listeners.keys().copied().collect();
        for listener in listeners {
            self.outputs.push(SwarmOutput::StopListening { listener });
            self.close_listener(listener, SwarmEvent::ListenerClosed { listener }, now);
        }
        self.tell_dialer(DialerInput::ShutDown, now);
        let connections: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in connections {
            self.send(connection, NodeMessage::Shutdown(ConnectionError::ClosedHere));
        }
    }

    /// The last word, once nothing is left.
    fn finish_shutdown(&mut self, now: Instant) {
        if self.life == Life::ShuttingDown && self.connections.is_empty() {
            self.protocols.shut_down(now);
            self.drain_protocols(now);
            self.life = Life::Over;
            self.event(SwarmEvent::ShutDown);
        }
    }
}

impl<P: Protocols> Machine for Swarm<P> {
    type Input = SwarmInput<P::Command>;
    type Output = SwarmOutput<P::Event>;

    fn handle_input(&mut self, input: Self::Input, now: Instant) {
        let now = self.latest.see(now);
        if self.life == Life::Over {
            return self.refuse(input, now);
        }
        match input {
            SwarmInput::Listen { listener, address } => self.handle_listen(listener, address),
            SwarmInput::StopListening { listener } => {
                if self.listeners.contains_key(&listener) {
                    self.outputs.push(SwarmOutput::StopListening { listener });
                }
                self.close_listener(listener, SwarmEvent::ListenerClosed { listener }, now);
            }
            SwarmInput::Dial { dial, target, options } => self.handle_dial(dial, target, options, now),
            SwarmInput::CancelDial { dial } => self.cancel_dial(Wisher::User(dial), now),
            SwarmInput::LookedUp { lookup, result } => {
                self.tell_dialer(DialerInput::LookedUp { lookup, result }, now);
            }
            SwarmInput::OpenStream { request, target, protocols } => {
                self.open_stream(Owner::Application, request, target, protocols, StreamOptions::raw(), now);
            }
            SwarmInput::HandleProtocol { protocol } => self.set_handler(protocol, true, now),
            SwarmInput::StopHandlingProtocol { protocol } => self.set_handler(protocol, false, now),
            SwarmInput::Disconnect { connection } => self.disconnect(connection, now),
            SwarmInput::KeepAlive { connection, wanted } => {
                self.keep_alive(Owner::Application, connection, wanted);
            }
            SwarmInput::Access(change) => self.change_access(change, now),
            SwarmInput::Standing(change) => {
                if let Err(error) = self.standings.apply(change.clone()) {
                    self.event(SwarmEvent::StandingRefused { change, error });
                }
            }
            SwarmInput::Command(command) => self.protocols.handle_command(command, now),
            SwarmInput::Shutdown => self.shut_down(now),
            SwarmInput::Entropy(Entropy(entropy)) => self.seed.mix(&entropy),
            SwarmInput::WallClock { since_1970 } => self.wall_clock = Some((now, since_1970)),
            SwarmInput::Listening { listener, address } => self.handle_listening(listener, address, now),
            SwarmInput::ListenFailed { listener, error } => {
                let event = SwarmEvent::ListenFailed { listener, error: error.into() };
                self.close_listener(listener, event, now);
            }
            SwarmInput::Incoming { connection, listener, remote_address } => {
                self.handle_incoming(connection, listener, remote_address, now);
            }
            SwarmInput::Dialed { connection, remote_address } => {
                self.handle_dialed(connection, remote_address);
            }
            SwarmInput::DialFailed { connection, error } => {
                self.fail_dial(connection, AttemptError::Transport(error), now);
            }
            SwarmInput::FromConnection { connection, message } => {
                self.handle_message(connection, message.0, now);
            }
        }
        self.drain_protocols(now);
        self.finish_shutdown(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        let now = self.latest.see(now);
        self.dialer.handle_timeout(now);
        self.drain_dialer(now);
        self.trim_if_due(now);
        self.protocols.handle_timeout(now);
        self.drain_protocols(now);
        self.finish_shutdown(now);
    }

    fn poll_output(&mut self) -> Option<Self::Output> {
        self.outputs.pop()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        if self.life == Life::Over {
            return None;
        }
        let own = Deadline::earlier(self.dialer.poll_timeout(), self.trimming.deadline());
        Deadline::earlier(own, self.protocols.poll_timeout())
    }
}
