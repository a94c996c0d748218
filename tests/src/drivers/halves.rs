//! A node and its connections with delayed messages in between: what threads are, made reproducible.

use super::network::{ByteCargo, Cargo, Engine, Input, Output};
use crate::memory::{Frame, MemoryCarrier, MemoryConfig};
use bytes::Bytes;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::{Carrier, Connection, ConnectionId, Pipeline, ToConnection, ToNode};
use peerwork_core::machine::{Close, End, Layer, Machine};
use peerwork_core::muxer::{ReadError, WriteError};
use peerwork_core::node::{LocalOutput, Node};
use peerwork_core::protocols::{Protocols, StreamKey};
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{ListenerId, SwarmInput, SwarmOutput};
use peerwork_core::time::{Deadline, Instant};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// A carrier as a driver moves it.
pub trait Link: Carrier + Sized {
    /// What is on its way to the other end.
    type Cargo: Cargo;

    /// Takes a connection from its node.
    fn take<P: Protocols>(node: &mut Node<P>, id: ConnectionId, now: Instant) -> Option<Connection<Self>>;
    /// See [`Engine::transmit`].
    fn transmit(connection: &mut Connection<Self>, cargo: &mut Self::Cargo, max: usize, now: Instant)
    -> bool;
    /// See [`Engine::receive`].
    fn receive(connection: &mut Connection<Self>, cargo: &mut Self::Cargo, max: usize, now: Instant) -> bool;
    /// See [`Engine::wants_input`].
    fn wants_input(connection: &Connection<Self>) -> bool;
    /// See [`Engine::end`].
    fn end(connection: &mut Connection<Self>, end: End, now: Instant);
    /// What to do with the wire.
    fn poll_close(connection: &mut Connection<Self>, now: Instant) -> Option<Close>;
}

impl Link for Pipeline {
    type Cargo = ByteCargo;

    fn take<P: Protocols>(node: &mut Node<P>, id: ConnectionId, now: Instant) -> Option<Connection> {
        node.take_connection(id, now)
    }

    fn transmit(connection: &mut Connection, cargo: &mut ByteCargo, max: usize, now: Instant) -> bool {
        connection.poll_transmit(&mut cargo.in_flight, max, now) > 0
    }

    fn receive(connection: &mut Connection, cargo: &mut ByteCargo, max: usize, now: Instant) -> bool {
        cargo.deliver(max, |input| {
            // A connection that dies of its input reports that itself.
            let _ = connection.handle_input(input, now);
        })
    }

    fn wants_input(connection: &Connection) -> bool {
        Layer::wants_input(connection)
    }

    fn end(connection: &mut Connection, end: End, now: Instant) {
        connection.handle_end(end, now);
    }

    fn poll_close(connection: &mut Connection, _now: Instant) -> Option<Close> {
        Layer::poll_close(connection)
    }
}

/// Frames on their way.
impl Cargo for VecDeque<Frame> {
    fn in_flight(&self) -> usize {
        self.len()
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

impl Link for MemoryCarrier {
    type Cargo = VecDeque<Frame>;

    fn take<P: Protocols>(node: &mut Node<P>, id: ConnectionId, now: Instant) -> Option<Connection<Self>> {
        node.take_connection_over(id, |setup| Self::new(MemoryConfig::default(), setup, now))
    }

    fn transmit(
        connection: &mut Connection<Self>,
        cargo: &mut VecDeque<Frame>,
        max: usize,
        now: Instant,
    ) -> bool {
        let before = cargo.len();
        connection.with_carrier(now, |carrier| {
            cargo.extend(std::iter::from_fn(|| carrier.poll_frame()).take(max));
        });
        cargo.len() > before
    }

    fn receive(
        connection: &mut Connection<Self>,
        cargo: &mut VecDeque<Frame>,
        max: usize,
        now: Instant,
    ) -> bool {
        let arriving = cargo.len().min(max);
        for frame in cargo.drain(..arriving) {
            connection.with_carrier(now, |carrier| carrier.handle_frame(frame, now));
        }
        arriving > 0
    }

    fn wants_input(_connection: &Connection<Self>) -> bool {
        true
    }

    fn end(connection: &mut Connection<Self>, end: End, now: Instant) {
        connection.with_carrier(now, |carrier| carrier.handle_end(end, now));
    }

    fn poll_close(connection: &mut Connection<Self>, now: Instant) -> Option<Close> {
        connection.with_carrier(now, |carrier| carrier.poll_close())
    }
}

/// A node and its connections on carriers `C`, with delayed messages in between.
pub struct Halves<P: Protocols, C> {
    node: Node<P>,
    connections: BTreeMap<ConnectionId, Half<C>>,
    outputs: VecDeque<LocalOutput<P::Event>>,
    delays: Delays,
}

struct Half<C> {
    connection: Connection<C>,
    to_connection: Mail<ToConnection>,
    to_node: Mail<ToNode>,
    /// What the loop was last told.
    close: Option<Close>,
}

/// Messages and when each arrives. First in, first out.
struct Mail<T>(VecDeque<(Instant, T)>);

impl<T> Mail<T> {
    fn post(&mut self, message: T, at: Instant) {
        let at = self.0.back().map_or(at, |(last, _)| at.max(*last));
        self.0.push_back((at, message));
    }

    fn next_at(&self) -> Option<Instant> {
        self.0.front().map(|(at, _)| *at)
    }

    fn take(&mut self, now: Instant) -> Option<T> {
        self.next_at().filter(|at| *at <= now)?;
        self.0.pop_front().map(|(_, message)| message)
    }
}

/// How long messages take: half of them no time, the others up to `max`.
struct Delays {
    seed: Seed,
    max: Duration,
}

impl Delays {
    fn draw(&mut self, now: Instant) -> Instant {
        if self.seed.below(2) == 0 {
            return now;
        }
        now + Duration::from_nanos(self.seed.below(1 + self.max.as_nanos() as u64))
    }
}

impl<P: Protocols, C: Link> Halves<P, C> {
    /// A node without connections. Messages to and from them take up to `max_delay`, drawn from `seed`.
    pub fn new(node: Node<P>, max_delay: Duration, seed: Seed) -> Self {
        let delays = Delays { seed, max: max_delay };
        Self { node, connections: BTreeMap::new(), outputs: VecDeque::new(), delays }
    }

    /// Carries what is due until nothing is.
    fn settle(&mut self, now: Instant) {
        let mut progress = true;
        while std::mem::take(&mut progress) {
            while let Some(output) = self.node.poll_output() {
                self.handle_node_output(output, now);
            }
            for (&id, half) in &mut self.connections {
                while let Some(message) = half.to_connection.take(now) {
                    half.connection.handle_message(message, now);
                }
                while let Some(message) = half.connection.poll_message() {
                    half.to_node.post(message, self.delays.draw(now));
                }
                while let Some(message) = half.to_node.take(now) {
                    self.node.handle_input(SwarmInput::FromConnection { connection: id, message }, now);
                    progress = true;
                }
                while let Some(event) = half.connection.poll_stream_event() {
                    self.outputs.push_back(LocalOutput::Stream(id, event));
                }
                let close = C::poll_close(&mut half.connection, now);
                if close != half.close {
                    half.close = close;
                    self.outputs.extend(close.map(|how| LocalOutput::Close { connection: id, how }));
                }
            }
        }
        self.connections.retain(|_, half| {
            half.close != Some(Close::Now)
                || half.connection.has_messages()
                || half.connection.stream_count() > 0
                || !half.to_node.0.is_empty()
        });
    }

    fn handle_node_output(&mut self, output: Told<P>, now: Instant) {
        let output = match output {
            SwarmOutput::Connection { connection: id } => {
                if let Some(connection) = C::take(&mut self.node, id, now) {
                    let (to_connection, to_node) = (Mail(VecDeque::new()), Mail(VecDeque::new()));
                    self.connections.insert(id, Half { connection, to_connection, to_node, close: None });
                }
                return;
            }
            SwarmOutput::ToConnection { connection, message } => {
                if let Some(half) = self.connections.get_mut(&connection) {
                    half.to_connection.post(message, self.delays.draw(now));
                }
                return;
            }
            SwarmOutput::Event(event) => LocalOutput::Event(event),
            SwarmOutput::Protocol(event) => LocalOutput::Protocol(event),
            SwarmOutput::Listen { listener, address } => LocalOutput::Listen { listener, address },
            SwarmOutput::StopListening { listener } => LocalOutput::StopListening { listener },
            SwarmOutput::Dial { connection, address } => LocalOutput::Dial { connection, address },
            SwarmOutput::CancelDial { connection } => LocalOutput::CancelDial { connection },
            SwarmOutput::Lookup { lookup, name, kind } => LocalOutput::Lookup { lookup, name, kind },
            SwarmOutput::CancelLookup { lookup } => LocalOutput::CancelLookup { lookup },
            SwarmOutput::Refuse { connection } => LocalOutput::Refuse { connection },
        };
        self.outputs.push_back(output);
    }

    fn with<T>(
        &mut self,
        id: ConnectionId,
        now: Instant,
        action: impl FnOnce(&mut Connection<C>) -> T,
    ) -> Option<T> {
        let half = self.connections.get_mut(&id)?;
        let result = action(&mut half.connection);
        self.settle(now);
        Some(result)
    }
}

type Told<P> = <Node<P> as Machine>::Output;

impl<P: Protocols, C: Link> Engine for Halves<P, C> {
    type Protocols = P;
    type Cargo = C::Cargo;

    fn node(&self) -> &Node<P> {
        &self.node
    }

    fn kept_connections(&self) -> usize {
        self.connections.len()
    }

    fn stream_count(&self) -> usize {
        self.connections.values().map(|half| half.connection.stream_count()).sum()
    }

    fn handle_incoming(
        &mut self,
        listener: ListenerId,
        remote_address: Multiaddr,
        now: Instant,
    ) -> ConnectionId {
        let connection = self.node.next_connection_id();
        self.handle_input(SwarmInput::Incoming { connection, listener, remote_address }, now);
        connection
    }

    fn handle_input(&mut self, input: Input<Self>, now: Instant) {
        self.node.handle_input(input, now);
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.node.handle_timeout(now);
        for half in self.connections.values_mut() {
            if half.connection.next_deadline().is_some_and(|deadline| deadline.at <= now) {
                half.connection.handle_time(now);
            }
        }
        self.settle(now);
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let halves = self.connections.values().map(|half| {
            let mail = [half.to_connection.next_at(), half.to_node.next_at()].into_iter().flatten().min();
            let mail = mail.map(|at| Deadline::new(at, "a message arrives"));
            Deadline::earlier(half.connection.next_deadline(), mail)
        });
        halves.fold(self.node.poll_timeout(), Deadline::earlier)
    }

    fn poll_output(&mut self) -> Option<Output<Self>> {
        self.outputs.pop_front()
    }

    fn transmit(&mut self, id: ConnectionId, cargo: &mut C::Cargo, max: usize, now: Instant) -> bool {
        self.with(id, now, |connection| C::transmit(connection, cargo, max, now)).unwrap_or_default()
    }

    fn receive(&mut self, id: ConnectionId, cargo: &mut C::Cargo, max: usize, now: Instant) -> bool {
        self.with(id, now, |connection| C::receive(connection, cargo, max, now)).unwrap_or_default()
    }

    fn wants_input(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|half| C::wants_input(&half.connection))
    }

    fn end(&mut self, id: ConnectionId, end: End, now: Instant) {
        self.with(id, now, |connection| C::end(connection, end, now));
    }

    fn read(&mut self, stream: StreamKey, max: usize, now: Instant) -> Result<Bytes, ReadError> {
        self.with(stream.connection, now, |connection| connection.read(stream.stream, max, now))
            .unwrap_or(Err(ReadError::Closed))
    }

    fn write(&mut self, stream: StreamKey, data: &[u8], now: Instant) -> Result<usize, WriteError> {
        self.with(stream.connection, now, |connection| connection.write(stream.stream, data, now))
            .unwrap_or(Err(WriteError::Closed))
    }

    fn close_write(&mut self, stream: StreamKey, now: Instant) {
        self.with(stream.connection, now, |connection| connection.close_write(stream.stream, now));
    }

    fn reset(&mut self, stream: StreamKey, now: Instant) {
        self.with(stream.connection, now, |connection| connection.reset(stream.stream, now));
    }

    fn abandon(&mut self, stream: StreamKey, now: Instant) {
        self.with(stream.connection, now, |connection| connection.abandon(stream.stream, now));
    }
}
