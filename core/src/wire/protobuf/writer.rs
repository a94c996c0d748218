//! Writing messages.

use super::wire_type;
use crate::wire::varint;
use bytes::{BufMut, BytesMut};

/// Appends the fields of a message to a buffer, in the order of the calls.
///
/// It writes what it is told, zeros and empty values too: whether a default is left out is the schema's choice.
/// Field numbers are constants of the caller, from 1 to 2^29 - 1.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut BytesMut,
}

impl<'a> Writer<'a> {
    /// Appends to `out`.
    #[inline]
    pub fn new(out: &'a mut BytesMut) -> Self {
        Self { out }
    }

    /// An integer, enum or bool; a negative one as its two's complement of 64 bits.
    #[inline]
    pub fn varint(&mut self, field: u32, value: u64) {
        self.key(field, wire_type::VARINT);
        varint::encode(value, self.out);
    }

    /// Bytes.
    #[inline]
    pub fn bytes(&mut self, field: u32, value: &[u8]) {
        self.key(field, wire_type::LENGTH_DELIMITED);
        varint::encode(value.len() as u64, self.out);
        self.out.extend_from_slice(value);
    }

    /// Text.
    #[inline]
    pub fn string(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A nested message, whose fields `write` appends.
    #[inline]
    pub fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        self.key(field, wire_type::LENGTH_DELIMITED);
        let start = self.out.len();
        self.out.put_u8(0);
        write(self);
        let len = self.out.len() - start - 1;
        if len < 0x80 {
            self.out[start] = len as u8;
        } else {
            self.widen_length(start, len);
        }
    }

    /// Moves the last `len` bytes behind a length that needs more than the one byte kept at `start`.
    fn widen_length(&mut self, start: usize, len: usize) {
        let (prefix, prefix_bytes) = varint::to_array(len as u64);
        self.out.put_bytes(0, prefix_bytes - 1);
        self.out.copy_within(start + 1..start + 1 + len, start + prefix_bytes);
        self.out[start..start + prefix_bytes].copy_from_slice(&prefix[..prefix_bytes]);
    }

    #[inline]
    fn key(&mut self, field: u32, wire_type: u32) {
        debug_assert!((1..1 << 29).contains(&field), "{field} is not a field number");
        varint::encode(u64::from(field) << 3 | u64::from(wire_type), self.out);
    }
}
