//! A victim, honest peers that talk to it, and what its remotes cause it to report; in one loop and in virtual time.

use bytes::BytesMut;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::{ConnectionError, ConnectionId, LazyStreams, StreamEvent};
use peerwork_core::identity::PeerId;
use peerwork_core::machine::{Close, End};
use peerwork_core::muxer::ReadError;
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::muxer::yamux::Yamux;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{LocalNode, LocalOutput, NodeBuilder, NodeCommand, NodeEvent};
use peerwork_core::protocols::identify::{IdentifyError, IdentifyEvent, IdentifyInfo};
use peerwork_core::protocols::ping::{PingCommand, PingError, PingEvent, PingId};
use peerwork_core::protocols::{StreamCloseCause, StreamKey, Target};
use peerwork_core::security::noise::Noise;
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::pnet::PreSharedKey;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::tls::Tls;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::{DialError, ListenerId, SwarmEvent, SwarmInput, Usage};
use peerwork_core::time::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// The victim's application sends back what comes on streams of this protocol.
pub(crate) const ECHO: ProtocolId = ProtocolId::from_static("/echo/1.0.0");

/// What the victim says of a hostile peer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Report {
    /// A connection ended, or did not come up.
    Connection(ConnectionError),
    /// A dial failed.
    Dial(DialError),
    /// A ping failed.
    Ping(PingError),
    /// The peer was not identified.
    Identify(IdentifyError),
    /// The peer's push was refused.
    Push(IdentifyError),
    /// A raw stream was ended from outside.
    Stream(StreamCloseCause),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "connection: {error}"),
            Self::Dial(error) => write!(f, "dial: {error}"),
            Self::Ping(error) => write!(f, "ping: {error}"),
            Self::Identify(error) => write!(f, "identify: {error}"),
            Self::Push(error) => write!(f, "push: {error}"),
            Self::Stream(cause) => write!(f, "stream: {cause}"),
        }
    }
}

/// A connection of the victim, seen from the other end.
pub(crate) struct Link {
    /// On the way to the victim.
    pub(crate) wire: BytesMut,
    /// How the byte stream ends when the victim takes no more of these.
    pub(crate) end: Option<End>,
    /// Nothing is taken from the victim.
    pub(crate) is_deaf: bool,
    /// What the victim said last.
    pub(crate) close: Option<Close>,
    pub(crate) far: Far,
}

pub(crate) enum Far {
    Honest(Box<Honest>),
    /// What came from the victim.
    Hostile(BytesMut),
}

pub(crate) struct Honest {
    node: LocalNode,
    id: ConnectionId,
    stream: Option<StreamKey>,
    inbox: BytesMut,
}

pub(crate) struct Bed {
    pub(crate) victim: LocalNode,
    listener: ListenerId,
    pub(crate) now: Instant,
    pub(crate) links: BTreeMap<ConnectionId, Link>,
    /// The victim's ends of the streams that it echoes.
    echoes: BTreeSet<StreamKey>,
    /// Whether the victim's application reads what hostile peers send.
    pub(crate) reads: bool,
    pub(crate) reports: Vec<Report>,
    /// What hostile peers told of themselves, and what was accepted of it.
    pub(crate) infos: Vec<Arc<IdentifyInfo>>,
    /// The key of the private network that everybody is in, but the hostile peers.
    key: Option<PreSharedKey>,
    /// Where hostile peers come from. Each attack has a network of its own, and so has each honest peer, so that none uses up what
    /// another may do.
    pub(crate) from: Ipv4Addr,
    bystander: ConnectionId,
    /// What there is while only the bystander is connected.
    quiet: Option<(usize, usize, Usage)>,
    counter: u64,
}

impl Bed {
    /// A victim and a bystander who talks to it.
    pub(crate) fn new() -> Self {
        Self::with(None)
    }

    /// The same in a private network.
    pub(crate) fn private() -> Self {
        Self::with(Some(PreSharedKey::from_secret(&[7; 32])))
    }

    fn with(key: Option<PreSharedKey>) -> Self {
        let now = Instant::ORIGIN;
        let builder = NodeBuilder::new()
            .security(Secio::default())
            .security(Plaintext)
            .security(Noise)
            .security(Tls::default())
            .muxer(Mplex::default())
            .muxer(Yamux::default())
            .configure(|config| {
                config.ping.interval = None;
                config.swarm.connection.lazy_streams = LazyStreams::Always;
                config.swarm.connection.private_network = key.clone();
            });
        let mut victim = builder.build_local(Seed::reproducible(1), now).unwrap();
        victim.handle_protocol(ECHO, now);
        let listener = victim.listen("/ip4/192.0.2.1/tcp/1".parse().unwrap(), now);
        let mut bed = Self {
            victim,
            listener,
            now,
            links: BTreeMap::new(),
            echoes: BTreeSet::new(),
            reads: true,
            reports: Vec::new(),
            infos: Vec::new(),
            key,
            from: Ipv4Addr::new(192, 0, 2, 2),
            bystander: ConnectionId(0),
            quiet: None,
            counter: 100,
        };
        bed.run();
        bed.bystander = bed.greet();
        bed.run();
        bed.quiet = Some(bed.counts());
        bed
    }

    fn counts(&self) -> (usize, usize, Usage) {
        (self.victim.connection_count(), self.victim.stream_count(), self.victim.node().swarm().usage())
    }

    /// A byte stream to the victim.
    pub(crate) fn accept(&mut self, far: Far) -> ConnectionId {
        self.counter += 1;
        let ip = match far {
            Far::Honest(_) => self.fresh_network([172, 16, 0, 2]),
            Far::Hostile(_) => self.from,
        };
        let from = format!("/ip4/{ip}/tcp/{}", self.counter).parse().unwrap();
        let id = self.victim.handle_incoming(self.listener, from, self.now);
        self.links.insert(id, Link::new(far));
        id
    }

    fn fresh_network(&self, first: [u8; 4]) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::from_be_bytes(first) + ((self.counter as u32) << 8))
    }

    /// Another honest peer connects and opens a stream that echoes.
    fn greet(&mut self) -> ConnectionId {
        self.counter += 1;
        let builder = NodeBuilder::new().security(Secio::default()).muxer(Mplex::default());
        let builder = builder.configure(|config| {
            config.ping.interval = None;
            config.swarm.connection.private_network = self.key.clone();
        });
        let mut node = builder.build_local(Seed::reproducible(self.counter), self.now).unwrap();
        let address: Multiaddr = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        node.dial(address, self.now);
        let mut id = None;
        while let Some(output) = node.poll_output() {
            if let LocalOutput::Dial { connection, address } = output {
                node.handle_input(SwarmInput::Dialed { connection, remote_address: address }, self.now);
                id = Some(connection);
            }
        }
        let honest = Honest { node, id: id.unwrap(), stream: None, inbox: BytesMut::new() };
        let connection = self.accept(Far::Honest(Box::new(honest)));
        self.run();
        let (peer, now) = (self.victim.local_peer(), self.now);
        self.honest(connection).node.open_stream(Target::Peer(peer), ECHO, now);
        self.run();
        self.talk(connection);
        connection
    }

    fn honest(&mut self, connection: ConnectionId) -> &mut Honest {
        match &mut self.links.get_mut(&connection).expect("honest peers stay connected").far {
            Far::Honest(honest) => honest,
            Far::Hostile(_) => panic!("{connection:?} is hostile"),
        }
    }

    /// An honest peer writes, and the victim echoes it.
    fn talk(&mut self, connection: ConnectionId) {
        self.counter += 1;
        let (text, now) = (format!("message {}", self.counter), self.now);
        let honest = self.honest(connection);
        let stream = honest.stream.expect("an honest peer gets its stream");
        honest.node.write(stream, text.as_bytes(), now).unwrap();
        self.run();
        let echo = self.honest(connection).node.read(stream, 100, now);
        assert_eq!(echo.as_deref(), Ok(text.as_bytes()), "the echo of an honest peer");
    }

    /// Nobody else has noticed: the bystander's stream still echoes.
    pub(crate) fn check_bystander(&mut self) {
        self.talk(self.bystander);
    }

    /// Hostile peers go away. Then nothing is left of them, and an honest peer can connect.
    pub(crate) fn clean_up(&mut self) {
        self.reads = true;
        let hostile: Vec<_> = self
            .links
            .iter()
            .filter(|(_, link)| matches!(link.far, Far::Hostile(_)))
            .map(|(id, _)| *id)
            .collect();
        for id in hostile {
            self.victim.handle_end(id, End::Failed, self.now);
            self.run();
            self.links.remove(&id);
        }
        assert_eq!(Some(self.counts()), self.quiet, "what the hostile peer had is gone");
        self.check_bystander();
        let newcomer = self.greet();
        self.links.remove(&newcomer);
        self.victim.handle_end(newcomer, End::Failed, self.now);
        self.run();
        assert_eq!(Some(self.counts()), self.quiet, "what the newcomer had is gone");
        self.reports.clear();
        self.infos.clear();
        self.from = self.fresh_network([10, 0, 0, 2]);
    }

    /// The victim pings `peer`.
    pub(crate) fn ping(&mut self, peer: PeerId) {
        self.counter += 1;
        let command = PingCommand::Ping { id: PingId(self.counter), peer };
        self.victim.handle_input(SwarmInput::Command(NodeCommand::Ping(command)), self.now);
        self.run();
    }

    /// The victim opens a raw stream to `peer`.
    pub(crate) fn open_raw(&mut self, peer: PeerId) {
        self.victim.open_stream(Target::Peer(peer), ECHO, self.now);
        self.run();
    }

    /// Carries bytes and obeys the nodes until nothing moves any more.
    pub(crate) fn run(&mut self) {
        loop {
            let mut moved = self.echo();
            let ids: Vec<_> = self.links.keys().copied().collect();
            for id in ids {
                moved |= self.carry(id);
            }
            while let Some(output) = self.victim.poll_output() {
                // Every connection is driven in any case.
                moved |= !matches!(output, LocalOutput::Drive { .. });
                self.obey(output);
            }
            if !moved {
                return;
            }
        }
    }

    /// Lets time pass, stopping at each deadline.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            let honest = self.links.values().filter_map(|link| match &link.far {
                Far::Honest(honest) => honest.node.poll_timeout(),
                Far::Hostile(_) => None,
            });
            let next = honest.chain(self.victim.poll_timeout()).map(|deadline| deadline.at).min();
            self.now = next.filter(|at| *at < end).unwrap_or(end);
            self.victim.handle_timeout(self.now);
            for link in self.links.values_mut() {
                if let Far::Honest(honest) = &mut link.far {
                    honest.node.handle_timeout(self.now);
                }
            }
            self.run();
        }
    }

    fn obey(&mut self, output: LocalOutput<Infallible>) {
        match output {
            LocalOutput::Listen { listener, address } => {
                self.victim.handle_input(SwarmInput::Listening { listener, address }, self.now);
            }
            LocalOutput::Dial { connection, address } => {
                self.links.insert(connection, Link::new(Far::Hostile(BytesMut::new())));
                self.victim
                    .handle_input(SwarmInput::Dialed { connection, remote_address: address }, self.now);
            }
            LocalOutput::Close { connection, how } => self.closed(connection, how),
            LocalOutput::Refuse { connection } => self.closed(connection, Close::Now),
            LocalOutput::Event(event) => self.handle_event(event),
            LocalOutput::Protocol(NodeEvent::Ping(PingEvent::Failed { connection, error, .. })) => {
                self.report(connection, Report::Ping(error));
            }
            LocalOutput::Protocol(NodeEvent::Identify(event)) => self.handle_identify(event),
            // The connection reports its own end.
            LocalOutput::Stream(connection, StreamEvent::Closed(_, cause))
                if self.is_hostile(connection) && cause != StreamCloseCause::ConnectionClosed =>
            {
                self.report(Some(connection), Report::Stream(cause));
            }
            _ => {}
        }
    }

    fn handle_identify(&mut self, event: IdentifyEvent) {
        match event {
            IdentifyEvent::Failed { connection, error, .. } => {
                self.report(connection, Report::Identify(error));
            }
            IdentifyEvent::PushFailed { connection, error, .. } => {
                self.report(Some(connection), Report::Push(error));
            }
            IdentifyEvent::Received { connection, info, .. }
            | IdentifyEvent::Pushed { connection, info, .. }
                if self.is_hostile(connection) =>
            {
                self.infos.push(info);
            }
            _ => {}
        }
    }

    fn handle_event(&mut self, event: SwarmEvent) {
        match event {
            SwarmEvent::StreamOpened { stream, .. } => drop(self.echoes.insert(stream)),
            SwarmEvent::IncomingFailed { connection, error, .. } => {
                self.report(Some(connection), Report::Connection(error));
            }
            SwarmEvent::Disconnected { connection, reason, .. } => {
                self.report(Some(connection), Report::Connection(reason));
            }
            SwarmEvent::DialFailed { error, .. } => self.report(None, Report::Dial(error)),
            _ => {}
        }
    }

    fn is_hostile(&self, connection: ConnectionId) -> bool {
        self.links.get(&connection).is_some_and(|link| matches!(link.far, Far::Hostile(_)))
    }

    fn report(&mut self, connection: Option<ConnectionId>, report: Report) {
        let link = connection.and_then(|id| self.links.get(&id));
        if let Some(Far::Honest(_)) = link.map(|link| &link.far) {
            panic!("an honest peer is affected: {report}");
        }
        self.reports.push(report);
    }

    fn closed(&mut self, connection: ConnectionId, how: Close) {
        if let Some(link) = self.links.get_mut(&connection) {
            link.close = Some(how);
            // Attackers have systems like others, which end what the other side has ended.
            if how == Close::Flush && !link.is_deaf && matches!(link.far, Far::Hostile(_)) {
                link.end.get_or_insert(End::Closed);
            }
        }
    }

    /// The victim's application sends back what it reads.
    fn echo(&mut self) -> bool {
        let mut moved = false;
        for stream in self.echoes.clone() {
            if !self.reads && self.is_hostile(stream.connection) {
                continue;
            }
            match self.victim.read(stream, 64 * 1024, self.now) {
                Ok(bytes) => {
                    moved = true;
                    // A peer that does not read its echo loses it.
                    let _ = self.victim.write(stream, &bytes, self.now);
                }
                Err(ReadError::Blocked) => {}
                Err(ReadError::Ended) => {
                    self.victim.close_write(stream, self.now);
                    self.echoes.remove(&stream);
                }
                Err(ReadError::Closed) => drop(self.echoes.remove(&stream)),
            }
        }
        moved
    }

    fn carry(&mut self, id: ConnectionId) -> bool {
        let (now, victim) = (self.now, &mut self.victim);
        let Some(link) = self.links.get_mut(&id) else { return false };
        let waiting = link.wire.len();
        if waiting > 0 && victim.wants_input(id) {
            victim.handle_bytes(id, &mut link.wire, now);
        }
        let mut moved = link.wire.len() < waiting;
        if let Some(end) = link.end
            && !moved
        {
            link.end = None;
            victim.handle_end(id, end, now);
            moved = true;
        }
        match &mut link.far {
            Far::Hostile(received) if !link.is_deaf => {
                moved |= victim.poll_transmit(id, received, 64 * 1024, now) > 0;
            }
            Far::Hostile(_) => {}
            Far::Honest(honest) => {
                moved |= victim.poll_transmit(id, &mut honest.inbox, 64 * 1024, now) > 0;
                moved |= honest.turn(&mut link.wire, now);
            }
        }
        moved
    }
}

impl Link {
    fn new(far: Far) -> Self {
        Self { wire: BytesMut::new(), end: None, is_deaf: false, close: None, far }
    }
}

impl Honest {
    fn turn(&mut self, wire: &mut BytesMut, now: Instant) -> bool {
        let mut moved = false;
        if !self.inbox.is_empty() && self.node.wants_input(self.id) {
            let waiting = self.inbox.len();
            self.node.handle_bytes(self.id, &mut self.inbox, now);
            moved = self.inbox.len() < waiting;
        }
        while let Some(output) = self.node.poll_output() {
            moved |= !matches!(output, LocalOutput::Drive { .. });
            match output {
                LocalOutput::Event(SwarmEvent::StreamOpened { stream, .. }) => self.stream = Some(stream),
                LocalOutput::Event(event @ SwarmEvent::Disconnected { .. }) => panic!("{event:?}"),
                _ => {}
            }
        }
        moved | (self.node.poll_transmit(self.id, wire, 64 * 1024, now) > 0)
    }
}
