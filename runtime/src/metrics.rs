//! What a node counts.

use crate::management::Management;
use crate::node::{Node, Stopped};
use peerwork_core::connection::Traffic;
use peerwork_core::protocols::Protocols;
use peerwork_core::swarm::SwarmCounters;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a node has done since it was started, and what there is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metrics {
    /// Connections, streams, peers and dials.
    pub swarm: SwarmCounters,
    /// The bytes of all connections, those that are gone included.
    pub traffic: Traffic,
}

/// The bytes of all connections, each of which adds its own.
#[derive(Debug, Default)]
pub(crate) struct TotalTraffic {
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

impl TotalTraffic {
    pub(crate) fn add(&self, traffic: Traffic) {
        self.received_bytes.fetch_add(traffic.received_bytes, Relaxed);
        self.sent_bytes.fetch_add(traffic.sent_bytes, Relaxed);
    }

    pub(crate) fn get(&self) -> Traffic {
        Traffic {
            received_bytes: self.received_bytes.load(Relaxed),
            sent_bytes: self.sent_bytes.load(Relaxed),
        }
    }
}

/// What the node counts.
impl<P> Node<P>
where
    P: Protocols + Send + 'static,
    P::Command: Send,
    P::Event: Send + Sync,
{
    /// What the node has done since it was started, and what there is now. Cheap enough to be asked every second.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn metrics(&self) -> Result<Metrics, Stopped> {
        self.ask(|reply| Management::Metrics { reply }).await
    }
}
