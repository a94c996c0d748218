//! A game loop: called once per frame with so much time, and never a moment longer than the step at hand takes.
//!
//! Nothing tells which sockets are ready, so they are tried, one after the other, and the next frame goes on where this one has stopped.

use super::{bind, transport_error, wall_clock};
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::connection::ConnectionId;
use peerwork_core::machine::End;
use peerwork_core::node::{Broken, LocalNode, LocalOutput, Sockets};
use peerwork_core::protocols::Protocols;
use peerwork_core::swarm::{ListenerId, TransportError};
use peerwork_core::time::Instant;
use socket2::{Domain, Socket, Type};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{Shutdown, SocketAddr};
use std::ops::Bound;
use std::time::Duration;

/// How much is read in a step: deciphering it takes well below a millisecond.
const READ_BYTES: usize = 16 * 1024;

/// How many outputs may wait for the application. While there are as many nothing is read, which slows the peers down.
const MAX_OUTPUTS: usize = 1_024;

/// A node that moves when [`frame`](Self::frame) is called. Dropping it closes all sockets.
pub struct FrameNode<P: Protocols = ()> {
    node: LocalNode<P>,
    sockets: FrameSockets,
    /// The node's time starts here.
    origin: std::time::Instant,
    /// The socket that was tried last.
    last: Option<Place>,
    /// For the application.
    outputs: VecDeque<LocalOutput<P::Event>>,
}

/// Sockets are tried in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Listener(ListenerId),
    Connection(ConnectionId),
}

#[derive(Default)]
struct FrameSockets(BTreeMap<Place, Entry>);

struct Entry {
    socket: Socket,
    /// Where it goes, until it is connected.
    connecting: Option<Multiaddr>,
    /// It did not take all that there is to write.
    full: bool,
}

/// What a frame has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// In how many steps. A step carries out one wish of the node, reads one socket once, or does what is due.
    pub steps: usize,
    /// Nothing is left to do now. Otherwise the time was over, or the application has to take outputs first.
    pub done: bool,
}

impl<P: Protocols> FrameNode<P> {
    /// Drives `node`, which was built for [`Instant::ORIGIN`]: its time begins now.
    pub fn new(node: LocalNode<P>) -> Self {
        let (sockets, origin) = (FrameSockets::default(), std::time::Instant::now());
        Self { node, sockets, origin, last: None, outputs: VecDeque::new() }
    }

    /// The node, for commands and for reading and writing streams. The next frame does what comes of it.
    pub fn node(&mut self) -> &mut LocalNode<P> {
        &mut self.node
    }

    /// The node's time.
    pub fn now(&self) -> Instant {
        Instant::from_origin(self.origin.elapsed())
    }

    /// The next `Event`, `Protocol` or `Stream`; no other output comes. There is something new after a frame only.
    pub fn poll_output(&mut self) -> Option<LocalOutput<P::Event>> {
        self.outputs.pop_front()
    }

    /// Works until nothing is left to do or `budget` is used up; whatever that is, one step is done. Never waits.
    pub fn frame(&mut self, budget: Duration) -> Frame {
        let end = self.now() + budget;
        // After as many sockets in turn as there are had nothing for us, none has.
        let (mut steps, mut idle) = (0, 0);
        while self.outputs.len() < MAX_OUTPUTS && idle <= self.sockets.0.len() {
            idle = if self.step() { 0 } else { idle + 1 };
            steps += 1;
            if self.now() >= end {
                return Frame { steps, done: false };
            }
        }
        Frame { steps, done: self.outputs.len() < MAX_OUTPUTS }
    }

    /// Does one thing: local work first, then timers, then new input. False: there was nothing to do.
    fn step(&mut self) -> bool {
        let now = self.now();
        if let Some(output) = self.node.poll_output() {
            self.outputs.extend(self.node.carry_out(output, &mut self.sockets, now));
            return true;
        }
        if self.node.poll_timeout().is_some_and(|deadline| deadline.at <= now) {
            self.node.handle_timeout(now);
            return true;
        }
        // The one behind the last, and behind the last of all the first: so none is passed over, however much the others have.
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let sockets = &self.sockets.0;
        let next = sockets.range((behind, Bound::Unbounded)).next().or_else(|| sockets.first_key_value());
        self.last = next.map(|(place, _)| *place);
        match self.last {
            None => false,
            Some(Place::Listener(listener)) => self.accept(listener, now),
            Some(Place::Connection(id)) => self.serve(id, now),
        }
    }

    fn accept(&mut self, listener: ListenerId, now: Instant) -> bool {
        let Some(Entry { socket, .. }) = self.sockets.0.get(&Place::Listener(listener)) else { return false };
        // Nobody is there, or the system cannot give a socket now. Either way the next frame tries again.
        let Ok((socket, from)) = socket.accept() else { return false };
        let from = from.as_socket().map_or_else(Multiaddr::empty, address::from_socket_address);
        self.node.handle_input(wall_clock(), now);
        let id = self.node.handle_incoming(listener, from, now);
        if self.sockets.add(Place::Connection(id), socket, None).is_err() {
            self.node.handle_end(id, End::Failed, now);
        }
        true
    }

    fn serve(&mut self, id: ConnectionId, now: Instant) -> bool {
        let Some(entry) = self.sockets.0.get_mut(&Place::Connection(id)) else { return false };
        if entry.connecting.is_some() {
            let error = entry.socket.take_error().and_then(|error| error.map_or(Ok(()), Err));
            let result = match (error, entry.connecting.take()) {
                (Err(error), _) => Err(transport_error(error)),
                (Ok(()), Some(address)) if entry.socket.peer_addr().is_ok() => Ok(address),
                (Ok(()), address) => {
                    entry.connecting = address;
                    return false;
                }
            };
            if result.is_err() {
                self.sockets.close(id);
            }
            self.node.handle_input(wall_clock(), now);
            self.node.handle_dialed(id, result, now);
            return true;
        }
        // There may be room again for what is to be written.
        if mem::take(&mut entry.full) {
            self.node.drive(id, &mut self.sockets, now);
        }
        let Some(entry) = self.sockets.0.get_mut(&Place::Connection(id)) else { return false };
        if !self.node.wants_input(id) {
            return false;
        }
        match self.node.receive(id, now, |room| entry.socket.read(&mut room[..READ_BYTES])) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(_) => {
                self.node.handle_end(id, End::Failed, now);
                true
            }
        }
    }
}

impl FrameSockets {
    fn add(&mut self, place: Place, socket: Socket, connecting: Option<Multiaddr>) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        // What belongs together is written together: no need for the system to wait for more.
        socket.set_tcp_nodelay(true)?;
        self.0.insert(place, Entry { socket, connecting, full: false });
        Ok(())
    }
}

impl Sockets for FrameSockets {
    fn listen(&mut self, listener: ListenerId, address: &Multiaddr) -> Result<Multiaddr, TransportError> {
        let address = address::tcp_socket_address(address)?;
        let mut listen = || {
            let socket = Socket::from(bind(address)?);
            // For port 0 the system has chosen one: others need the real one.
            let bound = socket.local_addr()?.as_socket().unwrap_or(address);
            self.add(Place::Listener(listener), socket, None)?;
            Ok(bound)
        };
        Ok(address::from_socket_address(listen().map_err(transport_error)?))
    }

    fn stop_listening(&mut self, listener: ListenerId) {
        self.0.remove(&Place::Listener(listener));
    }

    fn dial(&mut self, connection: ConnectionId, address: &Multiaddr) -> Result<(), TransportError> {
        let remote: SocketAddr = address::tcp_socket_address(address)?;
        let mut dial = || {
            let socket = Socket::new(Domain::for_address(remote), Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            match socket.connect(&remote.into()) {
                // "In progress" has no stable name. What does has failed already.
                Err(error) if is_final(error.kind()) => Err(error),
                _ => self.add(Place::Connection(connection), socket, Some(address.clone())),
            }
        };
        dial().map_err(transport_error)
    }

    fn write(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<usize, Broken> {
        let Some(entry) = self.0.get_mut(&Place::Connection(connection)) else { return Err(Broken) };
        let written = match entry.socket.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            result => result.map_err(|_| Broken)?,
        };
        entry.full = written < bytes.len();
        Ok(written)
    }

    fn end(&mut self, connection: ConnectionId) {
        if let Some(entry) = self.0.get(&Place::Connection(connection)) {
            // It fails if the remote was faster.
            drop(entry.socket.shutdown(Shutdown::Write));
        }
    }

    /// It is tried again in its turn anyway.
    fn resume(&mut self, _: ConnectionId) {}

    fn close(&mut self, connection: ConnectionId) {
        self.0.remove(&Place::Connection(connection));
    }
}

/// Whether a socket cannot even begin to connect.
fn is_final(error: ErrorKind) -> bool {
    use ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, InvalidInput, NetworkUnreachable,
        PermissionDenied,
    };
    matches!(
        error,
        AddrNotAvailable
            | ConnectionRefused
            | HostUnreachable
            | InvalidInput
            | NetworkUnreachable
            | PermissionDenied
    )
}
