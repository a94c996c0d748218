//! Transports: how byte streams to an address are made. [`Tcp`] is one; users bring their own.

mod tcp;

pub use tcp::{Tcp, bind_tcp};

use crate::runtime::{BoxFuture, BoxStream};
use bytes::BytesMut;
use peerwork_core::address::Multiaddr;
use peerwork_core::swarm::TransportError;
use peerwork_core::swarm::dialer::{Cost, Dialable};
use std::fmt;
use std::io;
use std::task::{Context, Poll};

/// Makes byte streams for the addresses of one kind.
///
/// A node has one or more, [said one by one](crate::NodeBuilder::transport); the first that takes an address gets it. What travels on
/// the byte stream, encryption included, is none of its business.
///
/// The futures that it gives run on the node's runtime. Dropping one cancels what it does.
pub trait Transport: Send + Sync + 'static {
    /// What the addresses look like that it takes, for error messages: `/memory/NUMBER`.
    fn expected(&self) -> &str;

    /// Whether the address is for this transport. It has no peer id at its end: that is the node's business, not the transport's.
    fn takes(&self, address: &Multiaddr) -> bool;

    /// What dialling an address that it takes costs while it lasts: a file descriptor, where nothing else is said.
    fn cost(&self, _address: &Multiaddr) -> Cost {
        Cost::Descriptor
    }

    /// Connects to an address that it takes, which has no names in it: the node looks them up before. Is dropped when the dialer's
    /// [timeout](peerwork_core::swarm::DialerConfig::attempt_timeout) is over.
    ///
    /// # Errors
    /// No byte stream came about. [`transport_error`] puts the system's errors in words.
    fn dial(&self, address: Multiaddr) -> BoxFuture<Result<Link, TransportError>>;

    /// Listens on an address that it takes.
    ///
    /// # Errors
    /// It cannot be listened on.
    fn listen(&self, address: Multiaddr) -> BoxFuture<Result<Listener, TransportError>>;
}

/// A byte stream to a remote.
pub struct Link {
    /// The byte stream.
    pub socket: Box<dyn Socket>,
    /// Where the remote is, as others could dial it. Identify tells it to the remote, for which it is its own address seen from outside.
    pub remote_address: Multiaddr,
}

/// An address that is listened on. Dropping it ends that.
pub struct Listener {
    /// Where it can be dialled, with real ports: one address for each of the machine's own where the wish was for all of them.
    pub addresses: Vec<Multiaddr>,
    /// The byte streams of remotes. The node goes on after an error, with a pause; the end of the stream ends the listener.
    pub incoming: BoxStream<io::Result<Link>>,
}

/// A connected byte stream. A `poll_*` that is pending wakes the task of its last call. Dropping it closes both directions.
pub trait Socket: Send + 'static {
    /// Appends what has arrived to `buffer`, into its spare capacity. Zero: the remote has ended its direction.
    ///
    /// # Errors
    /// The system's.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Sends a prefix of `bytes` and gives its length.
    ///
    /// # Errors
    /// The system's.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Ends our direction.
    ///
    /// # Errors
    /// The system's.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// The system's error in the words of a transport.
pub fn transport_error(error: &io::Error) -> TransportError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => TransportError::Refused,
        io::ErrorKind::AddrInUse => TransportError::InUse,
        io::ErrorKind::AddrNotAvailable => TransportError::NotLocal,
        io::ErrorKind::PermissionDenied => TransportError::Forbidden,
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::TimedOut => {
            TransportError::Unreachable(error.to_string())
        }
        _ => TransportError::Other(error.to_string()),
    }
}

/// The transports of a node, in the order in which they are asked.
#[derive(Clone)]
pub(crate) struct Transports(pub(crate) std::sync::Arc<[Box<dyn Transport>]>);

impl Transports {
    /// The first transport that takes the address.
    ///
    /// # Errors
    /// [`TransportError::Unsupported`]: none does.
    pub(crate) fn find(&self, address: &Multiaddr) -> Result<&dyn Transport, TransportError> {
        let transport = self.0.iter().find(|transport| transport.takes(address));
        transport.map(Box::as_ref).ok_or_else(|| {
            let expected: Vec<_> = self.0.iter().map(|transport| transport.expected()).collect();
            TransportError::Unsupported { expected: expected.join(" or ") }
        })
    }
}

impl fmt::Debug for Transports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|transport| transport.expected())).finish()
    }
}

impl Dialable for Transports {
    fn cost(&self, address: &Multiaddr) -> Result<Cost, TransportError> {
        self.find(address).map(|transport| transport.cost(address))
    }
}
