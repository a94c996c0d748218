//! Pure codecs: varints, length-prefixed messages, protobuf.

/// Why bytes are not a length-prefixed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is not a minimal unsigned varint. Blame: the peer.
    #[error("the length prefix is not a minimal varint")]
    BadLength,
    /// The length is over the limit. Blame: the peer.
    #[error("a message of {len} bytes is over the limit of {max}")]
    TooLarge {
        /// The announced length.
        len: u64,
        /// The limit.
        max: usize,
    },
}
