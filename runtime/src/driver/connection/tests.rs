//! A connection between its task and its handles.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::*;
use crate::driver::clock::{Clock, Source};
use peerwork_core::machine::Machine;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{Node, NodeBuilder};
use peerwork_core::protocols::{RequestId, Target};
use peerwork_core::security::secio::Secio;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{SwarmEvent, SwarmInput, SwarmOutput};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;
use std::time::Duration;

const PROTOCOL: ProtocolId = ProtocolId::from_static("/test/1.0.0");

/// A socket whose other end is gone.
struct Broken;

impl Socket for Broken {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut BytesMut) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct SystemClock;

impl Source for SystemClock {
    fn now(&self) -> std::time::Instant {
        std::time::Instant::now()
    }

    fn since_1970(&self) -> Duration {
        Duration::ZERO
    }
}

fn common() -> Arc<Common> {
    Arc::new(Common::new(Clock::start(SystemClock)))
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn builder() -> NodeBuilder {
    NodeBuilder::new().security(Secio::default()).muxer(Mplex::default())
}

/// A connection with one raw stream, both made with another node in memory.
fn connection_with_stream(now: Instant) -> (Connection, StreamId) {
    let (_, connection, stream) = node_with_stream(now);
    (connection, stream)
}

/// The same with its node.
fn node_with_stream(now: Instant) -> (Node, Connection, StreamId) {
    let address = || "/ip4/10.0.0.2/tcp/1".parse().unwrap();
    let mut remote = builder().build_local(Seed::reproducible(2), now).unwrap();
    remote.handle_protocol(PROTOCOL, now);
    let listener = remote.listen(address(), now);
    let mut node = builder().build(Seed::reproducible(1), now).unwrap();
    node.dial(address(), now);
    let (mut connection, mut remote_id) = (None::<Connection>, None);
    for _ in 0..100 {
        while let Some(output) = node.poll_output() {
            match output {
                SwarmOutput::Dial { connection, address: remote_address } => {
                    remote_id = Some(remote.handle_incoming(listener, address(), now));
                    node.handle_input(SwarmInput::Dialed { connection, remote_address }, now);
                }
                SwarmOutput::Connection { connection: id } => connection = node.take_connection(id, now),
                SwarmOutput::ToConnection { message, .. } => {
                    connection.as_mut().unwrap().handle_message(message, now);
                }
                SwarmOutput::Event(SwarmEvent::Connected { connection, .. }) => {
                    let (request, target) = (RequestId(1), Target::Connection(connection));
                    let protocols = [PROTOCOL].into_iter().collect();
                    node.handle_input(SwarmInput::OpenStream { request, target, protocols }, now);
                }
                SwarmOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => {
                    return (node, connection.unwrap(), stream.stream);
                }
                _ => {}
            }
        }
        let (Some(connection), Some(remote_id)) = (connection.as_mut(), remote_id) else { continue };
        let mut wire = BytesMut::new();
        while connection.poll_transmit(&mut wire, WRITE_BYTES, now) > 0 {}
        remote.handle_bytes(remote_id, &mut wire, now);
        wire.clear();
        while remote.poll_transmit(remote_id, &mut wire, WRITE_BYTES, now) > 0 {}
        connection.handle_input(&mut wire, now).unwrap();
        while let Some(message) = connection.poll_message() {
            node.handle_input(SwarmInput::FromConnection { connection: connection.id(), message }, now);
        }
    }
    panic!("no stream was opened");
}

#[test]
fn a_reader_hears_of_a_write_that_fails_while_it_asks() {
    let common = common();
    let clock = &common.clock;
    let (connection, stream) = connection_with_stream(clock.now());
    let shared = Shared::new(connection, Box::new(Broken), common.clone());
    shared.attach(stream);
    shared.state.lock().task = Some(Waker::noop().clone());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(shared.poll_write(stream, b"gathered", &mut cx).is_ready());
    // Asking to read sends what was gathered, which fails.
    let heard = shared.poll_read(stream, 10, &mut cx).is_ready() || woken.0.load(Ordering::SeqCst);
    assert!(heard, "nobody would ever wake the reader");
}

/// Notes whether the connection's lock is free when it wakes.
struct Unlocked {
    shared: Arc<Shared>,
    is_free: AtomicBool,
}

impl Wake for Unlocked {
    fn wake(self: Arc<Self>) {
        self.is_free.store(self.shared.state.try_lock().is_some(), Ordering::SeqCst);
    }
}

#[test]
fn tasks_are_woken_without_the_lock() {
    let common = common();
    let clock = &common.clock;
    let (connection, stream) = connection_with_stream(clock.now());
    let shared = Arc::new(Shared::new(connection, Box::new(Broken), common.clone()));
    shared.attach(stream);
    let [task, reader] =
        [(); 2].map(|()| Arc::new(Unlocked { shared: shared.clone(), is_free: AtomicBool::new(false) }));
    shared.state.lock().task = Some(Waker::from(task.clone()));
    let waker = Waker::from(reader.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(shared.poll_read(stream, 10, &mut cx).is_pending());
    shared.reset(stream);
    for woken in [task, reader] {
        assert!(woken.is_free.load(Ordering::SeqCst), "it was not woken, or met the lock");
    }
}

#[test]
fn only_a_handshake_is_abandoned_at_once() {
    let common = common();
    let clock = &common.clock;
    let has_socket = |connection: Connection| {
        let shared = Shared::new(connection, Box::new(Broken), common.clone());
        shared.abandon_handshake();
        shared.state.lock().socket.is_some()
    };
    let (mut node, mut connection, stream) = node_with_stream(clock.now());
    // It closes in order, with something to send still.
    connection.write(stream, b"last words", clock.now()).unwrap();
    node.handle_input(SwarmInput::Disconnect { connection: connection.id() }, clock.now());
    while let Some(output) = node.poll_output() {
        if let SwarmOutput::ToConnection { message, .. } = output {
            connection.handle_message(message, clock.now());
        }
    }
    assert!(!connection.is_open() && has_socket(connection));

    let address: peerwork_core::address::Multiaddr = "/ip4/10.0.0.2/tcp/1".parse().unwrap();
    node.dial(address.clone(), clock.now());
    let mut opening = None;
    while let Some(output) = node.poll_output() {
        match output {
            SwarmOutput::Dial { connection, .. } => {
                let dialed = SwarmInput::Dialed { connection, remote_address: address.clone() };
                node.handle_input(dialed, clock.now());
            }
            SwarmOutput::Connection { connection } => opening = node.take_connection(connection, clock.now()),
            _ => {}
        }
    }
    assert!(!has_socket(opening.unwrap()));
}
