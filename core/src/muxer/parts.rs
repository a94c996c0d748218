//! What the streams of any muxer over a byte stream are made of.

use super::{MAX_SHARED_BYTES, MIN_SHARED_BYTES};
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
    /// Ends its waiting. Returns whether it did wait.
    #[must_use]
    pub(super) fn wake(&mut self) -> bool {
        let waited = *self == Self::Waiting;
        if waited {
            *self = Self::Active;
        }
        waited
    }
}

/// The unread bytes of one stream.
///
/// Large chunks stay slices of the input that they came in; small ones are copied together in a tail, so that a byte costs about
/// a byte, however it was sent. An empty buffer owns no memory, and a small message is one allocation, which the reader gets.
#[derive(Debug)]
pub(super) enum ReceiveBuffer {
    Tail(BytesMut),
    Chunks(Box<Chunks>),
}

#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunks: Queue<Bytes>,
    /// What came after `chunks`.
    tail: BytesMut,
    len: usize,
}

/// A tail that was copied out keeps its memory up to here, for the next small message.
const MAX_KEPT_TAIL_BYTES: usize = 1024;

/// The tail is cut off at this length, so that it never moves much when it grows.
const MAX_TAIL_BYTES: usize = 64 * 1024;

impl Default for ReceiveBuffer {
    fn default() -> Self {
        Self::Tail(BytesMut::new())
    }
}

impl ReceiveBuffer {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Tail(tail) => tail.len(),
            Self::Chunks(chunks) => chunks.len,
        }
    }

    /// Takes `len` bytes off the front of `input`; `backlog` bytes are unread on the whole connection.
    pub(super) fn push(&mut self, input: &mut BytesMut, len: usize, backlog: usize) {
        let is_shared = len >= MIN_SHARED_BYTES && backlog < MAX_SHARED_BYTES;
        if let Self::Tail(tail) = self
            && (is_shared || tail.len() + len > MAX_TAIL_BYTES)
        {
            let len = tail.len();
            *self = Self::Chunks(Box::new(Chunks { chunks: Queue::default(), tail: mem::take(tail), len }));
        }
        match self {
            Self::Tail(tail) => append(tail, input, len),
            Self::Chunks(chunks) => chunks.push(input, len, is_shared),
        }
    }

    /// Gives at most `max` bytes; none only if the buffer, or `max`, is empty.
    pub(super) fn read(&mut self, max: usize) -> Bytes {
        match self {
            Self::Tail(tail) => read_tail(tail, max),
            Self::Chunks(chunks) => {
                let bytes = chunks.read(max);
                if chunks.len == 0 {
                    *self = Self::default();
                }
                bytes
            }
        }
    }

    /// Copies as much as there is, and there is room for in `out`. Returns how much.
    pub(super) fn read_into(&mut self, out: &mut [u8]) -> usize {
        let mut len = 0;
        while len < out.len() && self.len() > 0 {
            if let Self::Tail(tail) = self {
                let taken = tail.len().min(out.len() - len);
                tail.copy_to_slice(&mut out[len..len + taken]);
                if tail.is_empty() && tail.try_reclaim(MAX_KEPT_TAIL_BYTES + 1) {
                    *tail = BytesMut::new();
                }
                len += taken;
            } else {
                let bytes = self.read(out.len() - len);
                out[len..len + bytes.len()].copy_from_slice(&bytes);
                len += bytes.len();
            }
        }
        len
    }

    /// The memory on the heap, without what is shared with the driver's buffers.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> usize {
        match self {
            Self::Tail(tail) => tail.capacity(),
            Self::Chunks(chunks) => size_of::<Chunks>() + chunks.footprint(),
        }
    }
}

impl Chunks {
    fn push(&mut self, input: &mut BytesMut, len: usize, is_shared: bool) {
        self.len += len;
        if is_shared || self.tail.len() + len > MAX_TAIL_BYTES {
            self.cut_tail();
        }
        if is_shared {
            self.chunks.push(input.split_to(len).freeze());
        } else {
            append(&mut self.tail, input, len);
        }
    }

    fn read(&mut self, max: usize) -> Bytes {
        let bytes = match self.chunks.front_mut() {
            Some(first) if first.len() > max => first.split_to(max),
            Some(_) => self.chunks.pop().unwrap_or_default(),
            None => read_tail(&mut self.tail, max),
        };
        self.len -= bytes.len();
        bytes
    }

    fn cut_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push(mem::take(&mut self.tail).freeze());
        }
    }

    #[cfg(test)]
    fn footprint(&self) -> usize {
        let copied: usize =
            self.chunks.iter().filter(|chunk| chunk.len() <= MAX_TAIL_BYTES).map(Bytes::len).sum();
        self.chunks.capacity() * size_of::<Bytes>() + self.tail.capacity() + copied
    }
}

fn append(tail: &mut BytesMut, input: &mut BytesMut, len: usize) {
    tail.extend_from_slice(&input[..len]);
    input.advance(len);
}

fn read_tail(tail: &mut BytesMut, max: usize) -> Bytes {
    if tail.len() > max { tail.split_to(max).freeze() } else { mem::take(tail).freeze() }
}
