//! Sealing and opening frames in place: `length | ciphertext | tag`.

use super::codec::LENGTH_BYTES;
use crate::crypto::{Aead, AeadCipher, CryptoProvider, NONCE_BYTES, TAG_BYTES};
use crate::security::{Channel, ChannelError, Opened};
use bytes::{Buf, BytesMut};

/// The length of a cipher's key.
pub(super) const CIPHER_KEY_BYTES: usize = 32;

/// The most plaintext in a frame: as much as its length of 16 bits leaves room for. Every implementation reads such frames.
pub(super) const MAX_PLAINTEXT_BYTES: usize = u16::MAX as usize - TAG_BYTES;

/// A cipher with a key, which counts what it has sealed or opened: the CipherState of Noise.
pub(super) struct CipherState {
    cipher: Box<dyn Aead>,
    /// The number of the next message. Noise reserves the last one, 2^64 - 1.
    pub(super) nonce: u64,
}

impl CipherState {
    pub(super) fn new(crypto: &dyn CryptoProvider, key: &[u8; CIPHER_KEY_BYTES]) -> Self {
        Self { cipher: crypto.aead(AeadCipher::ChaCha20Poly1305, key), nonce: 0 }
    }

    /// Encrypts `data` in place.
    ///
    /// # Errors
    /// [`ChannelError::Exhausted`]: there is no number left.
    pub(super) fn seal(
        &mut self,
        associated: &[u8],
        data: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], ChannelError> {
        let nonce = self.nonce()?;
        self.nonce += 1;
        Ok(self.cipher.seal(&nonce, associated, data))
    }

    /// Decrypts `data` in place.
    ///
    /// # Errors
    /// [`ChannelError::NotAuthentic`], after which nothing has been counted. [`ChannelError::Exhausted`]: there is no number left.
    pub(super) fn open(
        &mut self,
        associated: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), ChannelError> {
        let nonce = self.nonce()?;
        if !self.cipher.open(&nonce, associated, data, tag) {
            return Err(ChannelError::NotAuthentic);
        }
        self.nonce += 1;
        Ok(())
    }

    fn nonce(&self) -> Result<[u8; NONCE_BYTES], ChannelError> {
        if self.nonce == u64::MAX {
            return Err(ChannelError::Exhausted);
        }
        let mut nonce = [0; NONCE_BYTES];
        nonce[NONCE_BYTES - size_of::<u64>()..].copy_from_slice(&self.nonce.to_le_bytes());
        Ok(nonce)
    }
}

/// The encrypted side of noise.
pub(super) struct NoiseChannel {
    pub(super) outbound: CipherState,
    pub(super) inbound: CipherState,
    /// Why nothing can be opened any more.
    failed: Option<ChannelError>,
}

impl NoiseChannel {
    pub(super) fn new(outbound: CipherState, inbound: CipherState) -> Self {
        Self { outbound, inbound, failed: None }
    }

    fn try_open(&mut self, input: &mut BytesMut) -> Result<Opened, ChannelError> {
        let Some(length) = input.first_chunk() else {
            return Ok(Opened::NeedMore);
        };
        let len = usize::from(u16::from_be_bytes(*length));
        let Some(plaintext_bytes) = len.checked_sub(TAG_BYTES) else {
            return Err(ChannelError::Malformed("it is shorter than its authentication tag"));
        };
        if input.len() - LENGTH_BYTES < len {
            return Ok(Opened::NeedMore);
        }
        input.advance(LENGTH_BYTES);
        let mut frame = input.split_to(len);
        let (data, tag) = frame.split_last_chunk_mut().expect("the frame is at least as long as a tag");
        self.inbound.open(&[], data, tag)?;
        frame.truncate(plaintext_bytes);
        Ok(Opened::Plain(frame))
    }
}

impl Channel for NoiseChannel {
    fn headroom(&self) -> usize {
        LENGTH_BYTES
    }

    fn tailroom(&self) -> usize {
        TAG_BYTES
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
        let tag = self.outbound.seal(&[], body)?;
        *length = ((body.len() + TAG_BYTES) as u16).to_be_bytes();
        out.extend_from_slice(&tag);
        Ok(())
    }

    fn open(&mut self, input: &mut BytesMut) -> Result<Opened, ChannelError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.try_open(input).inspect_err(|error| self.failed = Some(error.clone()))
    }
}
