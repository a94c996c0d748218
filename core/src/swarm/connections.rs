//! Dials, incoming connections, and what connections report about themselves.

use super::dialer::{AttemptId, DialerInput};
use super::limits::{Count, Direction};
use super::ranges::Host;
use super::streams::{Owner, StreamRecord};
use super::{
    AccessChange, ConnectionLimit, DialError, ListenError, ListenerId, Multiaddr, Swarm, SwarmEvent,
    SwarmInput, SwarmOutput, address,
};
use crate::collections::Map;
use crate::connection::{
    Carrier, Connection, ConnectionError, ConnectionId, ConnectionMessage, Established, NodeMessage, OpenId,
    Pipeline,
};
use crate::identity::PeerId;
use crate::muxer::StreamId;
use crate::negotiation::ProtocolId;
use crate::protocols::{Fact, Protocols, StreamError};
use crate::security::{HandshakeSetup, Role};
use crate::time::Instant;
use smallvec::SmallVec;
use std::cmp::Reverse;

/// What the swarm knows of a connection.
pub(super) struct Record {
    pub(super) role: Role,
    /// To be changed by [`Swarm::move_to`]: it counts against the limits of its range.
    pub(super) remote_address: Multiaddr,
    pub(super) state: State,
}

pub(super) enum State {
    /// The driver connects a byte stream.
    Dialing { attempt: AttemptId, expected_peer: Option<PeerId> },
    /// Being secured and muxed.
    Upgrading(Origin),
    /// Streams can be opened.
    Open {
        peer: PeerId,
        /// We have told it to close.
        is_closing: bool,
        security: Option<ProtocolId>,
        muxer: Option<ProtocolId>,
        streams: Map<StreamId, StreamRecord>,
        /// How many streams there are, those included that we have asked for.
        count: Count,
        opened_at: Instant,
        /// How many streams and wishes keep it open, opens included.
        needs: u32,
        /// When it was last needed, if it is not.
        idle_since: Instant,
    },
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    Dial(AttemptId),
    Listener(ListenerId),
}

impl Record {
    pub(super) fn direction(&self) -> Direction {
        match self.role {
            Role::Dialer => Direction::Outbound,
            Role::Listener => Direction::Inbound,
        }
    }

    /// Whether its peer is not known yet.
    pub(super) fn is_pending(&self) -> bool {
        !matches!(self.state, State::Open { .. })
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state, State::Open { is_closing: true, .. })
    }

    /// Whether a [`Connection`] exists that takes messages.
    pub(super) fn is_attached(&self) -> bool {
        !matches!(self.state, State::Dialing { .. })
    }
}

impl<P: Protocols> Swarm<P> {
    pub(super) fn add(&mut self, connection: ConnectionId, record: Record) {
        self.usage.connections.add(record.direction());
        self.usage.pending.add(record.direction());
        if let Some(host) = Host::of(&record.remote_address) {
            self.ranges.add(host, record.direction(), &self.config.limits);
        }
        self.connections.insert(connection, Box::new(record));
    }

    pub(super) fn remove(&mut self, connection: ConnectionId) -> Option<Record> {
        let record = *self.connections.remove(&connection)?;
        self.usage.connections.remove(record.direction());
        let host = Host::of(&record.remote_address);
        if record.is_pending() {
            self.note_opened(host, record.direction());
        }
        if let Some(host) = host {
            self.ranges.remove(host, record.direction(), &self.config.limits);
        }
        Some(record)
    }

    /// Notes that a connection that we make goes to another address than was thought.
    pub(super) fn move_to(&mut self, connection: ConnectionId, remote_address: Multiaddr) {
        let Some(record) = self.connections.get_mut(&connection) else { return };
        let direction = record.direction();
        let now_at = Host::of(&remote_address);
        let was_at = Host::of(&std::mem::replace(&mut record.remote_address, remote_address));
        if let Some(host) = was_at {
            self.ranges.remove(host, direction, &self.config.limits);
        }
        if let Some(host) = now_at {
            self.ranges.add(host, direction, &self.config.limits);
        }
    }

    /// Notes that a connection is no longer pending.
    fn note_opened(&mut self, host: Option<Host>, direction: Direction) {
        self.usage.pending.remove(direction);
        if let Some(host) = host {
            self.ranges.opened(host, direction, &self.config.limits);
        }
    }

    pub(super) fn handle_incoming(
        &mut self,
        connection: ConnectionId,
        listener: ListenerId,
        remote_address: Multiaddr,
        now: Instant,
    ) {
        let is_fresh = !self.connections.contains_key(&connection);
        self.ids.connection = self.ids.connection.max(connection.0.saturating_add(1));
        if !is_fresh || !self.listeners.contains_key(&listener) {
            return self.outputs.push(SwarmOutput::Refuse { connection });
        }
        if let Err(error) = self.check_incoming(&remote_address, now) {
            self.counters.incoming_failed.add(&error);
            self.outputs.push(SwarmOutput::Refuse { connection });
            return self.event(SwarmEvent::IncomingFailed { connection, remote_address, error });
        }
        let state = State::Upgrading(Origin::Listener(listener));
        self.add(connection, Record { role: Role::Listener, remote_address, state });
        self.attach(connection, Role::Listener, None);
    }

    /// Whether a remote may connect from here now.
    fn check_incoming(&mut self, remote_address: &Multiaddr, now: Instant) -> Result<(), ConnectionError> {
        self.access.check_address(remote_address)?;
        self.check_limits(remote_address, Direction::Inbound)?;
        if let Some(host) = Host::of(remote_address) {
            self.ranges.take_tokens(host, &self.config.limits, now)?;
        }
        Ok(())
    }

    /// Whether there is room for one more connection with this address.
    pub(super) fn check_limits(
        &self,
        remote_address: &Multiaddr,
        direction: Direction,
    ) -> Result<(), ConnectionLimit> {
        self.config.limits.check_connection(&self.usage, direction)?;
        Host::of(remote_address)
            .map_or(Ok(()), |host| self.ranges.check(host, direction, &self.config.limits))
    }

    /// Makes a change of the rules, and closes what they no longer allow.
    pub(super) fn change_access(&mut self, change: AccessChange, now: Instant) {
        self.access.apply(change);
        let denied = self.connections.iter().filter_map(|(id, record)| {
            let address = self.access.check_address(&record.remote_address);
            let denied = match &record.state {
                State::Open { is_closing: true, .. } => return None,
                State::Open { peer, .. } => address.and_then(|()| self.access.check_peer(peer)),
                State::Dialing { .. } | State::Upgrading(_) => address,
            };
            denied.err().map(|reason| (*id, reason))
        });
        for (id, reason) in denied.collect::<Vec<_>>() {
            self.close(id, reason.into(), now);
        }
    }

    /// Prepares the connection for a byte stream; it is made when the driver takes it.
    pub(super) fn attach(&mut self, id: ConnectionId, role: Role, expected_peer: Option<PeerId>) {
        let setup = HandshakeSetup {
            role,
            keypair: self.keypair.clone(),
            expected_peer,
            crypto: self.connection_config.crypto.clone(),
            muxers: self.connection_config.muxer_ids(),
            wall_clock: self
                .wall_clock
                .map(|(at, since_1970)| since_1970.saturating_add(self.latest.get() - at)),
            seed: self.seed.child("connection"),
        };
        self.untaken.insert(id, setup);
        self.outputs.push(SwarmOutput::Connection { connection: id });
    }

    /// Hands out a connection over a byte stream, once, after [`SwarmOutput::Connection`].
    pub fn take_connection(&mut self, connection: ConnectionId, now: Instant) -> Option<Connection> {
        let now = self.latest.see(now);
        let config = self.connection_config.clone();
        self.take_connection_over(connection, |setup| Pipeline::new(config, setup, now))
    }

    /// Hands out a connection over a carrier of the driver's, once, after [`SwarmOutput::Connection`].
    pub fn take_connection_over<C: Carrier>(
        &mut self,
        connection: ConnectionId,
        carrier: impl FnOnce(HandshakeSetup) -> C,
    ) -> Option<Connection<C>> {
        let carrier = carrier(self.untaken.remove(&connection)?);
        Some(Connection::new(connection, self.connection_config.clone(), self.table.clone(), carrier))
    }

    pub(super) fn disconnect(&mut self, connection: ConnectionId, now: Instant) {
        self.close(connection, ConnectionError::ClosedHere, now);
    }

    /// Closes a connection in order, or gives it up if it is on the way.
    pub(super) fn close(&mut self, connection: ConnectionId, reason: ConnectionError, now: Instant) {
        if self.record(connection).is_some_and(|record| !record.is_attached()) {
            self.outputs.push(SwarmOutput::CancelDial { connection });
            return self.fail_dial(connection, reason.into(), now);
        }
        if let Some(Record { state: State::Open { is_closing, .. }, .. }) = self.record_mut(connection) {
            *is_closing = true;
        }
        self.send(connection, NodeMessage::Shutdown(reason));
    }

    /// Notes whether somebody wishes a connection to stay open, and tells it when the first wishes it, or nobody any more.
    pub(super) fn keep_alive(&mut self, owner: Owner, connection: ConnectionId, wanted: bool) {
        if self.record(connection).is_none_or(Record::is_pending) {
            return;
        }
        let was_kept = self.keepers(connection).next().is_some();
        if wanted {
            self.kept.insert((connection, owner));
        } else {
            self.kept.remove(&(connection, owner));
        }
        let is_kept = self.keepers(connection).next().is_some();
        if is_kept != was_kept {
            if is_kept {
                self.add_need(connection);
            } else {
                self.remove_need(connection);
            }
            self.send(connection, NodeMessage::KeepAlive(is_kept));
        }
    }

    /// Notes that one more thing keeps a connection open.
    pub(super) fn add_need(&mut self, id: ConnectionId) {
        if let Some(Record { state: State::Open { needs, .. }, .. }) = self.record_mut(id) {
            *needs = needs.saturating_add(1);
        }
    }

    /// Notes that one of them does no longer.
    pub(super) fn remove_need(&mut self, id: ConnectionId) {
        let now = self.latest.get();
        if let Some(Record { state: State::Open { needs, idle_since, .. }, .. }) = self.record_mut(id) {
            debug_assert!(*needs > 0, "what is removed was counted");
            *needs = needs.saturating_sub(1);
            *idle_since = now;
        }
    }

    pub(super) fn keepers(&self, connection: ConnectionId) -> impl Iterator<Item = Owner> + '_ {
        let all = (connection, Owner::Application)..=(connection, Owner::Protocol(u16::MAX));
        self.kept.range(all).map(|&(_, owner)| owner)
    }

    /// A message from a connection; one from a connection that is gone changes nothing.
    pub(super) fn handle_message(&mut self, id: ConnectionId, message: ConnectionMessage, now: Instant) {
        match message {
            ConnectionMessage::Established(established) => self.handle_established(id, *established, now),
            ConnectionMessage::Closed(error) => self.handle_closed(id, error, now),
            ConnectionMessage::OpenFailed { open, error } => self.fail_open(id, open, error, now),
            message => self.handle_stream_message(id, message, now),
        }
    }

    fn handle_established(&mut self, id: ConnectionId, established: Established, now: Instant) {
        let Established { peer, public_key: _, security, muxer } = established;
        let max = self.config.limits.max_connections_per_peer;
        let is_one_too_many = self.peers.get(&peer).map_or(0, SmallVec::len) >= max;
        let Some(record) = self.connections.get_mut(&id) else { return };
        let State::Upgrading(origin) = record.state else { return };
        if let Origin::Dial(attempt) = origin
            && !self.attempts.contains_key(&attempt)
        {
            // It has been told to close, and is not gone yet.
            return;
        }
        // The rules may have changed since it came.
        let access = self.access.check_address(&record.remote_address);
        let refusal: Option<ConnectionError> = match access.and_then(|()| self.access.check_peer(&peer)) {
            Err(denied) => Some(denied.into()),
            Ok(()) if is_one_too_many => Some(ConnectionLimit::PerPeer(max).into()),
            Ok(()) => None,
        };
        if let Some(reason) = refusal {
            // It stays pending until it is gone, and then says why.
            return self.send(id, NodeMessage::Shutdown(reason));
        }
        record.state = State::Open {
            peer,
            is_closing: false,
            security: security.clone(),
            muxer: muxer.clone(),
            streams: Map::default(),
            count: Count::default(),
            opened_at: now,
            needs: 0,
            idle_since: now,
        };
        let (role, remote_address) = (record.role, record.remote_address.clone());
        let direction = record.direction();
        self.note_opened(Host::of(&remote_address), direction);
        self.counters.connections_opened.add(direction);
        let local_address = match origin {
            Origin::Dial(_) => None,
            Origin::Listener(listener) => self.first_address(listener),
        };
        self.peers.entry(peer).or_default().push(id);
        self.event(SwarmEvent::Connected {
            connection: id,
            peer,
            role,
            remote_address: remote_address.clone(),
            security,
            muxer,
        });
        let dialed = matches!(origin, Origin::Dial(_)).then_some(&remote_address);
        self.note(peer, |book| book.connected(peer, dialed, now));
        self.broadcast(&Fact::Connected { connection: id, peer, role, remote_address, local_address }, now);
        let input = match origin {
            Origin::Dial(attempt) => {
                self.attempts.remove(&attempt);
                DialerInput::Succeeded { attempt, connection: id, peer }
            }
            Origin::Listener(_) => DialerInput::Connected { connection: id, peer },
        };
        self.tell_dialer(input, now);
        self.watch_high_watermark(now);
    }

    fn first_address(&self, listener: ListenerId) -> Option<Multiaddr> {
        self.listeners.get(&listener)?.first().cloned()
    }

    fn handle_closed(&mut self, id: ConnectionId, error: ConnectionError, now: Instant) {
        self.untaken.remove(&id);
        let all = (id, OpenId(u64::MIN))..=(id, OpenId(u64::MAX));
        let opens: Vec<_> = self.opens.range(all).map(|(&(_, open), _)| open).collect();
        for open in opens {
            self.fail_open(id, open, StreamError::ConnectionClosed, now);
        }
        let keepers: Vec<_> = self.keepers(id).collect();
        for owner in keepers {
            self.kept.remove(&(id, owner));
        }
        let Some(Record { state, remote_address, .. }) = self.remove(id) else { return };
        match state {
            State::Dialing { attempt, .. } | State::Upgrading(Origin::Dial(attempt)) => {
                self.fail_attempt(attempt, error.into(), now);
            }
            State::Upgrading(Origin::Listener(_)) => {
                self.counters.incoming_failed.add(&error);
                self.event(SwarmEvent::IncomingFailed { connection: id, remote_address, error });
            }
            State::Open { peer, streams, .. } => {
                self.counters.connections_closed.add(&error);
                debug_assert!(
                    streams.is_empty(),
                    "a connection reports the end of each stream before its own"
                );
                if let Some(connections) = self.peers.get_mut(&peer) {
                    connections.retain(|connection| *connection != id);
                    if connections.is_empty() {
                        self.peers.remove(&peer);
                    }
                }
                self.note(peer, |book| book.disconnected(peer, now));
                self.broadcast(&Fact::Disconnected { connection: id, peer }, now);
                self.event(SwarmEvent::Disconnected { connection: id, peer, reason: error });
            }
        }
    }

    /// The best connection to a peer, as the module's documentation says.
    pub(super) fn best_connection(&self, peer: PeerId) -> Option<ConnectionId> {
        match self.peers.get(&peer)?[..] {
            [only] => Some(only),
            ref several => several.iter().copied().max_by_key(|&id| {
                let record = self.record(id);
                let stays = record.is_some_and(|record| !record.is_closing());
                let is_direct = record.is_some_and(|record| !address::is_relayed(&record.remote_address));
                (stays, is_direct, self.streams_on(id).total(), Reverse(id))
            }),
        }
    }

    /// Who is at the other end, if the connection is open.
    pub(super) fn peer_at(&self, id: ConnectionId) -> Option<PeerId> {
        match self.record(id)?.state {
            State::Open { peer, .. } => Some(peer),
            State::Dialing { .. } | State::Upgrading(_) => None,
        }
    }

    pub(super) fn record(&self, id: ConnectionId) -> Option<&Record> {
        self.connections.get(&id).map(Box::as_ref)
    }

    pub(super) fn record_mut(&mut self, id: ConnectionId) -> Option<&mut Record> {
        self.connections.get_mut(&id).map(Box::as_mut)
    }

    /// How many streams there are on a connection.
    pub(super) fn streams_on(&self, id: ConnectionId) -> Count {
        match self.record(id) {
            Some(Record { state: State::Open { count, .. }, .. }) => *count,
            _ => Count::default(),
        }
    }

    /// Takes a place for one more stream on an open connection, unless that is over a limit.
    pub(super) fn take_stream_place(&mut self, id: ConnectionId, direction: Direction) -> bool {
        let Some(Record { state: State::Open { peer, count, .. }, .. }) = self.record(id) else {
            return false;
        };
        let connections = self.peers.get(peer).into_iter().flatten();
        let with_peer = connections.map(|id| self.streams_on(*id)).sum();
        if !self.config.limits.allow_stream(self.usage.streams, with_peer, *count, direction) {
            return false;
        }
        self.count_stream(id, |count| count.add(direction));
        true
    }

    /// Gives back what [`Self::take_stream_place`] took.
    pub(super) fn free_stream_place(&mut self, id: ConnectionId, direction: Direction) {
        self.count_stream(id, |count| count.remove(direction));
    }

    fn count_stream(&mut self, id: ConnectionId, change: impl Fn(&mut Count)) {
        if let Some(Record { state: State::Open { count, .. }, .. }) = self.record_mut(id) {
            change(count);
            change(&mut self.usage.streams);
        }
    }

    /// Answers what comes after the last word.
    pub(super) fn refuse(&mut self, input: SwarmInput<P::Command>, now: Instant) {
        match input {
            SwarmInput::Listen { listener, .. } => {
                self.event(SwarmEvent::ListenFailed { listener, error: ListenError::ShuttingDown });
            }
            SwarmInput::Dial { dial, .. } => {
                self.event(SwarmEvent::DialFailed { dial, error: DialError::ShuttingDown });
            }
            SwarmInput::OpenStream { request, .. } => {
                self.event(SwarmEvent::StreamFailed { request, error: StreamError::NotConnected });
            }
            SwarmInput::Incoming { connection, .. } => {
                self.outputs.push(SwarmOutput::Refuse { connection });
            }
            // It can do nothing but answer: no peer is connected, and what asks others was told that the node is over.
            SwarmInput::Command(command) => {
                self.protocols.handle_command(command, now);
                self.drain_protocols(now);
            }
            _ => {}
        }
    }
}
