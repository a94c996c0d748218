//! The few parts of DER that keys are written in: nested elements, unsigned integers, bit strings.
//!
//! Strict: one value has one encoding. Nothing is allocated while reading, and lengths are checked against the bytes that are there.

use std::fmt;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
/// The field of a structure that its definition numbers `[0]`.
pub(crate) const CONTEXT_0: u8 = 0xa0;
/// The field of a structure that its definition numbers `[1]`.
pub(crate) const CONTEXT_1: u8 = 0xa1;

/// Why bytes are not the DER structure that they should be. Blame: whoever sent or wrote them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// The bytes end within an element.
    #[error("it ends within an element")]
    Truncated,
    /// There are bytes behind the end of the structure.
    #[error("there are bytes behind its end")]
    TrailingBytes,
    /// Another element than the one expected.
    #[error("it has {} where {} is expected", Tag(*.found), Tag(*.expected))]
    WrongTag {
        /// The tag expected.
        expected: u8,
        /// The tag found.
        found: u8,
    },
    /// A length is indefinite, not in its shortest form, or above 65,535.
    #[error("a length is not in its shortest form, or above 65,535")]
    BadLength,
    /// An integer is negative, empty or not in its shortest form.
    #[error("an integer is negative, or not in its shortest form")]
    BadInteger,
    /// A bit string does not consist of whole bytes.
    #[error("a bit string does not consist of whole bytes")]
    BadBitString,
    /// The structure has another version number than the one in use.
    #[error("its version is not {expected}")]
    BadVersion {
        /// The version in use.
        expected: u8,
    },
}

/// A tag, shown by its name.
struct Tag(u8);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            INTEGER => "an integer",
            BIT_STRING => "a bit string",
            OCTET_STRING => "an octet string",
            NULL => "a null",
            OBJECT_IDENTIFIER => "an object identifier",
            SEQUENCE => "a sequence",
            CONTEXT_0 => "the field [0]",
            CONTEXT_1 => "the field [1]",
            other => return write!(f, "the tag {other:#04x}"),
        })
    }
}

/// Reads elements one after the other.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The elements of the one sequence that `bytes` are.
    pub(crate) fn sequence(bytes: &'a [u8]) -> Result<Self, DerError> {
        let mut outer = Self::new(bytes);
        let elements = outer.nested(SEQUENCE)?;
        outer.end()?;
        Ok(elements)
    }

    /// The contents of the next element, which must have the tag `expected`.
    pub(crate) fn element(&mut self, expected: u8) -> Result<&'a [u8], DerError> {
        let (&found, rest) = self.rest.split_first().ok_or(DerError::Truncated)?;
        if found != expected {
            return Err(DerError::WrongTag { expected, found });
        }
        let (len, rest) = split_length(rest)?;
        let (contents, rest) = rest.split_at_checked(len).ok_or(DerError::Truncated)?;
        self.rest = rest;
        Ok(contents)
    }

    /// The elements within the next element.
    pub(crate) fn nested(&mut self, expected: u8) -> Result<Self, DerError> {
        self.element(expected).map(Self::new)
    }

    /// Like [`Reader::nested`], if the next element has that tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Self>, DerError> {
        if self.rest.first() == Some(&tag) { self.nested(tag).map(Some) } else { Ok(None) }
    }

    /// An unsigned integer, big-endian. It starts with a zero byte only if it is zero.
    pub(crate) fn unsigned(&mut self) -> Result<&'a [u8], DerError> {
        match self.element(INTEGER)? {
            [0, rest @ ..] if rest.first() >= Some(&0x80) => Ok(rest),
            [] | [0, _, ..] | [0x80..=0xff, ..] => Err(DerError::BadInteger),
            bytes => Ok(bytes),
        }
    }

    /// The version number that a structure starts with.
    pub(crate) fn version(&mut self, expected: u8) -> Result<(), DerError> {
        if self.unsigned()? == [expected] { Ok(()) } else { Err(DerError::BadVersion { expected }) }
    }

    /// A bit string of whole bytes.
    pub(crate) fn bit_string(&mut self) -> Result<&'a [u8], DerError> {
        match self.element(BIT_STRING)? {
            [0, bytes @ ..] => Ok(bytes),
            _ => Err(DerError::BadBitString),
        }
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Result<(), DerError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DerError::TrailingBytes) }
    }
}

/// Takes a length off the front of `bytes`.
fn split_length(bytes: &[u8]) -> Result<(usize, &[u8]), DerError> {
    let (&first, rest) = bytes.split_first().ok_or(DerError::Truncated)?;
    match (first, rest) {
        (0..=0x7f, _) => Ok((usize::from(first), rest)),
        (0x81, [len @ 0x80..=0xff, rest @ ..]) => Ok((usize::from(*len), rest)),
        (0x82, [high @ 1..=0xff, low, rest @ ..]) => {
            Ok((usize::from(u16::from_be_bytes([*high, *low])), rest))
        }
        (0x81, []) | (0x82, [] | [1..=0xff]) => Err(DerError::Truncated),
        _ => Err(DerError::BadLength),
    }
}

/// An element. Its `parts`, one after the other, have at most 65,535 bytes.
pub(crate) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    debug_assert!(len <= usize::from(u16::MAX));
    let [high, low] = (len as u16).to_be_bytes();
    let header: &[u8] = match len {
        0..0x80 => &[tag, low],
        0x80..0x100 => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    let mut out = Vec::with_capacity(header.len() + len);
    out.extend_from_slice(header);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// An unsigned integer, given big-endian without zero bytes in front.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if let Some(..0x80) = bytes.first() { &[] } else { &[0] };
    element(INTEGER, &[sign, bytes])
}

/// A bit string of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes])
}
