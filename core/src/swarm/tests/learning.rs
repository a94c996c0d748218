//! What the peer book learns from the swarm, and what dials find in it.

use super::*;
use crate::peer_book::Origin;
use crate::protocols::identify::IdentifyInfo;
use crate::security::SecurityError;

const FIRST: &str = "/ip4/1.2.3.4/tcp/5";
const SECOND: &str = "/ip4/1.2.3.4/tcp/6";
const THIRD: &str = "/ip4/1.2.3.4/tcp/7";

/// The peer behind [`connected`] and [`established`].
const NUMBER: u64 = 9;

/// What a command to the puppet makes it say.
fn puppet(swarm: &mut Swarm<Puppet>, output: ToSwarm<()>) -> Vec<SwarmOutput<FromSwarm<ToSwarm<()>>>> {
    swarm.handle_input(SwarmInput::Command(output), NOW);
    drain(swarm)
}

fn info(addresses: &[&str]) -> Arc<IdentifyInfo> {
    let listen_addresses = addresses.iter().map(|text| address(text)).collect();
    Arc::new(IdentifyInfo { listen_addresses, ..IdentifyInfo::default() })
}

fn known(swarm: &Swarm<Puppet>) -> Vec<Multiaddr> {
    swarm.peer_book().addresses(peer(NUMBER), NOW)
}

fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
    texts.iter().map(|text| address(text)).collect()
}

/// The user says where the peer is.
fn add(swarm: &mut Swarm<Puppet>, at: &str) {
    swarm.peer_book_mut().add(peer(NUMBER), &address(at), NOW).unwrap();
}

/// The connections that the driver is to make, and where.
fn dialed<E>(outputs: &[SwarmOutput<E>]) -> Vec<(ConnectionId, Multiaddr)> {
    let dials = outputs.iter().filter_map(|output| match output {
        SwarmOutput::Dial { connection, address } => Some((*connection, address.clone())),
        _ => None,
    });
    dials.collect()
}

/// Dials the peer, and takes it that this goes to one address first. Returns the connection.
fn dial_to(swarm: &mut Swarm<Puppet>, target: impl Into<DialTarget>, at: &str) -> (DialId, ConnectionId) {
    let dial = swarm.dial(target, NOW);
    let outputs = drain(swarm);
    let [(connection, to)] = &dialed(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!(*to, address(at));
    (dial, *connection)
}

fn refuse(swarm: &mut Swarm<Puppet>, connection: ConnectionId, error: TransportError) {
    swarm.handle_input(SwarmInput::DialFailed { connection, error }, NOW);
}

/// The byte stream is there, and the connection opens, or ends.
fn upgrade(swarm: &mut Swarm<Puppet>, connection: ConnectionId, at: &str, message: ConnectionMessage) {
    swarm.handle_input(SwarmInput::Dialed { connection, remote_address: address(at) }, NOW);
    say(swarm, connection, message);
}

fn close(swarm: &mut Swarm<Puppet>, connection: ConnectionId) {
    say(swarm, connection, ConnectionMessage::Closed(ConnectionError::Broken));
    drain(swarm);
}

#[test]
fn who_was_dialled_is_found_again_by_the_peer_id_alone() {
    let (mut swarm, connection) = connected();
    let is_connected = |swarm: &Swarm<Puppet>| swarm.peer_book().get(peer(NUMBER), NOW).unwrap().is_connected;
    assert!(is_connected(&swarm));
    close(&mut swarm, connection);
    assert!(!is_connected(&swarm));

    let (dial, connection) = dial_to(&mut swarm, peer(NUMBER), FIRST);
    upgrade(&mut swarm, connection, FIRST, established(NUMBER));
    assert_eq!(outcomes(&drain(&mut swarm)), [SwarmEvent::Dialed { dial, connection }]);
}

#[test]
fn a_name_is_noted_as_the_address_that_it_led_to() {
    let mut swarm = swarm_with(Limits::default());
    swarm.dial(address("/dns4/example.org/tcp/5"), NOW);
    let outputs = drain(&mut swarm);
    let lookup = outputs.iter().find_map(|output| match output {
        SwarmOutput::Lookup { lookup, .. } => Some(*lookup),
        _ => None,
    });
    let records = dialer::Records::Addresses(vec![[1, 2, 3, 4].into()]);
    swarm.handle_input(SwarmInput::LookedUp { lookup: lookup.unwrap(), result: Ok(records) }, NOW);
    let [(connection, _)] = dialed(&drain(&mut swarm))[..] else { panic!("one address is dialled") };
    upgrade(&mut swarm, connection, FIRST, established(NUMBER));
    assert_eq!(known(&swarm), addresses(&[FIRST]));
}

#[test]
fn a_connected_peer_counts_each_of_its_connections_once() {
    let (mut swarm, first) = connected();
    let listener = listening(&mut swarm);
    let second = incoming_from(&mut swarm, listener, [5, 6, 7, 8].into(), NOW);
    say(&mut swarm, second, established(NUMBER));
    assert_eq!(known(&swarm), addresses(&[FIRST]), "where a remote came from is not where it listens");
    // One that never opens does not count.
    let third = incoming_from(&mut swarm, listener, [5, 6, 7, 8].into(), NOW);
    close(&mut swarm, third);
    for (connection, is_connected) in [(first, true), (first, true), (second, false), (second, false)] {
        close(&mut swarm, connection);
        assert_eq!(swarm.peer_book().get(peer(NUMBER), NOW).unwrap().is_connected, is_connected);
    }
}

#[test]
fn a_peer_that_connected_is_reached_where_it_says_that_it_listens() {
    let mut swarm = swarm_with(Limits::default());
    let listener = listening(&mut swarm);
    let connection = incoming_from(&mut swarm, listener, [5, 6, 7, 8].into(), NOW);
    say(&mut swarm, connection, established(NUMBER));
    drain(&mut swarm);
    let (peer, info) = (peer(NUMBER), info(&[SECOND]));
    let outputs = puppet(&mut swarm, ToSwarm::Identified { connection, peer, info: info.clone() });
    let fact = FromSwarm::Identified { connection, peer, info };
    assert_eq!(outputs, [SwarmOutput::Protocol(fact)], "all protocols hear it");
    close(&mut swarm, connection);
    dial_to(&mut swarm, peer, SECOND);
}

#[test]
fn what_is_told_of_no_open_connection_counts_for_nothing() {
    let (mut swarm, connection) = connected();
    let info = info(&[SECOND]);
    for (connection, number) in [(connection, 8), (ConnectionId(99), NUMBER)] {
        let told = ToSwarm::Identified { connection, peer: peer(number), info: info.clone() };
        assert_eq!(puppet(&mut swarm, told), []);
    }
    assert_eq!((known(&swarm), swarm.peer_book().len()), (addresses(&[FIRST]), 1));
}

#[test]
fn a_dial_under_way_tries_what_identify_tells() {
    let (mut swarm, connection) = connected();
    let target = DialTarget { peer: Some(peer(NUMBER)), addresses: addresses(&[SECOND]) };
    swarm.dial_with(target, DialOptions::always(), NOW);
    let [(attempt, _)] = dialed(&drain(&mut swarm))[..] else { panic!("one address is dialled") };
    puppet(&mut swarm, ToSwarm::Identified { connection, peer: peer(NUMBER), info: info(&[THIRD]) });
    refuse(&mut swarm, attempt, TransportError::Refused);
    let [(_, to)] = &dialed(&drain(&mut swarm))[..] else { panic!("the next address is dialled") };
    assert_eq!(*to, address(THIRD));
}

#[test]
fn the_book_helps_where_all_that_the_caller_knows_has_failed() {
    let mut swarm = swarm_with(Limits::default());
    add(&mut swarm, SECOND);
    let target = DialTarget { peer: Some(peer(NUMBER)), addresses: addresses(&[FIRST]) };
    let (dial, connection) = dial_to(&mut swarm, target, FIRST);
    refuse(&mut swarm, connection, TransportError::Refused);
    let [(connection, to)] = &dialed(&drain(&mut swarm))[..] else { panic!("the book's is dialled") };
    assert_eq!(*to, address(SECOND));
    refuse(&mut swarm, *connection, TransportError::Refused);
    let refused = AttemptError::Transport(TransportError::Refused);
    let failures = vec![(address(FIRST), refused.clone()), (address(SECOND), refused)];
    let failed = SwarmEvent::DialFailed { dial, error: DialError::Failed(failures) };
    assert_eq!(outcomes(&drain(&mut swarm)), [failed]);

    let dial = swarm.dial(peer(8), NOW);
    let failed = SwarmEvent::DialFailed { dial, error: DialError::NoAddresses };
    assert_eq!(outcomes(&drain(&mut swarm)), [failed], "the book knows nothing of this one");
}

#[test]
fn what_really_failed_is_tried_last() {
    let refused = || SwarmInput::DialFailed { connection: ConnectionId(0), error: TransportError::Refused };
    let dialed = || SwarmInput::Dialed { connection: ConnectionId(0), remote_address: address(FIRST) };
    let closed = |error| SwarmInput::FromConnection {
        connection: ConnectionId(0),
        message: ToNode(ConnectionMessage::Closed(error)),
    };
    let unsupported = TransportError::Unsupported { expected: "/memory".into() };
    let table: [(Vec<SwarmInput<ToSwarm<()>>>, bool); 7] = [
        (vec![refused()], true),
        (vec![dialed(), closed(ConnectionError::HandshakeTimeout)], true),
        (vec![], false),
        (vec![SwarmInput::CancelDial { dial: DialId(0) }], false),
        (vec![dialed(), closed(ConnectionError::ClosedHere)], false),
        (vec![dialed(), closed(ConnectionLimit::Total(1).into())], false),
        (vec![SwarmInput::DialFailed { connection: ConnectionId(0), error: unsupported }], false),
    ];
    for (number, (inputs, has_failed)) in table.into_iter().enumerate() {
        let mut swarm = swarm_with(Limits::default());
        add(&mut swarm, FIRST);
        add(&mut swarm, SECOND);
        swarm.dial(address::with_peer_id(address(FIRST), &peer(NUMBER)), NOW);
        inputs.into_iter().for_each(|input| swarm.handle_input(input, NOW));
        let order = if has_failed { [SECOND, FIRST] } else { [FIRST, SECOND] };
        assert_eq!(known(&swarm), addresses(&order), "case {number}");
        let first_to_last = swarm.peer_book().get(peer(NUMBER), NOW).unwrap().addresses;
        assert_eq!(first_to_last[1].has_failed, has_failed, "case {number}");
    }
}

#[test]
fn an_attempt_that_is_not_answered_failed_too() {
    let mut swarm = swarm_with(Limits::default());
    add(&mut swarm, FIRST);
    dial_to(&mut swarm, peer(NUMBER), FIRST);
    swarm.handle_timeout(NOW + swarm.config.dialer.attempt_timeout);
    assert!(swarm.peer_book().get(peer(NUMBER), NOW).unwrap().addresses[0].has_failed);
}

#[test]
fn an_attempt_that_the_peer_gave_up_in_favour_of_its_own_has_not_failed() {
    let mut swarm = swarm_with(Limits::default());
    let listener = listening(&mut swarm);
    add(&mut swarm, FIRST);
    let (_, attempt) = dial_to(&mut swarm, peer(NUMBER), FIRST);
    let connection = incoming_from(&mut swarm, listener, [5, 6, 7, 8].into(), NOW);
    say(&mut swarm, connection, established(NUMBER));
    upgrade(&mut swarm, attempt, FIRST, ConnectionMessage::Closed(ConnectionError::ClosedByPeer));
    assert!(!swarm.peer_book().get(peer(NUMBER), NOW).unwrap().addresses[0].has_failed);
    // Where nobody listens, nobody has given anything up.
    let dial = swarm.dial_with(peer(NUMBER), DialOptions::always(), NOW);
    let [(attempt, _)] = dialed(&drain(&mut swarm))[..] else { panic!("{dial:?}: one address is dialled") };
    refuse(&mut swarm, attempt, TransportError::Refused);
    assert!(swarm.peer_book().get(peer(NUMBER), NOW).unwrap().addresses[0].has_failed);
}

#[test]
fn what_is_refused_before_it_is_dialled_has_not_failed() {
    let mut access = AccessRules::default();
    access.apply(AccessChange::Block("1.2.3.0/24".parse().unwrap()));
    let mut swarm = swarm_of(SwarmConfig { access, ..SwarmConfig::default() });
    add(&mut swarm, FIRST);
    add(&mut swarm, "/dns4/example.org/tcp/5");
    swarm.dial(peer(NUMBER), NOW);
    let (lookup, name) = (dialer::LookupId(0), "example.org".into());
    let error = TransportError::Name { name, reason: "there is none".into() };
    swarm.handle_input(SwarmInput::LookedUp { lookup, result: Err(error) }, NOW);
    let outputs = drain(&mut swarm);
    assert!(matches!(outcomes(&outputs)[..], [SwarmEvent::DialFailed { .. }]), "{outputs:?}");
    let known = swarm.peer_book().get(peer(NUMBER), NOW).unwrap().addresses;
    assert!(known.iter().all(|known| !known.has_failed), "{known:?}");
}

#[test]
fn where_another_peer_answers_is_forgotten_unless_the_user_said_it() {
    let mut swarm = swarm_with(Limits::default());
    let wrong = SecurityError::WrongPeer { expected: peer(NUMBER), actual: peer(8) };
    let wrong = ConnectionError::Security { protocol: TEST, error: wrong.into() };
    puppet(&mut swarm, ToSwarm::Addresses { peer: peer(NUMBER), addresses: addresses(&[FIRST]) });
    let known = swarm.peer_book().get(peer(NUMBER), NOW).unwrap().addresses;
    assert_eq!((known.len(), known[0].origin), (1, Origin::Routing));
    add(&mut swarm, SECOND);
    for at in [SECOND, FIRST] {
        let target = DialTarget { peer: Some(peer(NUMBER)), addresses: addresses(&[at]) };
        let dial =
            swarm.dial_with(target, DialOptions { ignore_backoff: true, ..DialOptions::default() }, NOW);
        let [(connection, _)] = dialed(&drain(&mut swarm))[..] else { panic!("one address is dialled") };
        upgrade(&mut swarm, connection, at, ConnectionMessage::Closed(wrong.clone()));
        swarm.handle_input(SwarmInput::CancelDial { dial }, NOW);
        drain(&mut swarm);
    }
    assert_eq!(self::known(&swarm), addresses(&[SECOND]));
}

#[test]
fn this_node_is_not_in_its_own_book() {
    let mut swarm = swarm_with(Limits::default());
    let own = swarm.local_peer();
    puppet(&mut swarm, ToSwarm::Addresses { peer: own, addresses: addresses(&[FIRST]) });
    swarm.dial(address::with_peer_id(address(SECOND), &own), NOW);
    let listener = listening(&mut swarm);
    let connection = incoming_from(&mut swarm, listener, [5, 6, 7, 8].into(), NOW);
    // Security protocols refuse it; a carrier of somebody's own may not.
    let public_key = swarm.keypair.public().clone();
    let established = Established { peer: own, public_key, security: None, muxer: None };
    say(&mut swarm, connection, ConnectionMessage::Established(Box::new(established)));
    puppet(&mut swarm, ToSwarm::Identified { connection, peer: own, info: info(&[THIRD]) });
    close(&mut swarm, connection);
    assert!(swarm.peer_book().is_empty());
}
