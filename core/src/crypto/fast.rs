//! The fast provider: aws-lc where it is faster, the portable provider elsewhere.

use super::portable::signature;
use super::{
    Aead, AeadCipher, Cipher, CryptoProvider, Curve, EphemeralKey, Hash, Hmac, InvalidPoint, InvalidScalar,
    NONCE_BYTES, Portable, StreamCipher, TAG_BYTES, Tag, UnsupportedKey,
};
use crate::identity::{Keypair, PublicKey, RsaPublicKey, SecretKey};
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey};
use aws_lc_rs::cipher::{self, DecryptionContext, StreamingDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, Ed25519KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    UnparsedPublicKey,
};
use zeroize::Zeroizing;

/// The fast provider: aws-lc where it is faster than [`Portable`], which does everything else.
///
/// | aws-lc does | compared with `Portable`, on x86-64 |
/// |---|---|
/// | key agreement on P-256, P-384, P-521, X25519 | about 9, 4, 5 and 2 times as fast |
/// | ChaCha20-Poly1305, AES-GCM | about 2 times, 5 for short frames |
/// | AES in counter mode | about 1.4 times |
/// | signing and verifying with Ed25519 | about 2 and 1.4 times |
/// | verifying ECDSA on P-256 | about 6 times |
/// | verifying RSA | 3 to 5 times |
/// | signing with RSA | `Portable` does not |
///
/// The rest stays where it is:
///
/// - Codes and hashes are as fast there, and aws-lc's would take 2 KiB more of an idle connection.
/// - ECDSA must be signed by RFC 6979, or a run would not replay; aws-lc draws its nonces. On secp256k1 it also verifies more slowly.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fast;

impl CryptoProvider for Fast {
    fn name(&self) -> &'static str {
        "fast"
    }

    fn sign(&self, key: &Keypair, message: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
        let signature = match key.secret() {
            SecretKey::Ed25519(secret) => sign_ed25519(secret, message),
            SecretKey::Rsa(der) => sign_rsa(der, message),
            other => signature::sign(other, message),
        };
        signature.ok_or(UnsupportedKey { provider: self.name(), key_type: key.public().key_type().name() })
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        match key {
            PublicKey::Ed25519(point) => verify_ed25519(point, message, signature),
            PublicKey::Ecdsa(point) => verify_p256(&**point, message, signature),
            PublicKey::Rsa(key) => verify_rsa(key, message, signature),
            other => Portable.verify(other, message, signature),
        }
    }

    fn ephemeral_key(&self, curve: Curve, scalar: &[u8]) -> Result<Box<dyn EphemeralKey>, InvalidScalar> {
        Ok(Box::new(AgreementKey::new(curve, scalar)?))
    }

    fn cipher(&self, cipher: Cipher, key: &[u8], iv: &[u8; 16]) -> Box<dyn StreamCipher> {
        Box::new(KeyStream::new(cipher, key, iv))
    }

    fn aead(&self, cipher: AeadCipher, key: &[u8]) -> Box<dyn Aead> {
        Box::new(Sealer::new(cipher, key))
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Box<dyn Hmac> {
        Portable.hmac(hash, key)
    }

    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Tag {
        Portable.hash(hash, parts)
    }
}

fn sign_ed25519(secret: &[u8; 32], message: &[u8]) -> Option<Vec<u8>> {
    let key = Ed25519KeyPair::from_seed_unchecked(secret).ok()?;
    Some(key.sign(message).as_ref().to_vec())
}

/// Strictly, as [`signature::verify`] does: aws-lc would take points of low order, with which anybody can sign.
fn verify_ed25519(point: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Some(r) = signature.first_chunk() else { return false };
    let key = UnparsedPublicKey::new(&ED25519, point);
    !has_low_order(point) && !has_low_order(r) && key.verify(message, signature).is_ok()
}

/// Whether 8 times this point of Ed25519 is the neutral element.
fn has_low_order(point: &[u8; 32]) -> bool {
    let mut y = *point;
    // The sign of X.
    y[31] &= 0x7f;
    LOW_ORDER_Y.contains(&y)
}

/// The Y coordinates of the points of low order: 0, 1, -1 and two others; then 0 and 1 again, plus the prime of the field.
const LOW_ORDER_Y: [[u8; 32]; 7] = [
    near_zero(0),
    near_zero(1),
    near_prime(0xec),
    *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
    *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
    near_prime(0xed),
    near_prime(0xee),
];

/// The number with this lowest byte and no other.
const fn near_zero(lowest: u8) -> [u8; 32] {
    let mut y = [0; 32];
    y[0] = lowest;
    y
}

/// The number of 255 bits with this lowest byte and all other bits set.
const fn near_prime(lowest: u8) -> [u8; 32] {
    let mut y = [0xff; 32];
    (y[0], y[31]) = (lowest, 0x7f);
    y
}

/// PKCS#1 v1.5 with SHA-256, which gives the same signature each time. `None` if the key's numbers do not fit each other, which those of a
/// [`Keypair`] do.
fn sign_rsa(der: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let key = rsa::KeyPair::from_der(der).ok()?;
    let mut signature = vec![0; key.public_modulus_len()];
    // The generator is asked for and not used.
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
    Some(signature)
}

fn verify_p256(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    // aws-lc would take other forms of a point as well.
    Curve::P256.has_form_of(point) && key.verify(message, signature).is_ok()
}

fn verify_rsa(key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> bool {
    let exponent = key.exponent().to_be_bytes();
    let zeros = key.exponent().leading_zeros() as usize / 8;
    let key = rsa::PublicKeyComponents { n: key.modulus(), e: &exponent[zeros..] };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
}

/// A private scalar and the public point of it.
struct AgreementKey {
    curve: Curve,
    secret: PrivateKey,
    point: agreement::PublicKey,
}

impl AgreementKey {
    fn new(curve: Curve, scalar: &[u8]) -> Result<Self, InvalidScalar> {
        let algorithm = match curve {
            Curve::P256 => &agreement::ECDH_P256,
            Curve::P384 => &agreement::ECDH_P384,
            Curve::P521 => &agreement::ECDH_P521,
            Curve::X25519 => &agreement::X25519,
        };
        let secret = PrivateKey::from_private_key(algorithm, scalar).map_err(|_| InvalidScalar)?;
        let point = secret.compute_public_key().map_err(|_| InvalidScalar)?;
        Ok(Self { curve, secret, point })
    }
}

impl EphemeralKey for AgreementKey {
    fn public_point(&self) -> &[u8] {
        self.point.as_ref()
    }

    fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, InvalidPoint> {
        // aws-lc would take other forms of a point as well.
        if !self.curve.has_form_of(point) {
            return Err(InvalidPoint);
        }
        let point = agreement::UnparsedPublicKey::new(self.secret.algorithm(), point);
        agreement::agree(&self.secret, point, InvalidPoint, |secret| Ok(Zeroizing::new(secret.to_vec())))
    }
}

/// AES in counter mode, in which to decrypt is to encrypt.
struct KeyStream(StreamingDecryptingKey);

/// How much of a frame goes at a time through a buffer, since aws-lc does not work in place.
const PIECE_BYTES: usize = 4 * 1024;

/// The length of AES's blocks.
const BLOCK_BYTES: usize = 16;

impl KeyStream {
    fn new(cipher: Cipher, key: &[u8], iv: &[u8; BLOCK_BYTES]) -> Self {
        let algorithm = match cipher {
            Cipher::Aes128Ctr => &cipher::AES_128,
            Cipher::Aes256Ctr => &cipher::AES_256,
        };
        let key = UnboundCipherKey::new(algorithm, key).expect("the key has the length of the cipher's keys");
        let iv = DecryptionContext::Iv128(FixedLength::from(iv));
        Self(StreamingDecryptingKey::ctr(key, iv).expect("AES has the counter mode"))
    }
}

impl StreamCipher for KeyStream {
    fn apply(&mut self, data: &mut [u8]) {
        let mut buffer = [0; PIECE_BYTES + BLOCK_BYTES];
        for piece in data.chunks_mut(PIECE_BYTES) {
            let done = self.0.update(piece, &mut buffer).expect("the buffer has room for it");
            piece.copy_from_slice(done.written());
        }
    }
}

/// An authenticated cipher. A key that is set takes 600 bytes of every idle connection, so it is set for each frame anew: in 30 ns for
/// ChaCha20-Poly1305, in 100 for AES-GCM, where a large frame takes 3,000.
struct Sealer {
    algorithm: &'static aead::Algorithm,
    /// The key, and zeros where it is shorter.
    key: Zeroizing<[u8; 32]>,
}

impl Sealer {
    fn new(cipher: AeadCipher, key: &[u8]) -> Self {
        let algorithm = match cipher {
            AeadCipher::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
            AeadCipher::Aes128Gcm => &aead::AES_128_GCM,
            AeadCipher::Aes256Gcm => &aead::AES_256_GCM,
        };
        assert_eq!(key.len(), algorithm.key_len(), "the key has the length of the cipher's keys");
        let mut padded = Zeroizing::new([0; 32]);
        padded[..key.len()].copy_from_slice(key);
        Self { algorithm, key: padded }
    }

    fn set_key(&self) -> LessSafeKey {
        let key = UnboundKey::new(self.algorithm, &self.key[..self.algorithm.key_len()]);
        LessSafeKey::new(key.expect("the key has the length of the cipher's keys"))
    }
}

impl Aead for Sealer {
    fn seal(&self, nonce: &[u8; NONCE_BYTES], associated: &[u8], data: &mut [u8]) -> [u8; TAG_BYTES] {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.set_key().seal_in_place_separate_tag(nonce, Aad::from(associated), data);
        let tag = tag.expect("a frame is far shorter than the cipher allows");
        tag.as_ref().try_into().expect("the tag has 16 bytes")
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.set_key().open_in_place_separate_tag(nonce, Aad::from(associated), tag, data).is_ok()
    }
}
