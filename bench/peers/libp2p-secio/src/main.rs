//! Measures the last release of rust-libp2p's secio, with mplex, TCP and core of its time. It is faster than the rest of that release lets
//! it be: there is no swarm around it. Its AES uses the processor's.

use anyhow::{Context, Result, bail, ensure};
use bench_harness::{Client, Flags, Implementation, Mode, Muxer, Security, announce, streams};
use futures_util::StreamExt;
use libp2p_core::muxing::{self, StreamMuxerBox, SubstreamRef};
use libp2p_core::transport::{Boxed, ListenerEvent};
use libp2p_core::upgrade::Version;
use libp2p_core::{Multiaddr, PeerId, Transport, identity};
use libp2p_mplex::{MaxBufferBehaviour, MplexConfig};
use libp2p_secio::{Cipher, Digest, SecioConfig};
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    bench_harness::run::<Secio>()
}

struct Secio;

impl Implementation for Secio {
    type Client = Connection;

    const NAME: &'static str = "libp2p-secio";

    fn serve(flags: &Flags) -> Result<Infallible> {
        runtime()?.block_on(serve(flags))
    }

    fn client(flags: &Flags, address: &str) -> Result<Connection> {
        let runtime = runtime()?;
        let muxer = runtime.block_on(async {
            let address: Multiaddr = address.parse()?;
            let (_, muxer) = transport(flags)?.dial(address)?.await?;
            Ok::<_, anyhow::Error>(Arc::new(muxer))
        })?;
        Ok(Connection { runtime, muxer })
    }
}

struct Connection {
    runtime: Runtime,
    muxer: Arc<StreamMuxerBox>,
}

impl Connection {
    async fn open(&self) -> Result<SubstreamRef<Arc<StreamMuxerBox>>> {
        Ok(muxing::outbound_from_ref_and_wrap(self.muxer.clone()).await?)
    }
}

impl Client for Connection {
    fn bulk(&mut self, time: Duration, chunk: usize) -> Result<u64> {
        self.runtime.block_on(async { streams::bulk(self.open().await?, time, chunk).await })
    }

    fn round_trips(&mut self, time: Duration) -> Result<u64> {
        self.runtime.block_on(async { streams::round_trips(self.open().await?, time).await })
    }

    fn new_streams(&mut self, _: Duration, _: usize) -> Result<u64> {
        bail!("its streams come without protocols here")
    }

    fn connections(&mut self, _: Duration) -> Result<u64> {
        bail!("its connections come without a swarm here")
    }

    fn hold_connections(&mut self, _: u64) -> Result<()> {
        bail!("its connections come without a swarm here")
    }

    fn hold_streams(&mut self, _: u64) -> Result<()> {
        bail!("its streams come without protocols here")
    }

    fn rest(&mut self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }
}

async fn serve(flags: &Flags) -> Result<Infallible> {
    let mut listener = transport(flags)?.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    let (mode, read_chunk) = (flags.mode, flags.read_chunk());
    while let Some(event) = listener.next().await {
        match event? {
            ListenerEvent::NewAddress(address) => announce(address),
            ListenerEvent::Upgrade { upgrade, .. } => {
                tokio::spawn(async move {
                    let Ok((_, muxer)) = upgrade.await else { return };
                    let muxer = Arc::new(muxer);
                    while let Ok(event) = muxing::event_from_ref_and_wrap(muxer.clone()).await {
                        let Some(stream) = event.into_inbound_substream() else { continue };
                        match mode {
                            Mode::Bulk => tokio::spawn(streams::sink(stream, read_chunk)),
                            _ => tokio::spawn(streams::echo(stream)),
                        };
                    }
                });
            }
            _ => {}
        }
    }
    bail!("it no longer listens")
}

fn transport(flags: &Flags) -> Result<Boxed<(PeerId, StreamMuxerBox)>> {
    ensure!((flags.sec, flags.mux) == (Security::Secio, Muxer::Mplex), "this is secio and mplex only");
    let secio = SecioConfig::new(identity::Keypair::generate_ed25519())
        .ciphers(&[Cipher::Aes128])
        .digests(&[Digest::Sha256]);
    let mut mplex = MplexConfig::new();
    mplex.set_max_buffer_behaviour(MaxBufferBehaviour::Block);
    let tcp = libp2p_tcp::TokioTcpConfig::new().nodelay(true).upgrade(Version::V1);
    Ok(tcp
        .authenticate(secio)
        .multiplex(mplex)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed())
}

fn runtime() -> Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("there is no tokio runtime to be had")
}
