//! One connection: the upgrade pipeline and the streams on it.
//!
//! A [`Connection`] is a value, owned by whoever drives it. It knows no protocol: it secures and muxes what its [`Carrier`]
//! stands on, agrees on a protocol for each stream, and then either cuts the stream into whole messages for the node or hands
//! its bytes to the application. With the node it exchanges [`ToConnection`] and [`ToNode`], with the application the calls of
//! [`Connection::read`] and its neighbours and [`StreamEvent`]s, with the socket the bytes of [`Layer`].
//!
//! After any call, poll until there is nothing more: [`Connection::poll_message`], [`Layer::poll_event`],
//! [`Layer::poll_transmit`], [`Layer::poll_close`], [`Layer::poll_timeout`].

mod carrier;
mod config;
mod error;
mod fairness;
mod framing;
mod messages;
mod negotiating;
mod negotiator;
mod open;
mod pipeline;
mod raw;
mod reports;
mod streams;
mod table;
#[cfg(test)]
mod tests;
mod traffic;
mod transmit;

pub use carrier::{Carrier, CarrierEvent, Established};
pub use config::{ConnectionConfig, LazyStreams};
pub use error::ConnectionError;
pub use framing::Framing;
pub(crate) use messages::{ConnectionMessage, NodeMessage, OpenId};
pub use messages::{ToConnection, ToNode};
pub use pipeline::Pipeline;
pub use raw::StreamEvent;
pub use table::ProtocolTable;
pub use traffic::Traffic;

use crate::collections::{Map, Queue};
use crate::machine::{Close, End, Layer};
use crate::muxer::{OpenError, StreamId, StreamsEvent};
use crate::negotiation::{NegotiationError, ProtocolId};
use crate::protocols::{StreamCloseCause, StreamError, StreamOptions};
use crate::time::{Deadline, Instant, Latest, Timers};
use bytes::{Bytes, BytesMut};
use negotiating::{Agreed, Negotiating};
use negotiator::Negotiator;
use reports::{Draining, Life, Reports};
use smallvec::SmallVec;
use std::sync::Arc;
use streams::{Framed, Raw, Stream, StreamPhase};

/// A connection, or the attempt to make one. A counter of the node, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// One connection: a carrier, and the streams on it. See the [module documentation](self).
pub struct Connection<C = Pipeline> {
    id: ConnectionId,
    config: Arc<ConnectionConfig>,
    carrier: C,
    protocols: Arc<ProtocolTable>,
    streams: Map<StreamId, Stream>,
    // Streams have to fit into memory, so 32 bits are enough to count them.
    /// How many of the streams keep the connection alive, and one more if the node wishes it to stay.
    keep_alive: u32,
    /// How many of the streams were opened by the remote and have no protocol yet.
    negotiating: u32,
    /// Until when a stream must have agreed on a protocol.
    deadlines: Timers<StreamId>,
    /// Wishes that wait for [`OpenError::Blocked`] to end.
    waiting: Queue<Box<Wish>>,
    idle_at: Option<Instant>,
    /// The protocol of a raw stream that the remote accepted last.
    accepted: Option<ProtocolId>,
    latest: Latest,
    reports: Reports,
    events: Queue<StreamEvent>,
    traffic: Traffic,
}

/// How many streams may have something to report. While there are more, no input is taken, so that a peer cannot open and reset
/// streams faster than the node hears of them.
const MAX_WAITING_REPORTS: usize = 1_024;

struct Wish {
    open: OpenId,
    protocols: SmallVec<[ProtocolId; 1]>,
    options: StreamOptions,
}

impl<C: Carrier> Connection<C> {
    /// The connection of this node with `id` that stands on `carrier`.
    pub(crate) fn new(
        id: ConnectionId,
        config: Arc<ConnectionConfig>,
        protocols: Arc<ProtocolTable>,
        carrier: C,
    ) -> Self {
        Self {
            id,
            config,
            carrier,
            protocols,
            streams: Map::default(),
            keep_alive: 0,
            negotiating: 0,
            deadlines: Timers::default(),
            waiting: Queue::default(),
            idle_at: None,
            accepted: None,
            latest: Latest::default(),
            reports: Reports::default(),
            events: Queue::default(),
            traffic: Traffic::default(),
        }
    }

    /// Which connection of the node this is.
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// Lets a driver move the carrier's own values, and then takes in what has come of it.
    pub fn with_carrier<T>(&mut self, now: Instant, action: impl FnOnce(&mut C) -> T) -> T {
        let result = action(&mut self.carrier);
        self.drive(now);
        result
    }

    /// Whether the peer is authenticated and streams can be opened.
    pub fn is_open(&self) -> bool {
        matches!(self.reports.life, Life::Open)
    }

    /// Whether the handshake is not over yet.
    pub fn is_opening(&self) -> bool {
        matches!(self.reports.life, Life::Opening)
    }

    /// How many streams there are, those included that are agreeing on a protocol.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Takes a message from the node.
    pub fn handle_message(&mut self, message: ToConnection, now: Instant) {
        let now = self.latest.see(now);
        match message.0 {
            NodeMessage::Open { open, protocols, options } => {
                self.open(Wish { open, protocols, options }, now);
            }
            NodeMessage::Protocols(protocols) => self.protocols = protocols,
            NodeMessage::KeepAlive(true) => self.keep_alive += 1,
            NodeMessage::KeepAlive(false) => self.keep_alive = self.keep_alive.saturating_sub(1),
            NodeMessage::Shutdown(reason) => self.shut_down(reason, now),
            NodeMessage::Reset { stream } => self.reset(stream, now),
            NodeMessage::IntoRaw { stream } => self.make_raw(stream, now),
            NodeMessage::Send { stream, message } => {
                self.with_framed(stream, now, |framed| framed.send(message));
            }
            NodeMessage::Grant { stream, messages } => {
                self.with_framed(stream, now, |framed| framed.grant(messages));
            }
            NodeMessage::Close { stream } => self.with_framed(stream, now, Framed::close),
        }
        self.drive(now);
    }

    fn forget(&mut self, id: StreamId) {
        let Some(stream) = self.streams.remove(&id) else { return };
        self.keep_alive -= u32::from(stream.keep_alive);
        self.deadlines.set(id, None);
        if let StreamPhase::Negotiating(negotiating) = stream.phase {
            self.negotiating -= u32::from(negotiating.open.is_none());
        }
    }

    fn open(&mut self, wish: Wish, now: Instant) {
        match self.carrier.open_stream(now) {
            Ok(id) => {
                let Wish { open, protocols, options } = wish;
                let lazy =
                    options.lazy || (options.framing == Framing::Raw && self.needs_no_answer(&protocols));
                let negotiator = Negotiator::dialer(protocols, lazy, now);
                self.add_stream(id, negotiator, Some((open, options)), now);
            }
            Err(OpenError::Closed) => {
                self.reports.failed.push((wish.open, StreamError::ConnectionClosed));
            }
            Err(OpenError::Blocked) if self.waiting.len() < self.config.max_waiting_opens => {
                self.waiting.push(Box::new(wish));
            }
            Err(OpenError::Blocked) => self.reports.failed.push((wish.open, StreamError::Limit)),
        }
    }

    /// Whether a raw stream need not wait for the remote to accept its protocol.
    fn needs_no_answer(&self, protocols: &[ProtocolId]) -> bool {
        match self.config.lazy_streams {
            LazyStreams::Never => false,
            LazyStreams::Known => matches!(protocols, [only] if self.accepted.as_ref() == Some(only)),
            LazyStreams::Always => true,
        }
    }

    fn add_stream(
        &mut self,
        id: StreamId,
        negotiator: Negotiator<ProtocolTable>,
        open: Option<(OpenId, StreamOptions)>,
        now: Instant,
    ) {
        let keep_alive = open.is_some_and(|(_, options)| options.keep_alive);
        self.keep_alive += u32::from(keep_alive);
        self.negotiating += u32::from(open.is_none());
        let deadline = Deadline::new(now + self.config.negotiation_timeout, "stream negotiation timeout");
        self.deadlines.set(id, Some(deadline));
        self.streams.insert(id, Stream::new(Negotiating::new(negotiator, open), keep_alive));
        self.advance_stream(id, now);
    }

    /// Moves a stream on as far as the carrier lets it.
    fn advance_stream(&mut self, id: StreamId, now: Instant) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let awaits_answer = stream.awaits_answer();
        match &mut stream.phase {
            _ if stream.over.is_some() => {}
            StreamPhase::Negotiating(negotiating) => match negotiating.advance(id, &mut self.carrier, now) {
                Ok(None) => {}
                Ok(Some(protocol)) => self.start_protocol(id, protocol, now),
                Err(error) => {
                    self.carrier.reset(id, now);
                    self.fail_negotiation(id, negotiation_failed(error));
                }
            },
            StreamPhase::Framed(framed) => {
                framed.write(id, &mut self.carrier, now);
                if !awaits_answer && let Err(cause) = framed.read(id, &mut self.carrier, now) {
                    self.carrier.reset(id, now);
                    return self.end_stream(id, cause);
                }
                if framed.has_report() || framed.is_over() {
                    self.queue_report(id);
                }
            }
            StreamPhase::Raw(raw) => {
                raw.flush(id, &mut self.carrier, now);
                if raw.discard && !awaits_answer {
                    raw.discard_input(id, &mut self.carrier, now);
                }
                if raw.is_over() {
                    self.end_stream(id, StreamCloseCause::Ended);
                }
            }
        }
    }

    /// A stream has agreed on a protocol, or does not wait for the answer to its last proposal.
    fn start_protocol(&mut self, id: StreamId, protocol: ProtocolId, now: Instant) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(negotiating) = stream.take_negotiating() else { return };
        let options = match negotiating.open {
            Some((_, options)) => options,
            None => {
                self.negotiating -= 1;
                // The listener only agrees on what the table of its start has; it may be gone from today's.
                let Some(options) = self.protocols.0.get(&protocol) else {
                    self.carrier.reset(id, now);
                    return self.forget(id);
                };
                stream.keep_alive = options.keep_alive;
                self.keep_alive += u32::from(options.keep_alive);
                *options
            }
        };
        let is_ours = negotiating.open.is_some();
        stream.start(negotiating, Agreed { protocol: protocol.clone(), options });
        if !stream.awaits_answer() {
            self.deadlines.set(id, None);
            if is_ours && options.framing == Framing::Raw && self.accepted.as_ref() != Some(&protocol) {
                self.accepted = Some(protocol);
            }
        }
        self.queue_report(id);
        self.take_late_answer(id, now);
        self.advance_stream(id, now);
    }

    /// Takes the answer to a proposal that a stream did not wait for. False: it is missing still, or a refusal.
    fn take_late_answer(&mut self, id: StreamId, now: Instant) -> bool {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.awaits_answer()) else {
            return true;
        };
        match stream.take_late_answer(id, &mut self.carrier, now) {
            Ok(true) => {
                // One that was abandoned has the time that remains for its end.
                if !matches!(stream.phase, StreamPhase::Raw(Raw { discard: true, .. })) {
                    self.deadlines.set(id, None);
                }
                true
            }
            Ok(false) => false,
            Err(error) => {
                self.accepted = None;
                self.carrier.reset(id, now);
                self.close_from_outside(id, StreamCloseCause::NotAgreed(Box::new(negotiation_failed(error))));
                false
            }
        }
    }

    /// A stream ended before it had a protocol. The carrier knows already.
    fn fail_negotiation(&mut self, id: StreamId, error: StreamError) {
        if let Some(Stream { phase: StreamPhase::Negotiating(negotiating), .. }) = self.streams.get(&id) {
            if let Some((open, _)) = negotiating.open {
                self.reports.failed.push((open, error));
            }
            self.forget(id);
        }
    }

    /// A stream with a protocol ended. The carrier knows already.
    fn end_stream(&mut self, id: StreamId, cause: StreamCloseCause) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.reported {
            self.forget(id);
        } else if stream.over.is_none() {
            stream.over = Some(cause);
            self.queue_report(id);
        }
    }

    fn make_raw(&mut self, id: StreamId, now: Instant) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if let StreamPhase::Framed(framed) = &mut stream.phase {
            let framed = std::mem::replace(&mut **framed, Framed::new(StreamOptions::raw(), Bytes::new()));
            stream.phase = StreamPhase::Raw(framed.into_raw());
            stream.became_raw = true;
            self.queue_report(id);
            self.advance_stream(id, now);
        }
    }

    fn with_framed(&mut self, id: StreamId, now: Instant, change: impl FnOnce(&mut Framed)) {
        if let Some(Stream { phase: StreamPhase::Framed(framed), over: None, .. }) = self.streams.get_mut(&id)
        {
            change(framed);
            self.advance_stream(id, now);
        }
    }

    /// Takes in what the carrier has to tell.
    fn drive(&mut self, now: Instant) {
        loop {
            while let Some(event) = self.carrier.poll_event() {
                match event {
                    CarrierEvent::Established(established) => {
                        self.reports.established = Some(established);
                        self.reports.life = Life::Open;
                    }
                    CarrierEvent::Stream(event) => self.handle_stream_event(event, now),
                    CarrierEvent::Closed(error) => self.handle_closed(error),
                }
            }
            let Some(reason) = self.end_draining(now) else { break };
            self.carrier.close(reason, now);
        }
        self.update_idle(now);
    }

    /// Closes in order: first the carrier is to take what the node has sent, for which the remote has the close timeout.
    fn shut_down(&mut self, reason: ConnectionError, now: Instant) {
        match self.reports.life {
            Life::Open => {
                let draining = Draining { reason, until: now + self.config.close_timeout };
                self.reports.life = Life::Draining(Box::new(draining));
            }
            Life::Draining(_) => {}
            Life::Opening | Life::Closed(_) | Life::Dead => self.carrier.close(reason, now),
        }
    }

    /// Why to close, once nothing that was sent waits for the carrier any more, or for too long.
    fn end_draining(&mut self, now: Instant) -> Option<ConnectionError> {
        let Life::Draining(draining) = &self.reports.life else { return None };
        if now < draining.until && self.streams.values().any(|stream| stream.has_unsent()) {
            return None;
        }
        let reason = draining.reason.clone();
        self.reports.life = Life::Open;
        Some(reason)
    }

    fn handle_stream_event(&mut self, event: StreamsEvent, now: Instant) {
        match event {
            StreamsEvent::Opened(id) if self.negotiating as usize >= self.config.max_negotiating_streams => {
                self.carrier.reset(id, now);
            }
            StreamsEvent::Opened(id) => {
                let negotiator = Negotiator::listener(self.protocols.clone(), now);
                self.add_stream(id, negotiator, None, now);
            }
            StreamsEvent::Readable(id) if !self.take_late_answer(id, now) => {}
            StreamsEvent::Readable(id) => {
                self.wake(id, |raw| std::mem::take(&mut raw.read_blocked), StreamEvent::Readable(id));
                self.advance_stream(id, now);
            }
            StreamsEvent::Writable(id) => {
                self.advance_stream(id, now);
                self.wake(id, |raw| std::mem::take(&mut raw.write_blocked), StreamEvent::Writable(id));
            }
            StreamsEvent::Reset(id, cause) => {
                self.fail_negotiation(id, StreamError::Refused);
                self.close_from_outside(id, StreamCloseCause::Reset(cause));
            }
            StreamsEvent::CanOpen => {
                let mut waiting = std::mem::take(&mut self.waiting);
                while let Some(wish) = waiting.pop() {
                    self.open(*wish, now);
                }
            }
        }
    }

    /// Tells the application about a raw stream that it waits for.
    fn wake(&mut self, id: StreamId, was_blocked: impl FnOnce(&mut Raw) -> bool, event: StreamEvent) {
        if let Some(Stream { phase: StreamPhase::Raw(raw), .. }) = self.streams.get_mut(&id)
            && !raw.discard
            && was_blocked(raw)
        {
            self.events.push(event);
        }
    }

    fn close_from_outside(&mut self, id: StreamId, cause: StreamCloseCause) {
        if let Some(Stream { phase: StreamPhase::Raw(Raw { discard: false, .. }), over: None, .. }) =
            self.streams.get(&id)
        {
            self.events.push(StreamEvent::Closed(id, cause.clone()));
        }
        self.end_stream(id, cause);
    }

    fn handle_closed(&mut self, error: ConnectionError) {
        self.reports.life = Life::Closed(Box::new(error));
        while let Some(wish) = self.waiting.pop() {
            self.reports.failed.push((wish.open, StreamError::ConnectionClosed));
        }
        let ids: Vec<StreamId> = self.streams.keys().copied().collect();
        for id in ids {
            self.fail_negotiation(id, StreamError::ConnectionClosed);
            self.close_from_outside(id, StreamCloseCause::ConnectionClosed);
        }
    }

    fn update_idle(&mut self, now: Instant) {
        let is_idle =
            self.keep_alive == 0 && self.waiting.is_empty() && matches!(self.reports.life, Life::Open);
        self.idle_at = match (self.config.idle_timeout, is_idle) {
            (Some(timeout), true) => self.idle_at.or(Some(now + timeout)),
            _ => None,
        };
    }
}

impl<C: Carrier> Connection<C> {
    /// A point in time was reached.
    pub fn handle_time(&mut self, now: Instant) {
        let now = self.latest.see(now);
        self.carrier.handle_timeout(now);
        while let Some(id) = self.deadlines.pop_due(now) {
            self.carrier.reset(id, now);
            self.fail_negotiation(id, StreamError::Timeout);
            let cause = match self.streams.get(&id) {
                Some(stream) if stream.awaits_answer() => {
                    StreamCloseCause::NotAgreed(Box::new(StreamError::Timeout))
                }
                _ => StreamCloseCause::ResetHere,
            };
            self.close_from_outside(id, cause);
        }
        if self.idle_at.is_some_and(|at| at <= now) {
            self.shut_down(ConnectionError::Idle, now);
        }
        self.drive(now);
    }

    /// When to call [`Connection::handle_time`], and why.
    pub fn next_deadline(&self) -> Option<Deadline> {
        let idle = self.idle_at.map(|at| Deadline::new(at, "idle timeout"));
        let draining = match &self.reports.life {
            Life::Draining(draining) => Some(Deadline::new(draining.until, "close timeout")),
            _ => None,
        };
        let own = Deadline::earlier(self.deadlines.next(), idle.or(draining));
        Deadline::earlier(self.carrier.poll_timeout(), own)
    }
}

impl Connection<Pipeline> {
    /// Lends an empty buffer for what is to be sent, if the connection has none: a driver that keeps some saves the connection from
    /// allocating one whenever it has something to say. [`Layer::poll_transmit`] gives it back with the bytes in it, or
    /// [`Connection::reclaim_buffer`] without.
    pub fn lend_buffer(&mut self, lend: impl FnOnce() -> BytesMut) {
        self.carrier.lend_buffer(lend);
    }

    /// How many bytes it has taken and given out since its start.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Whether [`Layer::poll_transmit`] may have something to give. Whoever asks spares himself the call.
    pub fn wants_transmit(&self) -> bool {
        self.carrier.wants_transmit()
    }

    /// Takes back the buffer for what is to be sent, if there is one and it is empty.
    pub fn reclaim_buffer(&mut self) -> Option<BytesMut> {
        self.carrier.reclaim_buffer()
    }
}

impl Layer for Connection<Pipeline> {
    type Event = StreamEvent;
    type Error = ConnectionError;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), ConnectionError> {
        let now = self.latest.see(now);
        loop {
            let offered = input.len();
            let result = self.carrier.handle_input(input, now);
            self.traffic.receive(offered - input.len());
            self.drive(now);
            // Taking its events may have let the carrier want input again, which the caller cannot see.
            let took_some = input.len() < offered;
            if result.is_err() || input.is_empty() || !took_some || !self.wants_input() {
                return result;
            }
        }
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        let now = self.latest.see(now);
        self.carrier.handle_end(end, now);
        self.drive(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_time(now);
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        let now = self.latest.see(now);
        let sent = self.carrier.poll_transmit(out, max, now);
        self.traffic.send(sent);
        self.drive(now);
        sent
    }

    fn poll_event(&mut self) -> Option<StreamEvent> {
        self.poll_stream_event()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.next_deadline()
    }

    fn wants_input(&self) -> bool {
        self.carrier.wants_input() && self.reports.line.len() < MAX_WAITING_REPORTS
    }

    fn poll_close(&mut self) -> Option<Close> {
        self.carrier.poll_close()
    }
}

fn negotiation_failed(error: NegotiationError) -> StreamError {
    match error {
        NegotiationError::Unsupported(protocols) => StreamError::Unsupported(protocols),
        NegotiationError::Ended => StreamError::Refused,
        error => StreamError::Negotiation(error.to_string()),
    }
}
