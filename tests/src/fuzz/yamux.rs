//! yamux.

use super::layers::split_chunk;
use super::mplex::Echo;
use bytes::BytesMut;
use peerwork_core::machine::End;
use peerwork_core::muxer::MuxerProtocol;
use peerwork_core::muxer::yamux::Yamux;
use peerwork_core::security::Role;
use peerwork_core::time::Instant;

/// The frames of a remote, to a node that answers each stream with what came on it, as far as the remote grants.
///
/// The limits are small, so that the fuzzer reaches them.
pub fn yamux(data: &[u8]) {
    let (chunk, data) = split_chunk(data);
    let config = Yamux { max_inbound_streams: 4, max_connection_buffer_bytes: 128, ..Yamux::default() };
    let mut node = Echo::new(config.start(Role::Listener, Instant::ORIGIN));
    let mut input = BytesMut::new();
    let mut result = Ok(());
    for piece in data.chunks(chunk.max(1)) {
        input.extend_from_slice(piece);
        result = node.take(&mut input);
        if result.is_err() {
            break;
        }
        assert!(input.is_empty(), "what is read makes room for more");
    }
    node.end(End::Closed, data.len(), result);
}
