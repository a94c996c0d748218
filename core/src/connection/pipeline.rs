//! The upgrade pipeline: a byte stream becomes a secured one, and that becomes streams.
//!
//! ```text
//! Negotiate(security) -> Handshake -> Negotiate(muxer) -> Open -> Remains
//!                                     (skipped where the handshake agrees on one)
//! ```
//!
//! Each phase owns what it needs and is consumed by the step to the next; bytes that a phase has not sent yet stay in the
//! transmit buffer, bytes that it did not take belong to the phase that follows.

use super::carrier::{Carrier, CarrierEvent, Established};
use super::error::SECURITY;
use super::fairness::WriteTurns;
use super::negotiator::Negotiator;
use super::open::Open;
use super::transmit::Transmit;
use super::{ConnectionConfig, ConnectionError};
use crate::machine::{Close, End, Layer};
use crate::muxer::{
    MIN_FRAME_ROOM, Muxer, OpenError, ReadError, StreamId, Streams, StreamsEvent, WriteError,
};
use crate::negotiation::{NegotiationError, ProtocolId};
use crate::security::pnet::Protection;
use crate::security::{Handshake, HandshakeSetup, Opened, Role, Secured, SecurityError};
use crate::time::{Deadline, Instant};
use bytes::{Bytes, BytesMut};
use std::mem;
use std::sync::Arc;

/// A byte stream, upgraded to authenticated streams. The carrier under a TCP connection.
pub struct Pipeline {
    config: Arc<ConnectionConfig>,
    /// Of the private network, below everything else.
    protection: Option<Box<Protection>>,
    role: Role,
    phase: Phase,
    transmit: Transmit,
    turns: WriteTurns,
    established: Option<Box<Established>>,
    /// [`CarrierEvent::Closed`] is owed.
    owes_closed: bool,
    close: Option<Closing>,
}

enum Phase {
    /// Agreeing on a security protocol.
    Security(Box<SelectingSecurity>),
    /// The security protocol's handshake.
    Handshake(Securing),
    /// Agreeing on a muxer, sealed.
    Muxer(Box<SelectingMuxer>),
    /// Streams.
    Open(Open),
    /// Dead. What the streams had received can still be read.
    Remains { error: ConnectionError, muxer: Option<Box<dyn Muxer>> },
}

struct SelectingSecurity {
    deadline: Instant,
    negotiator: Negotiator<[ProtocolId]>,
    setup: HandshakeSetup,
}

struct Securing {
    deadline: Instant,
    protocol: ProtocolId,
    /// The negotiation, if the remote has yet to accept the protocol.
    unanswered: Option<Box<Negotiator<[ProtocolId]>>>,
    handshake: Box<dyn Handshake>,
}

struct SelectingMuxer {
    deadline: Instant,
    negotiator: Negotiator<[ProtocolId]>,
    security: ProtocolId,
    secured: Secured,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// Everything is to be sent, then the remote has until this point in time to close as well.
    Flushing {
        give_up: Instant,
    },
    Now,
}

fn no_security(error: NegotiationError) -> ConnectionError {
    ConnectionError::Negotiation { what: SECURITY, error }
}

fn no_muxer(error: NegotiationError) -> ConnectionError {
    ConnectionError::Negotiation { what: "muxer", error }
}

fn negotiator(role: Role, ids: Arc<[ProtocolId]>, lazy: bool, now: Instant) -> Negotiator<[ProtocolId]> {
    match role {
        Role::Dialer => Negotiator::dialer(ids.iter().cloned().collect(), lazy, now),
        Role::Listener => Negotiator::listener(ids, now),
    }
}

impl Pipeline {
    /// Starts to upgrade a fresh byte stream.
    pub fn new(config: Arc<ConnectionConfig>, mut setup: HandshakeSetup, now: Instant) -> Self {
        let key = config.private_network.clone();
        let protection =
            key.map(|key| Box::new(Protection::new(key, &mut setup.seed.child("private network"))));
        let negotiator = negotiator(setup.role, config.security_ids(), config.lazy_security, now);
        let deadline = now + config.handshake_timeout;
        let mut pipeline = Self {
            protection,
            role: setup.role,
            phase: Phase::Security(Box::new(SelectingSecurity { deadline, negotiator, setup })),
            transmit: Transmit::default(),
            turns: WriteTurns::default(),
            established: None,
            owes_closed: false,
            close: None,
            config,
        };
        // A lazy dialer has its protocol already. An error shows again with the first input.
        drop(pipeline.advance(&mut BytesMut::new(), now));
        pipeline
    }

    /// Runs the phases on what the private network's protection has decrypted, if there is one.
    fn advance_plain(&mut self, now: Instant) -> Result<(), ConnectionError> {
        let plain = self.protection.as_mut().map(|protection| mem::take(&mut protection.plain));
        let mut plain = plain.unwrap_or_default();
        let result = self.advance(&mut plain, now);
        if let Some(protection) = &mut self.protection
            && !plain.is_empty()
        {
            protection.plain = plain;
        }
        result
    }

    /// Runs the phases on `input` until they need more.
    fn advance(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), ConnectionError> {
        loop {
            match &mut self.phase {
                Phase::Security(selecting) => {
                    let selected = selecting.negotiator.advance(input, now).map_err(no_security)?;
                    let Some(id) = selected else { return Ok(()) };
                    selecting.negotiator.poll_transmit(self.transmit.raw(), usize::MAX, now);
                    self.start_handshake(id, now);
                }
                Phase::Handshake(Securing { protocol, handshake, unanswered, .. }) => {
                    if let Some(negotiator) = unanswered {
                        negotiator.advance(input, now).map_err(no_security)?;
                        if negotiator.awaits_answer() {
                            return Ok(());
                        }
                        *unanswered = None;
                    }
                    handshake
                        .handle_input(input, now)
                        .map_err(|error| ConnectionError::security(protocol, error))?;
                    let Some(secured) = handshake.poll_event() else { return Ok(()) };
                    handshake.poll_transmit(self.transmit.raw(), usize::MAX, now);
                    self.finish_handshake(secured, now)?;
                }
                Phase::Muxer(selecting) => {
                    let SelectingMuxer { negotiator, secured, .. } = &mut **selecting;
                    let selected = negotiator.advance(&mut secured.plain, now).map_err(no_muxer)?;
                    if let Some(id) = selected {
                        let (out, _) = self.transmit.frame(&*secured.channel, 0);
                        negotiator.poll_transmit(out, usize::MAX, now);
                        self.transmit.seal(&mut *secured.channel)?;
                        self.finish_muxer_negotiation(id, now);
                    } else {
                        match secured.channel.open(input)? {
                            Opened::NeedMore => return Ok(()),
                            Opened::Plain(plain) => secured.plain.unsplit(plain),
                            Opened::Closed => return Err(ConnectionError::ClosedByPeer),
                        }
                    }
                }
                Phase::Open(open) => return open.advance(input, now),
                Phase::Remains { error, .. } => return Err(error.clone()),
            }
        }
    }

    fn start_handshake(&mut self, id: ProtocolId, now: Instant) {
        let Phase::Security(selecting) = self.take_phase() else { return };
        let SelectingSecurity { deadline, negotiator, setup } = *selecting;
        let unanswered = negotiator.awaits_answer().then(|| Box::new(negotiator));
        if let Some(security) = self.config.security.iter().find(|security| security.id() == id) {
            let handshake = security.start(setup, now);
            self.phase = Phase::Handshake(Securing { deadline, protocol: id, unanswered, handshake });
        }
    }

    fn finish_handshake(&mut self, secured: Secured, now: Instant) -> Result<(), ConnectionError> {
        let Phase::Handshake(Securing { deadline, protocol, .. }) = self.take_phase() else { return Ok(()) };
        match &secured.muxer {
            Some(id) if !self.config.muxers.iter().any(|muxer| muxer.id() == *id) => {
                let error = SecurityError::Malformed("it agrees on a muxer that was not offered");
                return Err(ConnectionError::security(&protocol, error));
            }
            Some(id) => self.start_muxer(id.clone(), protocol, secured, now),
            None => {
                let negotiator = negotiator(self.role, self.config.muxer_ids(), false, now);
                let selecting = SelectingMuxer { deadline, negotiator, security: protocol, secured };
                self.phase = Phase::Muxer(Box::new(selecting));
            }
        }
        Ok(())
    }

    fn finish_muxer_negotiation(&mut self, id: ProtocolId, now: Instant) {
        let Phase::Muxer(selecting) = self.take_phase() else { return };
        let SelectingMuxer { security, secured, .. } = *selecting;
        self.start_muxer(id, security, secured, now);
    }

    fn start_muxer(&mut self, id: ProtocolId, security: ProtocolId, secured: Secured, now: Instant) {
        let Some(protocol) = self.config.muxers.iter().find(|protocol| protocol.id() == id) else { return };
        let Secured { peer, public_key, channel, plain, muxer: _ } = secured;
        self.phase = Phase::Open(Open::new(channel, protocol.start(self.role, now), plain, now));
        let (security, muxer) = (Some(security), Some(id));
        self.established = Some(Box::new(Established { peer, public_key, security, muxer }));
    }

    /// Whether [`Layer::poll_transmit`] may have something to give.
    pub(super) fn wants_transmit(&self) -> bool {
        match &self.phase {
            Phase::Open(open) => !self.transmit.is_empty() || open.muxer.wants_transmit(),
            _ => true,
        }
    }

    /// See [`Connection::lend_buffer`](super::Connection::lend_buffer).
    pub(super) fn lend_buffer(&mut self, lend: impl FnOnce() -> BytesMut) {
        self.transmit.lend(lend);
    }

    /// See [`Connection::reclaim_buffer`](super::Connection::reclaim_buffer).
    pub(super) fn reclaim_buffer(&mut self) -> Option<BytesMut> {
        self.transmit.reclaim()
    }

    /// Takes the phase out for a transition, leaving a tombstone.
    fn take_phase(&mut self) -> Phase {
        mem::replace(&mut self.phase, Phase::Remains { error: ConnectionError::Broken, muxer: None })
    }

    /// Ends the connection. What is in the transmit buffer may still leave, unless `how` is [`Close::Now`].
    fn die(&mut self, error: ConnectionError, end: End, closing: Closing, now: Instant) {
        if let Phase::Remains { .. } = self.phase {
            return;
        }
        let error = match &self.protection {
            Some(protection) => error.in_private_network(protection.has_heard()),
            None => error,
        };
        let muxer = match self.take_phase() {
            Phase::Open(mut open) => {
                if closing != Closing::Now {
                    // Only an exhausted cipher refuses to seal, and then nothing more can be sent in any case.
                    drop(self.transmit.seal(&mut *open.channel));
                }
                open.muxer.handle_end(end, now);
                Some(open.muxer)
            }
            _ => None,
        };
        self.transmit.discard_open_frame();
        if let Some(protection) = &mut self.protection {
            protection.plain = BytesMut::new();
        }
        self.turns = WriteTurns::default();
        self.phase = Phase::Remains { error, muxer };
        self.owes_closed = true;
        self.close = Some(closing);
    }

    /// The remote broke something: no last words. But one whose handshake fails is to learn why: what was accepted or refused, or an alert.
    fn fail(&mut self, error: ConnectionError, now: Instant) {
        let is_handshake = !matches!(self.phase, Phase::Open(_) | Phase::Remains { .. });
        let has_failed = error != ConnectionError::HandshakeTimeout;
        // What cannot be sent is not worth another error.
        if is_handshake && has_failed && self.fill(usize::MAX, now).is_ok() && !self.transmit.is_empty() {
            let closing = Closing::Flushing { give_up: now + self.config.close_timeout };
            self.die(error, End::Failed, closing, now);
        } else {
            self.die(error, End::Failed, Closing::Now, now);
        }
    }

    /// Ends the connection in order: what the current phase still has to say goes out first.
    fn flush(&mut self, reason: ConnectionError, now: Instant) {
        let closing = Closing::Flushing { give_up: now + self.config.close_timeout };
        if let Err(error) = self.fill(usize::MAX, now) {
            return self.fail(error, now);
        }
        self.die(reason, End::Closed, closing, now);
    }

    /// Whether the node may hear now that the connection is over. Of one that was never open it hears when the byte stream is gone as
    /// well: until then it counts as pending, or remotes that are refused could pile up beyond every limit.
    fn may_report_closed(&self) -> bool {
        match &self.phase {
            Phase::Remains { muxer, .. } => muxer.is_some() || self.close == Some(Closing::Now),
            _ => false,
        }
    }

    /// Fills the transmit buffer with what the current phase has to send, up to about `max` bytes.
    fn fill(&mut self, max: usize, now: Instant) -> Result<(), ConnectionError> {
        let transmit = &mut self.transmit;
        match &mut self.phase {
            Phase::Security(selecting) => {
                selecting.negotiator.poll_transmit(transmit.raw(), max, now);
            }
            Phase::Handshake(securing) => {
                securing.handshake.poll_transmit(transmit.raw(), max, now);
            }
            Phase::Muxer(selecting) => {
                let channel = &mut *selecting.secured.channel;
                let (out, _) = transmit.frame(channel, MIN_FRAME_ROOM);
                selecting.negotiator.poll_transmit(out, max, now);
                transmit.seal(channel)?;
            }
            Phase::Open(open) => open.fill(transmit, max, now)?,
            Phase::Remains { .. } => {}
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Deadline> {
        match &self.phase {
            Phase::Security(phase) => Some(Deadline::new(phase.deadline, "handshake timeout")),
            Phase::Handshake(phase) => Deadline::earlier(
                Some(Deadline::new(phase.deadline, "handshake timeout")),
                phase.handshake.poll_timeout(),
            ),
            Phase::Muxer(phase) => Some(Deadline::new(phase.deadline, "handshake timeout")),
            Phase::Open(open) => open.muxer.poll_timeout(),
            Phase::Remains { .. } => match self.close {
                Some(Closing::Flushing { give_up }) => Some(Deadline::new(give_up, "close timeout")),
                _ => None,
            },
        }
    }
}

impl Layer for Pipeline {
    type Event = CarrierEvent;
    type Error = ConnectionError;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), ConnectionError> {
        let result = match &mut self.protection {
            _ if self.close.is_some() => {
                input.clear();
                Ok(())
            }
            None => self.advance(input, now),
            Some(protection) => {
                let decrypted = protection.decrypt(input).map_err(ConnectionError::from);
                decrypted.and_then(|()| self.advance_plain(now))
            }
        };
        if let Err(error) = result {
            self.fail(error, now);
        }
        match (self.close, &self.phase) {
            (Some(Closing::Now), Phase::Remains { error, .. }) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        let error = match &mut self.phase {
            Phase::Security(selecting) => {
                selecting.negotiator.end(end, now).map_or_else(no_security, |()| end.into())
            }
            Phase::Handshake(Securing { unanswered: Some(negotiator), .. }) => {
                negotiator.end(end, now).map_or_else(no_security, |()| end.into())
            }
            Phase::Handshake(Securing { protocol, handshake, .. }) => {
                handshake.handle_end(end, now);
                match handshake.handle_input(&mut BytesMut::new(), now) {
                    Err(error) => ConnectionError::security(protocol, error),
                    Ok(()) => end.into(),
                }
            }
            Phase::Muxer(selecting) => {
                selecting.negotiator.end(end, now).map_or_else(no_muxer, |()| end.into())
            }
            Phase::Open(_) | Phase::Remains { .. } => end.into(),
        };
        self.die(error, end, Closing::Now, now);
        self.close = Some(Closing::Now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        let due = self.deadline().is_some_and(|deadline| deadline.at <= now);
        match &mut self.phase {
            _ if !due => {}
            Phase::Open(open) => {
                open.muxer.handle_timeout(now);
                // A muxer that lost patience says why when it is given input.
                if open.muxer.poll_close().is_some()
                    && let Err(error) = open.muxer.handle_input(&mut BytesMut::new(), now)
                {
                    self.fail(error.into(), now);
                }
            }
            Phase::Handshake(securing) if now < securing.deadline => securing.handshake.handle_timeout(now),
            Phase::Remains { .. } => self.close = Some(Closing::Now),
            _ => self.fail(ConnectionError::HandshakeTimeout, now),
        }
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        if self.close == Some(Closing::Now) || max == 0 {
            return 0;
        }
        let start = out.len();
        let nonce = self.protection.as_mut().map_or(0, |protection| protection.begin(out));
        let mut sent = nonce;
        while sent < max {
            if self.transmit.len() < max - sent
                && let Err(error) = self.fill(max - sent, now)
            {
                self.fail(error, now);
                break;
            }
            self.seal_open_frame(now);
            match self.transmit.take(out, max - sent) {
                0 => break,
                taken => sent += taken,
            }
        }
        if let Some(protection) = &mut self.protection {
            protection.encrypt(&mut out[start + nonce..]);
        }
        sent
    }

    fn poll_event(&mut self) -> Option<CarrierEvent> {
        if let Some(established) = self.established.take() {
            return Some(CarrierEvent::Established(established));
        }
        if let Some(event) = self.poll_muxer_event() {
            if let StreamsEvent::Reset(stream, _) = event {
                self.turns.forget(stream);
            }
            return Some(CarrierEvent::Stream(event));
        }
        if self.transmit.is_empty() {
            self.turns.restart();
        }
        let has_room = self.transmit.len() <= self.config.max_transmit_bytes / 2;
        if has_room && let Some(stream) = self.turns.next() {
            return Some(CarrierEvent::Stream(StreamsEvent::Writable(stream)));
        }
        match &self.phase {
            Phase::Remains { error, .. } if self.may_report_closed() && mem::take(&mut self.owes_closed) => {
                Some(CarrierEvent::Closed(error.clone()))
            }
            _ => None,
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.deadline()
    }

    fn wants_input(&self) -> bool {
        match &self.phase {
            Phase::Open(open) => open.plain.is_empty() && open.muxer.wants_input(),
            Phase::Remains { .. } => self.close != Some(Closing::Now),
            _ => true,
        }
    }

    fn poll_close(&mut self) -> Option<Close> {
        self.close.map(|closing| match closing {
            Closing::Flushing { .. } => Close::Flush,
            Closing::Now => Close::Now,
        })
    }
}

impl Pipeline {
    /// The muxer's next event. Whatever made room in the muxer, be it a read, a reset, a timeout or a poll: here it takes the input
    /// that waits for room.
    fn poll_muxer_event(&mut self) -> Option<StreamsEvent> {
        if let Phase::Open(open) = &mut self.phase {
            let event = open.muxer.poll_event();
            let protection = self.protection.as_ref();
            let has_input =
                !open.plain.is_empty() || protection.is_some_and(|protection| !protection.plain.is_empty());
            if event.is_some() || !has_input || !open.muxer.wants_input() {
                return event;
            }
            let input_at = open.input_at;
            if let Err(error) = self.advance_plain(input_at) {
                self.fail(error, input_at);
            }
        }
        match &mut self.phase {
            Phase::Open(Open { muxer, .. }) | Phase::Remains { muxer: Some(muxer), .. } => muxer.poll_event(),
            _ => None,
        }
    }

    fn seal_open_frame(&mut self, now: Instant) {
        let sealed = match &mut self.phase {
            Phase::Open(open) => self.transmit.seal(&mut *open.channel),
            _ => Ok(()),
        };
        if let Err(error) = sealed {
            self.fail(error.into(), now);
        }
    }
}

impl Streams for Pipeline {
    fn open_stream(&mut self, now: Instant) -> Result<StreamId, OpenError> {
        match &mut self.phase {
            Phase::Open(open) => open.muxer.open_stream(now),
            _ => Err(OpenError::Closed),
        }
    }

    fn write(&mut self, stream: StreamId, data: &[u8], now: Instant) -> Result<usize, WriteError> {
        let Phase::Open(open) = &mut self.phase else { return Err(WriteError::Closed) };
        if data.is_empty() {
            return Ok(0);
        }
        let waiting = self.transmit.len();
        let room = self.turns.allow(stream, self.config.max_transmit_bytes.max(1).saturating_sub(waiting));
        if room == 0 {
            self.turns.wait(stream);
            return Err(WriteError::Blocked);
        }
        let written = open.write(stream, data, &mut self.transmit, waiting + room, now)?;
        if written == 0 {
            // Control frames or the end of a secure frame have taken the room.
            self.turns.wait(stream);
            return Err(WriteError::Blocked);
        }
        Ok(written)
    }

    fn read(&mut self, stream: StreamId, max: usize, now: Instant) -> Result<Bytes, ReadError> {
        match &mut self.phase {
            Phase::Open(Open { muxer, .. }) | Phase::Remains { muxer: Some(muxer), .. } => {
                muxer.read(stream, max, now)
            }
            _ => Err(ReadError::Closed),
        }
    }

    fn read_into(&mut self, stream: StreamId, out: &mut [u8], now: Instant) -> Result<usize, ReadError> {
        match &mut self.phase {
            Phase::Open(Open { muxer, .. }) | Phase::Remains { muxer: Some(muxer), .. } => {
                muxer.read_into(stream, out, now)
            }
            _ => Err(ReadError::Closed),
        }
    }

    fn close_write(&mut self, stream: StreamId, now: Instant) {
        if let Phase::Open(open) = &mut self.phase {
            open.muxer.close_write(stream, now);
        }
    }

    fn reset(&mut self, stream: StreamId, now: Instant) {
        self.turns.forget(stream);
        match &mut self.phase {
            Phase::Open(open) => open.muxer.reset(stream, now),
            Phase::Remains { muxer: Some(muxer), .. } => muxer.reset(stream, now),
            _ => {}
        }
    }
}

impl Carrier for Pipeline {
    fn poll_event(&mut self) -> Option<CarrierEvent> {
        Layer::poll_event(self)
    }

    fn handle_timeout(&mut self, now: Instant) {
        Layer::handle_timeout(self, now);
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        Layer::poll_timeout(self)
    }

    fn close(&mut self, reason: ConnectionError, now: Instant) {
        match &self.phase {
            // One too many is dropped at once: its byte stream would be there without being counted.
            Phase::Open(_) if !matches!(reason, ConnectionError::Limit(_)) => self.flush(reason, now),
            Phase::Remains { muxer: Some(_), .. } => {}
            // There is nothing to say yet.
            _ => {
                self.die(reason, End::Closed, Closing::Now, now);
                self.close = Some(Closing::Now);
            }
        }
    }
}
