//! Signatures of identity keys, in the form that libp2p defines for each type of key:
//!
//! - Ed25519: 64 bytes, over the message itself.
//! - secp256k1 and ECDSA: in DER, over the SHA-256 of the message, with the nonce of RFC 6979. On secp256k1 the one of the two valid
//!   values of S that is the lower is written; both are accepted on either curve, as others write both.
//! - RSA: PKCS#1 v1.5 over the SHA-256 of the message, as long as the modulus.

use crate::identity::{PublicKey, RsaPublicKey, SecretKey};
use ed25519_dalek::{Signer, Verifier};
use rsa::{BoxedUint, Pkcs1v15Sign};
use sha2::{Digest, Sha256};

/// `None` for RSA: the pure implementation gives the private key away to whoever measures its time (RUSTSEC-2023-0071).
pub(crate) fn sign(key: &SecretKey, message: &[u8]) -> Option<Vec<u8>> {
    match key {
        SecretKey::Ed25519(secret) => Some(sign_ed25519(secret, message)),
        SecretKey::Secp256k1(scalar) => sign_secp256k1(scalar, message),
        SecretKey::Ecdsa(scalar) => sign_p256(scalar, message),
        SecretKey::Rsa(_) => None,
    }
}

/// A signature of another form, or a key that is not valid, is `false`.
pub(crate) fn verify(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    match key {
        PublicKey::Ed25519(point) => verify_ed25519(point, message, signature),
        PublicKey::Secp256k1(point) => verify_secp256k1(point, message, signature),
        PublicKey::Ecdsa(point) => verify_p256(&**point, message, signature),
        PublicKey::Rsa(key) => verify_rsa(key, message, signature),
    }
}

fn sign_ed25519(secret: &[u8; 32], message: &[u8]) -> Vec<u8> {
    ed25519_dalek::SigningKey::from_bytes(secret).sign(message).to_vec()
}

/// `None` if the scalar is out of range, which that of a [`Keypair`](crate::identity::Keypair) is not.
pub(crate) fn sign_secp256k1(scalar: &[u8; 32], message: &[u8]) -> Option<Vec<u8>> {
    let key = k256::ecdsa::SigningKey::from_slice(scalar).ok()?;
    let signature: k256::ecdsa::Signature = key.sign(message);
    Some(signature.normalize_s().to_der().as_bytes().to_vec())
}

/// `None` if the scalar is out of range, which that of a [`Keypair`](crate::identity::Keypair) is not.
pub(crate) fn sign_p256(scalar: &[u8; 32], message: &[u8]) -> Option<Vec<u8>> {
    let key = p256::ecdsa::SigningKey::from_slice(scalar).ok()?;
    let signature: p256::ecdsa::Signature = key.sign(message);
    Some(signature.to_der().as_bytes().to_vec())
}

fn verify_ed25519(point: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) =
        (ed25519_dalek::VerifyingKey::from_bytes(point), ed25519_dalek::Signature::from_slice(signature))
    else {
        return false;
    };
    // Strict: whatever an honest go, js or rust peer signs passes; keys that anybody can sign for do not.
    key.verify_strict(message, &signature).is_ok()
}

fn verify_secp256k1(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) =
        (k256::ecdsa::VerifyingKey::from_sec1_bytes(point), k256::ecdsa::Signature::from_der(signature))
    else {
        return false;
    };
    // The crate takes only the lower S.
    key.verify(message, &signature.normalize_s()).is_ok()
}

fn verify_p256(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) =
        (p256::ecdsa::VerifyingKey::from_sec1_bytes(point), p256::ecdsa::Signature::from_der(signature))
    else {
        return false;
    };
    key.verify(message, &signature).is_ok()
}

fn verify_rsa(key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> bool {
    let modulus = BoxedUint::from_be_slice_vartime(key.modulus());
    let Ok(key) = rsa::RsaPublicKey::new(modulus, key.exponent().into()) else { return false };
    key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature).is_ok()
}
