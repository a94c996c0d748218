//! Nodes on tokio over real sockets, on loopback and ports that the system gives.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::connection::{ConnectionError, LazyStreams};
use peerwork_core::identity::{Keypair, PeerId};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::StreamError;
use peerwork_core::records::{Record, RecordKey, RecordsError};
use peerwork_core::routing::{FindError, KnownPeers};
use peerwork_core::security::secio::Secio;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::dialer::AttemptError;
use peerwork_core::swarm::{DialError, ListenError, SwarmEvent, TransportError};
use peerwork_tokio::{Connected, Event, Incoming, Node, NodeBuilder, RequestError, Stream, Target};
use std::future::Future;
use std::io::ErrorKind;
use std::time::Duration;

fn builder() -> NodeBuilder {
    NodeBuilder::new().security(Secio::default()).muxer(Mplex::default())
}

const ECHO: ProtocolId = ProtocolId::from_static("/echo/1.0.0");

/// Bounds a test in time.
async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), test).await.expect("the test ends in time")
}

async fn node() -> Node {
    builder().start().await.unwrap()
}

fn any_port() -> Multiaddr {
    address::parse("/ip4/127.0.0.1/tcp/0").unwrap()
}

async fn listen(node: &Node) -> Multiaddr {
    node.listen(any_port()).await.unwrap().address
}

/// Two connected nodes; the second one listens.
async fn pair() -> (Node, Node, Connected) {
    let (dialer, listener) = (node().await, node().await);
    let connected = dialer.dial(listen(&listener).await).await.unwrap();
    (dialer, listener, connected)
}

/// A stream, at both ends.
async fn stream(opener: &Node, peer: PeerId, incoming: &mut Incoming) -> (Stream, Stream) {
    let opened = opener.open_stream(Target::Peer(peer), &[ECHO]).await.unwrap();
    (opened, incoming.next().await.unwrap())
}

async fn echo(stream: Stream) {
    let (mut reader, mut writer) = stream.split();
    futures_util::io::copy(&mut reader, &mut writer).await.unwrap();
    writer.close().await.unwrap();
}

#[tokio::test]
async fn large_data_is_echoed_on_many_streams_at_once() {
    bounded(async {
        let (dialer, listener, connected) = pair().await;
        let mut incoming = listener.handle_protocol(&ECHO).await.unwrap();
        let server = tokio::spawn(async move {
            while let Some(stream) = incoming.next().await {
                tokio::spawn(echo(stream));
            }
        });
        let clients: Vec<_> = (0..8u8)
            .map(|number| {
                let dialer = dialer.clone();
                tokio::spawn(async move {
                    let stream = dialer.open_stream(Target::Peer(connected.peer), &[ECHO]).await.unwrap();
                    let sent: Vec<u8> = (0..3_000_000u32).map(|i| (i / 7) as u8 ^ number).collect();
                    let (mut reader, mut writer) = stream.split();
                    let mut received = Vec::new();
                    let write = async {
                        writer.write_all(&sent).await.unwrap();
                        writer.close().await.unwrap();
                    };
                    let (_, read) = tokio::join!(write, reader.read_to_end(&mut received));
                    read.unwrap();
                    assert!(sent == received, "what came back differs");
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
        drop(listener);
        server.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn either_side_opens_streams_on_either_sides_connection() {
    bounded(async {
        let (dialer, listener, connected) = pair().await;
        let mut at_dialer = dialer.handle_protocol(&ECHO).await.unwrap();
        let mut at_listener = listener.handle_protocol(&ECHO).await.unwrap();
        let forth = stream(&dialer, connected.peer, &mut at_listener).await;
        let back = stream(&listener, dialer.local_peer(), &mut at_dialer).await;
        for (mut opener, mut acceptor) in [forth, back] {
            assert_eq!((acceptor.protocol(), opener.protocol()), (&ECHO, &ECHO));
            acceptor.write_all(b"from the acceptor").await.unwrap();
            acceptor.close().await.unwrap();
            let mut heard = String::new();
            opener.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "from the acceptor");
            opener.write_all(b"half-closed").await.unwrap();
            opener.close().await.unwrap();
            heard.clear();
            acceptor.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "half-closed", "the other direction was still open");
            assert_eq!(opener.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
    })
    .await;
}

#[tokio::test]
async fn streams_are_tokios_too() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    bounded(async {
        let (dialer, listener, connected) = pair().await;
        let mut incoming = listener.handle_protocol(&ECHO).await.unwrap();
        let (mut opener, acceptor) = stream(&dialer, connected.peer, &mut incoming).await;
        let server = tokio::spawn(async move {
            let (mut reader, mut writer) = tokio::io::split(acceptor);
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        AsyncWriteExt::write_all(&mut opener, &[3; 200_000]).await.unwrap();
        opener.shutdown().await.unwrap();
        let mut echoed = Vec::new();
        AsyncReadExt::read_to_end(&mut opener, &mut echoed).await.unwrap();
        assert!(echoed == [3; 200_000]);
        server.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_writer_waits_for_its_reader() {
    bounded(async {
        let (dialer, listener, connected) = pair().await;
        let mut incoming = listener.handle_protocol(&ECHO).await.unwrap();
        let (mut writer, mut reader) = stream(&dialer, connected.peer, &mut incoming).await;
        let chunk = vec![7; 64 * 1024];
        let mut written = 0;
        while let Ok(result) = tokio::time::timeout(Duration::from_millis(300), writer.write(&chunk)).await {
            written += result.unwrap();
            assert!(written < 64 << 20, "nothing held the writer back");
        }
        let rest = tokio::spawn(async move {
            writer.close().await.unwrap();
            writer
        });
        let mut received = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match reader.read(&mut buffer).await.unwrap() {
                0 => break,
                len => received += len,
            }
        }
        assert_eq!(received, written);
        rest.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_dropped_stream_is_reset_and_a_closed_one_delivers() {
    bounded(async {
        let (dialer, listener, connected) = pair().await;
        let mut incoming = listener.handle_protocol(&ECHO).await.unwrap();
        let (mut opener, mut acceptor) = stream(&dialer, connected.peer, &mut incoming).await;
        opener.write_all(b"lost").await.unwrap();
        drop(opener);
        let mut heard = Vec::new();
        let error = acceptor.read_to_end(&mut heard).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);

        let (mut opener, mut acceptor) = stream(&dialer, connected.peer, &mut incoming).await;
        let sent = vec![9; 2_000_000];
        opener.write_all(&sent).await.unwrap();
        opener.close().await.unwrap();
        drop(opener);
        heard.clear();
        acceptor.read_to_end(&mut heard).await.unwrap();
        assert!(heard == sent, "what was accepted before the close is delivered");
    })
    .await;
}

#[tokio::test]
async fn what_was_written_before_a_shutdown_is_delivered() {
    bounded(async {
        let (dialer, listener, connected) = pair().await;
        let mut incoming = listener.handle_protocol(&ECHO).await.unwrap();
        let (mut opener, mut acceptor) = stream(&dialer, connected.peer, &mut incoming).await;
        let reading = tokio::spawn(async move {
            let mut heard = Vec::new();
            acceptor.read_to_end(&mut heard).await.map(|_| heard)
        });
        opener.write_all(&[5; 500_000]).await.unwrap();
        opener.close().await.unwrap();
        dialer.shutdown().await;
        assert_eq!(reading.await.unwrap().unwrap().len(), 500_000);
        assert_eq!(opener.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    })
    .await;
}

#[test]
fn shutdown_and_the_last_handle_end_every_task() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(bounded(async {
        let (dialer, listener, connected) = pair().await;
        let mut events = listener.events().await.unwrap();
        let mut incoming = listener.handle_protocol(&ECHO).await.unwrap();
        let (opener, _acceptor) = stream(&dialer, connected.peer, &mut incoming).await;
        dialer.shutdown().await;
        assert_eq!(dialer.dial(any_port()).await, Err(RequestError::Stopped));
        assert_eq!(dialer.events().await.err(), Some(peerwork_tokio::Stopped));
        drop((opener, listener));
        let mut reasons = Vec::new();
        while let Some(event) = events.next().await {
            if let Event::Swarm(SwarmEvent::Disconnected { reason, .. }) = event {
                reasons.push(reason);
            }
        }
        assert_eq!(reasons, [ConnectionError::ClosedByPeer]);
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }));
}

#[tokio::test]
async fn ping_and_identify_answer() {
    bounded(async {
        let (dialer, listener, connected) = pair().await;
        listener.handle_protocol(&ECHO).await.unwrap();
        let round_trip = dialer.ping(connected.peer).await.unwrap();
        assert!(round_trip < Duration::from_secs(5));
        let info = dialer.identify(connected.peer).await.unwrap();
        assert_eq!(info.public_key.as_ref().map(|key| key.to_peer_id()), Some(listener.local_peer()));
        assert_eq!(connected.security.unwrap().as_str(), "/secio/1.0.0");
        assert_eq!(connected.muxer.unwrap().as_str(), "/mplex/6.7.0");
        let nobody = Keypair::generate_ed25519(&mut Seed::reproducible(1)).public().to_peer_id();
        assert!(dialer.ping(nobody).await.is_err() && dialer.identify(nobody).await.is_err());
    })
    .await;
}

/// The one address that was dialled failed.
fn failed(address: &Multiaddr, error: AttemptError) -> Result<Connected, RequestError<DialError>> {
    Err(RequestError::Failed(DialError::Failed(vec![(address.clone(), error)])))
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    bounded(async {
        let (dialer, listener, connected) = pair().await;
        let address = listen(&listener).await;
        let (bare, _) = address::split_peer_id(&address).unwrap();
        let expected = Keypair::generate_ed25519(&mut Seed::reproducible(1)).public().to_peer_id();
        let wrong = AttemptError::WrongPeer { expected, actual: listener.local_peer() };
        let to_wrong = address::with_peer_id(bare.clone(), &expected);
        assert_eq!(dialer.dial(to_wrong).await, failed(&bare, wrong));
        assert_eq!(listener.dial(bare.clone()).await, failed(&bare, AttemptError::SelfDial));
        assert_eq!(listener.dial(address).await, Err(RequestError::Failed(DialError::SelfDial)));
        let in_use = ListenError::Transport(TransportError::InUse);
        assert_eq!(dialer.listen(bare.clone()).await, Err(RequestError::Failed(in_use)));

        let unknown = ProtocolId::from_static("/unknown/1.0.0");
        let opened = dialer.open_stream(Target::Peer(connected.peer), std::slice::from_ref(&unknown)).await;
        let unsupported = StreamError::Unsupported([unknown].into_iter().collect());
        assert_eq!(opened.unwrap_err(), RequestError::Failed(unsupported));
        let opened = dialer.open_stream(Target::Peer(expected), &[ECHO]).await;
        assert_eq!(opened.unwrap_err(), RequestError::Failed(StreamError::NotConnected));

        listener.shutdown().await;
        let refused = AttemptError::Transport(TransportError::Refused);
        assert_eq!(dialer.dial(bare.clone()).await, failed(&bare, refused));
        let error = dialer.dial(address::parse("/ip4/127.0.0.1/udp/1/quic-v1").unwrap()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no transport takes this address; expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT"
        );
    })
    .await;
}

#[tokio::test]
async fn silence_garbage_and_hang_ups_cost_nobody_else_anything() {
    bounded(async {
        let (dialer, listener, connected) = pair().await;
        let address = listen(&listener).await;
        let (bare, _) = address::split_peer_id(&address).unwrap();
        let socket_address = address::tcp_socket_address(&bare).unwrap();
        let silent = tokio::net::TcpStream::connect(socket_address).await.unwrap();
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 100], b"\x13/multistream/1.0.0\n\x03na\n"] {
            let mut garbage = tokio::net::TcpStream::connect(socket_address).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut garbage, bytes).await.unwrap();
        }
        assert!(dialer.ping(connected.peer).await.is_ok());
        assert!(dialer.dial(address).await.is_ok());
        drop(silent);
    })
    .await;
}

#[tokio::test]
async fn peers_are_found_and_records_are_kept() {
    let keypair = Keypair::ed25519_from_secret(&[7; 32]);
    let (key, peer) = (keypair.public().clone(), keypair.public().to_peer_id());
    let address: Multiaddr = "/ip4/10.0.0.1/tcp/4001".parse().unwrap();
    let node = builder().peer_routing(KnownPeers::new().with(peer, address.clone())).start().await.unwrap();
    assert_eq!(node.find_peer(peer).await, Ok(vec![address]));
    assert_eq!(node.find_peer(node.local_peer()).await, Ok(vec![]));
    let alone = builder().start().await.unwrap();
    assert_eq!(alone.find_peer(peer).await, Err(RequestError::Failed(FindError::NoRouting)));

    let name = RecordKey::new([b"/pk/".as_slice(), peer.as_bytes()].concat()).unwrap();
    assert_eq!(node.get_record(name.clone()).await, Ok(None));
    let record = Record { key: name.clone(), value: key.to_protobuf().into() };
    assert_eq!(node.put_record(record.clone()).await, Ok(1));
    assert_eq!(node.get_record(name.clone()).await, Ok(Some(record)));
    let false_record = Record { key: name, value: alone.local_peer().to_bytes().into() };
    let refused = node.put_record(false_record).await;
    assert!(matches!(refused, Err(RequestError::Failed(RecordsError::Invalid(_)))), "{refused:?}");
}

#[tokio::test]
async fn a_stream_that_did_not_wait_learns_late_that_nobody_speaks_its_protocol() {
    bounded(async {
        let server = builder().start().await.unwrap();
        let listening = server.listen("/ip4/127.0.0.1/tcp/0".parse().unwrap()).await.unwrap();
        let lazy = builder().configure(|config| config.swarm.connection.lazy_streams = LazyStreams::Always);
        let client = lazy.start().await.unwrap();
        let connected = client.dial(listening.address).await.unwrap();
        let mut stream = client.open_stream(Target::Peer(connected.peer), &[ECHO]).await.unwrap();
        let error = stream.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Unsupported, "the peer does not speak /echo/1.0.0")
        );
    })
    .await;
}
