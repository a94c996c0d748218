//! Names in dialled addresses, on every runtime: hickory's resolver against a name server on loopback, and what the dialer makes of its
//! answers.

use crate::Adapter;
use crate::name_server::{self, Texts};
use peerwork_core::address::{self, Multiaddr, Protocol};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::security::secio::Secio;
use peerwork_core::swarm::dialer::AttemptError;
use peerwork_core::swarm::{DialError, TransportError};
use peerwork_runtime::{Node, NodeBuilder, RequestError};
use std::net::SocketAddr;

fn builder<A: Adapter>() -> NodeBuilder<(), A::Runtime> {
    NodeBuilder::new().security(Secio::default()).muxer(Mplex::default())
}

/// A node that asks this name server, one that listens on the loopback address of IPv4, and the other's port.
async fn pair<A: Adapter>(name_server: SocketAddr) -> (Node, Node, u16) {
    let dialer = builder::<A>().resolver(A::dns([name_server])).start().await.unwrap();
    let listener = builder::<A>().start().await.unwrap();
    let listening = listener.listen(parse("/ip4/127.0.0.1/tcp/0")).await.unwrap();
    let port = listening.address.iter().find_map(|component| match component {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    (dialer, listener, port.unwrap())
}

fn parse(text: &str) -> Multiaddr {
    address::parse(text).unwrap()
}

/// Why the one address failed that a dial led to.
async fn cause(node: &Node, address: &str) -> AttemptError {
    match node.dial(parse(address)).await {
        Err(RequestError::Failed(DialError::Failed(failures))) if failures.len() == 1 => {
            failures[0].1.clone()
        }
        other => panic!("{address}: {other:?}"),
    }
}

crate::on_every_runtime! {
    names_are_dialled,
    a_wrong_peer_behind_a_name_is_found_out,
    names_without_addresses,
    of_a_huge_answer_the_first_are_tried,
    names_of_nodes_lead_to_addresses,
    the_hosts_file_is_read,
}

async fn names_are_dialled<A: Adapter>() {
    let (dialer, listener, port) = pair::<A>(name_server::start(Texts::default())).await;
    let resolved = parse(&format!("/ip4/127.0.0.1/tcp/{port}"));
    // IPv6 is tried before and refused; a dot at the end and capitals change nothing.
    for name in
        ["dns/both.example.org", "dns4/both.example.org", "dns4/Four.Example.ORG.", "dns/four.example.org"]
    {
        let connected = dialer.dial(parse(&format!("/{name}/tcp/{port}"))).await.unwrap();
        assert_eq!(connected.peer, listener.local_peer());
        assert_eq!(connected.remote_address, resolved, "{name}: the socket's address");
    }
    let info = listener.identify(dialer.local_peer()).await.unwrap();
    assert_eq!(
        info.observed_address.as_ref().map(|address| address.iter().next() == resolved.iter().next()),
        Some(true),
        "the remote is told an address, not a name: {info:?}"
    );
}

async fn a_wrong_peer_behind_a_name_is_found_out<A: Adapter>() {
    let (dialer, listener, port) = pair::<A>(name_server::start(Texts::default())).await;
    let address = parse(&format!("/dns4/four.example.org/tcp/{port}"));
    let expected = dialer.dial(address::with_peer_id(address.clone(), &listener.local_peer())).await;
    assert_eq!(expected.unwrap().peer, listener.local_peer());
    let other = builder::<A>().start().await.unwrap().local_peer();
    let wrong = AttemptError::WrongPeer { expected: other, actual: listener.local_peer() };
    let address = address::with_peer_id(address, &other).to_string();
    assert_eq!(cause(&dialer, &address).await, wrong);
}

async fn names_without_addresses<A: Adapter>() {
    let (dialer, _listener, port) = pair::<A>(name_server::start(Texts::default())).await;
    let not_found = "it has no such records; see whether it is spelled right";
    for name in ["dns/nowhere.example.org", "dns6/four.example.org", "dns4/nowhere.example.org"] {
        let error = cause(&dialer, &format!("/{name}/tcp/{port}")).await;
        let name = name.split('/').nth(1).unwrap();
        assert_eq!(error.to_string(), format!("the name {name} is not resolved: {not_found}"));
    }
    let told = cause(&dialer, "/dns4/failure.example.org/tcp/1").await.to_string();
    let start = "the name failure.example.org is not resolved: the name servers give no answer: ";
    assert!(told.starts_with(start), "{told}");
    let error = cause(&dialer, "/dns4/a b/tcp/1").await;
    assert!(matches!(error, AttemptError::Transport(TransportError::Name { .. })), "{error}");
}

async fn of_a_huge_answer_the_first_are_tried<A: Adapter>() {
    let (dialer, listener, port) = pair::<A>(name_server::start(Texts::default())).await;
    // Nobody listens on the other loopback addresses.
    let dialed = dialer.dial(parse(&format!("/dns/many.example.org/tcp/{port}"))).await.unwrap_err();
    let RequestError::Failed(DialError::Failed(failures)) = dialed else { panic!("{dialed}") };
    let (refused, others): (Vec<_>, Vec<_>) = failures
        .iter()
        .map(|(_, error)| error)
        .partition(|error| **error == AttemptError::Transport(TransportError::Refused));
    assert!((50..=100).contains(&refused.len()), "{failures:?}");
    assert_eq!(others, [&AttemptError::TooMany]);
    let direct = dialer.dial(parse(&format!("/ip4/127.0.0.1/tcp/{port}"))).await.unwrap();
    assert_eq!(direct.peer, listener.local_peer());
}

async fn names_of_nodes_lead_to_addresses<A: Adapter>() {
    let texts = Texts::default();
    let (dialer, listener, port) = pair::<A>(name_server::start(texts.clone())).await;
    let peer = listener.local_peer();
    let text = |address: &str| format!("dnsaddr={address}");
    let other = builder::<A>().start().await.unwrap().local_peer();
    texts.lock().unwrap().extend([
        (
            "_dnsaddr.node.example.org".to_owned(),
            vec![
                text(&format!("/ip4/127.0.0.1/tcp/1/p2p/{other}")),
                text(&format!("/dnsaddr/deeper.example.org/p2p/{peer}")),
                "something else".to_owned(),
            ],
        ),
        (
            "_dnsaddr.deeper.example.org".to_owned(),
            vec![text(&format!("/dns4/four.example.org/tcp/{port}/p2p/{peer}"))],
        ),
        ("_dnsaddr.loop.example.org".to_owned(), vec![text("/dnsaddr/loop.example.org")]),
    ]);
    let connected = dialer.dial(parse(&format!("/dnsaddr/node.example.org/p2p/{peer}"))).await.unwrap();
    assert_eq!(
        (connected.peer, connected.remote_address),
        (peer, parse(&format!("/ip4/127.0.0.1/tcp/{port}")))
    );
    dialer.dial(parse("/dnsaddr/loop.example.org")).await.unwrap_err();
}

async fn the_hosts_file_is_read<A: Adapter>() {
    // No name server is asked for localhost; there is none at this address.
    let (dialer, listener, port) = pair::<A>(SocketAddr::from(([127, 0, 0, 1], 1))).await;
    for kind in ["dns", "dns4"] {
        let connected = dialer.dial(parse(&format!("/{kind}/localhost/tcp/{port}"))).await.unwrap();
        assert_eq!(connected.peer, listener.local_peer());
    }
}
