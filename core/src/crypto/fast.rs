//! The fast provider: aws-lc, where it is faster.

use super::{
    Cipher, CryptoProvider, Curve, EphemeralKey, Hash, Hmac, InvalidPoint, InvalidScalar, Portable,
    StreamCipher, Tag, UnsupportedKey,
};
use crate::identity::{Keypair, PublicKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use zeroize::Zeroizing;

/// The fast provider.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fast;

impl CryptoProvider for Fast {
    fn name(&self) -> &'static str {
        "fast"
    }

    fn sign(&self, key: &Keypair, message: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
        Portable.sign(key, message)
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        Portable.verify(key, message, signature)
    }

    fn ephemeral_key(&self, curve: Curve, scalar: &[u8]) -> Result<Box<dyn EphemeralKey>, InvalidScalar> {
        Ok(Box::new(AgreementKey::new(curve, scalar)?))
    }

    fn cipher(&self, cipher: Cipher, key: &[u8], iv: &[u8; 16]) -> Box<dyn StreamCipher> {
        Portable.cipher(cipher, key, iv)
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Box<dyn Hmac> {
        Portable.hmac(hash, key)
    }

    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Tag {
        Portable.hash(hash, parts)
    }
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
        if !self.curve.is_uncompressed(point) {
            return Err(InvalidPoint);
        }
        let point = UnparsedPublicKey::new(self.secret.algorithm(), point);
        agreement::agree(&self.secret, point, InvalidPoint, |secret| Ok(Zeroizing::new(secret.to_vec())))
    }
}
