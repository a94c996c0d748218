//! The buffers that the connections of one thread share.

use crate::connection::ConnectionId;
use bytes::BytesMut;
use std::collections::BTreeMap;

/// How much memory all buffers that wait to be lent may hold together, give or take a factor of two. A buffer beyond that is freed, so that a burst on many
/// connections does not stay in memory.
const MAX_SPARE_BYTES: usize = 1024 * 1024;

/// The size of a new buffer. A smaller one is not kept: it would have to grow for most of what is sent.
const MIN_SPARE_BYTES: usize = 2 * 1024;

/// The size of the buffer for reading: room for a secure frame of the largest kind and for as much again.
const ROOM_BYTES: usize = 128 * 1024;

/// How much room there is for each read at least.
const MIN_ROOM_BYTES: usize = 32 * 1024;

/// What is left of the input is copied below this length: a shorter piece is not worth the buffer for reading that it keeps from being
/// used again, so a peer that stops in the middle of a frame holds at most `ROOM_BYTES / MIN_KEPT_BYTES` times what it has sent.
const MIN_KEPT_BYTES: usize = 4 * 1024;

/// Memory that is kept from one call to the next.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) spare: Spare,
    /// What is left of the buffer for reading. It is zeroed memory, since safe readers take nothing else.
    room: BytesMut,
    /// What connections have not taken. Few have anything; a peer can make it [`ROOM_BYTES`] and a frame for its connection, since a
    /// connection that wants nothing is not read.
    unread: BTreeMap<ConnectionId, Unread>,
    /// What sockets have not taken. Few have anything; a peer that does not read can make it what a connection lets wait, and a frame.
    pub(super) unsent: BTreeMap<ConnectionId, BytesMut>,
}

/// What a connection has not taken: the start of something, or all that it does not want now.
struct Unread {
    bytes: BytesMut,
    blocked: bool,
}

impl Buffers {
    /// Room for the next read.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        if self.room.len() < MIN_ROOM_BYTES {
            self.room.clear();
            self.room.resize(ROOM_BYTES, 0);
        }
        &mut self.room
    }

    /// The input of a connection: what it has not taken, and `bytes` behind it.
    pub(super) fn input(&mut self, id: ConnectionId, bytes: BytesMut) -> BytesMut {
        let Some(Unread { bytes: mut input, .. }) = self.unread.remove(&id) else { return bytes };
        input.unsplit(bytes);
        input
    }

    /// Keeps what a connection has not taken of its input.
    pub(super) fn keep(&mut self, id: ConnectionId, mut bytes: BytesMut, blocked: bool) {
        if bytes.len() < MIN_KEPT_BYTES {
            bytes = BytesMut::from(&bytes[..]);
        }
        self.unread.insert(id, Unread { bytes, blocked });
    }

    /// Whether there is input that a connection did not want.
    pub(super) fn is_blocked(&self, id: ConnectionId) -> bool {
        self.unread.get(&id).is_some_and(|unread| unread.blocked)
    }

    /// A connection is over.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.unread.remove(&id);
        self.unsent.remove(&id);
    }
}

/// Empty buffers to lend to connections that have something to send, the last one on top.
#[derive(Default)]
pub(super) struct Spare {
    buffers: Vec<BytesMut>,
    /// The sum of their capacities.
    bytes: usize,
}

impl Spare {
    /// A buffer without content.
    pub(super) fn take(&mut self) -> BytesMut {
        let Some(buffer) = self.buffers.pop() else { return BytesMut::with_capacity(MIN_SPARE_BYTES) };
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Takes back a buffer without content.
    pub(super) fn give(&mut self, mut buffer: BytesMut) {
        if buffer.capacity() == 0 || !buffer.try_reclaim(MIN_SPARE_BYTES) {
            return;
        }
        // The memory before what was written last is room again. Else it would be kept, and not counted.
        while buffer.try_reclaim(2 * buffer.capacity()) {}
        let bytes = self.bytes + buffer.capacity();
        if bytes <= MAX_SPARE_BYTES {
            self.bytes = bytes;
            self.buffers.push(buffer);
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buffers.len()
    }
}
