//! Tests that peerwork runs on its own state machines, for everybody to run on theirs.
//!
//! - [`laws`]: what every layer and every machine must obey, whatever it is for.
//! - [`fuzz`]: what the fuzz targets do with their bytes.

pub mod fuzz;
pub mod laws;
