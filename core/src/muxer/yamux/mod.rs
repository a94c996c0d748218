//! yamux 1.0.0: streams with flow control.
//!
//! Every frame has a header of twelve bytes. Data frames carry payload; window updates grant the remote more; pings measure; a go-away ends
//! the session. A stream is opened, accepted, closed and reset by flags, which ride on its data frames and window updates.
//!
//! # Windows
//!
//! On each stream each side may send [`INITIAL_WINDOW_BYTES`], and then as much as the other has granted. So a stream that is not read
//! fills its own window and holds up no other.
//!
//! - What is granted is what the application has read, once that is half of the window; never what has merely arrived.
//! - A window doubles when as much as all of it was read within a few round trips, for then it is what holds the remote back. The
//!   round-trip time is measured by a ping while there are bulk data, at most every [`PING_INTERVAL`]. An idle connection sends nothing,
//!   and sets no timer.
//! - A window never shrinks. Windows grow up to [`Yamux::max_window_bytes`] each, and together up to a part of
//!   [`Yamux::max_connection_buffer_bytes`].
//! - A remote that exceeds a window, or grants more than 4 GiB, has broken the protocol and loses the connection.
//!
//! # Streams
//!
//! - A stream that we open is announced by the first frame that is written to it, or by the next `poll_transmit`. One that we accept
//!   is acknowledged in the same way.
//! - Closing both directions does not end the reader's part: the stream is forgotten, and its place free, when the reader has been
//!   told that it ended. Whoever will not read to the end resets the stream; if both sides have closed it, nothing is sent.
//! - A reset by the remote loses what is unread. But if the remote had closed its direction before, all that it sent can still be
//!   read; only writing fails then.
//! - Frames for streams that do not exist are skipped, and so is payload for a stream whose direction is closed: they were on their
//!   way when it ended.
//! - The remote may announce its streams in any order of their numbers, as some do. A number that is in use, or one of our own,
//!   kills the connection.
//!
//! # The end
//!
//! When the byte stream ends, or the remote says with a go-away that the session does, what has arrived can still be read, and then:
//! a stream that the remote had closed gives [`ReadError::Ended`], any other gives [`ReadError::Closed`], so that a cut stream does not
//! look like a whole one. Readers that wait are woken with [`StreamsEvent::Readable`]. The same holds after an error; the muxer
//! then has a go-away for its last words, which a connection that is dropped at once, as ours is, does not send.
//!
//! [`ReadError::Ended`]: super::ReadError::Ended
//! [`ReadError::Closed`]: super::ReadError::Closed
//! [`StreamsEvent::Readable`]: super::StreamsEvent::Readable

mod codec;
mod round_trip;
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

/// The name of yamux.
pub const PROTOCOL_ID: ProtocolId = ProtocolId::from_static("/yamux/1.0.0");

/// How much each side may send on a new stream before the other grants more.
pub const INITIAL_WINDOW_BYTES: u32 = 256 * 1024;

/// The longest payload that others accept in one frame.
pub const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;

/// How many control frames may wait to be sent. While there are more, no input is taken and no stream can be opened. It stops a
/// peer from making us queue answers to its pings, or refusals of its streams, that it does not read.
pub const MAX_CONTROL_FRAMES: usize = 1_024;

/// How long [`MAX_CONTROL_FRAMES`] may wait; then the connection dies with
/// [`MuxerError::ControlFlood`](super::MuxerError::ControlFlood).
pub const CONTROL_PATIENCE: Duration = Duration::from_secs(30);

/// How many events may wait to be polled. While there are more, no input is taken.
pub const MAX_EVENTS: usize = 1_024;

/// The least time between two pings.
pub const PING_INTERVAL: Duration = Duration::from_secs(10);

/// yamux as the connection negotiates it, and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Yamux {
    /// The longest payload that is sent in one frame; from 1 to [`MAX_PAYLOAD_BYTES`]. Default: 65,524, with which a frame is never
    /// longer than 64 KiB.
    pub max_send_payload_bytes: usize,
    /// How many streams the remote may have open at once; further ones are reset. Stops a peer from making us keep the state of
    /// ever more streams. Default: 1,024.
    pub max_inbound_streams: usize,
    /// How many streams we may have open at once; beyond it, opening is `Blocked`. Default: 1,024.
    pub max_outbound_streams: usize,
    /// How many of the streams that we opened may be unanswered, at least 1; beyond it, opening is `Blocked`. Others refuse streams
    /// that pile up faster than they accept them. Default: 256.
    pub max_unacknowledged_streams: usize,
    /// Up to where the window of a stream grows: how much may be unread on one stream. From [`INITIAL_WINDOW_BYTES`] to 1 GiB.
    /// Default: 16 MiB, which is 1.3 gigabits a second at a round-trip time of 100 milliseconds.
    pub max_window_bytes: u32,
    /// How much may be unread on all streams together; at least 1. While it is that much, no input is taken, so that all streams wait
    /// until some are read. Every stream has its first [`INITIAL_WINDOW_BYTES`], so this is what stops a peer from filling our memory
    /// through many streams that are not read. Windows together grow by half of it at most: streams with large windows alone do
    /// not reach it. Default: 32 MiB.
    pub max_connection_buffer_bytes: usize,
}

impl Default for Yamux {
    fn default() -> Self {
        Self {
            max_send_payload_bytes: 64 * 1024 - codec::HEADER_BYTES,
            max_inbound_streams: 1_024,
            max_outbound_streams: 1_024,
            max_unacknowledged_streams: 256,
            max_window_bytes: 16 * 1024 * 1024,
            max_connection_buffer_bytes: 32 * 1024 * 1024,
        }
    }
}

impl Yamux {
    /// With every number in its range.
    fn in_range(self) -> Self {
        Self {
            max_send_payload_bytes: self.max_send_payload_bytes.clamp(1, MAX_PAYLOAD_BYTES),
            max_window_bytes: self.max_window_bytes.clamp(INITIAL_WINDOW_BYTES, 1 << 30),
            max_unacknowledged_streams: self.max_unacknowledged_streams.max(1),
            max_connection_buffer_bytes: self.max_connection_buffer_bytes.max(1),
            ..self
        }
    }
}

impl MuxerProtocol for Yamux {
    fn id(&self) -> ProtocolId {
        PROTOCOL_ID
    }

    fn start(&self, role: Role, now: Instant) -> Box<dyn Muxer> {
        Box::new(Session::new(*self, role, now))
    }
}
