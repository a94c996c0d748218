//! The keys that certificates are for, and their signatures.

use crate::crypto::CryptoProvider;
use crate::identity::{InvalidKey, KeyType, PublicKey, RsaPublicKey};
use crate::security::CertificateError;
use p384::ecdsa::signature::Verifier;
use rsa::{BoxedUint, Pss};
use rustls::SignatureScheme;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use x509_parser::asn1_rs::Oid;
use x509_parser::oid_registry::{
    OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_SHA256WITHRSA,
    OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ED25519,
};
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// How a peer may sign the handshake with its certificate's key, most wanted first.
pub(in crate::security::tls) const SCHEMES: [SignatureScheme; 4] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ED25519,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
];

/// The key that a certificate is for.
#[derive(Debug)]
pub(in crate::security::tls) enum CertificateKey {
    /// Of a type that identities have as well: the crypto provider verifies with it.
    Shared(PublicKey),
    /// ECDSA on P-384.
    P384(Box<p384::ecdsa::VerifyingKey>),
}

impl CertificateKey {
    pub(super) fn parse(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, CertificateError> {
        let algorithm = &info.algorithm.algorithm;
        let key = if *algorithm == OID_SIG_ED25519 {
            PublicKey::ed25519(&info.subject_public_key.data).map(Self::Shared)
        } else if *algorithm == OID_PKCS1_RSAENCRYPTION {
            RsaPublicKey::from_der(info.raw).map(|key| Self::Shared(PublicKey::Rsa(Arc::new(key))))
        } else if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = info.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
            if curve == Some(OID_NIST_EC_P384) {
                p384::ecdsa::VerifyingKey::from_sec1_bytes(&info.subject_public_key.data)
                    .map(|key| Self::P384(Box::new(key)))
                    .map_err(|_| InvalidKey::BadPoint(KeyType::Ecdsa))
            } else {
                PublicKey::ecdsa(info.raw).map(Self::Shared)
            }
        } else {
            return Err(CertificateError::UnsupportedKey(shown(algorithm)));
        };
        key.map_err(CertificateError::Key)
    }

    /// Whether `signature` over `message` was made with this key in the way of `scheme`.
    pub(in crate::security::tls) fn verify(
        &self,
        crypto: &dyn CryptoProvider,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        match (self, scheme) {
            (Self::Shared(key @ PublicKey::Ecdsa(_)), SignatureScheme::ECDSA_NISTP256_SHA256)
            | (Self::Shared(key @ PublicKey::Ed25519(_)), SignatureScheme::ED25519)
            | (Self::Shared(key @ PublicKey::Rsa(_)), SignatureScheme::RSA_PKCS1_SHA256) => {
                crypto.verify(key, message, signature)
            }
            (Self::Shared(PublicKey::Rsa(key)), SignatureScheme::RSA_PSS_SHA256) => {
                verify_pss(key, message, signature)
            }
            (Self::P384(key), SignatureScheme::ECDSA_NISTP384_SHA384) => {
                p384::ecdsa::Signature::from_der(signature)
                    .is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            _ => false,
        }
    }
}

/// The way in which a certificate says that it is signed.
pub(super) fn scheme_of(algorithm: &AlgorithmIdentifier<'_>) -> Result<SignatureScheme, CertificateError> {
    let id = &algorithm.algorithm;
    [
        (OID_SIG_ECDSA_WITH_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256),
        (OID_SIG_ED25519, SignatureScheme::ED25519),
        (OID_SIG_ECDSA_WITH_SHA384, SignatureScheme::ECDSA_NISTP384_SHA384),
        (OID_PKCS1_SHA256WITHRSA, SignatureScheme::RSA_PKCS1_SHA256),
    ]
    .into_iter()
    .find_map(|(known, scheme)| (*id == known).then_some(scheme))
    .ok_or_else(|| CertificateError::UnsupportedSignature(shown(id)))
}

/// An object identifier of the peer's as text, unless it is longer than any that is in use.
pub(super) fn shown(id: &Oid<'_>) -> String {
    const MAX_SHOWN_BYTES: usize = 64;
    match id.as_bytes().len() {
        ..=MAX_SHOWN_BYTES => id.to_id_string(),
        len => format!("an object identifier of {len} bytes"),
    }
}

fn verify_pss(key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> bool {
    let modulus = BoxedUint::from_be_slice_vartime(key.modulus());
    let Ok(key) = rsa::RsaPublicKey::new(modulus, key.exponent().into()) else { return false };
    key.verify(Pss::<Sha256>::new(), &Sha256::digest(message), signature).is_ok()
}
