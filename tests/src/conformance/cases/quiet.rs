//! No wake-up without work.

use crate::conformance::stage::{Actor, Bed, Doing, without_peer};
use crate::conformance::subject::{Setup, Subject};
use std::collections::BTreeSet;
use std::time::Duration;

/// How many connections there are.
const CONNECTIONS: usize = 100;

/// How long they are watched.
const WATCHED: Duration = Duration::from_millis(1_000);

/// How often an idle node may be woken while it is watched. That it is watched is part of it.
const MAX_WAKE_UPS: usize = 10;

/// How often it may be woken for a ping: a task or a loop sends it, hears its echo, and tells the node of it; or echoes it.
const MAX_WAKE_UPS_FOR_PING: usize = 20;

pub(super) fn is_quiet_when_idle<S: Subject>(bed: &Bed<S>) {
    for ping in [None, Some(WATCHED / 2)] {
        let setup = |number, ping| {
            Setup::new(number).configure(|config| {
                config.swarm.limits.max_connections_per_peer = CONNECTIONS;
                config.ping.interval = ping;
            })
        };
        let (dialer, listener, address) = bed.pair(setup(1, ping), setup(2, None));
        // A peer that is connected is not dialled again, but an address is.
        let address = without_peer(&address);
        let connections: BTreeSet<_> = (0..CONNECTIONS).map(|_| dialer.connect(&address)).collect();
        assert_eq!(connections.len(), CONNECTIONS, "connections to one address");
        // Three are due at most in twice and a bit of their interval.
        let pings = if ping.is_some() { 3 * CONNECTIONS } else { 0 };
        let allowed = MAX_WAKE_UPS + pings * MAX_WAKE_UPS_FOR_PING;
        for (name, watched) in [("the dialer", watch(&dialer)), ("the listener", watch(&listener))] {
            let wake_ups = watched.end();
            assert!(
                wake_ups <= allowed,
                "{name} was woken {wake_ups} times in {WATCHED:?}, with {pings} pings at most"
            );
        }
    }
}

/// Counts how often a node is woken.
fn watch<S: Subject>(actor: &Actor<S>) -> Doing<usize> {
    actor.start(|side| {
        // What has begun ends.
        side.drive(Duration::from_millis(300));
        let before = side.subject.wake_ups();
        side.drive(WATCHED);
        side.subject.wake_ups().unwrap_or_default() - before.unwrap_or_default()
    })
}
