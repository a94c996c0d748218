//! What is kept for one stream.

use super::INITIAL_WINDOW_BYTES;
use crate::collections::Queue;
use crate::muxer::parts::{Half, Reader, ReceiveBuffer};
use crate::muxer::{StreamId, StreamsEvent};
use crate::time::Instant;
use std::mem;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    /// What we send.
    pub(super) writer: Writer,
    /// What the remote sends.
    pub(super) remote: Half,
    pub(super) reader: Reader,
    /// We opened it, and the remote has not answered yet.
    pub(super) unacknowledged: bool,
    pub(super) received: ReceiveBuffer,
    /// How much we may still send.
    pub(super) credit: u32,
    pub(super) window: Window,
}

impl Stream {
    pub(super) fn new(id: StreamId, is_ours: bool, now: Instant) -> Self {
        Self {
            id,
            writer: Writer::Open,
            remote: Half::Open,
            reader: if is_ours { Reader::Active } else { Reader::Waiting },
            unacknowledged: is_ours,
            received: ReceiveBuffer::default(),
            credit: INITIAL_WINDOW_BYTES,
            window: Window::new(now),
        }
    }

    /// Whether the remote knows of nothing more to come in either direction.
    pub(super) fn is_closed(&self) -> bool {
        self.writer == Writer::Closed && self.remote == Half::Closed
    }

    /// Whether the stream can be forgotten.
    pub(super) fn is_over(&self) -> bool {
        self.is_closed() && self.reader == Reader::Finished
    }

    /// Our direction ends, by whose wish ever: a writer that waits can wait no longer.
    pub(super) fn close_local(&mut self, events: &mut Queue<StreamsEvent>) {
        self.wake_writer(events);
        self.writer = Writer::Closed;
    }

    pub(super) fn wake_reader(&mut self, events: &mut Queue<StreamsEvent>) {
        if self.reader.wake() {
            events.push(StreamsEvent::Readable(self.id));
        }
    }

    pub(super) fn wake_writer(&mut self, events: &mut Queue<StreamsEvent>) {
        if self.writer == Writer::Waiting {
            self.writer = Writer::Open;
            events.push(StreamsEvent::Writable(self.id));
        }
    }
}

/// Our direction of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    Open,
    /// Told that the window is full: it waits for an event.
    Waiting,
    /// Nothing more is sent.
    Closed,
}

/// What the remote may send on one stream: its credit, what is unread and what was read since the last grant are together `size`.
#[derive(Debug)]
pub(super) struct Window {
    size: u32,
    /// How much the remote may still send.
    credit: u32,
    /// What was read since the last grant.
    consumed: u32,
    /// How much was granted since `turned_at`.
    granted: u32,
    /// When the remote had last used up as much as the whole window; of a new stream, when it was opened.
    turned_at: Instant,
}

impl Window {
    fn new(now: Instant) -> Self {
        Self {
            size: INITIAL_WINDOW_BYTES,
            credit: INITIAL_WINDOW_BYTES,
            consumed: 0,
            granted: 0,
            turned_at: now,
        }
    }

    /// By how much it has grown.
    pub(super) fn growth(&self) -> u32 {
        self.size - INITIAL_WINDOW_BYTES
    }

    /// The remote announces so much payload. False: it may not send that much.
    #[must_use]
    pub(super) fn take(&mut self, len: u32) -> bool {
        match self.credit.checked_sub(len) {
            Some(rest) => {
                self.credit = rest;
                true
            }
            None => false,
        }
    }

    /// So much was read. True: it is time to grant it anew.
    #[must_use]
    pub(super) fn consume(&mut self, len: usize) -> bool {
        // What is consumed was credit before, so the sum is not more than the size.
        self.consumed += len as u32;
        self.consumed >= self.size / 2
    }

    /// Grants what was consumed, and as much again as the window grows. Returns the sum.
    ///
    /// It doubles, up to `max` in all, if a whole window was used up in less than `few_round_trips`.
    pub(super) fn grant(&mut self, few_round_trips: Duration, max: u32, now: Instant) -> u32 {
        let consumed = mem::take(&mut self.consumed);
        self.granted = self.granted.saturating_add(consumed);
        let mut growth = 0;
        if self.granted >= self.size {
            if now - self.turned_at < few_round_trips {
                growth = self.size.min(max.saturating_sub(self.size));
            }
            self.granted = 0;
            self.turned_at = now;
        }
        self.size += growth;
        self.credit += consumed + growth;
        consumed + growth
    }
}
