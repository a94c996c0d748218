//! Deriving the keys of both directions from the shared secret.

use crate::crypto::{Cipher, CryptoProvider, Hash};
use zeroize::Zeroizing;

/// The length of an initialisation vector: one block of AES.
const IV_BYTES: usize = 16;

/// The length of a MAC key, whatever the hash.
const MAC_KEY_BYTES: usize = 20;

const SEED: &[u8] = b"key expansion";

/// The keys of both directions.
pub(super) struct Keys {
    bytes: Zeroizing<Vec<u8>>,
    cipher: Cipher,
}

/// The keys of one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct DirectionKeys<'a> {
    pub(super) iv: &'a [u8; IV_BYTES],
    pub(super) cipher_key: &'a [u8],
    pub(super) mac_key: &'a [u8],
}

impl Keys {
    /// Stretches `secret`: P_hash of TLS 1.2 with the seed `key expansion`.
    pub(super) fn derive(crypto: &dyn CryptoProvider, cipher: Cipher, hash: Hash, secret: &[u8]) -> Self {
        let wanted = 2 * direction_bytes(cipher);
        // Room for the last block whole, so that the buffer is never moved and leaves no copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(wanted + hash.output_bytes()));
        let hmac = crypto.hmac(hash, secret);
        let mut a = Zeroizing::new(hmac.sign(&[SEED]));
        while bytes.len() < wanted {
            let block = Zeroizing::new(hmac.sign(&[a.as_bytes(), SEED]));
            bytes.extend_from_slice(block.as_bytes());
            a = Zeroizing::new(hmac.sign(&[a.as_bytes()]));
        }
        bytes.truncate(wanted);
        Self { bytes, cipher }
    }

    /// The first half, with which the side sends whose preferences win, and the second half.
    pub(super) fn halves(&self) -> (DirectionKeys<'_>, DirectionKeys<'_>) {
        let (first, second) = self.bytes.split_at(direction_bytes(self.cipher));
        (self.direction(first), self.direction(second))
    }

    fn direction<'a>(&self, bytes: &'a [u8]) -> DirectionKeys<'a> {
        let (iv, keys) = bytes.split_first_chunk().expect("half of the keys is longer than an IV");
        let (cipher_key, mac_key) = keys.split_at(self.cipher.key_bytes());
        DirectionKeys { iv, cipher_key, mac_key }
    }
}

fn direction_bytes(cipher: Cipher) -> usize {
    IV_BYTES + cipher.key_bytes() + MAC_KEY_BYTES
}
