//! The streams of a connection, by our id and by that of the wire.

use super::codec::WireId;
use super::stream::Stream;
use crate::collections::Map;
use crate::muxer::StreamId;

/// Every stream that is not forgotten. Bounded by the limits of inbound and outbound streams.
///
/// A stream has a place on the wire until it is closed in both directions. The remote may use the number again from then on,
/// while we may still be reading the old stream.
#[derive(Debug, Default)]
pub(super) struct Table {
    // Boxed, because a map reserves the room of eleven entries for the first.
    streams: Map<StreamId, Box<Stream>>,
    by_wire: Map<WireId, StreamId>,
    next: u64,
    outbound: usize,
}

impl Table {
    pub(super) fn insert(&mut self, wire: WireId) -> StreamId {
        let id = StreamId(self.next);
        self.next += 1;
        self.outbound += outbound(wire);
        self.by_wire.insert(wire, id);
        self.streams.insert(id, Box::new(Stream::new(wire)));
        id
    }

    pub(super) fn get(&self, id: StreamId) -> Option<&Stream> {
        self.streams.get(&id).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams.get_mut(&id).map(Box::as_mut)
    }

    pub(super) fn by_wire(&self, wire: WireId) -> Option<StreamId> {
        self.by_wire.get(&wire).copied()
    }

    /// Takes the stream off the wire: frames with its number no longer reach it.
    pub(super) fn unlink(&mut self, id: StreamId) {
        if let Some(wire) = self.get(id).map(|stream| stream.wire)
            && self.by_wire(wire) == Some(id)
        {
            self.by_wire.remove(&wire);
        }
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<Box<Stream>> {
        self.unlink(id);
        let stream = self.streams.remove(&id)?;
        self.outbound -= outbound(stream.wire);
        Some(stream)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (StreamId, &mut Stream)> {
        self.streams.iter_mut().map(|(id, stream)| (*id, stream.as_mut()))
    }

    /// How many streams we opened.
    pub(super) fn outbound(&self) -> usize {
        self.outbound
    }

    /// How many streams the remote opened.
    pub(super) fn inbound(&self) -> usize {
        self.streams.len() - self.outbound
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.by_wire.is_empty() && self.outbound == 0
    }
}

fn outbound(wire: WireId) -> usize {
    matches!(wire, WireId::Ours(_)).into()
}
