//! The peer's pings on one connection.

use super::{MAX_ECHOES_PER_STREAM, Shared};
use crate::collections::Map;
use crate::muxer::StreamId;
use crate::protocols::{StreamKey, ToSwarm};
use bytes::Bytes;
use smallvec::SmallVec;

/// The streams on which the peer pings us.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// At most `max_inbound_streams` of the configuration. Ids count up, so the first is the oldest.
    streams: Map<StreamId, Echoes>,
}

/// One stream. While nothing waits to be echoed, the peer may send one more message.
#[derive(Debug, Default)]
struct Echoes {
    /// What a refusal holds up, oldest first: what was refused, and what has arrived since.
    waiting: SmallVec<[Bytes; 1]>,
    /// Whether the peer's last message used up the credit.
    spent: bool,
    /// Whether the peer will send nothing more.
    remote_closed: bool,
}

impl Inbound {
    pub(super) fn opened(&mut self, stream: StreamKey, shared: &mut Shared) {
        if !self.streams.contains_key(&stream.stream) {
            self.streams.insert(stream.stream, Echoes::default());
        }
        if self.streams.len() > shared.config.max_inbound_streams
            && let Some((oldest, _)) = self.streams.pop_first()
        {
            let connection = stream.connection;
            shared.outputs.push_back(ToSwarm::Reset { stream: StreamKey { connection, stream: oldest } });
        }
    }

    pub(super) fn message(&mut self, stream: StreamKey, message: Bytes, shared: &mut Shared) {
        let Some(echoes) = self.streams.get_mut(&stream.stream) else { return };
        if echoes.remote_closed {
            return;
        }
        let refused = !echoes.waiting.is_empty();
        echoes.spent = true;
        echoes.waiting.push(message);
        if refused {
            self.check(stream, shared);
        } else {
            echoes.send(stream, shared);
        }
    }

    pub(super) fn remote_closed(&mut self, stream: StreamKey, shared: &mut Shared) {
        if let Some(echoes) = self.streams.get_mut(&stream.stream)
            && !std::mem::replace(&mut echoes.remote_closed, true)
            && echoes.waiting.is_empty()
        {
            echoes.send(stream, shared);
        }
    }

    pub(super) fn blocked(&mut self, stream: StreamKey, message: Bytes, shared: &mut Shared) {
        if let Some(echoes) = self.streams.get_mut(&stream.stream) {
            echoes.waiting.push(message);
            self.check(stream, shared);
        }
    }

    pub(super) fn writable(&mut self, stream: StreamKey, shared: &mut Shared) {
        if let Some(echoes) = self.streams.get_mut(&stream.stream)
            && !echoes.waiting.is_empty()
        {
            echoes.send(stream, shared);
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.streams.values().map(|echoes| 1 + echoes.waiting.len()).sum()
    }

    pub(super) fn closed(&mut self, stream: StreamKey) {
        self.streams.remove(&stream.stream);
    }

    /// Holds a stream to its limit.
    fn check(&mut self, stream: StreamKey, shared: &mut Shared) {
        if self.streams.get(&stream.stream).is_some_and(|echoes| echoes.waiting.len() > MAX_ECHOES_PER_STREAM)
        {
            self.streams.remove(&stream.stream);
            shared.outputs.push_back(ToSwarm::Reset { stream });
        }
    }
}

impl Echoes {
    /// Sends all that waits, and asks for more or ends the stream.
    fn send(&mut self, stream: StreamKey, shared: &mut Shared) {
        shared.outputs.extend(self.waiting.drain(..).map(|message| ToSwarm::Send { stream, message }));
        if self.remote_closed {
            shared.outputs.push_back(ToSwarm::Close { stream });
        } else if std::mem::take(&mut self.spent) {
            shared.outputs.push_back(ToSwarm::Grant { stream, messages: 1 });
        }
    }
}
