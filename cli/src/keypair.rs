//! New key pairs.

use crate::args::KeyType;
use crate::failure::Failure;
use crate::node;
use peerwork_tokio::core::identity::Keypair;

/// A key pair for a new identity.
///
/// # Errors
/// The system gives no randomness.
pub(crate) fn generate(key_type: KeyType) -> Result<Keypair, Failure> {
    match key_type {
        KeyType::Ed25519 => Ok(Keypair::generate_ed25519(&mut node::seed()?)),
        KeyType::Secp256k1 => Ok(Keypair::generate_secp256k1(&mut node::seed()?)),
        KeyType::Ecdsa => Ok(Keypair::generate_ecdsa(&mut node::seed()?)),
        #[cfg(feature = "aws-lc")]
        KeyType::Rsa => rsa::generate().ok_or(Failure::NoRsaKey),
    }
}

/// RSA keys do not come from a seed: aws-lc draws from the system itself.
#[cfg(feature = "aws-lc")]
mod rsa {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::{KeyPair, KeySize};
    use peerwork_tokio::core::identity::{Keypair, SecretKey};
    use zeroize::Zeroizing;

    pub(super) fn generate() -> Option<Keypair> {
        let keypair = KeyPair::generate(KeySize::Rsa2048).ok()?;
        let pkcs8: Pkcs8V1Der<'_> = keypair.as_der().ok()?;
        let secret = Zeroizing::new(pkcs1_of(pkcs8.as_ref())?.to_vec());
        Keypair::from_secret(SecretKey::Rsa(secret)).ok()
    }

    /// The RSAPrivateKey that libp2p keeps, out of the PKCS #8 that aws-lc gives: `SEQUENCE { 0, { rsaEncryption, NULL }, OCTET STRING }`,
    /// with lengths of two bytes, which all keys of 2,048 bits have.
    fn pkcs1_of(pkcs8: &[u8]) -> Option<&[u8]> {
        const SEQUENCE: &[u8] = b"\x30\x82";
        const ALGORITHM: &[u8] = b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
        const OCTET_STRING: &[u8] = b"\x04\x82";
        let contents = pkcs8.strip_prefix(SEQUENCE)?.get(2..)?;
        contents.strip_prefix(ALGORITHM)?.strip_prefix(OCTET_STRING)?.get(2..)
    }
}
