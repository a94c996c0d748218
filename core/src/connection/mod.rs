//! One connection: the upgrade pipeline and the streams on it.

mod framing;

pub use framing::Framing;

/// A connection, or the attempt to make one. A counter of the node, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);
