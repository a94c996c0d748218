//! Signed envelopes (libp2p's RFC 0002): a payload, signed by a peer for one purpose.
//!
//! ```text
//! Envelope { 1: public key, 2: payload type, 3: payload, 5: signature }
//! ```
//!
//! The signature covers the domain, the payload type and the payload, each behind its length, so that a signature made for one purpose
//! is worth nothing for another.

use super::{InvalidKey, Keypair, PublicKey};
use crate::crypto::{CryptoProvider, UnsupportedKey};
use crate::wire::protobuf::{ProtobufError, Reader, Writer};
use crate::wire::varint;
use bytes::BytesMut;

/// The longest envelope that is read: what fits a message of identify. A longer one is refused before it is looked at, so that peers
/// cannot make us check and keep large ones.
pub const MAX_ENVELOPE_BYTES: usize = 8_192;

/// What an envelope is for: without it, a signature made for one purpose could be passed off as one made for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvelopePurpose {
    /// Separates signatures for this purpose from all others. It is signed and not sent.
    pub domain: &'static str,
    /// How the payload is to be read. It is signed and sent.
    pub payload_type: &'static [u8],
}

/// The contents of an envelope whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Who signed it.
    pub signer: PublicKey,
    /// For which purpose.
    pub purpose: EnvelopePurpose,
    /// What was signed. The signer may still lie in it.
    pub payload: &'a [u8],
}

/// Why bytes are not an envelope that can be trusted. Blame: whoever sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEnvelope {
    /// It is longer than [`MAX_ENVELOPE_BYTES`].
    #[error("an envelope of {len} bytes is over the limit of {MAX_ENVELOPE_BYTES}")]
    TooLarge {
        /// How long it is.
        len: usize,
    },
    /// It is not the protobuf of an envelope.
    #[error("it is not an envelope in protobuf form: {0}")]
    Protobuf(#[from] ProtobufError),
    /// A field is missing.
    #[error("the envelope has no {0}")]
    MissingField(&'static str),
    /// The signer's key is not one.
    #[error("the signer's public key: {0}")]
    Key(#[from] InvalidKey),
    /// It is for none of the purposes asked for.
    #[error("the envelope holds something else than expected")]
    WrongPayloadType,
    /// The signer did not sign this payload for this purpose.
    #[error("the signature of the envelope does not hold")]
    BadSignature,
}

mod field {
    pub(super) const PUBLIC_KEY: u32 = 1;
    pub(super) const PAYLOAD_TYPE: u32 = 2;
    pub(super) const PAYLOAD: u32 = 3;
    pub(super) const SIGNATURE: u32 = 5;
}

impl<'a> Envelope<'a> {
    /// Signs a payload, and gives the bytes of the envelope.
    ///
    /// # Errors
    /// The crypto provider does not sign with keys of this type.
    pub fn seal(
        purpose: EnvelopePurpose,
        payload: &[u8],
        keypair: &Keypair,
        crypto: &dyn CryptoProvider,
    ) -> Result<Vec<u8>, UnsupportedKey> {
        let signature = crypto.sign(keypair, &signed_bytes(purpose, payload))?;
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out);
        writer.bytes(field::PUBLIC_KEY, &keypair.public().to_protobuf());
        writer.bytes(field::PAYLOAD_TYPE, purpose.payload_type);
        writer.bytes(field::PAYLOAD, payload);
        writer.bytes(field::SIGNATURE, &signature);
        Ok(out.into())
    }

    /// Reads an envelope for one of `purposes`, and verifies its signature.
    ///
    /// # Errors
    /// It is too long or malformed, for another purpose, or its signature does not hold: see [`InvalidEnvelope`].
    pub fn open(
        bytes: &'a [u8],
        purposes: &[EnvelopePurpose],
        crypto: &dyn CryptoProvider,
    ) -> Result<Self, InvalidEnvelope> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(InvalidEnvelope::TooLarge { len: bytes.len() });
        }
        let (mut public_key, mut payload_type, mut payload, mut signature) = (None, None, None, None);
        for item in Reader::new(bytes) {
            match item? {
                (field::PUBLIC_KEY, value) => public_key = Some(value.as_bytes("public_key")?),
                (field::PAYLOAD_TYPE, value) => payload_type = Some(value.as_bytes("payload_type")?),
                (field::PAYLOAD, value) => payload = Some(value.as_bytes("payload")?),
                (field::SIGNATURE, value) => signature = Some(value.as_bytes("signature")?),
                _ => {}
            }
        }
        let public_key = public_key.ok_or(InvalidEnvelope::MissingField("public_key"))?;
        let payload_type = payload_type.ok_or(InvalidEnvelope::MissingField("payload_type"))?;
        let payload = payload.ok_or(InvalidEnvelope::MissingField("payload"))?;
        let signature = signature.ok_or(InvalidEnvelope::MissingField("signature"))?;

        let purpose = *purposes
            .iter()
            .find(|purpose| purpose.payload_type == payload_type)
            .ok_or(InvalidEnvelope::WrongPayloadType)?;
        let verify = |key: &PublicKey| crypto.verify(key, &signed_bytes(purpose, payload), signature);
        let signer = PublicKey::of_signer(public_key, verify)?.ok_or(InvalidEnvelope::BadSignature)?;
        Ok(Self { signer, purpose, payload })
    }
}

/// What the signature covers.
pub(super) fn signed_bytes(purpose: EnvelopePurpose, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for part in [purpose.domain.as_bytes(), purpose.payload_type, payload] {
        varint::encode(part.len() as u64, &mut out);
        out.extend_from_slice(part);
    }
    out.into()
}
