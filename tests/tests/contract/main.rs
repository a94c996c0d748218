//! The contract: two nodes, on every driver and every transport, with the same outcome.

mod story;
