//! Pushing what this node is to the peers that know an earlier version of it.

use super::own::Snapshot;
use super::{FRAMING, Identify, IdentifyEvent, MAX_PUSHES, PUSH_DELAY, PUSH_PROTOCOL, Timer};
use crate::connection::ConnectionId;
use crate::protocols::{RequestId, StreamCloseCause, StreamError, StreamKey, StreamOptions, Target, ToSwarm};
use crate::time::Deadline;
use bytes::Bytes;
use smallvec::smallvec;
use std::collections::{BTreeMap, BTreeSet};

/// The acceptor sends nothing; the credit is for noticing its end. The timeout bounds how long such a stream keeps the
/// connection open.
const STREAM_OPTIONS: StreamOptions =
    StreamOptions { framing: FRAMING, credit: 1, keep_alive: true, lazy: false };

/// The pushes under way and those to come.
#[derive(Debug, Default)]
pub(super) struct Pushing {
    /// Those for whom there is no room yet. At most the open connections.
    waiting: BTreeSet<ConnectionId>,
    /// At most [`MAX_PUSHES`].
    active: BTreeMap<ConnectionId, Push>,
}

/// The push to one connection. When it must be over its timer knows.
#[derive(Debug)]
enum Push {
    Opening(RequestId),
    /// Everything is sent, unless it was refused, and the stream closed.
    Sent {
        stream: StreamKey,
        refused: Option<Bytes>,
    },
}

impl Pushing {
    fn on_stream(&mut self, stream: StreamKey) -> Option<&mut Option<Bytes>> {
        match self.active.get_mut(&stream.connection)? {
            Push::Sent { stream: open, refused } if *open == stream => Some(refused),
            _ => None,
        }
    }

    fn is_opening(&self, connection: ConnectionId, request: RequestId) -> bool {
        let push = self.active.get(&connection);
        push.is_some_and(|push| matches!(push, Push::Opening(awaited) if *awaited == request))
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.waiting.len() + self.active.len()
    }
}

impl Identify {
    /// What this node is has changed. Further changes within the delay are pushed with this one.
    pub(super) fn plan_pushes(&mut self) {
        if !self.connections.is_empty() && !self.timers.contains(Timer::PushDelay) {
            let due = Deadline::new(self.shared.now + PUSH_DELAY, "identify push");
            self.timers.set(Timer::PushDelay, Some(due));
        }
    }

    /// The delay after a change is over.
    pub(super) fn push_to_all(&mut self) {
        let current = self.shared.own.snapshot();
        let outdated = self.connections.iter().filter(|(_, to)| to.speaks_push && to.told != current);
        self.pushing.waiting.extend(outdated.map(|(id, _)| id));
        self.start_pushes();
    }

    /// A peer told what it speaks. If it asked us before the last change, the push to all came too early for it.
    pub(super) fn push_to_late(&mut self, id: ConnectionId) {
        let current = self.shared.own.snapshot();
        let outdated = self
            .connections
            .get_mut(id)
            .is_some_and(|to| to.speaks_push && to.told != Snapshot::NONE && to.told != current);
        if outdated && !self.timers.contains(Timer::PushDelay) {
            self.pushing.waiting.insert(id);
            self.start_pushes();
        }
    }

    fn start_pushes(&mut self) {
        while self.pushing.active.len() < MAX_PUSHES {
            let mut free = self.pushing.waiting.iter().filter(|id| !self.pushing.active.contains_key(id));
            let Some(&id) = free.next() else { return };
            self.pushing.waiting.remove(&id);
            self.start_push(id);
        }
    }

    fn start_push(&mut self, id: ConnectionId) {
        let current = self.shared.own.snapshot();
        let Some(peer) = self.connections.get_mut(id).map(|to| to.exchange.link().peer) else { return };
        if self.connections.of_peer(peer).any(|(_, to)| to.told == current) {
            return;
        }
        self.note_told(id);
        let request = self.shared.requests.add(id);
        let expires_at = self.shared.now + self.shared.config.timeout;
        self.pushing.active.insert(id, Push::Opening(request));
        self.timers.set(Timer::Pushing(id), Some(Deadline::new(expires_at, "identify push timeout")));
        self.shared.outputs.push_back(ToSwarm::OpenStream {
            request,
            target: Target::Connection(id),
            protocols: smallvec![PUSH_PROTOCOL],
            options: STREAM_OPTIONS,
        });
    }

    /// What a peer is being told it counts as knowing: a push that fails is not repeated before the next change.
    fn note_told(&mut self, id: ConnectionId) {
        if let Some(to) = self.connections.get_mut(id) {
            to.told = self.shared.own.snapshot();
        }
    }

    /// Whether this was the stream of a push.
    pub(super) fn push_opened(&mut self, request: RequestId, stream: StreamKey) -> bool {
        let id = stream.connection;
        if self.pushing.on_stream(stream).is_some() {
            return true;
        }
        if !self.pushing.is_opening(id, request) {
            return false;
        }
        // Not what was news when the stream was asked for.
        self.note_told(id);
        let Some(link) = self.connections.get_mut(id).map(|to| to.exchange.link()) else { return false };
        let message = self.shared.own.message(&link.remote_address, &self.shared.config);
        self.pushing.active.insert(id, Push::Sent { stream, refused: None });
        match message {
            Some(message) => self.send_push(stream, message),
            None => self.reset_push(stream),
        }
        true
    }

    /// Whether this was the stream of a push.
    pub(super) fn push_not_opened(
        &mut self,
        id: ConnectionId,
        request: RequestId,
        error: &StreamError,
    ) -> bool {
        let ours = self.pushing.is_opening(id, request);
        if ours {
            if let (StreamError::Unsupported(_), Some(to)) = (error, self.connections.get_mut(id)) {
                to.speaks_push = false;
            }
            self.end_push(id);
        }
        ours
    }

    fn send_push(&mut self, stream: StreamKey, message: Bytes) {
        self.shared.outputs.push_back(ToSwarm::Send { stream, message });
        self.shared.outputs.push_back(ToSwarm::Close { stream });
    }

    pub(super) fn push_blocked(&mut self, stream: StreamKey, message: Bytes) {
        if let Some(refused) = self.pushing.on_stream(stream) {
            *refused = Some(message);
        }
    }

    pub(super) fn push_writable(&mut self, stream: StreamKey) {
        if let Some(message) = self.pushing.on_stream(stream).and_then(Option::take) {
            self.send_push(stream, message);
        }
    }

    /// Also when the acceptor says something: it has nothing to say.
    pub(super) fn reset_push(&mut self, stream: StreamKey) {
        if self.pushing.on_stream(stream).is_some() {
            self.shared.outputs.push_back(ToSwarm::Reset { stream });
            self.end_push(stream.connection);
        }
    }

    pub(super) fn push_closed(&mut self, stream: StreamKey, cause: &StreamCloseCause) {
        if self.pushing.on_stream(stream).is_none() {
            return;
        }
        if let (StreamCloseCause::Ended, Some(to)) = (cause, self.connections.get_mut(stream.connection)) {
            let (peer, connection) = (to.exchange.link().peer, stream.connection);
            self.shared.event(IdentifyEvent::PushSent { peer, connection });
        }
        self.end_push(stream.connection);
    }

    pub(super) fn expire_push(&mut self, id: ConnectionId) {
        match self.pushing.active.get(&id) {
            Some(&Push::Sent { stream, .. }) => self.reset_push(stream),
            Some(Push::Opening(_)) => self.end_push(id),
            None => {}
        }
    }

    /// The connection is gone.
    pub(super) fn forget_pushes(&mut self, id: ConnectionId) {
        self.pushing.waiting.remove(&id);
        self.end_push(id);
        if self.connections.is_empty() {
            self.timers.set(Timer::PushDelay, None);
        }
    }

    /// A stream that still opens will be reset, as nobody knows of it.
    fn end_push(&mut self, id: ConnectionId) {
        if let Some(push) = self.pushing.active.remove(&id) {
            if let Push::Opening(request) = push {
                self.shared.requests.remove(request);
            }
            self.timers.set(Timer::Pushing(id), None);
            self.start_pushes();
        }
    }
}
