//! Names and addresses that nobody answers for.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use peerwork_core::address::{self, Multiaddr};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::security::secio::Secio;
use peerwork_core::swarm::dialer::{AttemptError, RecordKind, Records};
use peerwork_core::swarm::{DialError, DialTarget, TransportError};
use peerwork_tokio::{BoxFuture, Dns, Node, NodeBuilder, RequestError, ResolveError, Resolver};
use std::future::pending;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

fn builder() -> NodeBuilder {
    NodeBuilder::new().security(Secio::default()).muxer(Mplex::default())
}

fn parse(text: &str) -> Multiaddr {
    address::parse(text).unwrap()
}

async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), test).await.expect("the test ends in time")
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

/// A resolver that never answers.
struct Silent;

impl Resolver for Silent {
    fn lookup(&self, _: &str, _: RecordKind) -> BoxFuture<Result<Records, ResolveError>> {
        Box::pin(pending())
    }
}

#[tokio::test(start_paused = true)]
async fn silent_name_servers_are_not_waited_for_without_end() {
    let node = builder().resolver(Silent).start().await.unwrap();
    let silent = "the name a is not resolved: no name server answered within 10 s";
    assert_eq!(cause(&node, "/dns4/a/tcp/1").await.to_string(), silent);
    let servers = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let addresses = servers.each_ref().map(|server| server.local_addr().unwrap());
    let [_silent, garbage] = servers;
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((_, from)) = garbage.recv_from(&mut buffer) {
            garbage.send_to(&[&buffer[..2], &[0xff; 40]].concat(), from).unwrap();
        }
    });
    for address in addresses {
        let node = builder().resolver(Dns::with_servers([address])).start().await.unwrap();
        let error = cause(&node, "/dns4/node.example.org/tcp/1").await;
        assert!(matches!(error, AttemptError::Transport(TransportError::Name { .. })), "{error}");
    }
}

#[tokio::test]
async fn a_silent_address_gives_way_to_the_next() {
    bounded(async {
        let listener = builder().start().await.unwrap();
        let listening = listener.listen(parse("/ip4/127.0.0.1/tcp/0")).await.unwrap();
        let (listening, _) = address::split_peer_id(&listening.address).unwrap();
        let port = address::tcp_socket_address(&listening).unwrap().port();
        // A listener whose queue is full does not answer.
        let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        full.bind(&SocketAddr::from(([127, 9, 9, 9], port)).into()).unwrap();
        full.listen(0).unwrap();
        let mut waiting = Vec::new();
        for _ in 0..3 {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            // It is in progress when this returns.
            drop(socket.connect(&full.local_addr().unwrap()));
            waiting.push(socket);
        }
        let addresses = [[127, 9, 9, 9], [127, 8, 8, 8], [127, 0, 0, 1]];
        let addresses =
            addresses.map(|ip| address::from_socket_address(SocketAddr::from((ip, port)))).to_vec();
        let dialer = builder().start().await.unwrap();
        let connected = dialer.dial(DialTarget { peer: None, addresses }).await.unwrap();
        assert_eq!(connected.remote_address, listening);
    })
    .await;
}
