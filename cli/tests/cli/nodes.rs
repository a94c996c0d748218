//! Nodes that meet.

use crate::program::{Listener, Running, SECIO_MPLEX, json, node, peerwork};
use serde_json::{Value, json as object};
use std::process::Stdio;

#[track_caller]
fn connected(line: &Value, peer: &str) {
    assert_eq!(line["event"], "connected", "{line}");
    assert_eq!(line["encryption"], "/secio/1.0.0", "{line}");
    assert_eq!(line["muxer"], "/mplex/6.7.0", "{line}");
    if !peer.is_empty() {
        assert_eq!(line["peer"], peer, "{line}");
    }
}

#[test]
fn ping_as_json() {
    let listener = Listener::start(&[]);
    let run = node(&["ping", &listener.address, "4", "--json"]);
    let lines = run.json();
    connected(&lines[0], listener.peer());
    assert_eq!(lines[1]["event"], "pong");
    let last = lines.last().expect("a result");
    assert_eq!((last["ok"].as_bool(), last["command"].as_str()), (Some(true), Some("ping")));
    let round_trips = last["rtt_ms"].as_array().expect("a list");
    assert_eq!(round_trips.len(), 4);
    assert!(round_trips.iter().all(|rtt| rtt.as_f64().is_some_and(|rtt| rtt > 0.0)), "{last}");
}

#[test]
fn identify_as_json() {
    let listener = Listener::start(&[]);
    let run = node(&["--json", "identify", &listener.address]);
    let last = run.json().pop().expect("a result");
    assert_eq!((run.status, last["ok"].as_bool()), (Some(0), Some(true)), "{last}");
    assert_eq!(last["peer"], listener.peer());
    assert_eq!(last["agentVersion"], concat!("peerwork/", env!("CARGO_PKG_VERSION")));
    assert_eq!(last["listenAddrs"], object!([listener.transport_address()]));
    assert!(last["signedPeerRecord"].as_u64().is_some_and(|bytes| bytes > 100), "{last}");
    assert!(
        last["observedAddr"].as_str().is_some_and(|addr| addr.starts_with("/ip4/127.0.0.1/tcp/")),
        "{last}"
    );
    let protocols = last["protocols"].as_array().expect("a list");
    for protocol in ["/echo/1.0.0", "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"] {
        assert!(protocols.contains(&object!(protocol)), "{last}");
    }
}

#[test]
fn echo_as_json() {
    let listener = Listener::start(&[]);
    for bytes in [0, 1, 3_000_000] {
        let run = node(&["--json", "echo", &listener.address, &bytes.to_string()]);
        let last = run.json().pop().expect("a result");
        assert_eq!((run.status, last["ok"].as_bool()), (Some(0), Some(true)), "{run:?}");
        assert_eq!(last["bytes"], bytes);
    }
}

#[test]
fn results_for_people() {
    let listener = Listener::start(&[]);
    let peer = listener.peer();
    let ping = node(&["ping", listener.transport_address()]).success();
    let lines: Vec<&str> = ping.lines().collect();
    assert!(lines[0].starts_with(&format!("connected    {peer} at ")), "{ping}");
    assert!(lines[1].starts_with("ping 1: ") && lines[1].ends_with(" ms"), "{ping}");
    assert!(lines[4].starts_with("3 round trips: min "), "{ping}");

    let identify = node(&["identify", &listener.address]).success();
    assert!(identify.contains(&format!("peer id     {peer}\n")), "{identify}");
    assert!(identify.contains("\nsoftware    peerwork/"), "{identify}");

    let echo = node(&["echo", &listener.address]).success();
    assert!(echo.contains("\n1,024 bytes there and back in "), "{echo}");
    for text in [ping, identify, echo] {
        assert!(!text.contains('\u{1b}'), "no colours where no terminal is: {text}");
    }
}

#[test]
fn the_listener_tells_who_comes_and_goes() {
    let listener = Listener::start(&[]);
    node(&["ping", &listener.address, "1"]).success();
    let came = json(&listener.running.line());
    connected(&came, "");
    let gone = json(&listener.running.line());
    assert_eq!((gone["event"].as_str(), &gone["peer"]), (Some("disconnected"), &came["peer"]));
}

#[test]
fn a_listener_has_as_many_addresses_as_it_is_given() {
    let any = "/ip4/127.0.0.1/tcp/0";
    let listener = Listener::start(&["--listen", any, "--listen", any]);
    let second = json(&listener.running.line());
    let second = second["addr"].as_str().expect("an address");
    assert_ne!(second, listener.address);
    node(&["ping", second, "1"]).success();
    node(&["ping", &listener.address, "1"]).success();
}

#[cfg(unix)]
#[test]
fn signals_end_a_listener_in_order() {
    for signal in ["TERM", "INT"] {
        let listener = Listener::start(&[]);
        listener.running.signal(signal);
        let ended = listener.running.finish();
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert_eq!(ended.json(), [object!({"ok": true, "command": "listen"})]);
        assert_eq!(ended.stderr, "");
    }
}

#[cfg(unix)]
#[test]
fn a_listener_speaks_to_people_too() {
    let running = Running::start(&[&["listen"][..], &SECIO_MPLEX].concat());
    let listening = running.line();
    let address = listening.strip_prefix("listening on ").expect("an address").to_owned();
    assert_eq!(running.line(), "Try this in another terminal:");
    assert_eq!(running.line(), format!("  peerwork ping {address} --security secio --muxer mplex"));
    assert_eq!(running.line(), "Ctrl-C ends the node.");
    node(&["ping", &address, "1"]).success();
    for start in ["connected    12D3KooW", "disconnected 12D3KooW"] {
        let line = running.line();
        assert!(line.starts_with(start), "{line}");
    }
    running.signal("TERM");
    let ended = running.finish();
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), "stopped\n"), "{ended:?}");
}

#[test]
#[cfg_attr(not(feature = "aws-lc"), ignore = "the program has no fast crypto provider")]
fn all_crypto_providers_and_both_widths_of_the_secret_work() {
    for (ours, theirs) in [("fast", "portable"), ("portable", "fast")] {
        let listener = Listener::start(&["--crypto", theirs]);
        node(&["ping", &listener.address, "1", "--crypto", ours]).success();
    }
    let listener = Listener::start(&["--secio-secret", "stripped"]);
    node(&["ping", &listener.address, "1", "--secio-secret", "stripped"]).success();
}

#[test]
fn plaintext_works_with_a_warning() {
    let listener = Listener::start(&["--security", "plaintext"]);
    let plaintext = ["--security", "plaintext", "--muxer", "mplex"];
    let run = peerwork(&[&["ping", &listener.address, "1", "--json"][..], &plaintext].concat());
    assert_eq!(run.json()[0]["encryption"], "/plaintext/2.0.0");
    assert_eq!(
        run.stderr,
        "warning: plaintext does not encrypt, and peers can claim to be anybody; use it for tests only\n"
    );
    let run = node(&["ping", &listener.address, "1", "--json"]);
    assert_eq!(run.json()[0]["encryption"], "/secio/1.0.0");
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
}

/// An end of a pipe whose other end is closed.
fn closed_pipe() -> Stdio {
    let (_, writer) = std::io::pipe().expect("a pipe");
    writer.into()
}

#[test]
fn an_output_that_nobody_reads_ends_the_program_quietly() {
    for arguments in
        [&["listen"][..], &["listen", "--json"], &["demo"], &["ping", "/ip4/127.0.0.1/tcp/1", "--json"]]
    {
        let arguments = &[arguments, &SECIO_MPLEX].concat();
        let ended = Running::start_with_output(arguments, closed_pipe(), Stdio::piped()).finish();
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""), "{arguments:?}");
    }
}

#[test]
fn logs_that_nobody_reads_change_nothing() {
    let listener = Listener::start(&[]);
    let arguments = [&["-vv", "ping", &listener.address, "1"], &SECIO_MPLEX[..]].concat();
    let ended = Running::start_with_output(&arguments, Stdio::piped(), closed_pipe()).finish();
    assert_eq!(ended.status, Some(0), "{ended:?}");
}

#[test]
fn verbose_logs_to_standard_error() {
    let listener = Listener::start(&[]);
    let run = node(&["-v", "ping", &listener.address, "1"]);
    assert!(run.stderr.contains("DEBUG peerwork_runtime"), "{run:?}");
    run.success();
}

#[test]
fn the_demo_tells_seven_steps() {
    let demo = peerwork(&["demo"]).success();
    for step in 1..=7 {
        assert!(demo.contains(&format!("\n{step}. ")), "{step}: {demo}");
    }
    for value in ["/ip4/127.0.0.1/tcp/", "12D3KooW", "/tls/1.0.0", "/yamux/1.0.0", "peerwork/", " MB/s"] {
        assert!(demo.contains(value), "{value}: {demo}");
    }
}

#[test]
fn the_demo_as_json() {
    let run = node(&["demo", "--json"]);
    let lines = run.json();
    let steps: Vec<&str> = lines.iter().filter_map(|line| line["step"].as_str()).collect();
    assert_eq!(steps, ["identities", "listen", "connect", "identify", "ping", "echo", "close"]);
    let [identities, listen, connect, identify, ping, echo, close, last] = &lines[..] else {
        panic!("{run:?}")
    };
    assert_eq!(connect["bob_sees"], identities["alice"]);
    assert_eq!(connect["alice_sees"], identities["bob"]);
    assert_eq!(identify["peer"], identities["alice"]);
    let address = listen["addr"].as_str().expect("an address");
    assert!(identities["alice"].as_str().is_some_and(|alice| address.ends_with(alice)), "{listen}");
    assert_eq!(ping["rtt_ms"].as_array().map(Vec::len), Some(5));
    assert!(echo["bytes"].as_u64().is_some_and(|bytes| bytes > 1_000_000));
    assert_eq!(close["alice_sees"], "the peer closed the connection");
    assert_eq!((last["ok"].as_bool(), last["command"].as_str()), (Some(true), Some("demo")));
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_listener_lets_in_only_whom_it_should() {
    let stranger = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf";
    let cases: [(&[&str], Option<&str>); 6] = [
        (&["--allow", "127.0.0.0/8", "--block", "127.0.0.2"], None),
        (&["--block", stranger], None),
        (&["--block", "127.0.0.0/8"], Some("not allowed: the block list has 127.0.0.0/8")),
        (
            &["--allow", "::1", "--allow", "10.0.0.0/8"],
            Some("not allowed: the address is in no range of the allow list"),
        ),
        (&["--allow", stranger], Some("not allowed: the peer is not on the allow list")),
        (&["--max-connections", "0"], Some("all 0 connections that are allowed are taken")),
    ];
    for (options, expected) in cases {
        let listener = Listener::start(options);
        let status = node(&["ping", &listener.address, "1"]).status;
        let told = json(&listener.running.line());
        match expected {
            None => assert_eq!((status, told["event"].as_str()), (Some(0), Some("connected")), "{options:?}"),
            Some(error) => {
                assert_eq!(
                    (status, told["event"].as_str()),
                    (Some(1), Some("incoming-failed")),
                    "{options:?}"
                );
                assert_eq!(told["error"], error, "{options:?}");
            }
        }
    }
}
