//! Certificates of any content, right or wrong.

use super::super::certificate::{EXTENSION_ID, SIGNED_PREFIX};
use crate::crypto::CryptoProvider;
use crate::crypto::Portable;
use crate::identity::Keypair;
use crate::identity::der::{self, BIT_STRING, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};
use crate::security::testing::keypair;
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use std::sync::Arc;

pub(super) const ECDSA_SHA256: &[u64] = &[1, 2, 840, 10045, 4, 3, 2];
pub(super) const ECDSA_SHA384: &[u64] = &[1, 2, 840, 10045, 4, 3, 3];
pub(super) const ED25519: &[u64] = &[1, 3, 101, 112];
pub(super) const RSA_SHA256: &[u64] = &[1, 2, 840, 113549, 1, 1, 11];
pub(super) const EC_PUBLIC_KEY: &[u64] = &[1, 2, 840, 10045, 2, 1];
pub(super) const P256: &[u64] = &[1, 2, 840, 10045, 3, 1, 7];
pub(super) const P384: &[u64] = &[1, 3, 132, 0, 34];

const CRITICAL: &[u8] = &[1, 1, 0xff];

/// What a certificate is made of. Each field that is not said otherwise is the DER of the certificate's field.
pub(super) struct Forgery {
    pub(super) key: Arc<dyn SigningKey>,
    pub(super) scheme: SignatureScheme,
    /// SubjectPublicKeyInfo.
    pub(super) key_info: Vec<u8>,
    pub(super) inner_algorithm: Vec<u8>,
    pub(super) outer_algorithm: Vec<u8>,
    /// The first and the last moment.
    pub(super) validity: [&'static str; 2],
    /// Elements between the key and the extensions.
    pub(super) unique_ids: Vec<u8>,
    pub(super) extensions: Vec<Vec<u8>>,
    /// Bytes behind the certificate.
    pub(super) trailing: Vec<u8>,
}

/// A key of ECDSA on P-256, from a fixed scalar.
pub(super) fn p256_key(scalar: u8) -> Arc<dyn SigningKey> {
    ec_key(P256, &[scalar; 32])
}

pub(super) fn p384_key(scalar: u8) -> Arc<dyn SigningKey> {
    ec_key(P384, &[scalar; 48])
}

fn ec_key(curve: &[u64], scalar: &[u8]) -> Arc<dyn SigningKey> {
    let curve = der::element(der::CONTEXT_0, &[&oid(curve)]);
    let key = der::element(SEQUENCE, &[&der::unsigned(&[1]), &der::element(OCTET_STRING, &[scalar]), &curve]);
    load(PrivateKeyDer::Sec1(key.into()))
}

pub(super) fn ed25519_key(secret: u8) -> Arc<dyn SigningKey> {
    let algorithm = der::element(SEQUENCE, &[&oid(ED25519)]);
    let secret = der::element(OCTET_STRING, &[&der::element(OCTET_STRING, &[&[secret; 32]])]);
    load(PrivateKeyDer::Pkcs8(der::element(SEQUENCE, &[&[2, 1, 0], &algorithm, &secret]).into()))
}

/// From an RSAPrivateKey.
pub(super) fn rsa_key(key: &[u8]) -> Arc<dyn SigningKey> {
    load(PrivateKeyDer::Pkcs1(key.to_vec().into()))
}

fn load(key: PrivateKeyDer<'_>) -> Arc<dyn SigningKey> {
    aws_lc_rs::sign::any_supported_type(&key).unwrap()
}

/// A valid certificate of the identity with the secret `[secret; 32]`.
pub(super) fn forge(secret: u8) -> Forgery {
    with_key(secret, p256_key(secret), SignatureScheme::ECDSA_NISTP256_SHA256, ECDSA_SHA256)
}

/// The same, for another key.
pub(super) fn with_key(
    secret: u8,
    key: Arc<dyn SigningKey>,
    scheme: SignatureScheme,
    algorithm: &[u64],
) -> Forgery {
    let key_info = key.public_key().unwrap().to_vec();
    let extension = libp2p_extension(&identity_binding(&keypair(secret), &key_info));
    let algorithm = der::element(SEQUENCE, &[&oid(algorithm)]);
    Forgery {
        key,
        scheme,
        key_info,
        inner_algorithm: algorithm.clone(),
        outer_algorithm: algorithm,
        validity: ["19750101000000Z", "40960101000000Z"],
        unique_ids: Vec::new(),
        extensions: vec![extension],
        trailing: Vec::new(),
    }
}

impl Forgery {
    pub(super) fn to_der(&self) -> Vec<u8> {
        let times = self.validity.map(|time| der::element(0x18, &[time.as_bytes()]));
        let extensions: Vec<_> = self.extensions.iter().map(Vec::as_slice).collect();
        let extensions = der::element(0xa3, &[&der::element(SEQUENCE, &extensions)]);
        let name = der::element(SEQUENCE, &[]);
        let body = der::element(
            SEQUENCE,
            &[
                &der::element(der::CONTEXT_0, &[&der::unsigned(&[2])]),
                &der::unsigned(&[7]),
                &self.inner_algorithm,
                &name,
                &der::element(SEQUENCE, &[&times[0], &times[1]]),
                &name,
                &self.key_info,
                &self.unique_ids,
                &extensions,
            ],
        );
        let signature = self.key.choose_scheme(&[self.scheme]).unwrap().sign(&body).unwrap();
        let signature = der::bit_string(&signature);
        let mut certificate = der::element(SEQUENCE, &[&body, &self.outer_algorithm, &signature]);
        certificate.extend_from_slice(&self.trailing);
        certificate
    }

    /// For a remote that presents this certificate.
    pub(super) fn certified(&self) -> CertifiedKey {
        CertifiedKey::new(vec![CertificateDer::from(self.to_der())], self.key.clone())
    }
}

/// The value of libp2p's extension, right for this identity and this key.
pub(super) fn identity_binding(identity: &Keypair, key_info: &[u8]) -> Vec<u8> {
    let signature = Portable.sign(identity, &[SIGNED_PREFIX, key_info].concat()).unwrap();
    binding(&identity.public().to_protobuf(), &signature)
}

/// The value of libp2p's extension with these parts.
pub(super) fn binding(key: &[u8], signature: &[u8]) -> Vec<u8> {
    let parts = [der::element(OCTET_STRING, &[key]), der::element(OCTET_STRING, &[signature])];
    der::element(SEQUENCE, &[&parts[0], &parts[1]])
}

pub(super) fn libp2p_extension(value: &[u8]) -> Vec<u8> {
    extension(EXTENSION_ID, false, value)
}

pub(super) fn extension(id: &[u64], is_critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if is_critical { CRITICAL } else { &[] };
    der::element(SEQUENCE, &[&oid(id), critical, &der::element(OCTET_STRING, &[value])])
}

/// An object identifier.
pub(super) fn oid(id: &[u64]) -> Vec<u8> {
    let mut bytes = vec![(id[0] * 40 + id[1]) as u8];
    for number in &id[2..] {
        let groups = (1..).take_while(|group| number >> (7 * group) > 0).count();
        for group in (0..=groups).rev() {
            let more = if group > 0 { 0x80 } else { 0 };
            bytes.push((number >> (7 * group)) as u8 & 0x7f | more);
        }
    }
    der::element(OBJECT_IDENTIFIER, &[&bytes])
}

/// The SubjectPublicKeyInfo of a key of this algorithm.
pub(super) fn key_info(algorithm: &[&[u64]], key: &[u8]) -> Vec<u8> {
    let ids: Vec<_> = algorithm.iter().map(|id| oid(id)).collect();
    let ids: Vec<_> = ids.iter().map(Vec::as_slice).collect();
    der::element(SEQUENCE, &[&der::element(SEQUENCE, &ids), &der::element(BIT_STRING, &[&[0], key])])
}
