//! Dials of mounted protocols.

use super::*;

const AT: &str = "/ip4/1.2.3.4/tcp/5";

type Outputs = Vec<SwarmOutput<FromSwarm<ToSwarm<()>>>>;

/// The puppet wants something.
fn puppet(swarm: &mut Swarm<Puppet>, output: ToSwarm<()>) -> Outputs {
    swarm.handle_input(SwarmInput::Command(output), NOW);
    drain(swarm)
}

fn dial(swarm: &mut Swarm<Puppet>, request: u64, target: impl Into<DialTarget>) -> Outputs {
    let (request, options) = (RequestId(request), DialOptions::default());
    puppet(swarm, ToSwarm::Dial { request, target: target.into(), options })
}

fn cancel(swarm: &mut Swarm<Puppet>, request: u64) -> Outputs {
    puppet(swarm, ToSwarm::CancelDial { request: RequestId(request) })
}

/// The outcomes that the puppet was told.
fn told(outputs: &Outputs) -> Vec<FromSwarm<ToSwarm<()>>> {
    let facts = outputs.iter().filter_map(|output| match output {
        SwarmOutput::Protocol(fact @ (FromSwarm::Dialed { .. } | FromSwarm::DialFailed { .. })) => {
            Some(fact.clone())
        }
        _ => None,
    });
    facts.collect()
}

fn failed(request: u64, error: DialError) -> FromSwarm<ToSwarm<()>> {
    FromSwarm::DialFailed { request: RequestId(request), error }
}

fn dialed(request: u64, connection: ConnectionId) -> FromSwarm<ToSwarm<()>> {
    FromSwarm::Dialed { request: RequestId(request), connection, peer: other_peer() }
}

fn open_now(swarm: &mut Swarm<Puppet>, connection: ConnectionId) -> Outputs {
    swarm.handle_input(SwarmInput::Dialed { connection, remote_address: address(AT) }, NOW);
    say(swarm, connection, established(9));
    drain(swarm)
}

#[test]
fn a_protocol_is_told_of_its_connection_after_the_connection_itself() {
    let mut swarm = swarm();
    let outputs = dial(&mut swarm, 7, address(AT));
    assert_eq!(told(&outputs), []);
    let connection = ConnectionId(0);
    let outputs = open_now(&mut swarm, connection);
    assert_eq!((told(&outputs), outcomes(&outputs)), (vec![dialed(7, connection)], vec![]));
    let is_news = |output: &SwarmOutput<_>| matches!(output, SwarmOutput::Protocol(_));
    let news: Vec<_> = outputs.iter().filter(|output| is_news(output)).collect();
    assert!(matches!(news[..], [SwarmOutput::Protocol(FromSwarm::Connected { .. }), _]), "{news:?}");
    // From now on the answer is the best connection, and the id is free.
    assert_eq!(told(&dial(&mut swarm, 7, other_peer())), [dialed(7, connection)]);
    assert_eq!(swarm.wishes.len(), 0);
}

#[test]
fn every_refusal_is_told_at_once() {
    let mut swarm = swarm_of(SwarmConfig {
        dialer: DialerConfig { max_dials: 1, ..DialerConfig::default() },
        ..SwarmConfig::default()
    });
    swarm.handle_input(SwarmInput::Access(AccessChange::Block(peer(3).into())), NOW);
    let own = swarm.local_peer();
    let blocked = AccessDenied::BlockedPeer;
    for (target, error) in [
        (own, DialError::SelfDial),
        (peer(3), DialError::Blocked(blocked)),
        (peer(4), DialError::NoAddresses),
    ] {
        assert_eq!(told(&dial(&mut swarm, 1, target)), [failed(1, error)]);
    }
    assert_eq!(told(&dial(&mut swarm, 1, address(AT))), []);
    assert_eq!(told(&dial(&mut swarm, 1, address(AT))), [failed(1, DialError::IdReused)], "it waits already");
    assert_eq!(told(&dial(&mut swarm, 2, address(AT))), [failed(2, DialError::TooMany(1))]);
    let refused = SwarmInput::DialFailed { connection: ConnectionId(0), error: TransportError::Refused };
    swarm.handle_input(refused, NOW);
    let causes = vec![(address(AT), AttemptError::Transport(TransportError::Refused))];
    assert_eq!(told(&drain(&mut swarm)), [failed(1, DialError::Failed(causes))]);
    assert_eq!(swarm.wishes.len(), 0);
}

#[test]
fn users_and_protocols_do_not_mind_each_others_ids() {
    let mut swarm = swarm();
    let target = address::with_peer_id(address(AT), &other_peer());
    let by_user = swarm.dial(target.clone(), NOW);
    drain(&mut swarm);
    assert_eq!(by_user, DialId(0));
    for request in [0, 5, 1] {
        assert_eq!(told(&dial(&mut swarm, request, target.clone())), [], "they share the dial");
    }
    assert_eq!(told(&cancel(&mut swarm, 5)), [failed(5, DialError::Cancelled)]);
    assert_eq!(cancel(&mut swarm, 5), [], "it was answered");
    swarm.handle_input(SwarmInput::CancelDial { dial: DialId(1) }, NOW);
    assert_eq!(drain(&mut swarm), [], "the user has no such dial");
    assert_eq!(swarm.dial(target, NOW), DialId(1), "the user's ids count up");

    let outputs = open_now(&mut swarm, ConnectionId(0));
    let connection = ConnectionId(0);
    assert_eq!(told(&outputs), [dialed(0, connection), dialed(1, connection)]);
    let by_user = [DialId(0), DialId(1)].map(|dial| SwarmEvent::Dialed { dial, connection });
    assert_eq!(outcomes(&outputs), by_user);
}

#[test]
fn an_id_that_was_blocked_is_used() {
    let mut swarm = swarm();
    let blocked = |swarm: &mut Swarm<Puppet>, change: AccessChange| {
        swarm.handle_input(SwarmInput::Access(change), NOW);
    };
    blocked(&mut swarm, AccessChange::Block(peer(3).into()));
    let dial = swarm.dial(peer(3), NOW);
    let again = SwarmInput::Dial { dial, target: peer(3).into(), options: DialOptions::default() };
    swarm.handle_input(again, NOW);
    let errors = [DialError::Blocked(AccessDenied::BlockedPeer), DialError::IdReused];
    let failures = errors.map(|error| SwarmEvent::DialFailed { dial, error });
    assert_eq!(outcomes(&drain(&mut swarm)), failures);
    // A protocol's id is free again after the answer, and not before.
    assert_eq!(told(&self::dial(&mut swarm, 1, address("/ip4/1.2.3.4/tcp/5"))), []);
    assert_eq!(told(&self::dial(&mut swarm, 1, peer(3))), [failed(1, DialError::IdReused)]);
    let denied = || failed(2, DialError::Blocked(AccessDenied::BlockedPeer));
    assert_eq!(told(&self::dial(&mut swarm, 2, peer(3))), [denied()]);
    assert_eq!(told(&self::dial(&mut swarm, 2, peer(3))), [denied()]);
}

#[test]
fn a_cancelled_dial_ends_what_nobody_else_wishes() {
    let mut swarm = swarm();
    dial(&mut swarm, 0, address(AT));
    let outputs = cancel(&mut swarm, 0);
    assert_eq!(told(&outputs), [failed(0, DialError::Cancelled)]);
    assert!(outputs.contains(&SwarmOutput::CancelDial { connection: ConnectionId(0) }));
    assert_eq!((swarm.wishes.len(), swarm.usage()), (0, Usage::default()));
}

#[test]
fn a_node_that_shuts_down_answers_its_protocols() {
    let (mut swarm, connection) = connected();
    dial(&mut swarm, 0, address("/ip4/1.2.3.4/tcp/6"));
    swarm.handle_input(SwarmInput::Shutdown, NOW);
    assert_eq!(told(&drain(&mut swarm)), [failed(0, DialError::ShuttingDown)]);
    let late = |swarm: &mut Swarm<Puppet>| {
        assert_eq!(told(&dial(swarm, 1, address(AT))), [failed(1, DialError::ShuttingDown)]);
    };
    late(&mut swarm);
    say(&mut swarm, connection, ConnectionMessage::Closed(ConnectionError::ClosedHere));
    assert_eq!(drain(&mut swarm).last(), Some(&SwarmOutput::Event(SwarmEvent::ShutDown)));
    late(&mut swarm);
    assert_eq!(swarm.wishes.len(), 0);
}
