//! Nodes on every runtime; the program that is tested has them all.

use crate::program::{Listener, node, peerwork};

const RUNTIMES: [&str; 3] = ["tokio", "smol", "async-std"];

#[test]
fn nodes_on_all_runtimes_meet() {
    for runtime in RUNTIMES {
        let listener = Listener::start(&["--runtime", runtime]);
        let by_name = listener.address.replace("/ip4/127.0.0.1/", "/dns4/localhost/");
        for runtime in RUNTIMES {
            node(&["ping", &by_name, "1", "--runtime", runtime]).success();
            node(&["echo", &listener.address, "300000", "--runtime", runtime]).success();
        }
    }
}

#[test]
fn perf_is_measured_and_served_on_all_runtimes() {
    for (serves, measures) in [("smol", "async-std"), ("async-std", "smol")] {
        let listener = Listener::start(&["--perf", "--runtime", serves]);
        let sizes = ["--upload-bytes", "100kB", "--download-bytes", "100kB", "--seconds", "0.1"];
        let arguments = [&["perf", &listener.address, "--runtime", measures], &sizes[..]].concat();
        node(&arguments).success();
    }
}

#[test]
fn the_demo_on_another_runtime() {
    let demo = peerwork(&["demo", "--runtime", "smol"]).success();
    assert!(demo.contains("\n7. "), "{demo}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_node_is_where_it_should_be() {
    for (runtime, expected) in
        [("tokio", "tokio"), ("smol", "smol-1"), ("smol", "async-io"), ("async-std", "async-std/runti")]
    {
        let listener = Listener::start(&["--runtime", runtime]);
        let threads = std::fs::read_dir(format!("/proc/{}/task", listener.running.id())).expect("it runs");
        let name = |thread: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(thread.expect("a thread").path().join("comm")).unwrap_or_default()
        };
        let names: Vec<_> = threads.map(name).collect();
        assert!(names.iter().any(|name| name.starts_with(expected)), "{runtime}: {names:?}");
    }
}
