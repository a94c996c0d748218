//! Frames of mplex: `varint(number << 3 | flag) | varint(length) | body`.

use super::MAX_PAYLOAD_BYTES;
use crate::muxer::MuxerError;
use crate::wire::varint::{self, BadVarint};
use bytes::{Buf, BufMut, BytesMut};

/// The longest header: two of the longest varints.
const MAX_HEADER_BYTES: usize = 2 * varint::MAX_BYTES;

/// The largest number that a stream can have on the wire: what a varint holds beside the flag.
pub(super) const MAX_NUMBER: u64 = varint::MAX_VALUE >> 3;

/// A stream on the wire. Each side numbers the streams that it opens, so a number means nothing without its side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WireId {
    /// We opened it.
    Ours(u64),
    /// The remote opened it.
    Theirs(u64),
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A new stream of the sender. The body is a name that means nothing.
    Open,
    /// The body is payload.
    Data,
    /// The sender's direction ends. A body means nothing.
    Close,
    /// Both directions end at once. A body means nothing.
    Reset,
}

/// The start of a frame; `len` bytes of body follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: WireId,
    pub(super) kind: Kind,
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
    let (id, kind) = split_tag(tag)?;
    let Some((len, len_bytes)) = varint::decode(&bytes[tag_bytes..]).map_err(bad_varint)? else {
        return Ok(None);
    };
    if len > MAX_PAYLOAD_BYTES as u64 {
        return Err(MuxerError::TooLarge { protocol: "mplex", len, max: MAX_PAYLOAD_BYTES as u64 });
    }
    Ok(Some((Header { id, kind, len: len as usize }, tag_bytes + len_bytes)))
}

/// The flag says who sends: an even one is sent by the side that opened the stream, an odd one by the other.
fn split_tag(tag: u64) -> Result<(WireId, Kind), MuxerError> {
    let number = tag >> 3;
    Ok(match tag & 7 {
        0 => (WireId::Theirs(number), Kind::Open),
        1 => (WireId::Ours(number), Kind::Data),
        2 => (WireId::Theirs(number), Kind::Data),
        3 => (WireId::Ours(number), Kind::Close),
        4 => (WireId::Theirs(number), Kind::Close),
        5 => (WireId::Ours(number), Kind::Reset),
        6 => (WireId::Theirs(number), Kind::Reset),
        _ => return Err(malformed("the flag 7 has no meaning")),
    })
}

/// What we send: see [`split_tag`], with the sides exchanged.
fn tag(id: WireId, kind: Kind) -> u64 {
    let (number, opener) = match id {
        WireId::Ours(number) => (number, 1),
        WireId::Theirs(number) => (number, 0),
    };
    let flag = match kind {
        Kind::Open => 0,
        Kind::Data => 1 + opener,
        Kind::Close => 3 + opener,
        Kind::Reset => 5 + opener,
    };
    number << 3 | flag
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

/// The longest payload with which a data frame of this stream is not longer than `room` bytes; zero if there is none.
pub(super) fn payload_room(id: WireId, room: usize) -> usize {
    let behind_tag = room.saturating_sub(varint::encoded_len(tag(id, Kind::Data)));
    behind_tag.saturating_sub(varint::encoded_len(behind_tag as u64))
}

/// Appends a data frame. The payload is at most [`MAX_PAYLOAD_BYTES`] long.
pub(super) fn encode_data(id: WireId, payload: &[u8], out: &mut BytesMut) {
    varint::encode(tag(id, Kind::Data), out);
    varint::encode(payload.len() as u64, out);
    out.extend_from_slice(payload);
}

/// A frame without payload: all kinds but [`Kind::Data`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Control {
    pub(super) id: WireId,
    pub(super) kind: Kind,
}

impl Control {
    /// The longest control frame: that of a new stream with the largest number.
    const MAX_BYTES: usize = varint::MAX_BYTES + 1 + MAX_NUMBER.ilog10() as usize + 1;

    /// Appends the frame. The name of a new stream is its number in decimal digits, which others show in their logs.
    pub(super) fn encode(self, out: &mut BytesMut) {
        varint::encode(tag(self.id, self.kind), out);
        match (self.kind, self.id) {
            (Kind::Open, WireId::Ours(number) | WireId::Theirs(number)) => {
                let name = number.to_string();
                varint::encode(name.len() as u64, out);
                out.extend_from_slice(name.as_bytes());
            }
            _ => out.put_u8(0),
        }
    }

    /// How many bytes [`Control::encode`] appends.
    pub(super) fn len(self) -> usize {
        let (WireId::Ours(number) | WireId::Theirs(number)) = self.id;
        let name = match self.kind {
            Kind::Open => number.checked_ilog10().unwrap_or(0) as usize + 1,
            _ => 0,
        };
        varint::encoded_len(tag(self.id, self.kind)) + 1 + name
    }
}

const _: () = assert!(Control::MAX_BYTES <= crate::muxer::MIN_FRAME_ROOM);
