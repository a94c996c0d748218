//! peerwork in a single-threaded loop: core's `LocalNode` over sockets, without a runtime.
//!
//! It holds idle connections only. What they cost here is what core costs, and a socket.

use crate::builder;
use anyhow::{Context, Result, bail};
use bench_harness::{Client, Flags, Implementation, announce};
use bytes::{Buf, BytesMut};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::connection::ConnectionId;
use peerwork_core::machine::{Close, End};
use peerwork_core::node::{LocalNode, LocalOutput};
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{DialOptions, ListenerId, SwarmEvent, SwarmInput};
use peerwork_core::time::Instant;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

/// How much is read or written at a time.
const BUFFER_BYTES: usize = 64 * 1024;

/// Connections have their ids as tokens, and never this one.
const LISTENER: Token = Token(usize::MAX);

/// peerwork in a single-threaded loop.
pub struct PeerworkLoop;

impl Implementation for PeerworkLoop {
    type Client = Dialer;

    const NAME: &'static str = "peerwork-loop";

    fn serve(flags: &Flags) -> Result<Infallible> {
        let mut server = Loop::start(flags)?;
        let now = server.now();
        server.node.listen("/ip4/127.0.0.1/tcp/0".parse()?, now);
        loop {
            server.turn(Duration::from_secs(1))?;
        }
    }

    fn client(flags: &Flags, address: &str) -> Result<Dialer> {
        Ok(Dialer { driven: Loop::start(flags)?, server: address.parse()? })
    }
}

/// A node that knows its server.
pub struct Dialer {
    driven: Loop,
    server: Multiaddr,
}

impl Client for Dialer {
    fn bulk(&mut self, _: Duration, _: usize) -> Result<u64> {
        bail!("it has idle connections only")
    }

    fn round_trips(&mut self, _: Duration) -> Result<u64> {
        bail!("it has idle connections only")
    }

    fn new_streams(&mut self, _: Duration, _: usize) -> Result<u64> {
        bail!("it has idle connections only")
    }

    fn connections(&mut self, _: Duration) -> Result<u64> {
        bail!("it has idle connections only")
    }

    fn hold_connections(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let (wanted, now) = (self.driven.connected + 1, self.driven.now());
            self.driven.node.dial_with(self.server.clone(), DialOptions::always(), now);
            while self.driven.connected < wanted {
                self.driven.turn(Duration::from_secs(1))?;
            }
        }
        Ok(())
    }

    fn hold_streams(&mut self, _: u64) -> Result<()> {
        bail!("it has idle connections only")
    }

    fn rest(&mut self, time: Duration) {
        let end = std::time::Instant::now() + time;
        while let Some(left) = end.checked_duration_since(std::time::Instant::now()) {
            if let Err(error) = self.driven.turn(left) {
                eprintln!("peerwork-loop: {error:#}");
                return;
            }
        }
    }
}

/// A node, its sockets and its clock.
struct Loop {
    node: LocalNode,
    poll: Poll,
    listener: Option<(ListenerId, TcpListener)>,
    sockets: BTreeMap<ConnectionId, TcpStream>,
    /// What connections have not taken. Few have anything.
    unread: BTreeMap<ConnectionId, BytesMut>,
    /// What sockets have not taken. Few have anything.
    unsent: BTreeMap<ConnectionId, BytesMut>,
    origin: std::time::Instant,
    /// What is being read or written, of whichever connection.
    buffer: BytesMut,
    connected: u64,
}

impl Loop {
    fn start(flags: &Flags) -> Result<Self> {
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).context("there is no randomness")?;
        let node = builder(flags)?.build_local(Seed::from_entropy(entropy), Instant::ORIGIN)?;
        Ok(Self {
            node,
            poll: Poll::new()?,
            listener: None,
            sockets: BTreeMap::new(),
            unread: BTreeMap::new(),
            unsent: BTreeMap::new(),
            origin: std::time::Instant::now(),
            buffer: BytesMut::with_capacity(BUFFER_BYTES),
            connected: 0,
        })
    }

    fn now(&self) -> Instant {
        Instant::from_origin(self.origin.elapsed())
    }

    /// Does what the node wants, waits for the sockets, and tells the node.
    fn turn(&mut self, longest: Duration) -> Result<()> {
        self.drain()?;
        let now = self.now();
        let deadline = self.node.poll_timeout().map(|deadline| deadline.at - now);
        let mut events = Events::with_capacity(64);
        self.poll.poll(&mut events, Some(deadline.map_or(longest, |deadline| deadline.min(longest))))?;
        for event in &events {
            if event.token() == LISTENER {
                self.accept()?;
            } else {
                let connection = ConnectionId(event.token().0 as u64);
                self.send(connection);
                self.receive(connection);
            }
            self.drain()?;
        }
        self.node.handle_timeout(self.now());
        self.drain()
    }

    fn drain(&mut self) -> Result<()> {
        while let Some(output) = self.node.poll_output() {
            let now = self.now();
            match output {
                LocalOutput::Listen { listener, address } => {
                    let mut socket = TcpListener::bind(address::tcp_socket_address(&address)?)?;
                    self.poll.registry().register(&mut socket, LISTENER, Interest::READABLE)?;
                    let address = address::from_socket_address(socket.local_addr()?);
                    announce(address::with_peer_id(address.clone(), &self.node.local_peer()));
                    self.listener = Some((listener, socket));
                    self.node.handle_input(SwarmInput::Listening { listener, address }, now);
                }
                LocalOutput::Dial { connection, address } => {
                    let socket = std::net::TcpStream::connect(address::tcp_socket_address(&address)?)?;
                    socket.set_nonblocking(true)?;
                    self.attach(connection, TcpStream::from_std(socket))?;
                    self.node.handle_input(SwarmInput::Dialed { connection, remote_address: address }, now);
                }
                LocalOutput::Drive { connection } => self.send(connection),
                LocalOutput::Close { connection, how: Close::Now } | LocalOutput::Refuse { connection } => {
                    self.detach(connection);
                }
                LocalOutput::Event(SwarmEvent::Connected { .. }) => self.connected += 1,
                LocalOutput::Event(SwarmEvent::DialFailed { error, .. }) => bail!("{error}"),
                _ => {}
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<()> {
        while let Some((listener, socket)) = &self.listener {
            let (stream, from) = match socket.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            let now = self.now();
            let from = address::from_socket_address(from);
            let connection = self.node.handle_incoming(*listener, from, now);
            self.attach(connection, stream)?;
        }
        Ok(())
    }

    fn attach(&mut self, connection: ConnectionId, mut stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let token = Token(usize::try_from(connection.0)?);
        self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        self.sockets.insert(connection, stream);
        Ok(())
    }

    fn detach(&mut self, connection: ConnectionId) {
        self.sockets.remove(&connection);
        self.unread.remove(&connection);
        self.unsent.remove(&connection);
    }

    /// Writes what the connection has to send, and keeps what the socket does not take.
    fn send(&mut self, connection: ConnectionId) {
        let now = self.now();
        let Some(socket) = self.sockets.get_mut(&connection) else { return };
        self.buffer.clear();
        self.buffer.unsplit(self.unsent.remove(&connection).unwrap_or_default());
        while !self.buffer.is_empty()
            || self.node.poll_transmit(connection, &mut self.buffer, BUFFER_BYTES, now) > 0
        {
            match socket.write(&self.buffer) {
                Ok(written) => self.buffer.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unsent.insert(connection, self.buffer.split());
                    return;
                }
                Err(_) => return self.node.handle_end(connection, End::Failed, now),
            }
        }
    }

    /// Reads what there is, and keeps what the connection does not take.
    fn receive(&mut self, connection: ConnectionId) {
        let now = self.now();
        let Some(socket) = self.sockets.get_mut(&connection) else { return };
        loop {
            self.buffer.resize(BUFFER_BYTES, 0);
            let read = match socket.read(&mut self.buffer) {
                Ok(0) => return self.node.handle_end(connection, End::Closed, now),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.node.handle_end(connection, End::Failed, now),
            };
            let mut input = self.unread.remove(&connection).unwrap_or_default();
            input.extend_from_slice(&self.buffer[..read]);
            self.node.handle_bytes(connection, &mut input, now);
            if !input.is_empty() {
                self.unread.insert(connection, input);
            }
        }
    }
}
