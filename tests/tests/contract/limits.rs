//! Greedy peers get as much as the limits allow, and the others are served.

use peerwork_core::connection::ConnectionId;
use peerwork_core::node::LocalNode;
use peerwork_core::protocols::{RequestId, Target};
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{DialId, DialOptions, Limits, SwarmInput};
use peerwork_tests::drivers::Host;
use peerwork_tests::drivers::host::{LoopHost, run};
use peerwork_tests::drivers::network::{Faults, Network};
use peerwork_tests::recipe::{self, Security};
use peerwork_tests::scenario::{self, Toys};
use smallvec::smallvec;
use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

const FAULTS: Faults = Faults { max_piece: 500, capacity: 20_000, max_stall: Duration::from_millis(5) };

const GREEDY: std::ops::Range<u8> = 2..5;

fn limits() -> Limits {
    Limits {
        max_connections: 9,
        max_inbound_connections: 8,
        max_connections_per_peer: 2,
        max_pending_inbound: 3,
        max_inbound_streams: 16,
        max_inbound_streams_per_peer: 4,
        max_inbound_streams_per_connection: 3,
        ..Limits::default()
    }
}

type Loop = Rc<RefCell<Network<LocalNode<Toys>>>>;

/// The node that is attacked, a polite peer, and the greedy ones.
fn network(chance: u64) -> Loop {
    let nodes = (0..GREEDY.end).map(|number| {
        let builder = recipe::builder(number, Security::Plaintext);
        let builder = match number {
            0 => builder.configure(|config| config.swarm.limits = limits()),
            _ => builder,
        };
        builder
            .build_local(Seed::reproducible(chance).child(&format!("node {number}")), recipe::START)
            .unwrap()
    });
    Rc::new(RefCell::new(Network::new(nodes, FAULTS, Seed::reproducible(chance), recipe::START)))
}

/// Nothing is over its limit; returns the connections and streams of remotes.
fn check(network: &Loop) -> (usize, usize) {
    let network = network.borrow();
    let usage = network.engine(0).node().swarm().usage();
    let limits = limits();
    assert!(usage.connections.inbound() <= limits.max_inbound_connections, "{usage:?}");
    assert!(usage.pending.inbound() <= limits.max_pending_inbound, "{usage:?}");
    assert!(usage.streams.inbound() <= limits.max_inbound_streams, "{usage:?}");
    (usage.connections.inbound(), usage.streams.inbound())
}

#[test]
fn greedy_peers_do_not_keep_a_node_from_serving_others() {
    let mut most = (0, 0);
    for chance in 0..10 {
        let network = network(chance);
        let [server, polite] = [0, 1].map(|seat| LoopHost::new(&network, seat));
        let greedy: Vec<_> = GREEDY.map(|seat| LoopHost::new(&network, seat.into())).collect();
        let address = run(&network, async {
            server.handle(&scenario::ECHO).await;
            let address = server.listen().await.unwrap();
            polite.dial(address.clone()).await.unwrap();
            address
        });
        let mut draw = Seed::reproducible(chance);
        let mut next = 0;
        let mut attack = || {
            let host = &greedy[draw.below(greedy.len() as u64) as usize];
            next += 1;
            host.input(match draw.below(12) {
                0..3 => SwarmInput::Dial {
                    dial: DialId(next),
                    target: address.clone().into(),
                    options: DialOptions::always(),
                },
                3 => SwarmInput::Disconnect { connection: ConnectionId(draw.below(next)) },
                _ => SwarmInput::OpenStream {
                    request: RequestId(next),
                    target: Target::Peer(server.peer()),
                    protocols: smallvec![scenario::ECHO.clone()],
                },
            });
            let now = check(&network);
            most = (most.0.max(now.0), most.1.max(now.1));
        };
        let echoes = async {
            for _ in 0..20 {
                assert_eq!(scenario::echo(&polite, server.peer(), 5_000).await, Ok(true));
            }
        };
        let mut turns = 0;
        let attack = std::future::poll_fn(|_| {
            turns += 1;
            // Time passes only when nothing moves.
            if turns % 10 == 0 {
                attack();
            }
            Poll::Pending
        });
        run(&network, scenario::first(scenario::first(echoes, scenario::serve(&server)), attack));
        // The polite peer has one, and each of the greedy ones no more than two.
        let connections = network.borrow().engine(0).node().swarm().usage();
        let open = connections.connections.total() - connections.pending.total();
        assert!(open <= 1 + 2 * GREEDY.len(), "{connections:?}");
    }
    assert_eq!(most.0, limits().max_inbound_connections, "they were greedy");
    assert!(most.1 > 2 * limits().max_inbound_streams_per_peer, "they were greedy: {most:?}");
}
