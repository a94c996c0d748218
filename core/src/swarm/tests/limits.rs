//! Limits: each alone, and all of them while random peers do random things.

use super::*;
use crate::swarm::connections::State;

type Outputs = Vec<SwarmOutput<FromSwarm<ToSwarm<()>>>>;

/// The peer whose key is drawn from the seed `number`.
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

fn incoming(swarm: &mut Swarm<Puppet>, listener: ListenerId) -> ConnectionId {
    let connection = swarm.next_connection_id();
    let remote_address = address("/ip4/5.6.7.8/tcp/9");
    swarm.handle_input(SwarmInput::Incoming { connection, listener, remote_address }, NOW);
    connection
}

/// The reason for which the first refused dial or remote was refused.
fn refusal(outputs: &Outputs) -> Option<ConnectionLimit> {
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
    next: u64,
}

impl Crowd {
    fn new(number: u64) -> Self {
        let mut swarm = swarm_with(TIGHT);
        let listener = listening(&mut swarm);
        Self {
            swarm,
            listener,
            draw: Seed::reproducible(number),
            dialing: Vec::new(),
            played: BTreeMap::new(),
            dials: BTreeSet::new(),
            requests: BTreeSet::new(),
            next: 0,
        }
    }

    fn pick<T: Copy>(draw: &mut Seed, from: &[T]) -> Option<T> {
        from.get(draw.below(from.len().max(1) as u64) as usize).copied()
    }

    fn step(&mut self) {
        self.next += 1;
        let ids: Vec<ConnectionId> = self.played.keys().copied().collect();
        match (self.draw.below(16), Self::pick(&mut self.draw, &ids)) {
            (0..2, _) => {
                let dial = self.swarm.dial(address("/ip4/1.2.3.4/tcp/5"), NOW);
                self.dials.insert(dial);
                self.hear();
            }
            (2, _) => {
                incoming(&mut self.swarm, self.listener);
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
            (_, Some(id)) => self.play(id),
            _ => {}
        }
        self.hear();
        self.check();
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
                        NodeMessage::Shutdown(reason) => played.closing = Some(reason),
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
                    assert!(self.dials.remove(&dial), "one outcome for {dial:?}")
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
        for ids in swarm.peers.values() {
            let count: Count = ids.iter().map(|id| swarm.streams_on(*id)).sum();
            assert!(ids.len() <= TIGHT.max_connections_per_peer);
            assert!(count.inbound() <= TIGHT.max_inbound_streams_per_peer);
            assert!(count.outbound() <= TIGHT.max_outbound_streams_per_peer);
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
        assert_eq!((self.dials, self.requests), (BTreeSet::new(), BTreeSet::new()));
        assert!(self.swarm.opens.is_empty() && self.swarm.requests.is_empty() && self.swarm.peers.is_empty());
    }
}

#[test]
fn random_peers_never_exceed_a_limit() {
    let mut reached = Vec::new();
    for number in 0..30 {
        let mut crowd = Crowd::new(number);
        for _ in 0..400 {
            crowd.step();
            reached.push(crowd.swarm.usage());
        }
        crowd.end();
    }
    let most = |count: fn(&Usage) -> usize| reached.iter().map(count).max();
    assert_eq!(most(|it| it.connections.total()), Some(TIGHT.max_connections), "the limits were reached");
    assert_eq!(most(|it| it.pending.outbound()), Some(TIGHT.max_pending_outbound));
    assert_eq!(most(|it| it.streams.inbound()), Some(TIGHT.max_inbound_streams));
    assert_eq!(most(|it| it.streams.outbound()), Some(TIGHT.max_outbound_streams));
}
