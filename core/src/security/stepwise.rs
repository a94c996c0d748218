//! What all handshakes share: queueing what is to be sent, failing for good, and the end of the byte stream.

use super::{Secured, SecurityError};
use crate::machine::{Close, End, Layer};
use crate::time::{Deadline, Instant};
use bytes::BytesMut;
use std::mem;

/// A handshake between two messages of the remote. Each message turns it into what it is next.
pub(super) trait Step: Sized + Send {
    /// What the remote has yet to send; completes "while we waited for".
    fn awaits(&self) -> &'static str;

    /// Takes the next message off the front of `input` if it is complete, and appends the answer to `transmit`.
    ///
    /// # Errors
    /// The handshake has failed.
    fn advance(self, input: &mut BytesMut, transmit: &mut BytesMut) -> Result<Progress<Self>, SecurityError>;
}

/// How far [`Step::advance`] got.
pub(super) enum Progress<S> {
    /// The message is incomplete; `input` is untouched.
    NeedMore(S),
    /// On to the next message.
    Next(S),
    /// The handshake is over.
    Done(Secured),
}

/// The [`Layer`] of a handshake that is made of steps.
///
/// Its transmit queue needs no limit: it holds our own messages, a fixed number for each handshake.
pub(super) struct Stepwise<S> {
    state: State<S>,
    transmit: BytesMut,
}

enum State<S> {
    Running(S),
    /// Holds the event until it is polled.
    Done(Option<Secured>),
    Failed(SecurityError),
}

impl<S> Stepwise<S> {
    /// Begins with `first`, and with `transmit` to be sent before anything is received.
    pub(super) fn new(first: S, transmit: BytesMut) -> Self {
        Self { state: State::Running(first), transmit }
    }

    /// A handshake that cannot even begin.
    pub(super) fn failed(error: SecurityError) -> Self {
        Self { state: State::Failed(error), transmit: BytesMut::new() }
    }
}

impl<S: Step> Layer for Stepwise<S> {
    type Event = Secured;
    type Error = SecurityError;

    fn handle_input(&mut self, input: &mut BytesMut, _now: Instant) -> Result<(), SecurityError> {
        loop {
            let step = match mem::replace(&mut self.state, State::Done(None)) {
                State::Running(step) => step,
                State::Done(event) => {
                    self.state = State::Done(event);
                    return Ok(());
                }
                State::Failed(error) => {
                    self.state = State::Failed(error.clone());
                    return Err(error);
                }
            };
            match step.advance(input, &mut self.transmit) {
                Ok(Progress::NeedMore(step)) => {
                    self.state = State::Running(step);
                    return Ok(());
                }
                Ok(Progress::Next(step)) => self.state = State::Running(step),
                Ok(Progress::Done(secured)) => self.state = State::Done(Some(secured)),
                Err(error) => self.state = State::Failed(error),
            }
        }
    }

    /// During the handshake, makes the next [`Layer::handle_input`] answer [`SecurityError::Ended`].
    fn handle_end(&mut self, _end: End, _now: Instant) {
        if let State::Running(step) = &self.state {
            self.state = State::Failed(SecurityError::Ended(step.awaits()));
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, _now: Instant) -> usize {
        let len = self.transmit.len().min(max);
        out.extend_from_slice(&self.transmit.split_to(len));
        len
    }

    fn poll_event(&mut self) -> Option<Secured> {
        match &mut self.state {
            State::Done(event) => event.take(),
            State::Running(_) | State::Failed(_) => None,
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    fn wants_input(&self) -> bool {
        matches!(self.state, State::Running(_))
    }

    fn poll_close(&mut self) -> Option<Close> {
        matches!(self.state, State::Failed(_)).then_some(Close::Now)
    }
}
