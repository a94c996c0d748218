//! What the fuzzer does with bytes: one function for each target in `fuzz/`.
//!
//! They are here, and not in the fuzzer's crate, so that the tests replay the committed corpus through the same
//! code without a fuzzer. A function takes any bytes, and panics where a promise of the code under test is broken.

mod address;
mod identity;
mod wire;

pub use address::address;
pub use identity::{keys, peer_id};
pub use wire::{frame, protobuf, varint};

/// A target's name, which is also that of its program and of its corpus, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("address", address),
    ("frame", frame),
    ("keys", keys),
    ("peer_id", peer_id),
    ("protobuf", protobuf),
    ("varint", varint),
];
