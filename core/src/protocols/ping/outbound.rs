//! Our pings on one connection.

use super::{
    MAX_PINGS_PER_CONNECTION, PAYLOAD_BYTES, PROTOCOL, PingError, PingEvent, PingId, STREAM_OPTIONS, Shared,
};
use crate::connection::ConnectionId;
use crate::identity::PeerId;
use crate::protocols::{RequestId, StreamCloseCause, StreamKey, Target, ToSwarm};
use crate::time::{Deadline, Instant};
use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

/// The pings of one connection and the one stream for them.
#[derive(Debug)]
pub(super) struct Outbound {
    connection: ConnectionId,
    peer: PeerId,
    state: State,
    /// Oldest first; the first one is under way, or waits for a stream. All have the same timeout, so it also
    /// expires first.
    pings: SmallVec<[Pending; 1]>,
    /// When the last ping ended.
    idle_since: Instant,
}

#[derive(Debug)]
struct Pending {
    id: Option<PingId>,
    expires_at: Instant,
}

#[derive(Debug)]
enum State {
    /// There is no stream. The next ping opens one.
    Closed,
    /// There is no stream, and the peer said that it does not speak ping. A command asks again.
    Unsupported,
    /// A stream was asked for.
    Opening(RequestId),
    /// There is a stream. `proven`: a ping succeeded on it.
    Open { stream: StreamKey, proven: bool, echo: Echo },
}

/// What an open stream is doing.
#[derive(Debug)]
enum Echo {
    /// Nothing; there are no pings.
    Unasked,
    /// The first ping's payload was sent.
    Awaited { payload: Bytes, sent_at: Instant },
    /// The first ping's payload was refused.
    Refused { payload: Bytes },
}

impl Outbound {
    pub(super) fn new(connection: ConnectionId, peer: PeerId, now: Instant) -> Self {
        Self { connection, peer, state: State::Closed, pings: SmallVec::new(), idle_since: now }
    }

    /// Whether `key` is the stream.
    pub(super) fn is(&self, key: StreamKey) -> bool {
        matches!(self.state, State::Open { stream, .. } if stream == key)
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.pings.len()
    }

    /// When [`Outbound::due`] has something to do.
    pub(super) fn deadline(&self, shared: &Shared) -> Option<Deadline> {
        match (self.pings.first(), &self.state) {
            (Some(first), _) => Some(Deadline::new(first.expires_at, "ping timeout")),
            (None, State::Unsupported) => None,
            (None, _) => Some(Deadline::new(self.idle_since + shared.config.interval?, "automatic ping")),
        }
    }

    pub(super) fn due(&mut self, shared: &mut Shared) {
        if self.pings.is_empty() {
            return self.ping(None, shared);
        }
        if let State::Open { stream, .. } = self.state {
            self.reset(stream, shared);
        }
        self.fail_first(PingError::Timeout, shared);
    }

    /// Wants a ping; `id` is `None` for an automatic one.
    pub(super) fn ping(&mut self, id: Option<PingId>, shared: &mut Shared) {
        if self.pings.len() < MAX_PINGS_PER_CONNECTION {
            self.pings.push(Pending { id, expires_at: shared.now + shared.config.timeout });
        } else {
            self.fail(id, PingError::TooMany, shared);
        }
    }

    /// Starts the first ping, if none is under way.
    pub(super) fn proceed(&mut self, shared: &mut Shared) {
        if self.pings.is_empty() {
            return;
        }
        match &mut self.state {
            State::Closed | State::Unsupported => self.state = State::Opening(self.open_stream(shared)),
            State::Open { stream, echo: echo @ Echo::Unasked, .. } => {
                let payload = Bytes::copy_from_slice(&shared.seed.bytes::<PAYLOAD_BYTES>());
                *echo = Echo::send(*stream, payload, shared);
                // Only now: what the peer sends unasked stays in the stream, and costs us nothing.
                shared.outputs.push_back(ToSwarm::Grant { stream: *stream, messages: 1 });
            }
            State::Opening(_) | State::Open { .. } => {}
        }
    }

    fn open_stream(&self, shared: &mut Shared) -> RequestId {
        let request = shared.requests.add(self.connection);
        shared.outputs.push_back(ToSwarm::OpenStream {
            request,
            target: Target::Connection(self.connection),
            protocols: smallvec![PROTOCOL],
            options: STREAM_OPTIONS,
        });
        request
    }

    pub(super) fn opened(&mut self, request: RequestId, stream: StreamKey, shared: &mut Shared) {
        if matches!(self.state, State::Opening(awaited) if awaited == request) {
            self.state = State::Open { stream, proven: false, echo: Echo::Unasked };
        } else if !self.is(stream) {
            shared.outputs.push_back(ToSwarm::Reset { stream });
        }
    }

    pub(super) fn open_failed(&mut self, error: PingError, shared: &mut Shared) {
        self.state = if error == PingError::Unsupported { State::Unsupported } else { State::Closed };
        self.fail_all(&error, shared);
    }

    pub(super) fn message(&mut self, message: &Bytes, received_at: Instant, shared: &mut Shared) {
        let State::Open { stream, proven, echo } = &mut self.state else { return };
        match echo {
            Echo::Awaited { payload, sent_at } if payload == message => {
                let round_trip = received_at - *sent_at;
                (*proven, *echo) = (true, Echo::Unasked);
                if let Some(id) = self.end_first(shared) {
                    let (peer, connection) = (self.peer, self.connection);
                    shared.event(PingEvent::Pong { peer, connection, id, round_trip });
                }
            }
            _ => {
                let stream = *stream;
                self.reset(stream, shared);
                self.fail_first(PingError::WrongEcho, shared);
            }
        }
    }

    pub(super) fn blocked(&mut self) {
        if let State::Open { echo, .. } = &mut self.state
            && let Echo::Awaited { payload, .. } = echo
        {
            *echo = Echo::Refused { payload: std::mem::take(payload) };
        }
    }

    pub(super) fn writable(&mut self, shared: &mut Shared) {
        if let State::Open { stream, echo, .. } = &mut self.state
            && let Echo::Refused { payload } = echo
        {
            *echo = Echo::send(*stream, std::mem::take(payload), shared);
        }
    }

    pub(super) fn remote_closed(&mut self, shared: &mut Shared) {
        if let State::Open { stream, .. } = self.state {
            shared.outputs.push_back(ToSwarm::Close { stream });
            self.closed(StreamCloseCause::Ended, shared);
        }
    }

    pub(super) fn closed(&mut self, cause: StreamCloseCause, shared: &mut Shared) {
        let proven = matches!(self.state, State::Open { proven: true, .. });
        self.state = State::Closed;
        if cause == StreamCloseCause::ConnectionClosed {
            self.fail_all(&PingError::ConnectionClosed, shared);
        } else if !proven {
            self.fail_first(PingError::StreamClosed(cause), shared);
        }
    }

    pub(super) fn disconnected(mut self, shared: &mut Shared) {
        if let State::Opening(request) = self.state {
            shared.requests.remove(request);
        }
        self.fail_all(&PingError::ConnectionClosed, shared);
    }

    fn reset(&mut self, stream: StreamKey, shared: &mut Shared) {
        shared.outputs.push_back(ToSwarm::Reset { stream });
        self.state = State::Closed;
    }

    /// Removes the first ping and returns whose it was.
    fn end_first(&mut self, shared: &Shared) -> Option<Option<PingId>> {
        if self.pings.is_empty() {
            return None;
        }
        self.idle_since = shared.now;
        Some(self.pings.remove(0).id)
    }

    fn fail_first(&mut self, error: PingError, shared: &mut Shared) {
        if let Some(id) = self.end_first(shared) {
            self.fail(id, error, shared);
        }
    }

    fn fail_all(&mut self, error: &PingError, shared: &mut Shared) {
        while let Some(id) = self.end_first(shared) {
            self.fail(id, error.clone(), shared);
        }
    }

    fn fail(&self, id: Option<PingId>, error: PingError, shared: &mut Shared) {
        let (peer, connection) = (self.peer, Some(self.connection));
        shared.event(PingEvent::Failed { peer, connection, id, error });
    }
}

impl Echo {
    fn send(stream: StreamKey, payload: Bytes, shared: &mut Shared) -> Self {
        shared.outputs.push_back(ToSwarm::Send { stream, message: payload.clone() });
        Self::Awaited { payload, sent_at: shared.now }
    }
}
