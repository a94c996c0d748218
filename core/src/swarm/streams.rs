//! Streams: who owns them, and what goes to and fro between connections and protocols.

use super::connections::{Record, State};
use super::counters::increment;
use super::limits::Direction;
use super::wishes::Wisher;
use super::{Swarm, SwarmEvent, SwarmOutput};
use crate::connection::{ConnectionId, ConnectionMessage, Framing, NodeMessage, OpenId};
use crate::identity::PeerId;
use crate::negotiation::ProtocolId;
use crate::protocols::{Fact, Protocols, RequestId, StreamError, StreamKey, StreamOptions, Target, ToSwarm};
use crate::time::Instant;
use bytes::Bytes;
use smallvec::SmallVec;

/// Who a stream belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// The application: raw bytes on the connection.
    Application,
    /// The mounted machine with this number. As small as can be: every stream has one.
    Protocol(u16),
}

impl Owner {
    pub(super) fn protocol(index: usize) -> Self {
        Self::Protocol(u16::try_from(index).expect("fewer machines are mounted, a tuple has no such length"))
    }
}

/// What the swarm knows of a stream.
pub(super) struct StreamRecord {
    owner: Owner,
    pub(super) direction: Direction,
    /// Whether it keeps the connection open.
    pub(super) keep_alive: bool,
    /// A protocol has handed the stream over, and the application does not know yet.
    handed_over: bool,
    pub(super) protocol: ProtocolId,
    framing: Framing,
    /// Bytes of messages on the way to the muxer.
    unsent_bytes: usize,
    /// A message was refused; `Writable` is owed.
    blocked: bool,
}

/// A wish for a stream, passed on to a connection.
pub(super) struct PendingOpen {
    owner: Owner,
    request: RequestId,
    /// Whether it keeps the connection open.
    pub(super) keep_alive: bool,
    /// What is proposed.
    pub(super) protocols: SmallVec<[ProtocolId; 1]>,
}

impl<P: Protocols> Swarm<P> {
    /// Does what the protocols want until they want nothing more.
    pub(super) fn drain_protocols(&mut self, now: Instant) {
        while let Some((index, output)) = self.protocols.poll_output() {
            let owner = Owner::protocol(index);
            match output {
                ToSwarm::Event(event) => self.outputs.push(SwarmOutput::Protocol(event)),
                ToSwarm::OpenStream { request, target, protocols, options } => {
                    self.open_stream(owner, request, target, protocols, options, now);
                }
                ToSwarm::Send { stream, message } => self.send_message(index, stream, message, now),
                ToSwarm::Grant { stream, messages } => {
                    self.tell_stream(owner, stream, NodeMessage::Grant { stream: stream.stream, messages });
                }
                // What was refused would be lost behind a close.
                ToSwarm::Close { stream } if self.is_blocked(stream) => {}
                ToSwarm::Close { stream } => {
                    self.tell_stream(owner, stream, NodeMessage::Close { stream: stream.stream });
                }
                ToSwarm::Reset { stream } => {
                    self.tell_stream(owner, stream, NodeMessage::Reset { stream: stream.stream });
                }
                ToSwarm::IntoRaw { stream } => self.hand_over(owner, stream),
                ToSwarm::KeepAlive { connection, wanted } => self.keep_alive(owner, connection, wanted),
                ToSwarm::Disconnect { connection } => self.disconnect(connection, now),
                ToSwarm::Addresses { peer, addresses } => self.learn_addresses(peer, addresses, now),
                ToSwarm::FindFinished { peer } => self.finish_finding(peer, index, now),
                ToSwarm::Identified { connection, peer, info } => {
                    self.learn_identity(connection, peer, info, now);
                }
                ToSwarm::Dial { request, target, options } => {
                    self.wish(Wisher::Protocol(index, request), target, options, now);
                }
                ToSwarm::CancelDial { request } => self.cancel_dial(Wisher::Protocol(index, request), now),
            }
        }
    }

    pub(super) fn open_stream(
        &mut self,
        owner: Owner,
        request: RequestId,
        target: Target,
        protocols: SmallVec<[ProtocolId; 1]>,
        options: StreamOptions,
        now: Instant,
    ) {
        let connection = match target {
            Target::Connection(connection) => Some(connection),
            Target::Peer(peer) => self.best_connection(peer),
        };
        let is_open =
            |id: &ConnectionId| matches!(self.record(*id), Some(Record { state: State::Open { .. }, .. }));
        let error = match connection.filter(is_open) {
            _ if protocols.is_empty() => StreamError::Invalid("no protocol was proposed"),
            _ if self.requests.contains(&(owner, request)) => {
                StreamError::Invalid("the request id is waiting for its answer already")
            }
            None => StreamError::NotConnected,
            Some(connection) if !self.take_stream_place(connection, Direction::Outbound) => {
                StreamError::Limit
            }
            Some(connection) => {
                let open = OpenId(self.ids.open);
                self.ids.open += 1;
                let keep_alive = options.keep_alive;
                let pending = PendingOpen { owner, request, keep_alive, protocols: protocols.clone() };
                self.opens.insert((connection, open), pending);
                self.requests.insert((owner, request));
                if keep_alive {
                    self.add_need(connection);
                }
                return self.send(connection, NodeMessage::Open { open, protocols, options });
            }
        };
        self.answer_open(owner, request, error, now);
    }

    pub(super) fn fail_open(
        &mut self,
        connection: ConnectionId,
        open: OpenId,
        error: StreamError,
        now: Instant,
    ) {
        if let Some(PendingOpen { owner, request, .. }) = self.take_open(connection, open) {
            self.free_stream_place(connection, Direction::Outbound);
            self.answer_open(owner, request, error, now);
        }
    }

    fn take_open(&mut self, connection: ConnectionId, open: OpenId) -> Option<PendingOpen> {
        let pending = self.opens.remove(&(connection, open))?;
        self.requests.remove(&(pending.owner, pending.request));
        if pending.keep_alive {
            self.remove_need(connection);
        }
        Some(pending)
    }

    fn answer_open(&mut self, owner: Owner, request: RequestId, error: StreamError, now: Instant) {
        increment(&mut self.counters.streams_failed);
        match owner {
            Owner::Application => self.event(SwarmEvent::StreamFailed { request, error }),
            Owner::Protocol(index) => self.tell(index.into(), Fact::OpenFailed { request, error }, now),
        }
    }

    fn tell(&mut self, index: usize, fact: Fact, now: Instant) {
        self.protocols.handle_fact(index, fact, now);
    }

    fn stream_mut(&mut self, key: StreamKey) -> Option<&mut StreamRecord> {
        match self.record_mut(key.connection) {
            Some(Record { state: State::Open { streams, .. }, .. }) => streams.get_mut(&key.stream),
            _ => None,
        }
    }

    fn is_blocked(&mut self, key: StreamKey) -> bool {
        self.stream_mut(key).is_some_and(|stream| stream.blocked)
    }

    /// Passes on what an owner wants of its stream.
    fn tell_stream(&mut self, owner: Owner, key: StreamKey, message: NodeMessage) {
        if self.stream_mut(key).is_some_and(|stream| stream.owner == owner) {
            self.send(key.connection, message);
        }
    }

    fn send_message(&mut self, index: usize, key: StreamKey, message: Bytes, now: Instant) {
        let max_unsent_bytes = self.config.max_unsent_bytes;
        let Some(stream) = self.stream_mut(key) else { return };
        if stream.owner != Owner::protocol(index) {
            return;
        }
        let bytes = stream.framing.wire_bytes(message.len());
        let is_full = stream.unsent_bytes > 0 && stream.unsent_bytes.saturating_add(bytes) > max_unsent_bytes;
        if is_full || stream.blocked {
            stream.blocked = true;
            return self.tell(index, Fact::Blocked { stream: key, message }, now);
        }
        stream.unsent_bytes += bytes;
        self.send(key.connection, NodeMessage::Send { stream: key.stream, message });
    }

    /// Gives a stream of a protocol to the application, which hears of it when the connection has done so.
    fn hand_over(&mut self, owner: Owner, key: StreamKey) {
        if let Some(stream) = self.stream_mut(key)
            && stream.owner == owner
        {
            stream.owner = Owner::Application;
            stream.handed_over = true;
            self.send(key.connection, NodeMessage::IntoRaw { stream: key.stream });
        }
    }

    /// Tells the application of a stream that a protocol has handed over.
    fn announce_handed_over(&mut self, key: StreamKey) {
        let Some(Record { state: State::Open { peer, streams, .. }, .. }) = self.record_mut(key.connection)
        else {
            return;
        };
        let peer = *peer;
        if let Some(stream) = streams.get_mut(&key.stream)
            && std::mem::take(&mut stream.handed_over)
        {
            let protocol = stream.protocol.clone();
            self.event(SwarmEvent::StreamOpened { stream: key, peer, protocol, request: None });
        }
    }

    /// What a connection says about one of its streams.
    pub(super) fn handle_stream_message(
        &mut self,
        connection: ConnectionId,
        message: ConnectionMessage,
        now: Instant,
    ) {
        let key = |stream| StreamKey { connection, stream };
        match message {
            ConnectionMessage::StreamOpened { stream, protocol, options, open } => {
                self.handle_opened(key(stream), protocol, options, open, now);
            }
            ConnectionMessage::Message { stream, message, received_at } => {
                self.tell_owner(
                    key(stream),
                    Fact::Message { stream: key(stream), message, received_at },
                    now,
                );
            }
            ConnectionMessage::RemoteClosed { stream } => {
                self.tell_owner(key(stream), Fact::RemoteClosed { stream: key(stream) }, now);
            }
            ConnectionMessage::Sent { stream, bytes } => self.handle_sent(key(stream), bytes, now),
            ConnectionMessage::Raw { stream } => self.announce_handed_over(key(stream)),
            ConnectionMessage::StreamClosed { stream, cause } => {
                // It may have ended before the connection could hand it over; the application finds it closed.
                self.announce_handed_over(key(stream));
                let fact = Fact::StreamClosed { stream: key(stream), cause };
                if let Some(record) = self.forget_stream(key(stream))
                    && let Owner::Protocol(index) = record.owner
                {
                    self.tell(index.into(), fact, now);
                }
            }
            ConnectionMessage::Established(_)
            | ConnectionMessage::Closed(_)
            | ConnectionMessage::OpenFailed { .. } => {}
        }
    }

    fn forget_stream(&mut self, key: StreamKey) -> Option<StreamRecord> {
        let Some(Record { state: State::Open { streams, .. }, .. }) = self.record_mut(key.connection) else {
            return None;
        };
        let stream = streams.remove(&key.stream)?;
        self.free_stream_place(key.connection, stream.direction);
        self.counters.streams_closed.add(stream.direction);
        if stream.keep_alive {
            self.remove_need(key.connection);
        }
        Some(stream)
    }

    fn tell_owner(&mut self, key: StreamKey, fact: Fact, now: Instant) {
        if let Some(StreamRecord { owner: Owner::Protocol(index), .. }) = self.stream_mut(key) {
            let index = *index;
            self.tell(index.into(), fact, now);
        }
    }

    fn handle_sent(&mut self, key: StreamKey, bytes: usize, now: Instant) {
        let Some(stream) = self.stream_mut(key) else { return };
        stream.unsent_bytes = stream.unsent_bytes.saturating_sub(bytes);
        if stream.blocked && stream.unsent_bytes == 0 {
            stream.blocked = false;
            self.tell_owner(key, Fact::Writable { stream: key }, now);
        }
    }

    fn handle_opened(
        &mut self,
        key: StreamKey,
        protocol: ProtocolId,
        options: StreamOptions,
        open: Option<OpenId>,
        now: Instant,
    ) {
        let wish = open.and_then(|open| self.take_open(key.connection, open));
        let (owner, direction) = match (&wish, open) {
            (Some(wish), _) => (Some(wish.owner), Direction::Outbound),
            // Perhaps nobody handles the protocol any more.
            (None, None) => (self.owners.get(&protocol).copied(), Direction::Inbound),
            (None, Some(_)) => (None, Direction::Outbound),
        };
        let has_place = direction == Direction::Outbound
            || (owner.is_some() && self.take_stream_place(key.connection, direction));
        let Some(owner) = owner.filter(|_| has_place) else {
            if direction == Direction::Inbound {
                increment(&mut self.counters.streams_refused);
            }
            return self.send(key.connection, NodeMessage::Reset { stream: key.stream });
        };
        let Some(Record { state: State::Open { peer, streams, .. }, .. }) = self.record_mut(key.connection)
        else {
            return;
        };
        let peer = *peer;
        let (framing, keep_alive) = (options.framing, options.keep_alive);
        let record = StreamRecord {
            owner,
            direction,
            keep_alive,
            handed_over: false,
            protocol: protocol.clone(),
            framing,
            unsent_bytes: 0,
            blocked: false,
        };
        streams.insert(key.stream, record);
        self.counters.streams_opened.add(direction);
        if keep_alive {
            self.add_need(key.connection);
        }
        self.announce(owner, key, peer, protocol, wish.map(|wish| wish.request), framing, now);
    }

    #[expect(clippy::too_many_arguments, reason = "they are the fields of one report")]
    fn announce(
        &mut self,
        owner: Owner,
        stream: StreamKey,
        peer: PeerId,
        protocol: ProtocolId,
        request: Option<RequestId>,
        framing: Framing,
        now: Instant,
    ) {
        match owner {
            Owner::Application => self.event(SwarmEvent::StreamOpened { stream, peer, protocol, request }),
            Owner::Protocol(index) => {
                self.tell(index.into(), Fact::StreamOpened { stream, peer, protocol, request }, now);
                if framing == Framing::Raw
                    && let Some(record) = self.stream_mut(stream)
                {
                    record.owner = Owner::Application;
                    record.handed_over = true;
                    self.announce_handed_over(stream);
                }
            }
        }
    }
}
