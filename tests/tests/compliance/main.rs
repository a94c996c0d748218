//! The compliance suites, for peerwork's own implementations and for some written as a user would.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod muxers;
mod protocols;
mod readme;
mod securities;
mod twins;
