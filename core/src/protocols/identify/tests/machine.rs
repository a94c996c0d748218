//! The machine in virtual time.

use super::super::*;
use super::codec::{Oracle, decode, full};
use crate::crypto::Portable;
use crate::identity::{InvalidKey, PeerRecord, SignedPeerRecord};
use crate::muxer::{ResetCause, StreamId};
use crate::protocols::testing::{
    Weather, address, at, connected, disconnected, key, keypair, opened, peer, storm, tell, wake, weather,
};
use crate::protocols::{LocalInfo, RequestId, StreamKey, StreamOptions, Target};
use crate::security::Role;
use crate::wire::FrameError;
use crate::wire::protobuf::ProtobufError;
use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use smallvec::smallvec;

pub(super) type Output = ToSwarm<IdentifyEvent>;

pub(super) const STREAM: StreamKey = StreamKey { connection: ConnectionId(0), stream: StreamId(1) };

pub(super) fn local() -> FromSwarm<IdentifyCommand> {
    FromSwarm::Local(Arc::new(LocalInfo {
        peer: peer(9),
        public_key: keypair(9).public().clone(),
        listen_addresses: ["/ip4/127.0.0.1/tcp/4001", "/ip4/192.0.2.9/tcp/4001", "/ip6/::1/tcp/4001"]
            .map(address)
            .to_vec(),
        protocols: vec![PROTOCOL],
    }))
}

pub(super) fn new(config: IdentifyConfig) -> Identify {
    Identify::new(config, Arc::new(keypair(9)), Arc::new(Portable), at(0))
}

pub(super) fn machine() -> Identify {
    let mut identify = new(IdentifyConfig::default());
    assert_eq!(tell(&mut identify, local(), at(0)), []);
    identify
}

/// A machine that has asked peer 1 on connection 0 for a stream.
pub(super) fn opening() -> Identify {
    let mut identify = machine();
    assert_eq!(tell(&mut identify, connected(0, peer(1)), at(0)), [open(0)]);
    identify
}

/// A machine that waits for what peer 1 tells on [`STREAM`].
pub(super) fn reading() -> Identify {
    let mut identify = opening();
    assert_eq!(tell(&mut identify, opened(STREAM, PROTOCOL, Some(0)), at(10)), []);
    identify
}

/// A machine whose first exchange succeeded.
pub(super) fn identified() -> Identify {
    let mut identify = reading();
    tell(&mut identify, message(STREAM, &full_message()), at(20));
    assert_eq!(
        tell(&mut identify, ended(STREAM), at(30)),
        [ToSwarm::Close { stream: STREAM }, received(None, heard()), noted(heard())]
    );
    assert_eq!(identify.poll_timeout(), None);
    identify
}

fn open(request: u64) -> Output {
    ToSwarm::OpenStream {
        request: RequestId(request),
        target: Target::Connection(ConnectionId(0)),
        protocols: smallvec![PROTOCOL],
        options: StreamOptions {
            framing: Framing::LengthPrefixed { max_bytes: 8_192 },
            credit: 1,
            keep_alive: true,
            lazy: false,
        },
    }
}

pub(super) fn full_message() -> Vec<u8> {
    Oracle::from(&full()).encode_to_vec()
}

/// What counts of [`full_message`]: its record is none.
pub(super) fn heard() -> IdentifyInfo {
    IdentifyInfo { signed_peer_record: None, ..full() }
}

pub(super) fn message(stream: StreamKey, bytes: &[u8]) -> FromSwarm<IdentifyCommand> {
    FromSwarm::Message { stream, message: Bytes::copy_from_slice(bytes), received_at: at(0) }
}

pub(super) fn ended(stream: StreamKey) -> FromSwarm<IdentifyCommand> {
    FromSwarm::RemoteClosed { stream }
}

pub(super) fn closed(stream: StreamKey, cause: StreamCloseCause) -> FromSwarm<IdentifyCommand> {
    FromSwarm::StreamClosed { stream, cause }
}

fn command(id: u64) -> FromSwarm<IdentifyCommand> {
    FromSwarm::Command(IdentifyCommand::Identify { id: IdentifyId(id), peer: peer(1) })
}

fn grant() -> Output {
    ToSwarm::Grant { stream: STREAM, messages: 1 }
}

fn reset() -> Output {
    ToSwarm::Reset { stream: STREAM }
}

fn received(id: impl Into<Option<u64>>, info: IdentifyInfo) -> Output {
    let id = id.into().map(IdentifyId);
    let (peer, connection) = (peer(1), ConnectionId(0));
    ToSwarm::Event(IdentifyEvent::Received { peer, connection, id, info: Arc::new(info) })
}

/// For the swarm: once, however many wait for it.
pub(super) fn noted(info: IdentifyInfo) -> Output {
    ToSwarm::Identified { connection: ConnectionId(0), peer: peer(1), info: Arc::new(info) }
}

fn failed(id: impl Into<Option<u64>>, error: IdentifyError) -> Output {
    let id = id.into().map(IdentifyId);
    ToSwarm::Event(IdentifyEvent::Failed { peer: peer(1), connection: Some(ConnectionId(0)), id, error })
}

#[test]
fn a_new_connection_is_identified_from_several_messages() {
    let mut identify = reading();
    assert_eq!(identify.poll_timeout(), Some(Deadline::new(at(5_000), "identify timeout")));
    let record = Oracle { signed_peer_record: Some(vec![7]), ..Oracle::default() }.encode_to_vec();
    for bytes in [full_message(), record] {
        assert_eq!(tell(&mut identify, message(STREAM, &bytes), at(20)), [grant()]);
    }
    let outputs = tell(&mut identify, ended(STREAM), at(30));
    assert_eq!(outputs, [ToSwarm::Close { stream: STREAM }, received(None, heard()), noted(heard())]);
    assert_eq!(tell(&mut identify, closed(STREAM, StreamCloseCause::Ended), at(31)), []);
    assert_eq!(identify.poll_timeout(), None);
}

#[test]
fn ten_messages_are_read_and_no_more() {
    let ten = |identify: &mut Identify| {
        for number in 0..10 {
            let one = Oracle { protocols: vec![format!("/{number}")], ..Oracle::default() }.encode_to_vec();
            assert_eq!(tell(identify, message(STREAM, &one), at(20)), [grant()]);
        }
    };
    let mut identify = reading();
    ten(&mut identify);
    let outputs = tell(&mut identify, ended(STREAM), at(30));
    assert!(
        matches!(&outputs[1], ToSwarm::Event(IdentifyEvent::Received { info, .. }) if info.protocols.len() == 10)
    );
    let mut identify = reading();
    ten(&mut identify);
    let outputs = tell(&mut identify, message(STREAM, &[]), at(20));
    assert_eq!(outputs, [reset(), failed(None, IdentifyError::TooManyMessages)]);
}

#[test]
fn an_empty_message_is_enough_but_none_is_not() {
    let mut identify = reading();
    tell(&mut identify, message(STREAM, &[]), at(20));
    let outputs = tell(&mut identify, ended(STREAM), at(30));
    assert_eq!(
        outputs,
        [
            ToSwarm::Close { stream: STREAM },
            received(None, IdentifyInfo::default()),
            noted(IdentifyInfo::default())
        ]
    );

    let mut identify = reading();
    let outputs = tell(&mut identify, ended(STREAM), at(30));
    assert_eq!(outputs, [ToSwarm::Close { stream: STREAM }, failed(None, IdentifyError::Nothing)]);
}

#[test]
fn bad_messages_cost_the_stream() {
    let with_key =
        |public_key| Oracle { public_key: Some(public_key), ..Oracle::from(&full()) }.encode_to_vec();
    let truncated = full_message().split_last().map(|(_, rest)| rest.to_vec()).unwrap();
    let table = [
        (truncated, InvalidMessage::from(ProtobufError::Truncated).into()),
        (
            vec![0x0f],
            InvalidMessage::from(ProtobufError::UnsupportedWireType { field: 1, wire_type: 7 }).into(),
        ),
        (with_key(keypair(2).public().to_protobuf()), IdentifyError::WrongKey(peer(2))),
        (
            with_key(vec![8, 1, 0x12, 1, 0]),
            InvalidMessage::from(InvalidKey::WrongLength {
                what: "an Ed25519 public key",
                expected: 32,
                found: 1,
            })
            .into(),
        ),
    ];
    for (bytes, error) in table {
        let mut identify = reading();
        assert_eq!(tell(&mut identify, message(STREAM, &bytes), at(20)), [reset(), failed(None, error)]);
        // Nothing that follows on the stream counts.
        assert_eq!(tell(&mut identify, message(STREAM, &full_message()), at(21)), []);
        assert_eq!(tell(&mut identify, ended(STREAM), at(22)), []);
        assert_eq!(tell(&mut identify, closed(STREAM, StreamCloseCause::ResetHere), at(23)), []);
        assert_eq!(identify.poll_timeout(), None);
    }
}

#[test]
fn every_prefix_of_a_message_is_an_answer_or_an_error() {
    let message_bytes = full_message();
    for len in 0..message_bytes.len() {
        let mut identify = reading();
        let outputs = tell(&mut identify, message(STREAM, &message_bytes[..len]), at(20));
        let truncated = failed(None, InvalidMessage::from(ProtobufError::Truncated).into());
        assert!(outputs == [grant()] || outputs == [reset(), truncated], "{len} bytes: {outputs:?}");
    }
}

#[test]
fn a_stream_that_breaks_fails_the_exchange() {
    let oversized = StreamCloseCause::BadMessage(FrameError::TooLarge { len: 8_193, max: 8_192 });
    for cause in [oversized, StreamCloseCause::Truncated, StreamCloseCause::Reset(ResetCause::Remote)] {
        let mut identify = reading();
        tell(&mut identify, message(STREAM, &full_message()), at(20));
        let outputs = tell(&mut identify, closed(STREAM, cause.clone()), at(30));
        assert_eq!(outputs, [failed(None, IdentifyError::StreamClosed(cause))]);
    }
    let mut identify = reading();
    let outputs = tell(&mut identify, closed(STREAM, StreamCloseCause::ConnectionClosed), at(30));
    assert_eq!(outputs, [failed(None, IdentifyError::ConnectionClosed)]);
}

#[test]
fn a_stream_that_cannot_be_opened_fails_the_exchange() {
    let table = [
        (StreamError::Unsupported(smallvec![PROTOCOL]), IdentifyError::Unsupported),
        (StreamError::ConnectionClosed, IdentifyError::ConnectionClosed),
        (StreamError::Limit, IdentifyError::NotOpened(StreamError::Limit)),
    ];
    for (error, expected) in table {
        let mut identify = opening();
        let outputs = tell(&mut identify, FromSwarm::OpenFailed { request: RequestId(0), error }, at(2));
        assert_eq!(outputs, [failed(None, expected)]);
        assert_eq!(identify.poll_timeout(), None);
        assert_eq!(tell(&mut identify, command(1), at(3)), [open(1)]);
    }
}

#[test]
fn a_peer_that_does_not_finish_in_time_fails() {
    let mut identify = reading();
    tell(&mut identify, message(STREAM, &full_message()), at(20));
    assert_eq!(wake(&mut identify, at(4_999)), []);
    assert_eq!(wake(&mut identify, at(5_000)), [reset(), failed(None, IdentifyError::Timeout)]);
    assert_eq!(tell(&mut identify, ended(STREAM), at(5_001)), []);

    // A stream that comes too late is not used, unless somebody waits again.
    let mut identify = opening();
    assert_eq!(wake(&mut identify, at(5_000)), [failed(None, IdentifyError::Timeout)]);
    assert_eq!(tell(&mut identify, opened(STREAM, PROTOCOL, Some(0)), at(6_000)), [reset()]);
    let mut identify = opening();
    wake(&mut identify, at(5_000));
    assert_eq!(tell(&mut identify, command(1), at(6_000)), []);
    assert_eq!(tell(&mut identify, opened(STREAM, PROTOCOL, Some(0)), at(6_001)), []);
    assert_eq!(identify.poll_timeout(), Some(Deadline::new(at(11_000), "identify timeout")));
}

#[test]
fn a_command_asks_again_or_joins() {
    let mut identify = identified();
    assert_eq!(tell(&mut identify, command(1), at(100)), [open(1)]);
    assert_eq!(tell(&mut identify, command(2), at(101)), []);
    let second = key(0, 3);
    tell(&mut identify, opened(second, PROTOCOL, Some(1)), at(110));
    tell(&mut identify, message(second, &[]), at(120));
    let outputs = tell(&mut identify, ended(second), at(130));
    let empty = IdentifyInfo::default;
    assert_eq!(
        outputs,
        [ToSwarm::Close { stream: second }, received(1, empty()), received(2, empty()), noted(empty())]
    );
}

#[test]
fn a_new_connection_can_be_left_unasked() {
    let mut identify = new(IdentifyConfig { asks_on_connect: false, ..IdentifyConfig::default() });
    tell(&mut identify, local(), at(0));
    assert_eq!(tell(&mut identify, connected(0, peer(1)), at(0)), []);
    assert_eq!(tell(&mut identify, command(1), at(100)), [open(0)]);
}

#[test]
fn a_command_without_a_connection_or_over_the_limit_fails_at_once() {
    let (connection, id) = (None, Some(IdentifyId(1)));
    let error = IdentifyError::NotConnected;
    let not_connected = IdentifyEvent::Failed { peer: peer(1), connection, id, error };
    assert_eq!(tell(&mut machine(), command(1), at(0)), [ToSwarm::Event(not_connected)]);

    let mut identify = opening();
    for id in 1..MAX_WAITING as u64 {
        assert_eq!(tell(&mut identify, command(id), at(0)), []);
    }
    assert_eq!(tell(&mut identify, command(99), at(0)), [failed(99, IdentifyError::TooMany)]);
    let outputs = tell(&mut identify, disconnected(0, peer(1)), at(1));
    assert_eq!(outputs.len(), MAX_WAITING);
    assert_eq!(outputs[1], failed(1, IdentifyError::ConnectionClosed));
    let late = FromSwarm::OpenFailed { request: RequestId(0), error: StreamError::ConnectionClosed };
    assert_eq!(tell(&mut identify, late, at(2)), []);
    assert_eq!((size(&identify), identify.poll_timeout()), (0, None));
}

/// Connects from `remote_address`, asks, and returns what the answer says.
fn answer_to(identify: &mut Identify, remote_address: &str) -> IdentifyInfo {
    let remote_address = address(remote_address);
    let connection = ConnectionId(0);
    tell(
        identify,
        FromSwarm::Connected {
            connection,
            peer: peer(1),
            role: Role::Listener,
            remote_address,
            local_address: None,
        },
        at(0),
    );
    let stream = key(0, 2);
    match &tell(identify, opened(stream, PROTOCOL, None), at(1))[..] {
        [ToSwarm::Send { stream: to, message }, close] => {
            assert_eq!((*to, close), (stream, &ToSwarm::Close { stream }));
            assert!(message.len() <= MAX_SENT_BYTES);
            decode(message).unwrap()
        }
        other => panic!("not an answer: {other:?}"),
    }
}

#[test]
fn who_asks_is_told_what_we_are_and_where_it_is() {
    let mut info = answer_to(&mut machine(), "/ip4/192.0.2.1/tcp/50000");
    let record = SignedPeerRecord::from_bytes(info.signed_peer_record.take().unwrap(), &Portable).unwrap();
    let addresses = vec![address("/ip4/192.0.2.9/tcp/4001")];
    assert_eq!(record.record(), &PeerRecord { peer: peer(9), sequence: 0, addresses });
    let expected = IdentifyInfo {
        public_key: Some(keypair(9).public().clone()),
        listen_addresses: vec![address("/ip4/192.0.2.9/tcp/4001")],
        protocols: vec![PROTOCOL],
        observed_address: Some(address("/ip4/192.0.2.1/tcp/50000")),
        protocol_version: Some("ipfs/0.1.0".to_owned()),
        agent_version: Some(concat!("peerwork/", env!("CARGO_PKG_VERSION")).to_owned()),
        signed_peer_record: None,
        certified: None,
    };
    assert_eq!(info, expected);
}

#[test]
fn loopback_addresses_are_told_on_loopback_only() {
    let dialled = format!("/ip4/192.0.2.1/tcp/1/p2p/{}", peer(1));
    let table = [
        ("/ip4/127.0.0.1/tcp/50000", 3, "/ip4/127.0.0.1/tcp/50000"),
        ("/ip6/::1/tcp/50000", 3, "/ip6/::1/tcp/50000"),
        ("/memory/5", 1, "/memory/5"),
        (&dialled, 1, "/ip4/192.0.2.1/tcp/1"),
    ];
    for (remote_address, addresses, observed) in table {
        let info = answer_to(&mut machine(), remote_address);
        assert_eq!(info.listen_addresses.len(), addresses, "{remote_address}");
        assert_eq!(info.observed_address, Some(address(observed)));
    }
}

#[test]
fn an_answer_is_of_what_we_are_now_and_fits() {
    let mut identify = machine();
    let many = LocalInfo {
        peer: peer(9),
        public_key: keypair(9).public().clone(),
        listen_addresses: vec![address("/ip4/192.0.2.9/tcp/4001"); 1_000],
        protocols: vec![ProtocolId::from_static("/a"); 10],
    };
    tell(&mut identify, FromSwarm::Local(Arc::new(many)), at(0));
    let info = answer_to(&mut identify, "/ip4/192.0.2.1/tcp/1");
    assert_eq!(info.protocols.len(), 10);
    assert!(info.listen_addresses.len() > 390);
}

#[test]
fn sent_is_said_when_the_stream_ended_in_order() {
    let stream = key(0, 2);
    let sent = ToSwarm::Event(IdentifyEvent::Sent { peer: peer(1), connection: ConnectionId(0) });
    let table = [
        (StreamCloseCause::Ended, vec![sent]),
        (StreamCloseCause::Reset(ResetCause::Remote), vec![]),
        (StreamCloseCause::ConnectionClosed, vec![]),
    ];
    for (cause, expected) in table {
        let mut identify = machine();
        answer_to(&mut identify, "/ip4/192.0.2.1/tcp/1");
        assert_eq!(tell(&mut identify, ended(stream), at(2)), []);
        assert_eq!(tell(&mut identify, closed(stream, cause.clone()), at(3)), expected);
        assert_eq!(tell(&mut identify, closed(stream, cause), at(4)), []);
    }
}

#[test]
fn who_asks_has_nothing_to_say() {
    let mut identify = machine();
    // The credit is for noticing the end.
    assert_eq!(identify.inbound()[0].options.credit, 1);
    answer_to(&mut identify, "/ip4/192.0.2.1/tcp/1");
    let stream = key(0, 2);
    assert_eq!(tell(&mut identify, message(stream, &full_message()), at(2)), [ToSwarm::Reset { stream }]);
    assert_eq!(tell(&mut identify, message(stream, &[]), at(3)), []);
    assert_eq!(tell(&mut identify, closed(stream, StreamCloseCause::ResetHere), at(4)), []);
}

#[test]
fn a_refused_answer_is_sent_again() {
    let mut identify = machine();
    answer_to(&mut identify, "/ip4/192.0.2.1/tcp/1");
    let (stream, message) = (key(0, 2), Bytes::from_static(b"answer"));
    assert_eq!(tell(&mut identify, FromSwarm::Blocked { stream, message: message.clone() }, at(2)), []);
    let outputs = tell(&mut identify, FromSwarm::Writable { stream }, at(3));
    assert_eq!(outputs, [ToSwarm::Send { stream, message }, ToSwarm::Close { stream }]);
    assert_eq!(tell(&mut identify, FromSwarm::Writable { stream }, at(4)), []);
}

#[test]
fn floods_of_inbound_streams_replace_the_oldest() {
    let mut identify = opening();
    for stream in 0..100 {
        let mut outputs = tell(&mut identify, opened(key(0, 2 * stream), PROTOCOL, None), at(0));
        if let Some(old) = stream.checked_sub(2) {
            assert_eq!(outputs.remove(0), ToSwarm::Reset { stream: key(0, 2 * old) });
        }
        assert!(matches!(outputs[..], [ToSwarm::Send { .. }, ToSwarm::Close { .. }]));
    }
    let refuse = |config, local: Option<FromSwarm<_>>| {
        let mut identify = new(config);
        local.map(|local| tell(&mut identify, local, at(0)));
        tell(&mut identify, connected(0, peer(1)), at(0));
        assert_eq!(tell(&mut identify, opened(STREAM, PROTOCOL, None), at(0)), [reset()]);
    };
    refuse(IdentifyConfig { max_inbound_streams: 0, ..IdentifyConfig::default() }, Some(local()));
    refuse(IdentifyConfig::default(), None);
}

#[test]
fn the_configuration_is_cleaned() {
    let config = IdentifyConfig {
        agent_version: "a\n".repeat(10_000),
        timeout: Duration::ZERO,
        ..IdentifyConfig::default()
    };
    let mut identify = new(config);
    tell(&mut identify, local(), at(0));
    let info = answer_to(&mut identify, "/ip4/192.0.2.1/tcp/1");
    assert_eq!(info.agent_version, Some("a".repeat(codec::MAX_VERSION_CHARACTERS)));
    assert_eq!(identify.poll_timeout().unwrap().at, at(1));
}

#[test]
fn errors_name_whose_fault_it_is() {
    let table = [
        (IdentifyError::NotConnected, Blame::Caller),
        (IdentifyError::TooMany, Blame::Limit),
        (IdentifyError::Unsupported, Blame::Peer),
        (IdentifyError::NotOpened(StreamError::Limit), Blame::Limit),
        (IdentifyError::Timeout, Blame::Timeout),
        (IdentifyError::InvalidMessage(ProtobufError::Truncated.into()), Blame::Peer),
        (IdentifyError::WrongKey(peer(2)), Blame::Peer),
        (IdentifyError::TooManyMessages, Blame::Peer),
        (IdentifyError::Nothing, Blame::Peer),
        (IdentifyError::StreamClosed(StreamCloseCause::Truncated), Blame::Peer),
        (IdentifyError::ConnectionClosed, Blame::Closed),
    ];
    for (error, blame) in table {
        assert_eq!(error.blame(), blame, "{error}");
    }
}

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Connection>() <= 232, "{}", size_of::<Connection>());
}

/// Everything remembered, counted.
pub(super) fn size(identify: &Identify) -> usize {
    let each = |connection: &Connection| {
        1 + connection.exchange.size() + connection.answers.size() + connection.pushed.size()
    };
    identify.timers.len()
        + identify.pushing.size()
        + identify.shared.requests.len()
        + identify.shared.outputs.len()
        + identify.connections.values().map(each).sum::<usize>()
}

proptest! {
    #[test]
    fn weathers_any_storm(storm in storm(prop_oneof![
        Just(Bytes::new()),
        Just(Bytes::from(full_message())),
        prop::collection::vec(any::<u8>(), 0..50).prop_map(Bytes::from),
    ]), push: bool) {
        let run = || weather(machine(), Weather {
            protocol: if push { PUSH_PROTOCOL } else { PROTOCOL },
            command: |id, peer| IdentifyCommand::Identify { id: IdentifyId(id), peer },
            outcome: |event| match event {
                IdentifyEvent::Received { id, .. } | IdentifyEvent::Failed { id, .. } => id.map(|id| id.0),
                _ => None,
            },
            size,
            max_size: 3 * (4 + MAX_WAITING + 2 + 1),
        }, &storm);
        prop_assert_eq!(run(), run());
    }
}
