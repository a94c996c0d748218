//! The identify message: protobuf to [`IdentifyInfo`] and back.

use crate::address::{self, Multiaddr};
use crate::identity::{InvalidKey, PeerRecord, PublicKey};
use crate::negotiation::ProtocolId;
use crate::wire::protobuf::{ProtobufError, Reader, Writer};
use crate::wire::varint;
use bytes::{Bytes, BytesMut};

/// The most listen addresses that are kept of a peer; further ones are dropped, so that they cannot fill our
/// memory.
pub const MAX_ADDRESSES: usize = 500;

/// The most protocols that are kept of a peer; further ones are dropped, so that they cannot fill our memory.
pub const MAX_PROTOCOLS: usize = 1_000;

/// The most characters that are kept of a version; further ones are dropped.
pub const MAX_VERSION_CHARACTERS: usize = 128;

/// What a node tells of itself. Everything may be missing; nothing but the key is proven.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IdentifyInfo {
    /// Its public key. Of a peer, it is the key that the peer's id is made of.
    pub public_key: Option<PublicKey>,
    /// Where it listens, as it thinks. At most [`MAX_ADDRESSES`].
    pub listen_addresses: Vec<Multiaddr>,
    /// What may be opened towards it. At most [`MAX_PROTOCOLS`].
    pub protocols: Vec<ProtocolId>,
    /// Where it sees the other end of the connection.
    pub observed_address: Option<Multiaddr>,
    /// The network or family of protocols that it belongs to, such as `ipfs/0.1.0`. At most
    /// [`MAX_VERSION_CHARACTERS`].
    pub protocol_version: Option<String>,
    /// Its software, such as `peerwork/0.1.0`. At most [`MAX_VERSION_CHARACTERS`].
    pub agent_version: Option<String>,
    /// A signed envelope with its addresses, to be passed on. The codec neither parses nor verifies it; in an
    /// [event](super::IdentifyEvent) it is valid and the peer's own.
    pub signed_peer_record: Option<Bytes>,
    /// What [`signed_peer_record`](Self::signed_peer_record) says once it is verified; the listen addresses then are
    /// those of it. Never set by the codec.
    pub certified: Option<PeerRecord>,
}

impl IdentifyInfo {
    /// Adds what the same peer pushed later: what it left out is unchanged, what it told replaces what was known.
    ///
    /// A list replaces the whole list, and an empty one is no list: protobuf does not tell them apart. So a peer cannot
    /// take its last address or protocol back, except that a signed record counts even if it has no addresses. A
    /// record that is older than the one known changes no addresses.
    pub fn update(&mut self, pushed: &Self) {
        replace(&mut self.public_key, &pushed.public_key);
        replace(&mut self.observed_address, &pushed.observed_address);
        replace(&mut self.protocol_version, &pushed.protocol_version);
        replace(&mut self.agent_version, &pushed.agent_version);
        if !pushed.protocols.is_empty() {
            self.protocols.clone_from(&pushed.protocols);
        }
        let outdated = match (&self.certified, &pushed.certified) {
            (Some(known), Some(told)) => told.sequence < known.sequence,
            (_, told) => told.is_none() && pushed.listen_addresses.is_empty(),
        };
        if !outdated {
            self.listen_addresses.clone_from(&pushed.listen_addresses);
            self.signed_peer_record.clone_from(&pushed.signed_peer_record);
            self.certified.clone_from(&pushed.certified);
        }
    }
}

/// A value that is missing changes nothing.
fn replace<T: Clone>(known: &mut Option<T>, told: &Option<T>) {
    if told.is_some() {
        known.clone_from(told);
    }
}

/// Why bytes are not an identify message. Blame: the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// It is not protobuf, or a field is of another type.
    #[error(transparent)]
    Protobuf(#[from] ProtobufError),
    /// The public key is not one that we know.
    #[error("the public key: {0}")]
    PublicKey(#[from] InvalidKey),
}

mod field {
    pub(super) const PUBLIC_KEY: u32 = 1;
    pub(super) const LISTEN_ADDRESSES: u32 = 2;
    pub(super) const PROTOCOLS: u32 = 3;
    pub(super) const OBSERVED_ADDRESS: u32 = 4;
    pub(super) const PROTOCOL_VERSION: u32 = 5;
    pub(super) const AGENT_VERSION: u32 = 6;
    pub(super) const SIGNED_PEER_RECORD: u32 = 8;
}

/// Adds a message to what others have told before: lists grow, single values are replaced, missing ones stay.
///
/// Addresses and protocols that are not valid are skipped one by one, an observed address that is not valid
/// counts as missing. Versions are shown to people, so they become clean text: see [`clean_version`].
///
/// # Errors
/// See [`InvalidMessage`]. `info` then holds what came before the error.
pub fn merge(message: &[u8], info: &mut IdentifyInfo) -> Result<(), InvalidMessage> {
    let mut public_key = None;
    for item in Reader::new(message) {
        let (number, value) = item?;
        match number {
            field::PUBLIC_KEY => public_key = Some(value.as_bytes("publicKey")?),
            field::LISTEN_ADDRESSES => {
                let bytes = value.as_bytes("listenAddrs")?;
                push_up_to(MAX_ADDRESSES, &mut info.listen_addresses, || address::from_bytes(bytes).ok());
            }
            field::PROTOCOLS => {
                let bytes = value.as_bytes("protocols")?;
                let parse = || ProtocolId::new(std::str::from_utf8(bytes).ok()?).ok();
                push_up_to(MAX_PROTOCOLS, &mut info.protocols, parse);
            }
            field::OBSERVED_ADDRESS => {
                info.observed_address = address::from_bytes(value.as_bytes("observedAddr")?).ok();
            }
            field::PROTOCOL_VERSION => {
                info.protocol_version = Some(clean_version(value.as_bytes("protocolVersion")?));
            }
            field::AGENT_VERSION => {
                info.agent_version = Some(clean_version(value.as_bytes("agentVersion")?));
            }
            field::SIGNED_PEER_RECORD => {
                let bytes = value.as_bytes("signedPeerRecord")?;
                info.signed_peer_record = Some(Bytes::copy_from_slice(bytes));
            }
            _ => {}
        }
    }
    // Only the last one counts, and checking a key takes a while.
    if let Some(bytes) = public_key {
        info.public_key = Some(PublicKey::from_protobuf(bytes)?);
    }
    Ok(())
}

/// Text without control characters, which would garble logs and terminals, and with at most
/// [`MAX_VERSION_CHARACTERS`].
pub fn clean_version(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|character| !character.is_control()).take(MAX_VERSION_CHARACTERS).collect()
}

/// Parses nothing for a list that is full.
fn push_up_to<T>(max: usize, list: &mut Vec<T>, parse: impl FnOnce() -> Option<T>) {
    if list.len() < max {
        list.extend(parse());
    }
}

/// Appends one message of at most `max_bytes`.
///
/// What does not fit is left out: of a list the single items. What matters most comes first, addresses come
/// after protocols and the signed record last.
pub fn encode(info: &IdentifyInfo, max_bytes: usize, out: &mut BytesMut) {
    let mut room = max_bytes;
    let mut writer = Writer::new(out);
    let mut put = |field: u32, value: &[u8]| {
        let len = KEY_BYTES + varint::encoded_len(value.len() as u64) + value.len();
        if len <= room {
            room -= len;
            writer.bytes(field, value);
        }
    };
    if let Some(key) = &info.public_key {
        put(field::PUBLIC_KEY, &key.to_protobuf());
    }
    if let Some(version) = &info.protocol_version {
        put(field::PROTOCOL_VERSION, version.as_bytes());
    }
    if let Some(version) = &info.agent_version {
        put(field::AGENT_VERSION, version.as_bytes());
    }
    if let Some(address) = &info.observed_address {
        put(field::OBSERVED_ADDRESS, address.as_ref());
    }
    for protocol in &info.protocols {
        put(field::PROTOCOLS, protocol.as_str().as_bytes());
    }
    for address in &info.listen_addresses {
        put(field::LISTEN_ADDRESSES, address.as_ref());
    }
    if let Some(record) = &info.signed_peer_record {
        put(field::SIGNED_PEER_RECORD, record);
    }
}

/// The length of a field's number and type on the wire: all numbers are below 16.
const KEY_BYTES: usize = 1;
