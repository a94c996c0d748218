//! The last phase of the pipeline: a muxer in a channel.

use super::ConnectionError;
use super::transmit::Transmit;
use crate::muxer::{MIN_FRAME_ROOM, Muxer, StreamId, WriteError};
use crate::security::{Channel, Opened};
use crate::time::Instant;
use bytes::BytesMut;

/// Streams over a secured byte stream.
pub(super) struct Open {
    pub(super) channel: Box<dyn Channel>,
    pub(super) muxer: Box<dyn Muxer>,
    /// Decrypted, not yet taken by the muxer, which is blocked.
    pub(super) plain: BytesMut,
    /// When the last input came.
    pub(super) input_at: Instant,
}

impl Open {
    pub(super) fn new(
        channel: Box<dyn Channel>,
        muxer: Box<dyn Muxer>,
        plain: BytesMut,
        now: Instant,
    ) -> Self {
        Self { channel, muxer, plain, input_at: now }
    }

    /// Decrypts and demultiplexes `input` until it is used up or the muxer is blocked.
    pub(super) fn advance(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), ConnectionError> {
        self.input_at = now;
        loop {
            if !self.plain.is_empty() {
                self.muxer.handle_input(&mut self.plain, now)?;
            }
            if !self.plain.is_empty() || !self.muxer.wants_input() {
                return Ok(());
            }
            match self.channel.open(input)? {
                Opened::NeedMore => {
                    self.plain = BytesMut::new();
                    return Ok(());
                }
                Opened::Plain(plain) => self.plain = plain,
                Opened::Closed => return Err(ConnectionError::ClosedByPeer),
            }
        }
    }

    /// Appends the muxer's control frames, at most about `max` bytes, and seals.
    pub(super) fn fill(
        &mut self,
        transmit: &mut Transmit,
        max: usize,
        now: Instant,
    ) -> Result<(), ConnectionError> {
        let limit = transmit.len().saturating_add(max);
        while self.muxer.wants_transmit() {
            let (out, room) = transmit.frame(&*self.channel, MIN_FRAME_ROOM);
            let wanted = limit.saturating_sub(out.len()).clamp(MIN_FRAME_ROOM, room.max(MIN_FRAME_ROOM));
            if room >= MIN_FRAME_ROOM && self.muxer.poll_transmit(out, wanted, now) == 0 {
                break;
            }
            if transmit.len() >= limit {
                break;
            }
            if room < MIN_FRAME_ROOM {
                transmit.seal(&mut *self.channel)?;
            }
        }
        Ok(transmit.seal(&mut *self.channel)?)
    }

    /// Writes data frames for `stream` until `limit` bytes wait to be sent.
    pub(super) fn write(
        &mut self,
        stream: StreamId,
        data: &[u8],
        transmit: &mut Transmit,
        limit: usize,
        now: Instant,
    ) -> Result<usize, WriteError> {
        let mut written = 0;
        while written < data.len() && transmit.len() < limit {
            let rest = &data[written..];
            let (out, room) = transmit.frame(&*self.channel, rest.len().min(limit) + MIN_FRAME_ROOM);
            if room < MIN_FRAME_ROOM {
                transmit.seal(&mut *self.channel).map_err(|_| WriteError::Closed)?;
                continue;
            }
            match self.muxer.write(stream, rest, out, room, now) {
                Ok(taken) => written += taken,
                Err(error) if written == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(written)
    }
}
