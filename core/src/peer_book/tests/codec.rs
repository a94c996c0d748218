//! The binary form of a stored peer.

use super::*;
use crate::identity::InvalidPeerId;
use crate::negotiation::InvalidProtocolId;
use crate::wire::protobuf::{ProtobufError, Writer};
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;

fn message(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&mut Writer::new(&mut out));
    out.to_vec()
}

/// A peer with one more field.
fn with(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    message(|writer| {
        writer.bytes(1, peer(1).as_bytes());
        write(writer);
    })
}

/// A peer with one address, made of these fields.
fn with_address(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    with(|writer| writer.message(2, write))
}

#[test]
fn bad_input() {
    use InvalidStoredPeer::*;
    let wrong = |field, expected| Protobuf(ProtobufError::WrongType { field, expected });
    let table = [
        (vec![0; 64 * 1_024 + 1], TooLong { len: 64 * 1_024 + 1 }),
        (vec![], PeerId(InvalidPeerId::Empty)),
        (vec![0x0a], Protobuf(ProtobufError::Truncated)),
        (vec![0x0b], Protobuf(ProtobufError::UnsupportedWireType { field: 1, wire_type: 3 })),
        (message(|writer| writer.varint(1, 1)), wrong("peer id", "bytes")),
        (message(|writer| writer.bytes(1, &[7, 0])), PeerId(InvalidPeerId::BadHash { code: 7 })),
        (message(|writer| writer.bytes(1, &[0, 1])), PeerId(InvalidPeerId::BadLength)),
        (with(|writer| writer.varint(2, 1)), wrong("addresses", "bytes")),
        (with(|writer| writer.bytes(2, &[0x0a])), Protobuf(ProtobufError::Truncated)),
        (with(|writer| writer.bytes(3, &[])), wrong("record sequence", "an integer")),
        (with(|writer| writer.varint(4, 1)), wrong("agent version", "bytes")),
        (with(|writer| writer.varint(5, 1)), wrong("protocols", "text")),
        (with(|writer| writer.bytes(5, &[0xff])), Protobuf(ProtobufError::NotUtf8 { field: "protocols" })),
        (with(|writer| writer.string(5, "a")), Protocol(InvalidProtocolId)),
        (with_address(|_| {}), Address(InvalidAddress::Empty)),
        (with_address(|writer| writer.varint(1, 1)), wrong("address", "bytes")),
        (with_address(|writer| writer.bytes(1, port(1).as_ref())), Origin(0)),
        (with_address(|writer| writer.bytes(2, &[])), wrong("origin", "an integer")),
        (with_address(|writer| writer.bytes(3, &[])), wrong("expires", "an integer")),
        (with_address(|writer| writer.bytes(4, &[])), wrong("reached", "an integer")),
        (
            with_address(|writer| {
                writer.bytes(1, port(1).as_ref());
                writer.varint(2, 6);
            }),
            Origin(6),
        ),
    ];
    for (bytes, error) in table {
        assert_eq!(StoredPeer::decode(&bytes), Err(error), "{bytes:x?}");
    }
    assert!(matches!(
        StoredPeer::decode(&with_address(|writer| writer.bytes(1, &[0xff]))),
        Err(Address(InvalidAddress::Malformed { .. }))
    ));
}

#[test]
fn the_bytes_are_those_on_peoples_disks() {
    let stored = StoredPeer {
        peer: PeerId::from_public_key_protobuf(&[7]),
        addresses: vec![StoredAddress {
            address: address("/ip4/1.2.3.4/tcp/5"),
            origin: Origin::Record,
            expires: Some(300 * SECOND),
            reached: Some(2 * SECOND),
        }],
        record_sequence: Some(9),
        agent_version: Some("a".to_owned()),
        protocols: vec![ProtocolId::from_static("/p")],
    };
    let bytes = [
        0x0a, 3, 0, 1, 7, // peer id
        0x12, 17, 0x0a, 8, 4, 1, 2, 3, 4, 6, 0, 5, 0x10, 4, 0x18, 0xac, 2, 0x20, 2, // address
        0x18, 9, 0x22, 1, b'a', 0x2a, 2, b'/', b'p',
    ];
    assert_eq!(stored.encode(), bytes);
    assert_eq!(StoredPeer::decode(&bytes), Ok(stored));
    // What a later version adds is skipped.
    assert!(StoredPeer::decode(&with(|writer| writer.varint(99, 1))).is_ok());
}

#[test]
fn the_fullest_peer_fits() {
    let mut book = book();
    let protocols = (0..MAX_PROTOCOLS).map(|n| ProtocolId::new(&format!("/{n}{}", "x".repeat(25))).unwrap());
    let told = IdentifyInfo {
        protocols: protocols.collect(),
        agent_version: Some("\u{10ffff}".repeat(200)),
        ..signed_info(peer(1), u64::MAX, ports(1..=64))
    };
    book.identified(peer(1), &told, NOW);
    let stored = book.take_change(Duration::from_secs(u64::MAX), NOW).unwrap().entry.unwrap();
    assert_eq!(stored.addresses.len(), 64);
    assert_eq!(StoredPeer::decode(&stored.encode()), Ok(stored));
}

fn any_address() -> impl Strategy<Value = StoredAddress> {
    let origins = [Origin::Routing, Origin::Dialed, Origin::Identify, Origin::Record, Origin::User];
    let time = || proptest::option::of(any::<u64>().prop_map(Duration::from_secs));
    (any::<u16>(), proptest::sample::select(origins.to_vec()), time(), time()).prop_map(
        |(number, origin, expires, reached)| StoredAddress {
            address: port(number),
            origin,
            expires,
            reached,
        },
    )
}

proptest! {
    #[test]
    fn round_trip(
        number: u64,
        addresses in vec(any_address(), 0..8),
        record_sequence: Option<u64>,
        agent in proptest::option::of("[a-z/0-9]{0,20}"),
        protocols in vec("/[a-z]{0,10}", 0..4),
    ) {
        let protocols = protocols.iter().map(|id| ProtocolId::new(id).unwrap()).collect();
        let stored = StoredPeer { peer: peer(number), addresses, record_sequence, agent_version: agent, protocols };
        prop_assert_eq!(StoredPeer::decode(&stored.encode()), Ok(stored));
    }

    /// Whatever a damaged store gives can be refused or restored, and does no harm.
    #[test]
    fn any_bytes(bytes in vec(prop_oneof![any::<u8>(), 0_u8..0x30], 0..60), since_1970: u64, now: u64) {
        if let Ok(stored) = StoredPeer::decode(&bytes) {
            book().restore(&stored, Duration::from_secs(since_1970), Instant::from_nanos(now));
        }
    }
}
