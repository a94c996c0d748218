//! Names in dialled addresses: hickory's resolver against a name server on loopback, and what the dialer makes of its answers.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use peerwork_core::address::{self, Multiaddr, Protocol};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::security::secio::Secio;
use peerwork_core::swarm::dialer::{AttemptError, RecordKind, Records};
use peerwork_core::swarm::{DialError, DialTarget, TransportError};
use peerwork_tokio::{BoxFuture, Dns, Node, NodeBuilder, RequestError, ResolveError, Resolver};
use std::collections::BTreeMap;
use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

fn builder() -> NodeBuilder {
    NodeBuilder::new().security(Secio::default()).muxer(Mplex::default())
}

/// The number of A records.
const A: u16 = 1;

/// The number of TXT records; all other questions are for AAAA.
const TXT: u16 = 16;

/// How many addresses the name `many.example.org` has.
const MANY: u16 = 1_000;

/// What the name server says.
enum Answer {
    Addresses(Vec<IpAddr>),
    Texts(Vec<String>),
    /// Too long for UDP.
    Long(Vec<IpAddr>),
    NoSuchName,
    ServerFailure,
    Garbage,
    Silence,
}

/// The TXT records, by name.
static TEXTS: Mutex<BTreeMap<String, Vec<String>>> = Mutex::new(BTreeMap::new());

fn answer(name: &str, kind: u16) -> Answer {
    let is_ip4 = kind == A;
    match name {
        _ if kind == TXT => match TEXTS.lock().unwrap().get(name) {
            Some(texts) => Answer::Texts(texts.clone()),
            None => Answer::NoSuchName,
        },
        "both.example.org" if is_ip4 => Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]),
        "both.example.org" => Answer::Addresses(vec![Ipv6Addr::LOCALHOST.into()]),
        "four.example.org" if is_ip4 => Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]),
        "four.example.org" => Answer::Addresses(Vec::new()),
        "many.example.org" if is_ip4 => {
            let ip = |number: u16| IpAddr::from([127, 1, (number >> 8) as u8, number as u8]);
            Answer::Long((0..MANY).map(ip).collect())
        }
        "failure.example.org" => Answer::ServerFailure,
        "garbage.example.org" => Answer::Garbage,
        "silence.example.org" => Answer::Silence,
        _ => Answer::NoSuchName,
    }
}

/// Answers one query; `None` is silence.
fn reply(query: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
    let (mut name, mut at) = (Vec::new(), 12);
    while query[at] > 0 {
        let end = at + 1 + usize::from(query[at]);
        name.push(std::str::from_utf8(&query[at + 1..end]).unwrap().to_lowercase());
        at = end;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let question = &query[12..at + 5];
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (flags, records): (u16, Vec<Vec<u8>>) = match answer(&name.join("."), kind) {
        Answer::Addresses(addresses) => (0x8180, addresses.into_iter().map(octets).collect()),
        Answer::Texts(texts) => {
            (0x8180, texts.iter().map(|text| [&[text.len() as u8], text.as_bytes()].concat()).collect())
        }
        Answer::Long(addresses) if over_tcp => (0x8180, addresses.into_iter().map(octets).collect()),
        Answer::Long(_) => (0x8380, Vec::new()),
        Answer::NoSuchName => (0x8183, Vec::new()),
        Answer::ServerFailure => (0x8182, Vec::new()),
        Answer::Garbage => return Some([&query[..2], &[0xff; 40]].concat()),
        Answer::Silence => return None,
    };
    let mut reply = query[..2].to_vec();
    for number in [flags, 1, records.len() as u16, 0, 0] {
        reply.extend(number.to_be_bytes());
    }
    reply.extend(question);
    for record in records {
        // The name in the question; the kind; the internet; a minute.
        reply.extend([0xc0, 12, 0, kind as u8, 0, 1, 0, 0, 0, 60]);
        reply.extend((record.len() as u16).to_be_bytes());
        reply.extend(record);
    }
    Some(reply)
}

/// Starts the name server, on the same port of UDP and TCP.
async fn name_server() -> Dns {
    let (udp, tcp, address) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = udp.local_addr().unwrap();
        if let Ok(tcp) = TcpListener::bind(address).await {
            break (udp, tcp, address);
        }
    };
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        loop {
            let (len, from) = udp.recv_from(&mut buffer).await.unwrap();
            if let Some(reply) = reply(&buffer[..len], false) {
                udp.send_to(&reply, from).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            tokio::spawn(async move {
                while let Ok(len) = stream.read_u16().await {
                    let mut query = vec![0; len.into()];
                    stream.read_exact(&mut query).await.unwrap();
                    if let Some(reply) = reply(&query, true) {
                        stream.write_all(&(reply.len() as u16).to_be_bytes()).await.unwrap();
                        stream.write_all(&reply).await.unwrap();
                    }
                }
            });
        }
    });
    Dns::with_servers([address])
}

/// A node that resolves so, one that listens on the loopback address of IPv4, and the other's port.
async fn pair(resolver: impl Resolver) -> (Node, Node, u16) {
    let dialer = builder().resolver(resolver).start().await.unwrap();
    let listener = builder().start().await.unwrap();
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

#[tokio::test]
async fn names_are_dialled() {
    bounded(async {
        let (dialer, listener, port) = pair(name_server().await).await;
        let resolved = parse(&format!("/ip4/127.0.0.1/tcp/{port}"));
        // IPv6 is tried before and refused; a dot at the end and capitals change nothing.
        for name in [
            "dns/both.example.org",
            "dns4/both.example.org",
            "dns4/Four.Example.ORG.",
            "dns/four.example.org",
        ] {
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
    })
    .await;
}

#[tokio::test]
async fn a_wrong_peer_behind_a_name_is_found_out() {
    bounded(async {
        let (dialer, listener, port) = pair(name_server().await).await;
        let address = parse(&format!("/dns4/four.example.org/tcp/{port}"));
        let expected = dialer.dial(address::with_peer_id(address.clone(), &listener.local_peer())).await;
        assert_eq!(expected.unwrap().peer, listener.local_peer());
        let other = builder().start().await.unwrap().local_peer();
        let wrong = AttemptError::WrongPeer { expected: other, actual: listener.local_peer() };
        let address = address::with_peer_id(address, &other).to_string();
        assert_eq!(cause(&dialer, &address).await, wrong);
    })
    .await;
}

#[tokio::test]
async fn names_without_addresses() {
    bounded(async {
        let (dialer, _listener, port) = pair(name_server().await).await;
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
    })
    .await;
}

#[tokio::test]
async fn of_a_huge_answer_the_first_are_tried() {
    bounded(async {
        let (dialer, listener, port) = pair(name_server().await).await;
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
    })
    .await;
}

#[tokio::test]
async fn names_of_nodes_lead_to_addresses() {
    bounded(async {
        let (dialer, listener, port) = pair(name_server().await).await;
        let peer = listener.local_peer();
        let text = |address: &str| format!("dnsaddr={address}");
        let other = builder().start().await.unwrap().local_peer();
        TEXTS.lock().unwrap().extend([
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
    })
    .await;
}

#[tokio::test]
async fn the_hosts_file_is_read() {
    bounded(async {
        // No name server is asked for localhost; there is none at this address.
        let (dialer, listener, port) = pair(Dns::with_servers([SocketAddr::from(([127, 0, 0, 1], 1))])).await;
        for kind in ["dns", "dns4"] {
            let connected = dialer.dial(parse(&format!("/{kind}/localhost/tcp/{port}"))).await.unwrap();
            assert_eq!(connected.peer, listener.local_peer());
        }
    })
    .await;
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
    let node = builder().resolver(name_server().await).start().await.unwrap();
    for name in ["silence.example.org", "garbage.example.org"] {
        let error = cause(&node, &format!("/dns4/{name}/tcp/1")).await;
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
