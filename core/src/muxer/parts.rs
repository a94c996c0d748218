//! What the streams of any muxer over a byte stream are made of.

use super::{MAX_SHARED_BYTES, MIN_SHARED_BYTES, StreamId, StreamsEvent};
use crate::collections::Queue;
use bytes::{Buf, Bytes, BytesMut};
use std::mem;

/// One direction of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Open,
    /// Nothing more is sent in it.
    Closed,
}

/// What the reader was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Bytes, or nothing yet.
    Active,
    /// That there is nothing to read: it waits for an event.
    Waiting,
    /// That the stream has ended.
    Finished,
}

impl Reader {
    /// Wakes a reader that waits.
    pub(super) fn wake(&mut self, id: StreamId, events: &mut Queue<StreamsEvent>) {
        if *self == Self::Waiting {
            *self = Self::Active;
            events.push(StreamsEvent::Readable(id));
        }
    }
}

/// The unread bytes of one stream.
///
/// Large chunks stay slices of the input that they came in; small ones are copied together in `tail`, so that a byte costs about
/// a byte, however it was sent. An empty buffer owns no memory.
#[derive(Debug, Default)]
pub(super) struct ReceiveBuffer {
    chunks: Queue<Bytes>,
    /// What came after `chunks`.
    tail: BytesMut,
    len: usize,
}

/// The tail is cut off at this length, so that it never moves much when it grows.
const MAX_TAIL_BYTES: usize = 64 * 1024;

impl ReceiveBuffer {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes `len` bytes off the front of `input`; `backlog` bytes are unread on the whole connection.
    pub(super) fn push(&mut self, input: &mut BytesMut, len: usize, backlog: usize) {
        self.len += len;
        if len >= MIN_SHARED_BYTES && backlog < MAX_SHARED_BYTES {
            self.cut_tail();
            self.chunks.push(input.split_to(len).freeze());
        } else {
            if self.tail.len() + len > MAX_TAIL_BYTES {
                self.cut_tail();
            }
            self.tail.extend_from_slice(&input[..len]);
            input.advance(len);
        }
    }

    /// Gives at most `max` bytes; none only if the buffer, or `max`, is empty.
    pub(super) fn read(&mut self, max: usize) -> Bytes {
        let bytes = match self.chunks.front_mut() {
            Some(first) if first.len() > max => first.split_to(max),
            Some(_) => self.chunks.pop().unwrap_or_default(),
            None if self.tail.len() > max => self.tail.split_to(max).freeze(),
            None => mem::take(&mut self.tail).freeze(),
        };
        self.len -= bytes.len();
        bytes
    }

    fn cut_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push(mem::take(&mut self.tail).freeze());
        }
    }

    /// The memory on the heap, without what is shared with the driver's buffers.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> usize {
        let copied: usize =
            self.chunks.iter().filter(|chunk| chunk.len() <= MAX_TAIL_BYTES).map(Bytes::len).sum();
        self.chunks.capacity() * size_of::<Bytes>() + self.tail.capacity() + copied
    }
}
