//! Signed peer records (libp2p's RFC 0003): a peer's own word on where it can be reached, which others can pass on.
//!
//! ```text
//! PeerRecord { 1: peer id, 2: sequence number, repeated 3: { 1: address } }
//! ```
//!
//! in an [`Envelope`]. Records are written in the form of go and js, and also read in the older one that rust writes by default.

use super::envelope::{Envelope, EnvelopePurpose, InvalidEnvelope};
use super::{InvalidPeerId, Keypair, MAX_PEER_ADDRESSES, PeerId};
use crate::address::{self, Multiaddr, split_peer_id};
use crate::crypto::{CryptoProvider, UnsupportedKey};
use crate::wire::protobuf::{ProtobufError, Reader, Writer};
use bytes::{Bytes, BytesMut};

/// The form that is written: that of go and js.
pub const PEER_RECORD: EnvelopePurpose =
    EnvelopePurpose { domain: "libp2p-peer-record", payload_type: &[0x03, 0x01] };

/// The older form, which is read as well.
pub const ROUTING_STATE_RECORD: EnvelopePurpose =
    EnvelopePurpose { domain: "libp2p-routing-state", payload_type: b"/libp2p/routing-state-record" };

/// How long the record of a node of ours gets: with the largest key and signature it still is a valid envelope. Addresses that do not fit
/// are left out.
const MAX_OWN_RECORD_BYTES: usize = 4_096;

/// Where a peer can be reached, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRecord {
    /// The peer.
    pub peer: PeerId,
    /// Of two records of a peer, the one with the higher number is the newer one. Often it is the time in seconds or nanoseconds; that
    /// is up to the peer.
    pub sequence: u64,
    /// Its addresses, without its peer id at their ends, each of them once. At most [`MAX_PEER_ADDRESSES`].
    pub addresses: Vec<Multiaddr>,
}

/// A peer record with the proof that it is its peer's: who has one may trust that, and may pass it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPeerRecord {
    record: PeerRecord,
    envelope: Bytes,
}

/// Why bytes are not a signed peer record. Blame: whoever sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeerRecord {
    /// The envelope is malformed, holds something else, or its signature does not hold.
    #[error(transparent)]
    Envelope(#[from] InvalidEnvelope),
    /// The payload is not the protobuf of a peer record.
    #[error("the peer record is not in protobuf form: {0}")]
    Protobuf(#[from] ProtobufError),
    /// The record names no peer, or not in the form of a peer id.
    #[error("the peer of the record: {0}")]
    PeerId(#[from] InvalidPeerId),
    /// A peer signed the record of another one.
    #[error("the record of the peer {claimed} is signed by {signer}")]
    WrongSigner {
        /// Whose record it claims to be.
        claimed: PeerId,
        /// Who signed it.
        signer: PeerId,
    },
}

mod field {
    pub(super) const PEER_ID: u32 = 1;
    pub(super) const SEQUENCE: u32 = 2;
    pub(super) const ADDRESSES: u32 = 3;
    pub(super) const MULTIADDR: u32 = 1;
}

impl SignedPeerRecord {
    /// Makes the record of the holder of `keypair`.
    ///
    /// `sequence` must be higher than in all of its earlier records. Left out are addresses that end with another peer's id, and what is
    /// over [`MAX_PEER_ADDRESSES`] or 4 KiB.
    ///
    /// # Errors
    /// The crypto provider does not sign with keys of this type.
    pub fn sign(
        keypair: &Keypair,
        sequence: u64,
        addresses: impl IntoIterator<Item = Multiaddr>,
        crypto: &dyn CryptoProvider,
    ) -> Result<Self, UnsupportedKey> {
        let mut record = PeerRecord { peer: keypair.public().to_peer_id(), sequence, addresses: Vec::new() };
        addresses.into_iter().for_each(|address| record.add(address));
        let payload = record.encode_what_fits();
        let envelope = Envelope::seal(PEER_RECORD, &payload, keypair, crypto)?.into();
        Ok(Self { record, envelope })
    }

    /// Reads a signed record in either form, and verifies it.
    ///
    /// Addresses that are malformed or end with another peer's id are skipped one by one.
    ///
    /// # Errors
    /// It is no signed peer record, or not signed by the peer that it is about: see [`InvalidPeerRecord`].
    pub fn from_bytes(envelope: Bytes, crypto: &dyn CryptoProvider) -> Result<Self, InvalidPeerRecord> {
        let opened = Envelope::open(&envelope, &[PEER_RECORD, ROUTING_STATE_RECORD], crypto)?;
        let record = PeerRecord::decode(opened.payload)?;
        let signer = opened.signer.to_peer_id();
        if record.peer != signer {
            return Err(InvalidPeerRecord::WrongSigner { claimed: record.peer, signer });
        }
        Ok(Self { record, envelope })
    }

    /// The record.
    pub fn record(&self) -> &PeerRecord {
        &self.record
    }

    /// The envelope, as it was signed.
    pub fn as_bytes(&self) -> &Bytes {
        &self.envelope
    }
}

impl PeerRecord {
    /// Keeps an address if it is this peer's, new, and there is room.
    fn add(&mut self, address: Multiaddr) {
        let Ok((address, peer)) = split_peer_id(&address) else { return };
        let ours = peer.is_none_or(|peer| peer == self.peer) && !address.is_empty();
        if ours && self.addresses.len() < MAX_PEER_ADDRESSES && !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }

    /// Drops the addresses that do not fit into [`MAX_OWN_RECORD_BYTES`].
    fn encode_what_fits(&mut self) -> BytesMut {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        writer.bytes(field::PEER_ID, self.peer.as_bytes());
        writer.varint(field::SEQUENCE, self.sequence);
        self.addresses.retain(|address| {
            let before = out.len();
            Writer::new(&mut out)
                .message(field::ADDRESSES, |info| info.bytes(field::MULTIADDR, address.as_ref()));
            let fits = out.len() <= MAX_OWN_RECORD_BYTES;
            if !fits {
                out.truncate(before);
            }
            fits
        });
        out
    }

    fn decode(payload: &[u8]) -> Result<Self, InvalidPeerRecord> {
        let (mut peer, mut sequence, mut infos) = (&[][..], 0, Vec::new());
        for item in Reader::new(payload) {
            match item? {
                (field::PEER_ID, value) => peer = value.as_bytes("peer_id")?,
                (field::SEQUENCE, value) => sequence = value.as_u64("seq")?,
                (field::ADDRESSES, value) if infos.len() < MAX_PEER_ADDRESSES => {
                    infos.push(value.as_bytes("addresses")?);
                }
                _ => {}
            }
        }
        let mut record = Self { peer: PeerId::from_bytes(peer)?, sequence, addresses: Vec::new() };
        infos.into_iter().filter_map(decode_address).for_each(|address| record.add(address));
        Ok(record)
    }
}

/// `None` if it is malformed.
fn decode_address(info: &[u8]) -> Option<Multiaddr> {
    let mut bytes = None;
    for item in Reader::new(info) {
        if let (field::MULTIADDR, value) = item.ok()? {
            bytes = Some(value.as_bytes("multiaddr").ok()?);
        }
    }
    address::from_bytes(bytes?).ok()
}
