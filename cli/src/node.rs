//! Starting nodes as the options say, and meeting peers with them.

use crate::args::{Admission, Crypto, Muxer, NodeOptions, SecioSecret, Security};
use crate::echo;
use crate::failure::{Failure, failed};
use crate::key_file;
use crate::keypair;
use crate::output::{Output, Palette, Report};
use crate::repo;
use crate::runtime::AnyRuntime;
use crate::signal::unless_stopped;
use peerwork_repo::Repo;
use peerwork_runtime::{NodeBuilder, Perf};
use peerwork_tokio::core::address::{self, Multiaddr};
#[cfg(feature = "aws-lc")]
use peerwork_tokio::core::crypto::Fast;
use peerwork_tokio::core::crypto::{CryptoProvider, Portable};
use peerwork_tokio::core::identity::{Keypair, PeerId};
use peerwork_tokio::core::muxer::mplex::Mplex;
use peerwork_tokio::core::muxer::yamux::Yamux;
use peerwork_tokio::core::negotiation::ProtocolId;
use peerwork_tokio::core::security::noise::Noise;
use peerwork_tokio::core::security::plaintext::Plaintext;
use peerwork_tokio::core::security::pnet::PreSharedKey;
use peerwork_tokio::core::security::secio::{Secio, SecretWidth};
#[cfg(feature = "tls")]
use peerwork_tokio::core::security::tls::Tls;
use peerwork_tokio::core::seed::Seed;
use peerwork_tokio::core::swarm::{SwarmConfig, Watermarks};
use peerwork_tokio::{Connected, Node};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long open connections get to close in order when a node stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The environment variable that libp2p programs share: with `1`, no node may start outside of a private network.
const FORCE_PRIVATE_NETWORK: &str = "LIBP2P_FORCE_PNET";

/// Starts a node that serves echo, with the identity of the repo, of the key file, or a new one.
///
/// # Errors
/// The repo or the key file cannot be used, or the node cannot start.
pub(crate) async fn start(options: &NodeOptions, output: &Output) -> Result<Node, Failure> {
    start_configured(options, output, |_| {}).await
}

/// As [`start`], and lets in only whom it should.
///
/// # Errors
/// As [`start`]; or the numbers contradict each other.
pub(crate) async fn start_with(
    admission: &Admission,
    options: &NodeOptions,
    output: &Output,
) -> Result<Node, Failure> {
    let watermarks = watermarks(admission)?;
    let configure = |swarm: &mut SwarmConfig| {
        admission.allow.iter().for_each(|entry| swarm.access.allow(*entry));
        admission.block.iter().for_each(|entry| swarm.access.block(*entry));
        swarm.limits = swarm.limits.with_max_connections(admission.max_connections);
        swarm.watermarks = watermarks;
    };
    start_configured(options, output, configure).await
}

fn watermarks(admission: &Admission) -> Result<Option<Watermarks>, Failure> {
    let (Some(high), Some(low)) = (admission.high_water, admission.low_water) else { return Ok(None) };
    if low > high {
        return Err(Failure::LowWater { low, high });
    }
    let max = admission.max_connections;
    if high >= max {
        return Err(Failure::HighWater { high, max });
    }
    Ok(Some(Watermarks::new(high, low)))
}

async fn start_configured(
    options: &NodeOptions,
    output: &Output,
    configure: impl FnOnce(&mut SwarmConfig),
) -> Result<Node, Failure> {
    if options.security.contains(&Security::Plaintext) {
        output.warn(&"plaintext does not encrypt, and peers can claim to be anybody; use it for tests only");
    }
    let runtime = AnyRuntime::named(options.runtime)?;
    let (identity, store) = match (&options.repo, &options.key_file) {
        (Some(path), _) => {
            let (identity, store) = repo::open(path, options.key).await?;
            (identity, Some(store))
        }
        (None, Some(path)) => (read_key(path)?, None),
        (None, None) => (keypair::generate(options.key)?, None),
    };
    start_as(options, runtime, identity, store, configure).await
}

/// Starts a node that serves echo, with a new identity in any case and no word of warning.
///
/// # Errors
/// The node cannot start.
pub(crate) async fn start_anonymous(options: &NodeOptions) -> Result<Node, Failure> {
    let runtime = AnyRuntime::named(options.runtime)?;
    start_as(options, runtime, keypair::generate(options.key)?, None, |_| {}).await
}

async fn start_as(
    options: &NodeOptions,
    runtime: AnyRuntime,
    identity: Keypair,
    store: Option<Repo>,
    configure: impl FnOnce(&mut SwarmConfig),
) -> Result<Node, Failure> {
    let crypto = crypto(options.crypto);
    // Otherwise every handshake would fail.
    crypto.sign(&identity, b"").map_err(Failure::CannotSign)?;
    let mut builder =
        builder(options, runtime, crypto, identity).configure(|config| configure(&mut config.swarm));
    if let Some(key) = private_network(options)? {
        builder = builder.private_network(key);
    }
    if let Some(store) = store {
        builder = builder.peer_store(store);
    }
    let node = builder.start().await?;
    echo::serve(&node).await?;
    Ok(node)
}

/// perf on the runtime of the nodes.
///
/// # Errors
/// It is not built in.
pub(crate) fn perf(options: &NodeOptions) -> Result<Perf<AnyRuntime>, Failure> {
    Ok(Perf::on(AnyRuntime::named(options.runtime)?).patience(options.timeout))
}

fn crypto(crypto: Crypto) -> Arc<dyn CryptoProvider> {
    match crypto {
        #[cfg(feature = "aws-lc")]
        Crypto::Fast => Arc::new(Fast),
        Crypto::Portable => Arc::new(Portable),
    }
}

fn read_key(path: &Path) -> Result<Keypair, Failure> {
    key_file::read(path).map_err(|error| Failure::KeyFile { path: path.to_owned(), error })
}

/// The key of the private network that the node is to be in, if any.
fn private_network(options: &NodeOptions) -> Result<Option<PreSharedKey>, Failure> {
    let Some(path) = &options.private_network else {
        let is_forced = std::env::var_os(FORCE_PRIVATE_NETWORK).is_some_and(|value| value == "1");
        return if is_forced { Err(Failure::NoPrivateNetwork) } else { Ok(None) };
    };
    let key = key_file::read_pre_shared(path);
    key.map(Some).map_err(|error| Failure::KeyFile { path: path.to_owned(), error })
}

fn builder(
    options: &NodeOptions,
    runtime: AnyRuntime,
    crypto: Arc<dyn CryptoProvider>,
    identity: Keypair,
) -> NodeBuilder<(), AnyRuntime> {
    let timeout = options.timeout;
    let mut builder = NodeBuilder::new().runtime(runtime).identity(identity).configure(|config| {
        config.swarm.connection.crypto = crypto;
        config.swarm.reports_attempts = true;
        config.swarm.dialer.attempt_timeout = timeout;
        config.swarm.dialer.local_attempt_timeout = timeout;
        config.swarm.connection.handshake_timeout = timeout;
        config.swarm.connection.negotiation_timeout = timeout;
        config.swarm.connection.close_timeout = CLOSE_TIMEOUT;
        config.ping.timeout = timeout;
        config.identify.timeout = timeout;
    });
    for security in &options.security {
        builder = match security {
            #[cfg(feature = "tls")]
            Security::Tls => builder.security(Tls { prefer_aes: peerwork_tokio::computes_aes() }),
            Security::Noise => builder.security(Noise),
            Security::Secio => builder.security(secio(options)),
            Security::Plaintext => builder.security(Plaintext),
        };
    }
    for muxer in &options.muxer {
        builder = match muxer {
            Muxer::Yamux => builder.muxer(Yamux::default()),
            Muxer::Mplex => builder.muxer(Mplex::default()),
        };
    }
    builder
}

fn secio(options: &NodeOptions) -> Secio {
    let secret_width = match options.secio_secret {
        SecioSecret::Full => SecretWidth::Full,
        SecioSecret::Stripped => SecretWidth::Stripped,
    };
    Secio { secret_width, ..Secio::default() }
}

/// A fresh seed from the operating system.
///
/// # Errors
/// It gives no randomness.
pub(crate) fn seed() -> Result<Seed, Failure> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)?;
    Ok(Seed::from_entropy(entropy))
}

/// Stops a node, in order if its peers let it.
pub(crate) async fn stop(node: &Node) {
    // What is not closed by then is cut off by the end of the process.
    drop(tokio::time::timeout(2 * CLOSE_TIMEOUT, node.shutdown()).await);
}

/// Reads an address that the user wrote.
///
/// # Errors
/// [`Failure::Address`].
pub(crate) fn parse_address(text: &str) -> Result<Multiaddr, Failure> {
    address::parse(text).map_err(|error| Failure::Address { text: quoted(text), error })
}

/// Reads what the user wants to dial: an address, or a peer id alone, which becomes `/p2p/ID`.
///
/// # Errors
/// [`Failure::Address`].
pub(crate) fn parse_target(text: &str) -> Result<Multiaddr, Failure> {
    match text.parse() {
        Ok(peer) => Ok(address::with_peer_id(Multiaddr::empty(), &peer)),
        Err(_) => parse_address(text),
    }
}

/// Reads a peer id that the user wrote, in any of its forms.
///
/// # Errors
/// It is none.
pub(crate) fn parse_peer_id(text: &str) -> Result<PeerId, Failure> {
    text.parse().map_err(|error| Failure::PeerId { text: quoted(text), error })
}

/// What the user wrote, on one line and not too long.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN_CHARACTERS: usize = 100;
    let mut shown: String = text.escape_debug().take(SHOWN_CHARACTERS + 1).collect();
    if shown.chars().count() > SHOWN_CHARACTERS {
        shown.pop();
        shown.push_str("...");
    }
    format!("'{shown}'")
}

/// Starts a node, connects it to `target`, an address or a peer id, lets it do `work`, and stops it.
///
/// # Errors
/// There is no connection, `work` fails, or a signal ends it.
pub(crate) async fn with_peer<T>(
    options: &NodeOptions,
    output: &Output,
    target: &str,
    work: impl AsyncFnOnce(&Node, &Connected) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let target = parse_target(target)?;
    let node = start(options, output).await?;
    let result = unless_stopped(async {
        let connected = node.dial(target.clone()).await;
        let connected = connected.map_err(failed(|error| Failure::dial(target, error)))?;
        let Connected { peer, remote_address, security, muxer, .. } = &connected;
        output.event(&ConnectedReport::new(*peer, remote_address, security.as_ref(), muxer.as_ref()))?;
        work(&node, &connected).await
    });
    let result = result.await;
    stop(&node).await;
    result
}

/// A connection is open.
#[derive(Serialize)]
#[serde(tag = "event", rename = "connected")]
pub(crate) struct ConnectedReport {
    peer: String,
    addr: String,
    encryption: Option<String>,
    muxer: Option<String>,
}

impl ConnectedReport {
    pub(crate) fn new(
        peer: PeerId,
        address: &Multiaddr,
        security: Option<&ProtocolId>,
        muxer: Option<&ProtocolId>,
    ) -> Self {
        Self {
            peer: peer.to_string(),
            addr: address.to_string(),
            encryption: security.map(ProtocolId::to_string),
            muxer: muxer.map(ProtocolId::to_string),
        }
    }
}

impl Report for ConnectedReport {
    fn text(&self, palette: &Palette) -> String {
        let agreed: Vec<&str> =
            [&self.encryption, &self.muxer].into_iter().flatten().map(String::as_str).collect();
        format!(
            "connected    {} at {} {}",
            palette.value(&self.peer),
            self.addr,
            palette.faint(format_args!("({})", agreed.join(", ")))
        )
    }
}
