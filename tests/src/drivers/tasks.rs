//! The real driver, `peerwork-runtime`, on tokio: over pipes in memory, or over anything that implements its `Runtime`.

use super::{Gone, Host, HostStream};
use bytes::{Bytes, BytesMut};
use futures_util::{AsyncReadExt, AsyncWriteExt, StreamExt};
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::{ConnectionError, ConnectionId};
use peerwork_core::identity::PeerId;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::NodeEvent;
use peerwork_core::protocols::identify::{IdentifyError, IdentifyInfo};
use peerwork_core::protocols::ping::PingError;
use peerwork_core::protocols::{Protocols, StreamError, StreamKey, Target};
use peerwork_core::swarm::{DialError, ListenError, SwarmEvent};
use peerwork_runtime::{BoxFuture, Event, Events, Incoming, Listener, Node, RequestError, Runtime, Socket};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncWrite, DuplexStream, duplex};
use tokio::sync::mpsc;

/// tokio's tasks and timers, and pipes in memory instead of sockets. Clones share their addresses.
#[derive(Debug, Clone)]
pub struct Pipes {
    handle: tokio::runtime::Handle,
    /// How much a pipe holds.
    capacity: usize,
    listeners: Arc<Mutex<Listeners>>,
}

#[derive(Debug, Default)]
struct Listeners {
    by_address: BTreeMap<SocketAddr, mpsc::Sender<Pipe>>,
    next_port: u16,
}

/// How many connections wait to be accepted.
const BACKLOG: usize = 16;

impl Pipes {
    /// A network of pipes that hold so many bytes each way, run by the runtime of `handle`.
    pub fn new(handle: tokio::runtime::Handle, capacity: usize) -> Self {
        Self { handle, capacity, listeners: Arc::default() }
    }

    fn with_listeners<T>(&self, action: impl FnOnce(&mut Listeners) -> T) -> T {
        action(&mut self.listeners.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Runtime for Pipes {
    type Socket = Pipe;
    type Listener = PipeListener;

    fn spawn(&self, task: BoxFuture<()>) {
        self.handle.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<Pipe>> {
        let listener = self.with_listeners(|listeners| listeners.by_address.get(&address).cloned());
        let (ours, theirs) = duplex(self.capacity);
        Box::pin(async move {
            let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
            listener.ok_or_else(refused)?.send(Pipe(theirs)).await.map_err(|_| refused())?;
            Ok(Pipe(ours))
        })
    }

    fn listen(&self, address: SocketAddr) -> BoxFuture<io::Result<PipeListener>> {
        let (sender, accepted) = mpsc::channel(BACKLOG);
        let address = self.with_listeners(|listeners| {
            listeners.next_port += 1;
            let address = SocketAddr::new(address.ip(), 1000 + listeners.next_port);
            listeners.by_address.insert(address, sender);
            address
        });
        Box::pin(async move { Ok(PipeListener { address, accepted }) })
    }
}

/// Where pipes are accepted.
#[derive(Debug)]
pub struct PipeListener {
    address: SocketAddr,
    accepted: mpsc::Receiver<Pipe>,
}

impl Listener for PipeListener {
    type Socket = Pipe;

    fn local_address(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Pipe, SocketAddr)>> {
        // The network keeps the sender for as long as it exists.
        self.accepted.poll_recv(cx).map(|pipe| Ok((pipe.ok_or(io::ErrorKind::NotConnected)?, self.address)))
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
                Event::Swarm(SwarmEvent::Connected { dial: None, peer, .. }) => {
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
