//! Sealing and opening frames in place: `length | ciphertext | MAC of the ciphertext`.

use super::codec::LENGTH_BYTES;
use super::keys::DirectionKeys;
use crate::crypto::{Cipher, CryptoProvider, Hash, Hmac, StreamCipher};
use crate::security::{Channel, ChannelError, Opened};
use bytes::{Buf, BytesMut};

/// The most plaintext in a frame of ours. A frame is of use to the remote only once it is complete, so a larger one would add
/// delay and take more memory there, and 36 to 68 bytes on this much are nothing to save.
pub(super) const MAX_PLAINTEXT_BYTES: usize = 64 * 1024;

/// The encrypted side of secio.
///
/// Neither direction wears out: the key stream has 2^128 blocks, and the codes are on ciphertext that never repeats.
pub(super) struct SecioChannel {
    outbound: Direction,
    inbound: Direction,
    mac_bytes: usize,
    max_frame_bytes: u32,
    /// Why nothing can be opened any more.
    failed: Option<ChannelError>,
}

struct Direction {
    cipher: Box<dyn StreamCipher>,
    mac: Box<dyn Hmac>,
}

impl Direction {
    fn new(crypto: &dyn CryptoProvider, cipher: Cipher, hash: Hash, keys: DirectionKeys<'_>) -> Self {
        Self { cipher: crypto.cipher(cipher, keys.cipher_key, keys.iv), mac: crypto.hmac(hash, keys.mac_key) }
    }
}

impl SecioChannel {
    pub(super) fn new(
        crypto: &dyn CryptoProvider,
        (cipher, hash): (Cipher, Hash),
        (outbound, inbound): (DirectionKeys<'_>, DirectionKeys<'_>),
        max_frame_bytes: u32,
    ) -> Self {
        Self {
            outbound: Direction::new(crypto, cipher, hash, outbound),
            inbound: Direction::new(crypto, cipher, hash, inbound),
            mac_bytes: hash.output_bytes(),
            max_frame_bytes,
            failed: None,
        }
    }

    /// The plaintext of the frame at the front of `input`; `None`, and `input` untouched, if it is incomplete.
    pub(super) fn open_frame(&mut self, input: &mut BytesMut) -> Result<Option<BytesMut>, ChannelError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.try_open(input).inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn try_open(&mut self, input: &mut BytesMut) -> Result<Option<BytesMut>, ChannelError> {
        let Some(length) = input.first_chunk() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(*length);
        if len > self.max_frame_bytes {
            return Err(ChannelError::TooLarge { len: len.into(), max: self.max_frame_bytes.into() });
        }
        let len = len as usize;
        let Some(ciphertext_bytes) = len.checked_sub(self.mac_bytes) else {
            return Err(ChannelError::Malformed("it is shorter than its authentication code"));
        };
        if input.len() - LENGTH_BYTES < len {
            return Ok(None);
        }
        input.advance(LENGTH_BYTES);
        let mut frame = input.split_to(len);
        let (ciphertext, code) = frame.split_at_mut(ciphertext_bytes);
        if !self.inbound.mac.verify(&[ciphertext], code) {
            return Err(ChannelError::NotAuthentic);
        }
        self.inbound.cipher.apply(ciphertext);
        frame.truncate(ciphertext_bytes);
        Ok(Some(frame))
    }
}

impl Channel for SecioChannel {
    fn headroom(&self) -> usize {
        LENGTH_BYTES
    }

    fn tailroom(&self) -> usize {
        self.mac_bytes
    }

    fn max_plaintext(&self) -> usize {
        MAX_PLAINTEXT_BYTES
    }

    fn seal(&mut self, out: &mut BytesMut, frame_start: usize) -> Result<(), ChannelError> {
        let frame = out.get_mut(frame_start..).unwrap_or_default();
        let Some((length, body)) = frame.split_first_chunk_mut() else {
            return Err(ChannelError::Malformed("it was begun without headroom"));
        };
        if body.len() > MAX_PLAINTEXT_BYTES {
            return Err(ChannelError::TooLarge { len: body.len() as u64, max: MAX_PLAINTEXT_BYTES as u64 });
        }
        *length = ((body.len() + self.mac_bytes) as u32).to_be_bytes();
        self.outbound.cipher.apply(body);
        let code = self.outbound.mac.sign(&[body]);
        out.extend_from_slice(code.as_bytes());
        Ok(())
    }

    fn open(&mut self, input: &mut BytesMut) -> Result<Opened, ChannelError> {
        Ok(self.open_frame(input)?.map_or(Opened::NeedMore, Opened::Plain))
    }
}
