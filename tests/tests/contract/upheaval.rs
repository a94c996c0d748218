//! The story, ended in the middle. Nothing may be left of it, and every command has had its outcome.

use peerwork_core::connection::Pipeline;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::SwarmInput;
use peerwork_tests::drivers::Host;
use peerwork_tests::drivers::host::{LoopHost, run, run_for, run_while};
use peerwork_tests::drivers::network::{Engine, Faults, Network};
use peerwork_tests::memory::MemoryCarrier;
use peerwork_tests::recipe::{self, SECURITIES, Security};
use peerwork_tests::scenario::{self, Toys};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const FAULTS: Faults = Faults { max_piece: 2_000, capacity: 20_000, max_stall: Duration::from_millis(20) };

const MAX_DELAY: Duration = Duration::from_millis(20);

/// How many turns a story lasts at most before it is ended.
const MAX_TURNS: u64 = 400;

/// ping keeps a stream open, one for each side.
const PING_STREAMS: usize = 2;

#[derive(Debug, Clone, Copy)]
enum Upheaval {
    /// The cable is pulled.
    Cut,
    /// One node shuts down.
    Shutdown,
    /// Both do, and the cable is pulled while they do.
    ShutdownAndCut,
    /// The applications lose interest in everything, nothing else happens.
    Neglect,
}

const UPHEAVALS: [Upheaval; 4] =
    [Upheaval::Cut, Upheaval::Shutdown, Upheaval::ShutdownAndCut, Upheaval::Neglect];

fn end_early<E: Engine<Protocols = Toys>>(
    network: Rc<RefCell<Network<E>>>,
    upheaval: Upheaval,
    chance: &mut Seed,
) {
    let (a, b) = (LoopHost::new(&network, 0), LoopHost::new(&network, 1));
    run_for(&network, 1 + chance.below(MAX_TURNS), scenario::tell(&a, &b));
    a.leave();
    b.leave();
    match upheaval {
        Upheaval::Cut => network.borrow_mut().cut_wires(),
        Upheaval::Shutdown => run(&network, a.shutdown()),
        Upheaval::ShutdownAndCut => {
            a.input(SwarmInput::Shutdown);
            b.input(SwarmInput::Shutdown);
            for _ in 0..chance.below(8) {
                network.borrow_mut().turn();
            }
            network.borrow_mut().cut_wires();
        }
        Upheaval::Neglect => {}
    }
    // Commands that were under way still have their outcome, and streams that nobody wants any more end.
    run_while(&network, Duration::from_secs(60));
    let streams = [0, 1].map(|seat| network.borrow().engine(seat).stream_count());
    assert!(
        streams.iter().all(|count| *count <= PING_STREAMS),
        "{upheaval:?}: streams are left: {streams:?}"
    );
    run(&network, scenario::both(a.shutdown(), b.shutdown()));
    let left = [a.leftovers(), b.leftovers()].concat();
    let idle = [0, 1].map(|seat| {
        let network = network.borrow();
        let (counter, upgrader) = network.engine(seat).node().protocols();
        (counter.is_idle(), upgrader.is_idle())
    });
    assert!(left.is_empty(), "{upheaval:?}: something is left: {left:#?}");
    assert_eq!(idle, [(true, true); 2], "{upheaval:?}: a command without an outcome, or a stream");
}

fn every_upheaval(case: impl Fn(Upheaval, u64, &mut Seed)) {
    for number in 0..24 {
        for upheaval in UPHEAVALS {
            println!("case {number}, {upheaval:?}");
            case(upheaval, number, &mut Seed::reproducible(number));
        }
    }
}

fn security(number: u64) -> Security {
    SECURITIES[number as usize % SECURITIES.len()]
}

#[test]
fn bare_loop() {
    every_upheaval(|upheaval, number, chance| {
        end_early(recipe::local(security(number), FAULTS, number), upheaval, chance);
    });
}

#[test]
fn delayed_messages() {
    every_upheaval(|upheaval, number, chance| {
        let network = recipe::halves::<Pipeline>(security(number), FAULTS, MAX_DELAY, number);
        end_early(network, upheaval, chance);
    });
}

#[test]
fn streams_without_bytes_below() {
    let faults = Faults { max_piece: 5, capacity: 20, ..FAULTS };
    every_upheaval(|upheaval, number, chance| {
        let network = recipe::halves::<MemoryCarrier>(Security::Plaintext, faults, MAX_DELAY, number);
        end_early(network, upheaval, chance);
    });
}
