//! multistream-select from whichever side the connection or stream has.

use crate::machine::{End, Layer};
use crate::negotiation::{Dialer, Listener, Negotiated, NegotiationError, ProtocolId, Supported};
use crate::time::Instant;
use bytes::BytesMut;
use smallvec::SmallVec;
use std::sync::Arc;

pub(super) enum Negotiator<S: ?Sized> {
    Dialer(Dialer),
    Listener(Listener<S>),
}

impl<S: Supported + ?Sized> Negotiator<S> {
    pub(super) fn dialer(proposals: SmallVec<[ProtocolId; 1]>, lazy: bool, now: Instant) -> Self {
        Self::Dialer(if lazy { Dialer::lazy(proposals, now) } else { Dialer::new(proposals, now) })
    }

    pub(super) fn listener(supported: Arc<S>, now: Instant) -> Self {
        Self::Listener(Listener::new(supported, now))
    }

    /// Takes what it can off `input`; gives the protocol once it is agreed on.
    pub(super) fn advance(
        &mut self,
        input: &mut BytesMut,
        now: Instant,
    ) -> Result<Option<ProtocolId>, NegotiationError> {
        let agreed = match self {
            Self::Dialer(dialer) => dialer.handle_input(input, now).map(|()| dialer.poll_event()),
            Self::Listener(listener) => listener.handle_input(input, now).map(|()| listener.poll_event()),
        }?;
        Ok(agreed.map(|Negotiated(protocol)| protocol))
    }

    /// Whether the remote has yet to answer. That may be so after the agreement, if the dialer is lazy.
    pub(super) fn awaits_answer(&self) -> bool {
        match self {
            Self::Dialer(dialer) => dialer.wants_input(),
            Self::Listener(listener) => listener.wants_input(),
        }
    }

    pub(super) fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        match self {
            Self::Dialer(dialer) => dialer.poll_transmit(out, max, now),
            Self::Listener(listener) => listener.poll_transmit(out, max, now),
        }
    }

    /// What it means that the byte stream ended now.
    pub(super) fn end(&mut self, end: End, now: Instant) -> Result<(), NegotiationError> {
        match self {
            Self::Dialer(dialer) => {
                dialer.handle_end(end, now);
                dialer.handle_input(&mut BytesMut::new(), now)
            }
            Self::Listener(listener) => {
                listener.handle_end(end, now);
                listener.handle_input(&mut BytesMut::new(), now)
            }
        }
    }
}
