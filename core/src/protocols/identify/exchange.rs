//! Asking the peer of one connection what it is.

use super::{
    FRAMING, IdentifyError, IdentifyEvent, IdentifyId, IdentifyInfo, MAX_MESSAGES, MAX_WAITING, PROTOCOL,
    Shared, codec,
};
use crate::connection::ConnectionId;
use crate::identity::PeerId;
use crate::protocols::{RequestId, StreamCloseCause, StreamKey, StreamOptions, Target, ToSwarm};
use crate::time::{Deadline, Instant};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// The timeout bounds how long such a stream keeps the connection open.
const STREAM_OPTIONS: StreamOptions =
    StreamOptions { framing: FRAMING, credit: 1, keep_alive: true, lazy: false };

/// The exchange of one connection, and who waits for it.
#[derive(Debug)]
pub(super) struct Exchange {
    connection: ConnectionId,
    peer: PeerId,
    state: State,
    /// `None`: the connection was new.
    waiting: SmallVec<[Option<IdentifyId>; 1]>,
    /// When those who wait have waited long enough.
    expires_at: Instant,
}

#[derive(Debug)]
enum State {
    Idle,
    /// A stream was asked for. A request cannot be taken back, so this may outlast those who wait.
    Opening(RequestId),
    /// The peer is telling.
    Reading {
        stream: StreamKey,
        messages: usize,
        info: Box<IdentifyInfo>,
    },
}

impl Exchange {
    pub(super) fn new(connection: ConnectionId, peer: PeerId) -> Self {
        Self { connection, peer, state: State::Idle, waiting: SmallVec::new(), expires_at: Instant::ORIGIN }
    }

    pub(super) fn peer(&self) -> PeerId {
        self.peer
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.waiting.len()
    }

    /// When [`Exchange::expire`] has something to do.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        (!self.waiting.is_empty()).then(|| Deadline::new(self.expires_at, "identify timeout"))
    }

    pub(super) fn expire(&mut self, shared: &mut Shared) {
        if let State::Reading { stream, .. } = self.state {
            self.reset(stream, IdentifyError::Timeout, shared);
        } else {
            self.fail(&IdentifyError::Timeout, shared);
        }
    }

    pub(super) fn ask(&mut self, id: Option<IdentifyId>, shared: &mut Shared) {
        if self.waiting.len() >= MAX_WAITING {
            let (peer, connection) = (self.peer, Some(self.connection));
            return shared.event(IdentifyEvent::Failed {
                peer,
                connection,
                id,
                error: IdentifyError::TooMany,
            });
        }
        if self.waiting.is_empty() {
            self.expires_at = shared.now + shared.config.timeout;
        }
        self.waiting.push(id);
    }

    /// Asks for a stream, if somebody waits and there is none.
    pub(super) fn proceed(&mut self, shared: &mut Shared) {
        if !self.waiting.is_empty() && matches!(self.state, State::Idle) {
            let request = shared.requests.add(self.connection);
            self.state = State::Opening(request);
            shared.outputs.push_back(ToSwarm::OpenStream {
                request,
                target: Target::Connection(self.connection),
                protocols: smallvec![PROTOCOL],
                options: STREAM_OPTIONS,
            });
        }
    }

    pub(super) fn opened(&mut self, request: RequestId, stream: StreamKey, shared: &mut Shared) {
        match self.state {
            State::Opening(awaited) if awaited == request => {
                if self.waiting.is_empty() {
                    self.state = State::Idle;
                    shared.outputs.push_back(ToSwarm::Reset { stream });
                } else {
                    self.state = State::Reading { stream, messages: 0, info: Box::default() };
                }
            }
            State::Reading { stream: open, .. } if open == stream => {}
            _ => shared.outputs.push_back(ToSwarm::Reset { stream }),
        }
    }

    pub(super) fn open_failed(&mut self, error: IdentifyError, shared: &mut Shared) {
        self.state = State::Idle;
        self.fail(&error, shared);
    }

    pub(super) fn message(&mut self, from: StreamKey, message: &[u8], shared: &mut Shared) {
        let State::Reading { stream, messages, info } = &mut self.state else { return };
        if *stream != from {
            return;
        }
        *messages += 1;
        let merged = if *messages > MAX_MESSAGES {
            Err(IdentifyError::TooManyMessages)
        } else {
            merge(message, info, self.peer)
        };
        match merged {
            Ok(()) => shared.outputs.push_back(ToSwarm::Grant { stream: from, messages: 1 }),
            Err(error) => self.reset(from, error, shared),
        }
    }

    pub(super) fn remote_closed(&mut self, from: StreamKey, shared: &mut Shared) {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Reading { stream, messages, info } if stream == from => {
                shared.outputs.push_back(ToSwarm::Close { stream });
                if messages == 0 {
                    self.fail(&IdentifyError::Nothing, shared);
                } else {
                    self.succeed((*info).into(), shared);
                }
            }
            other => self.state = other,
        }
    }

    pub(super) fn closed(&mut self, gone: StreamKey, cause: StreamCloseCause, shared: &mut Shared) {
        if matches!(self.state, State::Reading { stream, .. } if stream == gone) {
            self.state = State::Idle;
            let error = match cause {
                StreamCloseCause::ConnectionClosed => IdentifyError::ConnectionClosed,
                cause => IdentifyError::StreamClosed(cause),
            };
            self.fail(&error, shared);
        }
    }

    pub(super) fn disconnected(mut self, shared: &mut Shared) {
        if let State::Opening(request) = self.state {
            shared.requests.remove(request);
        }
        self.fail(&IdentifyError::ConnectionClosed, shared);
    }

    fn reset(&mut self, stream: StreamKey, error: IdentifyError, shared: &mut Shared) {
        self.state = State::Idle;
        shared.outputs.push_back(ToSwarm::Reset { stream });
        self.fail(&error, shared);
    }

    fn succeed(&mut self, info: Arc<IdentifyInfo>, shared: &mut Shared) {
        let (peer, connection) = (self.peer, self.connection);
        for id in std::mem::take(&mut self.waiting) {
            shared.event(IdentifyEvent::Received { peer, connection, id, info: Arc::clone(&info) });
        }
    }

    fn fail(&mut self, error: &IdentifyError, shared: &mut Shared) {
        let (peer, connection) = (self.peer, Some(self.connection));
        for id in std::mem::take(&mut self.waiting) {
            shared.event(IdentifyEvent::Failed { peer, connection, id, error: error.clone() });
        }
    }
}

/// Adds a message to `info`, and checks that the key in it, if any, is the peer's.
fn merge(message: &[u8], info: &mut IdentifyInfo, peer: PeerId) -> Result<(), IdentifyError> {
    codec::merge(message, info)?;
    match info.public_key.as_ref().map(|key| key.to_peer_id()) {
        Some(other) if other != peer => Err(IdentifyError::WrongKey(other)),
        _ => Ok(()),
    }
}
