//! rustls' cryptography, made of a [`CryptoProvider`](crate::crypto::CryptoProvider) and a [`Seed`](crate::seed::Seed).

mod exchange;
mod hash;
mod records;

use super::scope;
use crate::crypto::AeadCipher;
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{
    CipherSuiteCommon, CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, SupportedKxGroup,
    WebPkiSupportedAlgorithms,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;
use rustls::{CipherSuite, Error, SupportedCipherSuite, Tls13CipherSuite};
use std::sync::Arc;

/// After so many records a key of AES-GCM is to be replaced: about 2^24.5 are safe (RFC 8446, section 5.5).
pub(super) const AES_GCM_RECORDS: u64 = 1 << 24;

static AES_128_GCM: Tls13CipherSuite = suite(
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    &records::RecordCipher(AeadCipher::Aes128Gcm),
    AES_GCM_RECORDS,
);

static CHACHA20_POLY1305: Tls13CipherSuite = suite(
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    &records::RecordCipher(AeadCipher::ChaCha20Poly1305),
    u64::MAX,
);

static KEY_EXCHANGES: [&dyn SupportedKxGroup; 2] = [&exchange::X25519, &exchange::P256];

const fn suite(
    suite: CipherSuite,
    cipher: &'static records::RecordCipher,
    confidentiality_limit: u64,
) -> Tls13CipherSuite {
    Tls13CipherSuite {
        common: CipherSuiteCommon { suite, hash_provider: &hash::Sha256, confidentiality_limit },
        hkdf_provider: &HkdfUsingHmac(&hash::HmacSha256),
        aead_alg: cipher,
        quic: None,
    }
}

/// The cipher of an agreed suite.
pub(super) fn cipher_of(suite: CipherSuite) -> Option<AeadCipher> {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => Some(AeadCipher::Aes128Gcm),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => Some(AeadCipher::ChaCha20Poly1305),
        _ => None,
    }
}

/// The cryptography of the handshake in whose [scope](super::scope) rustls is called.
pub(super) fn provider(prefer_aes: bool) -> CryptoProvider {
    let mut suites = vec![SupportedCipherSuite::Tls13(&AES_128_GCM), (&CHACHA20_POLY1305).into()];
    if !prefer_aes {
        suites.reverse();
    }
    CryptoProvider {
        cipher_suites: suites,
        kx_groups: KEY_EXCHANGES.to_vec(),
        // Certificates are not verified by rustls.
        signature_verification_algorithms: WebPkiSupportedAlgorithms { all: &[], mapping: &[] },
        secure_random: &FromSeed,
        key_provider: &NoKeyFiles,
    }
}

#[derive(Debug)]
struct FromSeed;

impl SecureRandom for FromSeed {
    fn fill(&self, out: &mut [u8]) -> Result<(), GetRandomFailed> {
        scope::with(|scope| scope.seed.fill(out));
        Ok(())
    }
}

/// Our key is handed over ready to sign.
#[derive(Debug)]
struct NoKeyFiles;

impl KeyProvider for NoKeyFiles {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Err(Error::General("no key is ever loaded".into()))
    }
}
