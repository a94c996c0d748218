//! What crosses between the two halves: plain values, first in first out in each direction, opaque to whoever carries them.
//!
//! Neither half assumes that its view of the other is current. A message for a stream that has ended meanwhile is ignored: the
//! report of its end is on its way.

use super::{ConnectionError, Established, ProtocolTable};
use crate::muxer::StreamId;
use crate::negotiation::ProtocolId;
use crate::protocols::{StreamCloseCause, StreamError, StreamOptions};
use crate::time::Instant;
use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::Arc;

/// From the node to a connection. Carried by the driver to [`Connection::handle_message`](super::Connection::handle_message).
#[derive(Debug, Clone, PartialEq)]
pub struct ToConnection(pub(crate) NodeMessage);

impl ToConnection {
    /// Whether it ends the connection. The byte stream of one that is not open yet is best closed at once, before the next dial starts, or
    /// there may be more on the way for a moment than the dialer allows.
    pub fn ends_connection(&self) -> bool {
        matches!(self.0, NodeMessage::Shutdown(_))
    }
}

/// From a connection to the node. Carried by the driver to the node's input.
#[derive(Debug, Clone, PartialEq)]
pub struct ToNode(pub(crate) ConnectionMessage);

/// A wish for a stream, numbered by the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OpenId(pub(crate) u64);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NodeMessage {
    /// Open a stream. Answered by `StreamOpened` or `OpenFailed`, exactly once.
    Open { open: OpenId, protocols: SmallVec<[ProtocolId; 1]>, options: StreamOptions },
    /// Send one message. Answered by `Sent` once the muxer has taken its bytes, unless the stream ends first.
    Send { stream: StreamId, message: Bytes },
    /// Deliver this many more messages.
    Grant { stream: StreamId, messages: u32 },
    /// End our direction after everything sent.
    Close { stream: StreamId },
    /// End both directions at once.
    Reset { stream: StreamId },
    /// Hand the stream to the application. Answered by `Raw`, unless the stream ends first.
    IntoRaw { stream: StreamId },
    /// What remotes may open has changed.
    Protocols(Arc<ProtocolTable>),
    /// Whether the connection is to stay open although no stream needs it. The opposite of what was said last.
    KeepAlive(bool),
    /// Close the connection in order, for this reason.
    Shutdown(ConnectionError),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ConnectionMessage {
    /// Secured and muxed: the first message, unless the connection dies before.
    Established(Box<Established>),
    /// A stream speaks `protocol`; `open` is the wish that it grants, or `None` if the remote opened it.
    StreamOpened { stream: StreamId, protocol: ProtocolId, options: StreamOptions, open: Option<OpenId> },
    /// The stream is raw: the application can read and write it.
    Raw { stream: StreamId },
    /// A wish cannot be granted.
    OpenFailed { open: OpenId, error: StreamError },
    /// A whole message arrived.
    Message { stream: StreamId, message: Bytes, received_at: Instant },
    /// The muxer has taken this many bytes of messages since the last report.
    Sent { stream: StreamId, bytes: usize },
    /// The remote ended its direction; all its messages have been delivered.
    RemoteClosed { stream: StreamId },
    /// The last word on a stream.
    StreamClosed { stream: StreamId, cause: StreamCloseCause },
    /// The last message.
    Closed(ConnectionError),
}
