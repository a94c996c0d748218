//! mplex 6.7.0: streams without flow control.
//!
//! A frame is `varint(number << 3 | flag) | varint(length) | body`. Frames open a stream, carry payload, close the sender's
//! direction or reset both. Each side numbers the streams that it opens from 0; the flag says which side's number it is, and here the two
//! kinds of number are two types.
//!
//! # No flow control
//!
//! Nothing in the protocol tells a sender to wait. A stream that is not read fills its buffer, and then there are only two ways,
//! both bad: read nothing more from the connection, which holds up all its streams, or reset that stream. [`WhenFull`] chooses.
//!
//! # Streams
//!
//! - A stream that we open is announced by the next `poll_transmit`, or in front of the first frame that `write` makes.
//! - Closing both directions does not end the reader's part: the stream is forgotten, and its place free, when the reader has been
//!   told that it ended. Whoever will not read to the end resets the stream; if both sides have closed it, nothing is sent.
//! - A reset by the remote loses what is unread. But if the remote had closed its direction before, all that it sent can still be
//!   read; only writing fails then. Some implementations do so when they have answered and want nothing more.
//! - Frames for streams that do not exist, or whose direction is closed, are skipped: they were on their way when it ended.
//! - A peer may use a number again once its stream is closed in both directions or reset; it is a new stream. A number that is in
//!   use kills the connection.
//!
//! # The end
//!
//! mplex has no farewell. When the byte stream ends, what has arrived can still be read, and then: a stream that the remote had
//! closed gives [`ReadError::Ended`], any other gives [`ReadError::Closed`], so that a cut stream does not look like a whole
//! one. Readers that wait are woken with [`StreamsEvent::Readable`]. The same holds after an error.
//!
//! [`ReadError::Ended`]: super::ReadError::Ended
//! [`ReadError::Closed`]: super::ReadError::Closed
//! [`StreamsEvent::Readable`]: super::StreamsEvent::Readable

mod codec;
mod session;
mod stream;
mod table;
#[cfg(test)]
mod tests;

use super::{Muxer, MuxerProtocol};
use crate::negotiation::ProtocolId;
use crate::security::Role;
use crate::time::Instant;
use session::Session;
use std::time::Duration;

/// The name of mplex.
pub const PROTOCOL_ID: ProtocolId = ProtocolId::from_static("/mplex/6.7.0");

/// The longest body of a frame, both ways. A longer one is [`MuxerError::TooLarge`](super::MuxerError::TooLarge) as soon as its
/// header is read.
pub const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;

/// How many control frames may wait to be sent. While there are more, no input is taken and no stream can be opened. It stops a
/// peer from making us queue answers that it does not read.
pub const MAX_CONTROL_FRAMES: usize = 1_024;

/// How long [`MAX_CONTROL_FRAMES`] may wait; then the connection dies with
/// [`MuxerError::ControlFlood`](super::MuxerError::ControlFlood).
pub const CONTROL_PATIENCE: Duration = Duration::from_secs(30);

/// How many events may wait to be polled. While there are more, no input is taken.
pub const MAX_EVENTS: usize = 1_024;

/// mplex as the connection negotiates it, and its limits.
///
/// A limit of zero counts as one, except for the number of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mplex {
    /// The longest payload that is sent in one frame; at most [`MAX_PAYLOAD_BYTES`]. Others accept that much, but other streams
    /// wait for a frame to end. Default: 65,524, with which a frame is never longer than 64 KiB.
    pub max_send_payload_bytes: usize,
    /// How many streams the remote may have open at once; further ones are reset. Stops a peer from making us keep the state of
    /// ever more streams. Default: 1,024.
    pub max_inbound_streams: usize,
    /// How many streams we may have open at once; beyond it, opening is `Blocked`. Default: 1,024.
    pub max_outbound_streams: usize,
    /// How much may be unread on one stream. Default: 1 MiB.
    pub max_stream_buffer_bytes: usize,
    /// How much may be unread on all streams together. Default: 4 MiB.
    pub max_connection_buffer_bytes: usize,
    /// What happens at either of these two limits. Default: block for five seconds.
    pub when_full: WhenFull,
}

/// What happens when payload arrives for a stream and there is no room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Take no input, so that all streams of the connection wait, until there is room. If there is none after this time, reset the
    /// stream.
    Block {
        /// How long all may have to wait for one.
        reset_after: Duration,
    },
    /// Reset the stream at once. The right choice where streams must not disturb each other, and peers send no more than is read.
    Reset,
}

impl Default for Mplex {
    fn default() -> Self {
        Self {
            max_send_payload_bytes: 64 * 1024 - 12,
            max_inbound_streams: 1_024,
            max_outbound_streams: 1_024,
            max_stream_buffer_bytes: 1024 * 1024,
            max_connection_buffer_bytes: 4 * 1024 * 1024,
            when_full: WhenFull::Block { reset_after: Duration::from_secs(5) },
        }
    }
}

impl MuxerProtocol for Mplex {
    fn id(&self) -> ProtocolId {
        PROTOCOL_ID
    }

    fn start(&self, _role: Role, now: Instant) -> Box<dyn Muxer> {
        Box::new(Session::new(*self, now))
    }
}
