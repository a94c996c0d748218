//! What the connections of a node share: buffers to borrow while they have something to read or to write, the count of their bytes, and the
//! clock.

use super::clock::Clock;
use crate::metrics::TotalTraffic;
use bytes::BytesMut;
use parking_lot::Mutex;

/// The size of a buffer: room for a secure frame of the largest kind and for as much again.
pub(crate) const BUFFER_BYTES: usize = 128 * 1024;

/// How many buffers wait to be borrowed; more are freed. As many as are in use at a time on a few processors.
const MAX_BUFFERS: usize = 8;

/// What the connections of a node share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) buffers: Buffers,
    pub(crate) traffic: TotalTraffic,
    pub(crate) clock: Clock,
}

impl Common {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { buffers: Buffers::default(), traffic: TotalTraffic::default(), clock }
    }
}

/// Buffers that are not in use, the last one on top.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<BytesMut>>);

impl Buffers {
    /// An empty buffer.
    pub(crate) fn take(&self) -> BytesMut {
        let mut buffers = self.0.lock();
        // Streams may still hold bytes that were received in one.
        let free = (0..buffers.len()).rev().find(|&index| buffers[index].try_reclaim(BUFFER_BYTES));
        match free {
            Some(index) => buffers.remove(index),
            None => {
                drop(buffers);
                BytesMut::with_capacity(BUFFER_BYTES)
            }
        }
    }

    /// Takes a buffer back. What is in it is of no use any more.
    pub(crate) fn give(&self, mut buffer: BytesMut) {
        // One that had to grow for a large frame is not kept.
        if buffer.capacity() == 0 || buffer.capacity() > 2 * BUFFER_BYTES {
            return;
        }
        buffer.clear();
        let mut buffers = self.0.lock();
        if buffers.len() == MAX_BUFFERS {
            // The one that has waited longest is the likeliest to be held by a reader that does not come back.
            buffers.remove(0);
        }
        buffers.push(buffer);
    }
}
