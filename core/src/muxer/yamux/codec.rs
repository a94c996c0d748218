//! Frames of yamux: a header of twelve bytes, `version | type | flags (2) | stream (4) | length (4)`, all big-endian. Only a data frame
//! has a body.

use crate::muxer::MuxerError;
use bytes::{Buf, BytesMut};
use std::ops::BitOr;

/// How long every header is.
pub(super) const HEADER_BYTES: usize = 12;

const VERSION: u8 = 0;

const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 1;
const PING: u8 = 2;
const GO_AWAY: u8 = 3;

/// The flags of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags(u16);

impl Flags {
    pub(super) const NONE: Self = Self(0);
    /// The first frame of a stream from its opener; a ping that wants an answer.
    pub(super) const SYN: Self = Self(1);
    /// The first frame of a stream from its acceptor; the answer to a ping.
    pub(super) const ACK: Self = Self(2);
    /// The last frame of the sender's direction.
    pub(super) const FIN: Self = Self(4);
    /// The last frame of both directions.
    pub(super) const RST: Self = Self(8);

    const ALL: u16 = 15;

    pub(super) fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A frame, without the body of a data frame. `number` is that of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// `len` bytes of payload follow.
    Data { number: u32, flags: Flags, len: u32 },
    /// The remote may send so many bytes more. With `RST` it is no credit, but a reason.
    WindowUpdate { number: u32, flags: Flags, credit: u32 },
    /// With `SYN` it wants the same value back, otherwise it is that answer.
    Ping { flags: Flags, value: u32 },
    /// The session ends.
    GoAway { code: u32 },
}

impl Frame {
    fn decode(mut bytes: &[u8]) -> Result<Self, MuxerError> {
        let (version, kind, flags) = (bytes.get_u8(), bytes.get_u8(), bytes.get_u16());
        let (number, len) = (bytes.get_u32(), bytes.get_u32());
        if version != VERSION {
            return Err(malformed("the version is not 0"));
        }
        if flags > Flags::ALL {
            return Err(malformed("a flag has no meaning"));
        }
        let flags = Flags(flags);
        match kind {
            DATA => Ok(Self::Data { number, flags, len }),
            WINDOW_UPDATE => Ok(Self::WindowUpdate { number, flags, credit: len }),
            PING => Ok(Self::Ping { flags, value: len }),
            GO_AWAY if number == 0 => Ok(Self::GoAway { code: len }),
            GO_AWAY => Err(malformed("a go-away names a stream")),
            _ => Err(malformed("the type of the frame has no meaning")),
        }
    }

    /// Appends the header. The payload of a data frame has to follow.
    pub(super) fn encode(self, out: &mut BytesMut) {
        let (kind, flags, number, len) = match self {
            Self::Data { number, flags, len } => (DATA, flags, number, len),
            Self::WindowUpdate { number, flags, credit } => (WINDOW_UPDATE, flags, number, credit),
            Self::Ping { flags, value } => (PING, flags, 0, value),
            Self::GoAway { code } => (GO_AWAY, Flags::NONE, 0, code),
        };
        let start = u32::from_be_bytes([VERSION, kind, 0, 0]) | u32::from(flags.0);
        let header = u128::from(start) << 64 | u128::from(number) << 32 | u128::from(len);
        out.extend_from_slice(&header.to_be_bytes()[16 - HEADER_BYTES..]);
    }
}

/// Collects a header whose bytes come one by one.
#[derive(Debug, Default)]
pub(super) struct HeaderDecoder {
    bytes: [u8; HEADER_BYTES],
    len: u8,
}

impl HeaderDecoder {
    /// Takes bytes off the front of `input` up to the end of the header. `None`: it has taken all, and needs more.
    pub(super) fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, MuxerError> {
        let held = usize::from(self.len);
        if held == 0 && input.len() >= HEADER_BYTES {
            let frame = Frame::decode(input)?;
            input.advance(HEADER_BYTES);
            return Ok(Some(frame));
        }
        let end = HEADER_BYTES.min(held + input.len());
        input.copy_to_slice(&mut self.bytes[held..end]);
        self.len = end as u8;
        if end < HEADER_BYTES {
            return Ok(None);
        }
        self.len = 0;
        Frame::decode(&self.bytes).map(Some)
    }
}

fn malformed(reason: &'static str) -> MuxerError {
    MuxerError::Malformed { protocol: "yamux", reason }
}

const _: () = assert!(HEADER_BYTES < crate::muxer::MIN_FRAME_ROOM);
