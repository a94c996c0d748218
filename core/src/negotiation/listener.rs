//! The side that answers.

use super::codec::{self, Message};
use super::{Negotiated, NegotiationError, ProtocolId};
use crate::machine::{Close, End, Layer};
use crate::time::{Deadline, Instant};
use bytes::{Buf, BytesMut};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::Arc;

/// How many messages a dialer may send behind its header; the next is [`NegotiationError::TooManyProposals`]. It stops a
/// peer from keeping a negotiation, and us busy, for ever. A question for the list counts too.
pub const MAX_PROPOSALS: usize = 64;

/// What a [`Listener`] accepts: a table that all streams share.
pub trait Supported {
    /// All protocols, in the order in which `ls` lists them.
    fn list(&self) -> impl Iterator<Item = &ProtocolId>;

    /// The protocol of this name, if it is supported.
    fn find(&self, name: &str) -> Option<ProtocolId> {
        self.list().find(|id| id.as_str() == name).cloned()
    }
}

impl Supported for [ProtocolId] {
    fn list(&self) -> impl Iterator<Item = &ProtocolId> {
        self.iter()
    }
}

impl<V> Supported for BTreeMap<ProtocolId, V> {
    fn list(&self) -> impl Iterator<Item = &ProtocolId> {
        self.keys()
    }

    fn find(&self, name: &str) -> Option<ProtocolId> {
        self.get_key_value(name).map(|(id, _)| id.clone())
    }
}

/// Answers proposals until one is supported.
///
/// It waits for the dialer's header before it sends its own. Every dialer speaks first, so nobody waits for ever; our
/// header and answer then leave together, and whoever connects and says nothing is told nothing.
///
/// A dialer need not wait for answers: it may send its header, all its proposals and the first bytes of the protocol at
/// once. If it did and its proposals are refused, those bytes make no sense here: the error is [`NegotiationError::Refused`], and
/// the refusals that have not left yet are still given by `poll_transmit`, so that the dialer learns why.
///
/// `ls` is answered with as many protocols as fit into one message.
pub struct Listener<S: ?Sized> {
    supported: Arc<S>,
    /// Answers that have not left, oldest first: at most the header and one for each of [`MAX_PROPOSALS`] messages.
    unsent: SmallVec<[Answer; 2]>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The dialer's header has not come.
    AwaitHeader,
    /// So many messages were answered, none of them with an agreement.
    AwaitProposal {
        answered: usize,
    },
    /// This protocol was agreed on; the event waits.
    Agreed(ProtocolId),
    /// The event was taken.
    Done,
    Dead(NegotiationError),
}

#[derive(Debug)]
enum Answer {
    Header,
    NotAvailable,
    List,
    Accept(ProtocolId),
}

impl<S: Supported + ?Sized> Listener<S> {
    /// Starts to listen for proposals of what is in `supported`.
    pub fn new(supported: Arc<S>, _now: Instant) -> Self {
        Self { supported, unsent: SmallVec::new(), state: State::AwaitHeader }
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<(), NegotiationError> {
        if let State::AwaitHeader = self.state {
            if !codec::take_header(input)? {
                return Ok(());
            }
            self.unsent.push(Answer::Header);
            self.state = State::AwaitProposal { answered: 0 };
        }
        while let State::AwaitProposal { answered } = self.state {
            let message = match codec::decode(input) {
                // The dialer did not wait for the refusal: these bytes belong to the protocol.
                Err(_) if answered > 0 => return Err(NegotiationError::Refused),
                message => message?,
            };
            let Some((message, len)) = message else {
                return Ok(());
            };
            if answered == MAX_PROPOSALS {
                return Err(NegotiationError::TooManyProposals);
            }
            self.handle_message(message, answered);
            input.advance(len);
        }
        Ok(())
    }

    fn handle_message(&mut self, message: Message<'_>, answered: usize) {
        self.state = State::AwaitProposal { answered: answered + 1 };
        self.unsent.push(match message {
            Message::List => Answer::List,
            Message::NotAvailable => Answer::NotAvailable,
            Message::Name(name) => match self.supported.find(name) {
                None => Answer::NotAvailable,
                Some(protocol) => {
                    self.state = State::Agreed(protocol.clone());
                    Answer::Accept(protocol)
                }
            },
        });
    }

    fn encode(&self, answer: &Answer, out: &mut BytesMut) {
        match answer {
            Answer::Header => codec::encode_header(out),
            Answer::NotAvailable => codec::encode_not_available(out),
            Answer::List => codec::encode_list(self.supported.list(), out),
            Answer::Accept(protocol) => codec::encode_name(protocol, out),
        }
    }
}

impl<S: Supported + ?Sized> Layer for Listener<S> {
    type Event = Negotiated;
    type Error = NegotiationError;

    /// # Errors
    /// `BadHeader`, `TooLarge`, `Malformed`, `TooManyProposals`, `Refused` and, after `handle_end`, `Ended`; see
    /// [`NegotiationError`].
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
        self.state = match mem::replace(&mut self.state, State::Done) {
            State::AwaitHeader | State::AwaitProposal { answered: 0 } => State::Dead(NegotiationError::Ended),
            State::AwaitProposal { .. } => State::Dead(NegotiationError::Refused),
            state => state,
        };
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, _now: Instant) -> usize {
        let before = out.len();
        if self.poll_close() == Some(Close::Now) {
            return 0;
        }
        let mut sent = 0;
        while sent < self.unsent.len() && out.len() - before < max {
            self.encode(&self.unsent[sent], out);
            sent += 1;
        }
        self.unsent.drain(..sent);
        out.len() - before
    }

    fn poll_event(&mut self) -> Option<Negotiated> {
        match mem::replace(&mut self.state, State::Done) {
            State::Agreed(protocol) => Some(Negotiated(protocol)),
            state => {
                self.state = state;
                None
            }
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    fn wants_input(&self) -> bool {
        matches!(self.state, State::AwaitHeader | State::AwaitProposal { .. })
    }

    fn poll_close(&mut self) -> Option<Close> {
        match self.state {
            State::Dead(NegotiationError::Refused) => Some(Close::Flush),
            State::Dead(_) => Some(Close::Now),
            _ => None,
        }
    }
}

impl<S: ?Sized> fmt::Debug for Listener<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("unsent", &self.unsent)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
