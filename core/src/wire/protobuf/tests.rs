//! prost is the oracle: both codecs write the same bytes and read the same values.

use super::*;
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

#[derive(Clone, PartialEq, prost::Message)]
struct Inner {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    addresses: Vec<Vec<u8>>,
    #[prost(uint64, tag = "3")]
    connection: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Outer {
    #[prost(bytes = "vec", optional, tag = "1")]
    key: Option<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    values: Vec<Vec<u8>>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(uint64, optional, tag = "6")]
    number: Option<u64>,
    #[prost(message, repeated, tag = "9")]
    peers: Vec<Inner>,
    #[prost(fixed64, tag = "16")]
    wide: u64,
    #[prost(fixed32, tag = "2047")]
    narrow: u32,
}

fn read_inner(message: &[u8]) -> Result<Inner, ProtobufError> {
    let mut inner = Inner::default();
    for field in Reader::new(message) {
        match field? {
            (1, value) => inner.id = value.as_bytes("id")?.to_vec(),
            (2, value) => inner.addresses.push(value.as_bytes("addresses")?.to_vec()),
            (3, value) => inner.connection = value.as_u64("connection")?,
            _ => {}
        }
    }
    Ok(inner)
}

fn read(message: &[u8]) -> Result<Outer, ProtobufError> {
    let mut outer = Outer::default();
    for field in Reader::new(message) {
        match field? {
            (1, value) => outer.key = Some(value.as_bytes("key")?.to_vec()),
            (2, value) => outer.values.push(value.as_bytes("values")?.to_vec()),
            (5, value) => outer.name = value.as_str("name")?.to_owned(),
            (6, value) => outer.number = Some(value.as_u64("number")?),
            (9, value) => outer.peers.push(read_inner(value.as_bytes("peers")?)?),
            (16, Value::Fixed64(wide)) => outer.wide = wide,
            (2047, Value::Fixed32(narrow)) => outer.narrow = narrow,
            (16 | 2047, _) => return Err(ProtobufError::WrongType { field: "fixed", expected: "fixed" }),
            _ => {}
        }
    }
    Ok(outer)
}

/// Writes what [`Writer`] can: everything but the fields of fixed width.
fn write(outer: &Outer) -> BytesMut {
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out);
    if let Some(key) = &outer.key {
        writer.bytes(1, key);
    }
    for value in &outer.values {
        writer.bytes(2, value);
    }
    if !outer.name.is_empty() {
        writer.string(5, &outer.name);
    }
    if let Some(number) = outer.number {
        writer.varint(6, number);
    }
    for peer in &outer.peers {
        writer.message(9, |writer| {
            if !peer.id.is_empty() {
                writer.bytes(1, &peer.id);
            }
            for address in &peer.addresses {
                writer.bytes(2, address);
            }
            if peer.connection != 0 {
                writer.varint(3, peer.connection);
            }
        });
    }
    out
}

fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift)
}

fn inner() -> impl Strategy<Value = Inner> {
    let bytes = || vec(any::<u8>(), 0..150);
    (bytes(), vec(bytes(), 0..3), number()).prop_map(|(id, addresses, connection)| Inner {
        id,
        addresses,
        connection,
    })
}

fn outer() -> impl Strategy<Value = Outer> {
    let bytes = || vec(any::<u8>(), 0..40);
    let fixed = (prop_oneof![Just(0), any::<u64>()], prop_oneof![Just(0), any::<u32>()]);
    (
        proptest::option::of(bytes()),
        vec(bytes(), 0..4),
        ".{0,20}",
        proptest::option::of(number()),
        vec(inner(), 0..4),
        fixed,
    )
        .prop_map(|(key, values, name, number, peers, (wide, narrow))| Outer {
            key,
            values,
            name,
            number,
            peers,
            wide,
            narrow,
        })
}

proptest! {
    #[test]
    fn reads_what_prost_writes(message in outer()) {
        prop_assert_eq!(read(&message.encode_to_vec()), Ok(message));
    }

    #[test]
    fn writes_what_prost_writes(mut message in outer()) {
        (message.wide, message.narrow) = (0, 0);
        prop_assert_eq!(&write(&message)[..], &message.encode_to_vec()[..]);
    }

    #[test]
    fn every_prefix_is_read_as_prost_reads_it(message in outer()) {
        let bytes = message.encode_to_vec();
        for end in 0..bytes.len() {
            prop_assert_eq!(read(&bytes[..end]).ok(), Outer::decode(&bytes[..end]).ok(), "cut at {}", end);
        }
    }

    #[test]
    fn arbitrary_bytes_are_read_as_prost_reads_them(bytes in vec(prop_oneof![any::<u8>(), 0_u8..0x60], 0..40)) {
        // Groups are the one thing that prost skips and we refuse.
        let ours = read(&bytes);
        if !matches!(ours, Err(ProtobufError::UnsupportedWireType { wire_type: 3, .. })) {
            prop_assert_eq!(ours.ok(), Outer::decode(&bytes[..]).ok());
        }
    }
}

#[test]
fn bad_input() {
    use ProtobufError::*;
    const OVERLONG: &[u8] = &[0x30, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
    let table: [(&[u8], ProtobufError); 22] = [
        (&[0x0a], Truncated),
        (&[0x0a, 2, 7], Truncated),
        (&[0x0a, 0x80], Truncated),
        (&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Truncated),
        (&[0x80], Truncated),
        (&[0x30], Truncated),
        (&[0x30, 0xff], Truncated),
        (&[0x81, 1, 1, 2, 3, 4, 5, 6, 7], Truncated),
        (&[0xfd, 0x7f, 1, 2, 3], Truncated),
        (OVERLONG, VarintTooLong),
        (&[0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], VarintTooLong),
        (&[0x00], BadFieldNumber),
        (&[0x02, 0], BadFieldNumber),
        (&[0x82, 0x80, 0x80, 0x80, 0x10, 0], BadFieldNumber),
        (&[0x0b], UnsupportedWireType { field: 1, wire_type: 3 }),
        (&[0x0c], UnsupportedWireType { field: 1, wire_type: 4 }),
        (&[0x1e], UnsupportedWireType { field: 3, wire_type: 6 }),
        (&[0x1f], UnsupportedWireType { field: 3, wire_type: 7 }),
        (&[0x08, 1], WrongType { field: "key", expected: "bytes" }),
        (&[0x28, 1], WrongType { field: "name", expected: "text" }),
        (&[0x32, 0], WrongType { field: "number", expected: "an integer" }),
        (&[0x2a, 1, 0xff], NotUtf8 { field: "name" }),
    ];
    for (bytes, error) in table {
        assert_eq!(read(bytes), Err(error), "{bytes:x?}");
    }
}

#[test]
fn protobuf_varints_may_be_long() {
    let table: [(&[u8], u64); 4] = [
        (&[0x30, 0x80, 0], 0),
        (&[0x30, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0], 1),
        (&[0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], u64::MAX),
        (&[0xb0, 0x80, 0, 5], 5),
    ];
    for (bytes, number) in table {
        assert_eq!(read(bytes).map(|outer| outer.number), Ok(Some(number)), "{bytes:x?}");
    }
}

#[test]
fn the_largest_field_number_is_ignored_if_unknown() {
    assert_eq!(read(&[0xfa, 0xff, 0xff, 0xff, 0x0f, 0]), Ok(Outer::default()));
}

#[test]
fn nothing_follows_an_error() {
    let mut reader = Reader::new(&[0x00, 0x30, 1]);
    assert_eq!(reader.next(), Some(Err(ProtobufError::BadFieldNumber)));
    assert_eq!(reader.next(), None);
}

#[test]
fn lengths_of_nested_messages_at_the_edges() {
    for len in [0_usize, 125, 126, 127, 128, 16_379, 16_380, 16_381, 16_384] {
        let peer = Inner { id: vec![7; len], ..Inner::default() };
        let outer = Outer { peers: vec![peer.clone(), peer], ..Outer::default() };
        assert_eq!(&write(&outer)[..], &outer.encode_to_vec()[..], "{len}");
    }
}
