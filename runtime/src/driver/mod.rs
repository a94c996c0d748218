//! The driver: what runs a node. The rest of the crate is what its users hold.
//!
//! Here is the task that drives the node: it opens sockets, starts a task for each [connection], carries messages and answers the handles.
//! It judges time by the runtime's [clock].

mod accept;
mod attempt;
mod buffers;
mod clock;
pub(crate) mod connection;
mod handles;
pub(crate) mod keeper;
pub(crate) mod mailbox;
pub(crate) mod wakes;

pub(crate) use clock::Clock;
pub use keeper::SAVE_INTERVAL;

use self::accept::accept;
use self::attempt::Attempt;
use self::buffers::Common;
use self::connection::{Shared, StreamSource};
use self::keeper::Keeper;
use crate::events::{Event, Events, Subscribers};
use crate::management::Management;
use crate::node::{Connected, Listening};
use crate::peers::Peers;
use crate::requests::{Reply, Request, Requests, answer, fail};
use crate::resolver::{Resolver, in_time};
use crate::runtime::{BoxFuture, Runtime};
use crate::stream::Stream;
use crate::transport::{Link, Socket, Transports};
use futures_channel::{mpsc, oneshot};
use futures_util::future::{Either, OptionFuture, join, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::connection::{ConnectionId, ToNode};
use peerwork_core::identity::PeerId;
use peerwork_core::machine::Machine;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{Node, NodeCommand, NodeEvent};
use peerwork_core::protocols::{Protocols, RequestId, StreamError, StreamKey, Target};
use peerwork_core::swarm::dialer::{LookupId, RecordKind, Records};
use peerwork_core::swarm::{
    DialError, DialId, DialOptions, DialTarget, ListenError, ListenerId, SwarmEvent, SwarmInput, SwarmOutput,
    TransportError,
};
use peerwork_core::time::Instant;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

/// How many streams wait for one protocol's handler; more are reset. As many as a peer may open on a connection, so that a burst is not
/// lost before the handler has had a turn.
const MAX_WAITING_STREAMS: usize = 1_024;

/// What a handle wants.
pub(crate) enum Command<P: Protocols> {
    Listen {
        address: Multiaddr,
        reply: Reply<Listening, ListenError>,
    },
    ListenAddresses {
        reply: oneshot::Sender<Vec<Multiaddr>>,
    },
    StopListening {
        listener: ListenerId,
    },
    /// `caller` ends when nobody waits for the answer any more.
    Dial {
        target: DialTarget,
        options: DialOptions,
        reply: Reply<Connected, DialError>,
        caller: oneshot::Receiver<Infallible>,
    },
    OpenStream {
        target: Target,
        protocols: SmallVec<[ProtocolId; 1]>,
        reply: Reply<Stream, StreamError>,
    },
    HandleProtocol {
        protocol: ProtocolId,
        reply: oneshot::Sender<Option<mpsc::Receiver<Stream>>>,
    },
    Disconnect {
        connection: ConnectionId,
    },
    Manage(Management),
    Peers(Peers),
    Request(Request),
    Protocol(P::Command),
    Subscribe {
        reply: oneshot::Sender<Events<P::Event>>,
    },
    Shutdown {
        reply: oneshot::Sender<()>,
    },
}

/// What the driver's own tasks report.
pub(crate) enum ToDriver {
    FromConnection {
        connection: ConnectionId,
        message: ToNode,
    },
    /// An attempt has its outcome, unless it is over.
    Dialed {
        connection: ConnectionId,
    },
    LookedUp {
        lookup: LookupId,
        result: Result<Records, TransportError>,
    },
    Bound {
        listener: ListenerId,
        addresses: Vec<Multiaddr>,
    },
    Accepted {
        listener: ListenerId,
        link: Link,
    },
    /// A listener cannot listen, or not any more.
    Unbound {
        listener: ListenerId,
        error: TransportError,
    },
}

/// What a node runs on.
pub(crate) struct Surroundings<R> {
    pub(crate) transports: Transports,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) keeper: Option<Keeper<R>>,
    pub(crate) runtime: R,
}

pub(crate) struct Driver<P: Protocols, R: Runtime> {
    node: Node<P>,
    runtime: R,
    transports: Transports,
    resolver: Arc<dyn Resolver>,
    keeper: Option<Keeper<R>>,
    commands: mailbox::Receiver<Command<P>>,
    /// The handles are gone; the node stops.
    abandoned: bool,
    reports: mailbox::Receiver<ToDriver>,
    to_driver: mailbox::Sender<ToDriver>,
    connections: BTreeMap<ConnectionId, Arc<Shared>>,
    /// What the connections share.
    common: Arc<Common>,
    /// Sockets whose connection the node has yet to hand out.
    sockets: BTreeMap<ConnectionId, Box<dyn Socket>>,
    dials: BTreeMap<ConnectionId, Attempt>,
    /// Dropping one cancels the task that looks a name up.
    lookups: BTreeMap<LookupId, oneshot::Sender<()>>,
    /// Dropping one ends the task that accepts.
    listeners: BTreeMap<ListenerId, oneshot::Sender<()>>,
    handlers: BTreeMap<ProtocolId, mpsc::Sender<Stream>>,
    subscribers: Subscribers<P::Event>,
    waiting: Waiting,
    /// Each ends when the caller of a dial has his answer, or does not want it any more.
    dial_callers: FuturesUnordered<BoxFuture<DialId>>,
    sleep: Option<(Instant, BoxFuture<()>)>,
    /// Commands and reports take turns, so that neither can starve the other.
    commands_first: bool,
    over: bool,
}

/// The calls that wait for an answer.
#[derive(Default)]
struct Waiting {
    listens: BTreeMap<ListenerId, Reply<Listening, ListenError>>,
    dials: BTreeMap<DialId, Reply<Connected, DialError>>,
    opens: BTreeMap<RequestId, Reply<Stream, StreamError>>,
    requests: Requests,
    /// Dropped when everything has ended.
    shutdowns: Vec<oneshot::Sender<()>>,
    next: u64,
}

impl Waiting {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

enum Wake<P: Protocols> {
    Command(Option<Command<P>>),
    Report(Option<ToDriver>),
    DialCallerGone(DialId),
    Time,
}

impl<P, R> Driver<P, R>
where
    P: Protocols + Send + 'static,
    P::Command: Send,
    P::Event: Send + Sync,
    R: Runtime,
{
    pub(crate) fn new(
        node: Node<P>,
        surroundings: Surroundings<R>,
        clock: Clock,
        commands: mailbox::Receiver<Command<P>>,
        capacity: usize,
    ) -> Self {
        let Surroundings { transports, resolver, keeper, runtime } = surroundings;
        let (to_driver, reports) = mailbox::mailbox(capacity);
        Self {
            node,
            runtime,
            transports,
            resolver,
            keeper,
            commands,
            abandoned: false,
            reports,
            to_driver,
            connections: BTreeMap::new(),
            common: Arc::new(Common::new(clock)),
            sockets: BTreeMap::new(),
            dials: BTreeMap::new(),
            lookups: BTreeMap::new(),
            listeners: BTreeMap::new(),
            handlers: BTreeMap::new(),
            subscribers: Subscribers::new(),
            waiting: Waiting::default(),
            dial_callers: FuturesUnordered::new(),
            sleep: None,
            commands_first: false,
            over: false,
        }
    }

    /// Runs the node until it has shut down and every task has ended.
    pub(crate) async fn run(mut self) {
        if let Some(keeper) = &mut self.keeper {
            keeper.restore(self.node.peer_book_mut(), self.common.clock.now());
        }
        self.drain();
        while !self.over {
            match std::future::poll_fn(|cx| self.poll_wake(cx)).await {
                Wake::Command(Some(command)) => self.handle_command(command),
                Wake::Command(None) => {
                    self.abandoned = true;
                    self.input(SwarmInput::Shutdown);
                }
                Wake::Report(report) => report.into_iter().for_each(|report| self.handle_report(report)),
                Wake::DialCallerGone(dial) => {
                    if self.waiting.dials.remove(&dial).is_some() {
                        self.input(SwarmInput::CancelDial { dial });
                    }
                }
                Wake::Time => self.node.handle_timeout(self.common.clock.now()),
            }
            self.drain();
        }
        let Self { mut node, keeper, common, reports, waiting, to_driver, .. } = self;
        let Self { connections, sockets, listeners, dials, lookups, .. } = self;
        drop((to_driver, connections, sockets, listeners, dials, lookups));
        // The connections' tasks hold the other ends until they have flushed and closed.
        let close = async { while reports.next().await.is_some() {} };
        let save =
            OptionFuture::from(keeper.map(|keeper| keeper.finish(node.peer_book_mut(), common.clock.now())));
        join(close, save).await;
        drop(waiting.shutdowns);
    }

    /// Local work first, then time, then the outside.
    fn poll_wake(&mut self, cx: &mut Context<'_>) -> Poll<Wake<P>> {
        if let Some(keeper) = &mut self.keeper {
            keeper.poll(cx, self.node.peer_book_mut(), self.common.clock.now());
        }
        if let Some(deadline) = self.node.poll_timeout() {
            let now = self.common.clock.now();
            if deadline.at <= now {
                return Poll::Ready(Wake::Time);
            }
            if self.sleep.as_ref().is_none_or(|(armed, _)| deadline.at < *armed) {
                self.sleep = Some((deadline.at, self.runtime.sleep(deadline.at - now)));
            }
            if let Some((_, sleep)) = &mut self.sleep
                && sleep.as_mut().poll(cx).is_ready()
            {
                self.sleep = None;
                return Poll::Ready(Wake::Time);
            }
        }
        if let Poll::Ready(Some(dial)) = self.dial_callers.poll_next_unpin(cx) {
            return Poll::Ready(Wake::DialCallerGone(dial));
        }
        self.commands_first = !self.commands_first;
        if self.commands_first
            && let Poll::Ready(command) = self.poll_command(cx)
        {
            return Poll::Ready(Wake::Command(command));
        }
        if let Poll::Ready(report) = self.reports.poll_next(cx) {
            return Poll::Ready(Wake::Report(report));
        }
        self.poll_command(cx).map(Wake::Command)
    }

    fn poll_command(&self, cx: &Context<'_>) -> Poll<Option<Command<P>>> {
        if self.abandoned { Poll::Pending } else { self.commands.poll_next(cx) }
    }

    /// For the handshake of the connection that is about to be made.
    fn tell_time(&mut self) {
        self.input(SwarmInput::WallClock { since_1970: self.common.clock.since_1970() });
    }

    fn input(&mut self, input: SwarmInput<NodeCommand<P::Command>>) {
        self.node.handle_input(input, self.common.clock.now());
    }

    fn handle_command(&mut self, command: Command<P>) {
        let now = self.common.clock.now();
        match command {
            Command::Listen { address, reply } => {
                let listener = self.node.listen(address, now);
                self.waiting.listens.insert(listener, reply);
            }
            Command::ListenAddresses { reply } => {
                let addresses = self.node.swarm().listen_addresses();
                drop(reply.send(addresses.map(|address| self.with_own_id(address)).collect()));
            }
            Command::StopListening { listener } => self.input(SwarmInput::StopListening { listener }),
            Command::Dial { target, options, reply, caller } => {
                let dial = DialId(self.waiting.next());
                self.waiting.dials.insert(dial, reply);
                self.input(SwarmInput::Dial { dial, target, options });
                self.dial_callers.push(Box::pin(caller.map(move |_| dial)));
            }
            Command::OpenStream { target, protocols, reply } => {
                let request = RequestId(self.waiting.next());
                self.waiting.opens.insert(request, reply);
                self.input(SwarmInput::OpenStream { request, target, protocols });
            }
            Command::HandleProtocol { protocol, reply } => self.add_handler(protocol, reply),
            Command::Disconnect { connection } => self.input(SwarmInput::Disconnect { connection }),
            Command::Manage(management) => management.perform(&mut self.node, &self.common.traffic, now),
            Command::Request(request) => {
                let command = self.waiting.requests.start(request);
                self.input(SwarmInput::Command(command));
            }
            Command::Peers(peers) => peers.perform(&mut self.node, now),
            Command::Protocol(command) => {
                self.input(SwarmInput::Command(NodeCommand::Protocol(command)));
            }
            Command::Subscribe { reply } => drop(reply.send(self.subscribers.subscribe())),
            Command::Shutdown { reply } => {
                self.waiting.shutdowns.push(reply);
                self.input(SwarmInput::Shutdown);
            }
        }
    }

    fn add_handler(&mut self, protocol: ProtocolId, reply: oneshot::Sender<Option<mpsc::Receiver<Stream>>>) {
        if self.handlers.get(&protocol).is_some_and(|handler| !handler.is_closed()) {
            return drop(reply.send(None));
        }
        let (sender, receiver) = mpsc::channel(MAX_WAITING_STREAMS);
        if !self.node.swarm().is_mounted(&protocol) {
            self.input(SwarmInput::HandleProtocol { protocol: protocol.clone() });
        }
        self.handlers.insert(protocol, sender);
        drop(reply.send(Some(receiver)));
    }

    fn handle_report(&mut self, report: ToDriver) {
        match report {
            ToDriver::FromConnection { connection, message } => {
                self.input(SwarmInput::FromConnection { connection, message });
                if !self.node.swarm().has_connection(connection) {
                    // Its streams' handles and its task keep what they need.
                    self.connections.remove(&connection);
                }
            }
            ToDriver::Dialed { connection } => {
                match self.dials.remove(&connection).and_then(Attempt::into_outcome) {
                    Some(Ok(Link { socket, remote_address })) => {
                        self.sockets.insert(connection, socket);
                        self.tell_time();
                        self.input(SwarmInput::Dialed { connection, remote_address });
                    }
                    Some(Err(error)) => self.input(SwarmInput::DialFailed { connection, error }),
                    None => {}
                }
            }
            ToDriver::LookedUp { lookup, result } => {
                self.lookups.remove(&lookup);
                self.input(SwarmInput::LookedUp { lookup, result });
            }
            ToDriver::Bound { listener, addresses } => {
                if let Some(reply) = self.waiting.listens.remove(&listener)
                    && let Some(first) = addresses.first()
                {
                    if reply.is_canceled() {
                        // Nobody would know what to stop.
                        return self.input(SwarmInput::StopListening { listener });
                    }
                    let address = self.with_own_id(first);
                    let all = addresses.iter().map(|address| self.with_own_id(address)).collect();
                    answer(reply, Ok(Listening { listener, address, addresses: all }));
                }
                for address in addresses {
                    self.input(SwarmInput::Listening { listener, address });
                }
            }
            ToDriver::Unbound { listener, error } => self.input(SwarmInput::ListenFailed { listener, error }),
            ToDriver::Accepted { listener, link: Link { socket, remote_address } } => {
                let connection = self.node.next_connection_id();
                self.sockets.insert(connection, socket);
                self.tell_time();
                self.input(SwarmInput::Incoming { connection, listener, remote_address });
            }
        }
    }

    fn with_own_id(&self, address: &Multiaddr) -> Multiaddr {
        address::with_peer_id(address.clone(), &self.node.local_peer())
    }

    /// Does what the node wants until it wants nothing more.
    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                SwarmOutput::Event(event) => self.handle_event(event),
                SwarmOutput::Protocol(event) => self.handle_protocol_event(event),
                SwarmOutput::Listen { listener, address } => self.start_listening(listener, address),
                SwarmOutput::StopListening { listener } => drop(self.listeners.remove(&listener)),
                SwarmOutput::Dial { connection, address } => self.start_dialing(connection, address),
                SwarmOutput::CancelDial { connection } => drop(self.dials.remove(&connection)),
                SwarmOutput::Lookup { lookup, name, kind } => self.start_lookup(lookup, name, kind),
                SwarmOutput::CancelLookup { lookup } => drop(self.lookups.remove(&lookup)),
                SwarmOutput::Connection { connection } => self.start_connection(connection),
                SwarmOutput::Refuse { connection } => drop(self.sockets.remove(&connection)),
                SwarmOutput::ToConnection { connection, message } => {
                    if let Some(shared) = self.connections.get(&connection) {
                        let ends = message.ends_connection();
                        shared.post(message);
                        if ends {
                            shared.abandon_handshake();
                        }
                    }
                }
            }
        }
        // What the node has not asked for by now it does not want.
        self.sockets.clear();
    }

    fn start_listening(&mut self, listener: ListenerId, address: Multiaddr) {
        // The address that the node told may be used again as it is.
        let address = match address::split_peer_id(&address) {
            Ok((bare, Some(peer))) if peer == self.node.local_peer() => bare,
            Ok((_, Some(peer))) => {
                let error = TransportError::Other(format!("the address is that of another node, {peer}"));
                return self.input(SwarmInput::ListenFailed { listener, error });
            }
            _ => address,
        };
        match self.transports.find(&address).map(|transport| transport.listen(address.clone())) {
            Ok(binding) => {
                let (stop, stopped) = oneshot::channel();
                self.listeners.insert(listener, stop);
                let accept = accept(binding, listener, address, self.runtime.clone(), self.to_driver.clone());
                self.runtime.spawn(Box::pin(async move {
                    select(Box::pin(accept), stopped).await;
                }));
            }
            Err(error) => self.input(SwarmInput::ListenFailed { listener, error }),
        }
    }

    fn start_dialing(&mut self, connection: ConnectionId, address: Multiaddr) {
        match self.transports.find(&address).map(|transport| transport.dial(address)) {
            Ok(connecting) => {
                let (attempt, task) = Attempt::new(connecting);
                self.dials.insert(connection, attempt);
                let to_driver = self.to_driver.clone();
                self.runtime.spawn(Box::pin(async move {
                    if task.await {
                        // The driver is gone only when nobody waits for the dial.
                        drop(to_driver.send(ToDriver::Dialed { connection }).await);
                    }
                }));
            }
            Err(error) => self.input(SwarmInput::DialFailed { connection, error }),
        }
    }

    fn start_lookup(&mut self, lookup: LookupId, name: String, kind: RecordKind) {
        let (cancel, cancelled) = oneshot::channel();
        self.lookups.insert(lookup, cancel);
        let records = in_time(self.resolver.lookup(&name, kind), self.runtime.clone());
        let to_driver = self.to_driver.clone();
        self.runtime.spawn(Box::pin(async move {
            if let Either::Left((result, _)) = select(Box::pin(records), cancelled).await {
                let result = result.map_err(|error| error.of(name));
                // The driver is gone only when nobody waits for the answer.
                drop(to_driver.send(ToDriver::LookedUp { lookup, result }).await);
            }
        }));
    }

    fn start_connection(&mut self, id: ConnectionId) {
        let Some(connection) = self.node.take_connection(id, self.common.clock.now()) else { return };
        let Some(socket) = self.sockets.remove(&id) else { return };
        let shared = Arc::new(Shared::new(connection, socket, self.common.clone()));
        self.connections.insert(id, shared.clone());
        let task = connection::run(id, shared, self.runtime.clone(), self.to_driver.clone());
        self.runtime.spawn(Box::pin(task));
    }

    fn handle_event(&mut self, event: SwarmEvent) {
        tracing::debug!(?event, "swarm");
        match &event {
            SwarmEvent::ListenFailed { listener, error } => {
                self.listeners.remove(listener);
                fail(self.waiting.listens.remove(listener), error);
            }
            SwarmEvent::ListenerClosed { listener } => {
                self.waiting.listens.remove(listener);
            }
            SwarmEvent::Dialed { dial, connection } => {
                if let Some(reply) = self.waiting.dials.remove(dial)
                    && let Some(info) = self.node.swarm().connection_info(*connection)
                {
                    answer(reply, Ok(Connected::new(*connection, info)));
                }
            }
            SwarmEvent::DialFailed { dial, error } => {
                fail(self.waiting.dials.remove(dial), error);
            }
            SwarmEvent::StreamOpened { stream, peer, protocol, request } => {
                self.hand_out_stream(*stream, *peer, protocol, *request);
            }
            SwarmEvent::StreamFailed { request, error } => {
                fail(self.waiting.opens.remove(request), error);
            }
            SwarmEvent::ShutDown => self.over = true,
            SwarmEvent::Listening { .. }
            | SwarmEvent::Connected { .. }
            | SwarmEvent::Disconnected { .. }
            | SwarmEvent::Dialing(_)
            | SwarmEvent::IncomingFailed { .. }
            | SwarmEvent::StandingRefused { .. }
            | SwarmEvent::ProtocolTaken { .. } => {}
        }
        self.subscribers.send(&Event::Swarm(event));
    }

    fn hand_out_stream(
        &mut self,
        key: StreamKey,
        peer: PeerId,
        protocol: &ProtocolId,
        request: Option<RequestId>,
    ) {
        let Some(shared) = self.connections.get(&key.connection) else { return };
        let source: Arc<dyn StreamSource> = shared.clone();
        let stream = Stream::new(key, peer, protocol.clone(), source);
        if let Some(request) = request {
            if let Some(reply) = self.waiting.opens.remove(&request) {
                answer(reply, Ok(stream));
            }
        } else if let Some(handler) = self.handlers.get_mut(protocol)
            && let Err(error) = handler.try_send(stream)
            && error.is_disconnected()
        {
            self.handlers.remove(protocol);
            self.input(SwarmInput::StopHandlingProtocol { protocol: protocol.clone() });
        }
    }

    fn handle_protocol_event(&mut self, event: NodeEvent<P::Event>) {
        self.waiting.requests.note(&event);
        self.subscribers.send(&Event::Protocol(event));
    }
}
