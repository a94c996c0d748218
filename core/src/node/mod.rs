//! The node: the swarm with ping, identify, peer routing and record stores mounted. What most people use.
//!
//! A [`Node`] is a [`Machine`], to be embedded in any event loop; [`LocalNode`] owns a node and its connections in one thread and
//! leaves only sockets and time to the caller.

mod builder;
mod local;

pub use builder::{BuildError, NodeBuilder};
pub use local::{Broken, LocalNode, LocalOutput, Sockets};

use crate::address::Multiaddr;
use crate::connection::{Carrier, Connection, ConnectionId};
use crate::identity::{Keypair, PeerId};
use crate::machine::Machine;
use crate::peer_book::PeerBook;
use crate::protocols::identify::{Identify, IdentifyCommand, IdentifyConfig, IdentifyEvent};
use crate::protocols::ping::{Ping, PingCommand, PingConfig, PingEvent};
use crate::protocols::{OneOf2, OneOf3, Protocols};
use crate::records::{Records, RecordsCommand, RecordsEvent};
use crate::routing::{Routing, RoutingCommand, RoutingEvent};
use crate::security::HandshakeSetup;
use crate::seed::Seed;
use crate::swarm::{
    DialId, DialOptions, DialTarget, ListenerId, Swarm, SwarmConfig, SwarmInput, SwarmOutput,
};
use crate::time::{Deadline, Instant};
use std::fmt::Debug;
use std::sync::Arc;

/// What a node has mounted.
type Mounted<P> = ((Ping, Identify), (Routing, Records), P);

/// How a node behaves.
#[derive(Debug, Clone, Default)]
pub struct NodeConfig {
    /// The swarm and its connections.
    pub swarm: SwarmConfig,
    /// ping.
    pub ping: PingConfig,
    /// identify.
    pub identify: IdentifyConfig,
}

/// What the user commands a node's protocols.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeCommand<C> {
    /// ping.
    Ping(PingCommand),
    /// identify.
    Identify(IdentifyCommand),
    /// Peer routing.
    Routing(RoutingCommand),
    /// The record stores.
    Records(RecordsCommand),
    /// The user's own protocols.
    Protocol(C),
}

/// What a node's protocols tell the user.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeEvent<E> {
    /// ping.
    Ping(PingEvent),
    /// identify.
    Identify(IdentifyEvent),
    /// Peer routing.
    Routing(RoutingEvent),
    /// The record stores.
    Records(RecordsEvent),
    /// The user's own protocols.
    Protocol(E),
}

/// A swarm with ping, identify, peer routing, record stores and the user's own protocols `P`. See the [module documentation](self).
pub struct Node<P: Protocols = ()> {
    swarm: Swarm<Mounted<P>>,
}

impl<P: Protocols> Node<P> {
    /// A node with the identity `keypair`, its routing and stores, and the user's `protocols`. [`NodeBuilder`] is the comfortable
    /// way.
    pub fn new(
        config: NodeConfig,
        keypair: Keypair,
        services: (Routing, Records),
        protocols: P,
        mut seed: Seed,
        now: Instant,
    ) -> Self {
        let ping = Ping::new(config.ping, seed.child("ping"), now);
        let (keypair, crypto) = (Arc::new(keypair), Arc::clone(&config.swarm.connection.crypto));
        let identify = Identify::new(config.identify, Arc::clone(&keypair), crypto, now);
        let mounted = ((ping, identify), services, protocols);
        Self { swarm: Swarm::new(config.swarm, keypair, mounted, seed, now) }
    }

    /// Who this node is.
    pub fn local_peer(&self) -> PeerId {
        self.swarm.local_peer()
    }

    /// The swarm, for what it knows.
    pub fn swarm(&self) -> &Swarm<Mounted<P>> {
        &self.swarm
    }

    /// The user's own protocols.
    pub fn protocols(&self) -> &P {
        &self.swarm.protocols().2
    }

    /// See [`Swarm::peer_book_mut`].
    pub fn peer_book_mut(&mut self) -> &mut PeerBook {
        self.swarm.peer_book_mut()
    }

    /// See [`Swarm::next_connection_id`].
    pub fn next_connection_id(&mut self) -> ConnectionId {
        self.swarm.next_connection_id()
    }

    /// See [`Swarm::take_connection`].
    pub fn take_connection(&mut self, connection: ConnectionId, now: Instant) -> Option<Connection> {
        self.swarm.take_connection(connection, now)
    }

    /// See [`Swarm::take_connection_over`].
    pub fn take_connection_over<C: Carrier>(
        &mut self,
        connection: ConnectionId,
        carrier: impl FnOnce(HandshakeSetup) -> C,
    ) -> Option<Connection<C>> {
        self.swarm.take_connection_over(connection, carrier)
    }

    /// See [`Swarm::listen`].
    pub fn listen(&mut self, address: Multiaddr, now: Instant) -> ListenerId {
        self.swarm.listen(address, now)
    }

    /// See [`Swarm::dial`].
    pub fn dial(&mut self, target: impl Into<DialTarget>, now: Instant) -> DialId {
        self.swarm.dial(target, now)
    }

    /// See [`Swarm::dial_with`].
    pub fn dial_with(&mut self, target: impl Into<DialTarget>, options: DialOptions, now: Instant) -> DialId {
        self.swarm.dial_with(target, options, now)
    }
}

impl<P: Protocols> Machine for Node<P> {
    type Input = SwarmInput<NodeCommand<P::Command>>;
    type Output = SwarmOutput<NodeEvent<P::Event>>;

    fn handle_input(&mut self, input: Self::Input, now: Instant) {
        let input = input.map_command(|command| match command {
            NodeCommand::Ping(command) => OneOf3::First(OneOf2::First(command)),
            NodeCommand::Identify(command) => OneOf3::First(OneOf2::Second(command)),
            NodeCommand::Routing(command) => OneOf3::Second(OneOf2::First(command)),
            NodeCommand::Records(command) => OneOf3::Second(OneOf2::Second(command)),
            NodeCommand::Protocol(command) => OneOf3::Third(command),
        });
        self.swarm.handle_input(input, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.swarm.handle_timeout(now);
    }

    fn poll_output(&mut self) -> Option<Self::Output> {
        let output = self.swarm.poll_output()?;
        Some(output.map_protocol(|event| match event {
            OneOf3::First(OneOf2::First(event)) => NodeEvent::Ping(event),
            OneOf3::First(OneOf2::Second(event)) => NodeEvent::Identify(event),
            OneOf3::Second(OneOf2::First(event)) => NodeEvent::Routing(event),
            OneOf3::Second(OneOf2::Second(event)) => NodeEvent::Records(event),
            OneOf3::Third(event) => NodeEvent::Protocol(event),
        }))
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.swarm.poll_timeout()
    }
}
