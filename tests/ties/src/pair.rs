//! Two nodes, the wires between them, and the clock, which is a number.

use bytes::BytesMut;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::ConnectionId;
use peerwork_core::machine::{Close, End};
use peerwork_core::muxer::ReadError;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder, NodeCommand, NodeEvent};
use peerwork_core::protocols::identify::IdentifyEvent;
use peerwork_core::protocols::ping::{PingCommand, PingEvent, PingId};
use peerwork_core::protocols::{StreamKey, Target};
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{ListenerId, SwarmEvent, SwarmInput};
use peerwork_core::time::Instant;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

/// What the second node sends back.
const ECHO: ProtocolId = ProtocolId::from_static("/echo/1.0.0");
/// More than a window, so that the writers have to wait.
const PAYLOAD_BYTES: usize = 1024 * 1024;
/// The most that is handed over at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// How long a turn of the loop takes.
const TURN: Duration = Duration::from_millis(1);

/// What happened, and at which node where it can be at either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    Listening(usize),
    Connected(usize),
    Identified(usize),
    Pong,
    Echoed,
    Disconnected(usize),
    ShutDown(usize),
}

/// Two nodes; the first one dials the second one.
pub(crate) struct Pair {
    nodes: [LocalNode; 2],
    listener: Option<ListenerId>,
    /// The one connection, as each node calls it.
    ids: [Option<ConnectionId>; 2],
    /// Each leads to the node with its number.
    wires: [BytesMut; 2],
    talks: [Option<Talk>; 2],
    now: Instant,
    events: BTreeSet<Event>,
}

/// One end of the echo's stream.
struct Talk {
    stream: StreamKey,
    unsent: BytesMut,
    heard_bytes: usize,
    /// The end was sent.
    is_closed: bool,
}

impl Pair {
    pub(crate) fn new(builder: impl Fn(&mut Seed) -> NodeBuilder) -> Result<Self, Box<dyn Error>> {
        let now = Instant::ORIGIN;
        let build = |number| {
            let mut seed = Seed::reproducible(number);
            builder(&mut seed).build_local(seed, now)
        };
        let mut nodes = [build(1)?, build(2)?];
        nodes[1].handle_protocol(ECHO, now);
        Ok(Self {
            nodes,
            listener: None,
            ids: [None; 2],
            wires: Default::default(),
            talks: [None, None],
            now,
            events: BTreeSet::new(),
        })
    }

    pub(crate) fn listen(&mut self) -> Result<(), Box<dyn Error>> {
        self.listener = Some(self.nodes[1].listen("/ip4/10.0.0.2/tcp/4001".parse()?, self.now));
        self.run()
    }

    pub(crate) fn dial(&mut self) -> Result<(), Box<dyn Error>> {
        self.nodes[0].dial("/ip4/10.0.0.2/tcp/4001".parse::<Multiaddr>()?, self.now);
        self.run()
    }

    pub(crate) fn ping(&mut self) -> Result<(), Box<dyn Error>> {
        let command = PingCommand::Ping { id: PingId(1), peer: self.nodes[1].local_peer() };
        self.nodes[0].handle_input(SwarmInput::Command(NodeCommand::Ping(command)), self.now);
        self.run()
    }

    pub(crate) fn echo(&mut self) -> Result<(), Box<dyn Error>> {
        let target = Target::Peer(self.nodes[1].local_peer());
        self.nodes[0].open_stream(target, ECHO, self.now);
        self.run()
    }

    pub(crate) fn shut_down(&mut self) -> Result<(), Box<dyn Error>> {
        for node in &mut self.nodes {
            node.handle_input(SwarmInput::Shutdown, self.now);
        }
        self.run()
    }

    /// Lets time pass, stopping at each deadline.
    pub(crate) fn pass(&mut self, duration: Duration) -> Result<(), Box<dyn Error>> {
        let end = self.now + duration;
        while self.now < end {
            let deadlines = self.nodes.iter().filter_map(LocalNode::poll_timeout);
            let next = deadlines.map(|deadline| deadline.at).min().unwrap_or(end);
            self.now = next.clamp(self.now + TURN, end);
            for node in &mut self.nodes {
                node.handle_timeout(self.now);
            }
            self.run()?;
        }
        Ok(())
    }

    /// What has happened since this was last asked is this and nothing else.
    pub(crate) fn expect(&mut self, expected: &[Event]) -> Result<(), Box<dyn Error>> {
        let happened = std::mem::take(&mut self.events);
        if happened == expected.iter().copied().collect() {
            return Ok(());
        }
        Err(format!("{expected:?} was to happen and {happened:?} did").into())
    }

    /// Does what the nodes want until nothing moves any more.
    fn run(&mut self) -> Result<(), Box<dyn Error>> {
        loop {
            let mut moves = false;
            for me in 0..2 {
                while let Some(output) = self.nodes[me].poll_output() {
                    self.obey(me, output)?;
                    moves = true;
                }
                moves |= self.talk(me) | self.carry(me);
            }
            if !moves {
                return Ok(());
            }
            self.now = self.now + TURN;
        }
    }

    fn obey(&mut self, me: usize, output: LocalOutput<Infallible>) -> Result<(), Box<dyn Error>> {
        match output {
            LocalOutput::Listen { listener, address } => {
                self.nodes[me].handle_input(SwarmInput::Listening { listener, address }, self.now);
            }
            LocalOutput::Dial { connection, address: remote_address } => {
                self.nodes[me].handle_input(SwarmInput::Dialed { connection, remote_address }, self.now);
                let listener = self.listener.ok_or("nobody listens")?;
                let from = "/ip4/10.0.0.1/tcp/50000".parse()?;
                let accepted = self.nodes[1].handle_incoming(listener, from, self.now);
                self.ids = [Some(connection), Some(accepted)];
            }
            LocalOutput::Close { connection, how } if self.ids[me] == Some(connection) => self.close(me, how),
            LocalOutput::Event(event) => self.note(me, event),
            LocalOutput::Protocol(NodeEvent::Identify(IdentifyEvent::Received { .. })) => {
                self.events.insert(Event::Identified(me));
            }
            LocalOutput::Protocol(NodeEvent::Ping(PingEvent::Pong { id: Some(PingId(1)), .. })) => {
                self.events.insert(Event::Pong);
            }
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, me: usize, event: SwarmEvent) {
        let happened = match event {
            SwarmEvent::Listening { .. } => Event::Listening(me),
            SwarmEvent::Connected { .. } => Event::Connected(me),
            SwarmEvent::Disconnected { .. } => Event::Disconnected(me),
            SwarmEvent::ShutDown => Event::ShutDown(me),
            SwarmEvent::StreamOpened { stream, .. } => {
                let payload: &[u8] = if me == 0 { &[0x5a; PAYLOAD_BYTES] } else { &[] };
                self.talks[me] = Some(Talk::new(stream, payload));
                return;
            }
            _ => return,
        };
        self.events.insert(happened);
    }

    /// Ends a node's direction of the connection, behind what it has to send.
    fn close(&mut self, me: usize, how: Close) {
        while self.carry(me) {}
        if how == Close::Now {
            self.ids[me] = None;
        }
        if let Some(remote) = self.ids[1 - me] {
            self.nodes[1 - me].handle_end(remote, End::Closed, self.now);
        }
    }

    /// Carries a node's bytes to the other one; returns whether any moved.
    fn carry(&mut self, me: usize) -> bool {
        let other = 1 - me;
        let wire = &mut self.wires[other];
        let sent = match self.ids[me] {
            Some(id) => self.nodes[me].poll_transmit(id, wire, CHUNK_BYTES, self.now),
            None => 0,
        };
        let waiting = wire.len();
        match self.ids[other] {
            Some(id) if waiting > 0 && self.nodes[other].wants_input(id) => {
                self.nodes[other].handle_bytes(id, wire, self.now);
            }
            Some(_) => {}
            None => wire.clear(),
        }
        sent > 0 || wire.len() < waiting
    }

    /// Lets a node read and write its stream; returns whether it could.
    fn talk(&mut self, me: usize) -> bool {
        let Some(talk) = &mut self.talks[me] else { return false };
        let (node, now) = (&mut self.nodes[me], self.now);
        let mut moves = talk.send(node, now);
        match node.read(talk.stream, CHUNK_BYTES, now) {
            Ok(bytes) => {
                talk.heard_bytes += bytes.len();
                moves = true;
                if me == 1 {
                    talk.unsent.extend_from_slice(&bytes);
                }
            }
            Err(ReadError::Ended) if talk.unsent.is_empty() => {
                if me == 0 && talk.heard_bytes == PAYLOAD_BYTES {
                    self.events.insert(Event::Echoed);
                }
                if me == 1 {
                    node.close_write(talk.stream, now);
                }
                self.talks[me] = None;
            }
            Err(_) => {}
        }
        moves
    }
}

impl Talk {
    fn new(stream: StreamKey, payload: &[u8]) -> Self {
        Self { stream, unsent: payload.into(), heard_bytes: 0, is_closed: payload.is_empty() }
    }

    fn send(&mut self, node: &mut LocalNode, now: Instant) -> bool {
        if self.unsent.is_empty() {
            if !self.is_closed {
                self.is_closed = true;
                node.close_write(self.stream, now);
                return true;
            }
            return false;
        }
        let Ok(sent) = node.write(self.stream, &self.unsent, now) else { return false };
        drop(self.unsent.split_to(sent));
        sent > 0
    }
}
