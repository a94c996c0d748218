//! Any muxer as a layer for the law checks, with an application that opens, writes, reads, closes and resets streams.

use super::layer::{LayerSubject, Step, record};
use super::{Log, opposite};
use bytes::{Buf, BytesMut};
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::muxer::{Muxer, MuxerError, MuxerProtocol, ReadError, StreamId, StreamsEvent, WriteError};
use peerwork_core::security::Role;
use peerwork_core::time::{Deadline, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;

/// One side of a muxer. The other side is the same muxer in the other role, and both use streams in the same way.
#[derive(Debug, Clone)]
pub struct MuxerSubject {
    name: String,
    protocol: Arc<dyn MuxerProtocol>,
    role: Role,
}

/// What the applications do, and waits: fewer than any muxer has streams or control frames to offer.
const OPERATIONS: usize = 30;

/// Bytes read, and appended to the transmit buffer, at a time.
const CHUNK_BYTES: usize = 1024;

impl MuxerSubject {
    /// The side of `protocol` that has this role.
    pub fn new(protocol: Arc<dyn MuxerProtocol>, role: Role) -> Self {
        let name = format!("{} {role:?}", protocol.id()).to_lowercase();
        Self { name, protocol, role }
    }

    /// The same under another name, for a second configuration.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    fn partner(&self) -> Self {
        Self { role: opposite(self.role), ..self.clone() }
    }
}

impl LayerSubject for MuxerSubject {
    type Layer = MuxedPipe;

    fn name(&self) -> String {
        self.name.clone()
    }

    fn build(&self, _case: u64, now: Instant) -> MuxedPipe {
        MuxedPipe {
            muxer: self.protocol.start(self.role, now),
            unsent: BytesMut::new(),
            streams: BTreeMap::new(),
            reading: true,
            unread: BTreeSet::new(),
        }
    }

    fn script(&self, case: u64) -> Result<Vec<Step>, String> {
        record(self, &self.partner(), case, OPERATIONS)
    }

    fn operate(&self, pipe: &mut MuxedPipe, number: u64, now: Instant, log: &mut Log) {
        pipe.operate(number, now, log);
    }

    fn event(&self, pipe: &mut MuxedPipe, event: StreamsEvent, now: Instant, log: &mut Log) {
        if let StreamsEvent::Opened(_) = event {
            log.fact(event);
        }
        pipe.handle_event(event, now, log);
    }

    /// Frames of different streams may leave in any order, so a partner takes them apart again. It has opened streams beforehand: some
    /// of the frames are for them.
    fn sent(&self, case: u64, bytes: &[u8], log: &mut Log) {
        let now = Instant::ORIGIN;
        let mut partner = self.partner().build(case, now);
        for _ in 0..OPERATIONS {
            partner.open(now, log);
        }
        let mut input = BytesMut::new();
        for byte in bytes {
            input.extend_from_slice(&[*byte]);
            if let Err(error) = partner.handle_input(&mut input, now) {
                return log.fact(error);
            }
            while let Some(event) = partner.poll_event() {
                if let StreamsEvent::Opened(stream) | StreamsEvent::Reset(stream, _) = event {
                    log.stream_fact(stream.0, event);
                }
                partner.handle_event(event, now, log);
            }
        }
    }
}

/// A muxer with its application and its transmit buffer.
pub struct MuxedPipe {
    muxer: Box<dyn Muxer>,
    unsent: BytesMut,
    /// Every stream there ever was, so that what an operation means does not depend on how soon the end of one was noticed.
    streams: BTreeMap<StreamId, Output>,
    reading: bool,
    /// What was readable while the application did not read.
    unread: BTreeSet<StreamId>,
}

/// What the application has yet to write.
#[derive(Debug, Default)]
struct Output {
    waiting: BytesMut,
    ends: bool,
}

impl MuxedPipe {
    fn open(&mut self, now: Instant, log: &mut Log) {
        if let Ok(stream) = self.muxer.open_stream(now) {
            self.streams.insert(stream, Output::default());
            self.read(stream, now, log);
        }
    }

    fn operate(&mut self, number: u64, now: Instant, log: &mut Log) {
        let (kind, number) = (number % 16, number / 16);
        let count = self.streams.len() as u64;
        let chosen = self.streams.keys().nth(number.checked_rem(count).unwrap_or_default() as usize).copied();
        match (kind, chosen) {
            (0..4, _) | (_, None) => self.open(now, log),
            (4..12, Some(stream)) => {
                let data: Vec<_> = (0..number % 3000).map(|at| (number >> (at % 60)) as u8).collect();
                self.write(stream, &data, now);
            }
            (12, Some(_)) => {
                self.reading = !self.reading;
                for stream in mem::take(&mut self.unread) {
                    self.read(stream, now, log);
                }
            }
            (13..15, Some(stream)) => {
                self.streams.entry(stream).or_default().ends = true;
                self.write(stream, &[], now);
            }
            (_, Some(stream)) => {
                self.muxer.reset(stream, now);
                log.torn(stream.0);
            }
        }
    }

    fn handle_event(&mut self, event: StreamsEvent, now: Instant, log: &mut Log) {
        match event {
            StreamsEvent::Opened(stream) => {
                self.streams.insert(stream, Output::default());
            }
            StreamsEvent::Readable(stream) => self.read(stream, now, log),
            StreamsEvent::Writable(stream) => self.write(stream, &[], now),
            StreamsEvent::Reset(stream, _) => log.torn(stream.0),
            StreamsEvent::CanOpen => {}
        }
    }

    /// Reads all there is, which also asks to be told of more; or puts it off.
    fn read(&mut self, stream: StreamId, now: Instant, log: &mut Log) {
        if !self.reading {
            self.unread.insert(stream);
            return;
        }
        loop {
            match self.muxer.read(stream, CHUNK_BYTES, now) {
                Ok(bytes) => log.bytes(stream.0, &bytes),
                Err(ReadError::Ended) => return log.stream_fact(stream.0, "ended"),
                Err(ReadError::Blocked | ReadError::Closed) => return,
            }
        }
    }

    /// Writes what waits and then `data`, as far as the muxer takes it, and ends if that is wanted.
    fn write(&mut self, stream: StreamId, data: &[u8], now: Instant) {
        let Some(output) = self.streams.get_mut(&stream) else { return };
        output.waiting.extend_from_slice(data);
        while !output.waiting.is_empty() {
            match self.muxer.write(stream, &output.waiting, &mut self.unsent, CHUNK_BYTES, now) {
                Ok(count) => output.waiting.advance(count),
                Err(WriteError::Blocked) => return,
                Err(WriteError::Closed) => return output.waiting.clear(),
            }
        }
        if output.ends {
            self.muxer.close_write(stream, now);
        }
    }
}

impl Layer for MuxedPipe {
    type Event = StreamsEvent;
    type Error = MuxerError;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), MuxerError> {
        self.muxer.handle_input(input, now)
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        self.muxer.handle_end(end, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.muxer.handle_timeout(now);
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        if self.unsent.is_empty() {
            return self.muxer.poll_transmit(out, max, now);
        }
        let len = self.unsent.len().min(max);
        out.extend_from_slice(&self.unsent.split_to(len));
        len
    }

    fn poll_event(&mut self) -> Option<StreamsEvent> {
        self.muxer.poll_event()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.muxer.poll_timeout()
    }

    fn wants_input(&self) -> bool {
        self.muxer.wants_input()
    }

    fn poll_close(&mut self) -> Option<Close> {
        self.muxer.poll_close()
    }
}
