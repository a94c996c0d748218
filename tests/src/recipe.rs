//! Two nodes to test with: identities that are always the same, both toys mounted, nothing that happens of its own accord.

use crate::drivers::halves::{Halves, Link};
use crate::drivers::network::{Faults, Network};
use crate::scenario::Toys;
use crate::toy::aead::ToyAead;
use crate::toy::counter::Counter;
use crate::toy::upgrade::Upgrader;
#[cfg(feature = "aws-lc")]
use peerwork_core::crypto::Fast;
use peerwork_core::crypto::{CryptoProvider, Portable};
use peerwork_core::identity::Keypair;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::node::{LocalNode, NodeBuilder};
use peerwork_core::security::noise::Noise;
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::tls::Tls;
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use peerwork_runtime::{Node, Runtime, Transport};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What secures the connections. All are muxed with mplex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS 1.3.
    Tls(Crypto),
    /// noise.
    Noise(Crypto),
    /// secio 1.0.0.
    Secio(Crypto),
    /// plaintext 2.0.0.
    Plaintext,
    /// [`ToyAead`].
    Toy,
}

impl Security {
    /// The node that `builder` makes, secured.
    pub fn add_to<P>(self, builder: NodeBuilder<P>) -> NodeBuilder<P> {
        let with = |builder: NodeBuilder<P>, crypto: Crypto| {
            builder.configure(|config| config.swarm.connection.crypto = crypto.provider())
        };
        match self {
            Self::Tls(crypto) => with(builder.security(Tls::default()), crypto),
            Self::Noise(crypto) => with(builder.security(Noise), crypto),
            Self::Secio(crypto) => with(builder.security(Secio::default()), crypto),
            Self::Plaintext => builder.security(Plaintext),
            Self::Toy => builder.security(ToyAead),
        }
    }
}

/// All of them.
pub const SECURITIES: &[Security] = &[
    Security::Tls(Crypto::Portable),
    Security::Noise(Crypto::Portable),
    Security::Secio(Crypto::Portable),
    Security::Plaintext,
    Security::Toy,
    #[cfg(feature = "aws-lc")]
    Security::Tls(Crypto::Fast),
    #[cfg(feature = "aws-lc")]
    Security::Noise(Crypto::Fast),
    #[cfg(feature = "aws-lc")]
    Security::Secio(Crypto::Fast),
];

/// A crypto provider that promises security.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crypto {
    /// [`Portable`].
    Portable,
    /// `Fast`, with the feature `aws-lc`.
    #[cfg(feature = "aws-lc")]
    Fast,
}

/// All of them.
pub const CRYPTOS: &[Crypto] = &[
    Crypto::Portable,
    #[cfg(feature = "aws-lc")]
    Crypto::Fast,
];

impl Crypto {
    /// The provider itself.
    pub fn provider(self) -> Arc<dyn CryptoProvider> {
        match self {
            Self::Portable => Arc::new(Portable),
            #[cfg(feature = "aws-lc")]
            Self::Fast => Arc::new(Fast),
        }
    }
}

/// When every network starts.
pub const START: Instant = Instant::from_nanos(3_600_000_000_000);

/// What the recipes make is secured and muxed.
const COMPLETE: &str = "the node has all that it needs";

/// Node number `number`, muxed with mplex, which has nothing of its own accord to do: no pings, no end of idle connections.
pub fn builder(number: u8, security: Security) -> NodeBuilder<Toys> {
    secured(number, security).muxer(Mplex::default())
}

/// As [`builder`] makes it, without a muxer yet.
pub fn secured(number: u8, security: Security) -> NodeBuilder<Toys> {
    let builder = NodeBuilder::new()
        .identity(Keypair::ed25519_from_secret(&[number + 1; 32]))
        .protocols((Counter::default(), Upgrader::default()))
        .configure(|config| {
            config.ping.interval = None;
            config.swarm.connection.idle_timeout = None;
        });
    security.add_to(builder)
}

fn seed(seed: u64, number: u8) -> Seed {
    Seed::reproducible(seed).child(&format!("node {number}"))
}

/// Two [`LocalNode`]s.
pub fn local(security: Security, faults: Faults, chance: u64) -> Rc<RefCell<Network<LocalNode<Toys>>>> {
    let nodes = [0, 1]
        .map(|number| builder(number, security).build_local(seed(chance, number), START).expect(COMPLETE));
    Rc::new(RefCell::new(Network::new(nodes, faults, Seed::reproducible(chance), START)))
}

/// Two nodes with a task for each connection, on the runtime `R`. Without a transport they use TCP.
pub async fn tasks<R: Runtime>(
    security: Security,
    transport: Option<impl Transport + Clone>,
    chance: u64,
) -> [Node<Toys>; 2] {
    let start = async |number| {
        let mut node =
            peerwork_runtime::NodeBuilder::<_, R>::from(builder(number, security)).seed(seed(chance, number));
        if let Some(transport) = &transport {
            node = node.transport(transport.clone());
        }
        node.start().await.expect("the node is started inside a runtime, and listens nowhere yet")
    };
    [start(0).await, start(1).await]
}

/// Two nodes with delayed messages between their halves.
pub fn halves<C: Link>(
    security: Security,
    faults: Faults,
    max_delay: Duration,
    chance: u64,
) -> Rc<RefCell<Network<Halves<Toys, C>>>> {
    let nodes = [0, 1].map(|number| {
        let mut seed = seed(chance, number);
        let delays = seed.child("delays");
        Halves::new(builder(number, security).build(seed, START).expect(COMPLETE), max_delay, delays)
    });
    Rc::new(RefCell::new(Network::new(nodes, faults, Seed::reproducible(chance), START)))
}
