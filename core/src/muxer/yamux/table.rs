//! The streams of a connection, by their numbers on the wire.

use super::stream::Stream;
use crate::collections::Map;
use crate::muxer::StreamId;
use crate::security::Role;
use crate::time::Instant;

/// Every stream that is not forgotten. Bounded by the limits of inbound and outbound streams.
///
/// The lower half of a stream's id is its number, and the upper half zero. But a remote need not announce its streams in the order of
/// their numbers, and could use one again when we have forgotten the stream, which must not make an id come twice: whatever comes out
/// of order has an upper half of its own.
#[derive(Debug)]
pub(super) struct Table {
    role: Role,
    // Boxed, because a map moves its entries and reserves room for more.
    streams: Map<u32, Box<Stream>>,
    outbound: usize,
    /// The highest number that the remote has announced.
    highest: u32,
    /// How many streams the remote has announced out of order.
    disordered: u32,
}

impl Table {
    pub(super) fn new(role: Role) -> Self {
        Self { role, streams: Map::default(), outbound: 0, highest: 0, disordered: 0 }
    }

    /// Whether we open the streams with such numbers: the dialer's are odd, and the listener's even.
    pub(super) fn is_ours(&self, number: u32) -> bool {
        (number % 2 == 1) == (self.role == Role::Dialer)
    }

    /// Enters a stream that we open.
    pub(super) fn open(&mut self, number: u32, now: Instant) -> StreamId {
        let id = StreamId(number.into());
        self.outbound += 1;
        self.streams.insert(number, Box::new(Stream::new(id, true, now)));
        id
    }

    /// Enters a stream that the remote opens. `None`: there is no id left for it.
    pub(super) fn accept(&mut self, number: u32, now: Instant) -> Option<StreamId> {
        let id = if number > self.highest {
            self.highest = number;
            StreamId(number.into())
        } else {
            self.disordered = self.disordered.checked_add(1)?;
            StreamId(u64::from(self.disordered) << 32 | u64::from(number))
        };
        self.streams.insert(number, Box::new(Stream::new(id, false, now)));
        Some(id)
    }

    pub(super) fn get(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.by_number(number_of(id)).filter(|stream| stream.id == id)
    }

    pub(super) fn by_number(&mut self, number: u32) -> Option<&mut Stream> {
        self.streams.get_mut(&number).map(Box::as_mut)
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<Box<Stream>> {
        self.get(id)?;
        let number = number_of(id);
        self.outbound -= usize::from(self.is_ours(number));
        self.streams.remove(&number)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.streams.iter_mut().map(|(_, stream)| stream.as_mut())
    }

    /// How many streams we opened.
    pub(super) fn outbound(&self) -> usize {
        self.outbound
    }

    /// How many streams the remote opened.
    pub(super) fn inbound(&self) -> usize {
        self.streams.len() - self.outbound
    }
}

/// The number on the wire of the stream with this id.
pub(super) fn number_of(id: StreamId) -> u32 {
    id.0 as u32
}
