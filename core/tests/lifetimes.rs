//! When connections and streams end by themselves, to the nanosecond; and that what one peer breaks is that peer's alone.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod pair;

use pair::{PROTOCOL, Pair};
use peerwork_core::connection::ConnectionError;
use peerwork_core::machine::Blame;
use peerwork_core::muxer::ReadError;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{NodeBuilder, NodeCommand, NodeEvent};
use peerwork_core::protocols::ping::{PingCommand, PingEvent, PingId};
use peerwork_core::protocols::{StreamError, Target};
use peerwork_core::security::secio::Secio;
use peerwork_core::swarm::dialer::AttemptError;
use peerwork_core::swarm::{DialError, SwarmEvent, SwarmInput};
use std::time::Duration;

const NANOSECOND: Duration = Duration::from_nanos(1);

/// Nodes that do nothing of their own accord.
fn quiet() -> NodeBuilder {
    NodeBuilder::new()
        .security(Secio::default())
        .muxer(Mplex::default())
        .configure(|config| config.ping.interval = None)
}

#[test]
fn a_silent_peer_costs_the_handshake_timeout() {
    let mut pair = Pair::new(quiet);
    pair.cut = true;
    let dial = pair.nodes[0].dial(Pair::address(), pair.now);
    pair.run();
    // A private address has five seconds to become a connection, and a remote fifteen.
    pair.pass(Duration::from_secs(5) - NANOSECOND);
    assert_eq!(pair.events[0], []);
    pair.pass(NANOSECOND);
    let error = DialError::Failed(vec![(Pair::address(), AttemptError::Timeout)]);
    assert_eq!(error.blame(), Blame::Timeout);
    assert_eq!(pair.events[0], [SwarmEvent::DialFailed { dial, error }]);
    pair.pass(Duration::from_secs(10) - NANOSECOND);
    assert!(matches!(pair.events[1][..], [SwarmEvent::Listening { .. }]));
    pair.pass(NANOSECOND);
    assert!(matches!(
        pair.events[1].last(),
        Some(SwarmEvent::IncomingFailed { error: ConnectionError::HandshakeTimeout, .. })
    ));
    assert_eq!(pair.nodes.each_ref().map(|node| node.node().swarm().connection_count()), [0, 0]);
}

#[test]
fn an_idle_connection_is_closed_and_a_used_one_is_not() {
    let mut pair = Pair::connected(quiet);
    let [stream, remote] = pair.open().unwrap();
    pair.pass(Duration::from_secs(600));
    assert!(pair.ids[0].is_some(), "an open stream keeps it alive");
    pair.nodes[0].reset(stream, pair.now);
    pair.run();
    assert_eq!(pair.nodes[1].read(remote, 1, pair.now), Err(ReadError::Closed));
    pair.pass(Duration::from_secs(60) - NANOSECOND);
    assert!(pair.ids[0].is_some());
    pair.pass(NANOSECOND);
    let reasons = pair.events.each_ref().map(|events| match events.last() {
        Some(SwarmEvent::Disconnected { reason, .. }) => reason.clone(),
        other => panic!("{other:?}"),
    });
    assert!(reasons.contains(&ConnectionError::Idle), "{reasons:?}");
    assert_eq!(pair.ids, [None, None]);
}

#[test]
fn a_stream_on_its_way_keeps_a_connection_open() {
    let seconds = Duration::from_secs;
    let mut pair = Pair::connected(|| {
        quiet().configure(|config| config.swarm.connection.idle_timeout = Some(seconds(5)))
    });
    pair.pass(seconds(4));
    pair.cut = true;
    let peer = pair.nodes[1].local_peer();
    let request = pair.nodes[0].open_stream(Target::Peer(peer), PROTOCOL, pair.now);
    pair.run();
    pair.pass(seconds(10));
    assert!(pair.events[0].contains(&SwarmEvent::StreamFailed { request, error: StreamError::Timeout }));
    pair.pass(seconds(5) - NANOSECOND);
    assert!(!is_over(&pair, 0));
    pair.pass(NANOSECOND);
    assert!(is_over(&pair, 0), "idle since the stream was given up");
    assert!(is_over(&pair, 1), "the other side needed it for nothing");
}

#[test]
fn a_wish_keeps_an_idle_connection_open_as_long_as_both_sides_have_it() {
    let mut pair = Pair::connected(quiet);
    let keep_alive = |pair: &mut Pair, me: usize, wanted| {
        let connection = pair.ids[me].unwrap();
        pair.nodes[me].handle_input(SwarmInput::KeepAlive { connection, wanted }, pair.now);
    };
    keep_alive(&mut pair, 0, true);
    keep_alive(&mut pair, 1, true);
    pair.pass(Duration::from_secs(600));
    assert!(pair.ids[0].is_some());
    keep_alive(&mut pair, 1, false);
    pair.pass(Duration::from_secs(60) - NANOSECOND);
    assert!(pair.ids[0].is_some());
    pair.pass(NANOSECOND);
    assert!(is_over(&pair, 0), "the other side does not need it");
    assert_eq!(pair.ids, [None, None]);
}

/// Whether the last that the user of a node heard is that the connection is gone.
fn is_over(pair: &Pair, me: usize) -> bool {
    matches!(pair.events[me].last(), Some(SwarmEvent::Disconnected { .. }))
}

#[test]
fn pings_do_not_keep_a_connection_alive() {
    let mut pair = Pair::connected(|| NodeBuilder::new().security(Secio::default()).muxer(Mplex::default()));
    pair.pass(Duration::from_secs(59));
    let pongs = pair.protocol_events[0]
        .iter()
        .filter(|event| matches!(event, NodeEvent::Ping(PingEvent::Pong { .. })));
    assert_eq!(pongs.count(), 3, "one every 15 seconds");
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.ids, [None, None]);
}

#[test]
fn a_stream_that_is_not_agreed_on_is_given_up() {
    let mut pair = Pair::connected(quiet);
    pair.cut = true;
    let peer = pair.nodes[1].local_peer();
    let request = pair.nodes[0].open_stream(Target::Peer(peer), PROTOCOL, pair.now);
    pair.run();
    pair.pass(Duration::from_secs(10) - NANOSECOND);
    let failed = SwarmEvent::StreamFailed { request, error: StreamError::Timeout };
    assert!(!pair.events[0].contains(&failed));
    pair.pass(NANOSECOND);
    assert!(pair.events[0].contains(&failed));
    assert!(pair.ids[0].is_some(), "the connection stays");
}

#[test]
fn a_peer_that_does_not_close_is_dropped_after_the_close_timeout() {
    let mut pair = Pair::connected(quiet);
    pair.cut = true;
    let connection = pair.ids[0].unwrap();
    pair.nodes[0].handle_input(SwarmInput::Disconnect { connection }, pair.now);
    pair.run();
    assert!(matches!(
        pair.events[0].last(),
        Some(SwarmEvent::Disconnected { reason: ConnectionError::ClosedHere, .. })
    ));
    pair.pass(Duration::from_secs(5) - NANOSECOND);
    assert!(pair.ids[0].is_some(), "the peer may still read what was sent");
    pair.pass(NANOSECOND);
    assert_eq!(pair.ids[0], None);
}

#[test]
fn a_bad_message_costs_its_stream_and_nothing_else() {
    let mut pair = Pair::connected(quiet);
    let [healthy, healthy_remote] = pair.open().unwrap();
    // Half a ping and the end.
    let stream = pair.open_to(&ProtocolId::from_static("/ipfs/ping/1.0.0")).unwrap();
    pair.nodes[0].write(stream, &[1; 16], pair.now).unwrap();
    pair.nodes[0].close_write(stream, pair.now);
    pair.run();
    assert_eq!(pair.nodes[0].read(stream, 100, pair.now), Err(ReadError::Closed), "it was reset");

    pair.nodes[0].write(healthy, b"unharmed", pair.now).unwrap();
    pair.run();
    assert_eq!(pair.nodes[1].read(healthy_remote, 100, pair.now).unwrap(), "unharmed");

    let (id, peer) = (PingId(1), pair.nodes[1].local_peer());
    let command = NodeCommand::Ping(PingCommand::Ping { id, peer });
    pair.nodes[0].handle_input(SwarmInput::Command(command), pair.now);
    pair.run();
    assert!(matches!(
        pair.protocol_events[0].last(),
        Some(NodeEvent::Ping(PingEvent::Pong { id: Some(PingId(1)), .. }))
    ));
}

#[test]
fn garbage_on_the_wire_costs_its_connection() {
    let mut pair = Pair::connected(quiet);
    pair.open().unwrap();
    pair.wires[1].extend_from_slice(&[0, 0, 0, 40]);
    pair.wires[1].extend_from_slice(&[7; 40]);
    pair.run();
    let reason = match pair.events[1].last() {
        Some(SwarmEvent::Disconnected { reason, .. }) => reason.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(reason.to_string(), "the secure channel broke: the frame is not authentic");
    assert_eq!(reason.blame(), Blame::Peer);
    assert!(matches!(
        pair.events[0].last(),
        Some(SwarmEvent::Disconnected { reason: ConnectionError::ClosedByPeer, .. })
    ));
}
