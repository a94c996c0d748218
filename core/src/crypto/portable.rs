//! The portable provider: pure Rust.

/// The portable provider: the RustCrypto and dalek families, pure Rust on any target.
#[derive(Debug, Clone, Copy, Default)]
pub struct Portable;
