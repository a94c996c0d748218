//! The toy protocols, towards remotes that do as the toys do.

use bytes::Bytes;
use peerwork_core::identity::PeerId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use peerwork_tests::laws::protocol::ProtocolSubject;
use peerwork_tests::toy::CommandId;
use peerwork_tests::toy::counter::{Count, Counted, Counter};
use peerwork_tests::toy::upgrade::{Upgrade, Upgraded, Upgrader};

fn draw_peer(peers: &[PeerId], draw: &mut Seed) -> PeerId {
    peers[draw.below(peers.len() as u64) as usize]
}

pub(crate) struct Counting;

impl ProtocolSubject for Counting {
    type Protocol = Counter;
    type Id = CommandId;

    fn name(&self) -> String {
        "counter (toy)".to_owned()
    }

    fn build(&self, _case: u64, _now: Instant) -> Counter {
        Counter::default()
    }

    fn command(&self, number: u64, peers: &[PeerId], draw: &mut Seed) -> Option<Count> {
        Some(Count { id: CommandId(number), peer: draw_peer(peers, draw), steps: 1 + draw.below(9) })
    }

    fn message(&self, _protocol: &ProtocolId, draw: &mut Seed) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&draw.below(20).to_be_bytes()))
    }

    fn reply(&self, _protocol: &ProtocolId, message: &Bytes) -> Option<Bytes> {
        let number = u64::from_be_bytes(*message.first_chunk()?);
        Some(Bytes::copy_from_slice(&(number + 1).to_be_bytes()))
    }

    fn command_id(&self, command: &Count) -> Option<CommandId> {
        Some(command.id)
    }

    fn outcome_id(&self, event: &Counted) -> Option<CommandId> {
        Some(event.id)
    }
}

pub(crate) struct Upgrading;

impl ProtocolSubject for Upgrading {
    type Protocol = Upgrader;
    type Id = CommandId;

    fn name(&self) -> String {
        "upgrader (toy)".to_owned()
    }

    fn build(&self, _case: u64, _now: Instant) -> Upgrader {
        Upgrader::default()
    }

    fn command(&self, number: u64, peers: &[PeerId], draw: &mut Seed) -> Option<Upgrade> {
        Some(Upgrade { id: CommandId(number), peer: draw_peer(peers, draw) })
    }

    fn message(&self, _protocol: &ProtocolId, draw: &mut Seed) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(&draw.bytes::<8>()))
    }

    fn reply(&self, _protocol: &ProtocolId, message: &Bytes) -> Option<Bytes> {
        Some(message.clone())
    }

    fn command_id(&self, command: &Upgrade) -> Option<CommandId> {
        Some(command.id)
    }

    fn outcome_id(&self, event: &Upgraded) -> Option<CommandId> {
        Some(event.id)
    }
}
