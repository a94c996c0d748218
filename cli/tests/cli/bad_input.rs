//! Wrong addresses, and peers that are not there, not who they should be, or no peers at all.

use crate::program::{Listener, Running, json, node, peerwork};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::spawn;

/// A valid peer id of nobody here.
const NOBODY: &str = "12D3KooWGC4xFJuUyKaiYNmeh9JcL6kVm3BGPv3MNYVU9VtsRaoV";

fn multiaddr(address: SocketAddr) -> String {
    format!("/ip4/{}/tcp/{}", address.ip(), address.port())
}

/// A TCP server that treats each connection as `serve` does.
fn tcp_server(serve: fn(std::net::TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = multiaddr(listener.local_addr().expect("it is bound"));
    spawn(move || {
        for stream in listener.incoming() {
            serve(stream.expect("a connection"));
        }
    });
    address
}

#[test]
fn wrong_addresses() {
    const UNSUPPORTED: &str = "no transport takes this address; \
        expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT";
    let cases = [
        ("", "'': the address is empty; expected one such as /ip4/127.0.0.1/tcp/4001".to_owned()),
        (
            "127.0.0.1:4001",
            "'127.0.0.1:4001': an address starts with '/'; expected one such as /ip4/127.0.0.1/tcp/4001".to_owned(),
        ),
        (
            "/ipx/1/tcp/2",
            "'/ipx/1/tcp/2': the component /ipx of the address is not valid: there is no such component; an address \
             looks like /ip4/127.0.0.1/tcp/4001"
                .to_owned(),
        ),
        (
            "/ip4/127.0.0.1/tcp",
            "'/ip4/127.0.0.1/tcp': the component /tcp of the address is not valid: its value is missing or \
             malformed; an address looks like /ip4/127.0.0.1/tcp/4001"
                .to_owned(),
        ),
        (
            "/ip4/127.0.0.1/tcp/1/p2p/12D3KooW",
            "'/ip4/127.0.0.1/tcp/1/p2p/12D3KooW': the address names no valid peer: the multihash of the peer id has \
             a wrong length; the address of a peer ends with /p2p/ and its whole peer id"
                .to_owned(),
        ),
        ("/ip4/127.0.0.1", format!("cannot connect to /ip4/127.0.0.1: {UNSUPPORTED}")),
        ("/ip4/127.0.0.1/udp/1", format!("cannot connect to /ip4/127.0.0.1/udp/1: {UNSUPPORTED}")),
        (
            "/dns4/localhost/tcp/1",
            "cannot connect to /dns4/localhost/tcp/1: /ip4/127.0.0.1/tcp/1: connection refused: nobody listens there; \
             start a node there, for instance with peerwork listen"
                .to_owned(),
        ),
    ];
    for (address, expected) in cases {
        assert_eq!(node(&["ping", address]).failure(), expected);
        let run = node(&["identify", address, "--json"]);
        assert_eq!((run.status, run.stderr.as_str()), (Some(1), ""));
        let [line] = &run.json()[..] else { panic!("one line is expected: {run:?}") };
        assert_eq!(line["ok"], false);
        assert_eq!(line["command"], "identify");
        assert_eq!(line["error"], *expected);
    }
}

#[test]
fn a_long_wrong_address_is_shown_in_part() {
    let address = "/ip4/127.0.0.1".repeat(1_000);
    let expected = format!(
        "'{}...': an address of 14000 bytes is over the limit of 4096",
        address.get(..100).expect("longer")
    );
    assert_eq!(peerwork(&["ping", &address]).failure(), expected);
}

#[test]
fn watermarks_that_contradict_each_other() {
    for (high, low, max, expected) in [
        ("10", "20", "30", "--low-water 20 is above --high-water 10; it must not be"),
        ("30", "20", "30", "--high-water 30 is never reached with --max-connections 30; it must be below it"),
    ] {
        let arguments = ["listen", "--high-water", high, "--low-water", low, "--max-connections", max];
        assert_eq!(node(&arguments).failure(), expected);
    }
}

#[test]
fn places_where_nobody_can_listen() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let in_use = multiaddr(taken.local_addr().expect("it is bound"));
    let cases = [
        (
            "nowhere",
            "'nowhere': an address starts with '/'; expected one such as /ip4/127.0.0.1/tcp/4001".to_owned(),
        ),
        (
            in_use.as_str(),
            format!("cannot listen on {in_use}: the address is in use; choose another port, or 0 for any"),
        ),
        (
            "/ip4/192.0.2.1/tcp/0",
            "cannot listen on /ip4/192.0.2.1/tcp/0: the address is not one of this machine's; \
             /ip4/127.0.0.1/tcp/0 is for this machine only, /ip4/0.0.0.0/tcp/0 for all"
                .to_owned(),
        ),
        (
            "/ip4/127.0.0.1/udp/0",
            "cannot listen on /ip4/127.0.0.1/udp/0: no transport takes this address; \
             expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT"
                .to_owned(),
        ),
    ];
    for (address, expected) in cases {
        assert_eq!(node(&["listen", "--listen", address]).failure(), expected);
    }
    drop(taken);
}

#[test]
fn nobody_is_there() {
    let address = "/ip4/127.0.0.1/tcp/1";
    let expected = format!(
        "cannot connect to {address}: connection refused: nobody listens there; start a node there, for instance with \
         peerwork listen"
    );
    assert_eq!(node(&["ping", address]).failure(), expected);
}

#[test]
fn a_silent_peer() {
    let address = tcp_server(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let expected = format!(
        "cannot connect to {address}: no answer in time; see whether a libp2p node runs there, or give it more \
         --timeout"
    );
    assert_eq!(node(&["ping", &address, "--timeout", "0.3"]).failure(), expected);
}

#[test]
fn no_libp2p_node() {
    let address = tcp_server(|mut stream| {
        stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").expect("the dialer listens");
        // A close now could look like a broken connection.
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let run = node(&["ping", &address]);
    let prefix = format!("cannot connect to {address}: no agreement on a security protocol: ");
    assert!(run.failure().starts_with(&prefix), "{run:?}");
    assert!(
        run.failure().ends_with("; see whether a libp2p node runs there, or use another --security"),
        "{run:?}"
    );
}

#[test]
fn another_peer_is_there() {
    let listener = Listener::start(&[]);
    let (address, peer) = (listener.transport_address(), listener.peer());
    let expected = format!(
        "cannot connect to {address}/p2p/{NOBODY}: the peer at this address is {peer}, not {NOBODY}; if that is the \
         one you want, use {address}/p2p/{peer}"
    );
    assert_eq!(node(&["ping", &format!("{address}/p2p/{NOBODY}")]).failure(), expected);
}

#[test]
fn nothing_in_common() {
    let listener = Listener::start(&[]);
    let plaintext = ["--security", "plaintext", "--muxer", "mplex"];
    let run = peerwork(&[&["--json", "ping", &listener.address][..], &plaintext].concat());
    assert_eq!(run.status, Some(1));
    assert!(run.stderr.starts_with("warning: plaintext does not encrypt"), "{run:?}");
    let error = json(run.stdout.trim_end())["error"].as_str().map(str::to_owned);
    let expected = format!(
        "cannot connect to {}: no agreement on a security protocol: the peer does not speak /plaintext/2.0.0; see \
         whether a libp2p node runs there, or use another --security",
        listener.address
    );
    assert_eq!(error, Some(expected));
}

#[test]
fn deprecated_protocols_are_not_used_unless_asked_for() {
    let running = Running::start(&["--json", "listen"]);
    let listening = json(&running.line());
    let address = listening["addr"].as_str().expect("an address");
    for (options, error) in [
        (
            ["--security", "secio"],
            "no agreement on a security protocol: the peer does not speak /secio/1.0.0",
        ),
        (["--muxer", "mplex"], "no agreement on a muxer: "),
    ] {
        let run = peerwork(&[&["ping", address][..], &options].concat());
        let prefix = format!("cannot connect to {address}: {error}");
        assert!(run.failure().starts_with(&prefix), "{}", run.failure());
    }
}
