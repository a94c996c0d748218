//! Toys that use every seam of the contract, each written the way a user would write his own.
//!
//! - [`aead`]: a security protocol whose channel seals and opens in place;
//! - [`mux`]: a muxer with flow control;
//! - [`counter`]: a protocol of messages, with credit and back-pressure;
//! - [`upgrade`]: a protocol that begins with messages and then hands its stream to the application.

pub mod aead;
pub mod counter;
pub mod mux;
pub mod upgrade;

use peerwork_core::protocols::{StreamCloseCause, StreamError};

/// A number for one command, chosen by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// Why a command of a toy protocol failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No stream could be opened.
    NotOpened(StreamError),
    /// The stream ended too early.
    Closed(StreamCloseCause),
}
