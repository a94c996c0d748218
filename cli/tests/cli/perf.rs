//! How fast is it?

use crate::program::{Listener, json, node};
use serde_json::Value;

const QUICK: [&str; 2] = ["--seconds", "0.2"];

#[track_caller]
fn perf(listener: &Listener, options: &[&str]) -> Vec<Value> {
    let run = node(&[&["--json", "perf", &listener.address], options, &QUICK].concat());
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    run.json()
}

#[test]
fn everything_is_measured_as_json() {
    let listener = Listener::start(&["--perf"]);
    let lines = perf(&listener, &[]);
    let events: Vec<_> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events, ["connected", "upload", "download", "round-trip", "stream", "connection"]);
    for times in &lines[3..6] {
        let ms = |name: &str| times[name].as_f64().expect("a number");
        assert!(times["count"].as_u64().is_some_and(|count| count > 0), "{times}");
        assert!(
            0.0 < ms("p50_ms") && ms("p50_ms") <= ms("p99_ms") && ms("p99_ms") <= ms("max_ms"),
            "{times}"
        );
    }
    for flow in &lines[1..3] {
        assert!(flow["bytes"].as_u64().is_some_and(|bytes| bytes > 100_000), "{flow}");
        assert!(flow["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.2), "{flow}");
        assert!(flow["bytes_per_second"].as_f64().is_some_and(|speed| speed > 1e4), "{flow}");
    }
    let last = lines.last().expect("a result");
    assert_eq!((last["ok"].as_bool(), last["command"].as_str()), (Some(true), Some("perf")));
    assert_eq!(last["peer"], listener.peer());
    assert_eq!(last["upload"]["bytes"], lines[1]["bytes"]);
    assert_eq!(last["round_trip"]["count"], lines[3]["count"]);
}

#[test]
fn sizes_are_as_given() {
    let listener = Listener::start(&["--perf"]);
    let lines = perf(&listener, &["--upload-bytes", "2MiB", "--download-bytes", "1MB"]);
    let last = lines.last().expect("a result");
    assert_eq!(
        (last["upload"]["bytes"].as_u64(), last["download"]["bytes"].as_u64()),
        (Some(2 << 20), Some(1_000_000))
    );
    let lines = perf(&listener, &["--upload-bytes", "0", "--download-bytes", "0"]);
    let last = lines.last().expect("a result");
    assert!(last["upload"].is_null() && last["download"].is_null(), "{last}");
}

#[test]
fn results_for_people() {
    let listener = Listener::start(&["--perf"]);
    let text = node(&[&["perf", &listener.address], &QUICK[..]].concat()).success();
    for start in
        ["connected ", "stream       p50 ", "round-trip   p50 ", "connection   p50 ", "upload ", "download "]
    {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start}: {text}");
    }
    assert!(text.contains("iB/s, "), "{text}");
}

#[test]
fn it_is_off_unless_asked_for() {
    let listener = Listener::start(&[]);
    let run = node(&["perf", &listener.address]);
    assert_eq!(run.failure(), "the peer does not speak /perf/1.0.0; peerwork listen serves it with --perf");
    let run = node(&["--json", "perf", &listener.address]);
    assert_eq!(json(run.stdout.lines().last().expect("a result"))["ok"], false);
}

#[test]
fn sizes_that_are_none() {
    for size in ["", "many", "-1", "1XB"] {
        let run = node(&["perf", "/ip4/127.0.0.1/tcp/1", &format!("--upload-bytes={size}")]);
        assert_eq!(run.status, Some(2), "{run:?}");
    }
}
