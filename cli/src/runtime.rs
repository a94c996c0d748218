//! The runtime of the nodes, which is not that of the program: commands and signals are always on tokio.

use crate::args::RuntimeName;
use crate::failure::Failure;
#[cfg(feature = "async-std")]
use peerwork_async_std::AsyncStd;
use peerwork_runtime::{BoxFuture, Resolver, Runtime, Socket, StartError, TcpListener};
#[cfg(feature = "smol")]
use peerwork_smol::Smol;
use peerwork_tokio::Tokio;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Any runtime that is built in.
#[derive(Debug, Clone)]
pub(crate) enum AnyRuntime {
    Tokio(Tokio),
    #[cfg(feature = "smol")]
    Smol(Smol),
    #[cfg(feature = "async-std")]
    AsyncStd(AsyncStd),
}

impl AnyRuntime {
    /// The runtime of this name.
    ///
    /// # Errors
    /// It is not built in.
    pub(crate) fn named(name: RuntimeName) -> Result<Self, Failure> {
        match name {
            RuntimeName::Tokio => Ok(Self::Tokio(Tokio::current()?)),
            #[cfg(feature = "smol")]
            RuntimeName::Smol => Ok(Self::Smol(Smol::current()?)),
            #[cfg(feature = "async-std")]
            RuntimeName::AsyncStd => Ok(Self::AsyncStd(AsyncStd::current()?)),
            #[allow(unreachable_patterns, reason = "it is reached where one of them is not built in")]
            missing => Err(Failure::NotBuiltIn(missing)),
        }
    }
}

/// Does the same with each of them.
macro_rules! each {
    ($any:expr, $runtime:ident => $action:expr) => {
        match $any {
            AnyRuntime::Tokio($runtime) => $action,
            #[cfg(feature = "smol")]
            AnyRuntime::Smol($runtime) => $action,
            #[cfg(feature = "async-std")]
            AnyRuntime::AsyncStd($runtime) => $action,
        }
    };
}

impl Runtime for AnyRuntime {
    fn current() -> Result<Self, StartError> {
        Tokio::current().map(Self::Tokio)
    }

    fn spawn(&self, task: BoxFuture<()>) {
        each!(self, runtime => runtime.spawn(task));
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        each!(self, runtime => runtime.sleep(duration))
    }

    fn now(&self) -> Instant {
        each!(self, runtime => runtime.now())
    }

    fn since_1970(&self) -> Duration {
        each!(self, runtime => runtime.since_1970())
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<Box<dyn Socket>>> {
        each!(self, runtime => runtime.connect(address))
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpListener>> {
        each!(self, runtime => runtime.listen(address))
    }

    fn resolver(&self) -> Arc<dyn Resolver> {
        each!(self, runtime => runtime.resolver())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_is_not_built_in_is_a_feature() {
        for (name, feature) in [(RuntimeName::Smol, "smol"), (RuntimeName::AsyncStd, "async-std")] {
            let expected = format!(
                "this program is built without {feature}; build it with --features {feature}, or use --runtime tokio"
            );
            assert_eq!(Failure::NotBuiltIn(name).to_string(), expected);
            assert!(include_str!("../Cargo.toml").contains(&format!("\n{feature} = [")));
        }
    }
}
