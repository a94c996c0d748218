//! Watermarks: who is closed, and when.

use super::*;

const GRACE: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_secs(10);

fn swarm_between(high: usize, low: usize) -> (Swarm<Puppet>, ListenerId) {
    let watermarks = Some(Watermarks::new(high, low));
    let mut swarm = swarm_of(SwarmConfig { watermarks, ..SwarmConfig::default() });
    let listener = listening(&mut swarm);
    (swarm, listener)
}

fn at(seconds: u64) -> Instant {
    NOW + Duration::from_secs(seconds)
}

/// Opens a connection with the peer `number`, made by us or by it.
fn connect(swarm: &mut Swarm<Puppet>, role: Role, number: u64, now: Instant) -> ConnectionId {
    let listener = *swarm.listeners.keys().next().unwrap();
    let connection = match role {
        Role::Listener => incoming_from(swarm, listener, [9, 9, number as u8, 9].into(), now),
        Role::Dialer => {
            let connection = ConnectionId(swarm.ids.connection);
            let remote_address = address("/ip4/8.8.8.8/tcp/1");
            swarm.dial(remote_address.clone(), now);
            swarm.handle_input(SwarmInput::Dialed { connection, remote_address }, now);
            connection
        }
    };
    say_at(swarm, connection, established(number), now);
    connection
}

/// Which connections are told to close to make room, in order.
fn closed(swarm: &mut Swarm<Puppet>) -> Vec<ConnectionId> {
    let outputs = drain(swarm).into_iter().filter_map(|output| match output {
        SwarmOutput::ToConnection { connection, message: ToConnection(NodeMessage::Shutdown(reason)) } => {
            assert!(matches!(reason, ConnectionError::Limit(ConnectionLimit::HighWatermark(_))), "{reason}");
            Some(connection)
        }
        _ => None,
    });
    outputs.collect()
}

#[test]
fn those_are_closed_first_that_are_worth_least() {
    let (mut swarm, _) = swarm_between(8, 1);
    let [inbound, outbound] = [Role::Listener, Role::Dialer];
    let old = connect(&mut swarm, inbound, 0, at(0));
    let young = connect(&mut swarm, inbound, 1, at(1));
    let ours = connect(&mut swarm, outbound, 2, at(1));
    let good = connect(&mut swarm, inbound, 3, at(1));
    let bad = connect(&mut swarm, outbound, 4, at(1));
    let used = connect(&mut swarm, inbound, 5, at(1));
    let used_and_bad = connect(&mut swarm, inbound, 6, at(1));
    let protected = connect(&mut swarm, inbound, 7, at(1));
    let tag = |peer, value| StandingChange::Tag { peer, name: "x".to_owned(), value };
    for change in [
        tag(peer(3), 10),
        tag(peer(4), -10),
        tag(peer(6), -20),
        tag(peer(7), -30),
        StandingChange::Protect { peer: peer(7), name: "x".to_owned() },
    ] {
        swarm.handle_input(SwarmInput::Standing(change), at(1));
    }
    for connection in [used, used_and_bad] {
        swarm.handle_input(SwarmInput::KeepAlive { connection, wanted: true }, at(1));
    }
    assert_eq!(closed(&mut swarm), []);
    let new = connect(&mut swarm, inbound, 8, at(100));
    assert_eq!(closed(&mut swarm), [bad, young, old, ours, good, used_and_bad, used]);
    let left: Vec<_> =
        swarm.connections.iter().filter(|(_, record)| !record.is_closing()).map(|(id, _)| *id).collect();
    assert_eq!(left, [protected, new], "one may not be closed, and one not yet");
}

#[test]
fn between_the_marks_nothing_happens() {
    let (mut swarm, _) = swarm_between(10, 5);
    for number in 0..10 {
        connect(&mut swarm, Role::Listener, number, at(0));
    }
    assert_eq!((closed(&mut swarm), swarm.poll_timeout()), (vec![], None));
    connect(&mut swarm, Role::Listener, 10, at(100));
    let first = closed(&mut swarm);
    assert_eq!(first.len(), 6, "down to the low watermark");
    // They are not gone yet, and count as gone.
    connect(&mut swarm, Role::Listener, 11, at(101));
    assert_eq!(closed(&mut swarm), []);
    for id in first {
        say_at(&mut swarm, id, ConnectionMessage::Closed(ConnectionLimit::HighWatermark(10).into()), at(102));
    }
    swarm.handle_timeout(at(200));
    for number in 12..16 {
        connect(&mut swarm, Role::Listener, number, at(200));
    }
    assert_eq!((closed(&mut swarm), swarm.poll_timeout()), (vec![], None), "ten again");
}

#[test]
fn who_is_new_is_left_alone_and_it_is_tried_again() {
    let (mut swarm, _) = swarm_between(3, 2);
    for number in 0..4 {
        connect(&mut swarm, Role::Listener, number, at(0));
    }
    let again = |seconds| Some(Deadline::new(at(seconds), "too many connections"));
    assert_eq!((closed(&mut swarm), swarm.poll_timeout()), (vec![], again(INTERVAL.as_secs())));
    swarm.handle_timeout(at(9));
    assert_eq!(swarm.poll_timeout(), again(10), "an early wake-up does nothing");
    swarm.handle_timeout(at(10));
    assert_eq!((closed(&mut swarm), swarm.poll_timeout()), (vec![], again(20)));
    connect(&mut swarm, Role::Listener, 4, at(15));
    swarm.handle_timeout(at(GRACE.as_secs()));
    assert_eq!(closed(&mut swarm), [3, 2, 1].map(ConnectionId), "the youngest of those that are old enough");
    assert_eq!(swarm.poll_timeout(), None);
}

#[test]
fn it_takes_the_interval_until_connections_are_closed_again() {
    let (mut swarm, _) = swarm_between(1, 1);
    connect(&mut swarm, Role::Listener, 0, at(0));
    connect(&mut swarm, Role::Listener, 1, at(0));
    swarm.handle_timeout(at(10));
    swarm.handle_timeout(at(20));
    assert_eq!(closed(&mut swarm), [ConnectionId(1)]);
    say_at(&mut swarm, ConnectionId(1), ConnectionMessage::Closed(ConnectionError::Broken), at(20));
    connect(&mut swarm, Role::Listener, 2, at(21));
    assert_eq!(swarm.poll_timeout().map(|it| it.at), Some(at(30)));
    // Gone by itself.
    say_at(&mut swarm, ConnectionId(2), ConnectionMessage::Closed(ConnectionError::Broken), at(22));
    swarm.handle_timeout(at(30));
    assert_eq!((closed(&mut swarm), swarm.poll_timeout()), (vec![], None));
}

#[test]
fn odd_marks_close_no_more_than_they_should() {
    for (high, low, left) in [(0, 0, 0), (0, 9, 0), (2, 0, 0), (2, 9, 2), (usize::MAX, 0, 3), (3, 0, 3)] {
        let (mut swarm, _) = swarm_between(high, low);
        for number in 0..3 {
            connect(&mut swarm, Role::Listener, number, at(0));
        }
        swarm.handle_timeout(at(20));
        assert_eq!(closed(&mut swarm).len(), 3 - left, "{high} {low}");
    }
}

#[test]
fn a_swarm_that_shuts_down_closes_nothing_to_make_room() {
    let (mut swarm, listener) = swarm_between(1, 0);
    let ids = [0, 1].map(|number| connect(&mut swarm, Role::Listener, number, at(0)));
    let late = incoming_from(&mut swarm, listener, [9, 9, 9, 9].into(), at(0));
    assert!(swarm.poll_timeout().is_some());
    swarm.handle_input(SwarmInput::Shutdown, at(1));
    drain(&mut swarm);
    assert_eq!(swarm.poll_timeout(), None);
    say_at(&mut swarm, late, established(2), at(50));
    swarm.handle_timeout(at(100));
    assert_eq!((closed(&mut swarm), swarm.poll_timeout()), (vec![], None));
    for id in ids.into_iter().chain([late]) {
        say_at(&mut swarm, id, ConnectionMessage::Closed(ConnectionError::ClosedHere), at(101));
    }
    assert_eq!(drain(&mut swarm).last(), Some(&SwarmOutput::Event(SwarmEvent::ShutDown)));
}
