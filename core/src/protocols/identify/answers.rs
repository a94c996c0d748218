//! Telling the peer of one connection what we are.

use super::{FRAMING, IdentifyInfo, MAX_SENT_BYTES, Shared, codec};
use crate::address::{Multiaddr, is_loopback, split_peer_id};
use crate::collections::Map;
use crate::muxer::StreamId;
use crate::protocols::{LocalInfo, StreamCloseCause, StreamKey, StreamOptions, ToSwarm};
use bytes::{Bytes, BytesMut};

/// The opener sends nothing; without credit its end would go unnoticed. How long it takes to read is up to it, so
/// the connection may go.
pub(super) const STREAM_OPTIONS: StreamOptions =
    StreamOptions { framing: FRAMING, credit: 1, keep_alive: false, lazy: false };

/// The streams on which the peer asks us.
#[derive(Debug)]
pub(super) struct Answers {
    /// Where we see the peer.
    remote_address: Multiaddr,
    /// At most `max_inbound_streams` of the configuration, each with the answer if it was refused. Ids count
    /// up, so the first is the oldest.
    streams: Map<StreamId, Option<Bytes>>,
}

impl Answers {
    pub(super) fn new(remote_address: Multiaddr) -> Self {
        Self { remote_address, streams: Map::default() }
    }

    pub(super) fn opened(&mut self, stream: StreamKey, shared: &mut Shared) {
        if self.streams.contains_key(&stream.stream) {
            return;
        }
        let Some(local) = shared.local.as_ref().filter(|_| shared.config.max_inbound_streams > 0) else {
            return shared.outputs.push_back(ToSwarm::Reset { stream });
        };
        let mut answer = BytesMut::new();
        codec::encode(&self.describe(local, shared), MAX_SENT_BYTES, &mut answer);
        if self.streams.len() >= shared.config.max_inbound_streams
            && let Some((oldest, _)) = self.streams.pop_first()
        {
            let oldest = StreamKey { connection: stream.connection, stream: oldest };
            shared.outputs.push_back(ToSwarm::Reset { stream: oldest });
        }
        self.streams.insert(stream.stream, None);
        send(stream, answer.freeze(), shared);
    }

    /// What we tell this peer. Addresses on loopback are of use on the same machine only.
    fn describe(&self, local: &LocalInfo, shared: &Shared) -> IdentifyInfo {
        let same_machine = is_loopback(&self.remote_address);
        let of_use = |address: &&Multiaddr| same_machine || !is_loopback(address);
        IdentifyInfo {
            public_key: Some(local.public_key.clone()),
            listen_addresses: local.listen_addresses.iter().filter(of_use).cloned().collect(),
            protocols: local.protocols.clone(),
            observed_address: split_peer_id(&self.remote_address).ok().map(|(address, _)| address),
            protocol_version: Some(shared.config.protocol_version.clone()),
            agent_version: Some(shared.config.agent_version.clone()),
            signed_peer_record: None,
        }
    }

    /// The opener has nothing to say.
    pub(super) fn message(&mut self, stream: StreamKey, shared: &mut Shared) {
        if self.streams.remove(&stream.stream).is_some() {
            shared.outputs.push_back(ToSwarm::Reset { stream });
        }
    }

    pub(super) fn blocked(&mut self, stream: StreamKey, answer: Bytes) {
        if let Some(refused) = self.streams.get_mut(&stream.stream) {
            *refused = Some(answer);
        }
    }

    pub(super) fn writable(&mut self, stream: StreamKey, shared: &mut Shared) {
        if let Some(answer) = self.streams.get_mut(&stream.stream).and_then(Option::take) {
            send(stream, answer, shared);
        }
    }

    /// Forgets a stream. Whether it was one of these and ended in order, with our answer.
    pub(super) fn closed(&mut self, stream: StreamKey, cause: &StreamCloseCause) -> bool {
        self.streams.remove(&stream.stream).is_some() && *cause == StreamCloseCause::Ended
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.streams.len()
    }
}

fn send(stream: StreamKey, answer: Bytes, shared: &mut Shared) {
    shared.outputs.push_back(ToSwarm::Send { stream, message: answer });
    shared.outputs.push_back(ToSwarm::Close { stream });
}
