//! peerwork on smol: sockets, timers, tasks and the system's name resolution, nothing else.
//!
//! ```
//! use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
//! use peerwork_smol::{NodeBuilder, Target};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     smol::block_on(async {
//!         let echo = "/echo/1.0.0".parse()?;
//!         let (server, client) = (NodeBuilder::new().start().await?, NodeBuilder::new().start().await?);
//!         let mut incoming = server.handle_protocol(&echo).await?;
//!         smol::spawn(async move {
//!             while let Some(stream) = incoming.next().await {
//!                 let (mut reader, mut writer) = stream.split();
//!                 let answer = async move {
//!                     futures_util::io::copy(&mut reader, &mut writer).await?;
//!                     writer.close().await
//!                 };
//!                 smol::spawn(answer).detach();
//!             }
//!         })
//!         .detach();
//!         let listening = server.listen("/ip4/127.0.0.1/tcp/0".parse()?).await?;
//!         let connected = client.dial(listening.address).await?;
//!         let mut stream = client.open_stream(Target::Peer(connected.peer), &[echo]).await?;
//!         stream.write_all(b"hello").await?;
//!         stream.close().await?;
//!         let mut answer = String::new();
//!         stream.read_to_string(&mut answer).await?;
//!         assert_eq!(answer, "hello");
//!         Ok(())
//!     })
//! }
//! ```
//!
//! What a node can do, its events and its errors are the same on every runtime; the documentation of `peerwork-tokio` shows more of it.
//!
//! # Executors
//!
//! A node runs on smol's global executor, unless it is told another one. On one that runs in a single thread, so does the node:
//!
//! ```
//! use peerwork_smol::{NodeBuilder, Smol};
//! use std::sync::Arc;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let executor = Arc::new(smol::Executor::new());
//!     let here = Smol::on(&executor);
//!     smol::block_on(executor.run(async {
//!         let server = NodeBuilder::new().runtime(here.clone()).listen("/ip4/127.0.0.1/tcp/0".parse()?).start().await?;
//!         let node = NodeBuilder::new().runtime(here).start().await?;
//!         let connected = node.dial(server.listen_addresses().await?.remove(0)).await?;
//!         node.ping(connected.peer).await?;
//!         Ok(())
//!     }))
//! }
//! ```
//!
//! Sockets and timers are async-io's, which need no executor of a certain kind: [`AsyncIo`] is the runtime over any [`Executor`]. What
//! is used beside a node is told the executor too: [`Perf::on`](peerwork_runtime::Perf::on), [`Dns::on`](peerwork_runtime::Dns::on).
//!
//! # A transport of your own
//!
//! Whatever makes byte streams is a [`Transport`], and [`Io`] makes a [`Socket`] of one that is `AsyncRead` and `AsyncWrite` of futures-io.
//! This one connects nodes over sockets of the Unix domain, at addresses such as `/unix/run/node.sock`:
//!
//! ```
//! # #[cfg(not(unix))] fn main() {}
//! # #[cfg(unix)] mod unix {
//! use futures_util::StreamExt;
//! use peerwork_smol::core::address::{Multiaddr, Protocol};
//! use peerwork_smol::core::swarm::TransportError;
//! use peerwork_smol::{BoxFuture, Io, Link, Listener, NodeBuilder, Transport, transport_error};
//! use smol::net::unix::{UnixListener, UnixStream};
//!
//! struct Unix;
//!
//! fn path(address: &Multiaddr) -> Option<String> {
//!     match address.iter().next()? {
//!         Protocol::Unix(path) => Some(path.into_owned()),
//!         _ => None,
//!     }
//! }
//!
//! impl Transport for Unix {
//!     fn expected(&self) -> &str {
//!         "/unix/PATH"
//!     }
//!
//!     fn takes(&self, address: &Multiaddr) -> bool {
//!         path(address).is_some()
//!     }
//!
//!     fn dial(&self, address: Multiaddr) -> BoxFuture<Result<Link, TransportError>> {
//!         Box::pin(async move {
//!             let stream = UnixStream::connect(path(&address).unwrap_or_default()).await;
//!             let stream = stream.map_err(|error| transport_error(&error))?;
//!             Ok(Link { socket: Box::new(Io(stream)), remote_address: address })
//!         })
//!     }
//!
//!     fn listen(&self, address: Multiaddr) -> BoxFuture<Result<Listener, TransportError>> {
//!         Box::pin(async move {
//!             let listener = UnixListener::bind(path(&address).unwrap_or_default());
//!             let listener = listener.map_err(|error| transport_error(&error))?;
//!             let remote_address = address.clone();
//!             let incoming = futures_util::stream::unfold(listener, |listener| async {
//!                 let accepted = listener.accept().await;
//!                 Some((accepted, listener))
//!             });
//!             let incoming = incoming.map(move |accepted| {
//!                 Ok(Link { socket: Box::new(Io(accepted?.0)), remote_address: remote_address.clone() })
//!             });
//!             Ok(Listener { addresses: vec![address], incoming: Box::pin(incoming) })
//!         })
//!     }
//! }
//!
//! # pub fn main() -> Result<(), Box<dyn std::error::Error>> {
//! smol::block_on(async {
//!     let file = std::env::temp_dir().join(format!("peerwork-{}.sock", std::process::id()));
//!     let address = Multiaddr::empty().with(Protocol::Unix(file.to_string_lossy()));
//!     let server = NodeBuilder::new().transport(Unix).listen(address.clone()).start().await?;
//!     let client = NodeBuilder::new().transport(Unix).tcp().start().await?;
//!     let connected = client.dial(address).await?;
//!     assert_eq!(connected.peer, server.local_peer());
//!     std::fs::remove_file(file)?;
//!     Ok(())
//! })
//! # }
//! # }
//! # #[cfg(unix)] fn main() { unix::main().unwrap() }
//! ```
//!
//! # Features
//!
//! - `aws-lc` (on by default): nodes use the [fast crypto provider](peerwork_core::crypto), which needs a C compiler to build. Without it they use the
//!   portable one, which does not sign with RSA identities.
//! - `tls` (on by default): the security protocol TLS 1.3.

mod async_io;
mod dns;
mod executor;
mod tcp;

pub use async_io::AsyncIo;
pub use executor::{Executor, SmolExecutor};
pub use peerwork_core as core;
pub use peerwork_core::protocols::Target;
pub use peerwork_runtime::*;
pub use tcp::Io;

/// Puts a node together and starts it on smol. See [`peerwork_runtime::NodeBuilder`].
pub type NodeBuilder<P = ()> = peerwork_runtime::NodeBuilder<P, Smol>;

/// perf on smol. See [`peerwork_runtime::Perf`].
pub type Perf = peerwork_runtime::Perf<Smol>;

/// The system's name resolution on smol, or that of other name servers. See [`peerwork_runtime::Dns`].
pub type Dns = peerwork_runtime::Dns<Smol>;

/// smol: its global executor, or [one of the user's own](AsyncIo::on).
pub type Smol = AsyncIo<SmolExecutor>;

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
