//! peerwork, on each of its runtimes and in a loop without one.

mod executors;
mod looped;
mod tasks;

use anyhow::Result;
use bench_harness::{Client, Flags, Implementation, Mode, Muxer, Runtime, Security, Tokio};
use executors::{AsyncStd, Smol, SmolLocal};
use peerwork_core::connection::LazyStreams;
use peerwork_core::crypto::{Cipher, Hash};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::muxer::yamux::Yamux;
use peerwork_core::node::{NodeBuilder, NodeConfig};
use peerwork_core::security::noise::Noise;
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::tls::Tls;
use std::convert::Infallible;

/// peerwork.
pub struct Peerwork;

impl Implementation for Peerwork {
    type Client = Box<dyn Client>;

    const NAME: &'static str = "peerwork";

    fn serve(flags: &Flags) -> Result<Infallible> {
        match flags.runtime {
            Runtime::Tokio => tasks::serve(Tokio::current_thread()?, flags),
            Runtime::TokioMt => tasks::serve(Tokio::multi_thread()?, flags),
            Runtime::Smol => tasks::serve(Smol, flags),
            Runtime::SmolLocal => tasks::serve(SmolLocal::default(), flags),
            Runtime::AsyncStd => tasks::serve(AsyncStd, flags),
            Runtime::Mio => looped::serve(flags),
        }
    }

    fn client(flags: &Flags, address: &str) -> Result<Box<dyn Client>> {
        match flags.runtime {
            Runtime::Tokio => tasks::client(Tokio::current_thread()?, flags, address),
            Runtime::TokioMt => tasks::client(Tokio::multi_thread()?, flags, address),
            Runtime::Smol => tasks::client(Smol, flags, address),
            Runtime::SmolLocal => tasks::client(SmolLocal::default(), flags, address),
            Runtime::AsyncStd => tasks::client(AsyncStd, flags, address),
            Runtime::Mio => Ok(Box::new(looped::Dialer::start(flags, address)?)),
        }
    }
}

/// A node as the flags want it, for any driver.
fn builder(flags: &Flags) -> Result<NodeBuilder> {
    let builder = NodeBuilder::new();
    let builder = match flags.sec {
        Security::Plaintext => builder.security(Plaintext),
        Security::Secio => builder.security(Secio {
            ciphers: vec![Cipher::Aes128Ctr],
            hashes: vec![Hash::Sha256],
            ..Secio::default()
        }),
        Security::Noise => builder.security(Noise),
        Security::Tls => builder.security(Tls::default()),
    };
    // Streams of one connection are limited by the muxer too.
    let streams = usize::MAX;
    let builder = match flags.mux {
        Muxer::Yamux => builder.muxer(Yamux {
            max_inbound_streams: streams,
            max_outbound_streams: streams,
            ..Yamux::default()
        }),
        Muxer::Mplex => builder.muxer(Mplex {
            max_inbound_streams: streams,
            max_outbound_streams: streams,
            ..Mplex::default()
        }),
    };
    Ok(builder.configure(|config| configure(config, flags)))
}

fn configure(config: &mut NodeConfig, flags: &Flags) {
    if flags.lazy {
        config.swarm.connection.lazy_streams = LazyStreams::Always;
    }
    config.swarm.connection.idle_timeout = None;
    if !flags.mounts_services() || flags.mode == Mode::Quiet {
        config.ping.interval = None;
    }
    if !flags.mounts_services() {
        config.identify.asks_on_connect = false;
    }
    // There are two peers only.
    let limits = &mut config.swarm.limits;
    limits.max_connections = usize::MAX;
    limits.max_inbound_connections = usize::MAX;
    limits.max_outbound_connections = usize::MAX;
    limits.max_connections_per_peer = usize::MAX;
    limits.max_inbound_streams_per_peer = usize::MAX;
    limits.max_outbound_streams_per_peer = usize::MAX;
    limits.max_inbound_streams_per_connection = usize::MAX;
    limits.max_outbound_streams_per_connection = usize::MAX;
}
