//! Identify, towards remotes that tell their key and push.

use bytes::{Bytes, BytesMut};
use peerwork_core::crypto::Portable;
use peerwork_core::identity::{Keypair, PeerId, PublicKey};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::identify::{
    Identify, IdentifyCommand, IdentifyConfig, IdentifyEvent, IdentifyId, IdentifyInfo, MAX_MESSAGE_BYTES,
    PROTOCOL, PUSH_PROTOCOL, codec,
};
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use peerwork_tests::laws::protocol::ProtocolSubject;
use std::sync::Arc;

pub(crate) struct Identifying;

impl ProtocolSubject for Identifying {
    type Protocol = Identify;
    type Id = IdentifyId;

    fn name(&self) -> String {
        "identify".to_owned()
    }

    fn build(&self, _case: u64, now: Instant) -> Identify {
        let keypair = Arc::new(Keypair::ed25519_from_secret(&[0; 32]));
        Identify::new(IdentifyConfig::default(), keypair, Arc::new(Portable), now)
    }

    fn command(&self, number: u64, peers: &[PeerId], draw: &mut Seed) -> Option<IdentifyCommand> {
        let peer = peers[draw.below(peers.len() as u64) as usize];
        Some(IdentifyCommand::Identify { id: IdentifyId(number), peer })
    }

    /// Remotes that open a stream of their own ask, or push. Who asks has nothing to say.
    fn message(&self, protocol: &ProtocolId, draw: &mut Seed) -> Option<Bytes> {
        (*protocol == PUSH_PROTOCOL).then(|| told(None, draw))
    }

    /// So remotes answer when they are asked. They do not when we push.
    fn greeting(&self, protocol: &ProtocolId, remote: &PublicKey, draw: &mut Seed) -> Option<Bytes> {
        (*protocol == PROTOCOL).then(|| told(Some(remote.clone()), draw))
    }

    fn command_id(&self, command: &IdentifyCommand) -> Option<IdentifyId> {
        let IdentifyCommand::Identify { id, .. } = command;
        Some(*id)
    }

    fn outcome_id(&self, event: &IdentifyEvent) -> Option<IdentifyId> {
        match event {
            IdentifyEvent::Received { id, .. } | IdentifyEvent::Failed { id, .. } => *id,
            _ => None,
        }
    }
}

/// A message of a remote, most of which speak push.
fn told(public_key: Option<PublicKey>, draw: &mut Seed) -> Bytes {
    let info = IdentifyInfo {
        public_key,
        protocols: vec![if draw.below(4) == 0 { PROTOCOL } else { PUSH_PROTOCOL }],
        agent_version: Some(format!("agent {}", draw.below(10))),
        observed_address: "/ip4/203.0.113.1/tcp/9001".parse().ok(),
        ..IdentifyInfo::default()
    };
    let mut message = BytesMut::new();
    codec::encode(&info, MAX_MESSAGE_BYTES, &mut message);
    message.freeze()
}
