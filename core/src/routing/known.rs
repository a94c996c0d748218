//! A list of peers.

use super::{RoutingInput, RoutingOutput};
use crate::address::Multiaddr;
use crate::identity::PeerId;
use crate::machine::Machine;
use crate::time::Instant;
use std::collections::{BTreeMap, VecDeque};

/// Peers whose addresses the user gives: bootstrap nodes, or the members of a private network. Bounded by what the user gives.
#[derive(Debug, Clone, Default)]
pub struct KnownPeers {
    peers: BTreeMap<PeerId, Vec<Multiaddr>>,
    answers: VecDeque<RoutingOutput>,
}

impl KnownPeers {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an address of a peer behind those added before; one that is there already changes nothing.
    #[must_use]
    pub fn with(mut self, peer: PeerId, address: Multiaddr) -> Self {
        let addresses = self.peers.entry(peer).or_default();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
        self
    }
}

impl Machine for KnownPeers {
    type Input = RoutingInput;
    type Output = RoutingOutput;

    fn handle_input(&mut self, input: RoutingInput, _now: Instant) {
        if let RoutingInput::Find { query, peer } = input {
            if let Some(addresses) = self.peers.get(&peer) {
                self.answers.push_back(RoutingOutput::Found { query, addresses: addresses.clone() });
            }
            self.answers.push_back(RoutingOutput::Finished { query });
        }
    }

    fn poll_output(&mut self) -> Option<RoutingOutput> {
        self.answers.pop_front()
    }
}
