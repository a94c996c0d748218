//! The contract: two nodes, on every driver and every transport, with the same outcome.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod story;
