//! A node and its connections in one thread.

mod buffers;
mod sockets;
#[cfg(test)]
mod tests;

use super::{Node, NodeCommand, NodeEvent};
use crate::address::Multiaddr;
use crate::connection::{Connection, ConnectionId, StreamEvent, Traffic};
use crate::identity::PeerId;
use crate::machine::{Close, End, Layer, Machine};
use crate::muxer::{ReadError, WriteError};
use crate::negotiation::ProtocolId;
use crate::peer_book::PeerBook;
use crate::protocols::{Protocols, RequestId, StreamKey, Target};
use crate::swarm::dialer::{LookupId, RecordKind};
use crate::swarm::{DialId, DialOptions, DialTarget, ListenerId, SwarmEvent, SwarmInput, SwarmOutput};
use crate::time::{Deadline, Instant, Timers};
use buffers::Buffers;
use bytes::{Bytes, BytesMut};
use smallvec::smallvec;
pub use sockets::{Broken, Sockets};
use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::ops::Add;

/// What a [`LocalNode`] wants done, and what it tells the user.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalOutput<E> {
    /// For the user.
    Event(SwarmEvent),
    /// For the user, from ping, identify or a protocol of the user's own.
    Protocol(NodeEvent<E>),
    /// For the user: a raw stream can be read or written again, or is over.
    Stream(ConnectionId, StreamEvent),
    /// Listen here; answer with [`SwarmInput::Listening`] or [`SwarmInput::ListenFailed`].
    Listen {
        /// The listener.
        listener: ListenerId,
        /// Where; port 0 lets the system choose.
        address: Multiaddr,
    },
    /// Stop listening.
    StopListening {
        /// The listener.
        listener: ListenerId,
    },
    /// Connect a byte stream; answer with [`SwarmInput::Dialed`] or [`SwarmInput::DialFailed`].
    Dial {
        /// Comes back in the answer.
        connection: ConnectionId,
        /// Where.
        address: Multiaddr,
    },
    /// Nobody waits for this dial any more.
    CancelDial {
        /// Which dial.
        connection: ConnectionId,
    },
    /// Ask the name service; answer with [`SwarmInput::LookedUp`]. See [`SwarmOutput::Lookup`].
    Lookup {
        /// Comes back in the answer.
        lookup: LookupId,
        /// The name.
        name: String,
        /// Which of its records.
        kind: RecordKind,
    },
    /// Nobody waits for these records any more.
    CancelLookup {
        /// Which question.
        lookup: LookupId,
    },
    /// Drop the byte stream that was accepted.
    Refuse {
        /// Which connection.
        connection: ConnectionId,
    },
    /// The connection may have bytes to send, or want input again: call [`LocalNode::poll_transmit`] until it gives nothing, and
    /// where [`LocalNode::wants_input`] was false and is true now, hand in what is left of the input. Input that was looked at before and has
    /// not grown brings nothing but this output again.
    Drive {
        /// Which connection.
        connection: ConnectionId,
    },
    /// Close the byte stream, as [`Close`] says. After [`Close::Now`] the connection is unknown, except that what its raw
    /// streams have received can still be read.
    Close {
        /// Which connection.
        connection: ConnectionId,
        /// How.
        how: Close,
    },
}

/// A node and its connections, owned by one thread. The caller brings sockets and time.
///
/// With sockets that do not block, implement [`Sockets`]; then after each [`LocalNode::receive`], [`LocalNode::drive`],
/// [`LocalNode::handle_timeout`] and command call [`LocalNode::poll_event`] until it gives nothing. The node keeps the buffers.
///
/// With anything else, feed it with [`LocalNode::handle_input`], [`LocalNode::handle_bytes`], [`LocalNode::handle_end`] and
/// [`LocalNode::handle_timeout`]; then call [`LocalNode::poll_output`] until it gives nothing, and do what it says.
///
/// Either way, lists keep their memory, and connections borrow from a few buffers: once it has run for a while, messages of up to 1 KiB that are
/// read with [`LocalNode::read_into`] cost no allocation.
pub struct LocalNode<P: Protocols = ()> {
    node: Node<P>,
    connections: BTreeMap<ConnectionId, Box<Attached>>,
    timers: Timers<ConnectionId>,
    /// Connections that something has happened to.
    touched: VecDeque<ConnectionId>,
    /// Connections that were touched and have exchanged all messages with the node. Empty between calls.
    settled: Vec<ConnectionId>,
    outputs: VecDeque<LocalOutput<P::Event>>,
    /// Connections that the caller is to be told to drive.
    to_drive: VecDeque<ConnectionId>,
    buffers: Buffers,
    requests: u64,
    /// What went over connections that are gone.
    past_traffic: Traffic,
    /// How many connections the caller has not been told to close at once.
    open: usize,
    /// The node has shut down, and the user hears of it when the last of them is closed.
    has_shut_down: bool,
}

struct Attached {
    connection: Connection,
    /// What the caller was last told.
    close: Option<Close>,
    // Each says whether the connection is in the list of that name, so that it is there at most once.
    touched: bool,
    settled: bool,
    to_drive: bool,
}

/// For how many outputs memory is kept while there are none. The list grows beyond that, and is freed when it is empty again.
const MAX_KEPT_OUTPUTS: usize = 1_024;

impl<P: Protocols> LocalNode<P> {
    /// Takes a node that has no connections yet.
    pub fn new(node: Node<P>) -> Self {
        Self {
            node,
            connections: BTreeMap::new(),
            timers: Timers::default(),
            touched: VecDeque::new(),
            settled: Vec::new(),
            outputs: VecDeque::new(),
            to_drive: VecDeque::new(),
            buffers: Buffers::default(),
            requests: 0,
            past_traffic: Traffic::default(),
            open: 0,
            has_shut_down: false,
        }
    }

    /// The node.
    pub fn node(&self) -> &Node<P> {
        &self.node
    }

    /// See [`Swarm::peer_book_mut`](crate::swarm::Swarm::peer_book_mut).
    pub fn peer_book_mut(&mut self) -> &mut PeerBook {
        self.node.peer_book_mut()
    }

    /// Who this node is.
    pub fn local_peer(&self) -> PeerId {
        self.node.local_peer()
    }

    /// How many connections are kept: open, on the way, or over with raw streams that are still to be read.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// How many streams there are on all of them.
    pub fn stream_count(&self) -> usize {
        self.connections.values().map(|attached| attached.connection.stream_count()).sum()
    }

    /// How many bytes went over all connections, those that are gone included. Walks over all connections.
    pub fn traffic(&self) -> Traffic {
        let connections = self.connections.values().map(|attached| attached.connection.traffic());
        connections.fold(self.past_traffic, Traffic::add)
    }

    /// Takes what the user wants or what the caller has done. Messages between the halves are not the caller's business here.
    pub fn handle_input(&mut self, input: SwarmInput<NodeCommand<P::Command>>, now: Instant) {
        self.node.handle_input(input, now);
        self.settle(now);
    }

    /// Starts to listen: the outcome is a [`SwarmEvent`] with the id.
    pub fn listen(&mut self, address: Multiaddr, now: Instant) -> ListenerId {
        let id = self.node.listen(address, now);
        self.settle(now);
        id
    }

    /// Starts to dial: the outcome is a [`SwarmEvent`] with the id.
    pub fn dial(&mut self, target: impl Into<DialTarget>, now: Instant) -> DialId {
        self.dial_with(target, DialOptions::default(), now)
    }

    /// As [`dial`](Self::dial), with a say in when the peer is dialled and for how long.
    pub fn dial_with(&mut self, target: impl Into<DialTarget>, options: DialOptions, now: Instant) -> DialId {
        let id = self.node.dial_with(target, options, now);
        self.settle(now);
        id
    }

    /// Accepts raw streams of `protocol` from now on.
    pub fn handle_protocol(&mut self, protocol: ProtocolId, now: Instant) {
        self.handle_input(SwarmInput::HandleProtocol { protocol }, now);
    }

    /// Opens a raw stream: the outcome is a [`SwarmEvent`] with the id. Do not mix with ids of your own in
    /// [`SwarmInput::OpenStream`].
    pub fn open_stream(&mut self, target: Target, protocol: ProtocolId, now: Instant) -> RequestId {
        let request = RequestId(self.requests);
        self.requests += 1;
        self.handle_input(SwarmInput::OpenStream { request, target, protocols: smallvec![protocol] }, now);
        request
    }

    /// Tells of a remote that connected; returns the connection's id. [`LocalOutput::Refuse`] may follow.
    pub fn handle_incoming(
        &mut self,
        listener: ListenerId,
        remote_address: Multiaddr,
        now: Instant,
    ) -> ConnectionId {
        let connection = self.node.next_connection_id();
        self.handle_input(SwarmInput::Incoming { connection, listener, remote_address }, now);
        connection
    }

    /// Gives bytes of the byte stream to a connection, which takes what it can off the front of `input`.
    pub fn handle_bytes(&mut self, connection: ConnectionId, input: &mut BytesMut, now: Instant) {
        loop {
            let was_blocked = self.with(connection, now, |connection| {
                // The connection reports its end itself.
                drop(connection.handle_input(input, now));
                !connection.wants_input()
            });
            // What held it up may have been what it had to tell the node.
            if was_blocked != Some(true) || input.is_empty() || !self.wants_input(connection) {
                return;
            }
        }
    }

    /// Tells a connection that its byte stream ended.
    pub fn handle_end(&mut self, connection: ConnectionId, end: End, now: Instant) {
        self.with(connection, now, |connection| connection.handle_end(end, now));
    }

    /// Appends what a connection has to send to `out`, about `max` bytes at most, and returns how much.
    ///
    /// Nothing is copied if `out` is empty and `max` is not less than what there is, as with [`usize::MAX`], which is safe: what
    /// a connection lets wait is bounded. The connection's buffer then takes the place of `out`, whose memory is lent to others.
    pub fn poll_transmit(
        &mut self,
        connection: ConnectionId,
        out: &mut BytesMut,
        max: usize,
        now: Instant,
    ) -> usize {
        let Some(attached) = self.connections.get_mut(&connection) else { return 0 };
        let memory = if out.is_empty() { mem::take(out) } else { BytesMut::new() };
        if attached.connection.wants_transmit() {
            attached.connection.lend_buffer(|| self.buffers.spare.take());
        }
        let sent = attached.connection.poll_transmit(out, max, now);
        self.buffers.spare.give(attached.connection.reclaim_buffer().unwrap_or_default());
        if out.is_empty() {
            *out = memory;
        } else {
            self.buffers.spare.give(memory);
        }
        if sent > 0 || attached.connection.has_messages() {
            self.touch(connection);
            self.settle(now);
        }
        sent
    }

    /// Whether a connection takes input now. See [`Layer::wants_input`].
    pub fn wants_input(&self, connection: ConnectionId) -> bool {
        self.connections.get(&connection).is_some_and(|attached| attached.connection.wants_input())
    }

    /// Reads a raw stream. See [`Connection::read`].
    ///
    /// # Errors
    /// See [`Connection::read`].
    pub fn read(&mut self, stream: StreamKey, max: usize, now: Instant) -> Result<Bytes, ReadError> {
        self.read_with(stream, now, |connection| connection.read(stream.stream, max, now))
    }

    /// Reads a raw stream into `out`. See [`Connection::read_into`].
    ///
    /// # Errors
    /// See [`Connection::read`].
    pub fn read_into(&mut self, stream: StreamKey, out: &mut [u8], now: Instant) -> Result<usize, ReadError> {
        self.read_with(stream, now, |connection| connection.read_into(stream.stream, out, now))
    }

    fn read_with<T>(
        &mut self,
        stream: StreamKey,
        now: Instant,
        read: impl FnOnce(&mut Connection) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let attached = self.connections.get_mut(&stream.connection).ok_or(ReadError::Closed)?;
        let streams = attached.connection.stream_count();
        let result = read(&mut attached.connection);
        // Finding nothing to read changes nothing, unless that was the last that a dead connection had.
        let has_changed = attached.connection.has_messages() || attached.connection.stream_count() != streams;
        if result.is_ok() || has_changed {
            self.touch(stream.connection);
            self.settle(now);
        }
        result
    }

    /// Writes a raw stream. See [`Connection::write`].
    ///
    /// # Errors
    /// See [`Connection::write`].
    pub fn write(&mut self, stream: StreamKey, data: &[u8], now: Instant) -> Result<usize, WriteError> {
        self.with(stream.connection, now, |connection| connection.write(stream.stream, data, now))
            .unwrap_or(Err(WriteError::Closed))
    }

    /// Ends our direction of a raw stream. See [`Connection::close_write`].
    pub fn close_write(&mut self, stream: StreamKey, now: Instant) {
        self.with(stream.connection, now, |connection| connection.close_write(stream.stream, now));
    }

    /// The user no longer wants a raw stream. See [`Connection::abandon`].
    pub fn abandon(&mut self, stream: StreamKey, now: Instant) {
        self.with(stream.connection, now, |connection| connection.abandon(stream.stream, now));
    }

    /// Ends a raw stream at once. See [`Connection::reset`].
    pub fn reset(&mut self, stream: StreamKey, now: Instant) {
        self.with(stream.connection, now, |connection| connection.reset(stream.stream, now));
    }

    /// A point in time was reached.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.node.handle_timeout(now);
        while let Some(id) = self.timers.pop_due(now) {
            self.act(id, |connection| connection.handle_timeout(now));
        }
        self.settle(now);
    }

    /// When to call [`LocalNode::handle_timeout`], and why.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        Deadline::earlier(self.node.poll_timeout(), self.timers.next())
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<LocalOutput<P::Event>> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        while let Some(id) = self.to_drive.pop_front() {
            // One whose socket is closed needs no driving.
            if let Some(attached) = self.connections.get_mut(&id)
                && attached.close != Some(Close::Now)
            {
                attached.to_drive = false;
                return Some(LocalOutput::Drive { connection: id });
            }
        }
        self.forget_burst();
        None
    }

    /// Gives memory back that is not worth keeping, now that all lists are empty.
    fn forget_burst(&mut self) {
        if self.connections.is_empty() {
            self.buffers = Buffers::default();
            self.settled = Vec::new();
            (self.touched, self.to_drive) = (VecDeque::new(), VecDeque::new());
        }
        if self.connections.is_empty() || self.outputs.capacity() > MAX_KEPT_OUTPUTS {
            self.outputs = VecDeque::new();
        }
    }

    fn with<T>(
        &mut self,
        id: ConnectionId,
        now: Instant,
        action: impl FnOnce(&mut Connection) -> T,
    ) -> Option<T> {
        let result = self.act(id, action);
        self.settle(now);
        result
    }

    /// Lets something happen to a connection, with a buffer at hand for what it may have to send.
    fn act<T>(&mut self, id: ConnectionId, action: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        let Attached { connection, .. } = &mut **self.connections.get_mut(&id)?;
        connection.lend_buffer(|| self.buffers.spare.take());
        let result = action(connection);
        self.buffers.spare.give(connection.reclaim_buffer().unwrap_or_default());
        self.touch(id);
        Some(result)
    }

    /// Notes that something has happened to a connection.
    fn touch(&mut self, id: ConnectionId) {
        if let Some(attached) = self.connections.get_mut(&id)
            && !mem::replace(&mut attached.touched, true)
        {
            self.touched.push_back(id);
        }
    }

    /// Carries messages between the halves until there are none, then notes what the caller has to do.
    fn settle(&mut self, now: Instant) {
        loop {
            while let Some(output) = self.node.poll_output() {
                self.handle_node_output(output, now);
            }
            let Some(id) = self.touched.pop_front() else { break };
            let Some(attached) = self.connections.get_mut(&id) else { continue };
            attached.touched = false;
            while let Some(message) = attached.connection.poll_message() {
                self.node.handle_input(SwarmInput::FromConnection { connection: id, message }, now);
            }
            while let Some(event) = attached.connection.poll_event() {
                self.outputs.push_back(LocalOutput::Stream(id, event));
            }
            if !mem::replace(&mut attached.settled, true) {
                self.settled.push(id);
            }
        }
        let mut settled = mem::take(&mut self.settled);
        for id in settled.drain(..) {
            self.note(id);
        }
        self.settled = settled;
    }

    /// Notes what the caller has to do for a connection that something has happened to.
    fn note(&mut self, id: ConnectionId) {
        let Some(attached) = self.connections.get_mut(&id) else { return };
        attached.settled = false;
        self.timers.set(id, attached.connection.poll_timeout());
        let close = attached.connection.poll_close();
        let told = mem::replace(&mut attached.close, close);
        if let Some(how) = close.filter(|_| close != told) {
            self.outputs.push_back(LocalOutput::Close { connection: id, how });
        }
        if close != Some(Close::Now) {
            if !mem::replace(&mut attached.to_drive, true) {
                self.to_drive.push_back(id);
            }
            return;
        }
        self.buffers.forget(id);
        if attached.connection.stream_count() == 0 {
            self.past_traffic = self.past_traffic + attached.connection.traffic();
            self.connections.remove(&id);
            self.timers.set(id, None);
        }
        if told != close {
            self.open -= 1;
            self.tell_shut_down();
        }
    }

    /// Tells the user that the node has shut down, if nothing is left to be sent.
    fn tell_shut_down(&mut self) {
        if self.open == 0 && mem::take(&mut self.has_shut_down) {
            self.outputs.push_back(LocalOutput::Event(SwarmEvent::ShutDown));
        }
    }

    fn handle_node_output(&mut self, output: SwarmOutput<NodeEvent<P::Event>>, now: Instant) {
        let output = match output {
            SwarmOutput::Connection { connection } => {
                if let Some(value) = self.node.take_connection(connection, now) {
                    let attached = Attached {
                        connection: value,
                        close: None,
                        touched: false,
                        settled: false,
                        to_drive: false,
                    };
                    self.connections.insert(connection, Box::new(attached));
                    self.open += 1;
                    self.touch(connection);
                }
                return;
            }
            SwarmOutput::ToConnection { connection, message } => {
                self.act(connection, |connection| connection.handle_message(message, now));
                return;
            }
            SwarmOutput::Event(SwarmEvent::ShutDown) => {
                self.has_shut_down = true;
                return self.tell_shut_down();
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
}
