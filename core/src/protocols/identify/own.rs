//! What this node tells of itself.

use super::{IdentifyConfig, IdentifyInfo, MAX_SENT_BYTES, addresses, codec};
use crate::address::{Multiaddr, split_peer_id};
use crate::crypto::CryptoProvider;
use crate::identity::{Keypair, SignedPeerRecord};
use crate::protocols::LocalInfo;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// What this node is now, and the signed records of it.
#[derive(Debug)]
pub(super) struct Own {
    keypair: Arc<Keypair>,
    pub(super) crypto: Arc<dyn CryptoProvider>,
    /// Unknown until the swarm has said it.
    local: Option<Arc<LocalInfo>>,
    /// Where others can reach us, beside the listen addresses.
    external: Vec<Multiaddr>,
    snapshot: Snapshot,
    next_sequence: u64,
    /// For peers elsewhere.
    record: Record,
    /// For peers on this machine: with the addresses on loopback.
    record_here: Record,
}

/// Counts what this node was: of two, the higher one is the newer one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Snapshot(u64);

impl Snapshot {
    /// Before anything is known.
    pub(super) const NONE: Self = Self(0);
}

/// Signed when it is first needed: a signature may take milliseconds, and peers decide how often they ask.
#[derive(Debug, Clone)]
enum Record {
    NotYet,
    /// `None`: the crypto provider does not sign with the key.
    Made(Option<Bytes>),
}

impl Own {
    pub(super) fn new(keypair: Arc<Keypair>, crypto: Arc<dyn CryptoProvider>, first_sequence: u64) -> Self {
        Self {
            keypair,
            crypto,
            local: None,
            external: Vec::new(),
            snapshot: Snapshot::NONE,
            next_sequence: first_sequence,
            record: Record::NotYet,
            record_here: Record::NotYet,
        }
    }

    /// Whether this is news.
    pub(super) fn change(&mut self, local: Arc<LocalInfo>) -> bool {
        let changed = self.local.as_ref() != Some(&local);
        if changed {
            self.local = Some(local);
            self.renew();
        }
        changed
    }

    pub(super) fn set_external(&mut self, addresses: Vec<Multiaddr>) {
        self.external = addresses;
        self.renew();
    }

    fn renew(&mut self) {
        self.snapshot.0 += 1;
        (self.record, self.record_here) = (Record::NotYet, Record::NotYet);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.snapshot
    }

    /// The message for the peer at `remote`; `None` while nothing is known.
    pub(super) fn message(&mut self, remote: &Multiaddr, config: &IdentifyConfig) -> Option<Bytes> {
        let local = self.local.clone()?;
        let external = self.external.iter().filter(|address| !local.listen_addresses.contains(address));
        let ours = local.listen_addresses.iter().chain(external);
        let listen_addresses: Vec<_> = addresses::worth_telling(ours, remote).cloned().collect();
        let info = IdentifyInfo {
            public_key: Some(local.public_key.clone()),
            protocols: local.protocols.clone(),
            observed_address: split_peer_id(remote).ok().map(|(address, _)| address),
            protocol_version: Some(config.protocol_version.clone()),
            agent_version: Some(config.agent_version.clone()),
            signed_peer_record: self.record(addresses::is_here(remote), &listen_addresses),
            listen_addresses,
            certified: None,
        };
        let mut message = BytesMut::new();
        codec::encode(&info, MAX_SENT_BYTES, &mut message);
        Some(message.freeze())
    }

    /// Every record has a sequence number of its own, so no two of a number differ.
    fn record(&mut self, here: bool, addresses: &[Multiaddr]) -> Option<Bytes> {
        let record = if here { &mut self.record_here } else { &mut self.record };
        if let Record::Made(made) = record {
            return made.clone();
        }
        let signed = SignedPeerRecord::sign(
            &self.keypair,
            self.next_sequence,
            addresses.iter().cloned(),
            &*self.crypto,
        );
        self.next_sequence = self.next_sequence.saturating_add(1);
        let made = signed.ok().map(|signed| signed.as_bytes().clone());
        *record = Record::Made(made.clone());
        made
    }
}
