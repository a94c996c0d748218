//! Frames of mplex: `varint(number << 3 | flag) | varint(length) | body`.

use super::MAX_PAYLOAD_BYTES;
use crate::muxer::MuxerError;
use crate::wire::varint::{self, BadVarint};
use bytes::{Buf, BufMut, BytesMut};

/// The longest header: two of the longest varints.
const MAX_HEADER_BYTES: usize = 2 * varint::MAX_BYTES;

/// The largest number that a stream can have on the wire: what a varint holds beside the flag.
pub(super) const MAX_NUMBER: u64 = varint::MAX_VALUE >> 3;

/// The number of a stream that we opened. Each side numbers its own streams, so this is another kind of number than
/// [`TheirNumber`], even where both are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OurNumber(u64);

/// The number of a stream that the remote opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TheirNumber(u64);

impl OurNumber {
    /// That of our first stream.
    pub(super) const FIRST: Self = Self(0);

    /// That of the stream behind it, unless this was the last one.
    pub(super) fn next(self) -> Option<Self> {
        (self.0 < MAX_NUMBER).then_some(Self(self.0 + 1))
    }

    #[cfg(test)]
    pub(super) fn at(number: u64) -> Self {
        Self(number)
    }
}

impl TheirNumber {
    #[cfg(test)]
    pub(super) fn at(number: u64) -> Self {
        Self(number)
    }
}

/// A stream on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WireId {
    Ours(OurNumber),
    Theirs(TheirNumber),
}

impl WireId {
    /// The number, and what we add to a flag: the flags of a stream's opener are those of the other side plus one.
    fn parts(self) -> (u64, u64) {
        match self {
            Self::Ours(OurNumber(number)) => (number, 1),
            Self::Theirs(TheirNumber(number)) => (number, 0),
        }
    }
}

/// What a frame of the remote is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// A new stream. The body is a name that means nothing.
    Open(TheirNumber),
    /// The body is payload.
    Data(WireId),
    /// The remote's direction ends. A body means nothing.
    Close(WireId),
    /// Both directions end at once. A body means nothing.
    Reset(WireId),
}

/// The start of a frame of the remote; `len` bytes of body follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) received: Received,
    pub(super) len: usize,
}

/// Collects a header whose bytes come one by one.
#[derive(Debug, Default)]
pub(super) struct HeaderDecoder {
    bytes: [u8; MAX_HEADER_BYTES],
    len: u8,
}

impl HeaderDecoder {
    /// Takes bytes off the front of `input` up to the end of the header. `None`: it has taken all, and needs more.
    pub(super) fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Header>, MuxerError> {
        let held = usize::from(self.len);
        let end = MAX_HEADER_BYTES.min(held + input.len());
        self.bytes[held..end].copy_from_slice(&input[..end - held]);
        match parse(&self.bytes[..end])? {
            Some((header, len)) => {
                input.advance(len - held);
                self.len = 0;
                Ok(Some(header))
            }
            None => {
                input.advance(end - held);
                self.len = end as u8;
                Ok(None)
            }
        }
    }
}

/// Reads the header at the front of `bytes`: the header, and how many bytes it takes. `None`: it is not complete.
fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, MuxerError> {
    let Some((tag, tag_bytes)) = varint::decode(bytes).map_err(bad_varint)? else {
        return Ok(None);
    };
    let received = split_tag(tag)?;
    let Some((len, len_bytes)) = varint::decode(&bytes[tag_bytes..]).map_err(bad_varint)? else {
        return Ok(None);
    };
    if len > MAX_PAYLOAD_BYTES as u64 {
        return Err(MuxerError::TooLarge { protocol: "mplex", len, max: MAX_PAYLOAD_BYTES as u64 });
    }
    Ok(Some((Header { received, len: len as usize }, tag_bytes + len_bytes)))
}

/// The flag says who sends: an even one is sent by the side that opened the stream, an odd one by the other. So from the remote
/// an even one is about a stream of its own.
fn split_tag(tag: u64) -> Result<Received, MuxerError> {
    let number = tag >> 3;
    let flag = tag & 7;
    let id = match flag % 2 {
        0 => WireId::Theirs(TheirNumber(number)),
        _ => WireId::Ours(OurNumber(number)),
    };
    match flag {
        0 => Ok(Received::Open(TheirNumber(number))),
        1 | 2 => Ok(Received::Data(id)),
        3 | 4 => Ok(Received::Close(id)),
        5 | 6 => Ok(Received::Reset(id)),
        _ => Err(malformed("the flag 7 has no meaning")),
    }
}

fn bad_varint(bad: BadVarint) -> MuxerError {
    malformed(match bad {
        BadVarint::TooLong => "a varint is longer than 9 bytes",
        BadVarint::NotMinimal => "a varint is not in its shortest form",
    })
}

fn malformed(reason: &'static str) -> MuxerError {
    MuxerError::Malformed { protocol: "mplex", reason }
}

fn data_tag(id: WireId) -> u64 {
    let (number, opener) = id.parts();
    (number << 3) | (1 + opener)
}

/// The longest payload with which a data frame of this stream is not longer than `room` bytes; zero if there is none.
pub(super) fn payload_room(id: WireId, room: usize) -> usize {
    let behind_tag = room.saturating_sub(varint::encoded_len(data_tag(id)));
    behind_tag.saturating_sub(varint::encoded_len(behind_tag as u64))
}

/// Appends a data frame. The payload is at most [`MAX_PAYLOAD_BYTES`] long.
pub(super) fn encode_data(id: WireId, payload: &[u8], out: &mut BytesMut) {
    varint::encode(data_tag(id), out);
    varint::encode(payload.len() as u64, out);
    out.extend_from_slice(payload);
}

/// A frame of ours without payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    /// A new stream.
    Open(OurNumber),
    /// Our direction ends.
    Close(WireId),
    /// Both directions end at once.
    Reset(WireId),
}

impl Control {
    /// The longest control frame: that of a new stream with the largest number.
    const MAX_BYTES: usize = varint::MAX_BYTES + 1 + MAX_NUMBER.ilog10() as usize + 1;

    fn tag(self) -> u64 {
        match self {
            Self::Open(OurNumber(number)) => number << 3,
            Self::Close(id) => data_tag(id) + 2,
            Self::Reset(id) => data_tag(id) + 4,
        }
    }

    /// Appends the frame. The name of a new stream is its number in decimal digits, which others show in their logs.
    pub(super) fn encode(self, out: &mut BytesMut) {
        varint::encode(self.tag(), out);
        match self {
            Self::Open(OurNumber(number)) => {
                let name = number.to_string();
                varint::encode(name.len() as u64, out);
                out.extend_from_slice(name.as_bytes());
            }
            Self::Close(_) | Self::Reset(_) => out.put_u8(0),
        }
    }

    /// How many bytes [`Control::encode`] appends.
    pub(super) fn len(self) -> usize {
        let name = match self {
            Self::Open(OurNumber(number)) => number.checked_ilog10().unwrap_or(0) as usize + 1,
            Self::Close(_) | Self::Reset(_) => 0,
        };
        varint::encoded_len(self.tag()) + 1 + name
    }
}

const _: () = assert!(Control::MAX_BYTES <= crate::muxer::MIN_FRAME_ROOM);
