//! The messages of the handshake and their payloads.

use crate::negotiation::ProtocolId;
use crate::security::{MAX_HANDSHAKE_MESSAGE_BYTES, SecurityError};
use crate::wire::protobuf::{ProtobufError, Reader, Writer};
use bytes::{Buf, BufMut, BytesMut};

/// The length in front of every message and frame: big-endian, not counting itself.
pub(super) const LENGTH_BYTES: usize = 2;

/// Appends the message that `write` appends, behind its length.
///
/// # Errors
/// Those of `write`. [`SecurityError::Local`]: the message is too long for its length.
pub(super) fn put_message(
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> Result<(), SecurityError>,
) -> Result<(), SecurityError> {
    let start = out.len();
    out.put_u16(0);
    let length = write(out).and_then(|()| {
        let len = out.len() - start - LENGTH_BYTES;
        u16::try_from(len).map_err(|_| {
            SecurityError::Local(format!(
                "its message has {len} bytes of at most 65535: configure fewer muxers"
            ))
        })
    });
    // Half a message is not to be sent.
    let length = length.inspect_err(|_| out.truncate(start))?;
    out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Takes one message of the handshake off the front of `input`; `None`, and `input` untouched, if it is incomplete.
///
/// # Errors
/// [`SecurityError::TooLarge`], as soon as the length is there.
pub(super) fn split_message(input: &mut BytesMut) -> Result<Option<BytesMut>, SecurityError> {
    let Some(length) = input.first_chunk() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes(*length));
    if len > MAX_HANDSHAKE_MESSAGE_BYTES {
        return Err(SecurityError::TooLarge { len: len as u64, max: MAX_HANDSHAKE_MESSAGE_BYTES as u64 });
    }
    if input.len() - LENGTH_BYTES < len {
        return Ok(None);
    }
    input.advance(LENGTH_BYTES);
    Ok(Some(input.split_to(len)))
}

/// What a side says of itself under encryption: NoiseHandshakePayload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Payload<'a> {
    /// In protobuf.
    pub(super) identity_key: &'a [u8],
    /// Over the static key.
    pub(super) signature: &'a [u8],
    /// NoiseExtensions; empty if there are none.
    extensions: &'a [u8],
}

/// Our payload. An empty list of muxers is left out.
pub(super) fn encode_payload(identity_key: &[u8], signature: &[u8], muxers: &[ProtocolId]) -> BytesMut {
    let mut payload = BytesMut::new();
    let mut writer = Writer::new(&mut payload);
    writer.bytes(1, identity_key);
    writer.bytes(2, signature);
    if !muxers.is_empty() {
        writer.message(4, |extensions| {
            for muxer in muxers {
                extensions.string(2, muxer.as_str());
            }
        });
    }
    payload
}

impl<'a> Payload<'a> {
    pub(super) fn decode(message: &'a [u8]) -> Result<Self, SecurityError> {
        let (mut identity_key, mut signature, mut extensions) = (None, None, &[][..]);
        for field in Reader::new(message) {
            match field? {
                (1, value) => identity_key = Some(value.as_bytes("identity_key")?),
                (2, value) => signature = Some(value.as_bytes("identity_sig")?),
                (4, value) => extensions = value.as_bytes("extensions")?,
                _ => {}
            }
        }
        muxers(extensions).try_for_each(|muxer| muxer.map(drop))?;
        Ok(Self {
            identity_key: identity_key.ok_or(SecurityError::Malformed("the payload has no identity key"))?,
            signature: signature.ok_or(SecurityError::Malformed("the payload has no signature"))?,
            extensions,
        })
    }

    /// Whether the muxers that the side announces include this one.
    pub(super) fn has_muxer(&self, id: &ProtocolId) -> bool {
        self.muxers().any(|muxer| muxer == id.as_str().as_bytes())
    }

    /// The first of the muxers that the side announces which is among `ours`.
    pub(super) fn first_muxer_of(&self, ours: &[ProtocolId]) -> Option<ProtocolId> {
        self.muxers().find_map(|muxer| ours.iter().find(|id| id.as_str().as_bytes() == muxer).cloned())
    }

    fn muxers(&self) -> impl Iterator<Item = &'a [u8]> {
        muxers(self.extensions).flatten()
    }
}

/// The field `stream_muxers` of NoiseExtensions, most wanted first. A name that is no text is one that nobody has.
fn muxers(extensions: &[u8]) -> impl Iterator<Item = Result<&[u8], ProtobufError>> {
    Reader::new(extensions).filter_map(|field| match field {
        Ok((2, value)) => Some(value.as_bytes("stream_muxers")),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}
