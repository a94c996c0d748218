//! Tests that peerwork runs on its own state machines, for everybody to run on theirs.
//!
//! - [`laws`]: what every layer and every machine must obey, whatever it is for.
//! - [`compliance`]: what a muxer, a security protocol or a protocol must do, yours too.
//! - [`conformance`]: what an adapter to a runtime, or a loop of one's own, must do.
//! - [`drivers`]: whole networks of nodes, on loops in virtual time and on a real runtime.
//! - [`scenario`]: what happens between two nodes, the same on every driver; [`recipe`]: nodes to test with.
//! - [`dialer`]: the dialer's promises, on random schedules, and a model of its rate limiter.
//! - [`toy`]: a muxer, a security protocol and two protocols, as a user would write them.
//! - [`memory`]: a transport that carries streams by itself.
//! - [`fuzz`]: what the fuzz targets do with their bytes.
//! - [`counters`]: which sums of what a swarm counts must agree.

pub mod compliance;
pub mod conformance;
pub mod counters;
pub mod dialer;
pub mod drivers;
pub mod fuzz;
pub mod laws;
pub mod memory;
pub mod recipe;
pub mod scenario;
pub mod toy;

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;

/// The adapter of the guide is a test.
#[doc = include_str!("../../runtime/README.md")]
#[cfg(doctest)]
struct Guide;
