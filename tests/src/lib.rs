//! The laws that every peerwork state machine obeys, as checks that run on yours too.

pub mod fuzz;
