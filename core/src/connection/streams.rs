//! One stream of a connection: first negotiated, then cut into messages for the node, or raw for the application.

use super::framing::{Cutter, Framing};
use super::messages::OpenId;
use super::negotiating::{Agreed, Negotiating};
use crate::collections::Queue;
use crate::muxer::{ReadError, StreamId, Streams, WriteError};
use crate::negotiation::NegotiationError;
use crate::protocols::{StreamCloseCause, StreamOptions};
use crate::time::Instant;
use bytes::{Buf, Bytes, BytesMut};

/// The most bytes taken from the carrier in one read for a stream that is not raw.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// A stream and what the node has yet to hear of it. Small, since a map keeps them in place and thousands may be idle: what is needed for
/// a while only is boxed.
pub(super) struct Stream {
    pub(super) phase: StreamPhase,
    /// The negotiation of a stream that has agreed on a protocol, until the node knows, the remote has answered, and a reader of raw
    /// bytes has taken what came behind the answer.
    agreement: Option<Box<Negotiating>>,
    pub(super) keep_alive: bool,
    /// Stands in the line of streams with reports.
    pub(super) queued: bool,
    /// Made raw at the node's wish, and the node does not know yet.
    pub(super) became_raw: bool,
    /// Ended, and not reported yet: nothing but reports comes from it any more.
    pub(super) over: Option<StreamCloseCause>,
    /// The last report is out.
    pub(super) reported: bool,
}

pub(super) enum StreamPhase {
    Negotiating(Box<Negotiating>),
    Framed(Box<Framed>),
    Raw(Raw),
}

impl Stream {
    pub(super) fn new(negotiating: Negotiating, keep_alive: bool) -> Self {
        let phase = StreamPhase::Negotiating(Box::new(negotiating));
        Self {
            phase,
            agreement: None,
            keep_alive,
            queued: false,
            became_raw: false,
            over: None,
            reported: false,
        }
    }

    /// Whether something that was sent waits for the carrier.
    pub(super) fn has_unsent(&self) -> bool {
        self.over.is_none()
            && match &self.phase {
                StreamPhase::Negotiating(_) => false,
                StreamPhase::Framed(framed) => framed.outgoing.has_unsent(),
                StreamPhase::Raw(raw) => raw.has_unsent(),
            }
    }

    /// Gives the negotiation of a stream that is about to become something else.
    pub(super) fn take_negotiating(&mut self) -> Option<Box<Negotiating>> {
        match std::mem::replace(&mut self.phase, StreamPhase::Raw(Raw::default())) {
            StreamPhase::Negotiating(negotiating) => Some(negotiating),
            phase => {
                self.phase = phase;
                None
            }
        }
    }

    /// The stream speaks what `negotiating` has agreed on.
    pub(super) fn start(&mut self, mut negotiating: Box<Negotiating>, agreed: Agreed) {
        let unsent = frozen(std::mem::take(&mut negotiating.unsent));
        self.phase = match agreed.options.framing {
            Framing::Raw => StreamPhase::Raw(Raw::new(Bytes::new(), Outgoing::new(unsent))),
            _ => StreamPhase::Framed(Box::new(Framed::new(agreed.options, unsent))),
        };
        negotiating.agreed = Some(agreed);
        self.agreement = Some(negotiating);
        self.settle_agreement();
    }

    /// What was agreed on, and by which wish, if the node does not know yet.
    pub(super) fn take_agreed(&mut self) -> Option<(Agreed, Option<OpenId>)> {
        let agreement = self.agreement.as_mut()?;
        let agreed = agreement.agreed.take()?;
        let open = agreement.open.map(|(open, _)| open);
        self.settle_agreement();
        Some((agreed, open))
    }

    /// Whether the stream did not wait for the answer to its last proposal, which is missing still. Until the remote has answered,
    /// nothing can be read.
    pub(super) fn awaits_answer(&self) -> bool {
        self.agreement.as_ref().is_some_and(|agreement| agreement.awaits_answer())
    }

    /// Takes the answer to a proposal that was not waited for. True: none is missing any more.
    ///
    /// # Errors
    /// The remote does not agree, or ended the stream first.
    pub(super) fn take_late_answer(
        &mut self,
        id: StreamId,
        carrier: &mut dyn Streams,
        now: Instant,
    ) -> Result<bool, NegotiationError> {
        let Some(agreement) = &mut self.agreement else { return Ok(true) };
        let outcome = agreement.take_late_answer(id, carrier, now);
        if outcome.is_err() {
            // Nobody is to take it for what comes behind an answer.
            agreement.input = BytesMut::new();
        }
        self.settle_agreement();
        outcome
    }

    /// What came behind the remote's answer, for a raw stream: at most `max` bytes of what was not given yet.
    pub(super) fn read_behind_answer(&mut self, max: usize) -> Option<Bytes> {
        let agreement = self.agreement.as_mut().filter(|agreement| !agreement.awaits_answer())?;
        let input = &mut agreement.input;
        let bytes = if input.len() > max { input.split_to(max) } else { std::mem::take(input) };
        self.settle_agreement();
        (!bytes.is_empty()).then(|| bytes.freeze())
    }

    /// Nobody reads a raw stream any more.
    pub(super) fn discard_incoming(&mut self) {
        if let StreamPhase::Raw(raw) = &mut self.phase {
            raw.discard = true;
            self.settle_agreement();
        }
    }

    /// Once the answer is there, what came behind it goes where it belongs. A negotiation of which nothing is left is dropped.
    fn settle_agreement(&mut self) {
        let Some(agreement) = self.agreement.as_mut().filter(|agreement| !agreement.awaits_answer()) else {
            return;
        };
        match &mut self.phase {
            StreamPhase::Framed(framed) if !agreement.input.is_empty() => {
                framed.cutter.push(std::mem::take(&mut agreement.input).freeze());
            }
            StreamPhase::Raw(Raw { discard: true, .. }) => agreement.input = BytesMut::new(),
            _ => {}
        }
        if agreement.agreed.is_none() && agreement.input.is_empty() {
            self.agreement = None;
        }
    }
}

/// `bytes.freeze()`, without the memory that freezing takes where there is nothing.
fn frozen(bytes: BytesMut) -> Bytes {
    if bytes.is_empty() { Bytes::new() } else { bytes.freeze() }
}

/// Messages towards the node.
pub(super) struct Framed {
    framing: Framing,
    cutter: Cutter,
    credit: u32,
    /// Cut and not delivered yet; at most the credit that was given.
    ready: Queue<(Bytes, Instant)>,
    /// Bytes of frames taken by the carrier since the last report.
    sent: usize,
    incoming: Incoming,
    outgoing: Outgoing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incoming {
    Open,
    /// Ended, and the node does not know yet.
    Ended,
    Reported,
}

/// Raw bytes, read and written by the application.
#[derive(Default)]
pub(super) struct Raw {
    earlier: Option<Box<Earlier>>,
    /// The end of our direction.
    end: OutgoingEnd,
    pub(super) read_blocked: bool,
    pub(super) write_blocked: bool,
    pub(super) read_ended: bool,
    /// The application has gone; what arrives is dropped.
    pub(super) discard: bool,
}

/// Where the bytes are that an application reads next.
pub(super) enum Source<'a> {
    /// Here: they were read earlier.
    Bytes(Bytes),
    Carrier(&'a mut dyn Streams),
}

/// What was read and written before a stream became raw, and is not through yet.
#[derive(Default)]
struct Earlier {
    rest: Bytes,
    unsent: Queue<Bytes>,
}

/// Our direction of a stream.
#[derive(Debug, Default)]
struct Outgoing {
    /// What the carrier has not taken yet. The node bounds it by what it lets wait; the application's own bytes never wait here.
    unsent: Queue<Bytes>,
    end: OutgoingEnd,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum OutgoingEnd {
    #[default]
    Open,
    /// To be ended once everything is taken.
    Wanted,
    Ended,
}

impl OutgoingEnd {
    fn want(&mut self) {
        if *self == Self::Open {
            *self = Self::Wanted;
        }
    }
}

impl Outgoing {
    fn new(unsent: Bytes) -> Self {
        let mut outgoing = Self::default();
        outgoing.push(unsent);
        outgoing
    }

    fn push(&mut self, bytes: Bytes) {
        if self.end == OutgoingEnd::Open && !bytes.is_empty() {
            self.unsent.push(bytes);
        }
    }

    fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    fn has_ended(&self) -> bool {
        self.end == OutgoingEnd::Ended
    }

    /// Hands what waits to the carrier and ends the direction when that is wanted. Returns how much no longer waits.
    fn write(&mut self, id: StreamId, carrier: &mut dyn Streams, now: Instant) -> (usize, Flushed) {
        let mut sent = 0;
        while let Some(front) = self.unsent.front_mut() {
            match carrier.write(id, front, now) {
                Ok(taken) => {
                    sent += taken;
                    front.advance(taken);
                    if front.is_empty() {
                        self.unsent.pop();
                    }
                }
                Err(WriteError::Blocked) => return (sent, Flushed::Blocked),
                Err(WriteError::Closed) => {
                    // Whoever counts what waits must not wait for it any longer.
                    sent += self.unsent.iter().map(Bytes::len).sum::<usize>();
                    self.unsent = Queue::default();
                    self.end = OutgoingEnd::Ended;
                }
            }
        }
        if self.end == OutgoingEnd::Wanted {
            carrier.close_write(id, now);
            self.end = OutgoingEnd::Ended;
        }
        (sent, Flushed::All)
    }
}

/// Whether everything was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flushed {
    All,
    Blocked,
}

/// A report of a framed stream.
pub(super) enum FramedReport {
    Message(Bytes, Instant),
    Sent(usize),
    RemoteClosed,
}

impl Framed {
    pub(super) fn new(options: StreamOptions, unsent: Bytes) -> Self {
        Self {
            framing: options.framing,
            cutter: Cutter::new(options.framing, Bytes::new()),
            credit: options.credit,
            ready: Queue::default(),
            sent: 0,
            incoming: Incoming::Open,
            outgoing: Outgoing::new(unsent),
        }
    }

    pub(super) fn send(&mut self, message: Bytes) {
        self.outgoing.push(self.framing.prefix(message.len()));
        self.outgoing.push(message);
    }

    pub(super) fn grant(&mut self, messages: u32) {
        self.credit = self.credit.saturating_add(messages);
    }

    pub(super) fn close(&mut self) {
        self.outgoing.end.want();
    }

    /// Hands what waits to the carrier.
    pub(super) fn write(&mut self, id: StreamId, carrier: &mut dyn Streams, now: Instant) {
        let (sent, _) = self.outgoing.write(id, carrier, now);
        self.sent += sent;
    }

    /// Cuts messages as far as the credit goes. One read may go further, so that the end is noticed behind the last message.
    ///
    /// # Errors
    /// The remote sent what the framing forbids, or ended in the middle of a message.
    pub(super) fn read(
        &mut self,
        id: StreamId,
        carrier: &mut dyn Streams,
        now: Instant,
    ) -> Result<(), StreamCloseCause> {
        while self.incoming == Incoming::Open {
            if self.cutter.needs_chunk() {
                match carrier.read(id, READ_BYTES, now) {
                    Ok(chunk) => self.cutter.push(chunk),
                    Err(ReadError::Blocked | ReadError::Closed) => return Ok(()),
                    Err(ReadError::Ended) if self.cutter.is_at_boundary() => self.incoming = Incoming::Ended,
                    Err(ReadError::Ended) => return Err(StreamCloseCause::Truncated),
                }
            }
            if self.credit == 0 {
                return Ok(());
            }
            if let Some(message) = self.cutter.next().map_err(StreamCloseCause::BadMessage)? {
                self.credit -= 1;
                self.ready.push((message, now));
            }
        }
        Ok(())
    }

    pub(super) fn poll_report(&mut self) -> Option<FramedReport> {
        if let Some((message, received_at)) = self.ready.pop() {
            return Some(FramedReport::Message(message, received_at));
        }
        if self.sent > 0 {
            return Some(FramedReport::Sent(std::mem::take(&mut self.sent)));
        }
        if self.incoming == Incoming::Ended {
            self.incoming = Incoming::Reported;
            return Some(FramedReport::RemoteClosed);
        }
        None
    }

    pub(super) fn has_report(&self) -> bool {
        !self.ready.is_empty() || self.sent > 0 || self.incoming == Incoming::Ended
    }

    /// Whether both directions have ended and the node knows everything.
    pub(super) fn is_over(&self) -> bool {
        self.outgoing.has_ended() && self.incoming == Incoming::Reported && !self.has_report()
    }

    /// What the application goes on with. Messages that were cut and not delivered become bytes again, so nothing is lost.
    pub(super) fn into_raw(self) -> Raw {
        let mut rest = BytesMut::new();
        for (message, _) in self.ready.iter() {
            rest.extend_from_slice(&self.framing.prefix(message.len()));
            rest.extend_from_slice(message);
        }
        rest.extend_from_slice(&self.cutter.into_rest());
        Raw { read_ended: self.incoming != Incoming::Open, ..Raw::new(frozen(rest), self.outgoing) }
    }
}

impl Raw {
    fn new(rest: Bytes, outgoing: Outgoing) -> Self {
        let Outgoing { unsent, end } = outgoing;
        let mut raw = Self { end, ..Self::default() };
        if !rest.is_empty() || !unsent.is_empty() {
            raw.earlier = Some(Box::new(Earlier { rest, unsent }));
        }
        raw
    }

    /// Takes at most `max` bytes of what was read earlier.
    fn read_rest(&mut self, max: usize) -> Option<Bytes> {
        let rest = &mut self.earlier.as_mut()?.rest;
        let bytes = rest.split_to(max.min(rest.len()));
        self.settle_earlier();
        (!bytes.is_empty()).then_some(bytes)
    }

    fn settle_earlier(&mut self) {
        self.earlier.take_if(|earlier| earlier.rest.is_empty() && earlier.unsent.is_empty());
    }

    fn has_unsent(&self) -> bool {
        self.earlier.as_ref().is_some_and(|earlier| !earlier.unsent.is_empty())
    }

    pub(super) fn close(&mut self) {
        self.end.want();
    }

    pub(super) fn is_open(&self) -> bool {
        self.end == OutgoingEnd::Open
    }

    /// Hands what waits to the carrier and ends our direction when that is wanted.
    pub(super) fn flush(&mut self, id: StreamId, carrier: &mut dyn Streams, now: Instant) -> Flushed {
        let unsent = self.earlier.as_mut().map(|earlier| std::mem::take(&mut earlier.unsent));
        let mut outgoing = Outgoing { unsent: unsent.unwrap_or_default(), end: self.end };
        let (_, flushed) = outgoing.write(id, carrier, now);
        self.end = outgoing.end;
        if let Some(earlier) = &mut self.earlier {
            earlier.unsent = outgoing.unsent;
            self.settle_earlier();
        }
        flushed
    }

    /// Reads at most `max` bytes, wherever they are.
    pub(super) fn read<T>(
        &mut self,
        max: usize,
        carrier: &mut dyn Streams,
        read: impl FnOnce(Source<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        if let Some(rest) = self.read_rest(max) {
            return read(Source::Bytes(rest));
        }
        if self.read_ended {
            return Err(ReadError::Ended);
        }
        let result = read(Source::Carrier(carrier));
        self.read_blocked = matches!(result, Err(ReadError::Blocked));
        self.read_ended = matches!(result, Err(ReadError::Ended));
        result
    }

    pub(super) fn write(
        &mut self,
        id: StreamId,
        data: &[u8],
        carrier: &mut dyn Streams,
        now: Instant,
    ) -> Result<usize, WriteError> {
        if !self.is_open() {
            return Err(WriteError::Closed);
        }
        let result = match self.flush(id, carrier, now) {
            Flushed::All => carrier.write(id, data, now),
            Flushed::Blocked => Err(WriteError::Blocked),
        };
        self.write_blocked = result == Err(WriteError::Blocked);
        result
    }

    /// Drops what has arrived.
    pub(super) fn discard_input(&mut self, id: StreamId, carrier: &mut dyn Streams, now: Instant) {
        let drop_next = |source: Source<'_>| match source {
            Source::Bytes(_) => Ok(()),
            Source::Carrier(carrier) => carrier.read(id, READ_BYTES, now).map(drop),
        };
        while self.read(READ_BYTES, carrier, drop_next).is_ok() {}
    }

    /// Whether both directions have ended.
    pub(super) fn is_over(&self) -> bool {
        self.read_ended && self.earlier.is_none() && self.end == OutgoingEnd::Ended
    }
}
