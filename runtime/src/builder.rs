//! Putting a node together and starting it.

use crate::driver::Surroundings;
use crate::driver::keeper::Keeper;
use crate::node::{Node, StartError};
use crate::resolver::Resolver;
use crate::runtime::Runtime;
use crate::transport::{Tcp, Transport, Transports};
use peerwork_core::address::Multiaddr;
use peerwork_core::crypto::CryptoProvider;
use peerwork_core::identity::Keypair;
use peerwork_core::muxer::MuxerProtocol;
use peerwork_core::node;
use peerwork_core::node::NodeConfig;
use peerwork_core::peer_book::PeerStore;
use peerwork_core::protocols::Protocols;
use peerwork_core::records::{RecordStore, Validator};
use peerwork_core::routing::PeerRouting;
use peerwork_core::security::SecurityProtocol;
use peerwork_core::security::pnet::PreSharedKey;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{AccessRules, Limits, Watermarks};
use std::sync::Arc;
use std::time::Duration;

/// Puts a node together and starts it on the runtime `R`: transports, security protocols, muxers, protocols, peer routing and record
/// stores are added one by one, each list in order of preference.
///
/// Where nothing is said, connections are secured and muxed as [`peerwork_core::node::NodeBuilder`] says, and the node dials and listens with TCP, keeps records in memory, asks nobody where peers are, draws an Ed25519 identity from its seed
/// and the seed from the operating system.
pub struct NodeBuilder<P, R> {
    node: node::NodeBuilder<P>,
    transports: Vec<Choice>,
    resolver: Option<Arc<dyn Resolver>>,
    peer_store: Option<Box<dyn PeerStore>>,
    addresses: Vec<Multiaddr>,
    seed: Option<Seed>,
    runtime: Option<R>,
}

/// A transport, made when the runtime is known.
enum Choice {
    Tcp,
    Own(Box<dyn Transport>),
}

impl<R> Default for NodeBuilder<(), R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> NodeBuilder<(), R> {
    /// Nothing said yet.
    pub fn new() -> Self {
        node::NodeBuilder::new().into()
    }
}

impl<P, R> From<node::NodeBuilder<P>> for NodeBuilder<P, R> {
    fn from(node: node::NodeBuilder<P>) -> Self {
        Self {
            node,
            transports: Vec::new(),
            resolver: None,
            peer_store: None,
            addresses: Vec::new(),
            seed: None,
            runtime: None,
        }
    }
}

/// What the node is, but for its surroundings: see [`peerwork_core::node::NodeBuilder`].
impl<P, R> NodeBuilder<P, R> {
    /// Sets the node's identity.
    #[must_use]
    pub fn identity(self, keypair: Keypair) -> Self {
        self.map(|node| node.identity(keypair))
    }

    /// Adds a security protocol behind those added before.
    #[must_use]
    pub fn security(self, protocol: impl SecurityProtocol) -> Self {
        self.map(|node| node.security(protocol))
    }

    /// Adds a muxer behind those added before.
    #[must_use]
    pub fn muxer(self, protocol: impl MuxerProtocol) -> Self {
        self.map(|node| node.muxer(protocol))
    }

    /// Sets where signatures and ciphers come from.
    #[must_use]
    pub fn crypto(self, provider: impl CryptoProvider) -> Self {
        self.map(|node| node.crypto(provider))
    }

    /// Makes the node a member of the private network of `key`: it can talk only to nodes with the same key.
    #[must_use]
    pub fn private_network(self, key: PreSharedKey) -> Self {
        self.map(|node| node.private_network(key))
    }

    /// Adds a source of peers' addresses. All are asked at once.
    #[must_use]
    pub fn peer_routing(self, routing: impl PeerRouting + 'static) -> Self {
        self.map(|node| node.peer_routing(routing))
    }

    /// Adds a place where records are kept. All are written and read at once.
    #[must_use]
    pub fn record_store(self, store: impl RecordStore + 'static) -> Self {
        self.map(|node| node.record_store(store))
    }

    /// Sets by which rules records of a namespace are checked.
    #[must_use]
    pub fn validator(self, namespace: impl Into<String>, validator: impl Validator + 'static) -> Self {
        self.map(|node| node.validator(namespace, validator))
    }

    /// Mounts the user's own protocols in place of those mounted before: one machine, or a tuple of them.
    #[must_use]
    pub fn protocols<Q>(self, protocols: Q) -> NodeBuilder<Q, R> {
        self.map(|node| node.protocols(protocols))
    }

    /// Sets how many connections and streams there may be, and where they may come from.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        self.map(|node| node.limits(limits))
    }

    /// Sets who may be connected; [`Node::block`] and its neighbours change it while the node runs.
    #[must_use]
    pub fn access(self, rules: AccessRules) -> Self {
        self.map(|node| node.access(rules))
    }

    /// Closes connections when there are too many. Without watermarks none is closed for that, and the
    /// [limits](Self::limits) hold.
    #[must_use]
    pub fn watermarks(self, watermarks: Watermarks) -> Self {
        self.map(|node| node.watermarks(watermarks))
    }

    /// Changes limits, timeouts and what ping and identify do.
    #[must_use]
    pub fn configure(self, change: impl FnOnce(&mut NodeConfig)) -> Self {
        self.map(|node| node.configure(change))
    }

    fn map<Q>(self, change: impl FnOnce(node::NodeBuilder<P>) -> node::NodeBuilder<Q>) -> NodeBuilder<Q, R> {
        let Self { node, transports, resolver, peer_store, addresses, seed, runtime } = self;
        NodeBuilder { node: change(node), transports, resolver, peer_store, addresses, seed, runtime }
    }
}

/// The node's surroundings.
impl<P, R: Runtime> NodeBuilder<P, R> {
    /// Adds a transport of the user's behind those added before. TCP is no longer there by itself; [`tcp`](Self::tcp) adds it.
    #[must_use]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transports.push(Choice::Own(Box::new(transport)));
        self
    }

    /// Adds TCP behind the transports added before. Not needed where no transport is added.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.transports.push(Choice::Tcp);
        self
    }

    /// Sets what looks up the names in addresses, in place of the runtime's.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolver) -> Self {
        self.resolver = Some(Arc::new(resolver));
        self
    }

    /// Keeps the peer book in `store` from one run to the next. What is stored is restored when the node starts; what has changed is
    /// saved every [`SAVE_INTERVAL`](crate::SAVE_INTERVAL) and when the node stops. What cannot be saved is tried again the next time, and
    /// the node goes on. The store's calls are made on a thread of its own. Without one, the peer book lasts as long as the node.
    #[must_use]
    pub fn peer_store(mut self, store: impl PeerStore) -> Self {
        self.peer_store = Some(Box::new(store));
        self
    }

    /// Adds an address that the node listens on from its start.
    #[must_use]
    pub fn listen(mut self, address: Multiaddr) -> Self {
        self.addresses.push(address);
        self
    }

    /// Sets the seed of all that is random, for tests that repeat. Where it is known to others, the node's keys are too.
    #[must_use]
    pub fn seed(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets the runtime, in place of the calling task's.
    #[must_use]
    pub fn runtime(mut self, runtime: R) -> Self {
        self.runtime = Some(runtime);
        self
    }
}

impl<P, R> NodeBuilder<P, R>
where
    R: Runtime,
    P: Protocols + Send + 'static,
    P::Command: Send,
    P::Event: Send + Sync,
{
    /// Starts the node. It runs, and listens where it should, when this returns.
    ///
    /// # Errors
    /// The caller is not inside the runtime, the operating system gives no randomness, what was said does not make a node, the peer
    /// store cannot be read, or an address cannot be listened on.
    pub async fn start(self) -> Result<Node<P>, StartError> {
        let Self { node, mut transports, resolver, peer_store, addresses, seed, runtime } = self;
        let runtime = runtime.map_or_else(R::current, Ok)?;
        let seed = seed.map_or_else(random_seed, Ok)?;
        let node = node.configure(|config| number_records(config, runtime.since_1970()));
        if transports.is_empty() {
            transports.push(Choice::Tcp);
        }
        let resolver = resolver.unwrap_or_else(|| runtime.resolver());
        let made = transports.into_iter().map(|choice| match choice {
            Choice::Tcp => Box::new(Tcp::new(runtime.clone())),
            Choice::Own(transport) => transport,
        });
        let transports = Transports(made.collect());
        let keeper = match peer_store {
            Some(store) => Some(Keeper::start(store, runtime.clone()).await.map_err(StartError::PeerStore)?),
            None => None,
        };
        let surroundings = Surroundings { transports, resolver, keeper, runtime };
        let node = Node::start(node, seed, surroundings)?;
        for address in addresses {
            if let Err(error) = node.listen(address.clone()).await {
                // Its store can be opened again when this returns.
                node.shutdown().await;
                return Err(StartError::Listen { address, error });
            }
        }
        Ok(node)
    }
}

/// Makes the numbers of the node's signed records grow from start to start.
fn number_records(config: &mut NodeConfig, since_1970: Duration) {
    if config.identify.first_sequence == 0 {
        config.identify.first_sequence = u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX);
    }
}

fn random_seed() -> Result<Seed, StartError> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(StartError::NoEntropy)?;
    Ok(Seed::from_entropy(entropy))
}
