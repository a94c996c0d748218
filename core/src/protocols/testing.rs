//! What the tests of the protocols share: short names for facts, and a storm of arbitrary ones.

use super::{FromSwarm, Protocol, RequestId, StreamCloseCause, StreamError, StreamKey, Target, ToSwarm};
use crate::connection::ConnectionId;
use crate::identity::{Keypair, PeerId};
use crate::machine::Machine;
use crate::muxer::{ResetCause, StreamId};
use crate::negotiation::ProtocolId;
use crate::security::Role;
use crate::time::Instant;
use bytes::Bytes;
use multiaddr::Multiaddr;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

pub(crate) fn at(millis: u64) -> Instant {
    Instant::from_origin(Duration::from_millis(millis))
}

pub(crate) fn keypair(number: u8) -> Keypair {
    Keypair::ed25519_from_secret(&[number; 32])
}

pub(crate) fn peer(number: u8) -> PeerId {
    keypair(number).public().to_peer_id()
}

pub(crate) fn address(text: &str) -> Multiaddr {
    text.parse().expect("a test's address")
}

pub(crate) fn key(connection: u64, stream: u64) -> StreamKey {
    StreamKey { connection: ConnectionId(connection), stream: StreamId(stream) }
}

pub(crate) fn connected<C>(connection: u64, peer: PeerId) -> FromSwarm<C> {
    FromSwarm::Connected {
        connection: ConnectionId(connection),
        peer,
        role: Role::Dialer,
        remote_address: address("/ip4/192.0.2.1/tcp/4001"),
        local_address: None,
    }
}

pub(crate) fn disconnected<C>(connection: u64, peer: PeerId) -> FromSwarm<C> {
    FromSwarm::Disconnected { connection: ConnectionId(connection), peer }
}

/// A stream of `protocol` is open, ours if there is a request.
pub(crate) fn opened<C>(stream: StreamKey, protocol: ProtocolId, request: Option<u64>) -> FromSwarm<C> {
    FromSwarm::StreamOpened { stream, peer: peer(1), protocol, request: request.map(RequestId) }
}

pub(crate) fn drain<M: Machine>(machine: &mut M) -> Vec<M::Output> {
    std::iter::from_fn(|| machine.poll_output()).collect()
}

/// Hands one fact in and takes out what follows.
pub(crate) fn tell<P: Protocol>(
    machine: &mut P,
    fact: FromSwarm<<P as Protocol>::Command>,
    now: Instant,
) -> Vec<ToSwarm<<P as Protocol>::Event>> {
    machine.handle_input(fact, now);
    drain(machine)
}

/// Lets time pass and takes out what follows.
pub(crate) fn wake<M: Machine>(machine: &mut M, now: Instant) -> Vec<M::Output> {
    machine.handle_timeout(now);
    drain(machine)
}

/// One step of a storm: a fact that may be true, stale, repeated or made up.
#[derive(Debug, Clone)]
pub(crate) enum Gust {
    Connect {
        connection: u64,
    },
    Disconnect {
        connection: u64,
    },
    Inbound {
        connection: u64,
        stream: u64,
    },
    /// Answers a request, counted from the latest; one that was never made, if there are fewer.
    Opened {
        request: usize,
        stream: u64,
    },
    OpenFailed {
        request: usize,
        error: StreamError,
    },
    Message {
        stream: StreamKey,
        message: Bytes,
    },
    /// Gives back what the machine sent last on the stream.
    Echo {
        stream: StreamKey,
    },
    Blocked {
        stream: StreamKey,
    },
    Writable {
        stream: StreamKey,
    },
    RemoteClosed {
        stream: StreamKey,
    },
    StreamClosed {
        stream: StreamKey,
        cause: StreamCloseCause,
    },
    Command {
        peer: PeerId,
    },
    Wait {
        millis: u64,
    },
}

/// Few ids, so that they meet. Inbound streams have even ids, outbound ones odd.
pub(crate) fn storm(messages: impl Strategy<Value = Bytes> + 'static) -> impl Strategy<Value = Vec<Gust>> {
    let connection = 0..3_u64;
    let stream = || (0..2_u64, 0..7_u64).prop_map(|(connection, stream)| key(connection, stream));
    let error = prop::sample::select(vec![
        StreamError::NotConnected,
        StreamError::Unsupported([ProtocolId::from_static("/x")].into_iter().collect()),
        StreamError::Timeout,
        StreamError::Limit,
        StreamError::Refused,
        StreamError::ConnectionClosed,
    ]);
    let cause = prop::sample::select(vec![
        StreamCloseCause::Ended,
        StreamCloseCause::ResetHere,
        StreamCloseCause::Reset(ResetCause::Remote),
        StreamCloseCause::Truncated,
        StreamCloseCause::ConnectionClosed,
    ]);
    let gust = prop_oneof![
        3 => connection.clone().prop_map(|connection| Gust::Connect { connection }),
        1 => connection.prop_map(|connection| Gust::Disconnect { connection }),
        2 => (0..2_u64, 0..4_u64).prop_map(|(connection, n)| Gust::Inbound { connection, stream: 2 * n }),
        6 => (0..3_usize, 0..3_u64).prop_map(|(request, n)| Gust::Opened { request, stream: 2 * n + 1 }),
        2 => (0..3_usize, error).prop_map(|(request, error)| Gust::OpenFailed { request, error }),
        4 => (stream(), messages).prop_map(|(stream, message)| Gust::Message { stream, message }),
        6 => stream().prop_map(|stream| Gust::Echo { stream }),
        2 => stream().prop_map(|stream| Gust::Blocked { stream }),
        2 => stream().prop_map(|stream| Gust::Writable { stream }),
        1 => stream().prop_map(|stream| Gust::RemoteClosed { stream }),
        2 => (stream(), cause).prop_map(|(stream, cause)| Gust::StreamClosed { stream, cause }),
        5 => (0..3_u8).prop_map(|n| Gust::Command { peer: peer(n) }),
        4 => (0..30_000_u64).prop_map(|millis| Gust::Wait { millis }),
    ];
    prop::collection::vec(gust, 0..100)
}

/// How to command and to judge the machine in a storm.
pub(crate) struct Weather<P: Protocol> {
    pub(crate) protocol: ProtocolId,
    pub(crate) command: fn(u64, PeerId) -> <P as Protocol>::Command,
    /// The command of which an event is the outcome.
    pub(crate) outcome: fn(&<P as Protocol>::Event) -> Option<u64>,
    /// How many things the machine remembers.
    pub(crate) size: fn(&P) -> usize,
    pub(crate) max_size: usize,
}

/// What is true in a storm, as far as the machine can know.
struct Sky<P: Protocol> {
    machine: P,
    weather: Weather<P>,
    now: Instant,
    connections: BTreeMap<ConnectionId, PeerId>,
    /// The streams that the machine was told of and that are not gone: what it sent last, and whether it has
    /// closed.
    streams: BTreeMap<StreamKey, (Bytes, bool)>,
    requests: Vec<(RequestId, Target)>,
    commands: u64,
    outcomes: BTreeSet<u64>,
    log: String,
}

/// Runs the machine through a storm and checks after each gust that it answers only for streams that are
/// open, each command at most once, keeps its bounds and its deadlines; and at the end that every command was
/// answered and that all is forgotten. Returns all outputs as text.
pub(crate) fn weather<P: Protocol>(machine: P, weather: Weather<P>, storm: &[Gust]) -> String {
    let mut sky = Sky {
        machine,
        weather,
        now: Instant::ORIGIN,
        connections: BTreeMap::new(),
        streams: BTreeMap::new(),
        requests: Vec::new(),
        commands: 0,
        outcomes: BTreeSet::new(),
        log: String::new(),
    };
    for gust in storm {
        sky.blow(gust.clone());
    }
    for connection in 0..3 {
        sky.blow(Gust::Disconnect { connection });
    }
    assert_eq!(sky.outcomes.len() as u64, sky.commands, "a command without an outcome");
    assert_eq!((sky.weather.size)(&sky.machine), 0, "not all is forgotten");
    assert_eq!(sky.machine.poll_timeout(), None);
    sky.log
}

impl<P: Protocol> Sky<P> {
    fn blow(&mut self, gust: Gust) {
        let fact = match gust {
            Gust::Wait { millis } => return self.wait(millis),
            gust => self.fact(gust),
        };
        self.machine.handle_input(fact, self.now);
        self.judge();
    }

    fn wait(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        // Both are in the future: nothing is due at rest.
        if let Some(deadline) = self.machine.poll_timeout() {
            let before = Instant::from_nanos(deadline.at.as_nanos() - 1);
            self.machine.handle_timeout(before.min(until));
            assert!(self.machine.poll_output().is_none(), "woken early, it did something");
        }
        self.now = until;
        self.machine.handle_timeout(until);
        self.judge();
        assert!(self.machine.poll_timeout().is_none_or(|deadline| deadline.at > until), "still due");
    }

    fn fact(&mut self, gust: Gust) -> FromSwarm<<P as Protocol>::Command> {
        let peer_of = |connection| peer(if connection == 0 { 0 } else { 1 });
        match gust {
            Gust::Connect { connection } => {
                self.connections.insert(ConnectionId(connection), peer_of(connection));
                connected(connection, peer_of(connection))
            }
            Gust::Disconnect { connection } => {
                self.connections.remove(&ConnectionId(connection));
                self.streams.retain(|stream, _| stream.connection != ConnectionId(connection));
                disconnected(connection, peer_of(connection))
            }
            Gust::Inbound { connection, stream } => self.open(key(connection, stream), None),
            Gust::Opened { request, stream } => match self.request(request) {
                (request, Target::Connection(connection)) => {
                    self.open(StreamKey { connection, stream: StreamId(stream) }, Some(request.0))
                }
                (request, Target::Peer(_)) => self.open(key(0, stream), Some(request.0)),
            },
            Gust::OpenFailed { request, error } => {
                FromSwarm::OpenFailed { request: self.request(request).0, error }
            }
            Gust::Message { stream, message } => {
                FromSwarm::Message { stream, message, received_at: self.now }
            }
            Gust::Echo { stream } => {
                let message = self.streams.get(&stream).map_or_else(Bytes::new, |(sent, _)| sent.clone());
                FromSwarm::Message { stream, message, received_at: self.now }
            }
            Gust::Blocked { stream } => {
                let mut message = Bytes::new();
                if let Some((sent, closed)) = self.streams.get_mut(&stream) {
                    (message, *closed) = (sent.clone(), false);
                }
                FromSwarm::Blocked { stream, message }
            }
            Gust::Writable { stream } => FromSwarm::Writable { stream },
            Gust::RemoteClosed { stream } => FromSwarm::RemoteClosed { stream },
            Gust::StreamClosed { stream, cause } => {
                self.streams.remove(&stream);
                FromSwarm::StreamClosed { stream, cause }
            }
            Gust::Command { peer } => {
                self.commands += 1;
                FromSwarm::Command((self.weather.command)(self.commands, peer))
            }
            Gust::Wait { .. } => unreachable!("not a fact"),
        }
    }

    fn request(&self, from_latest: usize) -> (RequestId, Target) {
        let made_up = (RequestId(u64::MAX), Target::Connection(ConnectionId(0)));
        self.requests.iter().rev().nth(from_latest).copied().unwrap_or(made_up)
    }

    fn open<C>(&mut self, stream: StreamKey, request: Option<u64>) -> FromSwarm<C> {
        if self.connections.contains_key(&stream.connection) {
            match request {
                // The machine may take it for a new stream.
                Some(_) => drop(self.streams.insert(stream, Default::default())),
                None => drop(self.streams.entry(stream).or_default()),
            }
        }
        opened(stream, self.weather.protocol.clone(), request)
    }

    fn judge(&mut self)
    where
        <P as Protocol>::Event: Debug,
    {
        while let Some(output) = self.machine.poll_output() {
            self.log.push_str(&format!("{output:?}\n"));
            match output {
                ToSwarm::Event(event) => {
                    if let Some(id) = (self.weather.outcome)(&event) {
                        assert!(self.outcomes.insert(id), "a second outcome: {event:?}");
                    }
                }
                ToSwarm::OpenStream { request, target, .. } => {
                    assert!(self.requests.iter().all(|&(made, _)| made < request), "a request id twice");
                    self.requests.push((request, target));
                }
                ToSwarm::Send { stream, message } => {
                    let (sent, closed) = self.stream(stream);
                    assert!(!*closed, "sent after close");
                    *sent = message;
                }
                ToSwarm::Close { stream } => {
                    let (_, closed) = self.stream(stream);
                    assert!(!std::mem::replace(closed, true), "closed twice");
                }
                ToSwarm::Grant { stream, .. } => {
                    self.stream(stream);
                }
                ToSwarm::Reset { stream } => {
                    self.stream(stream);
                    self.streams.remove(&stream);
                }
                // Known of a peer, whose connection may be gone by now.
                ToSwarm::Identified { .. } => {}
                ToSwarm::IntoRaw { .. }
                | ToSwarm::Dial { .. }
                | ToSwarm::CancelDial { .. }
                | ToSwarm::KeepAlive { .. }
                | ToSwarm::Disconnect { .. }
                | ToSwarm::Addresses { .. }
                | ToSwarm::FindFinished { .. } => {
                    panic!("unexpected: {output:?}")
                }
            }
        }
        assert!((self.weather.size)(&self.machine) <= self.weather.max_size, "out of bounds");
    }

    /// The stream that an output names, which must be open.
    fn stream(&mut self, stream: StreamKey) -> &mut (Bytes, bool) {
        self.streams.get_mut(&stream).unwrap_or_else(|| panic!("an output for {stream:?}, which is gone"))
    }
}
