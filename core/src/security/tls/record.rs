//! Records: `type | version | u16 length | body`. What TLS cuts its byte stream into.

use crate::security::SecurityError;
use bytes::BytesMut;

/// The length of a record's header.
pub(super) const HEADER_BYTES: usize = 5;
/// The most plaintext in a record.
pub(super) const MAX_PLAINTEXT_BYTES: usize = 1 << 14;
/// The longest body of a record that is sealed: with a type, padding and a tag.
pub(super) const MAX_SEALED_BYTES: usize = MAX_PLAINTEXT_BYTES + 256;

/// What a record is about.
pub(super) mod content {
    pub(in super::super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(in super::super) const ALERT: u8 = 21;
    pub(in super::super) const HANDSHAKE: u8 = 22;
    pub(in super::super) const DATA: u8 = 23;
}

/// A record's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) content: u8,
    /// Of the body.
    pub(super) len: usize,
    pub(super) bytes: [u8; HEADER_BYTES],
}

impl Header {
    /// The header at the front of `input`, if it is complete.
    pub(super) fn peek(input: &[u8]) -> Option<Self> {
        let bytes @ [content, _, _, high, low] = *input.first_chunk()?;
        Some(Self { content, len: u16::from_be_bytes([high, low]).into(), bytes })
    }

    /// The header of a sealed record.
    pub(super) fn sealed(len: usize) -> [u8; HEADER_BYTES] {
        let [high, low] = (len as u16).to_be_bytes();
        // Its version is TLS 1.2's for ever.
        [content::DATA, 3, 3, high, low]
    }
}

/// Takes a record of the handshake off the front of `input`, header and all, and off `room`; `None` if it is incomplete.
///
/// Its version is 3.3; the first record of a dialer and alerts may have the 3.1 that the oldest implementations insist on.
///
/// # Errors
/// It is not a record, or is longer than records or `room` may be.
pub(super) fn split(
    input: &mut BytesMut,
    room: &mut usize,
    is_first: bool,
) -> Result<Option<BytesMut>, SecurityError> {
    let Some(header) = Header::peek(input) else { return Ok(None) };
    match header.bytes {
        [content::CHANGE_CIPHER_SPEC..=content::DATA, 3, 3, ..] | [content::ALERT, 3, 1, ..] => {}
        [content::HANDSHAKE, 3, 1, ..] if is_first => {}
        _ => return Err(SecurityError::Malformed("it is not a record of TLS 1.3")),
    }
    let len = HEADER_BYTES + header.len;
    let max = (HEADER_BYTES + MAX_SEALED_BYTES).min(*room);
    if len > max {
        return Err(SecurityError::TooLarge { len: len as u64, max: max as u64 });
    }
    if input.len() < len {
        return Ok(None);
    }
    *room -= len;
    Ok(Some(input.split_to(len)))
}
