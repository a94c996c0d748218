//! `/echo/1.0.0`: what is said comes back. The two sides of it, for any loop around a [`LocalNode`].

use peerwork_core::connection::StreamEvent;
use peerwork_core::muxer::{ReadError, WriteError};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{LocalNode, LocalOutput};
use peerwork_core::protocols::{Protocols, StreamKey, Target};
use peerwork_core::swarm::SwarmEvent;
use peerwork_core::time::Instant;
use std::collections::BTreeMap;

/// Its name.
pub const ECHO: ProtocolId = ProtocolId::from_static("/echo/1.0.0");

/// How much is read at a time.
const READ_BYTES: usize = 16 * 1024;

/// The stream that an output is about, if it may be read or written now.
fn stream_of<E>(output: &LocalOutput<E>) -> Option<StreamKey> {
    match output {
        LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => Some(*stream),
        LocalOutput::Stream(connection, StreamEvent::Readable(stream) | StreamEvent::Writable(stream)) => {
            Some(StreamKey { connection: *connection, stream: *stream })
        }
        _ => None,
    }
}

/// Echoes on all streams that the node has.
#[derive(Debug)]
pub struct Echo {
    buffer: Box<[u8]>,
    /// What was read and cannot be written yet. Nothing more is read before it is written, so the peer is slowed down.
    unsent: BTreeMap<StreamKey, Vec<u8>>,
}

impl Default for Echo {
    fn default() -> Self {
        Self { buffer: vec![0; READ_BYTES].into(), unsent: BTreeMap::new() }
    }
}

impl Echo {
    /// Takes an output of the node.
    pub fn handle<P: Protocols, E>(
        &mut self,
        node: &mut LocalNode<P>,
        output: &LocalOutput<E>,
        now: Instant,
    ) {
        if let LocalOutput::Stream(connection, StreamEvent::Closed(stream, _)) = output {
            self.unsent.remove(&StreamKey { connection: *connection, stream: *stream });
        }
        let Some(stream) = stream_of(output) else { return };
        if let Some(unsent) = self.unsent.remove(&stream)
            && !self.write(node, stream, &unsent, now)
        {
            return;
        }
        loop {
            match node.read_into(stream, &mut self.buffer, now) {
                Ok(len) => {
                    let buffer = std::mem::take(&mut self.buffer);
                    let all = self.write(node, stream, &buffer[..len], now);
                    self.buffer = buffer;
                    if !all {
                        return;
                    }
                }
                Err(ReadError::Ended) => return node.close_write(stream, now),
                Err(ReadError::Blocked | ReadError::Closed) => return,
            }
        }
    }

    /// Writes all of `data`, or keeps what is left of it.
    fn write<P: Protocols>(
        &mut self,
        node: &mut LocalNode<P>,
        stream: StreamKey,
        mut data: &[u8],
        now: Instant,
    ) -> bool {
        while !data.is_empty() {
            match node.write(stream, data, now) {
                Ok(written) => data = &data[written..],
                Err(WriteError::Blocked) => {
                    self.unsent.insert(stream, data.to_vec());
                    return false;
                }
                Err(WriteError::Closed) => return false,
            }
        }
        true
    }
}

/// Says something on each connection that opens, and counts what comes back whole.
#[derive(Debug)]
pub struct Caller {
    message: Vec<u8>,
    calls: BTreeMap<StreamKey, Call>,
    buffer: Box<[u8]>,
    /// How many echoes came back whole and right.
    pub echoes: usize,
}

/// How far a call has come.
#[derive(Debug, Default)]
struct Call {
    written: usize,
    read: usize,
}

impl Caller {
    /// Says `message`.
    pub fn new(message: impl Into<Vec<u8>>) -> Self {
        let buffer = vec![0; READ_BYTES].into();
        Self { message: message.into(), calls: BTreeMap::new(), buffer, echoes: 0 }
    }

    /// Takes an output of the node.
    pub fn handle<P: Protocols, E>(
        &mut self,
        node: &mut LocalNode<P>,
        output: &LocalOutput<E>,
        now: Instant,
    ) {
        match output {
            LocalOutput::Event(SwarmEvent::Connected { connection, .. }) => {
                node.open_stream(Target::Connection(*connection), ECHO, now);
            }
            LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => {
                self.calls.insert(*stream, Call::default());
            }
            _ => {}
        }
        if let Some(stream) = stream_of(output) {
            self.talk(node, stream, now);
        }
    }

    /// Says it once more on all streams whose echo is back.
    pub fn repeat<P: Protocols>(&mut self, node: &mut LocalNode<P>, now: Instant) {
        for (stream, call) in &mut self.calls {
            if call.read == self.message.len() {
                *call = Call::default();
                call.say(node, *stream, &self.message, now);
            }
        }
    }

    fn talk<P: Protocols>(&mut self, node: &mut LocalNode<P>, stream: StreamKey, now: Instant) {
        let Self { message, calls, buffer, echoes } = self;
        let Some(call) = calls.get_mut(&stream) else { return };
        call.say(node, stream, message, now);
        while let Ok(read) = node.read_into(stream, buffer, now) {
            if message.get(call.read..call.read + read) != Some(&buffer[..read]) {
                return node.reset(stream, now);
            }
            call.read += read;
            *echoes += usize::from(call.read == message.len());
        }
    }
}

impl Call {
    /// Writes what is still to be said, as far as it is taken.
    fn say<P: Protocols>(
        &mut self,
        node: &mut LocalNode<P>,
        stream: StreamKey,
        message: &[u8],
        now: Instant,
    ) {
        while self.written < message.len()
            && let Ok(written) = node.write(stream, &message[self.written..], now)
        {
            self.written += written;
        }
    }
}
