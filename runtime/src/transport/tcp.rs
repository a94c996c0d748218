//! TCP.

use super::{Link, Listener, Transport, transport_error};
use crate::runtime::{BoxFuture, Runtime};
use futures_util::stream::StreamExt;
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::swarm::TransportError;
use socket2::{Domain, Protocol, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// How many connections the system keeps until they are accepted. It may keep fewer.
const BACKLOG: i32 = 1024;

/// Makes the listening socket that [`Runtime::listen`] promises, non-blocking, for the runtime to wrap.
///
/// # Errors
/// The system's.
pub fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On Unix, connections of the program's last run do not keep the port; on Windows it would mean to share the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// TCP over a runtime's sockets.
///
/// Listening on `0.0.0.0` or `[::]` is reported as the addresses that the machine's interfaces have at that time.
pub struct Tcp<R> {
    runtime: R,
}

impl<R: Runtime> Tcp<R> {
    /// TCP on `runtime`.
    pub fn new(runtime: R) -> Self {
        Self { runtime }
    }
}

impl<R: Runtime> Transport for Tcp<R> {
    fn expected(&self) -> &'static str {
        "/ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT"
    }

    fn takes(&self, address: &Multiaddr) -> bool {
        address::tcp_socket_address(address).is_ok()
    }

    fn dial(&self, address: Multiaddr) -> BoxFuture<Result<Link, TransportError>> {
        let runtime = self.runtime.clone();
        Box::pin(async move {
            let socket = address::tcp_socket_address(&address)?;
            let socket = runtime.connect(socket).await.map_err(|error| transport_error(&error))?;
            Ok(Link { socket, remote_address: address })
        })
    }

    fn listen(&self, address: Multiaddr) -> BoxFuture<Result<Listener, TransportError>> {
        let runtime = self.runtime.clone();
        Box::pin(async move {
            let socket = address::tcp_socket_address(&address)?;
            let listening = runtime.listen(socket).await.map_err(|error| transport_error(&error))?;
            let incoming = listening.incoming.map(|accepted| {
                let (socket, from) = accepted?;
                Ok(Link { socket, remote_address: address::from_socket_address(from) })
            });
            Ok(Listener { addresses: reachable(listening.address), incoming: Box::pin(incoming) })
        })
    }
}

/// Where a socket that is bound to `address` can be dialled, what only this machine can dial last.
///
/// Link-local addresses are left out: they mean nothing without their interface.
fn reachable(address: SocketAddr) -> Vec<Multiaddr> {
    let bound = vec![address::from_socket_address(address)];
    if !address.ip().is_unspecified() {
        return bound;
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list this machine's addresses");
        Vec::new()
    });
    let mut ips: Vec<IpAddr> = interfaces
        .iter()
        .filter(|interface| !interface.is_link_local())
        .map(if_addrs::Interface::ip)
        .filter(|ip| ip.is_ipv4() == address.is_ipv4())
        .collect();
    ips.sort_by_key(|ip| (ip.is_loopback(), *ip));
    ips.dedup();
    let addresses: Vec<Multiaddr> =
        ips.into_iter().map(|ip| address::from_socket_address(SocketAddr::new(ip, address.port()))).collect();
    if addresses.is_empty() { bound } else { addresses }
}

#[cfg(test)]
mod tests;
