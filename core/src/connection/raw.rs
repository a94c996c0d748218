//! Raw streams, as the application uses them.

use super::streams::{Source, Stream, StreamPhase};
use super::{Carrier, Connection};
use crate::muxer::{ReadError, StreamId, WriteError};
use crate::protocols::StreamCloseCause;
use crate::time::{Deadline, Instant};
use bytes::Bytes;

/// What the application learns about a raw stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEvent {
    /// [`ReadError::Blocked`] has ended: there is something to read. On a stream that did not wait for the answer to its proposal
    /// ([`StreamOptions::lazy`](crate::protocols::StreamOptions::lazy)) it may come for the answer alone.
    Readable(StreamId),
    /// [`WriteError::Blocked`] has ended.
    Writable(StreamId),
    /// The stream was ended from outside. What was received before may still be read, unless it was reset.
    Closed(StreamId, StreamCloseCause),
}

impl<C: Carrier> Connection<C> {
    /// Reads at least one and at most `max` bytes of a raw stream.
    ///
    /// # Errors
    /// [`ReadError::Blocked`] until [`StreamEvent::Readable`]; [`ReadError::Ended`] once the remote has closed its direction and
    /// everything was read; [`ReadError::Closed`] if the stream is not raw, was reset or is forgotten.
    pub fn read(&mut self, stream: StreamId, max: usize, now: Instant) -> Result<Bytes, ReadError> {
        let max = max.max(1);
        self.read_with(stream, max, now, |source| match source {
            Source::Bytes(bytes) => Ok(bytes),
            Source::Carrier(carrier) => carrier.read(stream, max, now),
        })
    }

    /// As [`read`](Self::read), by copying: fills a prefix of `out` and returns its length, which is not zero unless `out` is empty. A stream
    /// whose small messages are read so keeps a little memory for the next one, and allocates none for it.
    ///
    /// # Errors
    /// See [`read`](Self::read).
    pub fn read_into(&mut self, stream: StreamId, out: &mut [u8], now: Instant) -> Result<usize, ReadError> {
        if out.is_empty() {
            return Ok(0);
        }
        self.read_with(stream, out.len(), now, |source| match source {
            Source::Bytes(bytes) => {
                out[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            Source::Carrier(carrier) => carrier.read_into(stream, out, now),
        })
    }

    /// Reads at most `max` bytes of a raw stream, wherever they are.
    fn read_with<T>(
        &mut self,
        stream: StreamId,
        max: usize,
        now: Instant,
        read: impl FnOnce(Source<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let now = self.latest.see(now);
        let Some(entry) = self.streams.get_mut(&stream) else { return Err(ReadError::Closed) };
        let (awaits_answer, first) = (entry.awaits_answer(), entry.read_behind_answer(max));
        let StreamPhase::Raw(raw) = &mut entry.phase else { return Err(ReadError::Closed) };
        let result = match first {
            Some(bytes) => read(Source::Bytes(bytes)),
            None if !awaits_answer => raw.read(max, &mut self.carrier, read),
            None if entry.over.is_some() || self.reports.life.is_over() => Err(ReadError::Closed),
            None => {
                raw.read_blocked = true;
                Err(ReadError::Blocked)
            }
        };
        let is_drained = matches!(result, Err(ReadError::Ended | ReadError::Closed));
        if raw.is_over() || (is_drained && self.reports.life.is_over()) {
            self.end_stream(stream, StreamCloseCause::Ended);
        }
        self.drive(now);
        result
    }

    /// Writes a prefix of `data` to a raw stream and returns its length, which is not zero unless `data` is empty.
    ///
    /// # Errors
    /// [`WriteError::Blocked`] until [`StreamEvent::Writable`]; [`WriteError::Closed`] if our direction was closed, or the stream
    /// is not raw, was reset or is forgotten.
    pub fn write(&mut self, stream: StreamId, data: &[u8], now: Instant) -> Result<usize, WriteError> {
        let now = self.latest.see(now);
        let Some(Stream { phase: StreamPhase::Raw(raw), over: None, .. }) = self.streams.get_mut(&stream)
        else {
            return Err(WriteError::Closed);
        };
        let result = raw.write(stream, data, &mut self.carrier, now);
        self.drive(now);
        result
    }

    /// Ends our direction of a raw stream, after everything written. Does nothing if it has ended, or is no raw stream.
    pub fn close_write(&mut self, stream: StreamId, now: Instant) {
        let now = self.latest.see(now);
        if let Some(Stream { phase: StreamPhase::Raw(raw), over: None, .. }) = self.streams.get_mut(&stream) {
            raw.close();
            self.advance_stream(stream, now);
            self.drive(now);
        }
    }

    /// Ends both directions of a stream at once. Unread bytes are lost. Does nothing if the stream is over.
    pub fn reset(&mut self, stream: StreamId, now: Instant) {
        let now = self.latest.see(now);
        match self.streams.get(&stream) {
            Some(Stream { phase: StreamPhase::Negotiating(_), .. }) | None => {}
            Some(_) => {
                self.carrier.reset(stream, now);
                self.end_stream(stream, StreamCloseCause::ResetHere);
                self.drive(now);
            }
        }
    }

    /// The application no longer wants a raw stream. If our direction is still open the stream is reset; if it was closed, what was
    /// written is still delivered: the remote's bytes are discarded until it closes, or for the close timeout.
    pub fn abandon(&mut self, stream: StreamId, now: Instant) {
        let now = self.latest.see(now);
        let ended_here = |entry: &&mut Stream| match entry {
            Stream { phase: StreamPhase::Raw(raw), over: None, reported: false, .. } => !raw.is_open(),
            _ => false,
        };
        let Some(entry) = self.streams.get_mut(&stream).filter(ended_here) else {
            return self.reset(stream, now);
        };
        entry.discard_incoming();
        let deadline = Deadline::new(now + self.config.close_timeout, "stream close timeout");
        self.deadlines.set(stream, Some(deadline));
        self.advance_stream(stream, now);
        self.drive(now);
    }

    /// The next event of a raw stream.
    pub fn poll_stream_event(&mut self) -> Option<StreamEvent> {
        self.events.pop()
    }
}
