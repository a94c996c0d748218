//! How the bytes of a stream become messages.

/// How the bytes of a stream become messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Not at all: the application reads and writes bytes.
    Raw,
    /// Messages of this many bytes, without a prefix. Zero is treated as one.
    Fixed(usize),
    /// A varint length, then the message.
    LengthPrefixed {
        /// The longest message that is accepted; a longer one resets the stream.
        max_bytes: usize,
    },
}
