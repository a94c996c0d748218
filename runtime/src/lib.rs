//! The async driver of peerwork and its users' handles, written once for all runtimes.
//!
//! A [`Runtime`] brings sockets, timers and tasks; `peerwork-tokio` is one. Everything else is here: one task that drives the
//! node, one for each connection, and the handles [`Node`] and [`Stream`]. No protocol knowledge: what a message means is
//! `peerwork-core`'s business.
//!
//! Locks live here only: one mutex for each connection, shared by its task and its stream handles.

mod clock;
mod connection;
mod driver;
mod events;
mod node;
mod runtime;
mod stream;

pub use events::{Event, Events, MAX_WAITING_EVENTS};
pub use node::{Connected, Incoming, Listening, Node, ProtocolTaken, RequestError, StartError, Stopped};
pub use runtime::{BoxFuture, Listener, Runtime, Socket};
pub use stream::Stream;
