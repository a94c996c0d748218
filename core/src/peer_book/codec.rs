//! The binary form of a stored peer.
//!
//! ```text
//! Peer    { 1: peer id, repeated 2: Address, 3: record sequence, 4: agent version, repeated 5: protocol }
//! Address { 1: address, 2: origin, 3: expires, 4: reached }      (times in seconds since 1970)
//! ```

use super::{Origin, StoredAddress, StoredPeer};
use crate::address::{self, InvalidAddress};
use crate::identity::{InvalidPeerId, PeerId};
use crate::negotiation::{InvalidProtocolId, ProtocolId};
use crate::protocols::identify::codec::clean_version;
use crate::wire::protobuf::{ProtobufError, Reader, Writer};
use bytes::BytesMut;
use std::time::Duration;

/// The longest binary form that is read: more than the limits of the book allow. Saves from reading whatever a damaged store holds.
const MAX_BYTES: usize = 64 * 1_024;

/// Why bytes are not a stored peer. Blame: whoever wrote them, or the disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStoredPeer {
    /// It is longer than any stored peer.
    #[error("a stored peer of {len} bytes is over the limit of {MAX_BYTES}")]
    TooLong {
        /// How long it is.
        len: usize,
    },
    /// It is not protobuf, or a field is of another type.
    #[error(transparent)]
    Protobuf(#[from] ProtobufError),
    /// It does not say whom it is about.
    #[error("the stored peer: {0}")]
    PeerId(#[from] InvalidPeerId),
    /// One of its addresses is none.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// The origin of an address is none that is known.
    #[error("an address has the unknown origin {0}")]
    Origin(u64),
    /// One of its protocols is none.
    #[error(transparent)]
    Protocol(#[from] InvalidProtocolId),
}

mod field {
    pub(super) const PEER_ID: u32 = 1;
    pub(super) const ADDRESSES: u32 = 2;
    pub(super) const RECORD_SEQUENCE: u32 = 3;
    pub(super) const AGENT_VERSION: u32 = 4;
    pub(super) const PROTOCOLS: u32 = 5;

    pub(super) const ADDRESS: u32 = 1;
    pub(super) const ORIGIN: u32 = 2;
    pub(super) const EXPIRES: u32 = 3;
    pub(super) const REACHED: u32 = 4;
}

/// The numbers are never changed: they are on people's disks.
const ORIGINS: [(u64, Origin); 5] = [
    (1, Origin::Routing),
    (2, Origin::Dialed),
    (3, Origin::Identify),
    (4, Origin::Record),
    (5, Origin::User),
];

impl StoredPeer {
    /// Its binary form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        writer.bytes(field::PEER_ID, self.peer.as_bytes());
        for address in &self.addresses {
            writer.message(field::ADDRESSES, |writer| address.write(writer));
        }
        if let Some(sequence) = self.record_sequence {
            writer.varint(field::RECORD_SEQUENCE, sequence);
        }
        if let Some(agent) = &self.agent_version {
            writer.string(field::AGENT_VERSION, agent);
        }
        for protocol in &self.protocols {
            writer.string(field::PROTOCOLS, protocol.as_str());
        }
        out.to_vec()
    }

    /// Reads its binary form.
    ///
    /// # Errors
    /// It is not as [`StoredPeer::encode`] writes it: see [`InvalidStoredPeer`].
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidStoredPeer> {
        if bytes.len() > MAX_BYTES {
            return Err(InvalidStoredPeer::TooLong { len: bytes.len() });
        }
        let (mut peer, mut addresses, mut protocols) = (&[][..], Vec::new(), Vec::new());
        let (mut record_sequence, mut agent_version) = (None, None);
        for item in Reader::new(bytes) {
            match item? {
                (field::PEER_ID, value) => peer = value.as_bytes("peer id")?,
                (field::ADDRESSES, value) => {
                    addresses.push(StoredAddress::read(value.as_bytes("addresses")?)?);
                }
                (field::RECORD_SEQUENCE, value) => record_sequence = Some(value.as_u64("record sequence")?),
                (field::AGENT_VERSION, value) => {
                    agent_version = Some(clean_version(value.as_bytes("agent version")?));
                }
                (field::PROTOCOLS, value) => protocols.push(ProtocolId::new(value.as_str("protocols")?)?),
                _ => {}
            }
        }
        Ok(Self { peer: PeerId::from_bytes(peer)?, addresses, record_sequence, agent_version, protocols })
    }
}

impl StoredAddress {
    fn write(&self, writer: &mut Writer<'_>) {
        writer.bytes(field::ADDRESS, self.address.as_ref());
        for (number, _) in ORIGINS.iter().filter(|(_, origin)| *origin == self.origin) {
            writer.varint(field::ORIGIN, *number);
        }
        for (number, time) in [(field::EXPIRES, self.expires), (field::REACHED, self.reached)] {
            if let Some(time) = time {
                writer.varint(number, time.as_secs());
            }
        }
    }

    fn read(bytes: &[u8]) -> Result<Self, InvalidStoredPeer> {
        let (mut address, mut number, mut expires, mut reached) = (&[][..], 0, None, None);
        for item in Reader::new(bytes) {
            match item? {
                (field::ADDRESS, value) => address = value.as_bytes("address")?,
                (field::ORIGIN, value) => number = value.as_u64("origin")?,
                (field::EXPIRES, value) => expires = Some(Duration::from_secs(value.as_u64("expires")?)),
                (field::REACHED, value) => reached = Some(Duration::from_secs(value.as_u64("reached")?)),
                _ => {}
            }
        }
        let origin = ORIGINS.iter().find(|(known, _)| *known == number).map(|(_, origin)| *origin);
        Ok(Self {
            address: address::from_bytes(address)?,
            origin: origin.ok_or(InvalidStoredPeer::Origin(number))?,
            expires,
            reached,
        })
    }
}
