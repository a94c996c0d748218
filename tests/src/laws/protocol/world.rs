//! What a protocol sees of a swarm, drawn by chance: connections, dials, streams, messages, refusals, questions.

use super::{Command, Event, ProtocolSubject, with_commands};
use bytes::Bytes;
use peerwork_core::address::Multiaddr;
use peerwork_core::connection::{ConnectionId, Framing};
use peerwork_core::identity::{Keypair, PeerId, PublicKey};
use peerwork_core::muxer::{ResetCause, StreamId};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::protocols::identify::IdentifyInfo;
use peerwork_core::protocols::{
    Fact, FromSwarm, InboundProtocol, LocalInfo, RequestId, StreamCloseCause, StreamError, StreamKey,
    StreamOptions, Target, ToSwarm,
};
use peerwork_core::security::Role;
use peerwork_core::seed::Seed;
use peerwork_core::swarm::DialError;
use peerwork_core::time::Instant;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// So many peers exist, and so many connections are open at most.
const PEERS: u8 = 4;

/// The world around one protocol.
///
/// It keeps the promises of [`FromSwarm`]: a stream is opened before anything is said of it and closed once, a connection's
/// streams and requests end before it does, credit is respected, each dial has one outcome, and nobody looks twice for one peer at a time.
#[derive(Debug)]
pub struct World {
    /// The ids of the peers, whose keys are numbered from 1 on.
    peers: Vec<PeerId>,
    inbound: Vec<InboundProtocol>,
    connections: BTreeMap<ConnectionId, PeerId>,
    streams: BTreeMap<StreamKey, Stream>,
    requests: Vec<Request>,
    /// The dials without an outcome, and whom they are for.
    dials: Vec<(RequestId, Option<PeerId>)>,
    finds_peers: bool,
    /// The peers that the protocol is looking for.
    sought: BTreeSet<PeerId>,
    /// What has happened and was not yet told, in this order.
    news: VecDeque<Fact>,
    /// Decides what becomes of outputs.
    draw: Seed,
    next_connection: u64,
    next_stream: u64,
    next_command: u64,
}

#[derive(Debug)]
struct Stream {
    protocol: ProtocolId,
    options: StreamOptions,
    credit: u32,
    /// What the remote sends once there is credit.
    replies: VecDeque<Bytes>,
    sending: Sending,
    closed_here: bool,
    closed_there: bool,
}

/// Whether the next message of ours is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    /// It is: nothing waits to be written.
    Free,
    /// As chance has it.
    Open,
    /// It is not, and nothing is until the protocol is told `Writable`.
    Blocked,
}

#[derive(Debug)]
struct Request {
    id: RequestId,
    target: Target,
    protocols: Vec<ProtocolId>,
    options: StreamOptions,
}

impl World {
    pub(super) fn new(case: u64, inbound: Vec<InboundProtocol>, finds_peers: bool) -> Self {
        Self {
            peers: (1..=PEERS).map(|number| public_key(number).to_peer_id()).collect(),
            inbound,
            connections: BTreeMap::new(),
            streams: BTreeMap::new(),
            requests: Vec::new(),
            dials: Vec::new(),
            finds_peers,
            sought: BTreeSet::new(),
            news: [Fact::Local(Arc::new(local_info(0)))].into(),
            draw: Seed::reproducible(case).child("world"),
            next_connection: 0,
            next_stream: 0,
            next_command: 0,
        }
    }

    /// Draws what happens next. News are told before anything else happens, or not at once.
    pub(super) fn input<S: ProtocolSubject>(
        &mut self,
        subject: &S,
        draw: &mut Seed,
        now: Instant,
    ) -> Option<FromSwarm<Command<S>>> {
        if let Some(news) = self.news.pop_front() {
            return Some(with_commands(news));
        }
        let fact = match draw.below(32) {
            0..3 => self.connect(draw),
            3 => self.disconnect(draw),
            4 => Some(Fact::Local(Arc::new(local_info(1 + draw.below(3))))),
            5..11 => self.answer_request(subject, draw),
            11..13 => self.open_inbound(subject, draw),
            13..18 => {
                self.next_command += 1;
                let command = subject.command(self.next_command, &self.peers, draw)?;
                return Some(FromSwarm::Command(command));
            }
            18 => self.identify(draw),
            19..22 if self.finds_peers => self.seek(draw),
            22..24 if !self.dials.is_empty() => self.answer_dial(draw),
            _ => self.stream_news(subject, draw, now),
        };
        fact.or_else(|| self.news.pop_front()).map(with_commands)
    }

    /// Answers what the protocol wants, with news.
    pub(super) fn output<S: ProtocolSubject>(&mut self, subject: &S, output: &ToSwarm<Event<S>>) {
        match output {
            ToSwarm::Event(_) | ToSwarm::KeepAlive { .. } | ToSwarm::Addresses { .. } => {}
            ToSwarm::FindFinished { peer } => {
                self.sought.remove(peer);
            }
            ToSwarm::Identified { connection, peer, info } => {
                if self.connections.get(connection) == Some(peer) {
                    let (connection, peer, info) = (*connection, *peer, Arc::clone(info));
                    self.news.push_back(Fact::Identified { connection, peer, info });
                }
            }
            ToSwarm::Dial { request, target, .. } => self.dials.push((*request, target.peer)),
            ToSwarm::CancelDial { request } => {
                for (request, _) in self.dials.extract_if(.., |(id, _)| id == request) {
                    self.news.push_back(Fact::DialFailed { request, error: DialError::Cancelled });
                }
            }
            ToSwarm::OpenStream { request, target, protocols, options } => self.requests.push(Request {
                id: *request,
                target: *target,
                protocols: protocols.to_vec(),
                options: *options,
            }),
            ToSwarm::Send { stream, message } => self.sent(subject, *stream, message),
            ToSwarm::Grant { stream, messages } => {
                if let Some(stream) = self.streams.get_mut(stream) {
                    stream.credit = stream.credit.saturating_add(*messages);
                }
            }
            ToSwarm::Close { stream } => {
                // Behind a refused message it counts for nothing.
                let stream_state = self.streams.get_mut(stream);
                if let Some(state) = stream_state.filter(|state| state.sending != Sending::Blocked) {
                    state.closed_here = true;
                    self.end_if_closed(*stream);
                }
            }
            ToSwarm::Reset { stream } => self.end(*stream, StreamCloseCause::ResetHere),
            ToSwarm::IntoRaw { stream } => {
                self.streams.remove(stream);
            }
            ToSwarm::Disconnect { connection } => self.lose(*connection),
        }
    }

    /// Ends everything, one thing after the other.
    pub(super) fn wind_down(&mut self) -> Option<Fact> {
        if let Some(news) = self.news.pop_front() {
            return Some(news);
        }
        if let Some(connection) = self.connections.keys().next().copied() {
            self.lose(connection);
        } else if let Some(request) = self.requests.pop() {
            return Some(Fact::OpenFailed { request: request.id, error: StreamError::NotConnected });
        } else if let Some((request, _)) = self.dials.pop() {
            return Some(Fact::DialFailed { request, error: DialError::ShuttingDown });
        } else if let Some(peer) = self.sought.pop_first() {
            return Some(Fact::StopFinding { peer });
        }
        self.news.pop_front()
    }

    fn connect(&mut self, draw: &mut Seed) -> Option<Fact> {
        if self.connections.len() >= usize::from(PEERS) {
            return None;
        }
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        let peer = self.peers[draw.below(self.peers.len() as u64) as usize];
        self.connections.insert(connection, peer);
        let role = if draw.below(2) == 0 { Role::Dialer } else { Role::Listener };
        let local_address = (role == Role::Listener).then(|| address(0));
        let remote_address = address(connection.0);
        Some(Fact::Connected { connection, peer, role, remote_address, local_address })
    }

    fn disconnect(&mut self, draw: &mut Seed) -> Option<Fact> {
        let connection = *pick(self.connections.keys(), draw)?;
        self.lose(connection);
        self.news.pop_front()
    }

    /// A connection is gone: all on it ends before it does.
    fn lose(&mut self, connection: ConnectionId) {
        let Some(peer) = self.connections.remove(&connection) else { return };
        let streams: Vec<_> =
            self.streams.keys().filter(|key| key.connection == connection).copied().collect();
        for stream in streams {
            self.end(stream, StreamCloseCause::ConnectionClosed);
        }
        // The others are answered later: nothing promises that it happens before.
        let fails_now = |request: &mut Request| {
            request.target == Target::Connection(connection) && self.draw.below(2) == 0
        };
        for request in self.requests.extract_if(.., fails_now) {
            let error = StreamError::ConnectionClosed;
            self.news.push_back(Fact::OpenFailed { request: request.id, error });
        }
        self.news.push_back(Fact::Disconnected { connection, peer });
    }

    /// A peer tells what it is.
    fn identify(&self, draw: &mut Seed) -> Option<Fact> {
        let (&connection, &peer) = pick(self.connections.iter(), draw)?;
        let LocalInfo { public_key: _, listen_addresses, protocols, .. } = local_info(draw.below(3));
        let info = IdentifyInfo { listen_addresses, protocols, ..IdentifyInfo::default() };
        Some(Fact::Identified { connection, peer, info: Arc::new(info) })
    }

    /// Somebody looks for a peer, or does no longer.
    fn seek(&mut self, draw: &mut Seed) -> Option<Fact> {
        let peer = *pick(self.peers.iter(), draw)?;
        if self.sought.insert(peer) {
            return Some(Fact::FindPeer { peer });
        }
        let is_enough = draw.below(2) == 0 && self.sought.remove(&peer);
        is_enough.then_some(Fact::StopFinding { peer })
    }

    /// A dial has its outcome: one of the connections that there are, or none.
    fn answer_dial(&mut self, draw: &mut Seed) -> Option<Fact> {
        let (request, wanted) = self.dials.swap_remove(draw.below(self.dials.len() as u64) as usize);
        let mut fit =
            self.connections.iter().filter(|(_, peer)| wanted.is_none_or(|wanted| wanted == **peer));
        Some(match fit.next() {
            Some((&connection, &peer)) => Fact::Dialed { request, connection, peer },
            None => Fact::DialFailed { request, error: DialError::NoAddresses },
        })
    }

    fn answer_request<S: ProtocolSubject>(&mut self, subject: &S, draw: &mut Seed) -> Option<Fact> {
        if self.requests.is_empty() {
            return None;
        }
        let request = self.requests.swap_remove(draw.below(self.requests.len() as u64) as usize);
        let failed = |error| Some(Fact::OpenFailed { request: request.id, error });
        let connection = match request.target {
            Target::Connection(connection) => Some(connection),
            Target::Peer(peer) => self.connections.iter().find(|(_, of)| **of == peer).map(|(id, _)| *id),
        };
        let Some((connection, &peer)) = connection.and_then(|id| Some((id, self.connections.get(&id)?)))
        else {
            return failed(StreamError::NotConnected);
        };
        match draw.below(12) {
            0 => failed(StreamError::Unsupported(request.protocols.into_iter().collect())),
            1 => failed(StreamError::Timeout),
            2 => failed(StreamError::Refused),
            3 => failed(StreamError::Limit),
            _ => {
                let protocol = pick(request.protocols.iter(), draw)?.clone();
                let stream = self.open(connection, protocol.clone(), request.options);
                let number = self.peers.iter().take_while(|id| **id != peer).count() as u8;
                let greeting = subject.greeting(&protocol, &public_key(1 + number), draw);
                self.reply(stream, greeting);
                Some(Fact::StreamOpened { stream, peer, protocol, request: Some(request.id) })
            }
        }
    }

    fn open_inbound<S: ProtocolSubject>(&mut self, subject: &S, draw: &mut Seed) -> Option<Fact> {
        let InboundProtocol { id: protocol, options } = pick(self.inbound.iter(), draw)?.clone();
        let (&connection, &peer) = pick(self.connections.iter(), draw)?;
        let stream = self.open(connection, protocol.clone(), options);
        let message = subject.message(&protocol, draw);
        self.reply(stream, message);
        Some(Fact::StreamOpened { stream, peer, protocol, request: None })
    }

    fn open(&mut self, connection: ConnectionId, protocol: ProtocolId, options: StreamOptions) -> StreamKey {
        let key = StreamKey { connection, stream: StreamId(self.next_stream) };
        self.next_stream += 1;
        let stream = Stream {
            protocol,
            options,
            credit: options.credit,
            replies: VecDeque::new(),
            sending: Sending::Free,
            closed_here: false,
            closed_there: false,
        };
        self.streams.insert(key, stream);
        key
    }

    fn sent<S: ProtocolSubject>(&mut self, subject: &S, key: StreamKey, message: &Bytes) {
        let Some(stream) = self.streams.get_mut(&key) else { return };
        let refused = match stream.sending {
            Sending::Free => false,
            Sending::Open => self.draw.below(8) == 0,
            Sending::Blocked => true,
        };
        stream.sending = if refused { Sending::Blocked } else { Sending::Open };
        if refused {
            return self.news.push_back(Fact::Blocked { stream: key, message: message.clone() });
        }
        let reply = subject.reply(&stream.protocol, message);
        self.reply(key, reply);
    }

    fn reply(&mut self, stream: StreamKey, message: Option<Bytes>) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.replies.extend(message);
        }
    }

    /// Something happens on one of the streams.
    fn stream_news<S: ProtocolSubject>(
        &mut self,
        subject: &S,
        draw: &mut Seed,
        now: Instant,
    ) -> Option<Fact> {
        let key = *pick(self.streams.keys(), draw)?;
        let stream = self.streams.get_mut(&key)?;
        match draw.below(24) {
            0 => {
                self.end(key, StreamCloseCause::Reset(ResetCause::Remote));
                self.news.pop_front()
            }
            1..4 if !stream.closed_there => {
                stream.closed_there = true;
                self.end_if_closed(key);
                Some(Fact::RemoteClosed { stream: key })
            }
            4..8 if stream.sending == Sending::Blocked => {
                stream.sending = Sending::Free;
                Some(Fact::Writable { stream: key })
            }
            _ => {
                let message = stream.next_message(subject, draw)?;
                Some(Fact::Message { stream: key, message, received_at: now })
            }
        }
    }

    fn end_if_closed(&mut self, key: StreamKey) {
        if self.streams.get(&key).is_some_and(|stream| stream.closed_here && stream.closed_there) {
            self.end(key, StreamCloseCause::Ended);
        }
    }

    fn end(&mut self, key: StreamKey, cause: StreamCloseCause) {
        if self.streams.remove(&key).is_some() {
            self.news.push_back(Fact::StreamClosed { stream: key, cause });
        }
    }
}

impl Stream {
    /// The next message of the remote, which may be noise of the same length.
    fn next_message<S: ProtocolSubject>(&mut self, subject: &S, draw: &mut Seed) -> Option<Bytes> {
        if self.credit == 0 || self.closed_there || self.options.framing == Framing::Raw {
            return None;
        }
        let reply = self.replies.pop_front();
        let mut message = reply.or_else(|| subject.message(&self.protocol, draw))?.to_vec();
        self.credit -= 1;
        if draw.below(12) == 0 {
            draw.fill(&mut message);
        }
        Some(message.into())
    }
}

fn pick<T>(from: impl ExactSizeIterator<Item = T>, draw: &mut Seed) -> Option<T> {
    let at = draw.below(from.len() as u64) as usize;
    let mut from = from;
    from.nth(at)
}

fn public_key(number: u8) -> PublicKey {
    Keypair::ed25519_from_secret(&[number; 32]).public().clone()
}

fn address(number: u64) -> Multiaddr {
    format!("/ip4/192.0.2.{}/tcp/4001", number % 250).parse().expect("it is a valid address")
}

fn local_info(version: u64) -> LocalInfo {
    let public_key = public_key(0);
    LocalInfo {
        peer: public_key.to_peer_id(),
        public_key,
        listen_addresses: (0..version).map(address).collect(),
        protocols: vec![ProtocolId::from_static("/laws/1.0.0")],
    }
}
