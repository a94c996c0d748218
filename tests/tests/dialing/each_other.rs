//! Two nodes that dial each other at the same moment, with delayed messages within and between them.

use crate::every_case;
use peerwork_core::connection::{ConnectionId, Pipeline};
use peerwork_core::node::NodeConfig;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{SwarmEvent, SwarmInput, Usage};
use peerwork_tests::drivers::Host;
use peerwork_tests::drivers::halves::Halves;
use peerwork_tests::drivers::host::{LoopHost, run, run_while};
use peerwork_tests::drivers::network::{Engine, Faults, Network, Record};
use peerwork_tests::recipe::{self, START, Security};
use peerwork_tests::scenario::{Toys, both};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

const FAULTS: Faults = Faults { max_piece: 500, capacity: 20_000, max_stall: Duration::from_millis(20) };

const ROUNDS: usize = 3;

/// Longer than anything takes that is under way.
const A_WHILE: Duration = Duration::from_secs(60);

/// There is room for what one round needs and for nothing more, so that whatever was left of a round would fail the next one.
fn tight(config: &mut NodeConfig) {
    config.swarm.reports_attempts = true;
    let dialer = &mut config.swarm.dialer;
    (dialer.max_descriptors, dialer.max_attempts_per_peer, dialer.max_dials) = (1, 1, 1);
    let limits = &mut config.swarm.limits;
    *limits = limits.with_max_connections(2);
    (limits.max_pending_inbound, limits.max_pending_outbound) = (1, 1);
}

type Pair = Rc<RefCell<Network<Halves<Toys, Pipeline>>>>;

fn pair(chance: u64) -> Pair {
    let mut seed = Seed::reproducible(chance);
    let nodes = [0, 1].map(|number| {
        let node = recipe::builder(number, Security::Plaintext).configure(tight);
        let node = node.build(seed.child(&format!("node {number}")), START).unwrap();
        Halves::new(node, FAULTS.max_stall, seed.child(&format!("delays {number}")))
    });
    Rc::new(RefCell::new(Network::new(nodes, FAULTS, seed.child("network"), START)))
}

/// The open connections of a node, of which it has told once each.
fn open(record: &Record, of: usize) -> BTreeSet<ConnectionId> {
    let mut open = BTreeSet::new();
    for (_, seat, event) in record {
        match event {
            SwarmEvent::Connected { connection, .. } if *seat == of => assert!(open.insert(*connection)),
            SwarmEvent::Disconnected { connection, .. } if *seat == of => assert!(open.remove(connection)),
            SwarmEvent::DialFailed { error, .. } => panic!("{error}"),
            SwarmEvent::IncomingFailed { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
    open
}

fn usages(network: &Pair) -> [Usage; 2] {
    [0, 1].map(|seat| network.borrow().engine(seat).node().swarm().usage())
}

fn dial_each_other(chance: u64) -> Record {
    let network = pair(chance);
    let mut chance = Seed::reproducible(chance).child("pauses");
    let (a, b) = (LoopHost::new(&network, 0), LoopHost::new(&network, 1));
    let (to_a, to_b) = run(&network, both(a.listen(), b.listen()));
    let (to_a, to_b) = (to_a.unwrap(), to_b.unwrap());
    network.borrow_mut().take_record();
    let mut record = Record::new();
    for _ in 0..ROUNDS {
        let of_a = a.start_dial(to_b.clone());
        // Nearly at the same moment: half of the time not quite.
        let pause = chance.below(2) * chance.below(FAULTS.max_stall.as_nanos() as u64 * 5);
        run_while(&network, Duration::from_nanos(pause));
        let of_b = b.start_dial(to_a.clone());
        run_while(&network, A_WHILE);
        let (ping, pong) = run(&network, both(a.ping(b.peer()), b.ping(a.peer())));
        assert!(ping.is_ok() && pong.is_ok(), "{ping:?}, {pong:?}");
        record.extend(network.borrow_mut().take_record());
        for (of, wish) in [(0, of_a), (1, of_b)] {
            let is_answer =
                |event: &SwarmEvent| matches!(event, SwarmEvent::Dialed { dial, .. } if *dial == wish);
            assert_eq!(record.iter().filter(|(_, seat, event)| *seat == of && is_answer(event)).count(), 1);
        }
        let connections = [open(&record, 0), open(&record, 1)];
        for ([of_a, of_b], usage) in [[0, 1], [1, 0]].into_iter().zip(usages(&network)) {
            let count = connections[of_a].len();
            assert!((1..=2).contains(&count) && connections[of_b].len() == count, "{connections:?}");
            assert_eq!((usage.connections.total(), usage.pending.total()), (count, 0));
        }
        // Each ends what it has.
        for (host, connections) in [&a, &b].into_iter().zip(connections) {
            connections.into_iter().for_each(|connection| host.input(SwarmInput::Disconnect { connection }));
        }
        run_while(&network, A_WHILE);
        record.extend(network.borrow_mut().take_record());
        assert_eq!([open(&record, 0), open(&record, 1)], [BTreeSet::new(), BTreeSet::new()]);
        assert_eq!([a.leftovers(), b.leftovers()].concat(), Vec::<String>::new());
    }
    run(&network, both(a.shutdown(), b.shutdown()));
    record.extend(network.borrow_mut().take_record());
    record
}

#[test]
fn two_nodes_that_dial_each_other_at_once_agree() {
    every_case(50, dial_each_other);
}
