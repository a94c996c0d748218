//! The contract: two nodes, on every driver and every transport, with the same outcome.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
#![allow(clippy::print_stdout, reason = "a failing case is named by the line before it")]

mod limits;
mod own;
mod phases;
mod several;
mod story;
mod upheaval;
