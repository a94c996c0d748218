//! Limits: each alone, and all of them while random peers do random things.

use super::*;
use crate::swarm::connections::State;
use crate::swarm::ranges::{Host, Ranges};

pub(super) type Outputs = Vec<SwarmOutput<FromSwarm<ToSwarm<()>>>>;

fn incoming(swarm: &mut Swarm<Puppet>, listener: ListenerId) -> ConnectionId {
    incoming_from(swarm, listener, [5, 6, 7, 8].into(), NOW)
}

/// The reason for which the first refused dial or remote was refused.
pub(super) fn refusal(outputs: &Outputs) -> Option<ConnectionLimit> {
    outputs.iter().find_map(|output| match output {
        SwarmOutput::Event(SwarmEvent::DialFailed { error, .. }) => match error.failures() {
            [(_, AttemptError::Limit(limit))] => Some(*limit),
            _ => None,
        },
        SwarmOutput::Event(SwarmEvent::IncomingFailed { error: ConnectionError::Limit(limit), .. }) => {
            Some(*limit)
        }
        _ => None,
    })
}

#[test]
fn the_connection_after_the_last_allowed_one_is_refused_with_its_limit() {
    let all = Limits::default();
    let cases = [
        (Limits { max_connections: 2, ..all }, [Some(ConnectionLimit::Total(2)); 2]),
        (Limits { max_inbound_connections: 2, ..all }, [Some(ConnectionLimit::Inbound(2)), None]),
        (Limits { max_outbound_connections: 2, ..all }, [None, Some(ConnectionLimit::Outbound(2))]),
        (Limits { max_pending_inbound: 2, ..all }, [Some(ConnectionLimit::PendingInbound(2)), None]),
        (Limits { max_pending_outbound: 2, ..all }, [None, Some(ConnectionLimit::PendingOutbound(2))]),
    ];
    for (limits, [inbound, outbound]) in cases {
        let mut swarm = swarm_with(limits);
        let listener = listening(&mut swarm);
        for _ in 0..2 {
            incoming(&mut swarm, listener);
        }
        assert_eq!(refusal(&drain(&mut swarm)), None);
        incoming(&mut swarm, listener);
        assert_eq!(refusal(&drain(&mut swarm)), inbound, "{limits:?}");

        let mut swarm = swarm_with(limits);
        for _ in 0..2 {
            swarm.dial(address("/ip4/1.2.3.4/tcp/5"), NOW);
        }
        assert_eq!(refusal(&drain(&mut swarm)), None);
        swarm.dial(address("/ip4/1.2.3.4/tcp/5"), NOW);
        assert_eq!(refusal(&drain(&mut swarm)), outbound, "{limits:?}");
    }
}

#[test]
fn what_the_dialer_has_given_up_is_pending_until_it_is_gone() {
    assert!(DialerConfig::default().max_descriptors < Limits::default().max_pending_outbound);
    let mut swarm = swarm_with(Limits { max_pending_outbound: 1, ..Limits::default() });
    let remote_address = address("/ip4/1.2.3.4/tcp/5");
    let given_up = swarm.dial(remote_address.clone(), NOW);
    let connection = ConnectionId(0);
    swarm.handle_input(SwarmInput::Dialed { connection, remote_address: remote_address.clone() }, NOW);
    swarm.handle_input(SwarmInput::CancelDial { dial: given_up }, NOW);
    drain(&mut swarm);
    swarm.dial(remote_address.clone(), NOW);
    assert_eq!(refusal(&drain(&mut swarm)), Some(ConnectionLimit::PendingOutbound(1)));
    say(&mut swarm, connection, ConnectionMessage::Closed(ConnectionError::ClosedHere));
    // Nothing is held against the address.
    swarm.dial(remote_address, NOW);
    assert_eq!(refusal(&drain(&mut swarm)), None);
    assert_eq!(swarm.usage().pending.outbound(), 1);
}

#[test]
fn an_open_connection_is_no_longer_pending() {
    let mut swarm = swarm_with(Limits { max_pending_inbound: 1, ..Limits::default() });
    let listener = listening(&mut swarm);
    for number in 0..3 {
        let connection = incoming(&mut swarm, listener);
        assert_eq!(refusal(&drain(&mut swarm)), None);
        say(&mut swarm, connection, established(number));
    }
    assert_eq!((swarm.usage().pending.inbound(), swarm.usage().connections.inbound()), (0, 3));
}

#[test]
fn one_connection_too_many_to_a_peer_is_closed_with_the_reason() {
    let mut swarm = swarm_with(Limits { max_connections_per_peer: 1, ..Limits::default() });
    let listener = listening(&mut swarm);
    let first = incoming(&mut swarm, listener);
    say(&mut swarm, first, established(9));
    let remote_address = address("/ip4/1.2.3.4/tcp/5");
    let dial = swarm.dial(remote_address.clone(), NOW);
    let second = ConnectionId(1);
    swarm.handle_input(SwarmInput::Dialed { connection: second, remote_address }, NOW);
    drain(&mut swarm);
    say(&mut swarm, second, established(9));
    let reason = ConnectionError::Limit(ConnectionLimit::PerPeer(1));
    let message = ToConnection(NodeMessage::Shutdown(reason.clone()));
    assert_eq!(drain(&mut swarm), [SwarmOutput::ToConnection { connection: second, message }]);
    assert_eq!((reason.blame(), swarm.peers().count()), (crate::machine::Blame::Limit, 1));
    // What the remote opens on it meanwhile is nobody's.
    open(&mut swarm, second, 0);
    say(&mut swarm, second, ConnectionMessage::Closed(reason));
    let limit = AttemptError::Limit(ConnectionLimit::PerPeer(1));
    assert_eq!(outcomes(&drain(&mut swarm)), [failed(dial, "/ip4/1.2.3.4/tcp/5", limit)]);
    assert_eq!(swarm.best_connection(peer(9)), Some(first));
}

#[test]
fn the_stream_after_the_last_allowed_one_is_reset_or_refused() {
    let all = Limits::default();
    let cases = [
        (Limits { max_inbound_streams: 1, ..all }, true),
        (Limits { max_inbound_streams_per_peer: 1, ..all }, true),
        (Limits { max_inbound_streams_per_connection: 1, ..all }, true),
        (Limits { max_outbound_streams: 1, ..all }, false),
        (Limits { max_outbound_streams_per_peer: 1, ..all }, false),
        (Limits { max_outbound_streams_per_connection: 1, ..all }, false),
    ];
    for (limits, is_inbound) in cases {
        let (mut swarm, connection) = connected_with(limits);
        let reset = |number| {
            let message = ToConnection(NodeMessage::Reset { stream: StreamId(number) });
            SwarmOutput::ToConnection { connection, message }
        };
        let ask = |swarm: &mut Swarm<Puppet>, number| {
            let request = RequestId(number);
            let target = Target::Connection(connection);
            swarm.handle_input(SwarmInput::OpenStream { request, target, protocols: smallvec![TEST] }, NOW);
            let error = StreamError::Limit;
            drain(swarm).contains(&SwarmOutput::Event(SwarmEvent::StreamFailed { request, error }))
        };
        let opened = |swarm: &mut Swarm<Puppet>, number| {
            let (stream, protocol) = (StreamId(number), TEST);
            let opened = ConnectionMessage::StreamOpened { stream, protocol, options: options(), open: None };
            say(swarm, connection, opened);
            drain(swarm).contains(&reset(number))
        };
        assert_eq!([opened(&mut swarm, 0), opened(&mut swarm, 1)], [false, is_inbound], "{limits:?}");
        assert_eq!([ask(&mut swarm, 0), ask(&mut swarm, 1)], [false, !is_inbound], "{limits:?}");
        // What ends makes room.
        let (stream, cause) = (StreamId(0), StreamCloseCause::Ended);
        say(&mut swarm, connection, ConnectionMessage::StreamClosed { stream, cause });
        let (open, error) = (OpenId(0), StreamError::Refused);
        say(&mut swarm, connection, ConnectionMessage::OpenFailed { open, error });
        drain(&mut swarm);
        assert_eq!([opened(&mut swarm, 2), ask(&mut swarm, 2)], [false; 2], "{limits:?}");
    }
}

const PEERS: u64 = 3;

const TIGHT: Limits = Limits {
    max_connections: 9,
    max_inbound_connections: 6,
    max_outbound_connections: 6,
    max_connections_per_peer: 3,
    max_pending_inbound: 2,
    max_pending_outbound: 3,
    narrow_range: RangeLimits {
        max_inbound_connections: 4,
        max_pending_inbound: 2,
        ..RangeLimits::UNLIMITED
    },
    wide_range: RangeLimits::UNLIMITED,
    max_inbound_streams: 12,
    max_outbound_streams: 10,
    max_inbound_streams_per_peer: 7,
    max_outbound_streams_per_peer: 6,
    max_inbound_streams_per_connection: 4,
    max_outbound_streams_per_connection: 3,
};

/// A connection as the driver has it: what it has yet to answer, and its streams.
#[derive(Default)]
struct Played {
    opens: Vec<OpenId>,
    streams: Vec<StreamId>,
    closing: Option<ConnectionError>,
    next: u64,
}

/// A swarm, everything around it, and what was commanded and has no outcome yet.
struct Crowd {
    swarm: Swarm<Puppet>,
    listener: ListenerId,
    draw: Seed,
    dialing: Vec<ConnectionId>,
    played: BTreeMap<ConnectionId, Played>,
    dials: BTreeSet<DialId>,
    requests: BTreeSet<RequestId>,
    /// How many connections were closed to make room.
    made_room: usize,
    next: u64,
}

impl Crowd {
    fn new(number: u64) -> Self {
        let watermarks = Some(Watermarks { grace: Duration::ZERO, ..Watermarks::new(5, 3) });
        // Time goes fast here, and what is dialled has to come up.
        let (attempt_timeout, dial_timeout) = (Duration::from_secs(3_600), Duration::from_secs(3_600));
        let dialer = DialerConfig { attempt_timeout, dial_timeout, ..DialerConfig::default() };
        let config = SwarmConfig { limits: TIGHT, watermarks, dialer, ..SwarmConfig::default() };
        let mut swarm = swarm_of(config);
        let listener = listening(&mut swarm);
        Self {
            swarm,
            listener,
            draw: Seed::reproducible(number),
            dialing: Vec::new(),
            played: BTreeMap::new(),
            dials: BTreeSet::new(),
            requests: BTreeSet::new(),
            made_room: 0,
            next: 0,
        }
    }

    fn pick<T: Copy>(draw: &mut Seed, from: &[T]) -> Option<T> {
        from.get(draw.below(from.len().max(1) as u64) as usize).copied()
    }

    fn step(&mut self) {
        self.next += 1;
        let ids: Vec<ConnectionId> = self.played.keys().copied().collect();
        match (self.draw.below(18), Self::pick(&mut self.draw, &ids)) {
            (0..2, _) => {
                let dial = self.swarm.dial(address("/ip4/1.2.3.4/tcp/5"), NOW);
                self.dials.insert(dial);
                self.hear();
            }
            (2, _) => {
                let from = [5, 6, 7, self.draw.below(3) as u8];
                incoming_from(&mut self.swarm, self.listener, from.into(), NOW);
            }
            (3..5, _) => self.answer_dial(),
            (5..9, Some(id)) => {
                let target = match self.draw.below(2) {
                    0 => Target::Connection(id),
                    _ => Target::Peer(peer(self.draw.below(PEERS))),
                };
                let request = RequestId(self.next);
                self.requests.insert(request);
                let input = SwarmInput::OpenStream { request, target, protocols: smallvec![TEST] };
                self.swarm.handle_input(input, NOW);
            }
            (9, Some(connection)) => self.swarm.handle_input(SwarmInput::Disconnect { connection }, NOW),
            (10, _) => {
                let dial = DialId(self.draw.below(self.swarm.ids.dial + 1));
                self.swarm.handle_input(SwarmInput::CancelDial { dial }, NOW);
            }
            (11, _) => self.manage(),
            (12, Some(connection)) => {
                let wanted = self.draw.below(2) == 0;
                self.swarm.handle_input(SwarmInput::KeepAlive { connection, wanted }, NOW);
            }
            (_, Some(id)) => self.play(id),
            _ => {}
        }
        self.swarm.handle_timeout(NOW + Duration::from_secs(self.next));
        self.hear();
        self.check();
    }

    /// The user changes who may be connected, and what they are worth.
    fn manage(&mut self) {
        let who = peer(self.draw.below(PEERS));
        let name = "x".to_owned();
        let range = PeerOrRange::from(IpAddr::from([5, 6, 7, 2]));
        // What is forbidden is soon allowed again, or nothing would happen any more.
        let input = match self.draw.below(16) {
            0 => SwarmInput::Access(AccessChange::Block(range)),
            1 => SwarmInput::Access(AccessChange::Allow(who.into())),
            2..4 => SwarmInput::Access(AccessChange::Unblock(range)),
            4..8 => SwarmInput::Access(AccessChange::Disallow(who.into())),
            8..12 => SwarmInput::Standing(StandingChange::Protect { peer: who, name }),
            _ => SwarmInput::Standing(StandingChange::Unprotect { peer: who, name }),
        };
        self.swarm.handle_input(input, NOW);
    }

    fn answer_dial(&mut self) {
        let Some(connection) = self.dialing.pop() else { return };
        let input = match self.draw.below(4) {
            0 => SwarmInput::DialFailed { connection, error: TransportError::Refused },
            _ => SwarmInput::Dialed { connection, remote_address: address("/ip4/1.2.3.4/tcp/5") },
        };
        self.swarm.handle_input(input, NOW);
    }

    /// A connection does something.
    fn play(&mut self, id: ConnectionId) {
        let is_open = !self.swarm.record(id).is_none_or(Record::is_pending);
        let who = self.draw.below(PEERS);
        let Some(played) = self.played.get_mut(&id) else { return };
        if let Some(reason) = played.closing.take() {
            return self.close(id, reason);
        }
        match self.draw.below(12) {
            _ if !is_open => say(&mut self.swarm, id, established(who)),
            0 => self.close(id, ConnectionError::Broken),
            1..4 if !played.opens.is_empty() => {
                let (open, error) = (played.opens.remove(0), StreamError::Refused);
                say(&mut self.swarm, id, ConnectionMessage::OpenFailed { open, error });
            }
            4..6 if !played.streams.is_empty() => {
                let (stream, cause) = (played.streams.remove(0), StreamCloseCause::Ended);
                say(&mut self.swarm, id, ConnectionMessage::StreamClosed { stream, cause });
            }
            chance => {
                played.next += 1;
                let stream = StreamId(played.next);
                let open = if chance % 2 == 0 { played.opens.pop() } else { None };
                played.streams.push(stream);
                let opened =
                    ConnectionMessage::StreamOpened { stream, protocol: TEST, options: options(), open };
                say(&mut self.swarm, id, opened);
            }
        }
    }

    fn close(&mut self, id: ConnectionId, reason: ConnectionError) {
        let Some(played) = self.played.remove(&id) else { return };
        for stream in played.streams {
            let cause = StreamCloseCause::ConnectionClosed;
            say(&mut self.swarm, id, ConnectionMessage::StreamClosed { stream, cause });
        }
        say(&mut self.swarm, id, ConnectionMessage::Closed(reason));
    }

    fn hear(&mut self) {
        for output in drain(&mut self.swarm) {
            match output {
                SwarmOutput::Dial { connection, .. } => self.dialing.push(connection),
                SwarmOutput::CancelDial { connection } => self.dialing.retain(|id| *id != connection),
                SwarmOutput::Connection { connection } => {
                    self.played.insert(connection, Played::default());
                }
                SwarmOutput::ToConnection { connection, message: ToConnection(message) } => {
                    let Some(played) = self.played.get_mut(&connection) else { continue };
                    match message {
                        NodeMessage::Open { open, .. } => played.opens.push(open),
                        NodeMessage::Shutdown(reason) => {
                            let is_room = ConnectionLimit::HighWatermark(5).into();
                            self.made_room += usize::from(reason == is_room);
                            played.closing = Some(reason);
                        }
                        NodeMessage::Reset { stream } => {
                            played.streams.retain(|id| *id != stream);
                            let cause = StreamCloseCause::ResetHere;
                            say(
                                &mut self.swarm,
                                connection,
                                ConnectionMessage::StreamClosed { stream, cause },
                            );
                        }
                        _ => {}
                    }
                }
                SwarmOutput::Event(SwarmEvent::Dialed { dial, .. } | SwarmEvent::DialFailed { dial, .. }) => {
                    assert!(self.dials.remove(&dial), "one outcome for {dial:?}");
                }
                SwarmOutput::Event(
                    SwarmEvent::StreamOpened { request: Some(request), .. }
                    | SwarmEvent::StreamFailed { request, .. },
                ) => assert!(self.requests.remove(&request), "one outcome for {request:?}"),
                _ => {}
            }
        }
    }

    /// Counts everything again, and compares it with the limits.
    fn check(&self) {
        let swarm = &self.swarm;
        let Usage { connections, pending, streams } = swarm.usage();
        let count =
            |wanted: &dyn Fn(&Record) -> bool| swarm.connections.values().filter(|it| wanted(it)).count();
        assert_eq!(connections.total(), count(&|_| true));
        assert_eq!(pending.total(), count(&|it| it.is_pending()));
        assert_eq!(connections.inbound(), count(&|it| it.role == Role::Listener));
        assert_eq!(pending.inbound(), count(&|it| it.role == Role::Listener && it.is_pending()));
        assert!(connections.total() <= TIGHT.max_connections);
        assert!(connections.inbound() <= TIGHT.max_inbound_connections);
        assert!(connections.outbound() <= TIGHT.max_outbound_connections);
        assert!(pending.inbound() <= TIGHT.max_pending_inbound);
        assert!(pending.outbound() <= TIGHT.max_pending_outbound);
        assert!(streams.inbound() <= TIGHT.max_inbound_streams);
        assert!(streams.outbound() <= TIGHT.max_outbound_streams);
        let all: Count = swarm.connections.keys().map(|id| swarm.streams_on(*id)).sum();
        assert_eq!(all, streams);
        for (&id, record) in &swarm.connections {
            let count = swarm.streams_on(id);
            assert!(count.inbound() <= TIGHT.max_inbound_streams_per_connection);
            assert!(count.outbound() <= TIGHT.max_outbound_streams_per_connection);
            if let State::Open { streams, .. } = &record.state {
                let opens = swarm.opens.keys().filter(|(connection, _)| *connection == id).count();
                assert_eq!(count.total(), streams.len() + opens);
            }
        }
        self.check_ranges();
        self.check_needs();
        for ids in swarm.peers.values() {
            let count: Count = ids.iter().map(|id| swarm.streams_on(*id)).sum();
            assert!(ids.len() <= TIGHT.max_connections_per_peer);
            assert!(count.inbound() <= TIGHT.max_inbound_streams_per_peer);
            assert!(count.outbound() <= TIGHT.max_outbound_streams_per_peer);
        }
    }

    /// Counts again what each range has.
    fn check_ranges(&self) {
        let mut again = Ranges::default();
        for record in self.swarm.connections.values() {
            let Some(host) = Host::of(&record.remote_address) else { continue };
            let direction = record.direction();
            again.add(host, direction, &TIGHT);
            if !record.is_pending() {
                again.opened(host, direction, &TIGHT);
            }
        }
        assert_eq!(self.swarm.ranges.counts(), again.counts());
        for host in again.counts().0.keys() {
            let of_it = self.swarm.connections.values().filter(|record| {
                record.role == Role::Listener && Host::of(&record.remote_address) == Some(*host)
            });
            let (all, pending) = (of_it.clone().count(), of_it.filter(|it| it.is_pending()).count());
            assert!(all <= TIGHT.narrow_range.max_inbound_connections);
            assert!(pending <= TIGHT.narrow_range.max_pending_inbound);
        }
    }

    /// Counts again what keeps each connection open, as it is told.
    fn check_needs(&self) {
        for (&id, record) in &self.swarm.connections {
            let State::Open { needs, is_closing, streams, .. } = &record.state else { continue };
            let streams = streams.values().filter(|stream| stream.keep_alive).count();
            let all = (id, OpenId(u64::MIN))..=(id, OpenId(u64::MAX));
            let opens = self.swarm.opens.range(all).filter(|(_, open)| open.keep_alive).count();
            let wishes = usize::from(self.swarm.keepers(id).next().is_some());
            assert_eq!(*needs as usize, streams + opens + wishes);
            let told = self.swarm.why_alive(id, NOW).unwrap().state;
            let counted = |reasons: &[AliveBecause]| {
                let each = reasons.iter().map(|reason| match reason {
                    AliveBecause::Streams { count, .. } | AliveBecause::Opening { count, .. } => *count,
                    AliveBecause::UserWish | AliveBecause::ProtocolWish { .. } => 1,
                });
                each.sum::<usize>()
            };
            match told {
                Aliveness::Closing => assert!(is_closing),
                Aliveness::Idle { .. } => assert_eq!(*needs, 0),
                Aliveness::Needed(reasons) => assert_eq!(*needs as usize, counted(&reasons)),
                Aliveness::Opening => panic!("{id:?} is open"),
            }
        }
    }

    /// Closes everything; nothing may be left, not even a command without its outcome.
    fn end(mut self) {
        while let Some(connection) = self.dialing.pop() {
            let remote_address = address("/ip4/1.2.3.4/tcp/5");
            self.swarm.handle_input(SwarmInput::Dialed { connection, remote_address }, NOW);
            self.hear();
        }
        while let Some(&id) = self.played.keys().next() {
            self.close(id, ConnectionError::Broken);
            self.hear();
            self.check();
        }
        assert_eq!(self.swarm.usage(), Usage::default());
        assert_eq!(self.swarm.ranges.counts(), (&BTreeMap::new(), &BTreeMap::new()));
        assert_eq!((self.dials, self.requests), (BTreeSet::new(), BTreeSet::new()));
        assert!(self.swarm.opens.is_empty() && self.swarm.requests.is_empty() && self.swarm.peers.is_empty());
    }
}

#[test]
fn random_peers_never_exceed_a_limit() {
    let (mut reached, mut made_room) = (Vec::new(), 0);
    for number in 0..30 {
        let mut crowd = Crowd::new(number);
        for _ in 0..400 {
            crowd.step();
            reached.push(crowd.swarm.usage());
        }
        made_room += crowd.made_room;
        crowd.end();
    }
    assert!(made_room > 30, "the high watermark was reached {made_room} times");
    let most = |count: fn(&Usage) -> usize| reached.iter().map(count).max();
    assert_eq!(most(|it| it.connections.total()), Some(TIGHT.max_connections), "the limits were reached");
    assert_eq!(most(|it| it.pending.outbound()), Some(TIGHT.max_pending_outbound));
    assert_eq!(most(|it| it.streams.inbound()), Some(TIGHT.max_inbound_streams));
    assert_eq!(most(|it| it.streams.outbound()), Some(TIGHT.max_outbound_streams));
}
