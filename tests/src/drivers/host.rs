//! A node of a [`Network`] as a [`Host`], and the executor that runs futures against a network.

use super::network::{Engine, Input, Network};
use super::{Gone, Host, HostStream};
use bytes::Bytes;
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::connection::{ConnectionError, ConnectionId, StreamEvent};
use peerwork_core::identity::PeerId;
use peerwork_core::muxer::{ReadError, WriteError};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{NodeCommand, NodeEvent};
use peerwork_core::protocols::identify::{
    IdentifyCommand, IdentifyError, IdentifyEvent, IdentifyId, IdentifyInfo,
};
use peerwork_core::protocols::ping::{PingCommand, PingError, PingEvent, PingId};
use peerwork_core::protocols::{Protocols, RequestId, StreamError, StreamKey, Target};
use peerwork_core::security::Role;
use peerwork_core::swarm::{
    DialError, DialId, DialOptions, DialTarget, ListenError, ListenerId, SwarmEvent, SwarmInput,
};
use peerwork_core::time::Instant;
use smallvec::smallvec;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Runs `future` and turns the network until it is ready.
///
/// The future is polled at every turn. A stream that was blocked is tried again only when the node says that it can go on, so
/// that a missing event shows.
///
/// # Panics
/// If the future waits for something that will never happen.
pub fn run<E: Engine, T>(network: &Rc<RefCell<Network<E>>>, future: impl Future<Output = T>) -> T {
    let (mut future, mut cx) = (pin!(future), Context::from_waker(Waker::noop()));
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
            return result;
        }
        let mut network = network.borrow_mut();
        if !network.turn() {
            network.sleep();
        }
    }
}

/// Runs `future` for so many turns of the network at most, and drops it.
pub fn run_for<E: Engine, T>(
    network: &Rc<RefCell<Network<E>>>,
    turns: u64,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut count = 0;
    let mut future = pin!(future);
    let limited = std::future::poll_fn(|cx| {
        count += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if count >= turns => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    run(network, limited)
}

/// Turns the network for so long, in virtual time, or until nothing will ever happen again.
pub fn run_while<E: Engine>(network: &Rc<RefCell<Network<E>>>, duration: Duration) {
    watch_while(network, duration, |_| {});
}

/// The same, with a look at the network after every turn.
pub fn watch_while<E: Engine>(
    network: &Rc<RefCell<Network<E>>>,
    duration: Duration,
    mut watch: impl FnMut(&Network<E>),
) {
    let mut network = network.borrow_mut();
    let end = network.now + duration;
    loop {
        if network.turn() {
            watch(&network);
            continue;
        }
        match network.next_at() {
            Some(at) if at <= end => network.sleep(),
            _ => return,
        }
    }
}

/// Turns the network until nothing moves, without letting time pass.
pub fn settle<E: Engine>(network: &Rc<RefCell<Network<E>>>) {
    while network.borrow_mut().turn() {}
}

/// What the user of a node has been told, and what he waits for.
pub(super) struct Desk<E> {
    listens: Answers<ListenerId, Result<Multiaddr, ListenError>>,
    dials: Answers<DialId, Result<(ConnectionId, PeerId), DialError>>,
    opens: Answers<RequestId, Result<StreamKey, StreamError>>,
    pings: Answers<PingId, Result<Duration, PingError>>,
    identifies: Answers<IdentifyId, Result<Arc<IdentifyInfo>, IdentifyError>>,
    incoming: BTreeMap<ProtocolId, VecDeque<StreamKey>>,
    events: VecDeque<E>,
    connected: VecDeque<PeerId>,
    peers: BTreeMap<ConnectionId, PeerId>,
    disconnected: VecDeque<ConnectionError>,
    /// Streams that were blocked, and whose event has not come.
    unreadable: BTreeSet<StreamKey>,
    unwritable: BTreeSet<StreamKey>,
    /// Streams that the user has been told of and has not taken.
    pub(super) untaken: BTreeSet<StreamKey>,
    /// The user takes no more streams.
    pub(super) has_left: bool,
    is_shut_down: bool,
    next_id: u64,
    /// Answers to what nobody asked.
    pub(super) surprises: usize,
}

/// Commands and their outcomes.
struct Answers<K, V>(BTreeMap<K, Option<V>>);

impl<K: Ord, V> Answers<K, V> {
    fn ask(&mut self, id: K) {
        self.0.insert(id, None);
    }

    /// Returns how many answers too many this is.
    fn answer(&mut self, id: &K, answer: V) -> usize {
        match self.0.get_mut(id) {
            Some(place @ None) => *place = Some(answer),
            Some(Some(_)) | None => return 1,
        }
        0
    }

    fn unanswered(&self) -> usize {
        self.0.values().filter(|answer| answer.is_none()).count()
    }
}

impl<K, V> Default for Answers<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<E> Default for Desk<E> {
    fn default() -> Self {
        Self {
            listens: Answers::default(),
            dials: Answers::default(),
            opens: Answers::default(),
            pings: Answers::default(),
            identifies: Answers::default(),
            incoming: BTreeMap::new(),
            events: VecDeque::new(),
            connected: VecDeque::new(),
            peers: BTreeMap::new(),
            disconnected: VecDeque::new(),
            unreadable: BTreeSet::new(),
            unwritable: BTreeSet::new(),
            untaken: BTreeSet::new(),
            has_left: false,
            is_shut_down: false,
            next_id: 0,
            surprises: 0,
        }
    }
}

impl<E> Desk<E> {
    pub(super) fn hear(&mut self, event: SwarmEvent) {
        // Whatever is commanded after the end is refused.
        let is_refusal = matches!(
            event,
            SwarmEvent::ListenFailed { .. } | SwarmEvent::DialFailed { .. } | SwarmEvent::StreamFailed { .. }
        );
        self.surprises += usize::from(self.is_shut_down && !is_refusal);
        if let SwarmEvent::StreamOpened { stream, .. } = event {
            self.untaken.insert(stream);
        }
        self.surprises += match event {
            SwarmEvent::Listening { listener, address } => self.listens.answer(&listener, Ok(address)),
            SwarmEvent::ListenFailed { listener, error } => self.listens.answer(&listener, Err(error)),
            SwarmEvent::Dialed { dial, connection } => {
                let peer = self.peers.get(&connection).copied().expect("the connection was reported before");
                self.dials.answer(&dial, Ok((connection, peer)))
            }
            SwarmEvent::DialFailed { dial, error } => self.dials.answer(&dial, Err(error)),
            SwarmEvent::StreamOpened { stream, request: Some(request), .. } => {
                self.opens.answer(&request, Ok(stream))
            }
            SwarmEvent::StreamFailed { request, error } => self.opens.answer(&request, Err(error)),
            SwarmEvent::StreamOpened { stream, protocol, request: None, .. } => {
                self.incoming.entry(protocol).or_default().push_back(stream);
                0
            }
            SwarmEvent::Disconnected { reason, .. } => {
                self.disconnected.push_back(reason);
                0
            }
            SwarmEvent::ShutDown => {
                self.is_shut_down = true;
                0
            }
            SwarmEvent::Connected { connection, peer, role, .. } => {
                self.peers.insert(connection, peer);
                if role == Role::Listener {
                    self.connected.push_back(peer);
                }
                0
            }
            SwarmEvent::ListenerClosed { .. }
            | SwarmEvent::StandingRefused { .. }
            | SwarmEvent::IncomingFailed { .. }
            | SwarmEvent::Dialing(_)
            | SwarmEvent::ProtocolTaken { .. } => 0,
        };
    }

    pub(super) fn hear_protocol(&mut self, event: NodeEvent<E>) {
        self.surprises += match event {
            NodeEvent::Ping(PingEvent::Pong { id: Some(id), round_trip, .. }) => {
                self.pings.answer(&id, Ok(round_trip))
            }
            NodeEvent::Ping(PingEvent::Failed { id: Some(id), error, .. }) => {
                self.pings.answer(&id, Err(error))
            }
            NodeEvent::Identify(IdentifyEvent::Received { id: Some(id), info, .. }) => {
                self.identifies.answer(&id, Ok(info))
            }
            NodeEvent::Identify(IdentifyEvent::Failed { id: Some(id), error, .. }) => {
                self.identifies.answer(&id, Err(error))
            }
            NodeEvent::Ping(_) | NodeEvent::Identify(_) | NodeEvent::Routing(_) | NodeEvent::Records(_) => 0,
            NodeEvent::Protocol(event) => {
                self.events.push_back(event);
                0
            }
        };
    }

    pub(super) fn hear_stream(&mut self, connection: ConnectionId, event: StreamEvent) {
        let key = |stream| StreamKey { connection, stream };
        match event {
            StreamEvent::Readable(stream) => drop(self.unreadable.remove(&key(stream))),
            StreamEvent::Writable(stream) => drop(self.unwritable.remove(&key(stream))),
            StreamEvent::Closed(stream, _) => {
                self.unreadable.remove(&key(stream));
                self.unwritable.remove(&key(stream));
            }
        }
    }

    pub(super) fn unanswered(&self) -> usize {
        self.listens.unanswered()
            + self.dials.unanswered()
            + self.opens.unanswered()
            + self.pings.unanswered()
            + self.identifies.unanswered()
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// A node of a network.
pub struct LoopHost<E: Engine> {
    network: Rc<RefCell<Network<E>>>,
    seat: usize,
}

impl<E: Engine> LoopHost<E> {
    /// The node with this number.
    pub fn new(network: &Rc<RefCell<Network<E>>>, seat: usize) -> Self {
        Self { network: network.clone(), seat }
    }

    /// Tells the node something without waiting for an outcome.
    pub fn input(&self, input: Input<E>) {
        let mut network = self.network.borrow_mut();
        network.touched = true;
        network.input(self.seat, input);
    }

    /// Wants a connection, without waiting for it.
    pub fn start_dial(&self, target: impl Into<DialTarget>) -> DialId {
        let dial = DialId(self.desk(Desk::next_id));
        self.desk(|desk| desk.dials.ask(dial));
        self.input(SwarmInput::Dial { dial, target: target.into(), options: DialOptions::default() });
        dial
    }

    /// Listens on a port of the network's choice. The answer is what others dial.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub async fn listen_at(&self, ip: IpAddr) -> Result<Multiaddr, ListenError> {
        let listener = ListenerId(self.desk(Desk::next_id));
        self.desk(|desk| desk.listens.ask(listener));
        let address = address::from_socket_address(SocketAddr::new(ip, 0));
        self.input(SwarmInput::Listen { listener, address });
        let address = self.wait(|desk| desk.listens.0.get(&listener).cloned().flatten()).await?;
        Ok(address::with_peer_id(address, &self.peer()))
    }

    /// Waits until so many connections have been open.
    pub async fn opened(&self, count: usize) {
        self.wait(|desk| (desk.peers.len() >= count).then_some(())).await;
    }

    /// Does something to the node's streams behind the back of whoever holds them. What one does oneself is followed by no event,
    /// so those who wait for one look again.
    pub fn meddle<T>(&self, action: impl FnOnce(&mut E, Instant) -> T) -> T {
        let mut network = self.network.borrow_mut();
        network.touched = true;
        let now = network.now;
        let seat = &mut network.seats[self.seat];
        seat.desk.unreadable.clear();
        seat.desk.unwritable.clear();
        action(&mut seat.engine, now)
    }

    /// Opens a raw stream on one of several connections.
    ///
    /// # Errors
    /// See [`StreamError`].
    pub async fn open_on(&self, target: Target, protocol: &ProtocolId) -> Result<LoopStream<E>, StreamError> {
        let request = RequestId(self.desk(Desk::next_id));
        self.desk(|desk| desk.opens.ask(request));
        let protocols = smallvec![protocol.clone()];
        self.input(SwarmInput::OpenStream { request, target, protocols });
        let key = self.wait(|desk| desk.opens.0.get(&request).cloned().flatten()).await?;
        Ok(self.stream(key))
    }

    /// The user goes away: he drops every stream that he has been told of, or is told of from now on.
    pub fn leave(&self) {
        self.desk(|desk| desk.has_left = true);
        self.network.borrow_mut().touched = true;
    }

    fn desk<T>(&self, action: impl FnOnce(&mut Desk<Event<E>>) -> T) -> T {
        action(&mut self.network.borrow_mut().seats[self.seat].desk)
    }

    /// Waits until the desk has something.
    async fn wait<T>(&self, mut look: impl FnMut(&mut Desk<Event<E>>) -> Option<T>) -> T {
        std::future::poll_fn(|_| self.desk(&mut look).map_or(Poll::Pending, Poll::Ready)).await
    }

    fn stream(&self, key: StreamKey) -> LoopStream<E> {
        self.desk(|desk| desk.untaken.remove(&key));
        LoopStream { network: self.network.clone(), seat: self.seat, key }
    }
}

type Event<E> = <<E as Engine>::Protocols as Protocols>::Event;

impl<E: Engine> Host for LoopHost<E> {
    type Protocols = E::Protocols;
    type Stream = LoopStream<E>;

    fn peer(&self) -> PeerId {
        self.network.borrow().seats[self.seat].engine.node().local_peer()
    }

    async fn listen(&self) -> Result<Multiaddr, ListenError> {
        self.listen_at(Ipv4Addr::LOCALHOST.into()).await
    }

    async fn dial(&self, address: Multiaddr) -> Result<(ConnectionId, PeerId), DialError> {
        let dial = self.start_dial(address);
        self.wait(|desk| desk.dials.0.get(&dial).cloned().flatten()).await
    }

    async fn connected(&self) -> PeerId {
        self.wait(|desk| desk.connected.pop_front()).await
    }

    async fn ping(&self, peer: PeerId) -> Result<Duration, PingError> {
        let id = PingId(self.desk(Desk::next_id));
        self.desk(|desk| desk.pings.ask(id));
        self.input(SwarmInput::Command(NodeCommand::Ping(PingCommand::Ping { id, peer })));
        self.wait(|desk| desk.pings.0.get(&id).cloned().flatten()).await
    }

    async fn identify(&self, peer: PeerId) -> Result<Arc<IdentifyInfo>, IdentifyError> {
        let id = IdentifyId(self.desk(Desk::next_id));
        self.desk(|desk| desk.identifies.ask(id));
        self.input(SwarmInput::Command(NodeCommand::Identify(IdentifyCommand::Identify { id, peer })));
        self.wait(|desk| desk.identifies.0.get(&id).cloned().flatten()).await
    }

    async fn open(&self, peer: PeerId, protocol: &ProtocolId) -> Result<LoopStream<E>, StreamError> {
        self.open_on(Target::Peer(peer), protocol).await
    }

    async fn handle(&self, protocol: &ProtocolId) {
        let is_mounted = self.network.borrow().seats[self.seat].engine.node().swarm().is_mounted(protocol);
        if !is_mounted {
            self.input(SwarmInput::HandleProtocol { protocol: protocol.clone() });
        }
    }

    async fn accept(&self, protocol: &ProtocolId) -> LoopStream<E> {
        let key = self.wait(|desk| desk.incoming.get_mut(protocol)?.pop_front()).await;
        self.stream(key)
    }

    async fn command(&self, command: <E::Protocols as Protocols>::Command) {
        self.input(SwarmInput::Command(NodeCommand::Protocol(command)));
    }

    async fn event(&self) -> Event<E> {
        self.wait(|desk| desk.events.pop_front()).await
    }

    async fn disconnect(&self, connection: ConnectionId) {
        self.input(SwarmInput::Disconnect { connection });
    }

    async fn disconnected(&self) -> ConnectionError {
        self.wait(|desk| desk.disconnected.pop_front()).await
    }

    async fn shutdown(&self) {
        self.input(SwarmInput::Shutdown);
        self.wait(|desk| desk.is_shut_down.then_some(())).await;
    }

    fn leftovers(&self) -> Vec<String> {
        settle(&self.network);
        self.network.borrow().leftovers(self.seat)
    }
}

/// A raw stream of a node of a network.
pub struct LoopStream<E: Engine> {
    network: Rc<RefCell<Network<E>>>,
    seat: usize,
    key: StreamKey,
}

impl<E: Engine> LoopStream<E> {
    fn with<T>(&self, action: impl FnOnce(&mut E, Instant) -> T) -> T {
        let mut network = self.network.borrow_mut();
        network.touched = true;
        let now = network.now;
        action(&mut network.seats[self.seat].engine, now)
    }

    fn desk<T>(&self, action: impl FnOnce(&mut Desk<Event<E>>) -> T) -> T {
        action(&mut self.network.borrow_mut().seats[self.seat].desk)
    }

    fn poll_read(&self) -> Poll<Result<Option<Bytes>, Gone>> {
        let key = self.key;
        if self.desk(|desk| desk.unreadable.contains(&key)) {
            return Poll::Pending;
        }
        match self.with(|engine, now| engine.read(key, 16 * 1024, now)) {
            Ok(bytes) => Poll::Ready(Ok(Some(bytes))),
            Err(ReadError::Ended) => Poll::Ready(Ok(None)),
            Err(ReadError::Closed) => Poll::Ready(Err(Gone)),
            Err(ReadError::Blocked) => {
                self.desk(|desk| desk.unreadable.insert(key));
                Poll::Pending
            }
        }
    }

    fn poll_write(&self, data: &mut &[u8]) -> Poll<Result<(), Gone>> {
        let key = self.key;
        while !data.is_empty() {
            if self.desk(|desk| desk.unwritable.contains(&key)) {
                return Poll::Pending;
            }
            match self.with(|engine, now| engine.write(key, data, now)) {
                Ok(0) => panic!("a write that is not blocked takes something"),
                Ok(written) => *data = &data[written..],
                Err(WriteError::Closed) => return Poll::Ready(Err(Gone)),
                Err(WriteError::Blocked) => {
                    self.desk(|desk| desk.unwritable.insert(key));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<E: Engine> HostStream for LoopStream<E> {
    fn key(&self) -> StreamKey {
        self.key
    }

    async fn write_all(&mut self, mut data: &[u8]) -> Result<(), Gone> {
        std::future::poll_fn(|_| self.poll_write(&mut data)).await
    }

    async fn read(&mut self) -> Result<Option<Bytes>, Gone> {
        std::future::poll_fn(|_| self.poll_read()).await
    }

    async fn close(&mut self) {
        self.with(|engine, now| engine.close_write(self.key, now));
    }

    fn reset(self) {
        self.with(|engine, now| engine.reset(self.key, now));
    }
}

impl<E: Engine> Drop for LoopStream<E> {
    fn drop(&mut self) {
        self.with(|engine, now| engine.abandon(self.key, now));
    }
}
