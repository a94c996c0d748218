//! Threads that block, and nothing asynchronous: one owns the node, and each socket has one that reads and one that writes.
//!
//! All of them talk to the node's thread through one channel. It never waits for any other thread: it lends a reader or a writer a buffer and
//! gets it back when something has happened to it. Who has no buffer has nothing to do, which is all there is to backpressure.

use super::{bind, transport_error, wall_clock};
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::connection::ConnectionId;
use peerwork_core::machine::End;
use peerwork_core::node::{Broken, LocalNode, LocalOutput, Sockets};
use peerwork_core::protocols::Protocols;
use peerwork_core::swarm::{ListenerId, TransportError};
use peerwork_core::time::Instant;
use socket2::{Domain, Socket, Type};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::thread::{self, Builder, JoinHandle, Scope};
use std::time::Duration;

/// How much is read at a time. `LocalNode::receive` has that much room.
const READ_BYTES: usize = 32 * 1024;

/// How many wake-ups may wait for the node's thread. Whoever has one more waits.
const MAX_WAKES: usize = 256;

/// How long a dial may take. The dialer cancels it sooner; where the system does not let a connecting socket be shut down, it is this late.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait after the system refused to accept a connection, most likely for lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type Call<P> = Box<dyn FnOnce(&mut LocalNode<P>, Instant) + Send>;

/// What happened, for the node's thread.
enum Wake<P: Protocols> {
    Call(Call<P>),
    Accepted(ListenerId, TcpStream, SocketAddr),
    Dialed(ConnectionId, Multiaddr, io::Result<TcpStream>),
    /// The reader gives its buffer back, with so many bytes at its start.
    Read(ConnectionId, Vec<u8>, io::Result<usize>),
    /// The writer gives its buffer back, and all of it was written.
    Written(ConnectionId, Vec<u8>, io::Result<usize>),
    Stop,
}

/// A node with its threads. Dropping it closes all sockets and waits until all threads have ended.
pub struct ThreadNode<P: Protocols = ()> {
    wakes: SyncSender<Wake<P>>,
    thread: Option<JoinHandle<()>>,
}

impl<P: Protocols + 'static> ThreadNode<P> {
    /// Drives `node`, which was built for [`Instant::ORIGIN`]: its time begins now. `application` is called on the node's thread for each
    /// `Event`, `Protocol` and `Stream`.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(
        node: LocalNode<P>,
        application: impl FnMut(&mut LocalNode<P>, LocalOutput<P::Event>, Instant) + Send + 'static,
    ) -> io::Result<Self>
    where
        LocalNode<P>: Send,
    {
        let (wakes, inbox) = sync_channel(MAX_WAKES);
        let to_node = wakes.clone();
        let main = move || {
            // The scope ends when all threads in it have ended: none is ever left behind.
            thread::scope(|scope| {
                let (links, dials, listeners) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
                run(node, Threads { scope, wakes: to_node, links, dials, listeners }, application, inbox);
            });
        };
        Ok(Self { wakes, thread: Some(Builder::new().name("peerwork".to_owned()).spawn(main)?) })
    }

    /// Calls `call` on the node's thread, for commands and for reading and writing streams, and gives what it gives. Not to be called on that
    /// thread. `None`: the application has panicked there.
    pub fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut LocalNode<P>, Instant) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = channel();
        let call = Wake::Call(Box::new(move |node, now| drop(answer.send(call(node, now)))));
        self.wakes.send(call).ok()?;
        answered.recv().ok()
    }
}

impl<P: Protocols> Drop for ThreadNode<P> {
    fn drop(&mut self) {
        // Either fails only if the thread has panicked, as it has told.
        drop(self.wakes.send(Wake::Stop));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// The node's thread. When it is over all sockets are closed, and the channel: no other thread goes on waiting.
fn run<P: Protocols + 'static>(
    mut node: LocalNode<P>,
    mut threads: Threads<'_, '_, P>,
    mut application: impl FnMut(&mut LocalNode<P>, LocalOutput<P::Event>, Instant),
    inbox: Receiver<Wake<P>>,
) {
    let origin = std::time::Instant::now();
    let now = || Instant::from_origin(origin.elapsed());
    loop {
        while let Some(event) = node.poll_event(&mut threads, now()) {
            application(&mut node, event, now());
        }
        let deadline = node.poll_timeout().map(|deadline| deadline.at - now());
        let wake = inbox.recv_timeout(deadline.unwrap_or(Duration::MAX));
        // Timers before new input: whoever is late is not saved by what has just arrived.
        node.handle_timeout(now());
        match wake {
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(wake) => threads.handle(wake, &mut node, now()),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// All other threads, and what they wait for.
struct Threads<'scope, 'env, P: Protocols + 'static> {
    scope: &'scope Scope<'scope, 'env>,
    wakes: SyncSender<Wake<P>>,
    links: BTreeMap<ConnectionId, Link>,
    /// Sockets that are being connected.
    dials: BTreeMap<ConnectionId, Socket>,
    /// Where they listen, whether to stop, and the socket that wakes them then: later the system may have none to give.
    listeners: BTreeMap<ListenerId, (SocketAddr, Arc<AtomicBool>, Socket)>,
}

/// A connected socket and its two threads.
struct Link {
    socket: TcpStream,
    reader: SyncSender<Vec<u8>>,
    writer: SyncSender<Vec<u8>>,
    /// The reader's buffer, while the connection wants no input.
    unread: Option<Vec<u8>>,
    /// The writer's buffer, while there is nothing to write.
    written: Option<Vec<u8>>,
}

impl<'scope, P: Protocols + 'static> Threads<'scope, '_, P> {
    /// One of them has done something.
    fn handle(&mut self, wake: Wake<P>, node: &mut LocalNode<P>, now: Instant) {
        match wake {
            Wake::Stop => {}
            Wake::Call(call) => call(node, now),
            Wake::Accepted(listener, socket, from) => {
                node.handle_input(wall_clock(), now);
                let id = node.handle_incoming(listener, address::from_socket_address(from), now);
                self.attach(id, socket, node).unwrap_or_else(|_| node.handle_end(id, End::Failed, now));
            }
            // One that was cancelled meanwhile is dropped.
            Wake::Dialed(id, ..) if self.dials.remove(&id).is_none() => {}
            Wake::Dialed(id, _, Err(error)) => node.handle_dialed(id, Err(transport_error(error)), now),
            Wake::Dialed(id, address, Ok(socket)) => {
                node.handle_input(wall_clock(), now);
                node.handle_dialed(id, Ok(address), now);
                self.attach(id, socket, node).unwrap_or_else(|_| node.handle_end(id, End::Failed, now));
            }
            Wake::Read(id, buffer, Ok(len)) => {
                let Ok(_) = node.receive(id, now, |room| {
                    room[..len].copy_from_slice(&buffer[..len]);
                    Ok::<_, Infallible>(len)
                });
                // Behind the end there is nothing to read.
                let Some(link) = self.links.get_mut(&id).filter(|_| len > 0) else { return };
                link.unread = Some(buffer);
            }
            Wake::Written(id, buffer, Ok(_)) => {
                let Some(link) = self.links.get_mut(&id) else { return };
                link.written = Some(buffer);
                node.drive(id, self, now);
            }
            Wake::Read(id, _, Err(_)) | Wake::Written(id, _, Err(_)) => node.handle_end(id, End::Failed, now),
        }
    }

    /// A thread that works with its one buffer when it is lent to it, until the sender is dropped. Lending never blocks.
    fn lend(
        &self,
        mut work: impl FnMut(&mut [u8]) -> io::Result<usize> + Send + 'scope,
        wake: impl Fn(Vec<u8>, io::Result<usize>) -> Wake<P> + Send + 'scope,
    ) -> io::Result<SyncSender<Vec<u8>>> {
        let (lend, lent) = sync_channel::<Vec<u8>>(1);
        let wakes = self.wakes.clone();
        Builder::new().spawn_scoped(self.scope, move || {
            for mut buffer in lent {
                let result = work(&mut buffer);
                drop(wakes.send(wake(buffer, result)));
            }
        })?;
        Ok(lend)
    }

    /// Gives a connection its threads. One that the node refuses is no connection, wants no input, and gets none: its socket is dropped.
    fn attach(&mut self, id: ConnectionId, socket: TcpStream, node: &LocalNode<P>) -> io::Result<()> {
        if !node.wants_input(id) {
            return Ok(());
        }
        // What belongs together is written together: no need for the system to wait for more.
        drop(socket.set_nodelay(true));
        let (mut source, mut sink) = (socket.try_clone()?, socket.try_clone()?);
        let reader = self.lend(move |room| source.read(room), move |room, len| Wake::Read(id, room, len))?;
        let write = move |bytes: &mut [u8]| sink.write_all(bytes).map(|()| bytes.len());
        let writer = self.lend(write, move |bytes, written| Wake::Written(id, bytes, written))?;
        let (unread, written) = (Some(vec![0; READ_BYTES]), Some(Vec::new()));
        self.links.insert(id, Link { socket, reader, writer, unread, written });
        Ok(())
    }
}

impl<P: Protocols + 'static> Sockets for Threads<'_, '_, P> {
    fn listen(&mut self, listener: ListenerId, address: &Multiaddr) -> Result<Multiaddr, TransportError> {
        let socket = bind(address::tcp_socket_address(address)?).map_err(transport_error)?;
        let address = socket.local_addr().map_err(transport_error)?;
        let waker = Socket::new(Domain::for_address(address), Type::STREAM, None).map_err(transport_error)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let (wakes, is_stopped) = (self.wakes.clone(), Arc::clone(&stopped));
        let accept = move || {
            for accepted in socket.incoming().take_while(|_| !is_stopped.load(Ordering::SeqCst)) {
                match accepted.and_then(|socket| Ok((socket.peer_addr()?, socket))) {
                    Ok((from, socket)) => drop(wakes.send(Wake::Accepted(listener, socket, from))),
                    Err(_) => thread::sleep(ACCEPT_PAUSE),
                }
            }
        };
        Builder::new().spawn_scoped(self.scope, accept).map_err(transport_error)?;
        self.listeners.insert(listener, (address, stopped, waker));
        Ok(address::from_socket_address(address))
    }

    /// A connection wakes the thread: it has no other way to learn of it.
    fn stop_listening(&mut self, listener: ListenerId) {
        let Some((mut address, stopped, waker)) = self.listeners.remove(&listener) else { return };
        stopped.store(true, Ordering::SeqCst);
        if address.ip().is_unspecified() {
            let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            address.set_ip(loopback[usize::from(address.is_ipv6())]);
        }
        drop(waker.connect_timeout(&address.into(), ACCEPT_PAUSE));
    }

    fn dial(&mut self, connection: ConnectionId, address: &Multiaddr) -> Result<(), TransportError> {
        let (remote, address) = (address::tcp_socket_address(address)?, address.clone());
        let socket = Socket::new(Domain::for_address(remote), Type::STREAM, None).map_err(transport_error)?;
        let (ours, wakes) = (socket.try_clone().map_err(transport_error)?, self.wakes.clone());
        let connect = move || {
            let connected = socket.connect_timeout(&remote.into(), DIAL_TIMEOUT);
            drop(wakes.send(Wake::Dialed(connection, address, connected.map(|()| socket.into()))));
        };
        Builder::new().spawn_scoped(self.scope, connect).map_err(transport_error)?;
        self.dials.insert(connection, ours);
        Ok(())
    }

    fn write(&mut self, connection: ConnectionId, bytes: &[u8]) -> Result<usize, Broken> {
        let link = self.links.get_mut(&connection).ok_or(Broken)?;
        let Some(mut buffer) = link.written.take() else { return Ok(0) };
        buffer.clear();
        buffer.extend_from_slice(bytes);
        link.writer.send(buffer).map_err(|_| Broken)?;
        Ok(bytes.len())
    }

    /// While the writer is at work it is too early: the node says it again when it is driven after that.
    fn end(&mut self, connection: ConnectionId) {
        if let Some(link) = self.links.get(&connection).filter(|link| link.written.is_some()) {
            drop(link.socket.shutdown(Shutdown::Write));
        }
    }

    fn resume(&mut self, connection: ConnectionId) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        drop(link.unread.take().map(|buffer| link.reader.send(buffer)));
    }

    /// A thread that waits for a socket wakes when it is shut down, and then the descriptor goes too. It fails if the remote was faster.
    fn close(&mut self, connection: ConnectionId) {
        drop(self.links.remove(&connection).map(|link| link.socket.shutdown(Shutdown::Both)));
        drop(self.dials.remove(&connection).map(|socket| socket.shutdown(Shutdown::Both)));
    }
}

impl<P: Protocols + 'static> Drop for Threads<'_, '_, P> {
    fn drop(&mut self) {
        let connections: Vec<_> = self.links.keys().chain(self.dials.keys()).copied().collect();
        connections.into_iter().for_each(|connection| self.close(connection));
        let listeners: Vec<_> = self.listeners.keys().copied().collect();
        listeners.into_iter().for_each(|listener| self.stop_listening(listener));
    }
}
