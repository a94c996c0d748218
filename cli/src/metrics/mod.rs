//! What a node does, told to [Prometheus](https://prometheus.io): `--metrics ADDR`.
//!
//! The node counts by itself; each request takes a copy of its numbers ([`families`] names them) and writes them as text. The
//! [`server`] knows one path and little of HTTP.

mod families;
mod server;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use server::{Server, serve};

use crate::failure::Failure;
use crate::node::quoted;
use std::net::{Ipv4Addr, SocketAddr};

/// Reads the value of `--metrics`: an address, or a port of this machine only.
///
/// # Errors
/// [`Failure::MetricsAddress`].
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, Failure> {
    let port_alone = || text.parse().ok().map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let address = text.parse().ok().or_else(port_alone);
    address.ok_or_else(|| Failure::MetricsAddress { text: quoted(text) })
}
