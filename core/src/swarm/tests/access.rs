//! The rules of access where connections come and go. What they say by themselves is tested beside them.

use super::*;
use crate::swarm::AccessChange::{Allow, Block, Disallow, Unblock};

const FRIEND: [u8; 4] = [5, 6, 7, 8];
const STRANGER: [u8; 4] = [9, 6, 7, 8];

fn range(text: &str) -> AddressRange {
    text.parse().unwrap()
}

fn change(swarm: &mut Swarm<Puppet>, change: AccessChange) -> Vec<SwarmOutput<FromSwarm<ToSwarm<()>>>> {
    swarm.handle_input(SwarmInput::Access(change), NOW);
    drain(swarm)
}

#[test]
fn a_remote_that_may_not_connect_is_refused_before_anything_is_made_for_it() {
    let cases = [
        (Block(range("9.0.0.0/8").into()), AccessDenied::BlockedRange(range("9.0.0.0/8"))),
        (Allow(range("5.0.0.0/8").into()), AccessDenied::AddressNotAllowed),
    ];
    for (rule, denied) in cases {
        let mut access = AccessRules::default();
        access.apply(rule);
        let mut swarm = swarm_of(SwarmConfig { access, ..SwarmConfig::default() });
        let listener = listening(&mut swarm);
        let connection = incoming_from(&mut swarm, listener, STRANGER.into(), NOW);
        let remote_address = address("/ip4/9.6.7.8/tcp/9");
        let failed = SwarmEvent::IncomingFailed { connection, remote_address, error: denied.into() };
        assert_eq!(drain(&mut swarm), [SwarmOutput::Refuse { connection }, SwarmOutput::Event(failed)]);
        assert_eq!(
            (swarm.usage(), swarm.take_connection(connection, NOW).is_none()),
            (Usage::default(), true)
        );
        assert_eq!(swarm.ranges.rated(), 0, "what is refused takes no token");
        let connection = incoming_from(&mut swarm, listener, FRIEND.into(), NOW);
        assert_eq!(drain(&mut swarm), [SwarmOutput::Connection { connection }]);
    }
}

#[test]
fn a_peer_that_may_not_connect_is_closed_before_it_is_reported() {
    for rule in [Block(peer(3).into()), Allow(peer(2).into())] {
        let mut swarm = swarm_with(Limits::default());
        let listener = listening(&mut swarm);
        change(&mut swarm, rule);
        let connection = incoming_from(&mut swarm, listener, FRIEND.into(), NOW);
        drain(&mut swarm);
        say(&mut swarm, connection, established(3));
        let denied = swarm.access().check_peer(&peer(3)).unwrap_err();
        assert_eq!(drain(&mut swarm), [told_to_close(connection, denied)]);
        // What the remote opens on it meanwhile is nobody's.
        let opened = ConnectionMessage::StreamOpened {
            stream: StreamId(0),
            protocol: TEST,
            options: options(),
            open: None,
        };
        say(&mut swarm, connection, opened);
        let message = ToConnection(NodeMessage::Reset { stream: StreamId(0) });
        assert_eq!(drain(&mut swarm), [SwarmOutput::ToConnection { connection, message }]);
        say(&mut swarm, connection, ConnectionMessage::Closed(denied.into()));
        let remote_address = address("/ip4/5.6.7.8/tcp/9");
        let failed = SwarmEvent::IncomingFailed { connection, remote_address, error: denied.into() };
        assert_eq!(drain(&mut swarm), [SwarmOutput::Event(failed)]);
        assert_eq!(swarm.usage(), Usage::default());
    }
}

#[test]
fn a_dial_to_where_nobody_may_be_fails_at_once() {
    let mut swarm = swarm_with(Limits::default());
    change(&mut swarm, Block(range("9.0.0.0/8").into()));
    change(&mut swarm, Block(peer(3).into()));
    let to_blocked = address::with_peer_id(address("/ip4/5.6.7.8/tcp/9"), &peer(3));
    let dial = swarm.dial(address("/ip4/9.6.7.8/tcp/9"), NOW);
    let denied = AttemptError::Blocked(AccessDenied::BlockedRange(range("9.0.0.0/8")));
    assert_eq!(outcomes(&drain(&mut swarm)), [failed(dial, "/ip4/9.6.7.8/tcp/9", denied)]);
    let dial = swarm.dial(to_blocked.clone(), NOW);
    let error = DialError::Blocked(AccessDenied::BlockedPeer);
    assert_eq!(drain(&mut swarm), [SwarmOutput::Event(SwarmEvent::DialFailed { dial, error })]);
    let (target, options) = (peer(2).into(), DialOptions::default());
    swarm.handle_input(SwarmInput::Dial { dial, target, options }, NOW);
    let error = DialError::IdReused;
    assert_eq!(drain(&mut swarm), [SwarmOutput::Event(SwarmEvent::DialFailed { dial, error })]);
    // Only the address says who must be there.
    let target = DialTarget { peer: None, addresses: vec![to_blocked] };
    let dial = swarm.dial(target, NOW);
    let denied = AttemptError::Blocked(AccessDenied::BlockedPeer);
    assert_eq!(outcomes(&drain(&mut swarm)), [failed(dial, "/ip4/5.6.7.8/tcp/9", denied)]);
    // Whoever answers may turn out to be blocked.
    let remote_address = address("/ip4/5.6.7.8/tcp/9");
    let dial = swarm.dial(remote_address.clone(), NOW);
    let connection = ConnectionId(0);
    swarm.handle_input(SwarmInput::Dialed { connection, remote_address }, NOW);
    say(&mut swarm, connection, established(3));
    say(&mut swarm, connection, ConnectionMessage::Closed(AccessDenied::BlockedPeer.into()));
    let denied = AttemptError::Blocked(AccessDenied::BlockedPeer);
    assert_eq!(outcomes(&drain(&mut swarm)), [failed(dial, "/ip4/5.6.7.8/tcp/9", denied)]);
}

#[test]
fn what_the_changed_rules_do_not_allow_is_closed() {
    let blocked = AccessDenied::BlockedRange(range("9.0.0.0/8"));
    let outside = Some(AccessDenied::AddressNotAllowed);
    let cases = [
        (Block(range("9.0.0.0/8").into()), [None, Some(blocked), Some(blocked), Some(blocked)]),
        (Block(peer(2).into()), [None, Some(AccessDenied::BlockedPeer), None, None]),
        (Allow(range("5.6.7.8").into()), [None, outside, outside, outside]),
        (Allow(peer(3).into()), [None, Some(AccessDenied::PeerNotAllowed), None, None]),
        (Unblock(peer(3).into()), [None; 4]),
        (Disallow(peer(3).into()), [None; 4]),
    ];
    for (rule, expected) in cases {
        let mut swarm = swarm_with(Limits::default());
        let listener = listening(&mut swarm);
        let ids = [FRIEND, STRANGER, STRANGER].map(|ip| incoming_from(&mut swarm, listener, ip.into(), NOW));
        say(&mut swarm, ids[0], established(3));
        say(&mut swarm, ids[1], established(2));
        let dial = swarm.dial(address("/ip4/9.6.7.8/tcp/9"), NOW);
        drain(&mut swarm);
        let mut outputs = change(&mut swarm, rule);
        outputs.retain(|output| !matches!(output, SwarmOutput::Event(SwarmEvent::Dialing(_))));
        let mut wanted = Vec::new();
        for (id, denied) in ids.into_iter().zip(expected) {
            wanted.extend(denied.map(|denied| told_to_close(id, denied)));
        }
        if let Some(denied) = expected[3] {
            wanted.push(SwarmOutput::CancelDial { connection: ConnectionId(3) });
            let failure = failed(dial, "/ip4/9.6.7.8/tcp/9", AttemptError::Blocked(denied));
            wanted.push(SwarmOutput::Event(failure));
        }
        assert_eq!(outputs, wanted, "{rule:?}");
        let pending = expected[2].map(|denied| told_to_close(ids[2], denied));
        assert_eq!(change(&mut swarm, rule), Vec::from_iter(pending), "only what is open is noted, {rule:?}");
    }
}

/// A connection finishes its handshake while it is being told to close.
#[test]
fn a_connection_that_opens_after_its_address_was_blocked_is_not_reported() {
    let mut swarm = swarm_with(Limits::default());
    let listener = listening(&mut swarm);
    let connection = incoming_from(&mut swarm, listener, STRANGER.into(), NOW);
    change(&mut swarm, Block(range("9.0.0.0/8").into()));
    say(&mut swarm, connection, established(3));
    assert_eq!(
        drain(&mut swarm),
        [told_to_close(connection, swarm.access().check_ip(STRANGER.into()).unwrap_err())]
    );
    assert_eq!(swarm.peers().count(), 0);
}
