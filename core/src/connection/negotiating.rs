//! How a stream begins: agreeing on a protocol.

use super::messages::OpenId;
use super::negotiator::Negotiator;
use super::streams::READ_BYTES;
use super::table::ProtocolTable;
use crate::machine::End;
use crate::muxer::{ReadError, StreamId, Streams, WriteError};
use crate::negotiation::{NegotiationError, ProtocolId};
use crate::protocols::StreamOptions;
use crate::time::Instant;
use bytes::{Buf, BytesMut};

/// Room for the header of multistream-select and a protocol's name, which are sent together.
const USUAL_PROPOSAL_BYTES: usize = 64;

/// Agreeing on a protocol.
pub(super) struct Negotiating {
    negotiator: Negotiator<ProtocolTable>,
    /// The wish of the node, if we opened the stream.
    pub(super) open: Option<(OpenId, StreamOptions)>,
    /// What came of it, until the node knows.
    pub(super) agreed: Option<Agreed>,
    /// Read and not used yet; at most one message and one read.
    pub(super) input: BytesMut,
    /// Answers that the carrier has not taken yet; a few messages.
    pub(super) unsent: BytesMut,
}

impl Negotiating {
    pub(super) fn new(negotiator: Negotiator<ProtocolTable>, open: Option<(OpenId, StreamOptions)>) -> Self {
        Self { negotiator, open, agreed: None, input: BytesMut::new(), unsent: BytesMut::new() }
    }

    /// Negotiates as far as the carrier lets it; gives the protocol once it is agreed on.
    ///
    /// # Errors
    /// The two sides do not agree, or the remote ended the stream first.
    pub(super) fn advance(
        &mut self,
        id: StreamId,
        carrier: &mut dyn Streams,
        now: Instant,
    ) -> Result<Option<ProtocolId>, NegotiationError> {
        loop {
            let agreed = match self.negotiator.advance(&mut self.input, now) {
                Err(NegotiationError::Refused) => return self.refuse(id, carrier, now),
                outcome => outcome?,
            };
            self.unsent.reserve(USUAL_PROPOSAL_BYTES);
            self.negotiator.poll_transmit(&mut self.unsent, usize::MAX, now);
            self.write(id, carrier, now);
            if agreed.is_some() || !self.read(id, carrier, now)? {
                return Ok(agreed);
            }
        }
    }

    /// Whether the remote has yet to answer.
    pub(super) fn awaits_answer(&self) -> bool {
        self.negotiator.awaits_answer()
    }

    /// After the agreement: whether the answer has come.
    pub(super) fn take_late_answer(
        &mut self,
        id: StreamId,
        carrier: &mut dyn Streams,
        now: Instant,
    ) -> Result<bool, NegotiationError> {
        loop {
            self.negotiator.advance(&mut self.input, now)?;
            if !self.awaits_answer() {
                return Ok(true);
            }
            if !self.read(id, carrier, now)? {
                return Ok(false);
            }
        }
    }

    /// The remote did not wait to be refused. A reset could overtake the refusal, so our direction is closed behind it, and what
    /// the remote sends is dropped until it closes too. The deadline of negotiations holds for that as well.
    fn refuse(
        &mut self,
        id: StreamId,
        carrier: &mut dyn Streams,
        now: Instant,
    ) -> Result<Option<ProtocolId>, NegotiationError> {
        self.negotiator.poll_transmit(&mut self.unsent, usize::MAX, now);
        self.write(id, carrier, now);
        if self.unsent.is_empty() {
            carrier.close_write(id, now);
        }
        loop {
            self.input = BytesMut::new();
            if !self.read(id, carrier, now)? {
                return Ok(None);
            }
        }
    }

    /// Reads once. False: there is nothing to read.
    fn read(
        &mut self,
        id: StreamId,
        carrier: &mut dyn Streams,
        now: Instant,
    ) -> Result<bool, NegotiationError> {
        match carrier.read(id, READ_BYTES, now) {
            Ok(chunk) if self.input.is_empty() => self.input = chunk.into(),
            Ok(chunk) => self.input.extend_from_slice(&chunk),
            // Why it is closed, an event of the carrier says.
            Err(ReadError::Blocked | ReadError::Closed) => return Ok(false),
            Err(ReadError::Ended) => {
                let outcome = self.negotiator.end(End::Closed, now);
                if outcome == Err(NegotiationError::Refused) {
                    carrier.close_write(id, now);
                }
                return outcome.map(|()| false);
            }
        }
        Ok(true)
    }

    fn write(&mut self, id: StreamId, carrier: &mut dyn Streams, now: Instant) {
        while !self.unsent.is_empty() {
            match carrier.write(id, &self.unsent, now) {
                Ok(taken) => self.unsent.advance(taken),
                Err(WriteError::Blocked) => return,
                Err(WriteError::Closed) => self.unsent.clear(),
            }
        }
    }
}

/// What a stream speaks.
pub(super) struct Agreed {
    pub(super) protocol: ProtocolId,
    pub(super) options: StreamOptions,
}
