//! What must hold of the counters of a swarm at all times.

use peerwork_core::swarm::SwarmCounters;

/// Which sums do not agree, if any do not.
pub fn disagreement(counters: &SwarmCounters) -> Option<String> {
    let SwarmCounters { usage, dialer, .. } = counters;
    let (opened, closed) = (counters.connections_opened, counters.connections_closed.total());
    let open = usage.connections.total() - usage.pending.total();
    let (streams_opened, streams_closed) = (counters.streams_opened, counters.streams_closed);
    let ended = [
        dialer.attempts_succeeded,
        dialer.attempts_failed,
        dialer.attempts_timed_out,
        dialer.attempts_cancelled,
    ];
    let under_way = (dialer.peer_tokens.in_use - dialer.descriptors.waiting) as u64;
    let sums = [
        ("connections", opened.total() == closed + open as u64),
        ("peers", counters.peers <= open && (counters.peers == 0) == (open == 0)),
        (
            "inbound streams",
            streams_opened.inbound == streams_closed.inbound + usage.streams.inbound() as u64,
        ),
        // Those that were asked for count as being there, and have not been opened.
        (
            "outbound streams",
            streams_closed.outbound <= streams_opened.outbound
                && streams_opened.outbound <= streams_closed.outbound + usage.streams.outbound() as u64,
        ),
        ("attempts that succeeded", dialer.attempts_succeeded == opened.outbound),
        ("attempts", dialer.attempts_started == ended.into_iter().sum::<u64>() + under_way),
    ];
    let wrong: Vec<&str> = sums.into_iter().filter(|(_, holds)| !holds).map(|(what, _)| what).collect();
    (!wrong.is_empty()).then(|| format!("the counters of {} disagree: {counters:?}", wrong.join(", ")))
}
