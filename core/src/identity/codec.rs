//! The protobuf that holds a public or a private key: its type and its bytes.

use crate::wire::protobuf::{ProtobufError, Reader, Writer};
use bytes::BytesMut;
use std::fmt;

const FIELD_TYPE: u32 = 1;
const FIELD_DATA: u32 = 2;

/// The type of a key, whether or not keys of that type are supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// RSA with PKCS#1 v1.5 signatures.
    Rsa,
    /// Ed25519.
    Ed25519,
    /// ECDSA on the curve secp256k1.
    Secp256k1,
    /// ECDSA on a NIST curve.
    Ecdsa,
}

impl KeyType {
    /// The name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Ed25519 => "Ed25519",
            Self::Secp256k1 => "secp256k1",
            Self::Ecdsa => "ECDSA",
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::Rsa => 0,
            Self::Ed25519 => 1,
            Self::Secp256k1 => 2,
            Self::Ecdsa => 3,
        }
    }

    fn from_number(number: u64) -> Option<Self> {
        [Self::Rsa, Self::Ed25519, Self::Secp256k1, Self::Ecdsa]
            .into_iter()
            .find(|key| key.number() == number)
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why bytes are not a key. Blame: whoever sent them, or the key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// There are no bytes.
    #[error("it is empty; expected a libp2p key in protobuf form")]
    Empty,
    /// It is text, although keys are binary.
    #[error("it is {format} text; expected a libp2p key in binary protobuf form")]
    Text {
        /// What the text looks like.
        format: &'static str,
    },
    /// It is not the protobuf of a key.
    #[error("it is not a libp2p key in protobuf form: {0}")]
    Protobuf(#[from] ProtobufError),
    /// The protobuf of a key lacks a field.
    #[error("the key's protobuf has no {field}")]
    MissingField {
        /// The field's name.
        field: &'static str,
    },
    /// A key of a type that exists but is not supported.
    #[error("{0} keys are not supported; use an Ed25519 key")]
    UnsupportedType(KeyType),
    /// A key of a type that does not exist.
    #[error("there is no key type {0}; use an Ed25519 key")]
    UnknownType(u64),
    /// The key's bytes are too few or too many.
    #[error("{what} has {expected} bytes, not {found}")]
    WrongLength {
        /// Which key.
        what: &'static str,
        /// How many bytes are right.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The public key is not a point of the curve, or one of the few under which anybody can sign.
    #[error("the public key is not a safe point of the {0} curve")]
    BadPoint(KeyType),
    /// The public half that is stored with a private key does not belong to it.
    #[error("the private and the public half of the key do not belong together")]
    HalvesDiffer,
    /// A public key is not encoded in the one way from which its peer id is computed.
    #[error("the public key is not in the deterministic encoding")]
    NotDeterministic,
}

/// Encodes a key in the deterministic form: both fields, in order, and nothing else.
pub(super) fn encode_key(key_type: KeyType, data: &[u8]) -> Vec<u8> {
    const MAX_OVERHEAD: usize = 16;
    // Large enough never to move, which would leave a copy of a private key behind.
    let mut out = BytesMut::with_capacity(data.len() + MAX_OVERHEAD);
    let mut writer = Writer::new(&mut out);
    writer.varint(FIELD_TYPE, key_type.number());
    writer.bytes(FIELD_DATA, data);
    out.into()
}

/// Takes a key apart into its type and its bytes. Fields may come in any order, and unknown ones are ignored.
pub(super) fn decode_key(bytes: &[u8]) -> Result<(KeyType, &[u8]), InvalidKey> {
    if bytes.is_empty() {
        return Err(InvalidKey::Empty);
    }
    let (mut number, mut data) = (None, None);
    for field in Reader::new(bytes) {
        match field? {
            (FIELD_TYPE, value) => number = Some(value.as_u64("Type")?),
            (FIELD_DATA, value) => data = Some(value.as_bytes("Data")?),
            _ => {}
        }
    }
    let number = number.ok_or(InvalidKey::MissingField { field: "Type" })?;
    let key_type = KeyType::from_number(number).ok_or(InvalidKey::UnknownType(number))?;
    Ok((key_type, data.ok_or(InvalidKey::MissingField { field: "Data" })?))
}
