//! Many addresses on loopback, all on one socket, at which everything that comes and goes is counted.

use futures_util::stream::poll_fn;
use futures_util::{FutureExt, StreamExt};
use peerwork_core::address::{self, Multiaddr};
use peerwork_core::swarm::{SwarmEvent, TransportError};
use peerwork_tokio::{BoxFuture, Event, Events, Io, Link, Listener, Transport};
use socket2::{Domain, Socket, Type};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// One of a peer's addresses: which peer, and which of its addresses, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Door {
    pub(crate) peer: u8,
    pub(crate) number: u8,
}

impl Door {
    fn at(address: SocketAddr) -> Option<Self> {
        match address.ip() {
            IpAddr::V4(ip) => match ip.octets() {
                [127, 1, peer, number] => Some(Self { peer, number }),
                _ => None,
            },
            IpAddr::V6(_) => None,
        }
    }

    /// All have the same port, so that a dialer takes them in the order in which it is told them.
    pub(crate) fn address(self, port: u16) -> Multiaddr {
        let ip = Ipv4Addr::new(127, 1, self.peer, self.number);
        address::from_socket_address(SocketAddr::new(ip.into(), port))
    }
}

/// What was seen at the doors. In flight is what was accepted and neither closed by the dialer since, nor opened as a connection.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    in_flight: BTreeMap<Door, Option<std::net::TcpStream>>,
    /// How many were in flight at a time, at most.
    pub(crate) most: usize,
    /// The same of one peer's doors.
    pub(crate) most_per_peer: usize,
    /// Whom each was accepted for, in that order.
    pub(crate) accepted: Vec<Door>,
}

impl Seen {
    /// Takes note of what has ended by now. What the dialer ended before it started something else is seen here before that is: on
    /// loopback the end of a socket has arrived when closing it returns, and an event is there before what follows from it.
    fn look(&mut self, dialer: &mut Events<Infallible>) {
        while let Some(Some(event)) = dialer.next().now_or_never() {
            assert!(!matches!(event, Event::Missed(_)), "some of the dialer's events are lost");
            if let Event::Swarm(SwarmEvent::Connected { remote_address, .. }) = event {
                let door = address::tcp_socket_address(&remote_address).ok().and_then(Door::at);
                self.in_flight.remove(&door.expect("only doors are dialled"));
            }
        }
        // What a silent address is told it reads and forgets.
        self.in_flight.retain(|_, silent| match silent {
            None => true,
            Some(socket) => loop {
                match socket.read(&mut [0; 1024]) {
                    Ok(0) => break false,
                    Ok(_) => {}
                    Err(error) => break error.kind() == std::io::ErrorKind::WouldBlock,
                }
            },
        });
    }

    fn count(&mut self, door: Door) {
        self.accepted.push(door);
        self.most = self.most.max(self.in_flight.len());
        let of_peer = self.in_flight.keys().filter(|other| other.peer == door.peer).count();
        self.most_per_peer = self.most_per_peer.max(of_peer);
    }
}

/// More than are ever on the way at a time.
const BACKLOG: i32 = 1_024;

/// The socket. Behind a door where no node stands, it accepts and stays silent.
pub(crate) struct Front {
    pub(crate) port: u16,
    listener: TcpListener,
    nodes: BTreeMap<Door, mpsc::UnboundedSender<TcpStream>>,
}

impl Front {
    pub(crate) async fn bind() -> Self {
        // All addresses of loopback, and nothing else.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind_device(Some(b"lo")).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into()).unwrap();
        socket.listen(BACKLOG).unwrap();
        socket.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(socket.into()).unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, listener, nodes: BTreeMap::new() }
    }

    /// What a node listens with that stands behind a door.
    pub(crate) fn put_node(&mut self, door: Door) -> Behind {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.nodes.insert(door, sender);
        Behind(Mutex::new(Some(receiver)))
    }

    /// Accepts for as long as the test lasts. `dialer` tells what the only node does that dials.
    pub(crate) fn open(self, mut dialer: Events<Infallible>) -> Arc<Mutex<Seen>> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let book = seen.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = self.listener.accept().await.unwrap();
                let Some(door) = Door::at(socket.local_addr().unwrap()) else { continue };
                let mut seen = book.lock().unwrap();
                seen.look(&mut dialer);
                let silent = match self.nodes.get(&door) {
                    Some(node) => {
                        // Gone is it only at the end of the test.
                        drop(node.send(socket));
                        None
                    }
                    None => Some(socket.into_std().unwrap()),
                };
                let twice = seen.in_flight.insert(door, silent);
                assert!(twice.is_none(), "{door:?} is dialled twice at a time");
                seen.count(door);
            }
        });
        seen
    }
}

/// How a node listens behind a door: it is handed the sockets.
pub(crate) struct Behind(Mutex<Option<mpsc::UnboundedReceiver<TcpStream>>>);

impl Transport for Behind {
    fn expected(&self) -> &'static str {
        "/ip4/ADDRESS/tcp/PORT"
    }

    fn takes(&self, address: &Multiaddr) -> bool {
        address::tcp_socket_address(address).is_ok()
    }

    fn dial(&self, _: Multiaddr) -> BoxFuture<Result<Link, TransportError>> {
        Box::pin(async { Err(TransportError::Refused) })
    }

    fn listen(&self, address: Multiaddr) -> BoxFuture<Result<Listener, TransportError>> {
        let mut sockets = self.0.lock().unwrap().take().expect("a node listens once");
        let incoming = poll_fn(move |cx| {
            sockets.poll_recv(cx).map(|socket| {
                socket.map(|socket| {
                    let remote_address = address::from_socket_address(socket.peer_addr()?);
                    Ok(Link { socket: Box::new(Io(socket)), remote_address })
                })
            })
        });
        Box::pin(async { Ok(Listener { addresses: vec![address], incoming: Box::pin(incoming) }) })
    }
}
