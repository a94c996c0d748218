//! Peers that open, reset and vanish as fast as they can.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod pair;

use bytes::BytesMut;
use pair::{PROTOCOL, Pair};
use peerwork_core::connection::{Connection, ConnectionError, ConnectionId};
use peerwork_core::machine::{Close, End, Layer, Machine};
use peerwork_core::muxer::ReadError;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::node::{LocalNode, LocalOutput, Node, NodeBuilder};
use peerwork_core::protocols::{StreamKey, Target};
use peerwork_core::security::secio::Secio;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{Limits, ListenerId, RangeLimits, SwarmEvent, SwarmInput, SwarmOutput};
use peerwork_core::time::Instant;

const NOW: Instant = Instant::ORIGIN;

fn quiet() -> NodeBuilder {
    NodeBuilder::new()
        .security(Secio::default())
        .muxer(Mplex::default())
        .configure(|config| config.ping.interval = None)
}

#[test]
fn a_connection_that_vanished_is_forgotten_once_its_streams_are_read() {
    let mut pair = Pair::connected(quiet);
    let [_, remote] = pair.open().unwrap();
    pair.nodes[1].handle_end(pair.ids[1].unwrap(), End::Failed, NOW);
    assert_eq!(pair.nodes[1].connection_count(), 1, "there may be something to read");
    assert_eq!(pair.nodes[1].read(remote, 10, NOW), Err(ReadError::Closed));
    assert_eq!(pair.nodes[1].connection_count(), 0);
}

#[test]
fn hundreds_of_streams_in_one_chunk_leave_no_input_behind() {
    let mut pair = Pair::connected(quiet);
    let [dialer, listener] = pair.ids.map(Option::unwrap);
    let peer = pair.nodes[1].local_peer();
    let mut chunk = BytesMut::new();
    for _ in 0..700 {
        pair.nodes[0].open_stream(Target::Peer(peer), PROTOCOL, NOW);
        let mut out = BytesMut::new();
        while pair.nodes[0].poll_transmit(dialer, &mut out, 64 * 1024, NOW) > 0 {}
        chunk.extend_from_slice(&out);
    }
    pair.nodes[1].handle_bytes(listener, &mut chunk, NOW);
    assert!(chunk.is_empty() || !pair.nodes[1].wants_input(listener), "{} bytes are left", chunk.len());
}

#[test]
fn whoever_is_refused_counts_until_the_byte_stream_is_gone() {
    let unlimited = Limits {
        narrow_range: RangeLimits::UNLIMITED,
        wide_range: RangeLimits::UNLIMITED,
        ..Limits::default()
    };
    let mut node = quiet().limits(unlimited).build_local(Seed::reproducible(1), NOW).unwrap();
    let listener = node.listen(Pair::address(), NOW);
    let header = b"\x13/multistream/1.0.0\n";
    for _ in 0..300 {
        let id = node.handle_incoming(listener, Pair::address(), NOW);
        // A lazy dialer: its first proposal is refused, and then come bytes that are none.
        let mut said = BytesMut::from([&header[..], b"\x05/foo\n", &[0xff; 12]].concat().as_slice());
        node.handle_bytes(id, &mut said, NOW);
    }
    assert_eq!(node.connection_count(), 256, "as many as may be pending");
    assert_eq!(node.node().swarm().connection_count(), 256);

    let late = node.poll_timeout().unwrap();
    assert_eq!(late.reason, "close timeout");
    node.handle_timeout(late.at);
    assert_eq!((node.connection_count(), node.node().swarm().connection_count()), (0, 0));
    let refused = std::iter::from_fn(|| node.poll_output())
        .filter(|output| matches!(output, LocalOutput::Event(SwarmEvent::IncomingFailed { .. })));
    assert_eq!(refused.count(), 300);
}

/// So that one that did not wait for it knows what has failed.
#[test]
fn whose_handshake_fails_is_told_before_that_the_protocol_was_accepted() {
    let mut node = quiet().build_local(Seed::reproducible(1), NOW).unwrap();
    let listener = node.listen(Pair::address(), NOW);
    let id = node.handle_incoming(listener, Pair::address(), NOW);
    let accepted = b"\x13/multistream/1.0.0\n\x0d/secio/1.0.0\n";
    // Longer than any message of secio's handshake.
    let mut said = BytesMut::from([&accepted[..], &[0xff; 4]].concat().as_slice());
    node.handle_bytes(id, &mut said, NOW);
    let mut told = BytesMut::new();
    while node.poll_transmit(id, &mut told, usize::MAX, NOW) > 0 {}
    assert!(told.starts_with(accepted), "{told:?}");

    let mut outputs = || std::iter::from_fn(|| node.poll_output()).collect::<Vec<_>>();
    let closes = |output: &LocalOutput<_>| matches!(output, LocalOutput::Close { how: Close::Flush, .. });
    assert!(outputs().iter().any(closes), "what was said leaves first");
    node.handle_end(id, End::Closed, NOW);
    let failed = std::iter::from_fn(|| node.poll_output()).find_map(|output| match output {
        LocalOutput::Event(SwarmEvent::IncomingFailed { error, .. }) => Some(error),
        _ => None,
    });
    assert!(matches!(failed, Some(ConnectionError::Security { .. })), "{failed:?}");
    assert_eq!(node.connection_count(), 0);
}

/// A node whose connection is driven by hand, so that its reports can be held back.
struct Halves {
    remote: LocalNode,
    remote_id: Option<ConnectionId>,
    /// Streams that the remote has opened.
    opened: Vec<StreamKey>,
    node: Node,
    listener: ListenerId,
    connection: Option<Connection>,
}

impl Halves {
    fn new() -> Self {
        let mut remote = quiet().build_local(Seed::reproducible(1), NOW).unwrap();
        let mut node = quiet().build(Seed::reproducible(2), NOW).unwrap();
        node.handle_input(SwarmInput::HandleProtocol { protocol: PROTOCOL }, NOW);
        let listener = node.listen(Pair::address(), NOW);
        remote.dial(Pair::address(), NOW);
        Self { remote, remote_id: None, opened: Vec::new(), node, listener, connection: None }
    }

    fn turn(&mut self, takes_reports: bool) {
        while let Some(output) = self.remote.poll_output() {
            match output {
                LocalOutput::Dial { connection, address } => {
                    let (id, listener) = (self.node.next_connection_id(), self.listener);
                    let incoming =
                        SwarmInput::Incoming { connection: id, listener, remote_address: address.clone() };
                    self.node.handle_input(incoming, NOW);
                    let dialed = SwarmInput::Dialed { connection, remote_address: address };
                    self.remote.handle_input(dialed, NOW);
                    self.remote_id = Some(connection);
                }
                LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => self.opened.push(stream),
                _ => {}
            }
        }
        while let Some(output) = self.node.poll_output() {
            match output {
                SwarmOutput::Connection { connection: id } => {
                    self.connection = self.node.take_connection(id, NOW);
                }
                SwarmOutput::ToConnection { message, .. } => {
                    self.connection.as_mut().unwrap().handle_message(message, NOW);
                }
                _ => {}
            }
        }
        let (Some(remote_id), Some(connection)) = (self.remote_id, &mut self.connection) else { return };
        let mut wire = BytesMut::new();
        while self.remote.poll_transmit(remote_id, &mut wire, 64 * 1024, NOW) > 0 {}
        if connection.wants_input() {
            connection.handle_input(&mut wire, NOW).unwrap();
        }
        wire.clear();
        while connection.poll_transmit(&mut wire, 64 * 1024, NOW) > 0 {}
        self.remote.handle_bytes(remote_id, &mut wire, NOW);
        while takes_reports && let Some(message) = connection.poll_message() {
            let connection = connection.id();
            self.node.handle_input(SwarmInput::FromConnection { connection, message }, NOW);
        }
    }
}

#[test]
fn streams_that_come_and_go_do_not_outrun_the_node() {
    let mut halves = Halves::new();
    (0..20).for_each(|_| halves.turn(true));
    let peer = halves.node.local_peer();
    for _ in 0..40 {
        for stream in std::mem::take(&mut halves.opened) {
            halves.remote.reset(stream, NOW);
        }
        for _ in 0..200 {
            halves.remote.open_stream(Target::Peer(peer), PROTOCOL, NOW);
        }
        halves.turn(false);
    }
    let kept = halves.connection.unwrap().stream_count();
    assert!((1_000..2_100).contains(&kept), "{kept} streams are kept");
}
