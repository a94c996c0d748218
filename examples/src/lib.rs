//! Worked examples of peerwork; each is run as a test.
//!
//! - [`motd`]: a protocol of one's own, on tokio and alone. `docs/tutorial.md` explains it.
//! - [`loops`]: a node in an event loop of one's own, in three kinds; and [`echo`], what is said in them.

pub mod echo;
pub mod loops;
pub mod motd;
