//! What the fuzzer does with bytes: one function for each target in `fuzz/`.
//!
//! They are here, and not in the fuzzer's crate, so that the tests replay the committed corpus through the same
//! code without a fuzzer. A function takes any bytes, and panics where a promise of the code under test is broken.
//!
//! Where a layer takes the bytes, the first of them says into what pieces the others are cut.

mod address;
mod connection_pair;
mod dialer;
mod identify;
mod identity;
mod layers;
mod mplex;
mod negotiation;
mod peer_book;
mod perf;
mod security;
mod wire;
mod yamux;

pub use address::address;
pub use connection_pair::connection_pair;
pub use dialer::dialer;
pub use identify::identify;
pub use identity::{keys, peer_id, pre_shared_key, signed_peer_record};
pub use mplex::mplex;
pub use negotiation::{multistream_dialer, multistream_listener};
pub use peer_book::stored_peer;
pub use perf::perf;
pub use security::{
    noise_frames, noise_handshake, plaintext_exchange, secio_frames, secio_handshake, tls_certificate,
    tls_handshake, tls_records,
};
pub use wire::{frame, protobuf, varint};
pub use yamux::yamux;

/// A target's name, which is also that of its program and of its corpus, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("address", address),
    ("connection_pair", connection_pair),
    ("dialer", dialer),
    ("frame", frame),
    ("identify", identify),
    ("keys", keys),
    ("mplex", mplex),
    ("multistream_dialer", multistream_dialer),
    ("multistream_listener", multistream_listener),
    ("noise_frames", noise_frames),
    ("noise_handshake", noise_handshake),
    ("peer_id", peer_id),
    ("perf", perf),
    ("plaintext_exchange", plaintext_exchange),
    ("pre_shared_key", pre_shared_key),
    ("protobuf", protobuf),
    ("secio_frames", secio_frames),
    ("secio_handshake", secio_handshake),
    ("signed_peer_record", signed_peer_record),
    ("stored_peer", stored_peer),
    ("tls_certificate", tls_certificate),
    ("tls_handshake", tls_handshake),
    ("tls_records", tls_records),
    ("varint", varint),
    ("yamux", yamux),
];
