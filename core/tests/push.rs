//! Identify push between two nodes.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod pair;

use pair::{PROTOCOL, Pair};
use peerwork_core::address::Multiaddr;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{LocalNode, NodeBuilder, NodeEvent};
use peerwork_core::protocols::identify::{IdentifyEvent, IdentifyInfo, PUSH_DELAY};
use peerwork_core::security::secio::Secio;
use peerwork_core::swarm::{SwarmEvent, SwarmInput};
use std::sync::Arc;

const NEW: ProtocolId = ProtocolId::from_static("/new/1.0.0");

fn builder() -> NodeBuilder {
    NodeBuilder::new()
        .security(Secio::default())
        .muxer(Mplex::default())
        .configure(|config| config.ping.interval = None)
}

#[test]
fn a_new_protocol_is_pushed_in_both_directions() {
    let mut pair = Pair::connected(builder);
    for (teller, hearer) in [(0, 1), (1, 0)] {
        let mut known = (*last(&pair, hearer)).clone();
        assert!(!known.protocols.contains(&NEW));
        pair.nodes[teller].handle_protocol(NEW, pair.now);
        pair.pass(PUSH_DELAY);
        let sent =
            |event: &NodeEvent<_>| matches!(event, NodeEvent::Identify(IdentifyEvent::PushSent { .. }));
        assert!(pair.protocol_events[teller].iter().any(sent));
        let pushed = last(&pair, hearer);
        known.update(&pushed);
        assert_eq!(*pushed, known, "a push of ours tells everything");
        assert!(known.protocols.contains(&NEW));
        let record = known.certified.unwrap();
        assert_eq!(
            (record.peer, record.addresses),
            (pair.nodes[teller].local_peer(), known.listen_addresses)
        );
    }
}

#[test]
fn who_is_gone_is_not_pushed_to() {
    let mut pair = Pair::connected(builder);
    pair.nodes[0].handle_protocol(NEW, pair.now);
    let connection = pair.ids[1].unwrap();
    pair.nodes[1].handle_input(SwarmInput::Disconnect { connection }, pair.now);
    pair.run();
    pair.protocol_events = Default::default();
    pair.pass(2 * PUSH_DELAY);
    assert!(pair.protocol_events.iter().all(Vec::is_empty));
}

#[test]
fn what_peers_tell_and_push_is_kept_for_dials() {
    let mut pair = Pair::connected(builder);
    let [dialer, listener] = pair.nodes.each_ref().map(LocalNode::local_peer);
    let known = |pair: &Pair, node: usize, peer| {
        pair.nodes[node].node().swarm().peer_book().addresses(peer, pair.now)
    };
    assert_eq!((known(&pair, 0, listener), known(&pair, 1, dialer)), (vec![Pair::address()], vec![]));
    let book = pair.nodes[0].node().swarm().peer_book();
    assert!(book.get(listener, pair.now).unwrap().protocols.contains(&PROTOCOL));

    let address: Multiaddr = "/ip4/10.0.0.1/tcp/1".parse().unwrap();
    pair.nodes[0].listen(address.clone(), pair.now);
    pair.run();
    pair.pass(PUSH_DELAY);
    assert_eq!(known(&pair, 1, dialer), [address]);

    let connection = pair.ids[0].unwrap();
    pair.nodes[0].handle_input(SwarmInput::Disconnect { connection }, pair.now);
    pair.run();
    let dial = pair.nodes[0].dial(listener, pair.now);
    pair.run();
    let answer = pair.events[0].last();
    assert!(matches!(answer, Some(SwarmEvent::Dialed { dial: id, .. }) if *id == dial), "{answer:?}");
}

/// What the node heard last of the other one.
fn last(pair: &Pair, node: usize) -> Arc<IdentifyInfo> {
    let info = pair.protocol_events[node].iter().rev().find_map(|event| match event {
        NodeEvent::Identify(IdentifyEvent::Received { info, .. } | IdentifyEvent::Pushed { info, .. }) => {
            Some(Arc::clone(info))
        }
        _ => None,
    });
    info.unwrap()
}
