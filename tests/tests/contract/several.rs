//! Several connections between two nodes: both dial at once, and everybody uses every connection.

use peerwork_core::connection::{ConnectionId, Pipeline};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::Target;
use peerwork_tests::drivers::halves::Link;
use peerwork_tests::drivers::host::{LoopHost, run, run_while};
use peerwork_tests::drivers::network::{Engine, Faults, Network};
use peerwork_tests::drivers::{Host, HostStream};
use peerwork_tests::memory::MemoryCarrier;
use peerwork_tests::recipe::{self, SECURITIES, Security};
use peerwork_tests::scenario::{Toys, both};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

static TALK: ProtocolId = ProtocolId::from_static("/several/talk");

const FAULTS: Faults = Faults { max_piece: 500, capacity: 20_000, max_stall: Duration::from_millis(20) };

const MAX_DELAY: Duration = Duration::from_millis(20);

/// Sends a word over a stream of each connection, from `a` to `b`.
async fn talk<E: Engine<Protocols = Toys>>(a: &LoopHost<E>, b: &LoopHost<E>, connections: [ConnectionId; 2]) {
    for connection in connections {
        let mut stream = a.open_on(Target::Connection(connection), &TALK).await.unwrap();
        assert_eq!(stream.key().connection, connection);
        stream.write_all(b"word").await.unwrap();
        stream.close().await;
        let mut accepted = b.accept(&TALK).await;
        assert_eq!(accepted.read_to_end().await.unwrap(), b"word");
        accepted.close().await;
        assert_eq!(stream.read_to_end().await.unwrap(), b"");
    }
}

/// Both dial each other at the same time. Whichever connection is open first answers a dial. Both live, and each side opens streams on
/// either.
fn dial_each_other<E: Engine<Protocols = Toys>>(network: Rc<RefCell<Network<E>>>) {
    let (a, b) = (LoopHost::new(&network, 0), LoopHost::new(&network, 1));
    run(&network, async {
        let (to_a, to_b) = both(a.listen(), b.listen()).await;
        both(a.handle(&TALK), b.handle(&TALK)).await;
        let (from_a, from_b) = both(a.dial(to_b.unwrap()), b.dial(to_a.unwrap())).await;
        let ((at_a, _), (at_b, _)) = (from_a.unwrap(), from_b.unwrap());
        let peers = both(a.connected(), b.connected()).await;
        assert_eq!(peers, (b.peer(), a.peer()));
        both(a.opened(2), b.opened(2)).await;
        let others = |host: &LoopHost<E>, own: ConnectionId| {
            let two = [ConnectionId(0), ConnectionId(1)];
            host.meddle(|engine, _| {
                let swarm = engine.node().swarm();
                assert_eq!((swarm.connection_count(), swarm.usage().pending.total()), (2, 0));
                assert!(two.iter().all(|id| swarm.has_connection(*id)));
            });
            if own == two[0] { two } else { [two[1], two[0]] }
        };
        let (on_a, on_b) = (others(&a, at_a), others(&b, at_b));
        talk(&a, &b, on_a).await;
        talk(&b, &a, on_b).await;
        // One ends, the other goes on.
        a.disconnect(at_a).await;
        both(a.disconnected(), b.disconnected()).await;
        let mut stream = a.open(b.peer(), &TALK).await.unwrap();
        assert_eq!(stream.key().connection, on_a[1]);
        stream.close().await;
        let key = b.accept(&TALK).await.key();
        b.meddle(|engine, _| {
            let swarm = engine.node().swarm();
            assert!(swarm.connection_count() == 1 && swarm.has_connection(key.connection));
        });
    });
    run(&network, both(a.shutdown(), b.shutdown()));
    // The byte streams may take a little longer.
    run_while(&network, Duration::from_secs(60));
    assert_eq!([a.leftovers(), b.leftovers()].concat(), Vec::<String>::new());
}

fn delayed<C: Link>(security: Security, faults: Faults) {
    for chance in 0..10 {
        dial_each_other(recipe::halves::<C>(security, faults, MAX_DELAY, chance));
    }
}

#[test]
fn two_nodes_that_dial_each_other_at_once_have_two_connections() {
    for &security in SECURITIES {
        dial_each_other(recipe::local(security, Faults::NONE, 0));
        dial_each_other(recipe::local(security, FAULTS, 1));
        delayed::<Pipeline>(security, FAULTS);
    }
    delayed::<MemoryCarrier>(Security::Plaintext, Faults { max_piece: 3, capacity: 20, ..FAULTS });
}
