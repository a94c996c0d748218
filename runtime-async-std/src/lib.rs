//! peerwork on async-std: sockets, timers, tasks and the system's name resolution, nothing else.
//!
//! **async-std is discontinued** since March 2025 ([RUSTSEC-2025-0052](https://rustsec.org/advisories/RUSTSEC-2025-0052)): it gets no fixes any
//! more. This crate is for programs that are on it already. Who starts anew takes `peerwork-tokio` or, outside of tokio, `peerwork-smol`. Its
//! sockets and timers are used here too, since async-std has them from async-io as well; so to move there later is to change names.
//!
//! ```
//! use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
//! use peerwork_async_std::{NodeBuilder, Target};
//!
//! #[async_std::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let echo = "/echo/1.0.0".parse()?;
//!     let (server, client) = (NodeBuilder::new().start().await?, NodeBuilder::new().start().await?);
//!     let mut incoming = server.handle_protocol(&echo).await?;
//!     async_std::task::spawn(async move {
//!         while let Some(stream) = incoming.next().await {
//!             let (mut reader, mut writer) = stream.split();
//!             async_std::task::spawn(async move {
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
//! What a node can do, its events and its errors are the same on every runtime; the documentation of `peerwork-tokio` shows more of it, that
//! of `peerwork-smol` a transport of the user's own over futures-io.
//!
//! # Features
//!
//! - `aws-lc` (on by default): nodes use the [fast crypto provider](peerwork_smol::core::crypto), which needs a C compiler to build. Without it they use
//!   the portable one, which does not sign with RSA identities.
//! - `tls` (on by default): the security protocol TLS 1.3.

mod executor;

pub use executor::AsyncStdExecutor;
pub use peerwork_runtime::*;
pub use peerwork_smol::{AsyncIo, Executor, Io, Target, core};

/// Puts a node together and starts it on async-std. See [`peerwork_runtime::NodeBuilder`].
pub type NodeBuilder<P = ()> = peerwork_runtime::NodeBuilder<P, AsyncStd>;

/// perf on async-std. See [`peerwork_runtime::Perf`].
pub type Perf = peerwork_runtime::Perf<AsyncStd>;

/// The system's name resolution on async-std, or that of other name servers. See [`peerwork_runtime::Dns`].
pub type Dns = peerwork_runtime::Dns<AsyncStd>;

/// async-std.
pub type AsyncStd = AsyncIo<AsyncStdExecutor>;

/// The example of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
