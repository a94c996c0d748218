//! What the operating system knows of the process, and remotes that are no nodes.

use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How many sockets the process has; `None` where the system does not tell.
pub(super) fn open_sockets() -> Option<usize> {
    let descriptors = std::fs::read_dir("/proc/self/fd").ok()?;
    let targets = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.ok()?.path()).ok());
    Some(targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count())
}

/// Whether the machine has the IPv6 loopback address.
pub(super) fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// A port of loopback where nobody listens.
pub(super) fn unused_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a port");
    listener.local_addr().expect("it is bound").port()
}

/// An address that neither answers nor refuses: a listener that does not accept, and whose backlog is full.
pub(super) struct Unanswering {
    address: SocketAddr,
    _listener: Socket,
    _backlog: Vec<TcpStream>,
}

impl Unanswering {
    /// `None` where the system has no such thing.
    pub(super) fn new() -> io::Result<Option<Self>> {
        const MAX_BACKLOG: usize = 16;
        let listener = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        listener.listen(1)?;
        let address = listener.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut backlog = Vec::new();
        while backlog.len() < MAX_BACKLOG {
            match TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
                Ok(waiting) => backlog.push(waiting),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Ok(Some(Self { address, _listener: listener, _backlog: backlog }));
                }
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// How long a thread of a relay waits for something to do.
const TURN: Duration = Duration::from_millis(5);

/// How much a relay has the system keep of what it has not read: little, so that a socket is soon full.
const RELAY_BUFFER_BYTES: usize = 64 * 1024;

/// Passes bytes on between who dials it and who listens elsewhere, as a network does that can stop.
pub(super) struct Relay {
    address: SocketAddr,
    state: Arc<RelayState>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct RelayState {
    is_frozen: AtomicBool,
    is_over: AtomicBool,
    sockets: Mutex<Vec<TcpStream>>,
}

impl Relay {
    pub(super) fn new(target: SocketAddr) -> io::Result<Self> {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        listener.set_recv_buffer_size(RELAY_BUFFER_BYTES)?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        listener.listen(16)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from(listener);
        let (address, state) = (listener.local_addr()?, Arc::<RelayState>::default());
        let at_work = state.clone();
        let thread = std::thread::spawn(move || at_work.accept(&listener, target));
        Ok(Self { address, state, thread: Some(thread) })
    }

    /// Where it is dialled.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes nothing on, or again.
    pub(super) fn freeze(&self, is_frozen: bool) {
        self.state.is_frozen.store(is_frozen, Ordering::SeqCst);
    }

    /// Ends all connections as they are.
    pub(super) fn cut(&self) {
        self.state.cut();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // A relay that failed has broken its connections, which shows.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl RelayState {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener, target: SocketAddr) {
        let mut threads = Vec::new();
        while !self.is_over() {
            match listener.accept().and_then(|(near, _)| Ok((near, TcpStream::connect(target)?))) {
                Ok((near, far)) => threads.extend(self.pass_both_ways(near, far).unwrap_or_default()),
                Err(_) => std::thread::sleep(TURN),
            }
        }
        self.cut();
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }

    fn cut(&self) {
        for socket in self.sockets.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // One that has ended already is cut.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn pass_both_ways(self: &Arc<Self>, near: TcpStream, far: TcpStream) -> io::Result<Vec<JoinHandle<()>>> {
        for socket in [&near, &far] {
            socket.set_nonblocking(false)?;
            socket.set_nodelay(true)?;
            self.sockets.lock().unwrap_or_else(PoisonError::into_inner).push(socket.try_clone()?);
        }
        let pairs = [(near.try_clone()?, far.try_clone()?), (far, near)];
        let threads = pairs.map(|(from, to)| {
            let state = self.clone();
            std::thread::spawn(move || state.pass(from, to))
        });
        Ok(threads.into())
    }

    /// Waits as long as nothing is passed on.
    fn thaw(&self) {
        while self.is_frozen.load(Ordering::SeqCst) && !self.is_over() {
            std::thread::sleep(TURN);
        }
    }

    /// Passes the bytes of one direction on until it ends, and then its end.
    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(len) = from.read(&mut buffer)
            && len > 0
        {
            self.thaw();
            if to.write_all(&buffer[..len]).is_err() {
                break;
            }
        }
        self.thaw();
        // Who is gone needs no end.
        let _ = to.shutdown(Shutdown::Write);
    }
}
