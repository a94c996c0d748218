//! Pushes of peers and to peers.

use super::super::codec::{MAX_ADDRESSES, MAX_PROTOCOLS};
use super::super::*;
use super::codec::{Oracle, decode};
use super::machine::{Output, closed, ended, full_message, heard, machine, message, noted, size};
use crate::muxer::ResetCause;
use crate::protocols::testing::{
    address, at, connected, disconnected, key, keypair, opened, peer, tell, wake,
};
use crate::protocols::{LocalInfo, RequestId, StreamKey, StreamOptions, Target};
use crate::wire::protobuf::ProtobufError;
use bytes::Bytes;
use prost::Message;
use smallvec::smallvec;

/// A stream on which peer 1 pushes.
const PUSH: StreamKey = StreamKey { connection: ConnectionId(0), stream: crate::muxer::StreamId(4) };

/// A machine to which peer 1 pushes on [`PUSH`]; what it was asked is over.
fn pushed_to() -> Identify {
    let mut identify = speaking_push(0);
    assert_eq!(tell(&mut identify, opened(PUSH, PUSH_PROTOCOL, None), at(0)), []);
    identify
}

/// A machine whose connections up to `last` are to different peers, all identified, which speak push and asked us.
fn speaking_push(last: u64) -> Identify {
    let mut identify = machine();
    for connection in 0..=last {
        introduce(&mut identify, connection, peer(1 + connection as u8), true);
    }
    identify
}

/// Connects, identifies, and answers.
fn introduce(identify: &mut Identify, connection: u64, peer: PeerId, speaks_push: bool) {
    let outputs = tell(identify, connected(connection, peer), at(0));
    let [ToSwarm::OpenStream { request, .. }] = outputs[..] else { panic!("{outputs:?}") };
    let stream = key(connection, 1);
    tell(identify, opened(stream, PROTOCOL, Some(request.0)), at(0));
    identified(identify, stream, speaks_push);
    let answer = key(connection, 2);
    assert_eq!(tell(identify, opened(answer, PROTOCOL, None), at(0)).len(), 2);
    tell(identify, closed(answer, StreamCloseCause::Ended), at(0));
}

fn identified(identify: &mut Identify, stream: StreamKey, speaks_push: bool) {
    let protocols = vec![if speaks_push { PUSH_PROTOCOL } else { PROTOCOL }.to_string()];
    let told = Oracle { protocols, ..Oracle::default() }.encode_to_vec();
    tell(identify, message(stream, &told), at(0));
    tell(identify, ended(stream), at(0));
    tell(identify, closed(stream, StreamCloseCause::Ended), at(0));
}

fn changed(port: u16) -> FromSwarm<IdentifyCommand> {
    FromSwarm::Local(Arc::new(LocalInfo {
        peer: peer(9),
        public_key: keypair(9).public().clone(),
        listen_addresses: vec![address(&format!("/ip4/192.0.2.9/tcp/{port}"))],
        protocols: vec![PROTOCOL],
    }))
}

/// A machine that changed at the start, one second later.
fn pushing(last: u64) -> (Identify, Vec<Output>) {
    let mut identify = speaking_push(last);
    assert_eq!(tell(&mut identify, changed(1), at(0)), []);
    assert_eq!(identify.poll_timeout(), Some(Deadline::new(at(1_000), "identify push")));
    let outputs = wake(&mut identify, at(1_000));
    (identify, outputs)
}

fn open(request: u64, connection: u64) -> Output {
    ToSwarm::OpenStream {
        request: RequestId(request),
        target: Target::Connection(ConnectionId(connection)),
        protocols: smallvec![PUSH_PROTOCOL],
        options: StreamOptions { framing: FRAMING, credit: 1, keep_alive: true, lazy: false },
    }
}

/// Answers a request with a stream, and returns the addresses that are pushed on it.
fn push_on(identify: &mut Identify, stream: StreamKey, request: u64, now: Instant) -> Vec<Multiaddr> {
    match &tell(identify, opened(stream, PUSH_PROTOCOL, Some(request)), now)[..] {
        [ToSwarm::Send { stream: to, message }, close] => {
            assert_eq!((*to, close), (stream, &ToSwarm::Close { stream }));
            decode(message).unwrap().listen_addresses
        }
        other => panic!("not a push: {other:?}"),
    }
}

fn push_sent(connection: u64) -> Output {
    let peer = peer(1 + connection as u8);
    ToSwarm::Event(IdentifyEvent::PushSent { peer, connection: ConnectionId(connection) })
}

fn push_failed(error: IdentifyError) -> Output {
    ToSwarm::Event(IdentifyEvent::PushFailed { peer: peer(1), connection: ConnectionId(0), error })
}

fn pushed(info: IdentifyInfo) -> Output {
    let (peer, connection) = (peer(1), ConnectionId(0));
    ToSwarm::Event(IdentifyEvent::Pushed { peer, connection, info: Arc::new(info) })
}

fn grant(stream: StreamKey) -> Output {
    ToSwarm::Grant { stream, messages: 1 }
}

#[test]
fn a_peer_pushes_in_several_messages() {
    let mut identify = pushed_to();
    assert_eq!(identify.poll_timeout(), Some(Deadline::new(at(5_000), "identify push timeout")));
    let more = Oracle { agent_version: Some("other/2".to_owned()), ..Oracle::default() }.encode_to_vec();
    for bytes in [full_message(), more] {
        assert_eq!(tell(&mut identify, message(PUSH, &bytes), at(1)), [grant(PUSH)]);
    }
    let info = IdentifyInfo { agent_version: Some("other/2".to_owned()), ..heard() };
    let outputs = tell(&mut identify, ended(PUSH), at(2));
    assert_eq!(outputs, [ToSwarm::Close { stream: PUSH }, pushed(info.clone()), noted(info)]);
    assert_eq!(tell(&mut identify, closed(PUSH, StreamCloseCause::Ended), at(3)), []);
    assert_eq!((size(&identify), identify.poll_timeout()), (1, None));
}

#[test]
fn a_push_that_changes_nothing_is_reported_too() {
    let mut identify = pushed_to();
    tell(&mut identify, message(PUSH, &[]), at(1));
    let outputs = tell(&mut identify, ended(PUSH), at(2));
    assert_eq!(
        outputs,
        [ToSwarm::Close { stream: PUSH }, pushed(IdentifyInfo::default()), noted(IdentifyInfo::default())]
    );
}

#[test]
fn bad_pushes_cost_the_stream_and_not_the_peer() {
    let with_key = |public_key| Oracle { public_key: Some(public_key), ..Oracle::default() }.encode_to_vec();
    let bad_type = ProtobufError::WrongType { field: "publicKey", expected: "bytes" };
    let table = [
        (vec![0x0a], InvalidMessage::from(ProtobufError::Truncated).into()),
        (vec![0x08, 1], InvalidMessage::from(bad_type).into()),
        (with_key(keypair(2).public().to_protobuf()), IdentifyError::WrongKey(peer(2))),
    ];
    for (bytes, error) in table {
        let mut identify = pushed_to();
        let outputs = tell(&mut identify, message(PUSH, &bytes), at(1));
        assert_eq!(outputs, [ToSwarm::Reset { stream: PUSH }, push_failed(error)]);
        assert_eq!(tell(&mut identify, message(PUSH, &full_message()), at(2)), []);
        assert_eq!(tell(&mut identify, ended(PUSH), at(2)), []);
        assert_eq!(tell(&mut identify, closed(PUSH, StreamCloseCause::ResetHere), at(2)), []);
        assert_eq!((size(&identify), identify.poll_timeout()), (1, None));
        // The next one counts.
        let next = key(0, 6);
        tell(&mut identify, opened(next, PUSH_PROTOCOL, None), at(3));
        assert_eq!(tell(&mut identify, message(next, &full_message()), at(3)), [grant(next)]);
    }

    let mut identify = pushed_to();
    for _ in 0..MAX_MESSAGES {
        assert_eq!(tell(&mut identify, message(PUSH, &[]), at(1)), [grant(PUSH)]);
    }
    let outputs = tell(&mut identify, message(PUSH, &[]), at(1));
    assert_eq!(outputs, [ToSwarm::Reset { stream: PUSH }, push_failed(IdentifyError::TooManyMessages)]);

    let outputs = tell(&mut pushed_to(), ended(PUSH), at(1));
    assert_eq!(outputs, [ToSwarm::Close { stream: PUSH }, push_failed(IdentifyError::Nothing)]);
    let outputs = wake(&mut pushed_to(), at(5_000));
    assert_eq!(outputs, [ToSwarm::Reset { stream: PUSH }, push_failed(IdentifyError::Timeout)]);
}

#[test]
fn a_push_that_breaks_fails() {
    for cause in [StreamCloseCause::Truncated, StreamCloseCause::Reset(ResetCause::Remote)] {
        let mut identify = pushed_to();
        tell(&mut identify, message(PUSH, &full_message()), at(1));
        let outputs = tell(&mut identify, closed(PUSH, cause.clone()), at(2));
        assert_eq!(outputs, [push_failed(IdentifyError::StreamClosed(cause))]);
    }
    let outputs = tell(&mut pushed_to(), closed(PUSH, StreamCloseCause::ConnectionClosed), at(2));
    assert_eq!(outputs, [push_failed(IdentifyError::ConnectionClosed)]);
}

#[test]
fn floods_of_pushes_replace_each_other() {
    let mut identify = pushed_to();
    for stream in 3..100 {
        let outputs = tell(&mut identify, opened(key(0, 2 * stream), PUSH_PROTOCOL, None), at(1));
        assert_eq!(outputs, [ToSwarm::Reset { stream: key(0, 2 * (stream - 1)) }]);
        // A connection, a push, its timer.
        assert_eq!(size(&identify), 3);
    }
}

/// Advisory: go-libp2p before 0.49 (pull request 3501) capped the protocols of each message, not of all of them.
#[test]
fn a_message_in_chunks_plants_no_more_than_the_limit() {
    let chunks: Vec<_> = (0..MAX_MESSAGES)
        .map(|chunk| {
            let protocols = (0..250).map(|n| format!("/planted/{chunk}/{n}")).collect();
            let listen_addrs = (0..150).map(|n| address(&format!("/ip4/8.8.8.{chunk}/tcp/{n}")).to_vec());
            Oracle { protocols, listen_addrs: listen_addrs.collect(), ..Oracle::default() }.encode_to_vec()
        })
        .collect();
    let asked = {
        let mut identify = machine();
        tell(&mut identify, connected(0, peer(1)), at(0));
        tell(&mut identify, opened(PUSH, PROTOCOL, Some(0)), at(0));
        identify
    };
    for mut identify in [asked, pushed_to()] {
        for chunk in &chunks {
            assert!(chunk.len() <= MAX_MESSAGE_BYTES);
            assert_eq!(tell(&mut identify, message(PUSH, chunk), at(1)), [grant(PUSH)]);
        }
        let outputs = tell(&mut identify, ended(PUSH), at(2));
        let [
            _,
            ToSwarm::Event(IdentifyEvent::Received { info, .. } | IdentifyEvent::Pushed { info, .. }),
            ToSwarm::Identified { .. },
        ] = &outputs[..]
        else {
            panic!("{outputs:?}")
        };
        assert_eq!((info.protocols.len(), info.listen_addresses.len()), (MAX_PROTOCOLS, MAX_ADDRESSES));
    }
}

#[test]
fn what_is_told_twice_counts_once() {
    let mut identify = pushed_to();
    for _ in 0..2 {
        tell(&mut identify, message(PUSH, &full_message()), at(1));
    }
    assert_eq!(tell(&mut identify, ended(PUSH), at(2))[1], pushed(heard()));
}

#[test]
fn a_change_is_pushed_to_who_speaks_push() {
    let mut identify = speaking_push(0);
    introduce(&mut identify, 1, peer(2), false);
    introduce(&mut identify, 2, peer(3), true);
    // Changes in quick succession are one.
    for (port, now) in [(1, 0), (2, 500), (3, 999)] {
        assert_eq!(tell(&mut identify, changed(port), at(now)), []);
    }
    assert_eq!(wake(&mut identify, at(999)), []);
    assert_eq!(wake(&mut identify, at(1_000)), [open(3, 0), open(4, 2)]);
    let stream = key(0, 5);
    assert_eq!(push_on(&mut identify, stream, 3, at(1_001)), [address("/ip4/192.0.2.9/tcp/3")]);
    assert_eq!(tell(&mut identify, ended(stream), at(1_002)), []);
    assert_eq!(tell(&mut identify, closed(stream, StreamCloseCause::Ended), at(1_003)), [push_sent(0)]);
    assert_eq!(tell(&mut identify, disconnected(2, peer(3)), at(1_004)), []);
    assert_eq!((size(&identify), identify.poll_timeout()), (2, None));
}

#[test]
fn who_knows_already_is_not_told() {
    // The same again is no change.
    let mut identify = speaking_push(0);
    tell(&mut identify, changed(1), at(0));
    wake(&mut identify, at(1_000));
    assert_eq!(tell(&mut identify, changed(1), at(2_000)), []);
    assert!(!identify.timers.contains(Timer::PushDelay));

    // It asked meanwhile.
    let mut identify = speaking_push(0);
    tell(&mut identify, changed(1), at(0));
    assert_eq!(tell(&mut identify, opened(key(0, 8), PROTOCOL, None), at(1)).len(), 2);
    assert_eq!(wake(&mut identify, at(1_000)), []);

    // It is told on another connection.
    let mut identify = speaking_push(0);
    introduce(&mut identify, 1, peer(1), true);
    tell(&mut identify, changed(1), at(0));
    assert_eq!(wake(&mut identify, at(1_000)), [open(2, 0)]);

    // Nobody is there.
    let mut identify = machine();
    tell(&mut identify, changed(1), at(0));
    assert_eq!(identify.poll_timeout(), None);
}

#[test]
fn a_peer_that_says_late_that_it_speaks_push_is_told() {
    let mut identify = machine();
    tell(&mut identify, connected(0, peer(1)), at(0));
    let ours = key(0, 1);
    tell(&mut identify, opened(ours, PROTOCOL, Some(0)), at(0));
    assert_eq!(tell(&mut identify, opened(key(0, 2), PROTOCOL, None), at(0)).len(), 2);
    tell(&mut identify, changed(1), at(0));
    assert_eq!(wake(&mut identify, at(1_000)), []);
    let told = Oracle { protocols: vec![PUSH_PROTOCOL.to_string()], ..Oracle::default() }.encode_to_vec();
    tell(&mut identify, message(ours, &told), at(1_001));
    assert_eq!(tell(&mut identify, ended(ours), at(1_002))[3..], [open(1, 0)]);
}

#[test]
fn so_many_pushes_at_a_time() {
    let count = MAX_PUSHES as u64 + 5;
    let (mut identify, outputs) = pushing(count - 1);
    let opens: Vec<_> = (0..MAX_PUSHES as u64).map(|id| open(count + id, id)).collect();
    assert_eq!(outputs, opens);
    let next = |n: u64| open(count + MAX_PUSHES as u64 + n, MAX_PUSHES as u64 + n);
    // Room is made by a push that fails, ...
    let failed = FromSwarm::OpenFailed { request: RequestId(count), error: StreamError::Limit };
    assert_eq!(tell(&mut identify, failed, at(1_001)), [next(0)]);
    // ... one that arrives, ...
    let stream = key(1, 5);
    push_on(&mut identify, stream, count + 1, at(1_001));
    let arrived = closed(stream, StreamCloseCause::Ended);
    assert_eq!(tell(&mut identify, arrived, at(1_002)), [push_sent(1), next(1)]);
    // ... whose peer answers, which it should not, ...
    let stream = key(2, 5);
    push_on(&mut identify, stream, count + 2, at(1_001));
    assert_eq!(tell(&mut identify, message(stream, b""), at(1_002)), [ToSwarm::Reset { stream }, next(2)]);
    // ... whose connection is gone.
    assert_eq!(tell(&mut identify, disconnected(3, peer(4)), at(1_002)), [next(3)]);
    // A change that comes meanwhile is what those hear who are told last.
    tell(&mut identify, changed(7), at(5_900));
    let stream = key(4, 5);
    push_on(&mut identify, stream, count + 4, at(5_950));
    assert_eq!(wake(&mut identify, at(6_000)), [ToSwarm::Reset { stream }, next(4)]);
    let last = MAX_PUSHES as u64 + 4;
    let told = push_on(&mut identify, key(last, 5), count + last, at(6_001));
    assert_eq!(told, [address("/ip4/192.0.2.9/tcp/7")]);
}

#[test]
fn a_push_that_takes_too_long_is_given_up() {
    let (mut identify, outputs) = pushing(0);
    assert_eq!(outputs, [open(1, 0)]);
    assert_eq!(identify.poll_timeout(), Some(Deadline::new(at(6_000), "identify push timeout")));
    assert_eq!(wake(&mut identify, at(6_000)), []);
    assert_eq!((size(&identify), identify.poll_timeout()), (1, None));
    // A stream that comes too late is not used.
    let (late, stream) = (opened(key(0, 5), PUSH_PROTOCOL, Some(1)), key(0, 5));
    assert_eq!(tell(&mut identify, late, at(6_001)), [ToSwarm::Reset { stream }]);
    // The next change is pushed again.
    tell(&mut identify, changed(2), at(7_000));
    assert_eq!(wake(&mut identify, at(8_000)), [open(2, 0)]);
}

#[test]
fn a_peer_that_does_not_speak_push_after_all_is_not_asked_again() {
    let (mut identify, _) = pushing(0);
    let error = StreamError::Unsupported(smallvec![PUSH_PROTOCOL]);
    assert_eq!(tell(&mut identify, FromSwarm::OpenFailed { request: RequestId(1), error }, at(1_001)), []);
    tell(&mut identify, changed(2), at(2_000));
    assert_eq!(wake(&mut identify, at(3_000)), []);
    assert_eq!((size(&identify), identify.poll_timeout()), (1, None));
}

#[test]
fn a_refused_push_is_sent_again() {
    let (mut identify, _) = pushing(0);
    let (stream, message) = (key(0, 5), Bytes::from_static(b"push"));
    push_on(&mut identify, stream, 1, at(1_001));
    assert_eq!(tell(&mut identify, FromSwarm::Blocked { stream, message: message.clone() }, at(1_002)), []);
    let outputs = tell(&mut identify, FromSwarm::Writable { stream }, at(1_003));
    assert_eq!(outputs, [ToSwarm::Send { stream, message }, ToSwarm::Close { stream }]);
    assert_eq!(tell(&mut identify, FromSwarm::Writable { stream }, at(1_004)), []);
}

#[test]
fn a_push_updates_what_was_known() {
    let known = IdentifyInfo { signed_peer_record: None, ..super::codec::full() };
    let mut info = known.clone();
    info.update(&IdentifyInfo::default());
    assert_eq!(info, known);
    let pushed = IdentifyInfo {
        protocols: vec![PUSH_PROTOCOL],
        agent_version: Some("other/2".to_owned()),
        ..IdentifyInfo::default()
    };
    info.update(&pushed);
    let agent_version = Some("other/2".to_owned());
    assert_eq!(info, IdentifyInfo { protocols: vec![PUSH_PROTOCOL], agent_version, ..known.clone() });
    let listen_addresses = vec![address("/ip4/192.0.2.1/tcp/9")];
    info.update(&IdentifyInfo { listen_addresses: listen_addresses.clone(), ..known.clone() });
    assert_eq!(info, IdentifyInfo { listen_addresses, ..known });
}
