//! mplex.

use super::layers::split_chunk;
use bytes::BytesMut;
use peerwork_core::machine::End;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::muxer::{Muxer, MuxerError, MuxerProtocol, ReadError, StreamId, StreamsEvent};
use peerwork_core::security::Role;
use peerwork_core::time::Instant;
use std::collections::BTreeSet;

const NOW: Instant = Instant::ORIGIN;

/// The frames of a remote, to a node that answers each stream with what came on it.
///
/// The limits are small, so that the fuzzer reaches them.
pub fn mplex(data: &[u8]) {
    let (chunk, data) = split_chunk(data);
    let config = Mplex {
        max_inbound_streams: 4,
        max_stream_buffer_bytes: 64,
        max_connection_buffer_bytes: 128,
        ..Mplex::default()
    };
    let mut node = Echo::new(config.start(Role::Listener, NOW));
    let mut input = BytesMut::new();
    let mut result = Ok(());
    for piece in data.chunks(chunk.max(1)) {
        input.extend_from_slice(piece);
        result = node.take(&mut input);
        if result.is_err() {
            break;
        }
        assert!(input.is_empty(), "what is read makes room for more");
    }
    node.end(End::Closed, data.len(), result);
}

/// A node that sends back what it reads, and has four streams at most.
pub(super) struct Echo {
    muxer: Box<dyn Muxer>,
    streams: BTreeSet<StreamId>,
    echoed: usize,
}

impl Echo {
    pub(super) fn new(muxer: Box<dyn Muxer>) -> Self {
        Self { muxer, streams: BTreeSet::new(), echoed: 0 }
    }

    /// Ends the connection, after `sent` bytes of which the last had this `result`.
    pub(super) fn end(mut self, end: End, sent: usize, result: Result<(), MuxerError>) {
        assert!(self.echoed <= sent);
        assert!(self.streams.len() <= 4);
        self.muxer.handle_end(end, NOW);
        let ended = self.take(&mut BytesMut::new());
        assert!(ended.is_err() && (result.is_ok() || ended == result), "dead means dead");
    }

    /// Takes all of `input`.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> Result<(), MuxerError> {
        loop {
            let before = input.len();
            let result = self.muxer.handle_input(input, NOW);
            self.answer();
            if result.is_err() || input.len() == before {
                return result;
            }
        }
    }

    fn answer(&mut self) {
        let mut out = BytesMut::new();
        while let Some(event) = self.muxer.poll_event() {
            match event {
                StreamsEvent::Opened(stream) => assert!(self.streams.insert(stream), "ids are never reused"),
                StreamsEvent::Readable(stream) => assert!(self.streams.contains(&stream)),
                StreamsEvent::Reset(stream, _) => assert!(self.streams.remove(&stream)),
                StreamsEvent::Writable(stream) => assert!(self.streams.contains(&stream)),
                StreamsEvent::CanOpen => panic!("nobody opens streams"),
            }
        }
        for stream in self.streams.clone() {
            if let Err(ReadError::Ended | ReadError::Closed) = self.echo(stream, &mut out) {
                self.muxer.close_write(stream, NOW);
                self.streams.remove(&stream);
            }
        }
        self.muxer.poll_transmit(&mut out, usize::MAX, NOW);
    }

    /// Sends back what can be read.
    fn echo(&mut self, stream: StreamId, out: &mut BytesMut) -> Result<(), ReadError> {
        loop {
            let bytes = self.muxer.read(stream, 32, NOW)?;
            assert!(!bytes.is_empty() && bytes.len() <= 32);
            self.echoed += bytes.len();
            // Fails where the remote has reset the stream behind its last byte.
            let _ = self.muxer.write(stream, &bytes, out, usize::MAX, NOW);
        }
    }
}
