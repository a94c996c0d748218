//! The adapters of all runtimes are alike: the same names, and the same behaviour where an adapter has a part in it.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod name_server;
mod names;
mod public;

use futures_util::future::{Either, select};
use peerwork_runtime::{Resolver, Runtime};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

/// How long a test may take.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// What tests need of an adapter.
trait Adapter {
    type Runtime: Runtime;

    /// Runs a program that is the whole test.
    fn block_on<T>(program: impl Future<Output = T>) -> T;

    /// The adapter's resolver, with these name servers.
    fn dns(servers: [SocketAddr; 1]) -> impl Resolver;

    /// Runs a test, which is to end in time.
    fn run(test: impl Future<Output = ()>) {
        Self::block_on(async {
            let runtime = Self::Runtime::current().unwrap();
            let test = pin!(test);
            let ended = select(test, runtime.sleep(TIME_LIMIT)).await;
            assert!(matches!(ended, Either::Left(_)), "the test ends in time");
        });
    }
}

struct Tokio;

impl Adapter for Tokio {
    type Runtime = peerwork_tokio::Tokio;

    fn block_on<T>(program: impl Future<Output = T>) -> T {
        tokio::runtime::Runtime::new().unwrap().block_on(program)
    }

    fn dns(servers: [SocketAddr; 1]) -> impl Resolver {
        peerwork_tokio::Dns::with_servers(servers)
    }
}

struct Smol;

impl Adapter for Smol {
    type Runtime = peerwork_smol::Smol;

    fn block_on<T>(program: impl Future<Output = T>) -> T {
        smol::block_on(program)
    }

    fn dns(servers: [SocketAddr; 1]) -> impl Resolver {
        peerwork_smol::Dns::with_servers(servers)
    }
}

struct AsyncStd;

impl Adapter for AsyncStd {
    type Runtime = peerwork_async_std::AsyncStd;

    fn block_on<T>(program: impl Future<Output = T>) -> T {
        async_std::task::block_on(program)
    }

    fn dns(servers: [SocketAddr; 1]) -> impl Resolver {
        peerwork_async_std::Dns::with_servers(servers)
    }
}

/// Makes a test of each function for each adapter.
macro_rules! on_every_runtime {
    ($($test:ident),+ $(,)?) => {
        crate::on_every_runtime! { @ tokio Tokio $($test)+ }
        crate::on_every_runtime! { @ smol Smol $($test)+ }
        crate::on_every_runtime! { @ async_std AsyncStd $($test)+ }
    };
    (@ $module:ident $adapter:ident $($test:ident)+) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    <crate::$adapter as crate::Adapter>::run(super::$test::<crate::$adapter>());
                }
            )+
        }
    };
}

use on_every_runtime;
