//! The portable provider: pure Rust.

pub(crate) mod signature;
#[cfg(test)]
mod tests;

use super::{
    Aead, AeadCipher, Cipher, CryptoProvider, Curve, EphemeralKey, Hash, Hmac, InvalidPoint, InvalidScalar,
    NONCE_BYTES, StreamCipher, TAG_BYTES, Tag, UnsupportedKey,
};
use crate::identity::{Keypair, PublicKey};
use aes::cipher::{self, KeyIvInit};
use aes::{Aes128Enc, Aes256Enc};
use aes_gcm::AesGcm;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::{U12, U16};
use chacha20poly1305::ChaCha20Poly1305;
use ctr::Ctr128BE;
use hmac::{KeyInit, Mac};
use p256::NistP256;
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, Sec1Point, ToSec1Point};
use p256::elliptic_curve::{self, AffinePoint, CurveArithmetic, FieldBytesSize, SecretKey};
use p384::NistP384;
use p521::NistP521;
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

/// The portable provider: the RustCrypto and dalek families, pure Rust on any target.
#[derive(Debug, Clone, Copy, Default)]
pub struct Portable;

impl CryptoProvider for Portable {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn sign(&self, key: &Keypair, message: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
        signature::sign(key.secret(), message)
            .ok_or(UnsupportedKey { provider: self.name(), key_type: key.public().key_type().name() })
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        signature::verify(key, message, signature)
    }

    fn ephemeral_key(&self, curve: Curve, scalar: &[u8]) -> Result<Box<dyn EphemeralKey>, InvalidScalar> {
        match curve {
            Curve::P256 => Ok(Box::new(AgreementKey::<NistP256>::new(curve, scalar)?)),
            Curve::P384 => Ok(Box::new(AgreementKey::<NistP384>::new(curve, scalar)?)),
            Curve::P521 => Ok(Box::new(AgreementKey::<NistP521>::new(curve, scalar)?)),
            Curve::X25519 => Ok(Box::new(X25519Key::new(scalar)?)),
        }
    }

    fn cipher(&self, cipher: Cipher, key: &[u8], iv: &[u8; 16]) -> Box<dyn StreamCipher> {
        match cipher {
            Cipher::Aes128Ctr => Box::new(KeyStream::<Ctr128BE<Aes128Enc>>::new(key, iv)),
            Cipher::Aes256Ctr => Box::new(KeyStream::<Ctr128BE<Aes256Enc>>::new(key, iv)),
        }
    }

    fn aead(&self, cipher: AeadCipher, key: &[u8]) -> Box<dyn Aead> {
        match cipher {
            AeadCipher::ChaCha20Poly1305 => Box::new(Sealer::<ChaCha20Poly1305>::new(key)),
            // It only ever encrypts blocks, so what decrypting takes is not kept.
            AeadCipher::Aes128Gcm => Box::new(Sealer::<AesGcm<Aes128Enc, U12>>::new(key)),
            AeadCipher::Aes256Gcm => Box::new(Sealer::<AesGcm<Aes256Enc, U12>>::new(key)),
        }
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Box<dyn Hmac> {
        match hash {
            Hash::Sha256 => Box::new(Keyed::<hmac::Hmac<Sha256>>::new(key)),
            Hash::Sha512 => Box::new(Keyed::<hmac::Hmac<Sha512>>::new(key)),
        }
    }

    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Tag {
        match hash {
            Hash::Sha256 => hash_parts::<Sha256>(parts),
            Hash::Sha512 => hash_parts::<Sha512>(parts),
        }
    }
}

fn hash_parts<D: Digest>(parts: &[&[u8]]) -> Tag {
    let mut hash = D::new();
    for part in parts {
        hash.update(part);
    }
    Tag::new(&hash.finalize())
}

/// A private scalar and the public point of it, on a curve of NIST.
struct AgreementKey<C: CurveArithmetic>
where
    FieldBytesSize<C>: ModulusSize,
{
    curve: Curve,
    secret: SecretKey<C>,
    point: Sec1Point<C>,
}

impl<C: CurveArithmetic> AgreementKey<C>
where
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    fn new(curve: Curve, scalar: &[u8]) -> Result<Self, InvalidScalar> {
        let scalar = scalar.try_into().map_err(|_| InvalidScalar)?;
        let secret = SecretKey::from_bytes(scalar).map_err(|_| InvalidScalar)?;
        let point = secret.public_key().to_sec1_point(false);
        Ok(Self { curve, secret, point })
    }
}

impl<C: CurveArithmetic> EphemeralKey for AgreementKey<C>
where
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    fn public_point(&self) -> &[u8] {
        self.point.as_bytes()
    }

    fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, InvalidPoint> {
        if !self.curve.has_form_of(point) {
            return Err(InvalidPoint);
        }
        let point = elliptic_curve::PublicKey::from_sec1_bytes(point).map_err(|_| InvalidPoint)?;
        let shared = self.secret.diffie_hellman(&point);
        Ok(Zeroizing::new(shared.raw_secret_bytes().to_vec()))
    }
}

/// A private scalar and the public point of it, on Curve25519.
struct X25519Key {
    secret: x25519_dalek::StaticSecret,
    point: x25519_dalek::PublicKey,
}

impl X25519Key {
    fn new(scalar: &[u8]) -> Result<Self, InvalidScalar> {
        let secret =
            x25519_dalek::StaticSecret::from(*<&[u8; 32]>::try_from(scalar).map_err(|_| InvalidScalar)?);
        let point = x25519_dalek::PublicKey::from(&secret);
        Ok(Self { secret, point })
    }
}

impl EphemeralKey for X25519Key {
    fn public_point(&self) -> &[u8] {
        self.point.as_bytes()
    }

    fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, InvalidPoint> {
        let point: [u8; 32] = point.try_into().map_err(|_| InvalidPoint)?;
        let shared = self.secret.diffie_hellman(&point.into());
        let secret = || Zeroizing::new(shared.as_bytes().to_vec());
        shared.was_contributory().then(secret).ok_or(InvalidPoint)
    }
}

/// A block cipher in counter mode. The key stream is 2^128 blocks long: it does not end.
struct KeyStream<C>(C);

impl<C: KeyIvInit> KeyStream<C> {
    fn new(key: &[u8], iv: &[u8]) -> Self {
        Self(C::new_from_slices(key, iv).expect("the key has the length of the cipher's keys"))
    }
}

impl<C: cipher::StreamCipher + Send> StreamCipher for KeyStream<C> {
    fn apply(&mut self, data: &mut [u8]) {
        self.0.apply_keystream(data);
    }
}

/// An authenticated cipher with its key set.
struct Sealer<C>(C);

impl<C: KeyInit> Sealer<C> {
    fn new(key: &[u8]) -> Self {
        Self(C::new_from_slice(key).expect("the key has the length of the cipher's keys"))
    }
}

impl<C> Aead for Sealer<C>
where
    C: AeadInOut<NonceSize = U12, TagSize = U16> + Send + Sync,
{
    fn seal(&self, nonce: &[u8; NONCE_BYTES], associated: &[u8], data: &mut [u8]) -> [u8; TAG_BYTES] {
        let tag = self.0.encrypt_inout_detached(nonce.into(), associated, data.into());
        tag.expect("a frame is far shorter than the cipher allows").into()
    }

    fn open(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool {
        self.0.decrypt_inout_detached(nonce.into(), associated, data.into(), tag.into()).is_ok()
    }
}

/// A keyed hash that has taken its key in. Each code is made by a copy of it, so the key is not hashed again.
struct Keyed<M>(M);

impl<M: Mac + KeyInit> Keyed<M> {
    fn new(key: &[u8]) -> Self {
        Self(<M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length"))
    }
}

impl<M: Mac + Clone> Keyed<M> {
    fn code(&self, parts: &[&[u8]]) -> M {
        let mut code = self.0.clone();
        for part in parts {
            code.update(part);
        }
        code
    }
}

impl<M: Mac + Clone + Send + Sync> Hmac for Keyed<M> {
    fn sign(&self, parts: &[&[u8]]) -> Tag {
        Tag::new(&self.code(parts).finalize().into_bytes())
    }

    fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.code(parts).verify_slice(tag).is_ok()
    }
}
