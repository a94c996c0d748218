//! A whole node with one connection, as a layer: bytes of the socket below, what the application sees above.

use bytes::{Buf, BytesMut};
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::{ConnectionId, LazyStreams, StreamEvent};
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::muxer::{ReadError, StreamId, WriteError};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder, NodeCommand, NodeEvent};
use peerwork_core::protocols::identify::{IdentifyError, IdentifyEvent};
use peerwork_core::protocols::ping::{PingCommand, PingError, PingEvent, PingId};
use peerwork_core::protocols::{StreamCloseCause, StreamKey, Target};
use peerwork_core::security::Role;
use peerwork_core::security::pnet::PreSharedKey;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{SwarmEvent, SwarmInput};
use peerwork_core::time::{Deadline, Instant};
use peerwork_tests::laws::Log;
use peerwork_tests::laws::layer::{LayerSubject, Step, record};
use peerwork_tests::recipe::Security;
use std::collections::BTreeMap;
use std::convert::Infallible;

const CHAT: ProtocolId = ProtocolId::from_static("/chat/1.0.0");

/// What goes into the log under which numbers: the raw streams that we opened from 0 on, those that the remote opened, the pings
/// that were commanded, and what identify says. All these are ordered only within themselves.
const INBOUND: u64 = 1000;
const PING: u64 = 2000;
const IDENTIFY: u64 = 3000;
const IDENTIFIED: u64 = 3001;

const OPERATIONS: usize = 25;

/// One side of a connection between two nodes.
#[derive(Clone, Copy)]
pub(crate) struct Connecting {
    pub(crate) role: Role,
    pub(crate) security: Security,
    /// Whether nothing that can be left unanswered is waited for.
    pub(crate) lazy: bool,
    /// Whether both are in a private network.
    pub(crate) private: bool,
}

impl Connecting {
    /// With plaintext, and nothing special.
    pub(crate) const fn plain(role: Role) -> Self {
        Self { role, security: Security::Plaintext, lazy: false, private: false }
    }

    fn partner(self) -> Self {
        let role = if self.role == Role::Dialer { Role::Listener } else { Role::Dialer };
        Self { role, ..self }
    }
}

impl LayerSubject for Connecting {
    type Layer = NodePipe;

    fn name(&self) -> String {
        let lazy = if self.lazy { ", lazy" } else { "" };
        let private = if self.private { ", private network" } else { "" };
        format!("node, {:?}, {:?}{lazy}{private}", self.security, self.role).to_lowercase()
    }

    fn build(&self, case: u64, now: Instant) -> NodePipe {
        let builder = NodeBuilder::new().muxer(Mplex::default()).configure(|config| {
            // A connection is not idle while a slow writer has yet to take the end of a stream.
            config.swarm.connection.idle_timeout = None;
            config.swarm.connection.lazy_security = self.lazy;
            config.swarm.connection.lazy_streams =
                if self.lazy { LazyStreams::Always } else { LazyStreams::Never };
            config.swarm.connection.private_network =
                self.private.then(|| PreSharedKey::from_secret(&[7; 32]));
            config.ping.interval = None;
        });
        let seed = Seed::reproducible(case).child(&format!("{:?}", self.role));
        NodePipe::new(self.security.add_to(builder).build_local(seed, now).unwrap(), self.role, now)
    }

    fn script(&self, case: u64) -> Result<Vec<Step>, String> {
        record(self, &self.partner(), case, OPERATIONS)
    }

    fn operate(&self, pipe: &mut NodePipe, number: u64, now: Instant, log: &mut Log) {
        pipe.operate(number, now, log);
    }

    fn event(&self, pipe: &mut NodePipe, event: LocalOutput<Infallible>, now: Instant, log: &mut Log) {
        pipe.handle_event(event, now, log);
    }

    /// What leaves is sealed in frames that depend on when it was taken, so a partner opens them.
    fn sent(&self, case: u64, bytes: &[u8], log: &mut Log) {
        let now = Instant::ORIGIN;
        let mut partner = self.partner().build(case, now);
        let mut input = BytesMut::new();
        for byte in bytes {
            input.extend_from_slice(&[*byte]);
            let Ok(()) = partner.handle_input(&mut input, now);
            while let Some(event) = partner.poll_event() {
                partner.handle_event(event, now, log);
            }
        }
    }
}

/// A node, its one connection, and the application.
pub(crate) struct NodePipe {
    node: LocalNode,
    connection: ConnectionId,
    close: Option<Close>,
    /// The raw streams, numbered as in the log.
    streams: BTreeMap<u64, StreamKey>,
    numbers: BTreeMap<StreamId, u64>,
    unwritten: BTreeMap<u64, BytesMut>,
    next_tag: u8,
    next_ping: u64,
}

impl NodePipe {
    fn new(mut node: LocalNode, role: Role, now: Instant) -> Self {
        let address: Multiaddr = "/ip4/192.0.2.1/tcp/4001".parse().unwrap();
        node.handle_protocol(CHAT, now);
        let connection = match role {
            Role::Dialer => {
                node.dial(address.clone(), now);
                let outputs = std::iter::from_fn(|| node.poll_output());
                let dialed = outputs.filter_map(|output| match output {
                    LocalOutput::Dial { connection, .. } => Some(connection),
                    _ => None,
                });
                let connection = dialed.last().unwrap();
                node.handle_input(SwarmInput::Dialed { connection, remote_address: address }, now);
                connection
            }
            Role::Listener => {
                let listener = node.listen(address.clone(), now);
                node.handle_incoming(listener, address, now)
            }
        };
        Self {
            node,
            connection,
            close: None,
            streams: BTreeMap::new(),
            numbers: BTreeMap::new(),
            unwritten: BTreeMap::new(),
            next_tag: 0,
            next_ping: 0,
        }
    }

    fn operate(&mut self, number: u64, now: Instant, log: &mut Log) {
        if self.close == Some(Close::Now) {
            // The connection is dead, but the node is not: it would answer.
            return;
        }
        let (kind, number) = (number % 32, number / 32);
        let count = self.streams.len() as u64;
        let at = number.checked_rem(count).unwrap_or_default() as usize;
        let chosen = self.streams.iter().nth(at).map(|(number, key)| (*number, *key));
        match (kind, chosen) {
            (0, _) => {
                self.node.handle_input(SwarmInput::Disconnect { connection: self.connection }, now);
            }
            (1..4, _) => {
                let Some(peer) = self.node.node().swarm().peers().next() else { return };
                let id = PingId(self.next_ping);
                self.next_ping += 1;
                let command = NodeCommand::Ping(PingCommand::Ping { id, peer });
                self.node.handle_input(SwarmInput::Command(command), now);
            }
            (4..10, _) | (_, None) => {
                self.node.open_stream(Target::Connection(self.connection), CHAT, now);
            }
            (10..24, Some((stream, _))) => {
                let data: Vec<_> = (0..number % 500).map(|at| (number >> (at % 60)) as u8).collect();
                self.write(stream, &data, now);
            }
            (24..30, Some((_, key))) => self.node.close_write(key, now),
            (_, Some((stream, key))) => {
                self.node.reset(key, now);
                log.torn(stream);
            }
        }
    }

    fn handle_event(&mut self, output: LocalOutput<Infallible>, now: Instant, log: &mut Log) {
        match output {
            LocalOutput::Event(SwarmEvent::StreamOpened { stream, request: Some(request), .. }) => {
                self.streams.insert(request.0, stream);
                self.numbers.insert(stream.stream, request.0);
                let tag = self.next_tag;
                self.next_tag += 1;
                self.write(request.0, &[tag], now);
                self.read(stream, now, log);
            }
            LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => self.read(stream, now, log),
            LocalOutput::Stream(connection, StreamEvent::Readable(stream)) => {
                self.read(StreamKey { connection, stream }, now, log);
            }
            LocalOutput::Stream(_, StreamEvent::Writable(stream)) => {
                if let Some(number) = self.numbers.get(&stream) {
                    self.write(*number, &[], now);
                }
            }
            LocalOutput::Stream(connection, StreamEvent::Closed(stream, cause)) => {
                if cause == StreamCloseCause::ConnectionClosed {
                    self.read(StreamKey { connection, stream }, now, log);
                }
                if let Some(number) = self.numbers.get(&stream) {
                    log.torn(*number);
                }
            }
            // The remote may have opened it and reset it at once.
            LocalOutput::Event(SwarmEvent::StreamFailed { request, .. }) => log.torn(request.0),
            LocalOutput::Protocol(event) => note_protocol(event, log),
            other => log.fact(other),
        }
    }

    /// Reads all there is. The first byte of a stream that the remote opened is its number.
    fn read(&mut self, key: StreamKey, now: Instant, log: &mut Log) {
        loop {
            let read = self.node.read(key, 512, now);
            let number = self.numbers.get(&key.stream).copied();
            match (read, number) {
                (Ok(bytes), Some(number)) => log.bytes(number, &bytes),
                (Ok(mut bytes), None) => {
                    let number = INBOUND + u64::from(bytes.get_u8());
                    self.numbers.insert(key.stream, number);
                    self.streams.insert(number, key);
                    log.bytes(number, &bytes);
                }
                (Err(ReadError::Ended), Some(number)) => return log.stream_fact(number, "ended"),
                (Err(_), _) => return,
            }
        }
    }

    fn write(&mut self, stream: u64, data: &[u8], now: Instant) {
        let Some(key) = self.streams.get(&stream) else { return };
        let waiting = self.unwritten.entry(stream).or_default();
        waiting.extend_from_slice(data);
        while !waiting.is_empty() {
            match self.node.write(*key, waiting, now) {
                Ok(count) => waiting.advance(count),
                Err(WriteError::Blocked) => return,
                Err(WriteError::Closed) => return waiting.clear(),
            }
        }
    }
}

/// What a stream brought before it, or its connection, was cut off is a matter of chance.
fn note_protocol(event: NodeEvent<Infallible>, log: &mut Log) {
    let number = match &event {
        NodeEvent::Ping(PingEvent::Pong { id, .. } | PingEvent::Failed { id, .. }) => {
            PING + id.map_or(0, |id| id.0)
        }
        NodeEvent::Identify(IdentifyEvent::Sent { .. }) => IDENTIFIED,
        NodeEvent::Identify(_) => IDENTIFY,
        NodeEvent::Routing(_) | NodeEvent::Records(_) => unreachable!("nobody asks"),
        NodeEvent::Protocol(never) => match *never {},
    };
    match event {
        NodeEvent::Ping(PingEvent::Failed {
            error: PingError::StreamClosed(_) | PingError::ConnectionClosed,
            ..
        })
        | NodeEvent::Identify(IdentifyEvent::Failed {
            error: IdentifyError::StreamClosed(_) | IdentifyError::ConnectionClosed,
            ..
        }) => {
            log.torn(number);
        }
        event => log.stream_fact(number, event),
    }
}

impl Layer for NodePipe {
    type Event = LocalOutput<Infallible>;
    type Error = Infallible;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), Infallible> {
        self.node.handle_bytes(self.connection, input, now);
        Ok(())
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        self.node.handle_end(self.connection, end, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.node.handle_timeout(now);
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        self.node.poll_transmit(self.connection, out, max, now)
    }

    fn poll_event(&mut self) -> Option<LocalOutput<Infallible>> {
        loop {
            match self.node.poll_output()? {
                LocalOutput::Drive { .. } | LocalOutput::Listen { .. } => {}
                LocalOutput::Close { how, .. } => self.close = Some(how),
                output => return Some(output),
            }
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.node.poll_timeout()
    }

    fn wants_input(&self) -> bool {
        self.node.wants_input(self.connection)
    }

    fn poll_close(&mut self) -> Option<Close> {
        self.close
    }
}
