//! Names: what a resolver brings, and how names are checked and turned into addresses.

use crate::runtime::BoxFuture;
use futures_util::future::join;
use std::net::{IpAddr, Ipv4Addr};

/// The most addresses that are used of a name; an answer's rest is dropped. Bounds what a name server can make us dial.
pub const MAX_RESOLVED_ADDRESSES: usize = 16;

/// The longest name in DNS, without the dot at its end.
const MAX_NAME_BYTES: usize = 253;

/// The longest part between two dots in DNS.
const MAX_LABEL_BYTES: usize = 63;

/// Which kind of address is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4, a name's A records.
    Ip4,
    /// IPv6, a name's AAAA records.
    Ip6,
}

/// Turns names into IP addresses. A runtime brings the system's; another one is said with
/// [`NodeBuilder::resolver`](crate::NodeBuilder::resolver).
pub trait Resolver: Send + Sync + 'static {
    /// The addresses of `name` in one family, the preferred ones first. The name has been checked: letters, digits, `-`, `_` and dots,
    /// at most 253 bytes, perhaps with a dot at its end. The caller bounds the time.
    ///
    /// # Errors
    /// See [`ResolveError`]. No address is an error too: [`ResolveError::NotFound`].
    fn resolve(&self, name: &str, family: Family) -> BoxFuture<Result<Vec<IpAddr>, ResolveError>>;
}

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It cannot be a name. Blame: who wrote the address.
    #[error("{0}")]
    BadName(&'static str),
    /// There is no such name, or it has no address of the family. Blame: who wrote the address.
    #[error("it has no such addresses; see whether it is spelled right")]
    NotFound,
    /// It is not known whether there is one, in the resolver's words. Blame: the network, or this machine's configuration.
    #[error("{0}")]
    Failed(String),
}

/// Resolves a name in the families that are asked for.
///
/// With both, the addresses take turns and IPv6 begins: a name with many addresses in a family that does not work here is still
/// reached by the other one. An answer in one family is enough.
///
/// # Errors
/// The name cannot be one; or no family has an answer.
pub(crate) async fn resolve(
    resolver: &dyn Resolver,
    name: &str,
    families: &[Family],
) -> Result<Vec<IpAddr>, ResolveError> {
    check_name(name)?;
    if let Ok(ip) = name.parse::<Ipv4Addr>()
        && families.contains(&Family::Ip4)
    {
        return Ok(vec![ip.into()]);
    }
    let ask = |family| ask(resolver, name, family, families.contains(&family));
    let (ip6, ip4) = match join(ask(Family::Ip6), ask(Family::Ip4)).await {
        (Err(ResolveError::NotFound), Err(error)) | (Err(error), Err(_)) => return Err(error),
        (ip6, ip4) => (ip6.unwrap_or_default(), ip4.unwrap_or_default()),
    };
    let mut addresses = Vec::new();
    for turn in 0..ip6.len().max(ip4.len()) {
        addresses.extend([ip6.get(turn), ip4.get(turn)].into_iter().flatten());
        if addresses.len() >= MAX_RESOLVED_ADDRESSES {
            break;
        }
    }
    addresses.truncate(MAX_RESOLVED_ADDRESSES);
    if addresses.is_empty() { Err(ResolveError::NotFound) } else { Ok(addresses) }
}

async fn ask(
    resolver: &dyn Resolver,
    name: &str,
    family: Family,
    is_wanted: bool,
) -> Result<Vec<IpAddr>, ResolveError> {
    if is_wanted { resolver.resolve(name, family).await } else { Err(ResolveError::NotFound) }
}

/// Lets through only what can be a name, so that no resolver meets anything else.
fn check_name(name: &str) -> Result<(), ResolveError> {
    let labels = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| (1..=MAX_LABEL_BYTES).contains(&label.len()) && !label.starts_with('-');
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if labels.len() > MAX_NAME_BYTES {
        Err(ResolveError::BadName("a name has at most 253 bytes"))
    } else if !labels.bytes().all(is_letter) {
        Err(ResolveError::BadName(
            "a name has letters, digits, '-', '_' and dots; write other alphabets in punycode (xn--...)",
        ))
    } else if !labels.split('.').all(is_label) {
        Err(ResolveError::BadName("each part of a name has 1 to 63 bytes and does not start with '-'"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
