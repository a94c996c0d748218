//! The async driver of peerwork and its users' handles, written once for all runtimes.
//!
//! A [`Runtime`] brings TCP sockets, timers and tasks; `peerwork-tokio` is one. Everything else is here: one task that drives the
//! node, one for each connection, and the handles [`Node`] and [`Stream`]. No protocol knowledge: what a message means is
//! `peerwork-core`'s business.
//!
//! [`NodeBuilder`] puts a node together. What makes its byte streams is a [`Transport`]: [`Tcp`], or the user's own. What looks up
//! names is a [`Resolver`]. What keeps the peers that it meets from one run to the next is a
//! [`PeerStore`](peerwork_core::peer_book::PeerStore), such as a directory by `peerwork-repo`.
//!
//! Locks live in the driver only: one mutex for each connection, shared by its task, its stream handles and the node's task, which takes it to give
//! up a handshake; and one for each dial on the way.

mod builder;
#[cfg(feature = "hickory")]
mod dns;
mod driver;
mod events;
mod management;
mod metrics;
mod node;
mod peers;
mod perf;
mod processor;
mod requests;
mod resolver;
mod runtime;
mod stream;
mod transport;

pub use builder::NodeBuilder;
#[cfg(feature = "hickory")]
pub use dns::Dns;
pub use driver::SAVE_INTERVAL;
pub use events::{Event, Events, MAX_WAITING_EVENTS};
/// What [`Dns`] is made of: its `RuntimeProvider` is what a runtime implements for it.
#[cfg(feature = "hickory")]
pub use hickory_resolver;
pub use metrics::Metrics;
pub use node::{Connected, Incoming, Listening, Node, ProtocolTaken, RequestError, StartError, Stopped};
pub use perf::{Amount, MAX_PERF_STREAMS, MeasureError, Measured, Perf};
pub use processor::computes_aes;
pub use resolver::{ResolveError, Resolver};
pub use runtime::{BoxFuture, BoxStream, Runtime, TcpListener};
pub use stream::Stream;
pub use transport::{Link, Listener, Socket, Tcp, Transport, bind_tcp, transport_error};
