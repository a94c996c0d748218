//! Asking the peer of one connection what it is.

use super::reading::Reading;
use super::{
    FRAMING, IdentifyError, IdentifyEvent, IdentifyId, IdentifyInfo, Link, MAX_WAITING, PROTOCOL, Shared,
};
use crate::protocols::{RequestId, StreamCloseCause, StreamKey, StreamOptions, Target, ToSwarm};
use crate::time::{Deadline, Instant};
use smallvec::smallvec;
use std::sync::Arc;

/// The timeout bounds how long such a stream keeps the connection open.
const STREAM_OPTIONS: StreamOptions =
    StreamOptions { framing: FRAMING, credit: 1, keep_alive: true, lazy: false };

/// The exchange of one connection, and who waits for it.
#[derive(Debug)]
pub(super) struct Exchange {
    link: Link,
    state: State,
    /// `None`: the connection was new.
    waiting: Vec<Option<IdentifyId>>,
    /// When those who wait have waited long enough.
    expires_at: Instant,
}

#[derive(Debug)]
enum State {
    Idle,
    /// A stream was asked for. A request cannot be taken back, so this may outlast those who wait.
    Opening(RequestId),
    /// The peer is telling.
    Reading(Box<Reading>),
}

impl Exchange {
    pub(super) fn new(link: Link) -> Self {
        Self { link, state: State::Idle, waiting: Vec::new(), expires_at: Instant::ORIGIN }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
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
        if let State::Reading(reading) = &self.state {
            self.reset(reading.stream(), IdentifyError::Timeout, shared);
        } else {
            self.fail(&IdentifyError::Timeout, shared);
        }
    }

    pub(super) fn ask(&mut self, id: Option<IdentifyId>, shared: &mut Shared) {
        if self.waiting.len() >= MAX_WAITING {
            let (peer, connection) = (self.link.peer, Some(self.link.connection));
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
            let request = shared.requests.add(self.link.connection);
            self.state = State::Opening(request);
            shared.outputs.push_back(ToSwarm::OpenStream {
                request,
                target: Target::Connection(self.link.connection),
                protocols: smallvec![PROTOCOL],
                options: STREAM_OPTIONS,
            });
        }
    }

    pub(super) fn opened(&mut self, request: RequestId, stream: StreamKey, shared: &mut Shared) {
        match &self.state {
            State::Opening(awaited) if *awaited == request => {
                if self.waiting.is_empty() {
                    self.state = State::Idle;
                    shared.outputs.push_back(ToSwarm::Reset { stream });
                } else {
                    self.state = State::Reading(Reading::new(stream).into());
                }
            }
            State::Reading(reading) if reading.stream() == stream => {}
            _ => shared.outputs.push_back(ToSwarm::Reset { stream }),
        }
    }

    pub(super) fn open_failed(&mut self, request: RequestId, error: IdentifyError, shared: &mut Shared) {
        if matches!(self.state, State::Opening(awaited) if awaited == request) {
            self.state = State::Idle;
            self.fail(&error, shared);
        }
    }

    pub(super) fn message(&mut self, from: StreamKey, message: &[u8], shared: &mut Shared) {
        let State::Reading(reading) = &mut self.state else { return };
        if reading.stream() != from {
            return;
        }
        match reading.message(message, self.link.peer) {
            Ok(()) => shared.outputs.push_back(ToSwarm::Grant { stream: from, messages: 1 }),
            Err(error) => self.reset(from, error, shared),
        }
    }

    /// Gives what the peer told, if it was asked on this stream and that is complete.
    pub(super) fn remote_closed(
        &mut self,
        stream: StreamKey,
        shared: &mut Shared,
    ) -> Option<Arc<IdentifyInfo>> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Reading(reading) if reading.stream() == stream => {
                shared.outputs.push_back(ToSwarm::Close { stream });
                let result = reading.finish(&self.link, &*shared.own.crypto);
                match &result {
                    Ok(info) => self.succeed(info, shared),
                    Err(error) => self.fail(error, shared),
                }
                result.ok()
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    pub(super) fn closed(&mut self, gone: StreamKey, cause: StreamCloseCause, shared: &mut Shared) {
        if matches!(&self.state, State::Reading(reading) if reading.stream() == gone) {
            self.state = State::Idle;
            self.fail(&cause.into(), shared);
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

    fn succeed(&mut self, info: &Arc<IdentifyInfo>, shared: &mut Shared) {
        let (peer, connection) = (self.link.peer, self.link.connection);
        for id in std::mem::take(&mut self.waiting) {
            shared.event(IdentifyEvent::Received { peer, connection, id, info: Arc::clone(info) });
        }
    }

    fn fail(&mut self, error: &IdentifyError, shared: &mut Shared) {
        let (peer, connection) = (self.link.peer, Some(self.link.connection));
        for id in std::mem::take(&mut self.waiting) {
            shared.event(IdentifyEvent::Failed { peer, connection, id, error: error.clone() });
        }
    }
}
