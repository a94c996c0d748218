//! The codecs that all protocols share.

use bytes::BytesMut;
use peerwork_core::wire::protobuf::{Reader, Value, Writer};
use peerwork_core::wire::{frame as framing, varint as varints};

/// A varint that is read takes its shortest form, and none of its beginnings is one.
pub fn varint(data: &[u8]) {
    match varints::decode(data) {
        Ok(Some((value, len))) => {
            assert!(value <= varints::MAX_VALUE);
            let mut encoded = BytesMut::new();
            varints::encode(value, &mut encoded);
            assert_eq!(&encoded[..], &data[..len]);
            assert!((0..len).all(|end| varints::decode(&data[..end]) == Ok(None)));
        }
        Ok(None) => assert!(data.len() < varints::MAX_BYTES),
        Err(_) => {}
    }
}

/// The input as a sequence of messages: those that are taken are what was sent, and nothing else is consumed.
pub fn frame(data: &[u8]) {
    const MAX: usize = 300;
    let mut input = BytesMut::from(data);
    let mut taken = BytesMut::new();
    while let Ok(Some(message)) = framing::split(&mut input, MAX) {
        assert!(message.len() <= MAX);
        framing::encode(&message, &mut taken);
    }
    assert_eq!([taken, input].concat(), data);
}

/// The fields that are read, written again, are read as the same fields.
pub fn protobuf(data: &[u8]) {
    let fields: Vec<_> = Reader::new(data).map_while(Result::ok).collect();
    let mut written = BytesMut::new();
    let mut expected = Vec::new();
    let mut writer = Writer::new(&mut written);
    for (number, value) in fields {
        match value {
            Value::Varint(value) => writer.varint(number, value),
            Value::Bytes(bytes) => writer.bytes(number, bytes),
            // No message of libp2p has these, so there is no way to write them.
            Value::Fixed32(_) | Value::Fixed64(_) => continue,
        }
        expected.push(Ok((number, value)));
    }
    assert_eq!(Reader::new(&written).collect::<Vec<_>>(), expected);
}
