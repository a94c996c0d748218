//! libp2p as sans-IO state machines: the protocols, the connection, the swarm and the node.
//!
//! Nothing in this crate opens a socket, reads a clock, starts a thread or asks the operating system for randomness. Bytes or
//! facts and a point in time go in; bytes or facts and a deadline come out. The same code runs under tokio, in your own event
//! loop, in a simulation and under a fuzzer, and the same seed gives the same run, byte for byte.
//!
//! # The map
//!
//! ```text
//!         application                             application's streams
//!              |  commands, events                        |  bytes
//!    +---------v-----------+                              |
//!    | node::Node          |   swarm + mounted protocols  |
//!    |  swarm::Swarm       |                              |
//!    |  ping identify ...  |                              |
//!    +----^-----------+----+                              |
//!  ToNode |           | ToConnection (plain values)       |
//!    +----+-----------v-----------------------------------v----+
//!    | connection::Connection          one per socket          |
//!    |  negotiating -> securing -> negotiating -> open         |
//!    |  streams: each negotiated, then raw bytes or messages   |
//!    |  muxer::Muxer         (mplex)                           |
//!    |  security::Channel    (tls | noise | secio | plaintext) |
//!    +----------------------^----------------------------------+
//!                           |  bytes
//!                         socket (owned by the driver)
//! ```
//!
//! Start reading at [`machine`], the contract. [`connection`] is one connection, [`swarm`] all of them, [`node`] what most
//! people use. [`protocols`] is where a protocol of your own plugs in; [`security`], [`muxer`], [`routing`] and [`records`] have the traits
//! for security protocols, muxers, sources of peers' addresses and record stores.
//!
//! # Features
//!
//! None is on by default; `peerwork-tokio` and its like switch both of the first on.
//!
//! - `tls`: the security protocol TLS 1.3 ([`security`]). A node that is told nothing prefers it then; otherwise it has noise alone.
//! - `aws-lc`: the fast crypto provider ([`crypto`]), which needs a C compiler to build. Otherwise nodes use the portable one.
//! - `insecure`: a crypto provider that protects nothing, for fuzzing and tests.
//!
//! # Two nodes in a loop
//!
//! The loop below is a whole driver: it carries bytes between two nodes, which agree on a security protocol and a muxer, open a
//! stream and talk. A real one reads and writes sockets where this one moves buffers, and sleeps until
//! [`LocalNode::poll_timeout`](node::LocalNode::poll_timeout) instead of running until nothing is left to do.
//!
//! ```
//! use bytes::BytesMut;
//! use peerwork_core::address::Multiaddr;
//! use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder};
//! use peerwork_core::protocols::Target;
//! use peerwork_core::swarm::{SwarmEvent, SwarmInput};
//! use peerwork_core::{negotiation::ProtocolId, seed::Seed, time::Instant};
//!
//! let (now, chat) = (Instant::ORIGIN, ProtocolId::from_static("/chat/1.0.0"));
//! let build = |number| {
//!     NodeBuilder::new().build_local(Seed::reproducible(number), now)
//! };
//! let mut nodes = [build(1)?, build(2)?];
//! nodes[1].handle_protocol(chat.clone(), now);
//! let listener = nodes[1].listen("/ip4/10.0.0.2/tcp/4001".parse()?, now);
//! nodes[0].dial("/ip4/10.0.0.2/tcp/4001".parse::<Multiaddr>()?, now);
//! // There is one connection; each node has its own id for it, and what is on the way to it.
//! let (mut ids, mut wires) = ([None, None], [BytesMut::new(), BytesMut::new()]);
//! let (mut reading, mut heard) = (None, Vec::new());
//!
//! while let Some((me, output)) = (0..2).find_map(|me| nodes[me].poll_output().map(|output| (me, output))) {
//!     let node: &mut LocalNode = &mut nodes[me];
//!     match output {
//!         LocalOutput::Listen { listener, address } => {
//!             node.handle_input(SwarmInput::Listening { listener, address }, now);
//!         }
//!         LocalOutput::Dial { connection, address } => {
//!             node.handle_input(SwarmInput::Dialed { connection, remote_address: address }, now);
//!             let remote = nodes[1].handle_incoming(listener, "/ip4/10.0.0.1/tcp/50000".parse()?, now);
//!             ids = [Some(connection), Some(remote)];
//!         }
//!         LocalOutput::Drive { connection } => {
//!             while let Some(remote) = ids[1 - me]
//!                 && nodes[me].poll_transmit(connection, &mut wires[1 - me], 4096, now) > 0
//!             {
//!                 nodes[1 - me].handle_bytes(remote, &mut wires[1 - me], now);
//!             }
//!         }
//!         LocalOutput::Event(SwarmEvent::Connected { peer, .. }) if me == 0 => {
//!             node.open_stream(Target::Peer(peer), chat.clone(), now);
//!         }
//!         LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) if me == 0 => {
//!             node.write(stream, b"hello", now)?;
//!             node.close_write(stream, now);
//!         }
//!         LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => reading = Some(stream),
//!         _ => {}
//!     }
//!     while let Some(stream) = reading
//!         && let Ok(bytes) = nodes[1].read(stream, 1024, now)
//!     {
//!         heard.extend_from_slice(&bytes);
//!     }
//! }
//! assert_eq!(heard, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod address;
mod collections;
pub mod connection;
pub mod crypto;
pub mod identity;
pub mod machine;
pub mod muxer;
pub mod negotiation;
pub mod node;
pub mod peer_book;
pub mod protocols;
pub mod records;
pub mod routing;
pub mod security;
pub mod seed;
pub mod swarm;
pub mod time;
pub mod wire;
