//! The protobuf that holds a public or a private key: its type and its bytes.

use super::InvalidKey;
use crate::wire::protobuf::{Reader, Writer};
use bytes::BytesMut;
use std::fmt;

const FIELD_TYPE: u32 = 1;
const FIELD_DATA: u32 = 2;

/// The type of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// RSA with PKCS#1 v1.5 signatures.
    Rsa,
    /// Ed25519.
    Ed25519,
    /// ECDSA on the curve secp256k1.
    Secp256k1,
    /// ECDSA on the curve P-256.
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
