//! Names: what a resolver brings.

use crate::runtime::{BoxFuture, Runtime};
use futures_util::future::{Either, select};
use peerwork_core::swarm::TransportError;
use peerwork_core::swarm::dialer::{RecordKind, Records};
use std::time::Duration;

/// How long a name's records are looked up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);

/// Looks up the records of names. A runtime brings the system's; another one is said with
/// [`NodeBuilder::resolver`](crate::NodeBuilder::resolver).
pub trait Resolver: Send + Sync + 'static {
    /// The records of `name` of one kind, in their order of preference. The name has been checked: letters, digits, `-`, `_` and dots, at
    /// most 253 bytes, perhaps with a dot at its end. The caller bounds the time, and how many records are used.
    ///
    /// # Errors
    /// See [`ResolveError`]. No record is an error too: [`ResolveError::NotFound`].
    fn lookup(&self, name: &str, kind: RecordKind) -> BoxFuture<Result<Records, ResolveError>>;
}

/// Why a name has no records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// It cannot be a name. Blame: who wrote the address.
    #[error("{0}")]
    BadName(&'static str),
    /// There is no such name, or it has no records of the kind. Blame: who wrote the address.
    #[error("it has no such records; see whether it is spelled right")]
    NotFound,
    /// It is not known whether there are any, in the resolver's words. Blame: the network, or this machine's configuration.
    #[error("{0}")]
    Failed(String),
}

impl ResolveError {
    /// The same as the dialer hears it.
    pub(crate) fn of(self, name: String) -> TransportError {
        TransportError::Name { name, reason: self.to_string() }
    }
}

/// The records, if they come in time.
pub(crate) async fn in_time(
    records: BoxFuture<Result<Records, ResolveError>>,
    runtime: impl Runtime,
) -> Result<Records, ResolveError> {
    let (mut records, end) = (records, runtime.now() + LOOKUP_TIMEOUT);
    loop {
        let left = end.saturating_duration_since(runtime.now());
        if left.is_zero() {
            let silence = format!("no name server answered within {} s", LOOKUP_TIMEOUT.as_secs());
            return Err(ResolveError::Failed(silence));
        }
        records = match select(records, runtime.sleep(left)).await {
            Either::Left((result, _)) => return result,
            Either::Right(((), records)) => records,
        };
    }
}
