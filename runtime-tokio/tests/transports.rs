//! Which transport gets which address, listening on all addresses, and what the builder does.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use futures_util::StreamExt;
use futures_util::stream;
use peerwork_core::address::{self, Multiaddr, Protocol};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::node::NodeEvent;
use peerwork_core::security::secio::Secio;
use peerwork_core::swarm::dialer::AttemptError;
use peerwork_core::swarm::{DialError, ListenError, SwarmEvent, TransportError};
use peerwork_tokio::{
    BoxFuture, Event, Io, Link, Listener, NodeBuilder, RequestError, StartError, Transport,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

fn builder() -> NodeBuilder {
    NodeBuilder::new().security(Secio::default()).muxer(Mplex::default())
}

/// Pipes in memory at `/memory/N`, for numbers below `end`. Clones share their addresses.
#[derive(Clone)]
struct Memory {
    end: u64,
    listeners: Arc<Mutex<BTreeMap<u64, mpsc::Sender<io::Result<Link>>>>>,
}

impl Memory {
    fn new(end: u64) -> Self {
        Self { end, listeners: Arc::default() }
    }

    fn number(&self, address: &Multiaddr) -> Option<u64> {
        match address.iter().collect::<Vec<_>>()[..] {
            [Protocol::Memory(number)] if number < self.end => Some(number),
            _ => None,
        }
    }
}

impl Transport for Memory {
    fn expected(&self) -> &'static str {
        "/memory/NUMBER"
    }

    fn takes(&self, address: &Multiaddr) -> bool {
        self.number(address).is_some()
    }

    fn dial(&self, address: Multiaddr) -> BoxFuture<Result<Link, TransportError>> {
        let listener = self.listeners.lock().unwrap().get(&self.number(&address).unwrap()).cloned();
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(1_000);
            let link = |pipe| Link { socket: Box::new(Io(pipe)), remote_address: address.clone() };
            let listener = listener.ok_or(TransportError::Refused)?;
            listener.send(Ok(link(theirs))).await.map_err(|_| TransportError::Refused)?;
            Ok(link(ours))
        })
    }

    fn listen(&self, address: Multiaddr) -> BoxFuture<Result<Listener, TransportError>> {
        let (sender, mut accepted) = mpsc::channel(16);
        let number = self.number(&address).unwrap();
        let is_taken = self.listeners.lock().unwrap().insert(number, sender).is_some();
        Box::pin(async move {
            if is_taken {
                return Err(TransportError::InUse);
            }
            let incoming = stream::poll_fn(move |cx| accepted.poll_recv(cx));
            Ok(Listener { addresses: Vec::new(), incoming: Box::pin(incoming) })
        })
    }
}

fn parse(text: &str) -> Multiaddr {
    address::parse(text).unwrap()
}

async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), test).await.expect("the test ends in time")
}

#[tokio::test]
async fn a_transport_of_the_users_own() {
    bounded(async {
        let memory = Memory::new(10);
        let server = builder()
            .transport(memory.clone())
            .tcp()
            .listen(parse("/memory/7"))
            .listen(parse("/ip4/127.0.0.1/tcp/0"))
            .start()
            .await
            .unwrap();
        let addresses = server.listen_addresses().await.unwrap();
        assert_eq!(addresses.len(), 2);
        let client = builder().transport(memory).tcp().start().await.unwrap();
        for address in addresses {
            assert_eq!(address::split_peer_id(&address).unwrap().1, Some(server.local_peer()));
            let connected = client.dial(address).await.unwrap();
            assert_eq!(connected.peer, server.local_peer());
            client.disconnect(connected.connection).await.unwrap();
        }
        let connected = client.dial(parse("/memory/7")).await.unwrap();
        assert_eq!(connected.remote_address, parse("/memory/7"));
        client.ping(connected.peer).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_first_transport_that_takes_an_address_gets_it() {
    bounded(async {
        let (first, second) = (Memory::new(10), Memory::new(20));
        let node = builder().transport(first.clone()).transport(second.clone()).start().await.unwrap();
        for number in [5, 15] {
            node.listen(parse(&format!("/memory/{number}"))).await.unwrap();
        }
        let listeners =
            |memory: &Memory| memory.listeners.lock().unwrap().keys().copied().collect::<Vec<_>>();
        assert_eq!((listeners(&first), listeners(&second)), (vec![5], vec![15]));

        let unsupported =
            TransportError::Unsupported { expected: "/memory/NUMBER or /memory/NUMBER".to_owned() };
        for address in ["/memory/25", "/ip4/127.0.0.1/tcp/1", "/memory/5/p2p-circuit"] {
            let dialed = node.dial(parse(address)).await.unwrap_err();
            assert_eq!(cause(dialed), AttemptError::Transport(unsupported.clone()), "{address}");
            let listening = node.listen(parse(address)).await.unwrap_err();
            assert_eq!(
                listening,
                RequestError::Failed(ListenError::Transport(unsupported.clone())),
                "{address}"
            );
        }
        let refused = node.dial(parse("/memory/9")).await.unwrap_err();
        assert_eq!(cause(refused), AttemptError::Transport(TransportError::Refused));
    })
    .await;
}

#[tokio::test]
async fn errors_and_the_end_of_a_listener() {
    bounded(async {
        let memory = Memory::new(10);
        let server = builder().transport(memory.clone()).listen(parse("/memory/1")).start().await.unwrap();
        let client = builder().transport(memory.clone()).start().await.unwrap();
        let sender = memory.listeners.lock().unwrap().get(&1).cloned().unwrap();
        sender.send(Err(io::Error::other("no descriptors left"))).await.unwrap();
        client.dial(parse("/memory/1")).await.expect("an error does not end the listener");

        let mut events = server.events().await.unwrap();
        drop(sender);
        memory.listeners.lock().unwrap().clear();
        let error = loop {
            match events.next().await.unwrap() {
                Event::Swarm(SwarmEvent::ListenFailed { error, .. }) => break error,
                Event::Protocol(NodeEvent::Protocol(never)) => match never {},
                _ => {}
            }
        };
        assert_eq!(error.to_string(), "the transport has stopped listening");
        assert_eq!(server.listen_addresses().await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn listening_on_all_addresses_names_each() {
    bounded(async {
        let node = builder().start().await.unwrap();
        let listening = node.listen(parse("/ip4/0.0.0.0/tcp/0")).await.unwrap();
        assert_eq!(listening.addresses.first(), Some(&listening.address));
        assert_eq!(node.listen_addresses().await.unwrap(), listening.addresses);
        let friend = builder().start().await.unwrap();
        for address in listening.addresses {
            assert!(!address.to_string().contains("0.0.0.0"), "{address}");
            friend.dial(address).await.unwrap();
        }
        node.stop_listening(listening.listener).await.unwrap();
        assert_eq!(node.listen_addresses().await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn both_families_share_a_port() {
    bounded(async {
        let node = builder().start().await.unwrap();
        let Ok(listening) = node.listen(parse("/ip6/::/tcp/0")).await else {
            return eprintln!("skipped: this machine has no IPv6");
        };
        let port = listening.address.iter().find_map(|component| match component {
            Protocol::Tcp(port) => Some(port),
            _ => None,
        });
        node.listen(parse(&format!("/ip4/0.0.0.0/tcp/{}", port.unwrap()))).await.unwrap();
        node.dial(listening.address).await.expect_err("it is the node itself");
    })
    .await;
}

#[tokio::test]
async fn an_address_with_the_nodes_own_peer_id_can_be_listened_on_again() {
    bounded(async {
        let node = builder().start().await.unwrap();
        let first = node.listen(parse("/ip4/127.0.0.1/tcp/0")).await.unwrap();
        node.stop_listening(first.listener).await.unwrap();
        assert_eq!(node.listen(first.address.clone()).await.unwrap().address, first.address);
        let other = builder().start().await.unwrap();
        let error = other.listen(first.address).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the address is that of another node, {}", node.local_peer()));
        let error = other.listen(parse("/dns4/localhost/tcp/0")).await.unwrap_err();
        assert!(error.to_string().starts_with("no transport takes this address; expected /ip4/"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_node_that_cannot_listen_does_not_start() {
    bounded(async {
        let memory = Memory::new(10);
        let builder = || builder().transport(memory.clone()).listen(parse("/memory/1"));
        let _first = builder().start().await.unwrap();
        let error = builder().start().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot listen on /memory/1: the address is in use; choose another port, or 0 for any"
        );
        assert!(matches!(error, StartError::Listen { .. }));
    })
    .await;
}

/// Dials that do not end, and listens once it is told to.
struct Slow {
    dials_dropped: mpsc::UnboundedSender<Multiaddr>,
    go: Arc<Notify>,
}

/// Tells when it is dropped.
struct Dial(Multiaddr, mpsc::UnboundedSender<Multiaddr>);

impl Drop for Dial {
    fn drop(&mut self) {
        self.1.send(self.0.clone()).unwrap();
    }
}

impl Transport for Slow {
    fn expected(&self) -> &'static str {
        "anything"
    }

    fn takes(&self, _: &Multiaddr) -> bool {
        true
    }

    fn dial(&self, address: Multiaddr) -> BoxFuture<Result<Link, TransportError>> {
        let dial = Dial(address, self.dials_dropped.clone());
        Box::pin(async move {
            std::future::pending::<()>().await;
            drop(dial);
            Err(TransportError::Refused)
        })
    }

    fn listen(&self, address: Multiaddr) -> BoxFuture<Result<Listener, TransportError>> {
        let go = self.go.clone();
        Box::pin(async move {
            go.notified().await;
            Ok(Listener { addresses: vec![address], incoming: Box::pin(stream::pending()) })
        })
    }
}

/// Why the one address that was dialled failed.
fn cause(error: RequestError<DialError>) -> AttemptError {
    let RequestError::Failed(DialError::Failed(failures)) = &error else { panic!("{error}") };
    let [(_, cause)] = &failures[..] else { panic!("{error}") };
    cause.clone()
}

/// Waits for a call that is not answered soon, then gives it up.
async fn give_up<T: std::fmt::Debug>(call: impl Future<Output = T>) {
    tokio::time::timeout(Duration::from_millis(50), call).await.expect_err("the call waits");
}

#[tokio::test]
async fn calls_that_are_given_up_leave_nothing() {
    bounded(async {
        let (dials_dropped, mut dropped) = mpsc::unbounded_channel();
        let go = Arc::new(Notify::new());
        let node = builder().transport(Slow { dials_dropped, go: go.clone() }).start().await.unwrap();
        let events = node.events().await.unwrap();

        give_up(node.dial(parse("/memory/1"))).await;
        assert_eq!(dropped.recv().await, Some(parse("/memory/1")));
        let is_progress = |event: &Event| matches!(event, Event::Swarm(SwarmEvent::Dialing(_)));
        let mut events = events.filter(|event| std::future::ready(!is_progress(event)));
        let Some(Event::Swarm(SwarmEvent::DialFailed { error, .. })) = events.next().await else { panic!() };
        assert_eq!(error, DialError::Cancelled);

        give_up(node.listen(parse("/memory/2"))).await;
        go.notify_one();
        let Some(Event::Swarm(SwarmEvent::ListenerClosed { .. })) = events.next().await else { panic!() };
        assert_eq!(node.listen_addresses().await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_node_stops_with_dials_and_listening_under_way() {
    bounded(async {
        let (dials_dropped, mut dropped) = mpsc::unbounded_channel();
        let node = builder().transport(Slow { dials_dropped, go: Arc::default() }).start().await.unwrap();
        let dial = node.dial(parse("/memory/1"));
        let listen = node.listen(parse("/memory/2"));
        let stop = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            node.shutdown().await;
        };
        let (dialed, listening, ()) = tokio::join!(dial, listen, stop);
        dialed.unwrap_err();
        listening.unwrap_err();
        assert_eq!(dropped.recv().await, Some(parse("/memory/1")));
        assert_eq!(dropped.recv().await, None, "the transport is gone with the node");
        assert_eq!(node.dial(parse("/memory/1")).await, Err(RequestError::Stopped));
    })
    .await;
}

#[test]
fn a_node_starts_inside_a_runtime() {
    let start = std::pin::pin!(builder().start());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = start.poll(&mut cx) else { panic!("there is no runtime") };
    assert!(error.to_string().starts_with("a node starts inside an async runtime: "), "{error}");
}
