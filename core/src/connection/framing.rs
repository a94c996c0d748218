//! How the bytes of a stream become messages.

use crate::wire::{FrameError, frame, varint};
use bytes::{Buf, Bytes, BytesMut};

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

impl Framing {
    /// What comes before a message of `len` bytes on the wire.
    pub(super) fn prefix(self, len: usize) -> Bytes {
        match self {
            Self::Raw | Self::Fixed(_) => Bytes::new(),
            Self::LengthPrefixed { .. } => {
                let mut prefix = BytesMut::with_capacity(varint::encoded_len(len as u64));
                varint::encode(len as u64, &mut prefix);
                prefix.freeze()
            }
        }
    }

    /// How many bytes a message of `len` bytes takes on the wire.
    pub(crate) fn wire_bytes(self, len: usize) -> usize {
        match self {
            Self::Raw | Self::Fixed(_) => len,
            Self::LengthPrefixed { .. } => varint::encoded_len(len as u64).saturating_add(len),
        }
    }

    /// The lengths of the prefix and the body of the message at the start of `bytes`, or `None` if too little is there to tell.
    fn measure(self, bytes: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
        match self {
            Self::Raw => Ok(None),
            Self::Fixed(len) => Ok(Some((0, len.max(1)))),
            Self::LengthPrefixed { max_bytes } => frame::decode(bytes, max_bytes),
        }
    }
}

/// Cuts a stream into messages. Holds what one read of the stream gave, or one incomplete message.
#[derive(Debug)]
pub(super) struct Cutter {
    framing: Framing,
    /// Read from the stream, not cut yet.
    chunk: Bytes,
    /// The start of a message whose rest has not arrived; at most the framing's limit.
    partial: BytesMut,
}

impl Cutter {
    pub(super) fn new(framing: Framing, chunk: Bytes) -> Self {
        Self { framing, chunk, partial: BytesMut::new() }
    }

    /// Whether the next message needs more bytes of the stream.
    pub(super) fn needs_chunk(&self) -> bool {
        self.chunk.is_empty()
    }

    /// Whether the stream may end here: no message has begun.
    pub(super) fn is_at_boundary(&self) -> bool {
        self.chunk.is_empty() && self.partial.is_empty()
    }

    /// Takes what the stream gave, after [`Cutter::needs_chunk`].
    pub(super) fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "the last chunk is cut up first");
        self.chunk = chunk;
    }

    /// The next whole message.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        if self.partial.is_empty() {
            if let Some((prefix, body)) = self.framing.measure(&self.chunk)?
                && self.chunk.len() >= prefix + body
            {
                self.chunk.advance(prefix);
                return Ok(Some(self.chunk.split_to(body)));
            }
            self.move_to_partial(self.chunk.len());
            return Ok(None);
        }
        loop {
            let missing = match self.framing.measure(&self.partial)? {
                Some((prefix, body)) if self.partial.len() >= prefix + body => {
                    let mut message = std::mem::take(&mut self.partial).freeze();
                    message.advance(prefix);
                    return Ok(Some(message));
                }
                Some((prefix, body)) => prefix + body - self.partial.len(),
                None => 1,
            };
            if self.chunk.is_empty() {
                return Ok(None);
            }
            self.move_to_partial(missing.min(self.chunk.len()));
        }
    }

    fn move_to_partial(&mut self, len: usize) {
        self.partial.extend_from_slice(&self.chunk.split_to(len));
    }

    /// Everything that was read from the stream and is not a delivered message.
    pub(super) fn into_rest(mut self) -> Bytes {
        if self.partial.is_empty() {
            return self.chunk;
        }
        self.partial.extend_from_slice(&self.chunk);
        self.partial.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(framing: Framing, bytes: &[u8], chunk_len: usize) -> Result<(Vec<Bytes>, Bytes), FrameError> {
        let mut cutter = Cutter::new(framing, Bytes::new());
        let mut messages = Vec::new();
        for chunk in bytes.chunks(chunk_len) {
            cutter.push(Bytes::copy_from_slice(chunk));
            while let Some(message) = cutter.next()? {
                messages.push(message);
            }
        }
        Ok((messages, cutter.into_rest()))
    }

    #[test]
    fn messages_do_not_depend_on_chunks() {
        let prefixed = Framing::LengthPrefixed { max_bytes: 300 };
        let long = vec![7; 300];
        let bytes = [&[3, 1, 2, 3, 0, 1, 9][..], &[0xac, 2], &long, &[2, 5]].concat();
        for chunk_len in 1..bytes.len() {
            let (messages, rest) = cut(prefixed, &bytes, chunk_len).unwrap();
            assert_eq!(messages, [&[1, 2, 3][..], &[], &[9], &long], "chunks of {chunk_len}");
            assert_eq!(&rest[..], [2, 5], "chunks of {chunk_len}");
            let (messages, rest) = cut(Framing::Fixed(4), &bytes[..10], chunk_len).unwrap();
            assert_eq!((messages.len(), rest.len()), (2, 2), "chunks of {chunk_len}");
        }
    }

    #[test]
    fn a_bad_length_is_refused_before_its_body() {
        let framing = Framing::LengthPrefixed { max_bytes: 300 };
        for chunk_len in [1, 9] {
            assert_eq!(
                cut(framing, &[0xad, 2, 0], chunk_len),
                Err(FrameError::TooLarge { len: 301, max: 300 })
            );
            assert_eq!(cut(framing, &[0x80, 0, 0], chunk_len), Err(FrameError::BadLength));
            assert_eq!(cut(framing, &[0xff; 9], chunk_len), Err(FrameError::BadLength));
        }
    }

    #[test]
    fn frames_are_what_the_cutter_cuts() {
        let message = Bytes::from_static(b"hello");
        for framing in [Framing::Fixed(5), Framing::LengthPrefixed { max_bytes: 5 }] {
            let bytes = [framing.prefix(message.len()), message.clone()].concat();
            assert_eq!(bytes.len(), framing.wire_bytes(message.len()));
            assert_eq!(cut(framing, &bytes, 2), Ok((vec![message.clone()], Bytes::new())));
        }
    }
}
