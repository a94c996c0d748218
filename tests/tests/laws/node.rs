//! The node as a machine, in a world of real connections to other nodes.

use bytes::BytesMut;
use peerwork_core::address::{Multiaddr, with_peer_id};
use peerwork_core::connection::{Connection, ConnectionId, ToNode};
use peerwork_core::identity::PeerId;
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::muxer::mplex::Mplex;
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::node::{LocalNode, LocalOutput, Node, NodeBuilder, NodeCommand, NodeEvent};
use peerwork_core::protocols::identify::{IdentifyCommand, IdentifyEvent, IdentifyId};
use peerwork_core::protocols::ping::{PingCommand, PingEvent, PingId};
use peerwork_core::protocols::{RequestId, Target};
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::dialer::Records;
use peerwork_core::swarm::{
    AccessChange, AddressRange, DialId, DialOptions, ListenerId, PeerOrRange, StandingChange, SwarmEvent,
    SwarmInput, SwarmOutput, TransportError, Watermarks,
};
use peerwork_core::time::Instant;
use peerwork_tests::counters::disagreement;
use peerwork_tests::laws::Law;
use peerwork_tests::laws::machine::{Input, MachineSubject, Output};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const CHAT: ProtocolId = ProtocolId::from_static("/chat/1.0.0");

/// For how long the node leaves connections alone when it has too many.
const ONE_SECOND: Duration = Duration::from_secs(1);

/// So many other nodes there are.
const REMOTES: u64 = 3;

/// More links than this are not opened by remotes.
const MAX_LINKS: usize = 5;

/// A node among others.
pub(crate) struct Networking;

/// What a command and its outcome have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Id {
    Dial(DialId),
    Stream(RequestId),
    Ping(PingId),
    Identify(IdentifyId),
}

/// Other nodes, the connections to them, and the driver's answers that are on the way.
pub(crate) struct Town {
    draw: Seed,
    remotes: Vec<Remote>,
    links: BTreeMap<ConnectionId, Link>,
    /// Where the connections go that the node has yet to hand out.
    coming: BTreeMap<ConnectionId, (usize, ConnectionId)>,
    answers: VecDeque<Input<Networking>>,
    listeners: Vec<ListenerId>,
    next: u64,
    next_connection: u64,
    /// Everything is being brought to an end.
    over: bool,
}

struct Remote {
    node: LocalNode,
    listener: ListenerId,
}

/// A connection of the node, and the other end of it.
struct Link {
    connection: Connection,
    remote: usize,
    there: ConnectionId,
    to_us: BytesMut,
    to_them: BytesMut,
    messages: VecDeque<ToNode>,
}

impl MachineSubject for Networking {
    type Machine = Node;
    type World = Town;
    type Id = Id;

    fn name(&self) -> String {
        "node".to_owned()
    }

    fn build(&self, case: u64, now: Instant) -> (Node, Town) {
        let mut draw = Seed::reproducible(case).child("town");
        let node = NodeBuilder::new()
            .security(Plaintext)
            .muxer(Mplex::default())
            .watermarks(Watermarks { grace: ONE_SECOND, interval: ONE_SECOND, ..Watermarks::new(3, 1) })
            .build(draw.child("node"), now)
            .unwrap();
        (node, Town::new(draw, now))
    }

    fn input(&self, town: &mut Town, draw: &mut Seed, now: Instant) -> Option<Input<Self>> {
        town.carry(draw, now);
        match draw.below(16) {
            0..8 => town.message(draw).or_else(|| town.answers.pop_front()),
            8..10 => town.answers.pop_front(),
            10 => town.incoming(draw, now),
            _ => town.command(draw),
        }
    }

    fn output(&self, town: &mut Town, node: &mut Node, output: &Output<Self>, now: Instant) {
        town.hear(node, output, now);
        assert_eq!(disagreement(&node.swarm().counters()), None);
    }

    fn wind_down(&self, town: &mut Town) -> Option<Input<Self>> {
        town.wind_down()
    }

    fn command_id(&self, input: &Input<Self>) -> Option<Id> {
        match input {
            SwarmInput::Dial { dial, .. } => Some(Id::Dial(*dial)),
            SwarmInput::OpenStream { request, .. } => Some(Id::Stream(*request)),
            SwarmInput::Command(NodeCommand::Ping(PingCommand::Ping { id, .. })) => Some(Id::Ping(*id)),
            SwarmInput::Command(NodeCommand::Identify(IdentifyCommand::Identify { id, .. })) => {
                Some(Id::Identify(*id))
            }
            _ => None,
        }
    }

    fn outcome_id(&self, output: &Output<Self>) -> Option<Id> {
        match output {
            SwarmOutput::Event(SwarmEvent::Dialed { dial, .. } | SwarmEvent::DialFailed { dial, .. }) => {
                Some(Id::Dial(*dial))
            }
            SwarmOutput::Event(SwarmEvent::StreamOpened { request, .. }) => request.map(Id::Stream),
            SwarmOutput::Event(SwarmEvent::StreamFailed { request, .. }) => Some(Id::Stream(*request)),
            SwarmOutput::Protocol(NodeEvent::Ping(
                PingEvent::Pong { id, .. } | PingEvent::Failed { id, .. },
            )) => id.map(Id::Ping),
            SwarmOutput::Protocol(NodeEvent::Identify(
                IdentifyEvent::Received { id, .. } | IdentifyEvent::Failed { id, .. },
            )) => id.map(Id::Identify),
            _ => None,
        }
    }

    fn steps(&self) -> usize {
        150
    }

    fn exempt(&self, law: Law) -> Option<&'static str> {
        (law == Law::DeadMeansDead).then_some("commands are refused even after the end")
    }
}

impl Town {
    fn new(mut draw: Seed, now: Instant) -> Self {
        let mut remote = |number| {
            let builder = NodeBuilder::new().security(Plaintext).muxer(Mplex::default());
            let mut node = builder.build_local(draw.child("remote"), now).unwrap();
            node.handle_protocol(CHAT, now);
            let listener = node.listen(address(number), now);
            Remote { node, listener }
        };
        Self {
            remotes: (0..REMOTES).map(&mut remote).collect(),
            draw,
            links: BTreeMap::new(),
            coming: BTreeMap::new(),
            answers: VecDeque::new(),
            listeners: Vec::new(),
            next: 0,
            next_connection: 0,
            over: false,
        }
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn peer(&self, draw: &mut Seed) -> PeerId {
        self.remotes[draw.below(REMOTES) as usize].node.local_peer()
    }

    /// What the user wants.
    fn command(&mut self, draw: &mut Seed) -> Option<Input<Networking>> {
        let number = self.next();
        let some_connection = ConnectionId(draw.below(self.next_connection + 1));
        Some(match draw.below(36) {
            0..2 => SwarmInput::Listen { listener: ListenerId(number), address: address(9) },
            2 => SwarmInput::StopListening { listener: *self.listeners.first()? },
            3..11 => {
                // There is one address more than there are nodes.
                let address = address(draw.below(REMOTES + 1));
                let expects = draw.below(2) == 0;
                let address = if expects { with_peer_id(address, &self.peer(draw)) } else { address };
                let options = if draw.below(2) == 0 { DialOptions::default() } else { DialOptions::always() };
                SwarmInput::Dial { dial: DialId(number), target: address.into(), options }
            }
            11..18 => SwarmInput::OpenStream {
                request: RequestId(number),
                target: if draw.below(2) == 0 {
                    Target::Peer(self.peer(draw))
                } else {
                    Target::Connection(some_connection)
                },
                protocols: [CHAT].into_iter().collect(),
            },
            18..23 => {
                let command = PingCommand::Ping { id: PingId(number), peer: self.peer(draw) };
                SwarmInput::Command(NodeCommand::Ping(command))
            }
            23..27 => {
                let command = IdentifyCommand::Identify { id: IdentifyId(number), peer: self.peer(draw) };
                SwarmInput::Command(NodeCommand::Identify(command))
            }
            27 => SwarmInput::HandleProtocol { protocol: CHAT },
            28 => SwarmInput::StopHandlingProtocol { protocol: CHAT },
            29 => SwarmInput::CancelDial { dial: DialId(draw.below(number)) },
            30 if draw.below(2) == 0 => {
                SwarmInput::KeepAlive { connection: some_connection, wanted: draw.below(2) == 0 }
            }
            30 => SwarmInput::Disconnect { connection: some_connection },
            31 if draw.below(8) == 0 => SwarmInput::Shutdown,
            31 => return None,
            _ => self.manage(draw),
        })
    }

    /// Who may be connected, and what they are worth. What is forbidden is often allowed again, or little would happen.
    fn manage(&self, draw: &mut Seed) -> Input<Networking> {
        let (peer, name) = (self.peer(draw), "law".to_owned());
        let entry = match draw.below(2) {
            0 => PeerOrRange::Peer(peer),
            _ => PeerOrRange::Range(AddressRange::from(IpAddr::from([192, 0, 2, draw.below(REMOTES) as u8]))),
        };
        match draw.below(16) {
            0 => SwarmInput::Access(AccessChange::Block(entry)),
            1 => SwarmInput::Access(AccessChange::Allow(entry)),
            2..5 => SwarmInput::Access(AccessChange::Unblock(entry)),
            5..8 => SwarmInput::Access(AccessChange::Disallow(entry)),
            8..10 => SwarmInput::Standing(StandingChange::Protect { peer, name }),
            10..12 => SwarmInput::Standing(StandingChange::Unprotect { peer, name }),
            12 => SwarmInput::Standing(StandingChange::Protect { peer, name: name.repeat(99) }),
            13 => SwarmInput::Standing(StandingChange::Untag { peer, name }),
            _ => {
                let value = draw.below(20) as i32 - 10;
                SwarmInput::Standing(StandingChange::Tag { peer, name, value })
            }
        }
    }

    /// A remote connects to one of the node's listeners.
    fn incoming(&mut self, draw: &mut Seed, now: Instant) -> Option<Input<Networking>> {
        let listener = *self.listeners.get(draw.below(self.listeners.len() as u64) as usize)?;
        if self.links.len() >= MAX_LINKS {
            return None;
        }
        let remote = draw.below(REMOTES) as usize;
        let node = &mut self.remotes[remote].node;
        node.dial(address(9), now);
        let there = std::iter::from_fn(|| node.poll_output()).find_map(|output| match output {
            LocalOutput::Dial { connection, .. } => Some(connection),
            _ => None,
        })?;
        node.handle_input(SwarmInput::Dialed { connection: there, remote_address: address(9) }, now);
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.coming.insert(connection, (remote, there));
        Some(SwarmInput::Incoming { connection, listener, remote_address: address(remote as u64) })
    }

    /// The next message of some connection.
    fn message(&mut self, draw: &mut Seed) -> Option<Input<Networking>> {
        let talking = self.links.iter().filter(|(_, link)| !link.messages.is_empty());
        let talking: Vec<_> = talking.map(|(connection, _)| *connection).collect();
        let connection = *talking.get(draw.below(talking.len() as u64) as usize)?;
        let message = self.links.get_mut(&connection)?.messages.pop_front()?;
        Some(SwarmInput::FromConnection { connection, message })
    }

    /// Carries bytes on some link, as many as chance has it, and wakes whoever is due.
    fn carry(&mut self, draw: &mut Seed, now: Instant) {
        for remote in &mut self.remotes {
            remote.node.handle_timeout(now);
        }
        for link in self.links.values_mut() {
            let max = draw.below(3000) as usize;
            link.carry(&mut self.remotes[link.remote].node, max, now);
        }
    }

    fn hear(&mut self, node: &mut Node, output: &Output<Networking>, now: Instant) {
        match output {
            SwarmOutput::Event(_) | SwarmOutput::Protocol(_) => {}
            SwarmOutput::Listen { listener, address } => self.answers.push_back(if self.draw.below(4) == 0 {
                SwarmInput::ListenFailed { listener: *listener, error: TransportError::InUse }
            } else {
                self.listeners.push(*listener);
                SwarmInput::Listening { listener: *listener, address: address.clone() }
            }),
            SwarmOutput::StopListening { listener } => self.listeners.retain(|other| other != listener),
            SwarmOutput::Dial { connection, address } => self.dial(*connection, address, now),
            SwarmOutput::CancelDial { connection } => {
                self.coming.remove(connection);
            }
            SwarmOutput::Lookup { lookup, .. } => {
                let records = Records::Addresses(vec![Ipv4Addr::new(10, 0, 0, 1).into()]);
                self.answers.push_back(SwarmInput::LookedUp { lookup: *lookup, result: Ok(records) });
            }
            SwarmOutput::CancelLookup { .. } => {}
            SwarmOutput::Refuse { connection } => {
                if let Some((remote, there)) = self.coming.remove(connection) {
                    self.remotes[remote].node.handle_end(there, End::Failed, now);
                }
            }
            SwarmOutput::Connection { connection } => {
                let value = node.take_connection(*connection, now);
                if let (Some(value), Some((remote, there))) = (value, self.coming.remove(connection)) {
                    self.links.insert(*connection, Link::new(value, remote, there));
                }
            }
            SwarmOutput::ToConnection { connection, message } => {
                if let Some(link) = self.links.get_mut(connection) {
                    link.connection.handle_message(message.clone(), now);
                }
            }
        }
    }

    /// Dials succeed, fail, or are never answered.
    fn dial(&mut self, connection: ConnectionId, to: &Multiaddr, now: Instant) {
        self.next_connection = self.next_connection.max(connection.0 + 1);
        let remote = (0..REMOTES).find(|number| address(*number) == *to);
        let answer = match (remote, self.draw.below(8)) {
            (_, 0) => return,
            (None, _) | (_, 1) => SwarmInput::DialFailed { connection, error: TransportError::Refused },
            (Some(number), _) => {
                let Remote { node, listener } = &mut self.remotes[number as usize];
                let there = node.handle_incoming(*listener, address(9), now);
                self.coming.insert(connection, (number as usize, there));
                SwarmInput::Dialed { connection, remote_address: to.clone() }
            }
        };
        self.answers.push_back(answer);
    }

    /// Shuts the node down, answers what is to be answered, and drops every link.
    fn wind_down(&mut self) -> Option<Input<Networking>> {
        if !std::mem::replace(&mut self.over, true) {
            return Some(SwarmInput::Shutdown);
        }
        if let Some(answer) = self.answers.pop_front() {
            return Some(answer);
        }
        let (&connection, link) = self.links.iter_mut().next()?;
        if let Some(message) = link.messages.pop_front() {
            return Some(SwarmInput::FromConnection { connection, message });
        }
        let now = Instant::from_nanos(u64::MAX);
        link.connection.handle_end(End::Failed, now);
        link.collect();
        if link.messages.is_empty() {
            self.links.remove(&connection);
        }
        self.wind_down()
    }
}

impl Link {
    fn new(connection: Connection, remote: usize, there: ConnectionId) -> Self {
        let (to_us, to_them) = (BytesMut::new(), BytesMut::new());
        Self { connection, remote, there, to_us, to_them, messages: VecDeque::new() }
    }

    fn carry(&mut self, remote: &mut LocalNode, max: usize, now: Instant) {
        self.connection.handle_timeout(now);
        self.connection.poll_transmit(&mut self.to_them, max, now);
        remote.handle_bytes(self.there, &mut self.to_them, now);
        remote.poll_transmit(self.there, &mut self.to_us, max, now);
        if self.connection.wants_input() {
            // The connection tells the node of its end.
            drop(self.connection.handle_input(&mut self.to_us, now));
        }
        let closed_there = std::iter::from_fn(|| remote.poll_output())
            .any(|output| output == LocalOutput::Close { connection: self.there, how: Close::Now });
        if closed_there {
            self.connection.handle_end(End::Closed, now);
        }
        if self.connection.poll_close() == Some(Close::Now) {
            remote.handle_end(self.there, End::Closed, now);
        }
        self.collect();
    }

    fn collect(&mut self) {
        while self.connection.poll_event().is_some() {}
        self.messages.extend(std::iter::from_fn(|| self.connection.poll_message()));
    }
}

fn address(number: u64) -> Multiaddr {
    format!("/ip4/192.0.2.{number}/tcp/4001").parse().unwrap()
}
