//! The conformance suite, for every adapter of peerwork's, and for some that are broken on purpose.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod adapters;
mod loops;
mod readme;
mod twins;
