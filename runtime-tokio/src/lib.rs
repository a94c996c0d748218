//! peerwork on tokio: sockets, timers, tasks and the system's name resolution, nothing else.
//!
//! ```
//! use peerwork_tokio::{NodeBuilder, Target};
//! use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let echo = "/echo/1.0.0".parse()?;
//!     let (server, client) = (NodeBuilder::new().start().await?, NodeBuilder::new().start().await?);
//!     let mut incoming = server.handle_protocol(&echo).await?;
//!     tokio::spawn(async move {
//!         while let Some(stream) = incoming.next().await {
//!             let (mut reader, mut writer) = stream.split();
//!             tokio::spawn(async move {
//!                 futures_util::io::copy(&mut reader, &mut writer).await?;
//!                 writer.close().await
//!             });
//!         }
//!     });
//!     let listening = server.listen("/ip4/127.0.0.1/tcp/0".parse()?).await?;
//!     let connected = client.dial(listening.address).await?;
//!     let mut stream = client.open_stream(Target::Peer(connected.peer), &[echo]).await?;
//!     stream.write_all(b"hello").await?;
//!     stream.close().await?;
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer).await?;
//!     assert_eq!(answer, "hello");
//!     Ok(())
//! }
//! ```
//!
//! # A transport of your own
//!
//! Whatever makes byte streams is a [`Transport`]. This one connects nodes within a program, at addresses such as `/memory/7`:
//!
//! ```
//! use peerwork_tokio::core::address::{Multiaddr, Protocol};
//! use peerwork_tokio::core::swarm::TransportError;
//! use peerwork_tokio::{BoxFuture, Io, Link, Listener, NodeBuilder, Transport};
//! use std::collections::HashMap;
//! use std::sync::{Arc, Mutex};
//! use tokio::sync::mpsc;
//!
//! /// Pipes in memory. Clones share their addresses.
//! #[derive(Clone, Default)]
//! struct Memory {
//!     listeners: Arc<Mutex<HashMap<Multiaddr, mpsc::Sender<Link>>>>,
//! }
//!
//! impl Transport for Memory {
//!     fn expected(&self) -> &str {
//!         "/memory/NUMBER"
//!     }
//!
//!     fn takes(&self, address: &Multiaddr) -> bool {
//!         matches!(address.iter().collect::<Vec<_>>()[..], [Protocol::Memory(_)])
//!     }
//!
//!     fn dial(&self, address: Multiaddr) -> BoxFuture<Result<Link, TransportError>> {
//!         let listener = self.listeners.lock().unwrap().get(&address).cloned();
//!         Box::pin(async move {
//!             let (ours, theirs) = tokio::io::duplex(64 * 1024);
//!             let link = |pipe| Link { socket: Box::new(Io(pipe)), remote_address: address.clone() };
//!             let listener = listener.ok_or(TransportError::Refused)?;
//!             listener.send(link(theirs)).await.map_err(|_| TransportError::Refused)?;
//!             Ok(link(ours))
//!         })
//!     }
//!
//!     fn listen(&self, address: Multiaddr) -> BoxFuture<Result<Listener, TransportError>> {
//!         let (sender, mut accepted) = mpsc::channel(16);
//!         self.listeners.lock().unwrap().insert(address.clone(), sender);
//!         let incoming = futures_util::stream::poll_fn(move |cx| accepted.poll_recv(cx).map(|link| link.map(Ok)));
//!         Box::pin(async { Ok(Listener { addresses: vec![address], incoming: Box::pin(incoming) }) })
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let memory = Memory::default();
//!     let server = NodeBuilder::new().transport(memory.clone()).tcp().listen("/memory/7".parse()?).start().await?;
//!     let client = NodeBuilder::new().transport(memory).start().await?;
//!     let connected = client.dial("/memory/7".parse::<Multiaddr>()?).await?;
//!     assert_eq!(connected.peer, server.local_peer());
//!     client.ping(connected.peer).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Whom a node has met
//!
//! A node remembers where peers can be reached ([`peer_book`](core::peer_book)), so that a peer id alone is enough to dial. With a store
//! ([`NodeBuilder::peer_store`](peerwork_runtime::NodeBuilder::peer_store)), such as the directory of `peerwork-repo`, it does so from one
//! run to the next.
//!
//! ```
//! use peerwork_tokio::NodeBuilder;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = NodeBuilder::new().listen("/ip4/127.0.0.1/tcp/0".parse()?).start().await?;
//!     let node = NodeBuilder::new().start().await?;
//!     node.add_address(server.local_peer(), server.listen_addresses().await?.remove(0)).await?;
//!     node.dial(server.local_peer()).await?;
//!     let known = node.known_peer(server.local_peer()).await?.ok_or("nobody knows")?;
//!     assert!(known.is_connected && known.addresses[0].was_reached);
//!     Ok(())
//! }
//! ```
//!
//! # Who may be connected, and for how long
//!
//! A node limits what strangers may take, in all and from each range of addresses ([`Limits`](core::swarm::Limits)); it keeps lists of whom
//! to let in and whom not ([`Node::block`], [`Node::allow`]); it closes connections when there are too many
//! ([`NodeBuilder::watermarks`](peerwork_runtime::NodeBuilder::watermarks), [`Node::tag`], [`Node::protect`]), and those that nobody
//! needs; and it tells why one is open.
//!
//! ```
//! use peerwork_tokio::core::swarm::{PeerOrRange, Watermarks};
//! use peerwork_tokio::NodeBuilder;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = NodeBuilder::new().listen("/ip4/127.0.0.1/tcp/0".parse()?).start().await?;
//!     let node = NodeBuilder::new().watermarks(Watermarks::new(900, 600)).start().await?;
//!     node.protect(server.local_peer(), "bootstrap").await?;
//!     let connected = node.dial(server.listen_addresses().await?.remove(0)).await?;
//!     node.keep_alive(connected.connection, true).await?;
//!     let why = node.why_alive(connected.connection).await?.ok_or("the connection is gone")?;
//!     // For instance "kept open:\n  the user wishes it\nnot closed when there are too many connections: bootstrap".
//!     assert!(why.to_string().contains("the user wishes it"));
//!     node.block("127.0.0.0/8".parse::<PeerOrRange>()?).await?;
//!     assert!(node.dial(connected.remote_address).await.is_err());
//!     Ok(())
//! }
//! ```
//!
//! # What a node counts
//!
//! Dials, connections, streams, bytes: [`Node::metrics`] gives plain numbers, for whatever shows them.
//!
//! ```
//! use peerwork_tokio::NodeBuilder;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = NodeBuilder::new().listen("/ip4/127.0.0.1/tcp/0".parse()?).start().await?;
//!     let node = NodeBuilder::new().start().await?;
//!     node.dial(server.listen_addresses().await?.remove(0)).await?;
//!     let metrics = node.metrics().await?;
//!     assert_eq!(metrics.swarm.dialer.dials_succeeded, 1);
//!     assert_eq!((metrics.swarm.connections_opened.outbound, metrics.swarm.peers), (1, 1));
//!     assert!(metrics.traffic.sent_bytes > 0 && metrics.traffic.received_bytes > 0);
//!     Ok(())
//! }
//! ```
//!
//! # Features
//!
//! - `aws-lc` (on by default): nodes use the [fast crypto provider](peerwork_core::crypto), which needs a C compiler to build. Without it they use the
//!   portable one, which does not sign with RSA identities.
//! - `tls` (on by default): the security protocol TLS 1.3.

mod tcp;

pub use peerwork_core as core;
pub use peerwork_core::protocols::Target;
pub use peerwork_runtime::*;
pub use tcp::Io;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Puts a node together and starts it on tokio. See [`peerwork_runtime::NodeBuilder`].
pub type NodeBuilder<P = ()> = peerwork_runtime::NodeBuilder<P, Tokio>;

/// perf on tokio. See [`peerwork_runtime::Perf`].
pub type Perf = peerwork_runtime::Perf<Tokio>;

/// The system's name resolution on tokio, or that of other name servers. See [`peerwork_runtime::Dns`]; hickory has its own provider for tokio,
/// so `Dns::on` takes that.
pub type Dns = peerwork_runtime::Dns<hickory_resolver::net::runtime::TokioRuntimeProvider>;

/// tokio: the runtime of the task that makes it.
#[derive(Debug, Clone)]
pub struct Tokio {
    handle: tokio::runtime::Handle,
}

impl Runtime for Tokio {
    fn current() -> Result<Self, StartError> {
        let handle = tokio::runtime::Handle::try_current();
        handle.map(|handle| Self { handle }).map_err(|error| StartError::NoRuntime(error.to_string()))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.handle.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    // That of its timers, which stands still in tests with `start_paused`.
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Socket>>> {
        Box::pin(tcp::connect(address))
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpListener>> {
        Box::pin(async move { tcp::listen(address) })
    }

    fn resolver(&self) -> Arc<dyn Resolver> {
        Arc::new(Dns::system())
    }
}

/// The examples of the project's README and of this crate's are tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
#[doc = include_str!("../README.md")]
struct Readme;
