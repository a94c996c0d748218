//! Identify, towards remotes that tell their key.

use bytes::{Bytes, BytesMut};
use peerwork_core::identity::{PeerId, PublicKey};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::identify::{
    Identify, IdentifyCommand, IdentifyConfig, IdentifyEvent, IdentifyId, IdentifyInfo, MAX_MESSAGE_BYTES,
    codec,
};
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use peerwork_tests::laws::protocol::ProtocolSubject;

pub(crate) struct Identifying;

impl ProtocolSubject for Identifying {
    type Protocol = Identify;
    type Id = IdentifyId;

    fn name(&self) -> String {
        "identify".to_owned()
    }

    fn build(&self, _case: u64, now: Instant) -> Identify {
        Identify::new(IdentifyConfig::default(), now)
    }

    fn command(&self, number: u64, peers: &[PeerId], draw: &mut Seed) -> Option<IdentifyCommand> {
        let peer = peers[draw.below(peers.len() as u64) as usize];
        Some(IdentifyCommand::Identify { id: IdentifyId(number), peer })
    }

    fn greeting(&self, _protocol: &ProtocolId, remote: &PublicKey, draw: &mut Seed) -> Option<Bytes> {
        let info = IdentifyInfo {
            public_key: Some(remote.clone()),
            agent_version: Some(format!("agent {}", draw.below(10))),
            ..IdentifyInfo::default()
        };
        let mut message = BytesMut::new();
        codec::encode(&info, MAX_MESSAGE_BYTES, &mut message);
        Some(message.freeze())
    }

    fn command_id(&self, command: &IdentifyCommand) -> Option<IdentifyId> {
        let IdentifyCommand::Identify { id, .. } = command;
        Some(*id)
    }

    fn outcome_id(&self, event: &IdentifyEvent) -> Option<IdentifyId> {
        match event {
            IdentifyEvent::Received { id, .. } | IdentifyEvent::Failed { id, .. } => *id,
            IdentifyEvent::Sent { .. } => None,
        }
    }
}
