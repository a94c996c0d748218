//! From a traffic secret to keys, and to the next secret (RFC 8446, sections 7.1 to 7.3).

use super::scope::Secret;
use crate::crypto::{Aead, AeadCipher, CryptoProvider, Hash, NONCE_BYTES, TAG_BYTES};
use crate::security::ChannelError;
use zeroize::Zeroizing;

/// `HKDF-Expand-Label` without context, for at most 32 bytes.
fn expand<const N: usize>(crypto: &dyn CryptoProvider, secret: &Secret, label: &str) -> Zeroizing<[u8; N]> {
    const { assert!(N <= Hash::Sha256.output_bytes()) };
    let label = ["tls13 ", label].concat();
    let info: [&[u8]; 5] = [&[0, N as u8], &[label.len() as u8], label.as_bytes(), &[0], &[1]];
    let code = Zeroizing::new(crypto.hmac(Hash::Sha256, secret.as_slice()).sign(&info));
    let mut out = Zeroizing::new([0; N]);
    out.copy_from_slice(&code.as_bytes()[..N]);
    out
}

/// The keys of one direction.
pub(super) struct RecordKeys {
    secret: Secret,
    aead: Box<dyn Aead>,
    iv: Zeroizing<[u8; NONCE_BYTES]>,
    /// The number of the next record.
    sequence: u64,
}

impl RecordKeys {
    pub(super) fn new(crypto: &dyn CryptoProvider, cipher: AeadCipher, secret: Secret) -> Self {
        let aead = match cipher {
            AeadCipher::Aes128Gcm => crypto.aead(cipher, expand::<16>(crypto, &secret, "key").as_slice()),
            AeadCipher::ChaCha20Poly1305 | AeadCipher::Aes256Gcm => {
                crypto.aead(cipher, expand::<32>(crypto, &secret, "key").as_slice())
            }
        };
        Self { aead, iv: expand(crypto, &secret, "iv"), secret, sequence: 0 }
    }

    /// The keys that follow these after a KeyUpdate.
    pub(super) fn next(&self, crypto: &dyn CryptoProvider, cipher: AeadCipher) -> Self {
        Self::new(crypto, cipher, expand(crypto, &self.secret, "traffic upd"))
    }
}

/// Sealing and opening: what is done with a record's body, which `header` goes before.
impl RecordKeys {
    /// How many records these keys have sealed or opened.
    pub(super) fn records(&self) -> u64 {
        self.sequence
    }

    #[cfg(test)]
    pub(super) fn skip_to(&mut self, number: u64) {
        self.sequence = number;
    }

    /// # Errors
    /// [`ChannelError::Exhausted`]: there are no more numbers.
    pub(super) fn seal(&mut self, header: &[u8], data: &mut [u8]) -> Result<[u8; TAG_BYTES], ChannelError> {
        let nonce = self.take_nonce()?;
        Ok(self.aead.seal(&nonce, header, data))
    }

    /// # Errors
    /// [`ChannelError::NotAuthentic`]; [`ChannelError::Exhausted`]: there are no more numbers.
    pub(super) fn open(
        &mut self,
        header: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), ChannelError> {
        let nonce = self.take_nonce()?;
        if self.aead.open(&nonce, header, data, tag) { Ok(()) } else { Err(ChannelError::NotAuthentic) }
    }

    /// The nonce of the next record: the number of the record on top of the IV.
    fn take_nonce(&mut self) -> Result<[u8; NONCE_BYTES], ChannelError> {
        let number = self.sequence;
        self.sequence = number.checked_add(1).ok_or(ChannelError::Exhausted)?;
        let mut nonce = *self.iv;
        for (byte, number) in nonce[NONCE_BYTES - 8..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= number;
        }
        Ok(nonce)
    }
}
