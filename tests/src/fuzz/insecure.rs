//! Cryptography that accepts everything, so that a fuzzer gets past a handshake.

use peerwork_core::crypto::{
    Cipher, CryptoProvider, Curve, EphemeralKey, Hash, Hmac, InvalidPoint, InvalidScalar, Portable,
    StreamCipher, Tag, UnsupportedKey,
};
use peerwork_core::identity::{Keypair, PublicKey};
use zeroize::Zeroizing;

/// Every signature and every code holds, every key agreement gives zeros, and nothing is encrypted.
#[derive(Debug)]
pub(super) struct Insecure;

/// An uncompressed point, to look at.
const POINT: [u8; 65] = [4; 65];

impl CryptoProvider for Insecure {
    fn name(&self) -> &'static str {
        "insecure"
    }

    fn sign(&self, _: &Keypair, _: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
        Ok(vec![0; 64])
    }

    fn verify(&self, _: &PublicKey, _: &[u8], _: &[u8]) -> bool {
        true
    }

    fn ephemeral_key(&self, curve: Curve, _: &[u8]) -> Result<Box<dyn EphemeralKey>, InvalidScalar> {
        Ok(Box::new(Key(curve)))
    }

    fn cipher(&self, _: Cipher, _: &[u8], _: &[u8; 16]) -> Box<dyn StreamCipher> {
        Box::new(NoCipher)
    }

    fn hmac(&self, hash: Hash, _: &[u8]) -> Box<dyn Hmac> {
        Box::new(Zeros(hash))
    }

    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Tag {
        Portable.hash(hash, parts)
    }
}

struct Key(Curve);

impl EphemeralKey for Key {
    fn public_point(&self) -> &[u8] {
        &POINT
    }

    fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, InvalidPoint> {
        let valid = point.len() == POINT.len() && point[0] == POINT[0];
        valid.then(|| Zeroizing::new(vec![0; self.0.field_bytes()])).ok_or(InvalidPoint)
    }
}

struct NoCipher;

impl StreamCipher for NoCipher {
    fn apply(&mut self, _: &mut [u8]) {}
}

struct Zeros(Hash);

impl Hmac for Zeros {
    fn sign(&self, _: &[&[u8]]) -> Tag {
        Tag::new(&vec![0; self.0.output_bytes()])
    }

    fn verify(&self, _: &[&[u8]], tag: &[u8]) -> bool {
        tag.len() == self.0.output_bytes()
    }
}
