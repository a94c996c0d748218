//! Telling the peer of one connection what we are.

use super::{FRAMING, Link, Shared};
use crate::collections::Map;
use crate::muxer::StreamId;
use crate::protocols::{StreamCloseCause, StreamKey, StreamOptions, ToSwarm};
use bytes::Bytes;

/// The opener sends nothing; without credit its end would go unnoticed. How long it takes to read is up to it, so
/// the connection may go.
pub(super) const STREAM_OPTIONS: StreamOptions =
    StreamOptions { framing: FRAMING, credit: 1, keep_alive: false, lazy: false };

/// The streams on which the peer asks us.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// At most `max_inbound_streams` of the configuration, each with the answer if it was refused. Ids count
    /// up, so the first is the oldest.
    streams: Map<StreamId, Option<Bytes>>,
}

impl Answers {
    /// Whether the peer is told.
    pub(super) fn opened(&mut self, stream: StreamKey, link: &Link, shared: &mut Shared) -> bool {
        if self.streams.contains_key(&stream.stream) {
            return false;
        }
        let wanted = shared.config.max_inbound_streams > 0;
        let answer = wanted.then(|| shared.own.message(&link.remote_address, &shared.config)).flatten();
        let Some(answer) = answer else {
            shared.outputs.push_back(ToSwarm::Reset { stream });
            return false;
        };
        if self.streams.len() >= shared.config.max_inbound_streams
            && let Some((oldest, _)) = self.streams.pop_first()
        {
            let oldest = StreamKey { connection: stream.connection, stream: oldest };
            shared.outputs.push_back(ToSwarm::Reset { stream: oldest });
        }
        self.streams.insert(stream.stream, None);
        send(stream, answer, shared);
        true
    }

    /// The opener has nothing to say.
    pub(super) fn message(&mut self, stream: StreamKey, shared: &mut Shared) {
        if self.streams.remove(&stream.stream).is_some() {
            shared.outputs.push_back(ToSwarm::Reset { stream });
        }
    }

    pub(super) fn blocked(&mut self, stream: StreamKey, answer: Bytes) {
        if let Some(refused) = self.streams.get_mut(&stream.stream) {
            *refused = Some(answer);
        }
    }

    pub(super) fn writable(&mut self, stream: StreamKey, shared: &mut Shared) {
        if let Some(answer) = self.streams.get_mut(&stream.stream).and_then(Option::take) {
            send(stream, answer, shared);
        }
    }

    /// Forgets a stream. Whether it was one of these and ended in order, with our answer.
    pub(super) fn closed(&mut self, stream: StreamKey, cause: &StreamCloseCause) -> bool {
        self.streams.remove(&stream.stream).is_some() && *cause == StreamCloseCause::Ended
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.streams.len()
    }
}

fn send(stream: StreamKey, answer: Bytes, shared: &mut Shared) {
    shared.outputs.push_back(ToSwarm::Send { stream, message: answer });
    shared.outputs.push_back(ToSwarm::Close { stream });
}
