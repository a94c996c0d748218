//! Pure codecs: bytes to values and back, without I/O and without state.
//!
//! - [`varint`]: unsigned varints, the numbers of libp2p;
//! - [`frame`]: messages behind a varint length, with a limit;
//! - [`protobuf`]: reading and writing protobuf messages in place.
//!
//! Every decoder takes bytes from strangers: it never panics, and it checks each length before it uses it.

pub mod frame;
pub mod protobuf;
pub mod varint;

pub use frame::FrameError;
