//! Three loops of one's own around a [`LocalNode`]: copy the one that is closest to yours, and this file with it.
//!
//! ```sh
//! cargo add peerwork-core --features aws-lc,tls
//! cargo add getrandom
//! cargo add socket2 --features all
//! cargo add mio --features net,os-poll    # for that one only
//! ```
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
//! - **Closing.** At once means at once: a refused or cancelled socket must be gone before the next dial, since it counts. [`threads`]
//!   cannot quite do that: it shuts the socket down at once, but the descriptor goes when the threads that wait for it have woken, so for a
//!   moment there may be more than the limits allow. In order means that our direction ends when all is written, and that reading goes on
//!   until the remote has ended its own.
//! - **Time.** Call [`LocalNode::handle_timeout`] when [`LocalNode::poll_timeout`] is reached, by the clock and not by how the sleep ended.
//! - **What core has not:** randomness for the seed; and the wall clock, which certificates are compared with, before each connection, and from
//!   which the numbers of the node's signed records begin, since they have to grow from run to run.
//!
//! Each listens at one address, which others must be able to dial, so not at `0.0.0.0`; and has no name service. [`mio`] owns its `Poll`: to use
//! yours, hand in its `Registry` and take a range of tokens.
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
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Builds a node whose time begins with its loop, and whose keys nobody can guess.
///
/// # Errors
/// The system has no randomness to give, or the node cannot be built.
pub fn build<P: Protocols>(builder: NodeBuilder<P>) -> Result<LocalNode<P>, Box<dyn std::error::Error>> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)?;
    let since_1970 = u64::try_from(since_1970().as_nanos()).unwrap_or(u64::MAX);
    let builder = builder.configure(|config| config.identify.first_sequence = since_1970);
    Ok(builder.build_local(Seed::from_entropy(entropy), Instant::ORIGIN)?)
}

/// For certificates: whether they are valid now. Given before each connection, so that a clock that was set does no harm.
fn wall_clock<C>() -> SwarmInput<C> {
    SwarmInput::WallClock { since_1970: since_1970() }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// An error of the system in core's words.
fn transport_error(error: io::Error) -> TransportError {
    match error.kind() {
        ErrorKind::ConnectionRefused => TransportError::Refused,
        ErrorKind::AddrInUse => TransportError::InUse,
        ErrorKind::AddrNotAvailable => TransportError::NotLocal,
        ErrorKind::PermissionDenied => TransportError::Forbidden,
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::TimedOut => {
            TransportError::Unreachable(error.to_string())
        }
        _ => TransportError::Other(error.to_string()),
    }
}

/// How many connections the system keeps until they are accepted. It may keep fewer.
const BACKLOG: i32 = 1_024;

/// Listens. The standard library's way would have an IPv6 socket take IPv4 as well, which then could not be listened on beside it.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    if address.ip().is_unspecified() {
        return Err(io::Error::other("nobody can dial this address; say one of this machine's own"));
    }
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
