//! The codec, with prost as the oracle.

use super::super::codec::{
    IdentifyInfo, InvalidMessage, MAX_ADDRESSES, MAX_PROTOCOLS, MAX_VERSION_CHARACTERS, clean_version,
    encode, merge,
};
use crate::identity::InvalidKey;
use crate::negotiation::ProtocolId;
use crate::protocols::testing::{address, keypair};
use crate::wire::protobuf::ProtobufError;
use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use prost::Message;

/// The message as prost sees it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Oracle {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(super) public_key: Option<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) listen_addrs: Vec<Vec<u8>>,
    #[prost(string, repeated, tag = "3")]
    pub(super) protocols: Vec<String>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(super) observed_addr: Option<Vec<u8>>,
    #[prost(string, optional, tag = "5")]
    pub(super) protocol_version: Option<String>,
    #[prost(string, optional, tag = "6")]
    pub(super) agent_version: Option<String>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub(super) signed_peer_record: Option<Vec<u8>>,
}

impl From<&IdentifyInfo> for Oracle {
    fn from(info: &IdentifyInfo) -> Self {
        Self {
            public_key: info.public_key.as_ref().map(|key| key.to_protobuf()),
            listen_addrs: info.listen_addresses.iter().map(|address| address.to_vec()).collect(),
            protocols: info.protocols.iter().map(ToString::to_string).collect(),
            observed_addr: info.observed_address.as_ref().map(|address| address.to_vec()),
            protocol_version: info.protocol_version.clone(),
            agent_version: info.agent_version.clone(),
            signed_peer_record: info.signed_peer_record.as_ref().map(|record| record.to_vec()),
        }
    }
}

pub(super) fn decode(message: &[u8]) -> Result<IdentifyInfo, InvalidMessage> {
    let mut info = IdentifyInfo::default();
    merge(message, &mut info).map(|()| info)
}

fn encoded(info: &IdentifyInfo, max_bytes: usize) -> Bytes {
    let mut out = BytesMut::new();
    encode(info, max_bytes, &mut out);
    assert!(out.len() <= max_bytes);
    out.freeze()
}

pub(super) fn full() -> IdentifyInfo {
    IdentifyInfo {
        public_key: Some(keypair(1).public().clone()),
        listen_addresses: vec![address("/ip4/192.0.2.1/tcp/4001"), address("/ip6/2001:db8::1/udp/1/quic-v1")],
        protocols: vec![
            ProtocolId::from_static("/ipfs/id/1.0.0"),
            ProtocolId::from_static("/ipfs/ping/1.0.0"),
        ],
        observed_address: Some(address("/ip4/198.51.100.7/tcp/50000")),
        protocol_version: Some("ipfs/0.1.0".to_owned()),
        agent_version: Some("test/1".to_owned()),
        signed_peer_record: Some(Bytes::from_static(b"envelope")),
        certified: None,
    }
}

#[test]
fn the_message_is_byte_for_byte() {
    let info = IdentifyInfo { signed_peer_record: Some(Bytes::from_static(&[1, 2])), ..full() };
    let expected = [
        "0a24080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
        "2a0a697066732f302e312e30",
        "3206746573742f31",
        "220804c6336407 06c350",
        "1a0e2f697066732f69642f312e302e30",
        "1a102f697066732f70696e672f312e302e30",
        "120804c0000201060fa1",
        "12172920010db800000000000000000000000191020001cd03",
        "42020102",
    ];
    let expected = expected.concat().replace(' ', "");
    assert_eq!(HEXLOWER.encode(&encoded(&info, usize::MAX)), expected);
}

#[test]
fn nothing_is_a_message_too() {
    assert_eq!(decode(&[]), Ok(IdentifyInfo::default()));
    assert_eq!(encoded(&IdentifyInfo::default(), usize::MAX), Bytes::new());
}

#[test]
fn every_prefix_of_a_message_is_whole_fields_or_truncated() {
    let message = encoded(&full(), usize::MAX);
    for len in 0..=message.len() {
        let prefix = &message[..len];
        match (decode(prefix), Oracle::decode(prefix)) {
            (Ok(ours), Ok(oracle)) => assert_eq!(Oracle::from(&ours), oracle),
            (Err(ours), Err(_)) => assert_eq!(ours, ProtobufError::Truncated.into()),
            (ours, oracle) => panic!("{len} bytes: {ours:?}, but prost says {oracle:?}"),
        }
    }
}

#[test]
fn lists_grow_and_single_values_are_replaced() {
    let first = Oracle::from(&full());
    let second = Oracle {
        listen_addrs: vec![address("/dns/example.org/tcp/1").to_vec()],
        agent_version: Some("other/2".to_owned()),
        ..Oracle::default()
    };
    let mut info = IdentifyInfo::default();
    merge(&first.encode_to_vec(), &mut info).unwrap();
    merge(&second.encode_to_vec(), &mut info).unwrap();
    let mut expected = full();
    expected.listen_addresses.push(address("/dns/example.org/tcp/1"));
    expected.agent_version = Some("other/2".to_owned());
    assert_eq!(info, expected);
    // The same in one message, as protobuf has it.
    let one = [first.encode_to_vec(), second.encode_to_vec()].concat();
    assert_eq!(decode(&one), Ok(expected));
}

#[test]
fn bad_messages() {
    let wrong = |field, expected| InvalidMessage::from(ProtobufError::WrongType { field, expected });
    let key = |error| InvalidMessage::PublicKey(error);
    let table: [(&[u8], InvalidMessage); 13] = [
        (&[0x08, 1], wrong("publicKey", "bytes")),
        (&[0x10, 1], wrong("listenAddrs", "bytes")),
        (&[0x18, 1], wrong("protocols", "bytes")),
        (&[0x25, 1, 0, 0, 0], wrong("observedAddr", "bytes")),
        (&[0x28, 1], wrong("protocolVersion", "bytes")),
        (&[0x31, 1, 0, 0, 0, 0, 0, 0, 0], wrong("agentVersion", "bytes")),
        (&[0x40, 1], wrong("signedPeerRecord", "bytes")),
        (&[0x0a], ProtobufError::Truncated.into()),
        (&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1], ProtobufError::Truncated.into()),
        (&[0x02, 0], ProtobufError::BadFieldNumber.into()),
        (&[0x3b], ProtobufError::UnsupportedWireType { field: 7, wire_type: 3 }.into()),
        (&[0xff; 11], ProtobufError::VarintTooLong.into()),
        (&[0x0a, 4, 8, 4, 0x12, 0], key(InvalidKey::UnknownType(4))),
    ];
    for (message, expected) in table {
        assert_eq!(decode(message), Err(expected), "{message:02x?}");
    }
}

#[test]
fn of_several_keys_the_last_counts() {
    let good = Oracle { public_key: Some(keypair(2).public().to_protobuf()), ..Oracle::default() };
    let message = [&[0x0a, 1, 0xff], &good.encode_to_vec()[..]].concat();
    assert_eq!(decode(&message).unwrap().public_key.as_ref(), Some(keypair(2).public()));
}

#[test]
fn unknown_fields_are_skipped() {
    // The historic field 7, and one of every wire type.
    let unknown = [0x3a, 2, 0x0a, 0, 0x48, 1, 0x51, 0, 0, 0, 0, 0, 0, 0, 0, 0x5d, 0, 0, 0, 0];
    let message = [&unknown, &encoded(&full(), usize::MAX)[..], &unknown].concat();
    assert_eq!(decode(&message), Ok(full()));
}

#[test]
fn what_is_no_address_or_protocol_is_skipped_singly() {
    let good = address("/ip4/192.0.2.1/tcp/4001");
    let hidden = [&[0x35, 11][..], b"a/tcp/1/p2p"].concat();
    let too_long = [&[0x35, 0xfe, 0x07][..], &[b'a'; 1022]].concat();
    let garbage = [vec![], vec![4, 1, 2], vec![0xff; 20], vec![4, 1, 2, 3, 4, 0], hidden, too_long];
    let mut listen_addrs = garbage.to_vec();
    listen_addrs.insert(3, good.to_vec());
    let mut message = Oracle { listen_addrs, ..Oracle::default() }.encode_to_vec();
    for protocol in [&b""[..], b"no-slash", b"/a\n", b"/\xff", &[b'/'; 1001], b"/good/1"] {
        let mut field = BytesMut::new();
        crate::wire::protobuf::Writer::new(&mut field).bytes(3, protocol);
        message.extend_from_slice(&field);
    }
    let expected = IdentifyInfo {
        listen_addresses: vec![good],
        protocols: vec![ProtocolId::from_static("/good/1")],
        ..IdentifyInfo::default()
    };
    assert_eq!(decode(&message), Ok(expected));
    for garbage in garbage {
        let message = Oracle { observed_addr: Some(garbage), ..Oracle::from(&full()) }.encode_to_vec();
        assert_eq!(decode(&message), Ok(IdentifyInfo { observed_address: None, ..full() }));
    }
}

#[test]
fn lists_are_cut_at_their_limits() {
    let protocols: Vec<_> = (0..=MAX_PROTOCOLS).map(|n| format!("/{n}")).collect();
    let listen_addrs =
        (0..=MAX_ADDRESSES).map(|port| address(&format!("/ip4/192.0.2.1/tcp/{port}")).to_vec());
    let message =
        Oracle { protocols, listen_addrs: listen_addrs.collect(), ..Oracle::default() }.encode_to_vec();
    let mut info = decode(&message).unwrap();
    assert_eq!((info.protocols.len(), info.listen_addresses.len()), (1_000, 500));
    assert_eq!(info.protocols[999].as_str(), "/999");
    let before = info.clone();
    merge(&message, &mut info).unwrap();
    assert_eq!(info, before);
}

#[test]
fn versions_become_clean_text() {
    let long = "ä".repeat(4_000);
    let table: [(&[u8], &str); 5] = [
        (b"", ""),
        (b"kubo/0.30 \"x\"", "kubo/0.30 \"x\""),
        (b"a\x1b[31m\r\n\x00b\xc2\x9bc", "a[31mbc"),
        (b"a\xff\xfe", "a\u{fffd}\u{fffd}"),
        (long.as_bytes(), &long[..2 * MAX_VERSION_CHARACTERS]),
    ];
    for (bytes, expected) in table {
        assert_eq!(clean_version(bytes), expected);
    }
    // Lenient where prost is not: text that is not UTF-8 loses the version, not the message.
    assert_eq!(decode(&[0x32, 1, 0xff]).unwrap().agent_version.as_deref(), Some("\u{fffd}"));
}

#[test]
fn what_does_not_fit_is_left_out_addresses_first() {
    let mut info = full();
    info.signed_peer_record = None;
    info.listen_addresses = vec![address("/ip4/192.0.2.1/tcp/4001"); 1_000];
    let sent = decode(&encoded(&info, 4_096)).unwrap();
    let everything_else = IdentifyInfo { listen_addresses: Vec::new(), ..info.clone() };
    let room = 4_096 - encoded(&everything_else, 4_096).len();
    assert_eq!(sent.listen_addresses.len(), room / 10);
    assert_eq!(IdentifyInfo { listen_addresses: info.listen_addresses.clone(), ..sent }, info);

    info.protocols = (0..1_000).map(|n| ProtocolId::new(&format!("/a/{n:03}")).unwrap()).collect();
    let sent = decode(&encoded(&info, 4_096)).unwrap();
    assert!(sent.protocols.len() > 400 && sent.listen_addresses.is_empty());
    assert_eq!(without_lists(&sent), without_lists(&info));
    assert_eq!(encoded(&info, 0), Bytes::new());
}

#[test]
fn what_fits_exactly_is_sent() {
    let whole = encoded(&full(), usize::MAX);
    assert_eq!(encoded(&full(), whole.len()), whole);
    let one_less = decode(&encoded(&full(), whole.len() - 1));
    assert_eq!(one_less, Ok(IdentifyInfo { signed_peer_record: None, ..full() }));
}

fn without_lists(info: &IdentifyInfo) -> IdentifyInfo {
    IdentifyInfo { listen_addresses: Vec::new(), protocols: Vec::new(), ..info.clone() }
}

fn any_info() -> impl Strategy<Value = IdentifyInfo> {
    let any_address = (any::<[u8; 4]>(), any::<u16>())
        .prop_map(|(ip, port)| address(&format!("/ip4/{}/tcp/{port}", std::net::Ipv4Addr::from(ip))));
    let any_protocol = "/[a-z/.0-9]{0,40}".prop_map(|id| ProtocolId::new(&id).unwrap());
    let version = || prop::option::of("[ -~äß]{0,100}");
    let key = prop::option::of(any::<u8>().prop_map(|number| keypair(number).public().clone()));
    let record = prop::option::of(prop::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from));
    let addresses = prop::collection::vec(any_address.clone(), 0..200);
    let protocols = prop::collection::vec(any_protocol, 0..50);
    (key, addresses, protocols, prop::option::of(any_address), version(), version(), record).prop_map(
        |(
            public_key,
            listen_addresses,
            protocols,
            observed_address,
            protocol_version,
            agent_version,
            signed_peer_record,
        )| IdentifyInfo {
            public_key,
            listen_addresses,
            protocols,
            observed_address,
            protocol_version,
            agent_version,
            signed_peer_record,
            certified: None,
        },
    )
}

proptest! {
    #[test]
    fn prost_reads_what_we_write_and_we_what_it_writes(info in any_info()) {
        let ours = encoded(&info, usize::MAX);
        let oracle = Oracle::from(&info);
        prop_assert_eq!(&Oracle::decode(&ours[..]).unwrap(), &oracle);
        prop_assert_eq!(ours.len(), oracle.encoded_len());
        prop_assert_eq!(decode(&ours), Ok(info.clone()));
        prop_assert_eq!(decode(&oracle.encode_to_vec()), Ok(info));
    }

    #[test]
    fn any_limit_is_kept_with_whole_fields(info in any_info(), max_bytes in 0..8_192_usize) {
        let sent = decode(&encoded(&info, max_bytes)).unwrap();
        prop_assert!(sent.listen_addresses.len() <= info.listen_addresses.len());
    }

    #[test]
    fn any_bytes_give_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }

    /// A valid message with one byte changed gets further into the parser.
    #[test]
    fn a_changed_byte_gives_a_value_or_an_error(
        info in any_info(),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut message = encoded(&info, usize::MAX).to_vec();
        if !message.is_empty() {
            let at = at.index(message.len());
            message[at] = byte;
        }
        let _ = decode(&message);
    }
}
