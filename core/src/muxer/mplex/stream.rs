//! What is kept for one stream.

use super::codec::WireId;
use crate::muxer::parts::{Half, Reader, ReceiveBuffer};

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) wire: WireId,
    /// What we send.
    pub(super) local: Half,
    /// What the remote sends.
    pub(super) remote: Half,
    pub(super) reader: Reader,
    pub(super) received: ReceiveBuffer,
}

impl Stream {
    pub(super) fn new(wire: WireId) -> Self {
        let reader = match wire {
            WireId::Ours(_) => Reader::Active,
            WireId::Theirs(_) => Reader::Waiting,
        };
        Self { wire, local: Half::Open, remote: Half::Open, reader, received: ReceiveBuffer::default() }
    }

    /// Whether the remote knows of nothing more to come in either direction.
    pub(super) fn is_closed(&self) -> bool {
        self.local == Half::Closed && self.remote == Half::Closed
    }

    /// Whether the stream can be forgotten.
    pub(super) fn is_over(&self) -> bool {
        self.is_closed() && self.reader == Reader::Finished
    }
}
