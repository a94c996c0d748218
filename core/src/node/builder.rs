//! Putting a node together.

use super::{LocalNode, Node, NodeConfig};
use crate::crypto::{CryptoProvider, UnsupportedKey};
use crate::identity::Keypair;
use crate::machine::Blame;
use crate::muxer::MuxerProtocol;
use crate::muxer::yamux::Yamux;
use crate::protocols::Protocols;
use crate::records::{MemoryStore, RecordStore, Records, Validator, Validators};
use crate::routing::{PeerRouting, Routing};
use crate::security::SecurityProtocol;
use crate::security::noise::Noise;
use crate::security::pnet::PreSharedKey;
#[cfg(feature = "tls")]
use crate::security::tls::Tls;
use crate::seed::Seed;
use crate::swarm::{AccessRules, Limits, Watermarks};
use crate::time::Instant;
use std::sync::Arc;

/// Puts a node together: security protocols, muxers, protocols, peer routing and record stores are added one by one, each list in
/// order of preference. Transports are added where the node is started, with its runtime.
///
/// Where nothing is said, connections are secured with TLS (with the feature `tls`) or [`noise`](crate::security::noise), in this order of
/// preference, and muxed with [`yamux`](crate::muxer::yamux). [`secio`](crate::security::secio) and [`mplex`](crate::muxer::mplex) are deprecated by
/// their own specifications, [`plaintext`](crate::security::plaintext) is for tests; none of them is used unless it is added. The node keeps
/// records in memory, asks nobody where peers are, and draws an Ed25519 identity from its seed.
#[derive(Debug)]
pub struct NodeBuilder<P = ()> {
    config: NodeConfig,
    keypair: Option<Keypair>,
    routing: Vec<Box<dyn PeerRouting>>,
    stores: Vec<Box<dyn RecordStore>>,
    validators: Validators,
    protocols: P,
}

/// Why a node cannot be built. Blame: the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The node could not prove who it is.
    #[error("the node cannot prove its identity: {0}")]
    Identity(#[from] UnsupportedKey),
}

impl BuildError {
    /// Whose fault it is: the caller's.
    pub fn blame(self) -> Blame {
        Blame::Caller
    }
}

impl Default for NodeBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl NodeBuilder {
    /// Nothing said yet.
    pub fn new() -> Self {
        Self {
            config: NodeConfig::default(),
            keypair: None,
            routing: Vec::new(),
            stores: Vec::new(),
            validators: Validators::default(),
            protocols: (),
        }
    }
}

impl<P> NodeBuilder<P> {
    /// Adds a security protocol behind those added before; only those added are used.
    #[must_use]
    pub fn security(mut self, protocol: impl SecurityProtocol) -> Self {
        self.config.swarm.connection.security.push(Arc::new(protocol));
        self
    }

    /// Adds a muxer behind those added before; only those added are used.
    #[must_use]
    pub fn muxer(mut self, protocol: impl MuxerProtocol) -> Self {
        self.config.swarm.connection.muxers.push(Arc::new(protocol));
        self
    }

    /// Sets where signatures and ciphers come from, in place of the [default](crate::crypto::default_provider).
    #[must_use]
    pub fn crypto(mut self, provider: impl CryptoProvider) -> Self {
        self.config.swarm.connection.crypto = Arc::new(provider);
        self
    }

    /// Makes the node a member of the [private network](crate::security::pnet) of `key`: it can talk only to nodes with the same key.
    #[must_use]
    pub fn private_network(mut self, key: PreSharedKey) -> Self {
        self.config.swarm.connection.private_network = Some(key);
        self
    }

    /// Sets the node's identity.
    #[must_use]
    pub fn identity(mut self, keypair: Keypair) -> Self {
        self.keypair = Some(keypair);
        self
    }

    /// Adds a source of peers' addresses. All are asked at once.
    #[must_use]
    pub fn peer_routing(mut self, routing: impl PeerRouting + 'static) -> Self {
        self.routing.push(Box::new(routing));
        self
    }

    /// Adds a place where records are kept. All are written and read at once.
    #[must_use]
    pub fn record_store(mut self, store: impl RecordStore + 'static) -> Self {
        self.stores.push(Box::new(store));
        self
    }

    /// Sets by which rules records of a namespace are checked, such as `pk` for keys that start with `/pk/`. Records of namespaces
    /// without rules are refused.
    #[must_use]
    pub fn validator(mut self, namespace: impl Into<String>, validator: impl Validator + 'static) -> Self {
        self.validators.add(namespace, validator);
        self
    }

    /// Mounts the user's own protocols in place of those mounted before: one machine, or a tuple of them.
    #[must_use]
    pub fn protocols<Q>(self, protocols: Q) -> NodeBuilder<Q> {
        let Self { config, keypair, routing, stores, validators, protocols: _ } = self;
        NodeBuilder { config, keypair, routing, stores, validators, protocols }
    }

    /// Sets how many connections and streams there may be, and where they may come from.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.swarm.limits = limits;
        self
    }

    /// Sets who may be connected; [`SwarmInput::Access`](crate::swarm::SwarmInput::Access) changes it while the node runs.
    #[must_use]
    pub fn access(mut self, rules: AccessRules) -> Self {
        self.config.swarm.access = rules;
        self
    }

    /// Closes connections when there are too many. Without watermarks none is closed for that, and the
    /// [limits](Self::limits) hold.
    #[must_use]
    pub fn watermarks(mut self, watermarks: Watermarks) -> Self {
        self.config.swarm.watermarks = Some(watermarks);
        self
    }

    /// Changes limits, timeouts and what ping and identify do.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut NodeConfig)) -> Self {
        change(&mut self.config);
        self
    }
}

impl<P: Protocols> NodeBuilder<P> {
    /// The node, for a driver that keeps the connections itself.
    ///
    /// # Errors
    /// The crypto provider does not sign with a key of the identity's type.
    pub fn build(mut self, mut seed: Seed, now: Instant) -> Result<Node<P>, BuildError> {
        let connection = &mut self.config.swarm.connection;
        if connection.security.is_empty() {
            connection.security = default_security();
        }
        if connection.muxers.is_empty() {
            connection.muxers.push(Arc::new(Yamux::default()));
        }
        let keypair = self.keypair.unwrap_or_else(|| Keypair::generate_ed25519(&mut seed.child("identity")));
        // Otherwise every handshake would fail.
        connection.crypto.sign(&keypair, b"")?;
        if self.stores.is_empty() {
            self.stores.push(Box::new(MemoryStore::default()));
        }
        let services = (Routing::new(self.routing), Records::new(self.stores, self.validators));
        Ok(Node::new(self.config, keypair, services, self.protocols, seed, now))
    }

    /// The node together with its connections, for one thread.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_local(self, seed: Seed, now: Instant) -> Result<LocalNode<P>, BuildError> {
        self.build(seed, now).map(LocalNode::new)
    }
}

/// The security protocols of a node that was told of none, best first.
fn default_security() -> Vec<Arc<dyn SecurityProtocol>> {
    vec![
        #[cfg(feature = "tls")]
        Arc::new(Tls::default()),
        Arc::new(Noise),
    ]
}
