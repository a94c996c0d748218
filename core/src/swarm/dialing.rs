//! Dialling: between whoever wishes a connection, the dialer and the driver.

use super::connections::{Origin, Record, State};
use super::dialer::{
    AddressSource, AttemptError, AttemptId, DialError, DialId, DialOptions, DialTarget, DialerInput,
    DialerOutput,
};
use super::limits::Direction;
use super::wishes::Wisher;
use super::{Multiaddr, Swarm, SwarmEvent, SwarmOutput};
use crate::connection::{ConnectionError, ConnectionId, NodeMessage};
use crate::identity::PeerId;
use crate::machine::Machine;
use crate::protocols::{Fact, Protocols};
use crate::security::Role;
use crate::time::Instant;
use smallvec::SmallVec;

impl<P: Protocols> Swarm<P> {
    pub(super) fn handle_dial(
        &mut self,
        dial: DialId,
        target: DialTarget,
        options: DialOptions,
        now: Instant,
    ) {
        let is_new = dial.0 >= self.ids.dial;
        self.ids.dial = self.ids.dial.max(dial.0.saturating_add(1));
        let wisher = Wisher::User(dial);
        if is_new {
            self.wish(wisher, target, options, now);
        } else {
            self.answer_wish(wisher, Err(DialError::IdReused), now);
        }
    }

    /// Somebody wants a connection.
    pub(super) fn wish(&mut self, wisher: Wisher, target: DialTarget, options: DialOptions, now: Instant) {
        let Some(dial) = self.wishes.add(wisher) else {
            return self.answer_wish(wisher, Err(DialError::IdReused), now);
        };
        if let Some(denied) = target.peer.and_then(|peer| self.access.check_peer(&peer).err()) {
            self.wishes.take(dial);
            return self.answer_wish(wisher, Err(denied.into()), now);
        }
        let is_open = |id: &ConnectionId| self.record(*id).is_some_and(|record| !record.is_closing());
        let connected = target.peer.and_then(|peer| self.best_connection(peer)).filter(is_open);
        self.tell_dialer(DialerInput::Dial { dial, target, options, connected }, now);
    }

    /// Somebody wants it no longer.
    pub(super) fn cancel_dial(&mut self, wisher: Wisher, now: Instant) {
        if let Some(dial) = self.wishes.find(wisher) {
            self.tell_dialer(DialerInput::Cancel { dial }, now);
        }
    }

    /// Gives a wish its one answer.
    fn answer_wish(&mut self, wisher: Wisher, result: Result<ConnectionId, DialError>, now: Instant) {
        match (wisher, result) {
            (Wisher::User(dial), Ok(connection)) => self.event(SwarmEvent::Dialed { dial, connection }),
            (Wisher::User(dial), Err(error)) => self.event(SwarmEvent::DialFailed { dial, error }),
            (Wisher::Protocol(index, request), Ok(connection)) => {
                let peer =
                    self.peer_at(connection).expect("the dialer answers with a connection that is open");
                self.protocols.handle_fact(index, Fact::Dialed { request, connection, peer }, now);
            }
            (Wisher::Protocol(index, request), Err(error)) => {
                self.protocols.handle_fact(index, Fact::DialFailed { request, error }, now);
            }
        }
    }

    /// Tells the dialer something, and does what it wants.
    pub(super) fn tell_dialer(&mut self, input: DialerInput, now: Instant) {
        self.dialer.handle_input(input, now);
        self.drain_dialer(now);
    }

    /// Does what the dialer wants until it wants nothing more.
    pub(super) fn drain_dialer(&mut self, now: Instant) {
        while let Some(output) = self.dialer.poll_output() {
            match output {
                DialerOutput::FindAddresses { peer, source } => self.find_addresses(peer, source, now),
                DialerOutput::StopFinding { peer, source: _ } => self.stop_finding(peer, now),
                DialerOutput::Lookup { lookup, name, kind } => {
                    self.outputs.push(SwarmOutput::Lookup { lookup, name, kind });
                }
                DialerOutput::CancelLookup { lookup } => {
                    self.outputs.push(SwarmOutput::CancelLookup { lookup });
                }
                DialerOutput::Start { attempt, peer, address } => {
                    if let Err(error) = self.start_attempt(attempt, peer, address) {
                        self.dialer.handle_input(DialerInput::Failed { attempt, error }, now);
                    }
                }
                DialerOutput::CancelAttempt { attempt } => self.cancel_attempt(attempt),
                DialerOutput::Finished { dial, result } => {
                    if let Some(wisher) = self.wishes.take(dial) {
                        self.answer_wish(wisher, result, now);
                    }
                }
                DialerOutput::Progress(progress) => {
                    self.note_attempt(&progress, now);
                    if self.config.reports_attempts {
                        self.event(SwarmEvent::Dialing(progress));
                    }
                }
            }
        }
    }

    fn start_attempt(
        &mut self,
        attempt: AttemptId,
        expected_peer: Option<PeerId>,
        address: Multiaddr,
    ) -> Result<(), AttemptError> {
        self.access.check_address(&address)?;
        expected_peer.map_or(Ok(()), |peer| self.access.check_peer(&peer))?;
        self.check_limits(&address, Direction::Outbound)?;
        let connection = self.next_connection_id();
        let state = State::Dialing { attempt, expected_peer };
        self.add(connection, Record { role: Role::Dialer, remote_address: address.clone(), state });
        self.attempts.insert(attempt, connection);
        self.outputs.push(SwarmOutput::Dial { connection, address });
        Ok(())
    }

    /// The dialer no longer wants a connection that is on the way.
    fn cancel_attempt(&mut self, attempt: AttemptId) {
        let Some(connection) = self.attempts.remove(&attempt) else { return };
        if self.record(connection).is_some_and(Record::is_attached) {
            // It stays pending until it is gone.
            self.send(connection, NodeMessage::Shutdown(ConnectionError::ClosedHere));
        } else {
            self.remove(connection);
            self.outputs.push(SwarmOutput::CancelDial { connection });
        }
    }

    /// The byte stream of a connection on the way is there.
    pub(super) fn handle_dialed(&mut self, connection: ConnectionId, remote_address: Multiaddr) {
        if let Some(record) = self.record_mut(connection)
            && let State::Dialing { attempt, expected_peer } = record.state
        {
            record.state = State::Upgrading(Origin::Dial(attempt));
            self.move_to(connection, remote_address);
            self.attach(connection, Role::Dialer, expected_peer);
            self.tell_dialer(DialerInput::Upgrading { attempt }, self.latest.get());
        }
    }

    /// A connection on the way has no byte stream, and will have none.
    pub(super) fn fail_dial(&mut self, connection: ConnectionId, error: AttemptError, now: Instant) {
        if let Some(Record { state: State::Dialing { attempt, .. }, .. }) = self.record(connection) {
            let attempt = *attempt;
            self.remove(connection);
            self.fail_attempt(attempt, error, now);
        }
    }

    /// An attempt has ended without an open connection.
    pub(super) fn fail_attempt(&mut self, attempt: AttemptId, error: AttemptError, now: Instant) {
        if self.attempts.remove(&attempt).is_some() {
            self.tell_dialer(DialerInput::Failed { attempt, error }, now);
        }
    }

    /// Asks the peer book, which answers at once, or the protocols that find peers.
    fn find_addresses(&mut self, peer: PeerId, source: AddressSource, now: Instant) {
        if source == AddressSource::Book {
            let addresses = self.book.addresses(peer, now);
            self.dialer.handle_input(DialerInput::Addresses { peer, source, addresses }, now);
        } else if !self.finders.is_empty() {
            for index in self.finders.clone() {
                self.finding.insert((peer, index));
                self.protocols.handle_fact(index, Fact::FindPeer { peer }, now);
            }
            return;
        }
        self.dialer.handle_input(DialerInput::Exhausted { peer, source }, now);
    }

    fn stop_finding(&mut self, peer: PeerId, now: Instant) {
        for index in self.finders_at_work(peer) {
            self.finding.remove(&(peer, index));
            self.protocols.handle_fact(index, Fact::StopFinding { peer }, now);
        }
    }

    /// A protocol has nothing more to say about where a peer is.
    pub(super) fn finish_finding(&mut self, peer: PeerId, index: usize, now: Instant) {
        if self.finding.remove(&(peer, index)) && self.finders_at_work(peer).is_empty() {
            self.tell_dialer(DialerInput::Exhausted { peer, source: AddressSource::Routing }, now);
        }
    }

    /// The protocols that are looking for a peer.
    fn finders_at_work(&self, peer: PeerId) -> SmallVec<[usize; 2]> {
        self.finding.range((peer, usize::MIN)..=(peer, usize::MAX)).map(|&(_, index)| index).collect()
    }
}
