//! plaintext 2.0.0.
