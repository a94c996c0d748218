//! The real driver, `peerwork-runtime`: over pipes in memory, or over any other transport.

use super::{Gone, Host, HostStream};
use bytes::{Bytes, BytesMut};
use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
use peerwork_core::address::{self, Multiaddr, Protocol};
use peerwork_core::connection::{ConnectionError, ConnectionId};
use peerwork_core::identity::PeerId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::NodeEvent;
use peerwork_core::protocols::identify::{IdentifyError, IdentifyInfo};
use peerwork_core::protocols::ping::PingError;
use peerwork_core::protocols::{Protocols, StreamError, StreamKey, Target};
use peerwork_core::security::Role;
use peerwork_core::swarm::{DialError, ListenError, SwarmEvent, TransportError};
use peerwork_runtime::{
    BoxFuture, Event, Events, Incoming, Link, Listener, Node, RequestError, Socket, Transport,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncWrite, DuplexStream, duplex};
use tokio::sync::mpsc;

/// A transport over pipes in memory, at addresses as those of TCP. Clones share their addresses.
#[derive(Debug, Clone)]
pub struct Pipes {
    /// How much a pipe holds.
    capacity: usize,
    listeners: Arc<Mutex<Listeners>>,
}

#[derive(Debug, Default)]
struct Listeners {
    by_address: BTreeMap<Multiaddr, mpsc::Sender<Pipe>>,
    next_port: u16,
}

/// How many connections wait to be accepted.
const BACKLOG: usize = 16;

impl Pipes {
    /// A network of pipes that hold so many bytes each way.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, listeners: Arc::default() }
    }

    fn with_listeners<T>(&self, action: impl FnOnce(&mut Listeners) -> T) -> T {
        action(&mut self.listeners.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Transport for Pipes {
    fn expected(&self) -> &'static str {
        "/ip4/ADDRESS/tcp/PORT"
    }

    fn takes(&self, address: &Multiaddr) -> bool {
        address::tcp_socket_address(address).is_ok()
    }

    fn dial(&self, address: Multiaddr) -> BoxFuture<Result<Link, TransportError>> {
        let listener = self.with_listeners(|listeners| listeners.by_address.get(&address).cloned());
        let (ours, theirs) = duplex(self.capacity);
        Box::pin(async move {
            let listener = listener.ok_or(TransportError::Refused)?;
            listener.send(Pipe(theirs)).await.map_err(|_| TransportError::Refused)?;
            Ok(Link { socket: Box::new(Pipe(ours)), remote_address: address })
        })
    }

    fn listen(&self, address: Multiaddr) -> BoxFuture<Result<Listener, TransportError>> {
        let (sender, mut accepted) = mpsc::channel(BACKLOG);
        let address = self.with_listeners(|listeners| {
            listeners.next_port += 1;
            let port = Protocol::Tcp(1000 + listeners.next_port);
            let address = address.iter().take(1).chain([port]).collect::<Multiaddr>();
            listeners.by_address.insert(address.clone(), sender);
            address
        });
        let from = address.clone();
        let incoming = futures_util::stream::poll_fn(move |cx| {
            let link = |pipe| Link { socket: Box::new(pipe), remote_address: from.clone() };
            accepted.poll_recv(cx).map(|pipe| pipe.map(|pipe| Ok(link(pipe))))
        });
        Box::pin(async { Ok(Listener { addresses: vec![address], incoming: Box::pin(incoming) }) })
    }
}

/// One end of a pipe.
#[derive(Debug)]
pub struct Pipe(DuplexStream);

impl Socket for Pipe {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        tokio_util::io::poll_read_buf(Pin::new(&mut self.0), cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A running node. Its calls are made, and awaited, by one task.
pub struct TaskHost<P: Protocols> {
    node: Node<P>,
    events: RefCell<Heard<P::Event>>,
    incoming: RefCell<BTreeMap<ProtocolId, Incoming>>,
}

struct Heard<E> {
    source: Events<E>,
    connected: VecDeque<PeerId>,
    disconnected: VecDeque<ConnectionError>,
    own: VecDeque<E>,
}

impl<E: Clone> Heard<E> {
    /// Takes in what has been told, and gives what `pick` finds in it.
    fn poll<T>(&mut self, cx: &mut Context<'_>, pick: impl FnOnce(&mut Self) -> &mut VecDeque<T>) -> Poll<T> {
        while let Poll::Ready(event) = self.source.poll_next_unpin(cx) {
            match event.expect("the node runs") {
                Event::Swarm(SwarmEvent::Connected { role: Role::Listener, peer, .. }) => {
                    self.connected.push_back(peer);
                }
                Event::Swarm(SwarmEvent::Disconnected { reason, .. }) => self.disconnected.push_back(reason),
                Event::Protocol(NodeEvent::Protocol(event)) => self.own.push_back(event),
                Event::Missed(count) => panic!("{count} events were missed"),
                Event::Swarm(_) | Event::Protocol(_) => {}
            }
        }
        pick(self).pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<P> TaskHost<P>
where
    P: Protocols + Send + 'static,
    P::Command: Send,
    P::Event: Send + Sync,
{
    /// A view of a running node.
    pub async fn new(node: Node<P>) -> Self {
        let source = node.events().await.expect("the node runs");
        let (connected, disconnected, own) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        let events = RefCell::new(Heard { source, connected, disconnected, own });
        Self { node, events, incoming: RefCell::default() }
    }
}

/// The outcome of a call to a node that has not stopped.
fn outcome<T, E>(result: Result<T, RequestError<E>>) -> Result<T, E> {
    result.map_err(|error| match error {
        RequestError::Failed(error) => error,
        RequestError::Stopped => panic!("the node has stopped"),
    })
}

impl<P> Host for TaskHost<P>
where
    P: Protocols + Send + 'static,
    P::Command: Send,
    P::Event: Send + Sync,
{
    type Protocols = P;
    type Stream = peerwork_runtime::Stream;

    fn peer(&self) -> PeerId {
        self.node.local_peer()
    }

    async fn listen(&self) -> Result<Multiaddr, ListenError> {
        let address = "/ip4/127.0.0.1/tcp/0".parse().expect("this is an address");
        Ok(outcome(self.node.listen(address).await)?.address)
    }

    async fn dial(&self, address: Multiaddr) -> Result<(ConnectionId, PeerId), DialError> {
        let connected = outcome(self.node.dial(address).await)?;
        Ok((connected.connection, connected.peer))
    }

    async fn connected(&self) -> PeerId {
        poll_fn(|cx| self.events.borrow_mut().poll(cx, |heard| &mut heard.connected)).await
    }

    async fn ping(&self, peer: PeerId) -> Result<Duration, PingError> {
        outcome(self.node.ping(peer).await)
    }

    async fn identify(&self, peer: PeerId) -> Result<Arc<IdentifyInfo>, IdentifyError> {
        outcome(self.node.identify(peer).await)
    }

    async fn open(&self, peer: PeerId, protocol: &ProtocolId) -> Result<Self::Stream, StreamError> {
        outcome(self.node.open_stream(Target::Peer(peer), std::slice::from_ref(protocol)).await)
    }

    async fn handle(&self, protocol: &ProtocolId) {
        let incoming = self.node.handle_protocol(protocol).await.expect("nobody handles the protocol yet");
        self.incoming.borrow_mut().insert(protocol.clone(), incoming);
    }

    async fn accept(&self, protocol: &ProtocolId) -> Self::Stream {
        poll_fn(|cx| {
            let mut all = self.incoming.borrow_mut();
            let incoming = all.get_mut(protocol).expect("the protocol is handled");
            incoming.poll_next_unpin(cx).map(|accepted| accepted.expect("the node runs"))
        })
        .await
    }

    async fn command(&self, command: P::Command) {
        self.node.command(command).await.expect("the node runs");
    }

    async fn event(&self) -> P::Event {
        poll_fn(|cx| self.events.borrow_mut().poll(cx, |heard| &mut heard.own)).await
    }

    async fn disconnect(&self, connection: ConnectionId) {
        self.node.disconnect(connection).await.expect("the node runs");
    }

    async fn disconnected(&self) -> ConnectionError {
        poll_fn(|cx| self.events.borrow_mut().poll(cx, |heard| &mut heard.disconnected)).await
    }

    async fn shutdown(&self) {
        self.node.shutdown().await;
    }

    fn leftovers(&self) -> Vec<String> {
        Vec::new()
    }
}

impl HostStream for peerwork_runtime::Stream {
    fn key(&self) -> StreamKey {
        Self::key(self)
    }

    async fn write_all(&mut self, data: &[u8]) -> Result<(), Gone> {
        AsyncWriteExt::write_all(self, data).await.map_err(|_| Gone)
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Gone> {
        let mut buffer = vec![0; 16 * 1024];
        let len = AsyncReadExt::read(self, &mut buffer).await.map_err(|_| Gone)?;
        buffer.truncate(len);
        Ok((len > 0).then(|| buffer.into()))
    }

    async fn close(&mut self) {
        // Closing never fails: a stream that is gone is closed.
        let _ = AsyncWriteExt::close(self).await;
    }

    fn reset(self) {
        Self::reset(self);
    }
}
