//! What both sides know at every point of the handshake: the SymmetricState of Noise.

use super::channel::{CIPHER_KEY_BYTES, CipherState};
use crate::crypto::{CryptoProvider, Hash, TAG_BYTES, Tag};
use crate::security::ChannelError;
use bytes::BytesMut;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The name of the protocol in Noise, with which the hash and the chaining key begin.
const NAME: &[u8; HASH_BYTES] = b"Noise_XX_25519_ChaChaPoly_SHA256";

const HASH_BYTES: usize = 32;

pub(super) struct Symmetric {
    crypto: Arc<dyn CryptoProvider>,
    /// Covers everything that was sent so far. Every ciphertext is bound to it.
    hash: [u8; HASH_BYTES],
    chaining_key: Zeroizing<[u8; HASH_BYTES]>,
    /// `None` before the first key agreement.
    cipher: Option<CipherState>,
}

impl Symmetric {
    /// `prologue` is what the two sides must have in common beforehand; libp2p over a byte stream has it empty.
    pub(super) fn new(crypto: Arc<dyn CryptoProvider>, prologue: &[u8]) -> Self {
        let mut symmetric = Self { crypto, hash: *NAME, chaining_key: Zeroizing::new(*NAME), cipher: None };
        symmetric.mix_hash(prologue);
        symmetric
    }

    pub(super) fn mix_hash(&mut self, data: &[u8]) {
        self.hash = *bytes(self.crypto.hash(Hash::Sha256, &[&self.hash, data]));
    }

    /// Takes in an agreed secret. The cipher begins anew with a key that depends on all secrets so far.
    pub(super) fn mix_key(&mut self, secret: &[u8]) {
        let [chaining_key, key] = self.derive(secret);
        self.chaining_key = chaining_key;
        self.cipher = Some(CipherState::new(&*self.crypto, &key));
    }

    /// Encrypts `out[start..]` in place, if there is a key yet, and appends the tag.
    pub(super) fn seal(&mut self, out: &mut BytesMut, start: usize) -> Result<(), ChannelError> {
        if let Some(cipher) = &mut self.cipher {
            let tag = cipher.seal(&self.hash, &mut out[start..])?;
            out.extend_from_slice(&tag);
        }
        self.mix_hash(&out[start..]);
        Ok(())
    }

    /// Decrypts `data` in place, if there is a key yet, and cuts the tag off.
    pub(super) fn open(&mut self, data: &mut BytesMut) -> Result<(), ChannelError> {
        let hash = bytes(self.crypto.hash(Hash::Sha256, &[&self.hash, data]));
        if let Some(cipher) = &mut self.cipher {
            let (ciphertext, tag) = data.split_last_chunk_mut().ok_or(ChannelError::NotAuthentic)?;
            cipher.open(&self.hash, ciphertext, tag)?;
            data.truncate(data.len() - TAG_BYTES);
        }
        self.hash = *hash;
        Ok(())
    }

    /// The ciphers of the dialer's data and of the listener's.
    pub(super) fn split(self) -> (CipherState, CipherState) {
        let [dialers, listeners] = self.derive(&[]);
        (CipherState::new(&*self.crypto, &dialers), CipherState::new(&*self.crypto, &listeners))
    }

    /// The hash over the whole handshake.
    #[cfg(test)]
    pub(super) fn hash(&self) -> &[u8] {
        &self.hash
    }

    /// HKDF with two outputs, out of the chaining key and `secret`.
    fn derive(&self, secret: &[u8]) -> [Zeroizing<[u8; CIPHER_KEY_BYTES]>; 2] {
        let extract = self.crypto.hmac(Hash::Sha256, &*self.chaining_key);
        let expand = self.crypto.hmac(Hash::Sha256, &*bytes(extract.sign(&[secret])));
        let first = bytes(expand.sign(&[&[1]]));
        let second = bytes(expand.sign(&[&*first, &[2]]));
        [first, second]
    }
}

fn bytes(output: Tag) -> Zeroizing<[u8; HASH_BYTES]> {
    let output = Zeroizing::new(output);
    Zeroizing::new(output.as_bytes().try_into().expect("SHA-256 gives 32 bytes"))
}
