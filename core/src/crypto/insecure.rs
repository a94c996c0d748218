//! Cryptography that protects nothing, so that a fuzzer gets past a handshake.

use super::{
    Aead, AeadCipher, Cipher, CryptoProvider, Curve, EphemeralKey, Hash, Hmac, InvalidPoint, InvalidScalar,
    NONCE_BYTES, Portable, StreamCipher, TAG_BYTES, Tag, UnsupportedKey,
};
use crate::identity::{Keypair, PublicKey};
use zeroize::Zeroizing;

/// **Protects nothing.** Every signature holds, every key agreement gives zeros, nothing is encrypted, and a code is only checked
/// for its length.
///
/// It exists so that a fuzzer, whose inputs cannot hold a valid signature, gets past a handshake, and is compiled only with the
/// feature `insecure`, which no crate of peerwork but the tests' turns on. A node that used it would take anybody for whomever they
/// claim to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Insecure;

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
        let point_bytes = match curve {
            Curve::P256 | Curve::P384 | Curve::P521 => 1 + 2 * curve.field_bytes(),
            Curve::X25519 => curve.field_bytes(),
        };
        Ok(Box::new(NoKey { curve, point: vec![4; point_bytes] }))
    }

    fn cipher(&self, _: Cipher, _: &[u8], _: &[u8; 16]) -> Box<dyn StreamCipher> {
        Box::new(NoCipher)
    }

    fn aead(&self, _: AeadCipher, _: &[u8]) -> Box<dyn Aead> {
        Box::new(NoCipher)
    }

    fn hmac(&self, hash: Hash, _: &[u8]) -> Box<dyn Hmac> {
        Box::new(Zeros(hash))
    }

    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Tag {
        Portable.hash(hash, parts)
    }
}

/// Has a point of the right form, and takes any such for one.
struct NoKey {
    curve: Curve,
    point: Vec<u8>,
}

impl EphemeralKey for NoKey {
    fn public_point(&self) -> &[u8] {
        &self.point
    }

    fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, InvalidPoint> {
        let secret = || Zeroizing::new(vec![0; self.curve.field_bytes()]);
        self.curve.has_form_of(point).then(secret).ok_or(InvalidPoint)
    }
}

struct NoCipher;

impl StreamCipher for NoCipher {
    fn apply(&mut self, _: &mut [u8]) {}
}

impl Aead for NoCipher {
    fn seal(&self, _: &[u8; NONCE_BYTES], _: &[u8], _: &mut [u8]) -> [u8; TAG_BYTES] {
        [0; TAG_BYTES]
    }

    fn open(&self, _: &[u8; NONCE_BYTES], _: &[u8], _: &mut [u8], _: &[u8; TAG_BYTES]) -> bool {
        true
    }
}

/// A code of zeros.
struct Zeros(Hash);

impl Hmac for Zeros {
    fn sign(&self, _: &[&[u8]]) -> Tag {
        Tag::new(&[0; 64][..self.0.output_bytes()])
    }

    fn verify(&self, _: &[&[u8]], tag: &[u8]) -> bool {
        tag.len() == self.0.output_bytes()
    }
}
