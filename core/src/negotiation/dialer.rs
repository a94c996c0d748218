//! The side that proposes.

use super::codec::{self, Message};
use super::{Negotiated, NegotiationError, ProtocolId};
use crate::machine::{Close, End, Layer};
use crate::time::{Deadline, Instant};
use bytes::{Buf, BytesMut};
use smallvec::SmallVec;
use std::mem;

/// Proposes protocols, one after another, until the remote accepts one.
///
/// The header and the first proposal leave together; each further one leaves when the one before it was refused.
///
/// A *lazy* dialer does not wait for the answer to its last proposal, since there is nothing left to choose: its event comes when
/// that proposal is made, and what the protocol sends may leave right behind it. The bytes are those of a patient dialer,
/// earlier by a round trip. It must be given input until [`Layer::wants_input`] is false: then the remote has accepted, and the
/// rest of the input belongs to the protocol. If the remote refuses, the error comes after the event, and what was sent meanwhile is
/// lost.
#[derive(Debug)]
pub struct Dialer {
    proposals: SmallVec<[ProtocolId; 1]>,
    /// How many of the proposals have been made. The last of them is the one to be answered.
    made: usize,
    /// How many of those have left. The header leaves with the first.
    sent: usize,
    event: EventWhen,
    state: State,
}

/// When the event is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventWhen {
    Accepted,
    /// Once nothing is left to choose. No input is taken while it waits.
    LastProposed,
    Given,
}

#[derive(Debug, PartialEq)]
enum State {
    /// The remote's header has not come.
    AwaitHeader,
    /// The answer to the last proposal made has not come.
    AwaitAnswer,
    /// The last proposal made was accepted.
    Accepted,
    Dead(NegotiationError),
}

impl Dialer {
    /// Starts a negotiation for one of `proposals`, best first.
    ///
    /// An empty list is dead from the start, with [`NegotiationError::NothingProposed`].
    pub fn new(proposals: SmallVec<[ProtocolId; 1]>, _now: Instant) -> Self {
        let state = if proposals.is_empty() {
            State::Dead(NegotiationError::NothingProposed)
        } else {
            State::AwaitHeader
        };
        Self { made: proposals.len().min(1), sent: 0, proposals, event: EventWhen::Accepted, state }
    }

    /// As [`Dialer::new`], but lazy.
    pub fn lazy(proposals: SmallVec<[ProtocolId; 1]>, now: Instant) -> Self {
        Self { event: EventWhen::LastProposed, ..Self::new(proposals, now) }
    }

    fn event_is_due(&self) -> bool {
        match (self.event, &self.state) {
            (EventWhen::Given, _) | (_, State::Dead(_)) => false,
            (_, State::Accepted) => true,
            (EventWhen::LastProposed, _) => self.made == self.proposals.len(),
            (EventWhen::Accepted, _) => false,
        }
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<(), NegotiationError> {
        if self.state == State::AwaitHeader && self.wants_input() {
            if !codec::take_header(input)? {
                return Ok(());
            }
            self.state = State::AwaitAnswer;
        }
        while self.wants_input() {
            let Some((message, len)) = codec::decode(input)? else {
                return Ok(());
            };
            self.handle_answer(message)?;
            input.advance(len);
        }
        Ok(())
    }

    fn handle_answer(&mut self, answer: Message<'_>) -> Result<(), NegotiationError> {
        match answer {
            Message::Name(name) if name == self.proposals[self.made - 1].as_str() => {
                self.state = State::Accepted;
                Ok(())
            }
            Message::NotAvailable if self.made < self.proposals.len() => {
                self.made += 1;
                Ok(())
            }
            Message::NotAvailable => Err(NegotiationError::Unsupported(mem::take(&mut self.proposals))),
            Message::List => Err(NegotiationError::UnexpectedAnswer("ls".into())),
            Message::Name(name) => Err(NegotiationError::UnexpectedAnswer(name.into())),
        }
    }
}

impl Layer for Dialer {
    type Event = Negotiated;
    type Error = NegotiationError;

    /// # Errors
    /// `Unsupported`, `NothingProposed`, `BadHeader`, `TooLarge`, `Malformed`, `UnexpectedAnswer` and, after `handle_end`,
    /// `Ended`; see [`NegotiationError`].
    fn handle_input(&mut self, input: &mut BytesMut, _now: Instant) -> Result<(), NegotiationError> {
        if let Err(error) = self.advance(input) {
            self.state = State::Dead(error);
        }
        match &self.state {
            State::Dead(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    fn handle_end(&mut self, _end: End, _now: Instant) {
        if let State::AwaitHeader | State::AwaitAnswer = self.state {
            self.state = State::Dead(NegotiationError::Ended);
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, _now: Instant) -> usize {
        let before = out.len();
        if let State::Dead(_) = self.state {
            return 0;
        }
        while self.sent < self.made && out.len() - before < max {
            if self.sent == 0 {
                codec::encode_header(out);
            }
            codec::encode_name(&self.proposals[self.sent], out);
            self.sent += 1;
        }
        out.len() - before
    }

    fn poll_event(&mut self) -> Option<Negotiated> {
        if !self.event_is_due() {
            return None;
        }
        self.event = EventWhen::Given;
        Some(Negotiated(self.proposals[self.made - 1].clone()))
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    fn wants_input(&self) -> bool {
        matches!(self.state, State::AwaitHeader | State::AwaitAnswer) && !self.event_is_due()
    }

    fn poll_close(&mut self) -> Option<Close> {
        matches!(self.state, State::Dead(_)).then_some(Close::Now)
    }
}
