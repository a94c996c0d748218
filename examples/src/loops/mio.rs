//! One thread that sleeps until a socket is ready: mio, hundreds of connections, and no allocation while bytes go to and fro.

use super::{bind, transport_error, wall_clock};
use ::mio::net::{TcpListener, TcpStream};
use ::mio::{Events, Interest, Poll, Registry, Token};
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::connection::ConnectionId;
use peerwork_core::machine::End;
use peerwork_core::node::{Broken, LocalNode, LocalOutput, Sockets};
use peerwork_core::protocols::Protocols;
use peerwork_core::swarm::{ListenerId, TransportError};
use peerwork_core::time::Instant;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::Shutdown;
use std::time::Duration;

/// How long to wait after the system refused to accept a connection, most likely for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A node on mio. Command it through [`node`](Self::node), call [`turn`](Self::turn) again and again, and take what
/// [`poll_output`](Self::poll_output) gives in between. Dropping it closes all sockets.
pub struct MioNode<P: Protocols = ()> {
    node: LocalNode<P>,
    sockets: MioSockets,
    poll: Poll,
    events: Events,
    /// The node's time starts here.
    origin: std::time::Instant,
    /// Accepting has failed, and is tried again then and not before, by all listeners.
    accept_again: Option<Instant>,
    /// For the application.
    outputs: VecDeque<LocalOutput<P::Event>>,
}

struct MioSockets {
    registry: Registry,
    listeners: BTreeMap<Token, (ListenerId, TcpListener)>,
    /// By their ids, which are their tokens too. Listeners have tokens that count down from the other end.
    links: BTreeMap<ConnectionId, Link>,
    /// Sockets that may have something for us, each once. The system says so once, so it is remembered here.
    ready: VecDeque<Token>,
}

struct Link {
    socket: TcpStream,
    /// Where it goes, until it is connected.
    connecting: Option<Multiaddr>,
    /// It may have bytes for us.
    readable: bool,
    /// The remote has ended its direction: the system has nothing more to say.
    ended: bool,
    in_line: bool,
}

impl<P: Protocols> MioNode<P> {
    /// Drives `node`, which was built for [`Instant::ORIGIN`]: its time begins now.
    ///
    /// # Errors
    /// The system has no poll to give.
    pub fn new(node: LocalNode<P>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let (listeners, links, ready) = (BTreeMap::new(), BTreeMap::new(), VecDeque::new());
        Ok(Self {
            node,
            sockets: MioSockets { registry, listeners, links, ready },
            poll,
            events: Events::with_capacity(256),
            origin: std::time::Instant::now(),
            accept_again: None,
            outputs: VecDeque::new(),
        })
    }

    /// The node, for commands and for reading and writing streams. What comes of it is done by the next `poll_output` or `turn`.
    pub fn node(&mut self) -> &mut LocalNode<P> {
        &mut self.node
    }

    /// The node's time.
    pub fn now(&self) -> Instant {
        Instant::from_origin(self.origin.elapsed())
    }

    /// The next `Event`, `Protocol` or `Stream`; no other output comes. Before there is none, what is to be sent was written.
    pub fn poll_output(&mut self) -> Option<LocalOutput<P::Event>> {
        let now = self.now();
        self.outputs.pop_front().or_else(|| self.node.poll_event(&mut self.sockets, now))
    }

    /// Writes what is to be sent; waits for a socket, a deadline or `timeout` (`None`: as long as it takes); reads each socket once at most.
    ///
    /// While there are outputs to take it neither waits nor reads: an application that does not keep up slows its peers down.
    ///
    /// # Errors
    /// The poll's. What is wrong with a socket ends its connection only.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let now = self.now();
        while let Some(output) = self.node.poll_event(&mut self.sockets, now) {
            self.outputs.push_back(output);
        }
        if !self.outputs.is_empty() {
            return Ok(());
        }
        let deadline = self.node.poll_timeout().map(|deadline| deadline.at);
        let at_once = (!self.sockets.ready.is_empty()).then_some(Duration::ZERO);
        let deadlines = [deadline, self.accept_again].map(|at| at.map(|at| at - now));
        let wait = deadlines.into_iter().chain([at_once, timeout]).flatten().min();
        match self.poll.poll(&mut self.events, wait) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        // Timers before new input: whoever is late is not saved by what has just arrived.
        let now = self.now();
        if deadline.is_some_and(|at| at <= now) {
            self.node.handle_timeout(now);
        }
        if self.accept_again.take_if(|at| *at <= now).is_some() {
            self.sockets.ready.extend(self.sockets.listeners.keys());
        }
        for event in &self.events {
            self.sockets.note(event);
        }
        for _ in 0..self.sockets.ready.len() {
            let Some(token) = self.sockets.ready.pop_front() else { break };
            match self.sockets.listeners.contains_key(&token) {
                true => self.accept(token),
                false => self.serve(ConnectionId(token.0 as u64)),
            }
        }
        Ok(())
    }

    fn accept(&mut self, token: Token) {
        let listening = self.sockets.listeners.get(&token).filter(|_| self.accept_again.is_none());
        let Some((listener, socket)) = listening else { return };
        match socket.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => return self.accept_again = Some(self.now() + ACCEPT_PAUSE),
            Ok((socket, from)) => {
                let (listener, now) = (*listener, self.now());
                self.node.handle_input(wall_clock(), now);
                let id = self.node.handle_incoming(listener, address::from_socket_address(from), now);
                if self.sockets.attach(id, socket, None).is_err() {
                    self.node.handle_end(id, End::Failed, now);
                }
            }
        }
        self.sockets.ready.push_back(token);
    }

    /// A socket is ready for something, or has waited for its turn.
    fn serve(&mut self, id: ConnectionId) {
        let now = self.now();
        let Some(link) = self.sockets.links.get_mut(&id) else { return };
        link.in_line = false;
        if link.connecting.is_some() {
            let error = link.socket.take_error().and_then(|error| error.map_or(Ok(()), Err));
            let result = match (error, link.connecting.take()) {
                (Err(error), _) => Err(transport_error(error)),
                (Ok(()), Some(address)) if link.socket.peer_addr().is_ok() => Ok(address),
                // It was ready for nothing.
                (Ok(()), address) => return link.connecting = address,
            };
            let failed = result.is_err();
            self.node.handle_input(wall_clock(), now);
            self.node.handle_dialed(id, result, now);
            if failed {
                return self.sockets.close(id);
            }
        }
        if link.readable && self.node.wants_input(id) {
            // Less than there is room for is all that there was, and the system tells when there is more.
            let more = link.ended || cfg!(windows);
            let read = |room: &mut [u8]| {
                let read = link.socket.read(room)?;
                link.readable = read == room.len() || (more && read > 0);
                Ok(read)
            };
            match self.node.receive(id, now, read) {
                // The node is driven when the application has had the chance to add its answer.
                Ok(_) => return,
                Err(error) if io::Error::kind(&error) == ErrorKind::WouldBlock => link.readable = false,
                Err(_) => return self.node.handle_end(id, End::Failed, now),
            }
        }
        self.node.drive(id, &mut self.sockets, now);
    }
}

impl MioSockets {
    /// Registers a socket, once and for all: the system tells of each change.
    fn attach(
        &mut self,
        id: ConnectionId,
        mut socket: TcpStream,
        connecting: Option<Multiaddr>,
    ) -> io::Result<()> {
        // What belongs together is written together: no need for the system to wait for more.
        drop(socket.set_nodelay(true));
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut socket, Token(id.0 as usize), interest)?;
        self.links.insert(id, Link { socket, connecting, readable: false, ended: false, in_line: false });
        Ok(())
    }

    /// Gets a socket in line.
    fn note(&mut self, event: &::mio::event::Event) {
        let token = event.token();
        let in_line = match self.links.get_mut(&ConnectionId(token.0 as u64)) {
            Some(link) => {
                link.ended |= event.is_read_closed();
                link.readable |= event.is_readable() || link.ended;
                mem::replace(&mut link.in_line, true)
            }
            None => self.ready.contains(&token),
        };
        if !in_line {
            self.ready.push_back(token);
        }
    }
}

impl Sockets for MioSockets {
    fn listen(&mut self, listener: ListenerId, address: &Multiaddr) -> Result<Multiaddr, TransportError> {
        let socket = bind(address::tcp_socket_address(address)?).map_err(transport_error)?;
        socket.set_nonblocking(true).map_err(transport_error)?;
        let mut socket = TcpListener::from_std(socket);
        let token = Token(self.listeners.keys().next().map_or(usize::MAX, |lowest| lowest.0 - 1));
        self.registry.register(&mut socket, token, Interest::READABLE).map_err(transport_error)?;
        let bound = socket.local_addr().map_err(transport_error)?;
        self.listeners.insert(token, (listener, socket));
        Ok(address::from_socket_address(bound))
    }

    fn stop_listening(&mut self, listener: ListenerId) {
        self.listeners.retain(|_, (id, _)| *id != listener);
    }

    /// How it went shows when the socket is ready.
    fn dial(&mut self, connection: ConnectionId, address: &Multiaddr) -> Result<(), TransportError> {
        let socket = TcpStream::connect(address::tcp_socket_address(address)?).map_err(transport_error)?;
        self.attach(connection, socket, Some(address.clone())).map_err(transport_error)
    }

    fn write(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<usize, Broken> {
        let Some(link) = self.links.get_mut(&connection) else { return Err(Broken) };
        let mut written = 0;
        while written < bytes.len() {
            match link.socket.write(&bytes[written..]) {
                Ok(len) if len > 0 => written += len,
                // The system tells when there is room again, but on Windows only whoever has heard that there is none.
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                _ => return Err(Broken),
            }
        }
        Ok(written)
    }

    fn end(&mut self, connection: ConnectionId) {
        // It fails if the remote was faster.
        drop(self.links.get(&connection).map(|link| link.socket.shutdown(Shutdown::Write)));
    }

    fn resume(&mut self, connection: ConnectionId) {
        if let Some(link) = self.links.get_mut(&connection)
            && link.readable
            && !mem::replace(&mut link.in_line, true)
        {
            self.ready.push_back(Token(connection.0 as usize));
        }
    }

    fn close(&mut self, connection: ConnectionId) {
        self.links.remove(&connection);
    }
}
