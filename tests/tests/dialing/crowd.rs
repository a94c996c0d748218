//! Many dials at once, of peers that mostly do not answer.

use crate::every_case;
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::node::NodeConfig;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::dialer::AttemptState;
use peerwork_core::swarm::{DialId, DialTarget, SwarmEvent};
use peerwork_tests::drivers::Host;
use peerwork_tests::drivers::host::{LoopHost, run, watch_while};
use peerwork_tests::drivers::network::{Faults, Network, Record, Stranger};
use peerwork_tests::recipe::{self, START, Security};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// How many peers are dialled, five times each.
const PEERS: u8 = 100;

const FAULTS: Faults = Faults { max_piece: 2_000, capacity: 20_000, max_stall: Duration::from_millis(20) };

/// No dial takes so long: nearly all of the 400 silent addresses may have their time, 16 at a time.
const PATIENCE: Duration = Duration::from_secs(200);

/// What came of it.
#[derive(Debug, PartialEq)]
struct Outcome {
    record: Record,
    /// How many attempts were in flight at a time, at most: in all, and to one peer.
    most: (usize, usize),
}

/// A peer's addresses, of which all but its own are silent: so many of them before it in the dialer's order, the others after it.
fn addresses(peer: u8, own: Multiaddr, before: u16) -> Vec<Multiaddr> {
    let ports = (1..=before).chain(60_001 + before..=60_004);
    let silent = ports.map(|port| address::from_socket_address(([127, 1, peer, 1], port).into()));
    silent.chain([own]).collect()
}

fn crowd(max_descriptors: usize, max_attempts_per_peer: usize, chance: u64) -> Outcome {
    let mut draw = Seed::reproducible(chance);
    let limit = |config: &mut NodeConfig| {
        let dialer = &mut config.swarm.dialer;
        (dialer.max_descriptors, dialer.max_attempts_per_peer) = (max_descriptors, max_attempts_per_peer);
        dialer.dial_timeout = PATIENCE;
        config.swarm.reports_attempts = true;
    };
    let nodes: Vec<_> = (0..=PEERS)
        .map(|number| {
            let builder = recipe::builder(number, Security::Plaintext);
            let builder = if number == 0 { builder.configure(limit) } else { builder };
            builder.build_local(draw.child(&format!("node {number}")), START).unwrap()
        })
        .collect();
    let network = Rc::new(RefCell::new(Network::new(nodes, FAULTS, draw.child("network"), START)));
    let hosts: Vec<_> = (0..=PEERS).map(|seat| LoopHost::new(&network, seat.into())).collect();

    let mut targets = Vec::new();
    let mut owners = BTreeMap::new();
    for (number, host) in (0..=PEERS).zip(&hosts).skip(1) {
        let own = run(&network, host.listen()).unwrap();
        let (own, peer) = address::split_peer_id(&own).unwrap();
        let addresses = addresses(number, own.clone(), draw.below(5) as u16);
        for address in &addresses {
            owners.insert(address.clone(), number);
            if *address != own {
                network.borrow_mut().put(address.clone(), Stranger::Silent);
            }
        }
        targets.push(DialTarget { peer, addresses });
    }
    network.borrow_mut().take_record();
    let dials: Vec<_> = (0..5)
        .flat_map(|_| &targets)
        .map(|target| (hosts[0].start_dial(target.clone()), target.peer.unwrap()))
        .collect();
    let mut most = (0, 0);
    watch_while(&network, PATIENCE, |network| {
        let mut by_peer = BTreeMap::new();
        for address in network.in_flight(0) {
            *by_peer.entry(owners[address]).or_insert(0) += 1;
        }
        most.0 = most.0.max(by_peer.values().sum());
        most.1 = most.1.max(by_peer.values().copied().max().unwrap_or(0));
    });

    let record = network.borrow_mut().take_record();
    let mut peers = BTreeMap::new();
    let mut answers = BTreeMap::new();
    for (_, seat, event) in &record {
        match event {
            SwarmEvent::Connected { connection, peer, .. } if *seat == 0 => {
                peers.insert(*connection, *peer);
            }
            SwarmEvent::Dialed { dial, connection } => {
                assert_eq!(answers.insert(*dial, peers[connection]), None, "{dial:?} has two answers");
            }
            _ => {}
        }
    }
    assert_eq!(answers, dials.into_iter().collect::<BTreeMap<DialId, _>>(), "each is with the right peer");
    assert_eq!(peers.len(), usize::from(PEERS), "those who want the same peer share one connection");
    {
        let network = network.borrow();
        let usage = network.engine(0).node().swarm().usage();
        assert_eq!((usage.pending.total(), usage.connections.outbound()), (0, PEERS.into()));
    }
    let all = hosts.iter().map(|host| Box::pin(host.shutdown()));
    all.for_each(|shutdown| run(&network, shutdown));
    let left: Vec<_> = hosts.iter().flat_map(LoopHost::leftovers).collect();
    assert_eq!(left, Vec::<String>::new());
    Outcome { record, most }
}

#[test]
fn five_hundred_dials_at_once_keep_within_the_limits() {
    every_case(3, |case| {
        let outcome = crowd(16, 4, case);
        assert_eq!(outcome.most, (16, 4));
        let timed_out = |event: &SwarmEvent| matches!(event, SwarmEvent::Dialing(progress) if matches!(progress.state, AttemptState::Failed { .. }));
        let silent = outcome.record.iter().filter(|(_, _, event)| timed_out(event)).count();
        assert!(silent >= 50, "silent addresses took tokens until their time was over: {silent}");
        outcome
    });
}

/// The check can fail: where more may be in flight, more is seen.
#[test]
fn five_hundred_dials_with_higher_limits_are_seen_to_exceed_the_lower() {
    assert_eq!(crowd(64, 8, 0).most, (64, 5));
}
