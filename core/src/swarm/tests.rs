//! The swarm alone, with connections played by hand.

mod access;
mod counters;
mod learning;
mod limits;
mod ranges;
mod standing;
mod watermarks;
mod why;
mod wishes;

use super::*;
use crate::address::Multiaddr;
use crate::connection::{ConnectionError, ConnectionMessage, Established, Framing, ToNode};
use crate::muxer::StreamId;
use crate::protocols::{
    FromSwarm, InboundProtocol, Protocol, StreamCloseCause, StreamError, StreamKey, Target, ToSwarm,
};
use crate::security::Role;
use bytes::Bytes;
use smallvec::smallvec;
use std::collections::VecDeque;
use std::net::IpAddr;

const NOW: Instant = Instant::ORIGIN;
const TEST: ProtocolId = ProtocolId::from_static("/test/1.0.0");

/// A protocol that does as it is told and tells what it hears.
#[derive(Default)]
struct Puppet {
    outputs: VecDeque<ToSwarm<FromSwarm<ToSwarm<()>>>>,
}

impl Machine for Puppet {
    type Input = FromSwarm<ToSwarm<()>>;
    type Output = ToSwarm<FromSwarm<ToSwarm<()>>>;

    fn handle_input(&mut self, input: Self::Input, _now: Instant) {
        self.outputs.push_back(match input {
            FromSwarm::Command(command) => command.map_event(|()| FromSwarm::Command(ToSwarm::Event(()))),
            heard => ToSwarm::Event(heard),
        });
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_output(&mut self) -> Option<Self::Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }
}

impl Protocol for Puppet {
    type Command = ToSwarm<()>;
    type Event = FromSwarm<ToSwarm<()>>;

    fn inbound(&self) -> Vec<InboundProtocol> {
        vec![InboundProtocol { id: TEST, options: options() }]
    }
}

fn options() -> StreamOptions {
    StreamOptions {
        framing: Framing::LengthPrefixed { max_bytes: 100 },
        credit: 1,
        keep_alive: false,
        lazy: false,
    }
}

fn swarm() -> Swarm<Puppet> {
    swarm_with(Limits { max_connections: 2, max_pending_inbound: 1, ..Limits::default() })
}

fn swarm_with(limits: Limits) -> Swarm<Puppet> {
    swarm_of(SwarmConfig { limits, ..SwarmConfig::default() })
}

fn swarm_of(config: SwarmConfig) -> Swarm<Puppet> {
    let keypair = Keypair::generate_ed25519(&mut Seed::reproducible(1));
    let mut swarm = Swarm::new(config, keypair, Puppet::default(), Seed::reproducible(2), NOW);
    drain(&mut swarm);
    swarm
}

fn drain<P: Protocols>(swarm: &mut Swarm<P>) -> Vec<SwarmOutput<P::Event>> {
    std::iter::from_fn(|| swarm.poll_output()).collect()
}

fn address(text: &str) -> Multiaddr {
    address::parse(text).unwrap()
}

/// The answers to dials, and their addresses' causes.
fn outcomes<E>(outputs: &[SwarmOutput<E>]) -> Vec<SwarmEvent> {
    let is_outcome =
        |event: &SwarmEvent| matches!(event, SwarmEvent::Dialed { .. } | SwarmEvent::DialFailed { .. });
    let events = outputs.iter().filter_map(|output| match output {
        SwarmOutput::Event(event) => Some(event.clone()),
        _ => None,
    });
    events.filter(is_outcome).collect()
}

/// A dial to one address failed.
fn failed(dial: DialId, at: &str, error: AttemptError) -> SwarmEvent {
    SwarmEvent::DialFailed { dial, error: DialError::Failed(vec![(address(at), error)]) }
}

fn other_peer() -> PeerId {
    Keypair::generate_ed25519(&mut Seed::reproducible(9)).public().to_peer_id()
}

fn say(swarm: &mut Swarm<Puppet>, connection: ConnectionId, message: ConnectionMessage) {
    say_at(swarm, connection, message, NOW);
}

fn say_at(swarm: &mut Swarm<Puppet>, connection: ConnectionId, message: ConnectionMessage, now: Instant) {
    swarm.handle_input(SwarmInput::FromConnection { connection, message: ToNode(message) }, now);
}

/// What a connection to the peer says whose key is drawn from the seed `number`.
fn established(number: u64) -> ConnectionMessage {
    let public_key = Keypair::generate_ed25519(&mut Seed::reproducible(number)).public().clone();
    let peer = public_key.to_peer_id();
    ConnectionMessage::Established(Box::new(Established { peer, public_key, security: None, muxer: None }))
}

fn peer(number: u64) -> PeerId {
    Keypair::generate_ed25519(&mut Seed::reproducible(number)).public().to_peer_id()
}

fn listening(swarm: &mut Swarm<Puppet>) -> ListenerId {
    let listener = swarm.listen(address("/ip4/1.2.3.4/tcp/0"), NOW);
    swarm.handle_input(SwarmInput::Listening { listener, address: address("/ip4/1.2.3.4/tcp/7") }, NOW);
    drain(swarm);
    listener
}

/// A remote connects from an IP address.
fn incoming_from(swarm: &mut Swarm<Puppet>, listener: ListenerId, ip: IpAddr, now: Instant) -> ConnectionId {
    let connection = swarm.next_connection_id();
    let remote_address = Multiaddr::from(ip).with(address::Protocol::Tcp(9));
    swarm.handle_input(SwarmInput::Incoming { connection, listener, remote_address }, now);
    connection
}

fn told_to_close(
    connection: ConnectionId,
    reason: impl Into<ConnectionError>,
) -> SwarmOutput<FromSwarm<ToSwarm<()>>> {
    SwarmOutput::ToConnection { connection, message: ToConnection(NodeMessage::Shutdown(reason.into())) }
}

/// A swarm with one open connection, dialled.
fn connected() -> (Swarm<Puppet>, ConnectionId) {
    connected_with(Limits::default())
}

fn connected_with(limits: Limits) -> (Swarm<Puppet>, ConnectionId) {
    let mut swarm = swarm_with(limits);
    let remote_address = address("/ip4/1.2.3.4/tcp/5");
    swarm.dial(remote_address.clone(), NOW);
    let connection = ConnectionId(0);
    swarm.handle_input(SwarmInput::Dialed { connection, remote_address }, NOW);
    let public_key = Keypair::generate_ed25519(&mut Seed::reproducible(9)).public().clone();
    let established = Established { peer: other_peer(), public_key, security: None, muxer: None };
    say(&mut swarm, connection, ConnectionMessage::Established(Box::new(established)));
    assert!(swarm.take_connection(connection, NOW).is_some());
    drain(&mut swarm);
    (swarm, connection)
}

fn open(swarm: &mut Swarm<Puppet>, connection: ConnectionId, number: u64) -> StreamKey {
    let stream = StreamId(number);
    let opened = ConnectionMessage::StreamOpened { stream, protocol: TEST, options: options(), open: None };
    say(swarm, connection, opened);
    drain(swarm);
    StreamKey { connection, stream }
}

#[test]
fn handshakes_are_told_the_wall_clock_if_it_is_known() {
    let mut swarm = swarm_with(Limits::default());
    let told = Duration::from_secs(1_700_000_000);
    for (number, clock, later, expected) in [
        (0, None, 5, None),
        (1, Some(told), 5, Some(told)),
        (2, None, 9, Some(told + Duration::from_secs(4))),
        (3, Some(Duration::ZERO), 9, Some(Duration::ZERO)),
        (4, Some(Duration::MAX), 20, Some(Duration::MAX)),
    ] {
        let now = NOW + Duration::from_secs(later);
        if let Some(since_1970) = clock {
            swarm.handle_input(SwarmInput::WallClock { since_1970 }, now);
        }
        let (connection, remote_address) = (ConnectionId(number), address("/ip4/1.2.3.4/tcp/5"));
        swarm.dial(remote_address.clone(), now);
        swarm.handle_input(SwarmInput::Dialed { connection, remote_address }, now);
        let config = Arc::new(ConnectionConfig::default());
        let taken = swarm.take_connection_over(connection, |setup| {
            assert_eq!(setup.wall_clock, expected, "{number}");
            crate::connection::Pipeline::new(config, setup, now)
        });
        assert!(taken.is_some());
    }
}

#[test]
fn every_dial_has_one_outcome() {
    const AT: &str = "/ip4/1.2.3.4/tcp/5";
    let mut swarm = swarm();
    let own = address::with_peer_id(address(AT), &swarm.local_peer());
    let to_self = swarm.dial(own, NOW);
    let failure = SwarmEvent::DialFailed { dial: to_self, error: DialError::SelfDial };
    assert_eq!(outcomes(&drain(&mut swarm)), [failure]);

    let [first, second, third] = [0; 3].map(|_| swarm.dial(address(AT), NOW));
    let limit = AttemptError::Limit(ConnectionLimit::Total(2));
    assert_eq!(outcomes(&drain(&mut swarm)), [failed(third, AT, limit)]);
    let again = SwarmInput::Dial { dial: first, target: address(AT).into(), options: DialOptions::default() };
    swarm.handle_input(again, NOW);
    let failure = SwarmEvent::DialFailed { dial: first, error: DialError::IdReused };
    assert_eq!(outcomes(&drain(&mut swarm)), [failure]);

    let error = TransportError::Refused;
    let connection = ConnectionId(0);
    swarm.handle_input(SwarmInput::DialFailed { connection, error: error.clone() }, NOW);
    assert_eq!(outcomes(&drain(&mut swarm)), [failed(first, AT, AttemptError::Transport(error))]);

    let late = NOW + swarm.config.dialer.attempt_timeout;
    swarm.handle_timeout(late);
    let outputs = drain(&mut swarm);
    assert!(outputs.contains(&SwarmOutput::CancelDial { connection: ConnectionId(1) }));
    assert_eq!(outcomes(&outputs), [failed(second, AT, AttemptError::Timeout)]);
    let remote_address = address(AT);
    swarm.handle_input(SwarmInput::Dialed { connection: ConnectionId(1), remote_address }, late);
    assert_eq!(drain(&mut swarm), [], "the answer came too late");
    assert_eq!(swarm.connection_count(), 0);
}

#[test]
fn the_dialer_hears_of_byte_streams() {
    let mut swarm = swarm();
    let [first, second] = [5, 6].map(|port| address(&format!("/ip4/1.2.3.4/tcp/{port}")));
    swarm.dial(DialTarget { peer: Some(peer(3)), addresses: vec![first.clone(), second.clone()] }, NOW);
    let connection = ConnectionId(0);
    assert_eq!(drain(&mut swarm), [SwarmOutput::Dial { connection, address: first.clone() }]);
    let reached = NOW + Duration::from_millis(100);
    swarm.handle_input(SwarmInput::Dialed { connection, remote_address: first }, reached);
    let due = reached + Duration::from_millis(250);
    assert_eq!(swarm.poll_timeout().map(|deadline| deadline.at), Some(due));
    drain(&mut swarm);
    swarm.handle_timeout(due);
    assert_eq!(drain(&mut swarm), [SwarmOutput::Dial { connection: ConnectionId(1), address: second }]);
}

#[test]
fn remotes_beyond_a_limit_are_refused() {
    let mut swarm = swarm();
    let listener = swarm.listen(address("/ip4/1.2.3.4/tcp/0"), NOW);
    swarm.handle_input(SwarmInput::Listening { listener, address: address("/ip4/1.2.3.4/tcp/7") }, NOW);
    drain(&mut swarm);
    let mut incoming = |listener| {
        let connection = swarm.next_connection_id();
        let remote_address = address("/ip4/5.6.7.8/tcp/9");
        swarm.handle_input(SwarmInput::Incoming { connection, listener, remote_address }, NOW);
        (connection, drain(&mut swarm))
    };
    let (connection, outputs) = incoming(ListenerId(99));
    assert_eq!(outputs, [SwarmOutput::Refuse { connection }], "no such listener");
    let (first, outputs) = incoming(listener);
    assert_eq!(outputs, [SwarmOutput::Connection { connection: first }]);
    let (connection, outputs) = incoming(listener);
    let error = ConnectionLimit::PendingInbound(1).into();
    let failed =
        SwarmEvent::IncomingFailed { connection, remote_address: address("/ip4/5.6.7.8/tcp/9"), error };
    let refused = [SwarmOutput::Refuse { connection }, SwarmOutput::Event(failed)];
    assert_eq!(outputs, refused, "one is not authenticated yet");
    say(&mut swarm, first, ConnectionMessage::Closed(ConnectionError::HandshakeTimeout));
    assert_eq!((swarm.connection_count(), swarm.usage()), (0, Usage::default()));
}

#[test]
fn a_refused_message_comes_back_until_the_stream_is_writable() {
    let (mut swarm, connection) = connected();
    let stream = open(&mut swarm, connection, 0);
    let message = Bytes::from(vec![1; 40_000]);
    let send = SwarmInput::Command(ToSwarm::Send { stream, message: message.clone() });
    swarm.handle_input(send.clone(), NOW);
    assert!(matches!(drain(&mut swarm)[..], [SwarmOutput::ToConnection { .. }]));
    let blocked = SwarmOutput::Protocol(FromSwarm::Blocked { stream, message });
    swarm.handle_input(send.clone(), NOW);
    assert_eq!(drain(&mut swarm), [blocked]);
    swarm.handle_input(SwarmInput::Command(ToSwarm::Close { stream }), NOW);
    assert_eq!(drain(&mut swarm), [], "a close behind a refused message counts for nothing");
    say(&mut swarm, connection, ConnectionMessage::Sent { stream: stream.stream, bytes: 40_003 });
    assert_eq!(drain(&mut swarm), [SwarmOutput::Protocol(FromSwarm::Writable { stream })]);
    swarm.handle_input(send, NOW);
    assert!(matches!(drain(&mut swarm)[..], [SwarmOutput::ToConnection { .. }]));
}

#[test]
fn a_dying_connection_answers_every_request() {
    let (mut swarm, connection) = connected();
    let stream = open(&mut swarm, connection, 0);
    let request = RequestId(5);
    let protocols: SmallVec<[ProtocolId; 1]> = smallvec![TEST];
    for target in [Target::Connection(connection), Target::Peer(other_peer())] {
        swarm.handle_input(SwarmInput::OpenStream { request, target, protocols: protocols.clone() }, NOW);
    }
    let refused = StreamError::Invalid("the request id is waiting for its answer already");
    assert!(
        drain(&mut swarm).contains(&SwarmOutput::Event(SwarmEvent::StreamFailed { request, error: refused }))
    );

    let cause = StreamCloseCause::ConnectionClosed;
    say(
        &mut swarm,
        connection,
        ConnectionMessage::StreamClosed { stream: stream.stream, cause: cause.clone() },
    );
    say(&mut swarm, connection, ConnectionMessage::Closed(ConnectionError::Broken));
    let peer = other_peer();
    let error = StreamError::ConnectionClosed;
    assert_eq!(
        drain(&mut swarm),
        [
            SwarmOutput::Protocol(FromSwarm::StreamClosed { stream, cause }),
            SwarmOutput::Event(SwarmEvent::StreamFailed { request, error }),
            SwarmOutput::Event(SwarmEvent::Disconnected {
                connection,
                peer,
                reason: ConnectionError::Broken
            }),
            SwarmOutput::Protocol(FromSwarm::Disconnected { connection, peer }),
        ]
    );
    assert!(swarm.opens.is_empty() && swarm.requests.is_empty() && swarm.peers.is_empty());
    let target = Target::Peer(peer);
    swarm.handle_input(SwarmInput::OpenStream { request, target, protocols }, NOW);
    let error = StreamError::NotConnected;
    assert_eq!(drain(&mut swarm), [SwarmOutput::Event(SwarmEvent::StreamFailed { request, error })]);
}

#[test]
fn shutdown_ends_everything_and_says_so_last() {
    let (mut swarm, connection) = connected();
    let dial = swarm.dial(address("/ip4/1.2.3.4/tcp/6"), NOW);
    swarm.listen(address("/ip4/1.2.3.4/tcp/0"), NOW);
    drain(&mut swarm);
    swarm.handle_input(SwarmInput::Shutdown, NOW);
    let outputs = drain(&mut swarm);
    let failed = SwarmEvent::DialFailed { dial, error: DialError::ShuttingDown };
    assert!(outputs.contains(&SwarmOutput::Event(failed)));
    assert!(!outputs.contains(&SwarmOutput::Event(SwarmEvent::ShutDown)));
    say(&mut swarm, connection, ConnectionMessage::Closed(ConnectionError::ClosedHere));
    assert_eq!(drain(&mut swarm).last(), Some(&SwarmOutput::Event(SwarmEvent::ShutDown)));
    let dial = swarm.dial(address("/ip4/1.2.3.4/tcp/6"), NOW);
    let error = DialError::ShuttingDown;
    assert_eq!(drain(&mut swarm), [SwarmOutput::Event(SwarmEvent::DialFailed { dial, error })]);
}

#[test]
fn only_its_owner_moves_a_stream() {
    let (mut swarm, connection) = connected();
    let stream = open(&mut swarm, connection, 0);
    swarm.handle_input(SwarmInput::Command(ToSwarm::IntoRaw { stream }), NOW);
    let peer = other_peer();
    let opened = SwarmOutput::Event(SwarmEvent::StreamOpened { stream, peer, protocol: TEST, request: None });
    assert!(!drain(&mut swarm).contains(&opened), "the connection has not handed it over yet");
    say(&mut swarm, connection, ConnectionMessage::Raw { stream: stream.stream });
    assert_eq!(drain(&mut swarm), [opened]);
    swarm.handle_input(SwarmInput::Command(ToSwarm::Reset { stream }), NOW);
    assert_eq!(drain(&mut swarm), [], "the stream is the application's now");
    let role = Role::Dialer;
    assert_eq!(swarm.connections[&connection].role, role);
}

#[test]
fn a_dial_can_be_cancelled_until_it_is_open() {
    let mut swarm = swarm();
    let cancelled = |dial| vec![SwarmEvent::DialFailed { dial, error: DialError::Cancelled }];
    let (first, second) = (ConnectionId(0), ConnectionId(1));
    let dial = swarm.dial(address("/ip4/1.2.3.4/tcp/5"), NOW);
    drain(&mut swarm);
    swarm.handle_input(SwarmInput::CancelDial { dial }, NOW);
    let outputs = drain(&mut swarm);
    assert!(outputs.contains(&SwarmOutput::CancelDial { connection: first }));
    assert_eq!(outcomes(&outputs), cancelled(dial));

    let remote_address = address("/ip4/1.2.3.4/tcp/5");
    let dial = swarm.dial(remote_address.clone(), NOW);
    swarm.handle_input(SwarmInput::Dialed { connection: second, remote_address }, NOW);
    drain(&mut swarm);
    swarm.handle_input(SwarmInput::CancelDial { dial }, NOW);
    let message = ToConnection(NodeMessage::Shutdown(ConnectionError::ClosedHere));
    let outputs = drain(&mut swarm);
    assert!(outputs.contains(&SwarmOutput::ToConnection { connection: second, message }));
    assert_eq!(outcomes(&outputs), cancelled(dial));
    assert_eq!(swarm.usage().pending.total(), 1, "it counts until it is gone");
    // It opened at the same time.
    let public_key = Keypair::generate_ed25519(&mut Seed::reproducible(9)).public().clone();
    let established = Established { peer: other_peer(), public_key, security: None, muxer: None };
    say(&mut swarm, second, ConnectionMessage::Established(Box::new(established)));
    say(&mut swarm, second, ConnectionMessage::Closed(ConnectionError::ClosedHere));
    assert_eq!(drain(&mut swarm), []);
    swarm.handle_input(SwarmInput::CancelDial { dial }, NOW);
    assert_eq!((drain(&mut swarm), swarm.usage()), (Vec::new(), Usage::default()));
}

#[test]
fn a_connection_stays_as_long_as_somebody_wishes_it() {
    let (mut swarm, connection) = connected();
    let told = |kept| {
        let message = ToConnection(NodeMessage::KeepAlive(kept));
        SwarmOutput::ToConnection { connection, message }
    };
    let user = |wanted| SwarmInput::KeepAlive { connection, wanted };
    let protocol = |wanted| SwarmInput::Command(ToSwarm::KeepAlive { connection, wanted });
    let steps = [
        (user(false), None),
        (user(true), Some(true)),
        (user(true), None),
        (protocol(true), None),
        (user(false), None),
        (protocol(false), Some(false)),
        (protocol(true), Some(true)),
    ];
    for (number, (input, expected)) in steps.into_iter().enumerate() {
        swarm.handle_input(input, NOW);
        assert_eq!(drain(&mut swarm), Vec::from_iter(expected.map(told)), "step {number}");
    }
    say(&mut swarm, connection, ConnectionMessage::Closed(ConnectionError::Broken));
    assert!(swarm.kept.is_empty(), "the wish ends with the connection");
}

/// Where remotes can reach us, as protocols are told.
#[test]
fn an_inbound_connection_has_the_first_address_of_its_listener() {
    let mut swarm = swarm_with(Limits::default());
    let listener = swarm.listen(address("/ip4/0.0.0.0/tcp/0"), NOW);
    for text in ["/ip4/10.0.0.1/tcp/4001", "/ip4/10.0.0.2/tcp/4001"] {
        swarm.handle_input(SwarmInput::Listening { listener, address: address(text) }, NOW);
    }
    let mut local_address = |stopped: bool| {
        let connection = swarm.next_connection_id();
        let remote_address = address("/ip4/5.6.7.8/tcp/9");
        swarm.handle_input(SwarmInput::Incoming { connection, listener, remote_address }, NOW);
        if stopped {
            swarm.handle_input(SwarmInput::StopListening { listener }, NOW);
        }
        let public_key = Keypair::generate_ed25519(&mut Seed::reproducible(9)).public().clone();
        let established = Established { peer: other_peer(), public_key, security: None, muxer: None };
        say(&mut swarm, connection, ConnectionMessage::Established(Box::new(established)));
        drain(&mut swarm).into_iter().find_map(|output| match output {
            SwarmOutput::Protocol(FromSwarm::Connected { local_address, .. }) => Some(local_address),
            _ => None,
        })
    };
    assert_eq!(local_address(false), Some(Some(address("/ip4/10.0.0.1/tcp/4001"))));
    assert_eq!(local_address(true), Some(None), "the listener is gone");
}

#[test]
fn the_best_connection_is_direct_then_busy_then_old() {
    let mut swarm = swarm();
    let direct = "/ip4/1.2.3.4/tcp/5";
    let relayed = format!("/ip4/1.2.3.4/tcp/6/p2p/{}/p2p-circuit", other_peer());
    let ids = [&relayed, &relayed, direct, direct].map(|to| {
        swarm.config.limits.max_connections += 1;
        let connection = ConnectionId(swarm.ids.connection);
        swarm.dial(address(to), NOW);
        swarm.handle_input(SwarmInput::Dialed { connection, remote_address: address(to) }, NOW);
        let public_key = Keypair::generate_ed25519(&mut Seed::reproducible(9)).public().clone();
        let established = Established { peer: other_peer(), public_key, security: None, muxer: None };
        say(&mut swarm, connection, ConnectionMessage::Established(Box::new(established)));
        connection
    });
    drain(&mut swarm);
    let best = |swarm: &Swarm<Puppet>| swarm.best_connection(other_peer());
    assert_eq!(best(&swarm), Some(ids[2]), "direct, and older");
    open(&mut swarm, ids[1], 0);
    assert_eq!(best(&swarm), Some(ids[2]), "relayed streams count for less");
    open(&mut swarm, ids[3], 0);
    assert_eq!(best(&swarm), Some(ids[3]), "more streams");
    let (request, target) = (RequestId(1), Target::Connection(ids[2]));
    for request in [request, RequestId(2)] {
        swarm.handle_input(SwarmInput::OpenStream { request, target, protocols: smallvec![TEST] }, NOW);
    }
    assert_eq!(best(&swarm), Some(ids[2]), "those on the way count");
    swarm.handle_input(SwarmInput::Disconnect { connection: ids[2] }, NOW);
    assert_eq!(best(&swarm), Some(ids[3]), "one that is about to close is the last choice");
    for gone in [ids[2], ids[3]] {
        let (stream, cause) = (StreamId(0), StreamCloseCause::ConnectionClosed);
        say(&mut swarm, gone, ConnectionMessage::StreamClosed { stream, cause });
        say(&mut swarm, gone, ConnectionMessage::Closed(ConnectionError::Broken));
    }
    assert_eq!(best(&swarm), Some(ids[1]), "relayed is better than none; it has a stream");
}
