//! What a connection has to send: sealed frames, and behind them one that is still open for more.

use crate::security::{Channel, ChannelError};
use bytes::BytesMut;

/// The transmit buffer of a connection. Empty, it owns no memory.
#[derive(Debug, Default)]
pub(super) struct Transmit {
    buffer: BytesMut,
    /// Where the open frame starts, with its headroom.
    open_frame: Option<usize>,
}

impl Transmit {
    /// Gives the buffer memory, if it has none.
    pub(super) fn lend(&mut self, lend: impl FnOnce() -> BytesMut) {
        if self.buffer.capacity() == 0 {
            self.buffer = lend();
        }
    }

    /// Takes the buffer's memory away, if there is nothing in it.
    pub(super) fn reclaim(&mut self) -> Option<BytesMut> {
        (self.buffer.is_empty() && self.buffer.capacity() > 0).then(|| std::mem::take(&mut self.buffer))
    }

    /// How many bytes wait, those of the open frame included.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The buffer itself, for bytes that no channel seals.
    pub(super) fn raw(&mut self) -> &mut BytesMut {
        debug_assert!(self.open_frame.is_none(), "a channel seals everything from its first frame on");
        &mut self.buffer
    }

    /// The buffer with an open frame at its end, and how much plaintext that frame can still take; `wanted` bytes are
    /// reserved.
    pub(super) fn frame(&mut self, channel: &dyn Channel, wanted: usize) -> (&mut BytesMut, usize) {
        let headroom = channel.headroom();
        let start = match self.open_frame {
            Some(start) => start,
            None => {
                let start = self.buffer.len();
                self.buffer.reserve(headroom + wanted + channel.tailroom());
                self.buffer.resize(start + headroom, 0);
                self.open_frame = Some(start);
                start
            }
        };
        let used = self.buffer.len() - start - headroom;
        (&mut self.buffer, channel.max_plaintext().saturating_sub(used))
    }

    /// Seals the open frame, or drops it if nothing was written into it.
    pub(super) fn seal(&mut self, channel: &mut dyn Channel) -> Result<(), ChannelError> {
        let Some(start) = self.open_frame.take() else { return Ok(()) };
        if self.buffer.len() == start + channel.headroom() {
            self.buffer.truncate(start);
            return Ok(());
        }
        channel.seal(&mut self.buffer, start)
    }

    /// Moves at most `max` sealed bytes to the end of `out`.
    pub(super) fn take(&mut self, out: &mut BytesMut, max: usize) -> usize {
        debug_assert!(self.open_frame.is_none(), "the open frame is sealed first");
        let len = self.buffer.len().min(max);
        if len == 0 {
            return 0;
        }
        let bytes = if len == self.buffer.len() {
            std::mem::take(&mut self.buffer)
        } else {
            self.buffer.split_to(len)
        };
        if out.is_empty() {
            *out = bytes;
        } else {
            out.extend_from_slice(&bytes);
        }
        len
    }

    /// Drops an open frame that will never be sealed.
    pub(super) fn discard_open_frame(&mut self) {
        if let Some(start) = self.open_frame.take() {
            self.buffer.truncate(start);
        }
    }
}
