//! What the peer of one connection pushes: what it is now, without being asked.

use super::reading::Reading;
use super::{FRAMING, IdentifyError, IdentifyEvent, IdentifyInfo, Link, Shared};
use crate::protocols::{StreamCloseCause, StreamKey, StreamOptions, ToSwarm};
use crate::time::{Deadline, Instant};
use std::sync::Arc;

/// Whoever pushes may keep the connection open for it.
pub(super) const STREAM_OPTIONS: StreamOptions =
    StreamOptions { framing: FRAMING, credit: 1, keep_alive: false, lazy: false };

/// The push that is under way, if any: one at a time, so that a peer cannot make us keep many.
#[derive(Debug, Default)]
pub(super) struct Pushed(Option<Box<Push>>);

#[derive(Debug)]
struct Push {
    reading: Reading,
    expires_at: Instant,
}

impl Pushed {
    /// A further push replaces the one under way: it is the newer one.
    pub(super) fn opened(&mut self, stream: StreamKey, shared: &mut Shared) {
        match &self.0 {
            Some(push) if push.reading.stream() == stream => return,
            Some(push) => shared.outputs.push_back(ToSwarm::Reset { stream: push.reading.stream() }),
            None => {}
        }
        let expires_at = shared.now + shared.config.timeout;
        self.0 = Some(Box::new(Push { reading: Reading::new(stream), expires_at }));
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.0.as_ref().map(|push| Deadline::new(push.expires_at, "identify push timeout"))
    }

    pub(super) fn expire(&mut self, link: &Link, shared: &mut Shared) {
        if let Some(push) = self.0.take() {
            reset(push.reading.stream(), IdentifyError::Timeout, link, shared);
        }
    }

    pub(super) fn message(&mut self, from: StreamKey, message: &[u8], link: &Link, shared: &mut Shared) {
        let Some(push) = self.0.as_mut().filter(|push| push.reading.stream() == from) else { return };
        match push.reading.message(message, link.peer) {
            Ok(()) => shared.outputs.push_back(ToSwarm::Grant { stream: from, messages: 1 }),
            Err(error) => {
                self.0 = None;
                reset(from, error, link, shared);
            }
        }
    }

    /// Gives what the peer told, if that was a push and is complete.
    pub(super) fn remote_closed(
        &mut self,
        stream: StreamKey,
        link: &Link,
        shared: &mut Shared,
    ) -> Option<Arc<IdentifyInfo>> {
        let push = self.0.take_if(|push| push.reading.stream() == stream)?;
        shared.outputs.push_back(ToSwarm::Close { stream });
        match push.reading.finish(link, &*shared.own.crypto) {
            Ok(info) => {
                let (peer, connection) = (link.peer, link.connection);
                shared.event(IdentifyEvent::Pushed { peer, connection, info: Arc::clone(&info) });
                Some(info)
            }
            Err(error) => {
                fail(error, link, shared);
                None
            }
        }
    }

    pub(super) fn closed(
        &mut self,
        stream: StreamKey,
        cause: &StreamCloseCause,
        link: &Link,
        shared: &mut Shared,
    ) {
        if self.0.take_if(|push| push.reading.stream() == stream).is_some() {
            fail(cause.clone().into(), link, shared);
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        usize::from(self.0.is_some())
    }
}

fn reset(stream: StreamKey, error: IdentifyError, link: &Link, shared: &mut Shared) {
    shared.outputs.push_back(ToSwarm::Reset { stream });
    fail(error, link, shared);
}

fn fail(error: IdentifyError, link: &Link, shared: &mut Shared) {
    shared.event(IdentifyEvent::PushFailed { peer: link.peer, connection: link.connection, error });
}
