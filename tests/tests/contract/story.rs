//! The same story on every driver and every transport.

use peerwork_core::connection::Pipeline;
use peerwork_tests::drivers::host::{LoopHost, run};
use peerwork_tests::drivers::network::{Engine, Faults, Network};
use peerwork_tests::drivers::tasks::{Pipes, TaskHost};
use peerwork_tests::memory::MemoryCarrier;
use peerwork_tests::recipe::{self, SECURITIES, Security};
use peerwork_tests::scenario::{self, Story, Toys};
use peerwork_tokio::Tokio;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Wires that cut what they carry, hold little and stand still now and then.
pub(crate) const FAULTS: Faults =
    Faults { max_piece: 3_000, capacity: 20_000, max_stall: Duration::from_millis(20) };

const MAX_DELAY: Duration = Duration::from_millis(20);

/// Runs the story and the end on a network; nothing may be left.
pub(crate) fn story<E: Engine<Protocols = Toys>>(network: Rc<RefCell<Network<E>>>) -> Story {
    let (a, b) = (LoopHost::new(&network, 0), LoopHost::new(&network, 1));
    let story = run(&network, scenario::tell(&a, &b));
    let left = run(&network, scenario::end(&a, &b));
    assert!(left.is_empty(), "something is left: {left:#?}");
    story
}

/// What every other run is compared with.
pub(crate) fn expected() -> Story {
    story(recipe::local(Security::Plaintext, Faults::NONE, 0))
}

#[test]
fn the_story() {
    let story = expected();
    println!("{story:#?}");
}

#[test]
fn bare_loop() {
    let expected = expected();
    for &security in SECURITIES {
        assert_eq!(story(recipe::local(security, Faults::NONE, 1)), expected, "{security:?}");
        assert_eq!(story(recipe::local(security, FAULTS, 2)), expected, "{security:?}, bad wires");
    }
}

#[test]
fn delayed_messages() {
    let expected = expected();
    for chance in 0..3 {
        for &security in SECURITIES {
            let network = recipe::halves::<Pipeline>(security, FAULTS, MAX_DELAY, chance);
            assert_eq!(story(network), expected, "{security:?}, chance {chance}");
        }
    }
}

#[test]
fn streams_without_bytes_below() {
    let expected = expected();
    for chance in 0..3 {
        let faults = Faults { max_piece: 3, capacity: 20, ..FAULTS };
        let network = recipe::halves::<MemoryCarrier>(Security::Plaintext, faults, MAX_DELAY, chance);
        assert_eq!(story(network), expected, "chance {chance}");
    }
}

/// Runs the story and the end on tasks.
fn story_of_tasks(transport: Option<Pipes>, security: Security) -> Story {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let story = async {
        let [a, b] = recipe::tasks::<Tokio>(security, transport, 0).await;
        let (a, b) = (TaskHost::new(a).await, TaskHost::new(b).await);
        let story = scenario::tell(&a, &b).await;
        scenario::end(&a, &b).await;
        story
    };
    tokio.block_on(async { tokio::time::timeout(Duration::from_secs(60), story).await.unwrap() })
}

#[test]
fn tasks_over_pipes() {
    let expected = expected();
    for (capacity, &security) in [1_000, 7_000, 100_000, 3_000, 500].into_iter().zip(SECURITIES) {
        let story = story_of_tasks(Some(Pipes::new(capacity)), security);
        assert_eq!(story, expected, "{security:?}, {capacity} bytes in a pipe");
    }
}

#[test]
fn tasks_over_sockets() {
    let expected = expected();
    for &security in SECURITIES {
        let story = story_of_tasks(None, security);
        assert_eq!(story, expected, "{security:?}");
    }
}
