//! A bare loop in virtual time: nodes, and wires between their connections.

use super::host::Desk;
use crate::counters::disagreement;
use bytes::{Bytes, BytesMut};
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::connection::ConnectionId;
use peerwork_core::machine::{Close, End};
use peerwork_core::muxer::{ReadError, WriteError};
use peerwork_core::node::{LocalOutput, Node, NodeCommand};
use peerwork_core::protocols::{Protocols, StreamKey};
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{ListenerId, SwarmEvent, SwarmInput, TransportError};
use peerwork_core::time::{Deadline, Instant};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A node together with its connections, as a loop turns it.
pub trait Engine {
    /// The user's own protocols.
    type Protocols: Protocols;
    /// What is on its way from one connection to another.
    type Cargo: Cargo;

    /// The node.
    fn node(&self) -> &Node<Self::Protocols>;
    /// How many connections are kept, those included that are over but not yet read to the end.
    fn kept_connections(&self) -> usize;
    /// How many streams there are on all connections.
    fn stream_count(&self) -> usize;
    /// See [`LocalNode::handle_incoming`](peerwork_core::node::LocalNode::handle_incoming).
    fn handle_incoming(
        &mut self,
        listener: ListenerId,
        remote_address: Multiaddr,
        now: Instant,
    ) -> ConnectionId;
    /// Takes what the user wants or what the loop has done.
    fn handle_input(&mut self, input: Input<Self>, now: Instant);
    /// A point in time was reached.
    fn handle_timeout(&mut self, now: Instant);
    /// When to call [`Engine::handle_timeout`].
    fn poll_timeout(&self) -> Option<Deadline>;
    /// The next output.
    fn poll_output(&mut self) -> Option<Output<Self>>;

    /// Moves what a connection has to send onto the wire, about `max` units. Returns whether there was something.
    fn transmit(&mut self, id: ConnectionId, cargo: &mut Self::Cargo, max: usize, now: Instant) -> bool;
    /// Lets `max` units arrive and offers a connection what has arrived. Returns whether anything moved.
    fn receive(&mut self, id: ConnectionId, cargo: &mut Self::Cargo, max: usize, now: Instant) -> bool;
    /// Whether a connection takes input now.
    fn wants_input(&self, id: ConnectionId) -> bool;
    /// Nothing more comes from the wire.
    fn end(&mut self, id: ConnectionId, end: End, now: Instant);

    /// See [`Connection::read`](peerwork_core::connection::Connection::read).
    ///
    /// # Errors
    /// See there.
    fn read(&mut self, stream: StreamKey, max: usize, now: Instant) -> Result<Bytes, ReadError>;
    /// See [`Connection::write`](peerwork_core::connection::Connection::write).
    ///
    /// # Errors
    /// See there.
    fn write(&mut self, stream: StreamKey, data: &[u8], now: Instant) -> Result<usize, WriteError>;
    /// See [`Connection::close_write`](peerwork_core::connection::Connection::close_write).
    fn close_write(&mut self, stream: StreamKey, now: Instant);
    /// See [`Connection::reset`](peerwork_core::connection::Connection::reset).
    fn reset(&mut self, stream: StreamKey, now: Instant);
    /// See [`Connection::abandon`](peerwork_core::connection::Connection::abandon).
    fn abandon(&mut self, stream: StreamKey, now: Instant);
}

/// The input of an engine.
pub type Input<E> = SwarmInput<NodeCommand<<<E as Engine>::Protocols as Protocols>::Command>>;
/// The output of an engine.
pub type Output<E> = LocalOutput<<<E as Engine>::Protocols as Protocols>::Event>;

/// What is on its way.
pub trait Cargo: Default {
    /// How much has been sent and has not arrived.
    fn in_flight(&self) -> usize;
    /// Loses everything.
    fn clear(&mut self);
}

/// Bytes on their way.
#[derive(Debug, Default)]
pub struct ByteCargo {
    /// Sent, and not arrived.
    pub in_flight: BytesMut,
    /// Arrived, and not taken.
    pub arrived: BytesMut,
}

impl ByteCargo {
    /// Lets `max` bytes arrive and offers what has arrived to `handle_input`. Returns whether anything moved.
    pub fn deliver(&mut self, max: usize, handle_input: impl FnOnce(&mut BytesMut)) -> bool {
        let arriving = self.in_flight.split_to(max.min(self.in_flight.len()));
        self.arrived.extend_from_slice(&arriving);
        let before = self.arrived.len();
        if before > 0 {
            handle_input(&mut self.arrived);
        }
        !arriving.is_empty() || self.arrived.len() < before
    }
}

impl Cargo for ByteCargo {
    fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// How bad the wires are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// The most units that arrive at a time; drawn each time.
    pub max_piece: usize,
    /// How many units a wire holds, before whoever sends must wait.
    pub capacity: usize,
    /// The longest time for which a wire stands still, now and then, and that a dial takes.
    pub max_stall: Duration,
}

impl Faults {
    /// None: whatever is sent arrives at once.
    pub const NONE: Self = Self { max_piece: usize::MAX, capacity: 256 * 1024, max_stall: Duration::ZERO };
}

/// What is at an address where no node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// Accepts connections and never says a word.
    Silent,
    /// Refuses connections after so long. Where nobody is, they are refused as soon as the network's faults allow.
    Refuses(Duration),
}

/// One end of a wire: which node, and which connection of it.
type Place = (usize, ConnectionId);

/// What goes from one connection to another.
struct Wire<C> {
    /// `None`: to a silent stranger.
    to: Option<Place>,
    /// Where it was dialled; `None` at the end that accepted.
    dialled: Option<Multiaddr>,
    cargo: C,
    /// The sender ends the wire when it has nothing more to send.
    flushing: bool,
    /// Nothing more is sent.
    ended: bool,
    /// The receiver is gone: what is sent is lost.
    lost: bool,
    /// The receiver knows that nothing more comes.
    told: bool,
    stalled_until: Instant,
}

/// A node and what its user has been told.
pub(super) struct Seat<E: Engine> {
    pub(super) engine: E,
    pub(super) desk: Desk<<E::Protocols as Protocols>::Event>,
}

/// Nodes, and the wires between them.
pub struct Network<E: Engine> {
    pub(super) now: Instant,
    pub(super) seats: Vec<Seat<E>>,
    wires: BTreeMap<Place, Wire<E::Cargo>>,
    listeners: BTreeMap<Multiaddr, (usize, ListenerId)>,
    strangers: BTreeMap<Multiaddr, Stranger>,
    /// Who dials whom, and when the byte stream comes up.
    dials: BTreeMap<Place, (Instant, Multiaddr)>,
    next_port: u16,
    faults: Faults,
    chance: Seed,
    /// What the nodes' users were told of the swarms, and when, if it is recorded.
    record: Option<Record>,
    /// A user has done something since the last turn.
    pub(super) touched: bool,
}

/// When which node's user was told what.
pub type Record = Vec<(Instant, usize, SwarmEvent)>;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The longest that a network may run, in virtual time.
const MAX_RUN: Duration = Duration::from_secs(24 * 3600);

impl<E: Engine> Network<E> {
    /// A network of these nodes, with chance from `seed`.
    pub fn new(engines: impl IntoIterator<Item = E>, faults: Faults, seed: Seed, now: Instant) -> Self {
        Self {
            now,
            seats: engines.into_iter().map(|engine| Seat { engine, desk: Desk::default() }).collect(),
            wires: BTreeMap::new(),
            listeners: BTreeMap::new(),
            strangers: BTreeMap::new(),
            dials: BTreeMap::new(),
            next_port: 1000,
            faults,
            chance: seed,
            record: None,
            touched: false,
        }
    }

    /// A node.
    ///
    /// # Panics
    /// If there is none with this number.
    pub fn engine(&self, seat: usize) -> &E {
        &self.seats[seat].engine
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Puts a stranger at an address.
    pub fn put(&mut self, address: Multiaddr, stranger: Stranger) {
        self.strangers.insert(address, stranger);
    }

    /// What the nodes' users have been told since the last call. The first call starts the record.
    pub fn take_record(&mut self) -> Record {
        self.record.replace(Record::new()).unwrap_or_default()
    }

    /// Where connections of a node are on the way: dialled, and neither open nor given up.
    pub fn in_flight(&self, seat: usize) -> impl Iterator<Item = &Multiaddr> {
        let dialled =
            self.dials.iter().filter(move |(place, _)| place.0 == seat).map(|(_, (_, address))| address);
        let swarm = self.seats[seat].engine.node().swarm();
        let is_on_the_way = move |(place, wire): &(&Place, &Wire<_>)| {
            place.0 == seat && !wire.ended && swarm.connection_info(place.1).is_none()
        };
        dialled.chain(self.wires.iter().filter(is_on_the_way).filter_map(|(_, wire)| wire.dialled.as_ref()))
    }

    /// Moves everything once that can move now. Returns whether anything did.
    pub fn turn(&mut self) -> bool {
        let mut progress = std::mem::take(&mut self.touched);
        for seat in 0..self.seats.len() {
            let engine = &mut self.seats[seat].engine;
            if engine.poll_timeout().is_some_and(|deadline| deadline.at <= self.now) {
                engine.handle_timeout(self.now);
                progress = true;
            }
            while let Some(output) = self.seats[seat].engine.poll_output() {
                self.handle_output(seat, output);
                progress = true;
            }
            let Seat { engine, desk } = &mut self.seats[seat];
            while desk.has_left
                && let Some(stream) = desk.untaken.pop_first()
            {
                engine.abandon(stream, self.now);
                progress = true;
            }
        }
        let due = self.dials.iter().filter(|(_, (at, _))| *at <= self.now).map(|(place, _)| *place);
        for dialer in due.collect::<Vec<_>>() {
            if let Some((_, address)) = self.dials.remove(&dialer) {
                self.connect(dialer, &address);
                progress = true;
            }
        }
        let places: Vec<Place> = self.wires.keys().copied().collect();
        for place in places {
            progress |= self.turn_wire(place);
        }
        self.wires.retain(|_, wire| !(wire.ended && (wire.told || wire.lost || wire.to.is_none())));
        progress
    }

    fn turn_wire(&mut self, from: Place) -> bool {
        let now = self.now;
        let Some(wire) = self.wires.get_mut(&from) else { return false };
        let room = self.faults.capacity.saturating_sub(wire.cargo.in_flight());
        let mut progress = false;
        if !wire.ended && room > 0 {
            progress = self.seats[from.0].engine.transmit(from.1, &mut wire.cargo, room, now);
            if wire.flushing && !progress {
                wire.ended = true;
                progress = true;
            }
        }
        let (Some((seat, connection)), false) = (wire.to, wire.lost) else {
            wire.cargo.clear();
            return progress;
        };
        if wire.stalled_until > now {
            return progress;
        }
        let receiver = &mut self.seats[seat].engine;
        let piece = 1 + self.chance.below(self.faults.max_piece as u64) as usize;
        if receiver.wants_input(connection) {
            progress |= receiver.receive(connection, &mut wire.cargo, piece, now);
            let is_empty = wire.cargo.in_flight() == 0;
            if is_empty && wire.ended && !wire.told && receiver.wants_input(connection) {
                wire.told = true;
                receiver.end(connection, End::Closed, now);
                progress = true;
            }
        }
        if progress && self.chance.below(4) == 0 {
            let stall = self.draw_stall();
            if let Some(wire) = self.wires.get_mut(&from) {
                wire.stalled_until = now + stall;
            }
        }
        progress
    }

    fn draw_stall(&mut self) -> Duration {
        Duration::from_nanos(self.chance.below(1 + self.faults.max_stall.as_nanos() as u64))
    }

    fn handle_output(&mut self, seat: usize, output: Output<E>) {
        match output {
            LocalOutput::Event(event) => {
                if let Some(record) = &mut self.record {
                    record.push((self.now, seat, event.clone()));
                }
                self.seats[seat].desk.hear(event);
            }
            LocalOutput::Protocol(event) => self.seats[seat].desk.hear_protocol(event),
            LocalOutput::Stream(connection, event) => self.seats[seat].desk.hear_stream(connection, event),
            LocalOutput::Listen { listener, address } => {
                let ip = address::tcp_socket_address(&address).map_or(LOOPBACK, |wanted| wanted.ip());
                let address = self.next_address(ip);
                self.listeners.insert(address.clone(), (seat, listener));
                self.input(seat, SwarmInput::Listening { listener, address });
            }
            LocalOutput::StopListening { listener } => {
                self.listeners.retain(|_, place| *place != (seat, listener));
            }
            LocalOutput::Dial { connection, address } => {
                let delay = match self.strangers.get(&address) {
                    Some(Stranger::Refuses(after)) => *after,
                    Some(Stranger::Silent) | None => Duration::ZERO,
                };
                let at = self.now + delay + self.draw_stall();
                self.dials.insert((seat, connection), (at, address));
            }
            LocalOutput::CancelDial { connection } => drop(self.dials.remove(&(seat, connection))),
            LocalOutput::Lookup { lookup, name, .. } => {
                let result = Err(TransportError::Name { name, reason: "there are no names here".to_owned() });
                self.input(seat, SwarmInput::LookedUp { lookup, result });
            }
            LocalOutput::CancelLookup { .. } => {}
            LocalOutput::Refuse { connection } => self.close((seat, connection), Close::Now),
            LocalOutput::Close { connection, how } => self.close((seat, connection), how),
            // Every connection is driven at every turn.
            LocalOutput::Drive { .. } => {}
        }
    }

    fn next_address(&mut self, ip: IpAddr) -> Multiaddr {
        self.next_port += 1;
        address::from_socket_address(SocketAddr::new(ip, self.next_port))
    }

    pub(super) fn input(&mut self, seat: usize, input: Input<E>) {
        self.seats[seat].engine.handle_input(input, self.now);
    }

    fn connect(&mut self, dialer: Place, address: &Multiaddr) {
        if let Some(&(seat, listener)) = self.listeners.get(address) {
            let remote_address = self.next_address(LOOPBACK);
            let connection = self.seats[seat].engine.handle_incoming(listener, remote_address, self.now);
            let accepted = (seat, connection);
            self.lay_wire(dialer, Some(accepted), Some(address));
            self.lay_wire(accepted, Some(dialer), None);
        } else if self.strangers.get(address) == Some(&Stranger::Silent) {
            self.lay_wire(dialer, None, Some(address));
        } else {
            let error = TransportError::Refused;
            return self.input(dialer.0, SwarmInput::DialFailed { connection: dialer.1, error });
        }
        self.input(dialer.0, SwarmInput::Dialed { connection: dialer.1, remote_address: address.clone() });
    }

    fn lay_wire(&mut self, from: Place, to: Option<Place>, dialled: Option<&Multiaddr>) {
        let wire = Wire {
            to,
            dialled: dialled.cloned(),
            cargo: E::Cargo::default(),
            flushing: false,
            ended: false,
            lost: false,
            told: false,
            stalled_until: self.now,
        };
        self.wires.insert(from, wire);
    }

    fn close(&mut self, place: Place, how: Close) {
        let Some(wire) = self.wires.get_mut(&place) else { return };
        let remote = wire.to;
        match how {
            Close::Flush => wire.flushing = true,
            Close::Now => {
                wire.ended = true;
                if let Some(wire) = remote.and_then(|remote| self.wires.get_mut(&remote)) {
                    wire.lost = true;
                }
            }
        }
    }

    /// Cuts every wire, as when a cable is pulled.
    pub fn cut_wires(&mut self) {
        for (from, wire) in std::mem::take(&mut self.wires) {
            self.seats[from.0].engine.end(from.1, End::Failed, self.now);
            if let Some((seat, connection)) = wire.to {
                self.seats[seat].engine.end(connection, End::Failed, self.now);
            }
        }
    }

    /// Lets time pass until something is due.
    ///
    /// # Panics
    /// If nothing ever is.
    pub fn sleep(&mut self) {
        match self.next_at() {
            Some(at) if at <= Instant::ORIGIN + MAX_RUN => self.now = self.now.max(at),
            _ => panic!("nothing will ever happen again{}", self.describe()),
        }
    }

    /// When something is due next.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let engines = self.seats.iter().filter_map(|seat| seat.engine.poll_timeout()).map(|it| it.at);
        let wires = self.wires.values().map(|wire| wire.stalled_until).filter(|at| *at > self.now);
        let dials = self.dials.values().map(|(at, _)| *at);
        engines.chain(wires).chain(dials).min()
    }

    fn describe(&self) -> String {
        let mut text = String::new();
        for seat in 0..self.seats.len() {
            write!(text, "\nnode {seat}: {}", self.leftovers(seat).join(", "))
                .expect("strings take all text");
        }
        text
    }

    /// What is left of a node, in words.
    pub(super) fn leftovers(&self, seat: usize) -> Vec<String> {
        let Seat { engine, desk } = &self.seats[seat];
        let swarm = engine.node().swarm();
        let counts = [
            (swarm.connection_count(), "connections of the swarm"),
            (engine.kept_connections(), "connections of the driver"),
            (swarm.peers().count(), "peers"),
            (self.wires.keys().filter(|(at, _)| *at == seat).count(), "wires"),
            (desk.unanswered(), "commands without an outcome"),
            (desk.surprises, "outcomes without a command"),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let mut left: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
        left.extend(disagreement(&swarm.counters()));
        left.extend(engine.poll_timeout().map(|it| format!("a timer ({} at {:?})", it.reason, it.at)));
        left
    }
}
