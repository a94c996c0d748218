//! What is counted, and that the sums agree.

use super::*;
use crate::muxer::MuxerError;
use crate::negotiation::NegotiationError;
use crate::security::SecurityError;
use crate::swarm::dialer::DialerCounters;

/// What must hold at all times.
#[track_caller]
fn check(swarm: &Swarm<Puppet>) -> SwarmCounters {
    let counters = swarm.counters();
    let Usage { connections, pending, streams } = counters.usage;
    let open = connections.total() - pending.total();
    assert_eq!(counters.connections_opened.total() - counters.connections_closed.total(), open as u64);
    let wished = swarm.opens.len() as u64;
    assert_eq!(counters.streams_opened.inbound - counters.streams_closed.inbound, streams.inbound() as u64);
    assert_eq!(
        counters.streams_opened.outbound - counters.streams_closed.outbound + wished,
        streams.outbound() as u64
    );
    assert_eq!(counters.peers, swarm.peers().count());
    assert_eq!(counters.connections_opened.outbound, counters.dialer.attempts_succeeded);
    counters
}

/// Counters with one change.
fn only(change: impl FnOnce(&mut SwarmCounters)) -> SwarmCounters {
    let mut counters = SwarmCounters::default();
    change(&mut counters);
    counters
}

/// Every class of errors, and what counts it for a connection that was open, and for one of a remote that was not.
#[test]
fn every_end_of_a_connection_has_its_counter() {
    type Case =
        (ConnectionError, fn(&mut ClosedConnections) -> &mut u64, fn(&mut FailedIncoming) -> &mut u64);
    let range: AddressRange = "9.0.0.0/8".parse().unwrap();
    let cases: Vec<Case> = vec![
        (ConnectionError::Idle, |closed| &mut closed.idle, |failed| &mut failed.failed),
        (
            ConnectionLimit::HighWatermark(1).into(),
            |closed| &mut closed.trimmed,
            |failed| &mut failed.over_limit,
        ),
        (ConnectionLimit::PerPeer(1).into(), |closed| &mut closed.failed, |failed| &mut failed.over_limit),
        (ConnectionLimit::Rate { range }.into(), |closed| &mut closed.failed, |failed| &mut failed.too_fast),
        (AccessDenied::AddressNotAllowed.into(), |closed| &mut closed.denied, |failed| &mut failed.denied),
        (ConnectionError::ClosedHere, |closed| &mut closed.closed_here, |failed| &mut failed.failed),
        (ConnectionError::ClosedByPeer, |closed| &mut closed.closed_by_peer, |failed| &mut failed.failed),
        (ConnectionError::Broken, |closed| &mut closed.broken, |failed| &mut failed.failed),
        (
            ConnectionError::PrivateNetwork(Box::new(ConnectionError::Broken)),
            |closed| &mut closed.broken,
            |failed| &mut failed.failed,
        ),
        (
            ConnectionError::PrivateNetwork(Box::new(ConnectionError::HandshakeTimeout)),
            |closed| &mut closed.failed,
            |failed| &mut failed.timed_out,
        ),
        (ConnectionError::HandshakeTimeout, |closed| &mut closed.failed, |failed| &mut failed.timed_out),
        (ConnectionError::Reflected, |closed| &mut closed.failed, |failed| &mut failed.failed),
        (
            ConnectionError::Negotiation { what: "muxer", error: NegotiationError::Ended },
            |closed| &mut closed.failed,
            |failed| &mut failed.failed,
        ),
        (
            ConnectionError::Security { protocol: TEST, error: Box::new(SecurityError::SelfDial) },
            |closed| &mut closed.failed,
            |failed| &mut failed.failed,
        ),
        (
            MuxerError::ControlFlood { protocol: "x", max: 1 }.into(),
            |closed| &mut closed.failed,
            |failed| &mut failed.failed,
        ),
    ];
    for (error, closed, failed) in cases {
        let mut swarm = swarm_with(Limits::default());
        let listener = listening(&mut swarm);
        let connect = |swarm: &mut _| incoming_from(swarm, listener, [5, 6, 7, 8].into(), NOW);

        let connection = connect(&mut swarm);
        say(&mut swarm, connection, ConnectionMessage::Closed(error.clone()));
        let expected = only(|counters| *failed(&mut counters.incoming_failed) = 1);
        assert_eq!(check(&swarm), expected, "{error}, before it was open");
        assert_eq!(expected.incoming_failed.total(), 1);

        let connection = connect(&mut swarm);
        say(&mut swarm, connection, established(1));
        say(&mut swarm, connection, ConnectionMessage::Closed(error.clone()));
        let now = check(&swarm);
        let expected = only(|counters| {
            counters.incoming_failed = now.incoming_failed;
            counters.connections_opened.inbound = 1;
            *closed(&mut counters.connections_closed) = 1;
        });
        assert_eq!(now, expected, "{error}, after it was open");
        assert_eq!(now.connections_closed.total(), 1);
    }
}

/// A connection of ours, from its dial to its end.
#[test]
fn a_dial_is_counted_from_its_start_to_its_end() {
    let mut swarm = swarm_with(Limits::default());
    let (connection, remote_address) = (ConnectionId(0), address("/ip4/1.2.3.4/tcp/5"));
    swarm.dial(remote_address.clone(), NOW);
    swarm.handle_input(SwarmInput::Dialed { connection, remote_address: remote_address.clone() }, NOW);
    let under_way = check(&swarm);
    assert_eq!((under_way.usage.pending.outbound(), under_way.usage.connections.outbound()), (1, 1));
    assert_eq!((under_way.dialer.dials_waiting, under_way.dialer.attempts_started), (1, 1));
    assert_eq!((under_way.dialer.descriptors.in_use, under_way.dialer.peer_tokens.in_use), (1, 1));

    say(&mut swarm, connection, established(1));
    let open = check(&swarm);
    assert_eq!((open.connections_opened, open.peers), (ByDirection { inbound: 0, outbound: 1 }, 1));
    assert_eq!((open.usage.pending.total(), open.usage.connections.outbound()), (0, 1));
    let dialer = DialerCounters {
        dials_succeeded: 1,
        attempts_started: 1,
        attempts_succeeded: 1,
        ..DialerCounters::default()
    };
    assert_eq!(open.dialer, dialer, "the tokens are free");

    say(&mut swarm, connection, ConnectionMessage::Closed(ConnectionError::ClosedByPeer));
    let gone = check(&swarm);
    assert_eq!((gone.peers, gone.usage), (0, Usage::default()));
    assert_eq!(gone.connections_closed, ClosedConnections { closed_by_peer: 1, ..Default::default() });

    // An attempt that fails is the dialer's.
    swarm.dial(remote_address, NOW);
    let (connection, error) = (ConnectionId(1), TransportError::Refused);
    swarm.handle_input(SwarmInput::DialFailed { connection, error }, NOW);
    let failed = DialerCounters { dials_failed: 1, attempts_started: 2, attempts_failed: 1, ..dialer };
    assert_eq!(check(&swarm), SwarmCounters { dialer: failed, ..gone });
}

#[test]
fn remotes_that_are_refused_are_counted_by_why() {
    let narrow_range =
        RangeLimits { inbound_rate: Rate { burst: 1, per_second: 1 }, ..RangeLimits::UNLIMITED };
    let narrow_range = RangeLimits { ipv4_prefix: 32, ..narrow_range };
    let limits = Limits { max_pending_inbound: 2, narrow_range, ..Limits::default() };
    let mut swarm = swarm_with(limits);
    let listener = listening(&mut swarm);
    let block = AccessChange::Block("9.0.0.0/8".parse::<AddressRange>().unwrap().into());
    swarm.handle_input(SwarmInput::Access(block), NOW);
    let mut expected = FailedIncoming::default();
    type Note = fn(&mut FailedIncoming);
    let steps: [(u8, Note); 5] = [
        (9, |failed| failed.denied += 1),
        (1, |_| {}),
        (1, |failed| failed.too_fast += 1),
        (2, |_| {}),
        (3, |failed| failed.over_limit += 1),
    ];
    for (number, (network, count)) in steps.into_iter().enumerate() {
        count(&mut expected);
        incoming_from(&mut swarm, listener, [network, 1, 1, 1].into(), NOW);
        assert_eq!(check(&swarm).incoming_failed, expected, "step {number}");
    }
    let remote_address = address("/ip4/4.4.4.4/tcp/1");
    let nowhere =
        SwarmInput::Incoming { connection: ConnectionId(99), listener: ListenerId(99), remote_address };
    swarm.handle_input(nowhere, NOW);
    assert_eq!(check(&swarm).incoming_failed, expected, "a listener that is gone is nobody's fault");
}

#[test]
fn streams_are_counted_by_who_opened_them() {
    let limits = Limits { max_inbound_streams: 1, max_outbound_streams: 1, ..Limits::default() };
    let (mut swarm, connection) = connected_with(limits);
    let target = Target::Connection(connection);
    let protocols: SmallVec<[ProtocolId; 1]> = smallvec![TEST];
    let wish =
        |number| SwarmInput::OpenStream { request: RequestId(number), target, protocols: protocols.clone() };
    let opened = |number, open| ConnectionMessage::StreamOpened {
        stream: StreamId(number),
        protocol: TEST,
        options: options(),
        open,
    };
    let closed =
        |number| ConnectionMessage::StreamClosed { stream: StreamId(number), cause: StreamCloseCause::Ended };
    let by = |inbound, outbound| ByDirection { inbound, outbound };
    // What happens; what was opened, and closed, in each direction; what was refused, and failed.
    let from = |message| SwarmInput::FromConnection { connection, message: ToNode(message) };
    let steps = [
        (from(opened(0, None)), by(1, 0), by(0, 0), 0, 0),
        (from(opened(2, None)), by(1, 0), by(0, 0), 1, 0),
        (wish(0), by(1, 0), by(0, 0), 1, 0),
        (wish(1), by(1, 0), by(0, 0), 1, 1),
        (from(opened(1, Some(OpenId(0)))), by(1, 1), by(0, 0), 1, 1),
        (from(opened(3, Some(OpenId(9)))), by(1, 1), by(0, 0), 1, 1),
        (from(closed(3)), by(1, 1), by(0, 0), 1, 1),
        (from(closed(0)), by(1, 1), by(1, 0), 1, 1),
        (from(closed(1)), by(1, 1), by(1, 1), 1, 1),
        (from(closed(1)), by(1, 1), by(1, 1), 1, 1),
        (wish(2), by(1, 1), by(1, 1), 1, 1),
        (from(ConnectionMessage::Closed(ConnectionError::Broken)), by(1, 1), by(1, 1), 1, 2),
        (wish(3), by(1, 1), by(1, 1), 1, 3),
    ];
    for (number, (input, opened, closed, refused, failed)) in steps.into_iter().enumerate() {
        swarm.handle_input(input, NOW);
        let now = check(&swarm);
        assert_eq!((now.streams_opened, now.streams_closed), (opened, closed), "step {number}");
        assert_eq!((now.streams_refused, now.streams_failed), (refused, failed), "step {number}");
    }
    assert_eq!(swarm.counters().streams_opened.total(), 2);
}
