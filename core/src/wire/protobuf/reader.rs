//! Reading messages.

use super::{ProtobufError, wire_type};

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// An integer, enum or bool; a negative one as its two's complement of 64 bits.
    Varint(u64),
    /// Eight bytes, little-endian.
    Fixed64(u64),
    /// Four bytes, little-endian.
    Fixed32(u32),
    /// Bytes, text, or a nested message.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The bytes, or the nested message, of the field named `field`.
    ///
    /// # Errors
    /// [`ProtobufError::WrongType`]: it is a number.
    #[inline]
    pub fn as_bytes(self, field: &'static str) -> Result<&'a [u8], ProtobufError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(ProtobufError::WrongType { field, expected: "bytes" }),
        }
    }

    /// The text of the field named `field`.
    ///
    /// # Errors
    /// [`ProtobufError::WrongType`]: it is a number. [`ProtobufError::NotUtf8`]: it is no text.
    #[inline]
    pub fn as_str(self, field: &'static str) -> Result<&'a str, ProtobufError> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| ProtobufError::NotUtf8 { field }),
            _ => Err(ProtobufError::WrongType { field, expected: "text" }),
        }
    }

    /// The varint of the field named `field`.
    ///
    /// # Errors
    /// [`ProtobufError::WrongType`]: it is bytes, or a number of fixed width.
    #[inline]
    pub fn as_u64(self, field: &'static str) -> Result<u64, ProtobufError> {
        match self {
            Self::Varint(number) => Ok(number),
            _ => Err(ProtobufError::WrongType { field, expected: "an integer" }),
        }
    }
}

/// The fields of one message in the order of its bytes, each with its number.
///
/// After an error there are no more fields.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `message`.
    #[inline]
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    #[inline]
    fn field(&mut self) -> Result<(u32, Value<'a>), ProtobufError> {
        let key = u32::try_from(self.varint()?).map_err(|_| ProtobufError::BadFieldNumber)?;
        let number = key >> 3;
        if number == 0 {
            return Err(ProtobufError::BadFieldNumber);
        }
        let value = match key & 7 {
            wire_type::VARINT => Value::Varint(self.varint()?),
            wire_type::FIXED64 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            wire_type::LENGTH_DELIMITED => Value::Bytes(self.length_delimited()?),
            wire_type::FIXED32 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            other => {
                return Err(ProtobufError::UnsupportedWireType { field: number, wire_type: other as u8 });
            }
        };
        Ok((number, value))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, ProtobufError> {
        match *self.rest {
            [byte, ref rest @ ..] if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    /// Unlike libp2p's own varints these may have ten bytes, and more than they need.
    fn long_varint(&mut self) -> Result<u64, ProtobufError> {
        let mut value = 0;
        for (index, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                // Nine bytes hold 63 bits, so the tenth has room for one.
                if index == 9 && byte > 1 {
                    return Err(ProtobufError::VarintTooLong);
                }
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { ProtobufError::Truncated } else { ProtobufError::VarintTooLong })
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtobufError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(ProtobufError::Truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    fn length_delimited(&mut self) -> Result<&'a [u8], ProtobufError> {
        let len = usize::try_from(self.varint()?).map_err(|_| ProtobufError::Truncated)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(ProtobufError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<(u32, Value<'a>), ProtobufError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl std::iter::FusedIterator for Reader<'_> {}
