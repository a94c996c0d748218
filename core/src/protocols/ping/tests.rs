use super::*;
use crate::muxer::ResetCause;
use crate::protocols::testing::{
    Weather, at, connected, disconnected, key, opened, peer, storm, tell, wake, weather,
};
use crate::protocols::{RequestId, StreamKey, Target};
use bytes::Bytes;
use proptest::prelude::*;
use smallvec::smallvec;

const STREAM: StreamKey = key_of_stream(1);
const SECOND: StreamKey = key_of_stream(3);

const fn key_of_stream(stream: u64) -> StreamKey {
    StreamKey { connection: ConnectionId(0), stream: crate::muxer::StreamId(stream) }
}

type Output = ToSwarm<PingEvent>;

fn machine(interval: Option<u64>) -> Ping {
    let config = PingConfig { interval: interval.map(Duration::from_millis), ..PingConfig::default() };
    Ping::new(config, Seed::reproducible(1), at(0))
}

/// A machine with connection 0 to peer 1, no automatic pings.
fn on_command() -> Ping {
    let mut ping = machine(None);
    assert_eq!(tell(&mut ping, connected(0, peer(1)), at(0)), []);
    ping
}

fn command(id: u64) -> FromSwarm<PingCommand> {
    FromSwarm::Command(PingCommand::Ping { id: PingId(id), peer: peer(1) })
}

fn open(request: u64) -> Output {
    ToSwarm::OpenStream {
        request: RequestId(request),
        target: Target::Connection(ConnectionId(0)),
        protocols: smallvec![PROTOCOL],
        options: STREAM_OPTIONS,
    }
}

fn failed(id: impl Into<Option<u64>>, error: PingError) -> Output {
    let id = id.into().map(PingId);
    ToSwarm::Event(PingEvent::Failed { peer: peer(1), connection: Some(ConnectionId(0)), id, error })
}

fn pong(id: impl Into<Option<u64>>, millis: u64) -> Output {
    let (id, round_trip) = (id.into().map(PingId), Duration::from_millis(millis));
    ToSwarm::Event(PingEvent::Pong { peer: peer(1), connection: ConnectionId(0), id, round_trip })
}

fn message(stream: StreamKey, message: &Bytes, millis: u64) -> FromSwarm<PingCommand> {
    FromSwarm::Message { stream, message: message.clone(), received_at: at(millis) }
}

fn closed(stream: StreamKey, cause: StreamCloseCause) -> FromSwarm<PingCommand> {
    FromSwarm::StreamClosed { stream, cause }
}

fn grant(stream: StreamKey) -> Output {
    ToSwarm::Grant { stream, messages: 1 }
}

/// Takes the payload out of a ping's two outputs.
#[track_caller]
fn payload(outputs: &[Output], on: StreamKey) -> Bytes {
    match outputs {
        [ToSwarm::Send { stream, message }, granted] if *stream == on && *granted == grant(on) => {
            message.clone()
        }
        other => panic!("not a ping: {other:?}"),
    }
}

/// Commands a ping and opens the stream for it at 10 ms; returns the payload.
fn under_way(ping: &mut Ping, id: u64) -> Bytes {
    assert_eq!(tell(ping, command(id), at(0)), [open(0)]);
    payload(&tell(ping, opened(STREAM, PROTOCOL, Some(0)), at(10)), STREAM)
}

/// As [`under_way`], but on a stream on which ping 0 succeeded.
fn under_way_again(ping: &mut Ping, id: u64) -> Bytes {
    let first = under_way(ping, 0);
    assert_eq!(tell(ping, message(STREAM, &first, 11), at(11)), [pong(0, 1)]);
    payload(&tell(ping, command(id), at(20)), STREAM)
}

#[test]
fn the_round_trip_is_from_the_send_to_the_arrival() {
    let mut ping = on_command();
    let first = under_way(&mut ping, 7);
    assert_eq!(first.len(), 32);
    assert_eq!(tell(&mut ping, message(STREAM, &first, 35), at(90)), [pong(7, 25)]);
    // The stream is kept, the payload is a new one.
    let second = payload(&tell(&mut ping, command(8), at(100)), STREAM);
    assert_ne!(first, second);
    assert_eq!(tell(&mut ping, message(STREAM, &second, 103), at(103)), [pong(8, 3)]);
    assert_eq!(ping.poll_timeout(), None);
}

#[test]
fn pings_of_one_connection_follow_each_other() {
    let mut ping = on_command();
    let first = under_way(&mut ping, 1);
    assert_eq!(tell(&mut ping, command(2), at(11)), []);
    let mut outputs = tell(&mut ping, message(STREAM, &first, 12), at(12));
    assert_eq!(outputs.remove(0), pong(1, 2));
    let second = payload(&outputs, STREAM);
    assert_eq!(tell(&mut ping, message(STREAM, &second, 15), at(15)), [pong(2, 3)]);
}

#[test]
fn automatic_pings_start_an_interval_after_the_last_one_ended() {
    let mut ping = machine(Some(1_000));
    assert_eq!(tell(&mut ping, connected(0, peer(1)), at(500)), []);
    assert_eq!(ping.poll_timeout(), Some(Deadline::new(at(1_500), "automatic ping")));
    assert_eq!(wake(&mut ping, at(1_499)), []);
    assert_eq!(wake(&mut ping, at(1_500)), [open(0)]);
    assert_eq!(ping.poll_timeout(), Some(Deadline::new(at(21_500), "ping timeout")));
    let sent = payload(&tell(&mut ping, opened(STREAM, PROTOCOL, Some(0)), at(1_600)), STREAM);
    assert_eq!(tell(&mut ping, message(STREAM, &sent, 1_650), at(1_700)), [pong(None, 50)]);
    // A command in between postpones the next.
    let sent = payload(&tell(&mut ping, command(1), at(2_000)), STREAM);
    assert_eq!(tell(&mut ping, message(STREAM, &sent, 2_010), at(2_010)), [pong(1, 10)]);
    assert_eq!(ping.poll_timeout(), Some(Deadline::new(at(3_010), "automatic ping")));
    payload(&wake(&mut ping, at(9_999)), STREAM);
}

#[test]
fn a_command_measures_the_oldest_connection() {
    let mut ping = machine(None);
    for connection in [5, 2, 9] {
        tell(&mut ping, connected(connection, peer(1)), at(0));
    }
    tell(&mut ping, connected(1, peer(2)), at(0));
    let target = |outputs: Vec<Output>| match outputs[..] {
        [ToSwarm::OpenStream { target: Target::Connection(connection), .. }] => connection.0,
        ref other => panic!("{other:?}"),
    };
    assert_eq!(target(tell(&mut ping, command(1), at(0))), 2);
    tell(&mut ping, disconnected(2, peer(1)), at(0));
    assert_eq!(target(tell(&mut ping, command(2), at(0))), 5);
}

#[test]
fn a_command_without_a_connection_or_over_the_limit_fails_at_once() {
    let mut ping = machine(None);
    let not_connected = PingEvent::Failed {
        peer: peer(1),
        connection: None,
        id: Some(PingId(1)),
        error: PingError::NotConnected,
    };
    assert_eq!(tell(&mut ping, command(1), at(0)), [ToSwarm::Event(not_connected)]);

    let mut ping = on_command();
    under_way(&mut ping, 0);
    for id in 1..MAX_PINGS_PER_CONNECTION as u64 {
        assert_eq!(tell(&mut ping, command(id), at(0)), []);
    }
    assert_eq!(tell(&mut ping, command(99), at(0)), [failed(99, PingError::TooMany)]);
}

#[test]
fn answers_that_are_not_the_echo() {
    for wrong in [&[0; 32][..], &[0; 31], &[], &[0; 33]] {
        let mut ping = on_command();
        under_way(&mut ping, 1);
        let outputs = tell(&mut ping, message(STREAM, &Bytes::copy_from_slice(wrong), 20), at(20));
        assert_eq!(outputs, [ToSwarm::Reset { stream: STREAM }, failed(1, PingError::WrongEcho)]);
        assert_eq!(tell(&mut ping, closed(STREAM, StreamCloseCause::ResetHere), at(21)), []);
        assert_eq!(tell(&mut ping, command(2), at(22)), [open(1)]);
    }
}

#[test]
fn an_echo_nobody_asked_for_costs_the_stream() {
    let mut ping = on_command();
    let sent = under_way(&mut ping, 1);
    assert_eq!(tell(&mut ping, message(STREAM, &sent, 11), at(11)), [pong(1, 1)]);
    assert_eq!(tell(&mut ping, message(STREAM, &sent, 12), at(12)), [ToSwarm::Reset { stream: STREAM }]);

    // Without credit it waits in the stream, and answers the next ping.
    let mut ping = on_command();
    under_way_again(&mut ping, 2);
    let outputs = tell(&mut ping, message(STREAM, &sent, 21), at(21));
    assert_eq!(outputs, [ToSwarm::Reset { stream: STREAM }, failed(2, PingError::WrongEcho)]);
}

#[test]
fn an_echo_after_the_timeout_is_not_heard() {
    let mut ping = on_command();
    let sent = under_way(&mut ping, 1);
    assert_eq!(ping.poll_timeout(), Some(Deadline::new(at(20_000), "ping timeout")));
    assert_eq!(wake(&mut ping, at(19_999)), []);
    assert_eq!(
        wake(&mut ping, at(20_000)),
        [ToSwarm::Reset { stream: STREAM }, failed(1, PingError::Timeout)]
    );
    assert_eq!(tell(&mut ping, message(STREAM, &sent, 20_001), at(20_001)), []);
    assert_eq!(tell(&mut ping, closed(STREAM, StreamCloseCause::ResetHere), at(20_002)), []);
    assert_eq!(ping.poll_timeout(), None);
}

#[test]
fn each_ping_has_its_own_timeout() {
    let mut ping = on_command();
    under_way(&mut ping, 1);
    assert_eq!(tell(&mut ping, command(2), at(5_000)), []);
    let outputs = wake(&mut ping, at(20_000));
    assert_eq!(outputs, [ToSwarm::Reset { stream: STREAM }, failed(1, PingError::Timeout), open(1)]);
    assert_eq!(wake(&mut ping, at(25_000)), [failed(2, PingError::Timeout)]);
    // The stream that comes too late serves the next ping.
    assert_eq!(tell(&mut ping, opened(SECOND, PROTOCOL, Some(1)), at(26_000)), []);
    payload(&tell(&mut ping, command(3), at(27_000)), SECOND);
}

#[test]
fn a_fresh_stream_that_ends_early_fails_the_ping() {
    for cause in [
        StreamCloseCause::Truncated,
        StreamCloseCause::Ended,
        StreamCloseCause::Reset(ResetCause::Remote),
        StreamCloseCause::Reset(ResetCause::BufferFull),
    ] {
        let mut ping = on_command();
        under_way(&mut ping, 1);
        let outputs = tell(&mut ping, closed(STREAM, cause.clone()), at(20));
        assert_eq!(outputs, [failed(1, PingError::StreamClosed(cause))]);
    }
    let mut ping = on_command();
    under_way(&mut ping, 1);
    let outputs = tell(&mut ping, FromSwarm::RemoteClosed { stream: STREAM }, at(20));
    let ended = PingError::StreamClosed(StreamCloseCause::Ended);
    assert_eq!(outputs, [ToSwarm::Close { stream: STREAM }, failed(1, ended)]);
}

#[test]
fn a_ping_that_loses_a_used_stream_is_sent_once_more() {
    let end: [fn() -> FromSwarm<PingCommand>; 2] = [
        || closed(STREAM, StreamCloseCause::Reset(ResetCause::Remote)),
        || FromSwarm::RemoteClosed { stream: STREAM },
    ];
    for end in end {
        let mut ping = on_command();
        under_way_again(&mut ping, 1);
        let outputs = tell(&mut ping, end(), at(30));
        assert_eq!(outputs.last(), Some(&open(1)));
        let sent = payload(&tell(&mut ping, opened(SECOND, PROTOCOL, Some(1)), at(40)), SECOND);
        assert_eq!(tell(&mut ping, message(SECOND, &sent, 45), at(45)), [pong(1, 5)]);
    }
    let mut ping = on_command();
    under_way_again(&mut ping, 1);
    tell(&mut ping, end[0](), at(30));
    tell(&mut ping, opened(SECOND, PROTOCOL, Some(1)), at(40));
    let outputs = tell(&mut ping, closed(SECOND, StreamCloseCause::Ended), at(50));
    assert_eq!(outputs, [failed(1, PingError::StreamClosed(StreamCloseCause::Ended))]);
}

#[test]
fn a_stream_that_ends_between_pings_is_no_failure() {
    let mut ping = on_command();
    let sent = under_way(&mut ping, 1);
    tell(&mut ping, message(STREAM, &sent, 11), at(11));
    assert_eq!(tell(&mut ping, closed(STREAM, StreamCloseCause::Ended), at(12)), []);
    assert_eq!(tell(&mut ping, command(2), at(13)), [open(1)]);
}

#[test]
fn a_stream_that_cannot_be_opened_fails_all_that_wait() {
    let table = [
        (StreamError::Unsupported(smallvec![PROTOCOL]), PingError::Unsupported),
        (StreamError::NotConnected, PingError::ConnectionClosed),
        (StreamError::ConnectionClosed, PingError::ConnectionClosed),
        (StreamError::Timeout, PingError::NotOpened(StreamError::Timeout)),
        (StreamError::Limit, PingError::NotOpened(StreamError::Limit)),
        (StreamError::Refused, PingError::NotOpened(StreamError::Refused)),
    ];
    for (error, expected) in table {
        let mut ping = on_command();
        tell(&mut ping, command(1), at(0));
        tell(&mut ping, command(2), at(1));
        let outputs = tell(&mut ping, FromSwarm::OpenFailed { request: RequestId(0), error }, at(2));
        assert_eq!(outputs, [failed(1, expected.clone()), failed(2, expected)]);
        assert_eq!(tell(&mut ping, command(3), at(3)), [open(1)]);
    }
}

#[test]
fn automatic_pings_stop_where_ping_is_not_spoken_until_a_command_succeeds() {
    let unsupported = |request| FromSwarm::OpenFailed {
        request: RequestId(request),
        error: StreamError::Unsupported(smallvec![PROTOCOL]),
    };
    let mut ping = machine(Some(1_000));
    tell(&mut ping, connected(0, peer(1)), at(0));
    assert_eq!(wake(&mut ping, at(1_000)), [open(0)]);
    assert_eq!(tell(&mut ping, unsupported(0), at(1_010)), [failed(None, PingError::Unsupported)]);
    assert_eq!(ping.poll_timeout(), None);

    assert_eq!(tell(&mut ping, command(1), at(2_000)), [open(1)]);
    assert_eq!(tell(&mut ping, unsupported(1), at(2_010)), [failed(1, PingError::Unsupported)]);
    assert_eq!(ping.poll_timeout(), None);

    assert_eq!(tell(&mut ping, command(2), at(3_000)), [open(2)]);
    let sent = payload(&tell(&mut ping, opened(STREAM, PROTOCOL, Some(2)), at(3_010)), STREAM);
    assert_eq!(tell(&mut ping, message(STREAM, &sent, 3_020), at(3_020)), [pong(2, 10)]);
    assert_eq!(ping.poll_timeout(), Some(Deadline::new(at(4_020), "automatic ping")));
}

#[test]
fn a_connection_that_goes_fails_its_pings() {
    // While the stream is being opened; the answer to the request is for nobody.
    let mut ping = on_command();
    tell(&mut ping, command(1), at(0));
    tell(&mut ping, command(2), at(0));
    let outputs = tell(&mut ping, disconnected(0, peer(1)), at(1));
    assert_eq!(outputs, [failed(1, PingError::ConnectionClosed), failed(2, PingError::ConnectionClosed)]);
    let late = FromSwarm::OpenFailed { request: RequestId(0), error: StreamError::ConnectionClosed };
    assert_eq!(tell(&mut ping, late, at(2)), []);
    assert_eq!((size(&ping), ping.poll_timeout()), (0, None));

    // In the middle of a ping, on a used stream too.
    let mut ping = on_command();
    under_way_again(&mut ping, 1);
    tell(&mut ping, command(2), at(21));
    let outputs = tell(&mut ping, closed(STREAM, StreamCloseCause::ConnectionClosed), at(30));
    assert_eq!(outputs, [failed(1, PingError::ConnectionClosed), failed(2, PingError::ConnectionClosed)]);
    assert_eq!(tell(&mut ping, disconnected(0, peer(1)), at(30)), []);
    assert_eq!(size(&ping), 0);
}

#[test]
fn a_refused_ping_is_sent_again_and_measured_from_then() {
    let mut ping = on_command();
    let sent = under_way(&mut ping, 1);
    assert_eq!(tell(&mut ping, FromSwarm::Blocked { stream: STREAM, message: sent.clone() }, at(11)), []);
    let outputs = tell(&mut ping, FromSwarm::Writable { stream: STREAM }, at(50));
    assert_eq!(outputs, [ToSwarm::Send { stream: STREAM, message: sent.clone() }]);
    assert_eq!(tell(&mut ping, message(STREAM, &sent, 53), at(53)), [pong(1, 3)]);

    // What comes back before it was sent is no echo.
    let sent = payload(&tell(&mut ping, command(2), at(60)), STREAM);
    tell(&mut ping, FromSwarm::Blocked { stream: STREAM, message: sent.clone() }, at(61));
    let outputs = tell(&mut ping, message(STREAM, &sent, 62), at(62));
    assert_eq!(outputs, [ToSwarm::Reset { stream: STREAM }, failed(2, PingError::WrongEcho)]);
}

#[test]
fn what_comes_is_echoed_until_the_peer_closes() {
    let mut ping = on_command();
    let stream = key(0, 2);
    let options = ping.inbound().remove(0).options;
    assert_eq!((options.framing, options.credit, options.keep_alive), (Framing::Fixed(32), 1, false));
    assert_eq!(tell(&mut ping, opened(stream, PROTOCOL, None), at(0)), []);
    for byte in 0..3 {
        let data = Bytes::from(vec![byte; 32]);
        let outputs = tell(&mut ping, message(stream, &data, 1), at(1));
        assert_eq!(outputs, [ToSwarm::Send { stream, message: data }, grant(stream)]);
    }
    assert_eq!(tell(&mut ping, FromSwarm::RemoteClosed { stream }, at(2)), [ToSwarm::Close { stream }]);
    assert_eq!(tell(&mut ping, FromSwarm::RemoteClosed { stream }, at(2)), []);
    assert_eq!(tell(&mut ping, message(stream, &Bytes::new(), 3), at(3)), []);
    assert_eq!(tell(&mut ping, closed(stream, StreamCloseCause::Ended), at(4)), []);
    assert_eq!(tell(&mut ping, message(stream, &Bytes::new(), 5), at(5)), []);
}

#[test]
fn refused_echoes_wait_in_order_and_stop_the_credit() {
    let mut ping = on_command();
    let stream = key(0, 2);
    let [first, second, third] = [1, 2, 3].map(|byte| Bytes::from(vec![byte; 32]));
    let send = |message: &Bytes| ToSwarm::Send { stream, message: message.clone() };
    let blocked = |message: &Bytes| FromSwarm::Blocked { stream, message: message.clone() };
    tell(&mut ping, opened(stream, PROTOCOL, None), at(0));
    assert_eq!(tell(&mut ping, message(stream, &first, 1), at(1)), [send(&first), grant(stream)]);
    assert_eq!(tell(&mut ping, blocked(&first), at(2)), []);
    assert_eq!(tell(&mut ping, message(stream, &second, 3), at(3)), []);
    let outputs = tell(&mut ping, FromSwarm::Writable { stream }, at(4));
    assert_eq!(outputs, [send(&first), send(&second), grant(stream)]);
    // The second is refused once more; the remote closes meanwhile.
    assert_eq!(tell(&mut ping, blocked(&second), at(5)), []);
    assert_eq!(tell(&mut ping, message(stream, &third, 6), at(6)), []);
    assert_eq!(tell(&mut ping, FromSwarm::RemoteClosed { stream }, at(7)), []);
    let outputs = tell(&mut ping, FromSwarm::Writable { stream }, at(8));
    assert_eq!(outputs, [send(&second), send(&third), ToSwarm::Close { stream }]);
    // A refusal undoes the close as well.
    assert_eq!(tell(&mut ping, blocked(&third), at(9)), []);
    let outputs = tell(&mut ping, FromSwarm::Writable { stream }, at(10));
    assert_eq!(outputs, [send(&third), ToSwarm::Close { stream }]);
    assert_eq!(tell(&mut ping, FromSwarm::Writable { stream }, at(11)), []);
}

#[test]
fn a_stream_with_more_waiting_than_its_credit_allows_is_reset() {
    let mut ping = on_command();
    let stream = key(0, 2);
    let data = Bytes::from_static(&[0; 32]);
    tell(&mut ping, opened(stream, PROTOCOL, None), at(0));
    tell(&mut ping, FromSwarm::Blocked { stream, message: data.clone() }, at(1));
    for _ in 1..MAX_ECHOES_PER_STREAM {
        assert_eq!(tell(&mut ping, message(stream, &data, 2), at(2)), []);
    }
    assert_eq!(tell(&mut ping, message(stream, &data, 3), at(3)), [ToSwarm::Reset { stream }]);
    assert_eq!(tell(&mut ping, FromSwarm::Writable { stream }, at(4)), []);
}

#[test]
fn floods_of_inbound_streams_replace_the_oldest() {
    let mut ping = on_command();
    for stream in 0..100 {
        let outputs = tell(&mut ping, opened(key(0, 2 * stream), PROTOCOL, None), at(0));
        let replaced = stream.checked_sub(2).map(|old| ToSwarm::Reset { stream: key(0, 2 * old) });
        assert_eq!(outputs, replaced.into_iter().collect::<Vec<_>>());
    }
    assert_eq!(size(&ping), 3);

    let config = PingConfig { max_inbound_streams: 0, ..PingConfig::default() };
    let mut ping = Ping::new(config, Seed::reproducible(1), at(0));
    tell(&mut ping, connected(0, peer(1)), at(0));
    let outputs = tell(&mut ping, opened(key(0, 2), PROTOCOL, None), at(0));
    assert_eq!(outputs, [ToSwarm::Reset { stream: key(0, 2) }]);
}

#[test]
fn a_configuration_of_zeros_does_not_spin() {
    let config =
        PingConfig { interval: Some(Duration::ZERO), timeout: Duration::ZERO, max_inbound_streams: 0 };
    let mut ping = Ping::new(config, Seed::reproducible(1), at(0));
    tell(&mut ping, connected(0, peer(1)), at(0));
    assert_eq!(ping.poll_timeout().unwrap().at, at(1));
    wake(&mut ping, at(1));
    assert_eq!(ping.poll_timeout().unwrap().at, at(2));
}

#[test]
fn time_does_not_go_back() {
    let mut ping = on_command();
    assert_eq!(wake(&mut ping, at(1_000)), []);
    tell(&mut ping, command(1), at(500));
    assert_eq!(ping.poll_timeout(), Some(Deadline::new(at(21_000), "ping timeout")));
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Connection>() <= 256, "{}", size_of::<Connection>());
}

/// Everything remembered, counted.
fn size(ping: &Ping) -> usize {
    let each = |connection: &Connection| connection.outbound.size() + connection.inbound.size();
    ping.connections.values().count()
        + ping.timers.len()
        + ping.shared.requests.len()
        + ping.shared.outputs.len()
        + ping.connections.values().map(each).sum::<usize>()
}

proptest! {
    #[test]
    fn weathers_any_storm(
        automatic in any::<bool>(),
        storm in storm(prop::collection::vec(any::<u8>(), 32).prop_map(Bytes::from)),
    ) {
        let run = || weather(machine(automatic.then_some(15_000)), Weather {
            protocol: PROTOCOL,
            command: |id, peer| PingCommand::Ping { id: PingId(id), peer },
            outcome: |event| match event {
                PingEvent::Pong { id, .. } | PingEvent::Failed { id, .. } => id.map(|id| id.0),
            },
            size,
            max_size: 3 * (3 + MAX_PINGS_PER_CONNECTION + 2 * (1 + MAX_ECHOES_PER_STREAM)),
        }, &storm);
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn errors_name_whose_fault_it_is() {
    let table = [
        (PingError::NotConnected, Blame::Caller),
        (PingError::TooMany, Blame::Limit),
        (PingError::Unsupported, Blame::Peer),
        (PingError::NotOpened(StreamError::Negotiation(String::new())), Blame::Peer),
        (PingError::NotOpened(StreamError::Refused), Blame::Closed),
        (PingError::Timeout, Blame::Timeout),
        (PingError::WrongEcho, Blame::Peer),
        (PingError::StreamClosed(StreamCloseCause::Truncated), Blame::Peer),
        (PingError::StreamClosed(StreamCloseCause::Reset(ResetCause::BufferFull)), Blame::Limit),
        (PingError::ConnectionClosed, Blame::Closed),
    ];
    for (error, blame) in table {
        assert_eq!(error.blame(), blame, "{error}");
    }
}
