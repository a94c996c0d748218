//! Stream multiplexing: many streams on one connection.
//!
//! [`Streams`] is what everything above a connection uses; a transport that muxes by itself (QUIC, or one in memory)
//! implements it directly. A [`Muxer`] makes it out of one authenticated byte stream.

pub mod mplex;
mod parts;
pub mod yamux;

use crate::machine::{Blame, Layer};
use crate::negotiation::ProtocolId;
use crate::security::Role;
use crate::time::Instant;
use bytes::{Bytes, BytesMut};
use std::fmt;

/// A stream of one connection. A counter of that connection, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// What happened to the streams of a muxer.
///
/// `Readable` and `Writable` are edges: they follow a [`ReadError::Blocked`] or [`WriteError::Blocked`], and come at
/// most once for it. A new inbound stream counts as blocked in reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamsEvent {
    /// The remote opened a stream.
    Opened(StreamId),
    /// There is something to read: bytes, or the end.
    Readable(StreamId),
    /// Writing may go on.
    Writable(StreamId),
    /// The stream is gone, both directions, and so is what was unread.
    Reset(StreamId, ResetCause),
    /// [`OpenError::Blocked`] has ended.
    CanOpen,
}

impl StreamsEvent {
    /// The stream that the event is about; `None` for `CanOpen`.
    pub fn stream(self) -> Option<StreamId> {
        match self {
            Self::Opened(id) | Self::Readable(id) | Self::Writable(id) | Self::Reset(id, _) => Some(id),
            Self::CanOpen => None,
        }
    }
}

/// Why a stream was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum ResetCause {
    /// The remote reset it.
    #[error("the peer reset the stream")]
    Remote,
    /// The remote sent more than we buffer for one stream, and the application did not read.
    #[error("the stream's receive buffer was full for too long")]
    BufferFull,
    /// The remote broke a rule of the muxer that costs it this stream.
    #[error("the peer broke the muxer's rules on this stream")]
    Violation,
}

/// Why a stream could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The limit of streams is reached. Ends with [`StreamsEvent::CanOpen`]. Blame: a limit.
    #[error("as many streams are open as are allowed")]
    Blocked,
    /// The connection is closing, or not yet open. Blame: closed.
    #[error("the connection is closed")]
    Closed,
}

/// Why bytes could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The connection's transmit buffer, or the stream's window, is full. Ends with [`StreamsEvent::Writable`].
    #[error("the stream cannot take more now")]
    Blocked,
    /// Our direction was closed, or the stream or the connection is gone.
    #[error("the stream is closed for writing")]
    Closed,
}

/// Why nothing could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing has arrived. Ends with [`StreamsEvent::Readable`] (or `Reset`).
    #[error("nothing to read now")]
    Blocked,
    /// The remote closed its direction, and all that it sent has been read.
    #[error("the peer has sent everything")]
    Ended,
    /// The stream or the connection is gone.
    #[error("the stream is closed")]
    Closed,
}

/// Streams, whatever carries them.
pub trait Streams {
    /// Opens a stream. The remote learns of it at once or with its first byte, as the protocol has it.
    ///
    /// # Errors
    /// See [`OpenError`].
    fn open_stream(&mut self, now: Instant) -> Result<StreamId, OpenError>;

    /// Takes a prefix of `data` and returns its length, which is not zero unless `data` is empty.
    ///
    /// # Errors
    /// See [`WriteError`].
    fn write(&mut self, stream: StreamId, data: &[u8], now: Instant) -> Result<usize, WriteError>;

    /// Gives the next bytes, at least one and at most `max`.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn read(&mut self, stream: StreamId, max: usize, now: Instant) -> Result<Bytes, ReadError>;

    /// As [`read`](Self::read), by copying: fills a prefix of `out` and gives its length, which is not zero unless `out` is empty.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn read_into(&mut self, stream: StreamId, out: &mut [u8], now: Instant) -> Result<usize, ReadError> {
        let bytes = self.read(stream, out.len(), now)?;
        out[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    /// Ends our direction, after everything written. Does nothing if it has ended already.
    fn close_write(&mut self, stream: StreamId, now: Instant);

    /// Ends both directions and forgets the stream. The remote's unread bytes are lost. No event follows.
    fn reset(&mut self, stream: StreamId, now: Instant);
}

/// A muxer: streams out of one byte stream.
///
/// A muxer is a [`Layer`] whose events are [`StreamsEvent`]s. Beyond the laws:
///
/// - it consumes its input whole, unless [`Layer::wants_input`] is false;
/// - it keeps no bytes to be sent: [`Muxer::write`] appends the frame to the caller's buffer, and
///   [`Layer::poll_transmit`] gives control frames (opened, closed, reset, credit), of which a stream has a bounded number;
/// - neither appends more than `max` bytes, as long as `max` is at least [`MIN_FRAME_ROOM`];
/// - a stream is forgotten when both directions are closed and its reader was told [`ReadError::Ended`]; whoever will not read
///   so far resets it;
/// - after the end of the byte stream, or an error, what has arrived can still be read. Then a stream that the remote had closed
///   gives [`ReadError::Ended`] and any other [`ReadError::Closed`]. Readers that wait are woken with [`StreamsEvent::Readable`].
pub trait Muxer: Layer<Event = StreamsEvent, Error = MuxerError> + Send {
    /// See [`Streams::open_stream`].
    ///
    /// # Errors
    /// See [`OpenError`].
    fn open_stream(&mut self, now: Instant) -> Result<StreamId, OpenError>;

    /// Whether [`Layer::poll_transmit`] may have something to give. Whoever asks spares himself the call, and the buffer for it.
    fn wants_transmit(&self) -> bool {
        true
    }

    /// Appends to `out` whatever control frames must come first, and then one data frame with a prefix of `data`, at most `max`
    /// bytes in all. Returns the length of the prefix, which may be zero if the control frames filled `max`.
    ///
    /// # Errors
    /// See [`WriteError`]; `Blocked` only where the muxer has windows.
    fn write(
        &mut self,
        stream: StreamId,
        data: &[u8],
        out: &mut BytesMut,
        max: usize,
        now: Instant,
    ) -> Result<usize, WriteError>;

    /// See [`Streams::read`].
    ///
    /// # Errors
    /// See [`ReadError`].
    fn read(&mut self, stream: StreamId, max: usize, now: Instant) -> Result<Bytes, ReadError>;

    /// See [`Streams::read_into`].
    ///
    /// # Errors
    /// See [`ReadError`].
    fn read_into(&mut self, stream: StreamId, out: &mut [u8], now: Instant) -> Result<usize, ReadError> {
        let bytes = self.read(stream, out.len(), now)?;
        out[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    /// See [`Streams::close_write`].
    fn close_write(&mut self, stream: StreamId, now: Instant);

    /// See [`Streams::reset`].
    fn reset(&mut self, stream: StreamId, now: Instant);
}

/// The room in which a muxer can always append a frame with at least one byte of payload.
pub const MIN_FRAME_ROOM: usize = 64;

/// Payload below this length is copied rather than shared, since a slice keeps the whole of the driver's buffer alive.
pub const MIN_SHARED_BYTES: usize = 8 * 1024;

/// How much may be unread on a connection for new payload to be shared. What piles up beyond it is copied, so that readers who
/// keep up pay no copy, and those who do not pin no more than `MAX_SHARED_BYTES / MIN_SHARED_BYTES` of the driver's buffers.
pub const MAX_SHARED_BYTES: usize = 256 * 1024;

/// A muxer that the connection can negotiate. `peerwork-tests` has a compliance suite for it.
pub trait MuxerProtocol: fmt::Debug + Send + Sync + 'static {
    /// The name that multistream-select agrees on.
    fn id(&self) -> ProtocolId;

    /// Starts the muxer on a fresh authenticated byte stream.
    fn start(&self, role: Role, now: Instant) -> Box<dyn Muxer>;
}

/// Why a muxer died, and the connection with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MuxerError {
    /// A frame that cannot be one. Blame: the peer.
    #[error("malformed {protocol} frame: {reason}")]
    Malformed {
        /// Which muxer.
        protocol: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A frame announces more bytes than the limit. Blame: the peer.
    #[error("a {protocol} frame of {len} bytes is over the limit of {max}")]
    TooLarge {
        /// Which muxer.
        protocol: &'static str,
        /// The announced length.
        len: u64,
        /// The limit.
        max: u64,
    },
    /// A well-formed frame that is against the protocol here. Blame: the peer.
    #[error("the peer broke the rules of {protocol}: {reason}")]
    Violation {
        /// Which muxer.
        protocol: &'static str,
        /// Which rule.
        reason: &'static str,
    },
    /// The peer made us queue more control frames than the limit without reading them. Blame: a limit.
    #[error("more than {max} control frames wait to be sent by {protocol}")]
    ControlFlood {
        /// Which muxer.
        protocol: &'static str,
        /// The limit.
        max: usize,
    },
    /// The peer ended the session and says that something is wrong. Blame: closed.
    #[error("the peer ended the {protocol} session with the error code {code}")]
    SessionEnded {
        /// Which muxer.
        protocol: &'static str,
        /// What is wrong, as the peer sees it. With yamux 1 is a broken protocol and 2 an internal error.
        code: u32,
    },
    /// The byte stream, or in order the session, ended. Blame: closed.
    #[error("the connection was closed")]
    Ended,
}

impl MuxerError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Malformed { .. } | Self::TooLarge { .. } | Self::Violation { .. } => Blame::Peer,
            Self::ControlFlood { .. } => Blame::Limit,
            Self::SessionEnded { .. } | Self::Ended => Blame::Closed,
        }
    }
}
