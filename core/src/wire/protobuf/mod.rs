//! Protobuf messages, read and written in place.
//!
//! The schemas of libp2p are small and fixed, so a codec is a loop over [`Reader`] and a few calls of
//! [`Writer`], and no code is generated. Reading borrows: nothing is allocated or copied, and nested messages
//! are read by nobody but their codec, so hostile nesting costs nothing.
//!
//! ```
//! use bytes::BytesMut;
//! use peerwork_core::wire::protobuf::{ProtobufError, Reader, Writer};
//!
//! let mut message = BytesMut::new();
//! let mut writer = Writer::new(&mut message);
//! writer.bytes(1, b"key");
//! writer.varint(5, 300);
//!
//! let (mut key, mut ttl) = (&[][..], None);
//! for field in Reader::new(&message) {
//!     match field? {
//!         (1, value) => key = value.as_bytes("key")?,
//!         (5, value) => ttl = Some(value.as_u64("ttl")?),
//!         _ => {} // Unknown fields are ignored.
//!     }
//! }
//! assert_eq!((key, ttl), (&b"key"[..], Some(300)));
//! # Ok::<(), ProtobufError>(())
//! ```
//!
//! As protobuf has it, fields come in any order and number; of a field that is not repeated, the last one
//! counts. Groups, which protobuf abandoned, are refused. Packed fields, which libp2p does not use, are not
//! taken apart.

mod reader;
mod writer;

pub use reader::{Reader, Value};
pub use writer::Writer;

/// Why bytes are not the protobuf message that they should be. Blame: whoever sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// The message ends within a field.
    #[error("the message ends within a field")]
    Truncated,
    /// A number has more than 64 bits or ten bytes.
    #[error("a number has more than 64 bits")]
    VarintTooLong,
    /// A field number is zero or above 2^29 - 1.
    #[error("a field number is out of range")]
    BadFieldNumber,
    /// A group, or a wire type that does not exist.
    #[error("field {field} has the unsupported wire type {wire_type}")]
    UnsupportedWireType {
        /// The field's number.
        field: u32,
        /// The wire type: 3, 4, 6 or 7.
        wire_type: u8,
    },
    /// A field of the schema holds another kind of value.
    #[error("the field {field} does not hold {expected}")]
    WrongType {
        /// The field's name.
        field: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
    /// A text field is not valid UTF-8.
    #[error("the field {field} is not UTF-8 text")]
    NotUtf8 {
        /// The field's name.
        field: &'static str,
    },
}

/// How a value is laid out on the wire: the low three bits of a field's key.
mod wire_type {
    pub(super) const VARINT: u32 = 0;
    pub(super) const FIXED64: u32 = 1;
    pub(super) const LENGTH_DELIMITED: u32 = 2;
    pub(super) const FIXED32: u32 = 5;
}

#[cfg(test)]
mod tests;
