//! What is told, and that the documentation lists it.

use super::{parse_address, text};
use peerwork_tokio::Metrics;
use peerwork_tokio::core::connection::Traffic;
use peerwork_tokio::core::swarm::dialer::{DialerCounters, TokenCount};
use peerwork_tokio::core::swarm::{ByDirection, ClosedConnections, FailedIncoming, SwarmCounters, Usage};
use std::time::{Duration, UNIX_EPOCH};

const DOCUMENTATION: &str = include_str!("../../../docs/metrics.md");

/// What is told of [`metrics`]; `VERSION` stands for the program's.
const EXPECTED: &str = include_str!("expected.txt");

/// Another number for everything, but for what can only be counted.
fn metrics() -> Metrics {
    let closed = ClosedConnections {
        idle: 3,
        trimmed: 4,
        denied: 5,
        closed_here: 6,
        closed_by_peer: 7,
        broken: 8,
        failed: 9,
    };
    let dialer = DialerCounters {
        dials_succeeded: 22,
        dials_failed: 23,
        dials_timed_out: 24,
        dials_cancelled: 25,
        dials_refused: 26,
        addresses_refused: 27,
        attempts_started: 28,
        attempts_succeeded: 29,
        attempts_failed: 30,
        attempts_timed_out: 31,
        attempts_cancelled: 32,
        lookups: 33,
        dials_waiting: 34,
        peer_tokens: TokenCount { in_use: 35, waiting: 36 },
        descriptors: TokenCount { in_use: 37, waiting: 38 },
    };
    let swarm = SwarmCounters {
        connections_opened: ByDirection { inbound: 1, outbound: 2 },
        connections_closed: closed,
        incoming_failed: FailedIncoming {
            denied: 10,
            over_limit: 11,
            too_fast: 12,
            timed_out: 13,
            failed: 14,
        },
        streams_opened: ByDirection { inbound: 15, outbound: 16 },
        streams_closed: ByDirection { inbound: 17, outbound: 18 },
        streams_refused: 19,
        streams_failed: 20,
        usage: Usage::default(),
        peers: 21,
        known_peers: 23,
        dialer,
    };
    Metrics { swarm, traffic: Traffic { received_bytes: 39, sent_bytes: u64::MAX } }
}

fn encoded() -> String {
    text::encode(metrics(), UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

#[test]
fn every_number_has_its_place() {
    assert_eq!(encoded().replace(env!("CARGO_PKG_VERSION"), "VERSION"), EXPECTED);
}

/// Each name has one row, in which its labels and their values occur; and each row is of something that is told.
#[test]
fn the_documentation_lists_what_there_is() {
    let text = encoded();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    for sample in samples.clone() {
        let name = sample.split(['{', ' ']).next().expect("there is a first part");
        let row = DOCUMENTATION.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/metrics.md has no row for {name}"));
        let labels = sample.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        for label in labels.map_or("", |(labels, _)| labels).split(',').filter(|label| !label.is_empty()) {
            let (key, value) = label.split_once('=').expect("a label has a value");
            let value = value.trim_matches('"');
            let is_told = key == "version" || row.contains(&format!("`{value}`"));
            assert!(
                row.contains(&format!("`{key}`")) && is_told,
                "{name} has {label}, of which docs/metrics.md says nothing"
            );
        }
    }
    for row in DOCUMENTATION.lines().filter_map(|line| line.strip_prefix("| `")) {
        let name = row.split('`').next().expect("there is a first part");
        assert!(samples.clone().any(|sample| sample.starts_with(name)), "there is no {name}");
    }
}

#[test]
fn addresses_and_ports() {
    for (text, expected) in [
        ("127.0.0.1:9090", "127.0.0.1:9090"),
        ("0.0.0.0:0", "0.0.0.0:0"),
        ("[::1]:9090", "[::1]:9090"),
        ("9090", "127.0.0.1:9090"),
        ("0", "127.0.0.1:0"),
    ] {
        assert_eq!(parse_address(text).map(|address| address.to_string()).ok().as_deref(), Some(expected));
    }
    for bad in [
        "",
        "x",
        "localhost:9090",
        "127.0.0.1",
        "::1",
        "::1:9090:",
        ":9090",
        "65536",
        "127.0.0.1:65536",
        "-1",
    ] {
        let error = parse_address(bad).expect_err(bad).to_string();
        let rest = "an IP address and a port are needed, such as 127.0.0.1:9090, or a port alone";
        assert_eq!(error, format!("'{bad}': {rest}"));
    }
}
