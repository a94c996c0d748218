//! `peerwork dial`: how each address of a peer fares.

use crate::program::{Listener, node};

/// Nobody listens there.
const REFUSING: &str = "/ip4/127.0.0.1/tcp/1";

#[test]
fn the_address_that_answers_wins() {
    let listener = Listener::start(&[]);
    let silent = "/ip4/127.0.0.1/tcp/2";
    let lines =
        node(&["--json", "dial", REFUSING, silent, listener.transport_address(), &listener.address]).json();
    let states = |wanted: &str| -> Vec<&str> {
        let of_address = lines.iter().filter(|line| line["event"] == "dialing" && line["addr"] == wanted);
        of_address.map(|line| line["state"].as_str().expect("a text")).collect()
    };
    for address in [REFUSING, silent] {
        assert_eq!(states(address), ["queued", "started", "failed"], "{lines:?}");
    }
    assert_eq!(states(listener.transport_address()), ["queued", "started", "won"], "{lines:?}");
    let last = lines.last().expect("the outcome");
    assert_eq!((&last["ok"], &last["addr"]), (&true.into(), &listener.transport_address().into()));
    let text = node(&["dial", REFUSING, &listener.address]).success();
    assert!(text.contains("won") && text.contains("connected in "), "{text}");
}

#[test]
fn every_cause_is_told() {
    let run = node(&["dial", REFUSING, "/ip4/0.0.0.0/tcp/1"]);
    let expected = "cannot connect to any of 2 addresses: \
                    /ip4/127.0.0.1/tcp/1: connection refused: nobody listens there; /ip4/0.0.0.0/tcp/1: the unspecified \
                    address is no machine's; expected one of the remote's";
    assert_eq!(run.failure(), expected);
}

#[test]
fn addresses_of_two_peers() {
    let [one, other] = [(); 2].map(|()| Listener::start(&[]));
    let run = node(&["dial", &one.address, &other.address]);
    let failure = run.failure();
    assert!(failure.starts_with("the addresses are those of two peers, "), "{failure}");
    let nobody = one.address.replace(one.transport_address(), "");
    assert_eq!(
        node(&["dial", &nobody]).failure(),
        format!(
            "cannot connect to {nobody}: no address of this peer is known; say one, or use the --repo of a node that has met it"
        )
    );
}
