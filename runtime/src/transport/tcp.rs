//! TCP, with names.

use super::{Link, Listener, Transport, transport_error};
use crate::resolver::{Family, Resolver, resolve};
use crate::runtime::{BoxFuture, Runtime};
use futures_util::future::{Either, select};
use futures_util::stream::StreamExt;
use peerwork_core::address::{self, Multiaddr, Protocol};
use peerwork_core::swarm::TransportError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How long names are resolved. Shorter than the default dial timeout, so that the error tells what did not answer.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one of a name's addresses gets when others wait behind it.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);

/// TCP over a runtime's sockets, with names resolved when dialling.
///
/// `/dns` has a name's IPv6 and IPv4 addresses dialled, `/dns4` and `/dns6` those of one family. They are tried one after the other,
/// [`MAX_RESOLVED_ADDRESSES`](crate::MAX_RESOLVED_ADDRESSES) at most, within the node's dial timeout; the first that answers is the
/// connection's remote address, and if none does the error lists each.
///
/// Listening on `0.0.0.0` or `[::]` is reported as the addresses that the machine's interfaces have at that time.
pub struct Tcp<R> {
    runtime: R,
    resolver: Arc<dyn Resolver>,
}

impl<R: Runtime> Tcp<R> {
    /// TCP on `runtime`, with names resolved by `resolver`.
    pub fn new(runtime: R, resolver: Arc<dyn Resolver>) -> Self {
        Self { runtime, resolver }
    }
}

impl<R: Runtime> Transport for Tcp<R> {
    fn expected(&self) -> &'static str {
        "/ip4/ADDRESS/tcp/PORT (or /ip6, or /dns, /dns4, /dns6 with a name)"
    }

    fn takes(&self, address: &Multiaddr) -> bool {
        Target::of(address).is_some()
    }

    fn dial(&self, address: Multiaddr) -> BoxFuture<Result<Link, TransportError>> {
        let (runtime, resolver) = (self.runtime.clone(), self.resolver.clone());
        Box::pin(async move {
            match Target::of(&address) {
                Some(Target::Socket(socket)) => connect(&runtime, socket).await,
                Some(Target::Name { name, families, port }) => {
                    let addresses = lookup(&runtime, &*resolver, &name, families).await?;
                    connect_to_any(&runtime, &addresses, port).await
                }
                None => Err(address::InvalidAddress::NotTcp(address).into()),
            }
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

/// What an address of TCP leads to.
enum Target {
    Socket(SocketAddr),
    Name { name: String, families: &'static [Family], port: u16 },
}

impl Target {
    /// `None`: it is not an address of TCP.
    fn of(address: &Multiaddr) -> Option<Self> {
        if let Ok(socket) = address::tcp_socket_address(address) {
            return Some(Self::Socket(socket));
        }
        let mut components = address.iter();
        let (name, families): (_, &[Family]) = match components.next()? {
            Protocol::Dns(name) => (name, &[Family::Ip6, Family::Ip4]),
            Protocol::Dns4(name) => (name, &[Family::Ip4]),
            Protocol::Dns6(name) => (name, &[Family::Ip6]),
            _ => return None,
        };
        match (components.next()?, components.next()) {
            (Protocol::Tcp(port), None) => Some(Self::Name { name: name.into_owned(), families, port }),
            _ => None,
        }
    }
}

async fn lookup<R: Runtime>(
    runtime: &R,
    resolver: &dyn Resolver,
    name: &str,
    families: &[Family],
) -> Result<Vec<IpAddr>, TransportError> {
    let resolving = Box::pin(resolve(resolver, name, families));
    let reason = match select(resolving, runtime.sleep(RESOLVE_TIMEOUT)).await {
        Either::Left((Ok(addresses), _)) => return Ok(addresses),
        Either::Left((Err(error), _)) => error.to_string(),
        Either::Right(_) => format!("no name server answered within {} s", RESOLVE_TIMEOUT.as_secs()),
    };
    Err(TransportError::Name { name: name.to_owned(), reason })
}

/// Tries one address after the other. The last one has all the time that the node gives.
async fn connect_to_any<R: Runtime>(
    runtime: &R,
    addresses: &[IpAddr],
    port: u16,
) -> Result<Link, TransportError> {
    let mut failures = Vec::new();
    for (index, ip) in addresses.iter().enumerate() {
        let socket = SocketAddr::new(*ip, port);
        let connecting = connect(runtime, socket);
        let result = if index + 1 == addresses.len() {
            connecting.await
        } else {
            match select(Box::pin(connecting), runtime.sleep(ATTEMPT_TIMEOUT)).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => {
                    let reason = format!("no answer within {} s", ATTEMPT_TIMEOUT.as_secs());
                    Err(TransportError::Unreachable(reason))
                }
            }
        };
        match result {
            Ok(link) => return Ok(link),
            Err(error) => failures.push((address::from_socket_address(socket), error)),
        }
    }
    Err(TransportError::AllFailed(failures))
}

async fn connect<R: Runtime>(runtime: &R, to: SocketAddr) -> Result<Link, TransportError> {
    let socket = runtime.connect(to).await.map_err(|error| transport_error(&error))?;
    Ok(Link { socket, remote_address: address::from_socket_address(to) })
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
