//! Dials, incoming connections, and what connections report about themselves.

use super::streams::StreamRecord;
use super::{
    DialError, DialId, Life, ListenError, ListenerId, Multiaddr, Swarm, SwarmEvent, SwarmInput, SwarmOutput,
    address,
};
use crate::collections::Map;
use crate::connection::{
    Carrier, Connection, ConnectionError, ConnectionId, ConnectionMessage, Established, NodeMessage, Pipeline,
};
use crate::identity::PeerId;
use crate::muxer::StreamId;
use crate::protocols::{Fact, Protocols, StreamError};
use crate::security::{HandshakeSetup, Role};
use crate::time::{Deadline, Instant};

/// What the swarm knows of a connection.
pub(super) struct Record {
    pub(super) role: Role,
    pub(super) remote_address: Multiaddr,
    pub(super) state: State,
}

pub(super) enum State {
    /// The driver connects a byte stream.
    Dialing { dial: DialId, expected_peer: Option<PeerId> },
    /// Being secured and muxed.
    Upgrading { dial: Option<DialId> },
    /// Streams can be opened.
    Open { peer: PeerId, streams: Map<StreamId, StreamRecord> },
}

impl Record {
    /// Whether a [`Connection`] exists that takes messages.
    pub(super) fn is_attached(&self) -> bool {
        !matches!(self.state, State::Dialing { .. })
    }
}

impl<P: Protocols> Swarm<P> {
    pub(super) fn handle_dial(&mut self, dial: DialId, address: &Multiaddr, now: Instant) {
        if let Err(error) = self.start_dial(dial, address, now) {
            self.event(SwarmEvent::DialFailed { dial, error });
        }
    }

    fn start_dial(&mut self, dial: DialId, address: &Multiaddr, now: Instant) -> Result<(), DialError> {
        if dial.0 < self.ids.dial {
            return Err(DialError::IdReused);
        }
        self.ids.dial = dial.0.saturating_add(1);
        if self.life != Life::Running {
            return Err(DialError::ShuttingDown);
        }
        let (remote_address, expected_peer) = address::split_peer_id(address)?;
        if expected_peer == Some(self.local_peer) {
            return Err(DialError::SelfDial);
        }
        if self.connections.len() >= self.config.max_connections {
            return Err(DialError::Limit);
        }
        let connection = self.next_connection_id();
        let state = State::Dialing { dial, expected_peer };
        let record = Record { role: Role::Dialer, remote_address: remote_address.clone(), state };
        self.connections.insert(connection, Box::new(record));
        let deadline = Deadline::new(now + self.config.dial_timeout, "dial timeout");
        self.dial_deadlines.set(connection, Some(deadline));
        self.outputs.push_back(SwarmOutput::Dial { connection, address: remote_address });
        Ok(())
    }

    /// A dial whose byte stream did not come up.
    pub(super) fn fail_dial(&mut self, connection: ConnectionId, error: DialError) {
        self.dial_deadlines.set(connection, None);
        if let Some(Record { state: State::Dialing { dial, .. }, .. }) = self.record(connection) {
            let dial = *dial;
            self.connections.remove(&connection);
            self.event(SwarmEvent::DialFailed { dial, error });
        }
    }

    /// Gives up a dial whose byte stream is not up yet.
    pub(super) fn abandon_dial(&mut self, connection: ConnectionId, error: DialError) {
        if let Some(Record { state: State::Dialing { .. }, .. }) = self.record(connection) {
            self.outputs.push_back(SwarmOutput::CancelDial { connection });
            self.fail_dial(connection, error);
        }
    }

    pub(super) fn handle_dialed(&mut self, connection: ConnectionId) {
        self.dial_deadlines.set(connection, None);
        if let Some(record) = self.connections.get_mut(&connection)
            && let State::Dialing { dial, expected_peer } = record.state
        {
            record.state = State::Upgrading { dial: Some(dial) };
            self.attach(connection, Role::Dialer, expected_peer);
        }
    }

    pub(super) fn handle_incoming(
        &mut self,
        connection: ConnectionId,
        listener: ListenerId,
        remote_address: Multiaddr,
    ) {
        let is_fresh = !self.connections.contains_key(&connection);
        self.ids.connection = self.ids.connection.max(connection.0.saturating_add(1));
        let has_room = self.connections.len() < self.config.max_connections
            && self.pending_incoming < self.config.max_pending_incoming;
        if !is_fresh || !has_room || !self.listeners.contains_key(&listener) {
            return self.outputs.push_back(SwarmOutput::Refuse { connection });
        }
        self.pending_incoming += 1;
        let state = State::Upgrading { dial: None };
        let record = Record { role: Role::Listener, remote_address, state };
        self.connections.insert(connection, Box::new(record));
        self.attach(connection, Role::Listener, None);
    }

    /// Prepares the connection for a byte stream; it is made when the driver takes it.
    fn attach(&mut self, id: ConnectionId, role: Role, expected_peer: Option<PeerId>) {
        let setup = HandshakeSetup {
            role,
            keypair: self.keypair.clone(),
            expected_peer,
            crypto: self.connection_config.crypto.clone(),
            seed: self.seed.child("connection"),
        };
        self.untaken.insert(id, setup);
        self.outputs.push_back(SwarmOutput::Connection { connection: id });
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

    pub(super) fn disconnect(&mut self, connection: ConnectionId) {
        self.abandon_dial(connection, DialError::Connection(ConnectionError::ClosedHere));
        self.send(connection, NodeMessage::Shutdown);
    }

    /// A message from a connection; one from a connection that is gone changes nothing.
    pub(super) fn handle_message(&mut self, id: ConnectionId, message: ConnectionMessage, now: Instant) {
        match message {
            ConnectionMessage::Established(established) => self.handle_established(id, *established, now),
            ConnectionMessage::Closed(error) => self.handle_closed(id, error, now),
            ConnectionMessage::OpenFailed { open, error } => self.fail_open(open, error, now),
            message => self.handle_stream_message(id, message, now),
        }
    }

    fn handle_established(&mut self, id: ConnectionId, established: Established, now: Instant) {
        let Established { peer, public_key: _, security, muxer } = established;
        let Some(record) = self.connections.get_mut(&id) else { return };
        let State::Upgrading { dial } = record.state else { return };
        self.pending_incoming -= usize::from(dial.is_none());
        record.state = State::Open { peer, streams: Map::default() };
        let (role, remote_address) = (record.role, record.remote_address.clone());
        self.peers.entry(peer).or_default().push(id);
        self.event(SwarmEvent::Connected {
            connection: id,
            peer,
            role,
            remote_address: remote_address.clone(),
            dial,
            security,
            muxer,
        });
        self.broadcast(&Fact::Connected { connection: id, peer, role, remote_address }, now);
    }

    fn handle_closed(&mut self, id: ConnectionId, error: ConnectionError, now: Instant) {
        self.untaken.remove(&id);
        let opens: Vec<_> =
            self.opens.iter().filter(|(_, open)| open.connection == id).map(|(&open, _)| open).collect();
        for open in opens {
            self.fail_open(open, StreamError::ConnectionClosed, now);
        }
        let Some(record) = self.connections.remove(&id) else { return };
        let Record { state, remote_address, .. } = *record;
        match state {
            State::Dialing { dial, .. } | State::Upgrading { dial: Some(dial) } => {
                let error = if self.life == Life::Running { error.into() } else { DialError::ShuttingDown };
                self.event(SwarmEvent::DialFailed { dial, error });
            }
            State::Upgrading { dial: None } => {
                self.pending_incoming -= 1;
                self.event(SwarmEvent::IncomingFailed { connection: id, remote_address, error });
            }
            State::Open { peer, streams } => {
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
                self.broadcast(&Fact::Disconnected { connection: id, peer }, now);
                self.event(SwarmEvent::Disconnected { connection: id, peer, reason: error });
            }
        }
    }

    /// The best connection to a peer: the one with most streams, then the oldest.
    pub(super) fn best_connection(&self, peer: PeerId) -> Option<ConnectionId> {
        let connections = self.peers.get(&peer)?;
        connections.iter().copied().max_by_key(|id| (self.stream_count(*id), std::cmp::Reverse(*id)))
    }

    pub(super) fn record(&self, id: ConnectionId) -> Option<&Record> {
        self.connections.get(&id).map(Box::as_ref)
    }

    pub(super) fn record_mut(&mut self, id: ConnectionId) -> Option<&mut Record> {
        self.connections.get_mut(&id).map(Box::as_mut)
    }

    fn stream_count(&self, id: ConnectionId) -> usize {
        match self.record(id) {
            Some(Record { state: State::Open { streams, .. }, .. }) => streams.len(),
            _ => 0,
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
                self.outputs.push_back(SwarmOutput::Refuse { connection });
            }
            // No peer is connected, so there is nothing that it could do but answer.
            SwarmInput::Command(command) => {
                self.protocols.handle_command(command, now);
                self.drain_protocols(now);
            }
            _ => {}
        }
    }
}
