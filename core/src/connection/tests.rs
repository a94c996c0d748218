//! What an idle connection is made of. What all of it costs together is in `core/tests/memory.rs`.

mod lazy;
mod round_trips;

use super::*;

/// A part may shrink; one that grows past its bound must be argued for here. Queues, maps and timers keep a single item in place: 72 bytes
/// of a connection that spare it several allocations for each message and each stream. The bytes that went over it take 16.
#[test]
fn the_parts_of_an_idle_connection_stay_small() {
    let parts = [
        ("connection", size_of::<Connection>(), 592),
        ("  of which the pipeline", size_of::<Pipeline>(), 184),
        ("  of which the reports to the node", size_of::<Reports>(), 104),
        ("stream", size_of::<Stream>(), 56),
        ("  of which a raw one", size_of::<Raw>(), 16),
        ("  beside it a framed one", size_of::<Framed>(), 208),
    ];
    for (part, bytes, bound) in parts {
        println!("{bytes:5} {part}");
        assert!(bytes <= bound, "{part} has {bytes} bytes, more than {bound}");
    }
}
