//! What a connection stands on.

use super::ConnectionError;
use crate::identity::{PeerId, PublicKey};
use crate::muxer::{Streams, StreamsEvent};
use crate::negotiation::ProtocolId;
use crate::time::{Deadline, Instant};

/// What a [`Connection`](super::Connection) stands on: something that authenticates the peer and carries streams.
///
/// [`Pipeline`](super::Pipeline) makes one of a byte stream. A transport that secures and muxes by itself implements it
/// directly; how its bytes, datagrams or values travel is between it and its driver.
pub trait Carrier: Streams {
    /// The next event. After [`CarrierEvent::Closed`] only those of streams that still hold unread bytes.
    fn poll_event(&mut self) -> Option<CarrierEvent>;

    /// A point in time was reached.
    fn handle_timeout(&mut self, now: Instant);

    /// When to call [`Carrier::handle_timeout`], and why.
    fn poll_timeout(&self) -> Option<Deadline>;

    /// Closes in order: everything written still leaves. [`CarrierEvent::Closed`] with `reason` follows at once, unless the
    /// carrier is closed already.
    fn close(&mut self, reason: ConnectionError, now: Instant);
}

/// What happens to a carrier.
#[derive(Debug, Clone, PartialEq)]
pub enum CarrierEvent {
    /// The peer is authenticated and streams can be opened. Comes first, once.
    Established(Box<Established>),
    /// Something about the streams.
    Stream(StreamsEvent),
    /// The carrier is gone. Comes once.
    Closed(ConnectionError),
}

/// What the two ends of a connection agreed on.
#[derive(Debug, Clone, PartialEq)]
pub struct Established {
    /// Who is at the other end, proven.
    pub peer: PeerId,
    /// The key that proved it.
    pub public_key: PublicKey,
    /// The security protocol, where one was negotiated.
    pub security: Option<ProtocolId>,
    /// The muxer, where one was negotiated.
    pub muxer: Option<ProtocolId>,
}
