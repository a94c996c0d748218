//! Three loops of one's own around a [`LocalNode`]: copy the one that is closest to yours.
//!
//! | | the node's thread waits for | sockets |
//! |---|---|---|
//! | [`threads`] | a channel, or the next deadline | blocking, two threads each |
//! | [`mio`] | any of its sockets, or the next deadline | non-blocking, with readiness |
//! | [`frames`] | nothing: it is called once per frame | non-blocking, tried in turn |
//!
//! What each of them owes is the same:
//!
//! - **Input.** Read a socket into [`LocalNode::receive`], which keeps what the connection does not take and offers it again. Stop reading while
//!   [`LocalNode::wants_input`] is false, or a peer fills the memory; [`Sockets::resume`](peerwork_core::node::Sockets::resume) says when to
//!   go on. An end or an error of the socket is input too, and costs its connection only.
//! - **Outputs.** After whatever was told to the node, call [`LocalNode::poll_event`] until there is nothing: it listens, dials, writes and closes
//!   through [`Sockets`](peerwork_core::node::Sockets). What a socket does not take is kept, and written when [`LocalNode::drive`] is called
//!   because there is room again.
//! - **Closing.** At once means at once: a refused or cancelled socket must be gone before the next dial, since it counts. In order means that
//!   our direction ends when all is written, and that reading goes on until the remote has ended its own.
//! - **Time.** Call [`LocalNode::handle_timeout`] when [`LocalNode::poll_timeout`] is reached, by the clock and not by how the sleep ended.
//! - **What core has not:** randomness for the seed, and the wall clock, which certificates are compared with, before each connection.
//!
//! None of it knows a protocol.

pub mod frames;
pub mod mio;
pub mod threads;

use peerwork_core::node::{LocalNode, NodeBuilder};
use peerwork_core::protocols::Protocols;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{SwarmInput, TransportError};
use peerwork_core::time::Instant;
use socket2::{Domain, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::time::{SystemTime, UNIX_EPOCH};

/// Builds a node whose time begins with its loop, and whose keys nobody can guess.
///
/// # Errors
/// The system has no randomness to give, or the node cannot be built.
pub fn build<P: Protocols>(builder: NodeBuilder<P>) -> Result<LocalNode<P>, Box<dyn std::error::Error>> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)?;
    Ok(builder.build_local(Seed::from_entropy(entropy), Instant::ORIGIN)?)
}

/// For certificates: whether they are valid now. Given before each connection, so that a clock that was set does no harm.
fn wall_clock<C>() -> SwarmInput<C> {
    SwarmInput::WallClock { since_1970: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
}

/// An error of the system in core's words.
fn transport_error(error: io::Error) -> TransportError {
    match error.kind() {
        ErrorKind::ConnectionRefused => TransportError::Refused,
        ErrorKind::AddrInUse => TransportError::InUse,
        ErrorKind::AddrNotAvailable => TransportError::NotLocal,
        _ => TransportError::Other(error.to_string()),
    }
}

/// How many connections the system keeps until they are accepted. It may keep fewer.
const BACKLOG: i32 = 1_024;

/// Listens. The standard library's way would have an IPv6 socket take IPv4 as well, which then could not be listened on beside it.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On Unix the port is not to be closed to us because connections of an earlier run are remembered.
    socket.set_reuse_address(cfg!(unix))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
