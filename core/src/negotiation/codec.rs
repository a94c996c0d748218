//! Messages of multistream-select: `varint(length) | text | newline`, where the length counts the newline.

use super::{NegotiationError, ProtocolId};
use crate::wire::varint;
use bytes::{Buf, BufMut, BytesMut};

/// The longest message, counted as on the wire: text and newline. A longer one is [`NegotiationError::TooLarge`] as soon
/// as its length is known; it stops a peer from making us buffer.
///
/// Some implementations accept no more than this, so it bounds what we send as well.
pub const MAX_MESSAGE_BYTES: usize = 1_024;

/// The bytes that a length up to [`MAX_MESSAGE_BYTES`] can take.
const MAX_LENGTH_BYTES: usize = 2;

/// The message that each side sends first.
const HEADER: &[u8] = b"\x13/multistream/1.0.0\n";

const NOT_AVAILABLE: &str = "na";
const LIST: &str = "ls";

/// A message behind the header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// The answer to a proposal that is not supported.
    NotAvailable,
    /// The question which protocols are supported.
    List,
    /// A proposal, or the echo that accepts it.
    Name(&'a str),
}

/// Takes the header off the front of `input`. False: it is not complete.
///
/// Bytes are compared as they come, so a stranger that speaks another protocol is found out by its first byte.
pub(super) fn take_header(input: &mut BytesMut) -> Result<bool, NegotiationError> {
    let len = input.len().min(HEADER.len());
    if input[..len] != HEADER[..len] {
        return Err(NegotiationError::BadHeader);
    }
    if len < HEADER.len() {
        return Ok(false);
    }
    input.advance(len);
    Ok(true)
}

/// Reads the message at the front of `input`: the message, and how many bytes it takes. `None`: it is not complete.
pub(super) fn decode(input: &[u8]) -> Result<Option<(Message<'_>, usize)>, NegotiationError> {
    let prefix = &input[..input.len().min(MAX_LENGTH_BYTES)];
    let Some((len, start)) = varint::decode(prefix)
        .map_err(|_| NegotiationError::Malformed("the length is not a minimal varint"))?
    else {
        let too_long = prefix.len() == MAX_LENGTH_BYTES;
        return if too_long { Err(NegotiationError::TooLarge) } else { Ok(None) };
    };
    if len == 0 {
        return Err(NegotiationError::Malformed("an empty message"));
    }
    if len > MAX_MESSAGE_BYTES as u64 {
        return Err(NegotiationError::TooLarge);
    }
    let end = start + len as usize;
    let Some(message) = input.get(start..end) else {
        return Ok(None);
    };
    let Some(text) = message.strip_suffix(b"\n") else {
        return Err(NegotiationError::Malformed("no newline at the end of a message"));
    };
    let text =
        std::str::from_utf8(text).map_err(|_| NegotiationError::Malformed("a message that is not UTF-8"))?;
    let message = match text {
        NOT_AVAILABLE => Message::NotAvailable,
        LIST => Message::List,
        name => Message::Name(name),
    };
    Ok(Some((message, end)))
}

/// Appends the header.
pub(super) fn encode_header(out: &mut BytesMut) {
    out.extend_from_slice(HEADER);
}

/// Appends the refusal of a proposal.
pub(super) fn encode_not_available(out: &mut BytesMut) {
    encode_text(NOT_AVAILABLE, out);
}

/// Appends a proposal, or the echo that accepts it.
pub(super) fn encode_name(name: &ProtocolId, out: &mut BytesMut) {
    encode_text(name.as_str(), out);
}

/// Appends the answer to `ls`: as many of `names` as fit into one message, which holds each as a message of its own.
pub(super) fn encode_list<'a>(names: impl Iterator<Item = &'a ProtocolId>, out: &mut BytesMut) {
    let mut list = BytesMut::new();
    for name in names {
        let before = list.len();
        encode_name(name, &mut list);
        if list.len() + 1 > MAX_MESSAGE_BYTES {
            list.truncate(before);
            break;
        }
    }
    list.put_u8(b'\n');
    varint::encode(list.len() as u64, out);
    out.extend_from_slice(&list);
}

fn encode_text(text: &str, out: &mut BytesMut) {
    varint::encode(text.len() as u64 + 1, out);
    out.extend_from_slice(text.as_bytes());
    out.put_u8(b'\n');
}
