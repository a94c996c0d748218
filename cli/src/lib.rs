//! This package is a program: `cargo install peerwork`, then `peerwork --help`.
//!
//! What programs link is in other crates: `peerwork-tokio` and `peerwork-smol` have whole nodes, `peerwork-core` the state machines. This one
//! is here for the program's tests, which build it with all runtimes through it.
