//! Which numbers there are, and what they are called. docs/metrics.md lists them.

use peerwork_tokio::Metrics;
use peerwork_tokio::core::connection::Traffic;
use peerwork_tokio::core::swarm::dialer::DialerCounters;
use peerwork_tokio::core::swarm::{ByDirection, Count, SwarmCounters};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use std::time::{SystemTime, UNIX_EPOCH};

/// Numbers of one name, told apart by labels.
#[derive(Debug)]
pub(super) struct Family {
    /// Without the prefix and what unit and kind add.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<Unit>,
    pub(super) kind: Kind,
    pub(super) values: Values,
}

#[derive(Debug)]
pub(super) enum Values {
    Alone(u64),
    Labelled(Vec<(Labels, u64)>),
}

/// Names and values.
pub(super) type Labels = Vec<(&'static str, &'static str)>;

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// What there is now.
    Gauge,
}

impl From<Kind> for MetricType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter,
            Kind::Gauge => Self::Gauge,
        }
    }
}

/// All numbers of a node that was started then.
pub(super) fn families(metrics: &Metrics, started: SystemTime) -> Vec<Family> {
    let Metrics { swarm, traffic } = metrics;
    let mut families = connections(swarm);
    families.extend(streams(swarm));
    families.extend(dials(&swarm.dialer));
    families.extend(node(traffic, started));
    families
}

fn connections(swarm: &SwarmCounters) -> Vec<Family> {
    let SwarmCounters {
        connections_opened, connections_closed: closed, incoming_failed: failed, usage, ..
    } = swarm;
    let (all, pending) = (usage.connections, usage.pending);
    let now = |direction, state, count| (vec![("direction", direction), ("state", state)], count);
    let open = |direction: fn(Count) -> usize| (direction(all) - direction(pending)) as u64;
    vec![
        gauge(
            "connections",
            "Connections now; pending until their peer is known",
            Values::Labelled(vec![
                now("inbound", "pending", pending.inbound() as u64),
                now("inbound", "open", open(Count::inbound)),
                now("outbound", "pending", pending.outbound() as u64),
                now("outbound", "open", open(Count::outbound)),
            ]),
        ),
        gauge("peers", "Peers to whom a connection is open now", Values::Alone(swarm.peers as u64)),
        gauge("known_peers", "Peers in the peer book now", Values::Alone(swarm.known_peers as u64)),
        counter(
            "connections_opened",
            "Connections that were opened, by who made them",
            by_direction(connections_opened),
        ),
        counter(
            "connections_closed",
            "Connections that were open and are gone, by why",
            by(
                "reason",
                [
                    ("idle", closed.idle),
                    ("trimmed", closed.trimmed),
                    ("denied", closed.denied),
                    ("closed_here", closed.closed_here),
                    ("closed_by_peer", closed.closed_by_peer),
                    ("broken", closed.broken),
                    ("failed", closed.failed),
                ],
            ),
        ),
        counter(
            "incoming_failed",
            "Connections of remotes that were never opened, by why",
            by(
                "reason",
                [
                    ("denied", failed.denied),
                    ("over_limit", failed.over_limit),
                    ("too_fast", failed.too_fast),
                    ("timed_out", failed.timed_out),
                    ("failed", failed.failed),
                ],
            ),
        ),
    ]
}

fn streams(swarm: &SwarmCounters) -> Vec<Family> {
    let SwarmCounters { usage, streams_opened, streams_closed, streams_refused, streams_failed, .. } = swarm;
    let now =
        ByDirection { inbound: usage.streams.inbound() as u64, outbound: usage.streams.outbound() as u64 };
    vec![
        gauge("streams", "Streams now, with those that were asked for", by_direction(&now)),
        counter(
            "streams_opened",
            "Streams that were opened, by who opened them",
            by_direction(streams_opened),
        ),
        counter("streams_closed", "Streams that were opened and are gone", by_direction(streams_closed)),
        counter(
            "streams_refused",
            "Streams of remotes that were over a limit, or that nobody handles any more",
            Values::Alone(*streams_refused),
        ),
        counter(
            "streams_failed",
            "Streams that this node wanted and did not get",
            Values::Alone(*streams_failed),
        ),
    ]
}

fn dials(dialer: &DialerCounters) -> Vec<Family> {
    let DialerCounters { peer_tokens, descriptors, .. } = dialer;
    let tokens = |kind, state, count: usize| (vec![("kind", kind), ("state", state)], count as u64);
    vec![
        counter(
            "dials",
            "Wishes for a connection that were answered, by how",
            by(
                "outcome",
                [
                    ("succeeded", dialer.dials_succeeded),
                    ("failed", dialer.dials_failed),
                    ("timed_out", dialer.dials_timed_out),
                    ("cancelled", dialer.dials_cancelled),
                    ("refused", dialer.dials_refused),
                ],
            ),
        ),
        gauge(
            "dials_waiting",
            "Wishes for a connection without an answer now",
            Values::Alone(dialer.dials_waiting as u64),
        ),
        counter(
            "dial_attempts_started",
            "Addresses that were dialled",
            Values::Alone(dialer.attempts_started),
        ),
        counter(
            "dial_attempts",
            "Addresses that were dialled, by how that ended",
            by(
                "outcome",
                [
                    ("succeeded", dialer.attempts_succeeded),
                    ("failed", dialer.attempts_failed),
                    ("timed_out", dialer.attempts_timed_out),
                    ("cancelled", dialer.attempts_cancelled),
                ],
            ),
        ),
        counter(
            "dial_addresses_refused",
            "Addresses that were not dialled, because nobody can or not now",
            Values::Alone(dialer.addresses_refused),
        ),
        gauge(
            "dial_tokens",
            "Tokens that dials have in use or wait for now",
            Values::Labelled(vec![
                tokens("peer", "in_use", peer_tokens.in_use),
                tokens("peer", "waiting", peer_tokens.waiting),
                tokens("descriptor", "in_use", descriptors.in_use),
                tokens("descriptor", "waiting", descriptors.waiting),
            ]),
        ),
        counter("lookups", "Questions to the name service", Values::Alone(dialer.lookups)),
    ]
}

fn node(traffic: &Traffic, started: SystemTime) -> Vec<Family> {
    let started = started.duration_since(UNIX_EPOCH).unwrap_or_default();
    let received =
        counter("received", "Bytes received on all connections", Values::Alone(traffic.received_bytes));
    let sent = counter("sent", "Bytes sent on all connections", Values::Alone(traffic.sent_bytes));
    let started =
        gauge("start_time", "When the node was started, since 1970", Values::Alone(started.as_secs()));
    vec![
        Family { unit: Some(Unit::Bytes), ..received },
        Family { unit: Some(Unit::Bytes), ..sent },
        Family { unit: Some(Unit::Seconds), ..started },
    ]
}

fn counter(name: &'static str, help: &'static str, values: Values) -> Family {
    Family { name, help, unit: None, kind: Kind::Counter, values }
}

fn gauge(name: &'static str, help: &'static str, values: Values) -> Family {
    Family { name, help, unit: None, kind: Kind::Gauge, values }
}

/// Numbers told apart by one label.
fn by<const N: usize>(label: &'static str, values: [(&'static str, u64); N]) -> Values {
    Values::Labelled(values.map(|(value, count)| (vec![(label, value)], count)).into())
}

fn by_direction(count: &ByDirection) -> Values {
    by("direction", [("inbound", count.inbound), ("outbound", count.outbound)])
}
