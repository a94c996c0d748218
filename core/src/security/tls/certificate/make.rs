//! Making our own certificate.

use super::{EXTENSION_ID, SIGNED_PREFIX};
use crate::crypto::CryptoProvider;
use crate::identity::{Keypair, PublicKey, der};
use crate::security::SecurityError;
use crate::seed::Seed;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, KeyIdMethod, PKCS_ECDSA_P256_SHA256,
    PublicKeyData,
};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use std::fmt;
use std::sync::Arc;

/// Makes a certificate for a fresh key, ECDSA on P-256 as in go, js and rust, in the name of `identity`.
///
/// It is valid from 1975 to 4096, as in rust and in the specification's examples: whoever holds the identity key can make a new one at
/// any time, so an earlier end would prove nothing, and no clock is needed. libp2p's extension is the only one, since js looks at the
/// first one only, and is not critical, as in go.
///
/// # Errors
/// [`SecurityError::Local`]: the crypto provider does not sign with a key of the identity's type, or of P-256.
pub(in crate::security::tls) fn make(
    identity: &Keypair,
    crypto: &Arc<dyn CryptoProvider>,
    seed: &mut Seed,
) -> Result<CertifiedKey, SecurityError> {
    let key = CertificateKeypair { keypair: Arc::new(Keypair::generate_ecdsa(seed)), crypto: crypto.clone() };
    let mut params = CertificateParams::default();
    params.serial_number = Some(seed.bytes::<8>().to_vec().into());
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "libp2p");
    params.key_identifier_method = KeyIdMethod::PreSpecified(Vec::new());
    let extension = extension(identity, &key.subject_public_key_info(), &**crypto)?;
    params.custom_extensions = vec![CustomExtension::from_oid_content(EXTENSION_ID, extension)];
    let certificate = params.self_signed(&key).map_err(|error| SecurityError::Local(error.to_string()))?;
    Ok(CertifiedKey::new(vec![certificate.into()], Arc::new(key)))
}

/// The value of libp2p's extension.
fn extension(
    identity: &Keypair,
    key_info: &[u8],
    crypto: &dyn CryptoProvider,
) -> Result<Vec<u8>, SecurityError> {
    let signature = crypto
        .sign(identity, &[SIGNED_PREFIX, key_info].concat())
        .map_err(|error| SecurityError::Local(error.to_string()))?;
    let identity = der::element(der::OCTET_STRING, &[&identity.public().to_protobuf()]);
    let signature = der::element(der::OCTET_STRING, &[&signature]);
    Ok(der::element(der::SEQUENCE, &[&identity, &signature]))
}

/// The key that our certificate is for. It signs the certificate and the handshake.
#[derive(Clone)]
struct CertificateKeypair {
    keypair: Arc<Keypair>,
    crypto: Arc<dyn CryptoProvider>,
}

impl fmt::Debug for CertificateKeypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keypair.fmt(f)
    }
}

impl PublicKeyData for CertificateKeypair {
    fn der_bytes(&self) -> &[u8] {
        match self.keypair.public() {
            PublicKey::Ecdsa(point) => &**point,
            // It was made for ECDSA.
            _ => &[],
        }
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for CertificateKeypair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.crypto.sign(&self.keypair, message).map_err(|_| rcgen::Error::UnsupportedSignatureAlgorithm)
    }
}

impl SigningKey for CertificateKeypair {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.scheme()).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for CertificateKeypair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.crypto.sign(&self.keypair, message).map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}
