//! Ping, towards remotes that echo.

use bytes::Bytes;
use peerwork_core::identity::PeerId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::ping::{Ping, PingCommand, PingConfig, PingEvent, PingId};
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use peerwork_tests::laws::protocol::ProtocolSubject;

pub(crate) struct Pinging;

impl ProtocolSubject for Pinging {
    type Protocol = Ping;
    type Id = PingId;

    fn name(&self) -> String {
        "ping".to_owned()
    }

    fn build(&self, case: u64, now: Instant) -> Ping {
        Ping::new(PingConfig::default(), Seed::reproducible(case), now)
    }

    fn command(&self, number: u64, peers: &[PeerId], draw: &mut Seed) -> Option<PingCommand> {
        let peer = peers[draw.below(peers.len() as u64) as usize];
        Some(PingCommand::Ping { id: PingId(number), peer })
    }

    fn message(&self, _protocol: &ProtocolId, draw: &mut Seed) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&draw.bytes::<32>()))
    }

    fn reply(&self, _protocol: &ProtocolId, message: &Bytes) -> Option<Bytes> {
        Some(message.clone())
    }

    fn command_id(&self, command: &PingCommand) -> Option<PingId> {
        let PingCommand::Ping { id, .. } = command;
        Some(*id)
    }

    fn outcome_id(&self, event: &PingEvent) -> Option<PingId> {
        match event {
            PingEvent::Pong { id, .. } | PingEvent::Failed { id, .. } => *id,
        }
    }
}
