//! Checking a peer's certificate.

use super::key::{scheme_of, shown};
use super::{CertificateKey, EXTENSION_ID, SIGNED_PREFIX};
use crate::crypto::CryptoProvider;
use crate::identity::PublicKey;
use crate::identity::der::{self, DerError, Reader};
use crate::security::CertificateError;
use std::time::Duration;
use x509_parser::certificate::{Validity, X509Certificate};
use x509_parser::prelude::FromDer;

/// What a certificate says, still to be proven.
#[derive(Debug)]
pub(in crate::security::tls) struct Claim<'a> {
    certificate: X509Certificate<'a>,
    /// The key that it is for.
    key: CertificateKey,
    /// Who made it.
    pub(in crate::security::tls) identity: PublicKey,
    identity_signature: Vec<u8>,
}

/// Reads a certificate and checks everything that needs no cryptography. Where the time is not known, `None`, a certificate's validity
/// is not compared with it.
///
/// # Errors
/// Every [`CertificateError`] that concerns one certificate, but for those of signatures.
pub(in crate::security::tls) fn parse(
    der: &[u8],
    wall_clock: Option<Duration>,
) -> Result<Claim<'_>, CertificateError> {
    let Ok(([], certificate)) = X509Certificate::from_der(der) else {
        return Err(CertificateError::Malformed);
    };
    if certificate.issuer_uid.is_some() || certificate.subject_uid.is_some() {
        return Err(CertificateError::UniqueId);
    }
    if let Some(now) = wall_clock {
        check_validity(certificate.validity(), now)?;
    }
    let (identity, identity_signature) = find_identity(&certificate)?;
    let key = CertificateKey::parse(certificate.public_key())?;
    Ok(Claim { certificate, key, identity, identity_signature })
}

fn check_validity(validity: &Validity, now: Duration) -> Result<(), CertificateError> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotYetValid(validity.not_before.to_string()));
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired(validity.not_after.to_string()));
    }
    Ok(())
}

/// Who made the certificate, with a signature that is to prove it.
fn find_identity(certificate: &X509Certificate<'_>) -> Result<(PublicKey, Vec<u8>), CertificateError> {
    let mut found = None;
    for extension in certificate.extensions() {
        let is_ours = extension.oid.iter().is_some_and(|id| id.eq(EXTENSION_ID.iter().copied()));
        match (is_ours, found) {
            (true, None) => found = Some(extension.value),
            (true, Some(_)) => return Err(CertificateError::RepeatedExtension),
            (false, _) if extension.critical => {
                return Err(CertificateError::CriticalExtension(shown(&extension.oid)));
            }
            (false, _) => {}
        }
    }
    let value = found.ok_or(CertificateError::NoExtension)?;
    let (key, signature) = split(value).map_err(CertificateError::BadExtension)?;
    let key = PublicKey::from_protobuf(key).map_err(CertificateError::IdentityKey)?;
    Ok((key, signature.to_vec()))
}

fn split(extension: &[u8]) -> Result<(&[u8], &[u8]), DerError> {
    let mut fields = Reader::sequence(extension)?;
    let parts = (fields.element(der::OCTET_STRING)?, fields.element(der::OCTET_STRING)?);
    fields.end()?;
    Ok(parts)
}

/// Checks the signatures of a certificate and returns the key that it is for.
///
/// # Errors
/// [`CertificateError::UnsupportedSignature`], [`CertificateError::SelfSignature`], [`CertificateError::IdentitySignature`].
pub(in crate::security::tls) fn check(
    claim: Claim<'_>,
    crypto: &dyn CryptoProvider,
) -> Result<(PublicKey, CertificateKey), CertificateError> {
    let Claim { certificate, key, identity, identity_signature } = claim;
    let scheme = scheme_of(&certificate.signature_algorithm)?;
    if certificate.signature_algorithm != certificate.tbs_certificate.signature {
        return Err(CertificateError::Malformed);
    }
    let signed = certificate.tbs_certificate.as_ref();
    if !key.verify(crypto, scheme, signed, &certificate.signature_value.data) {
        return Err(CertificateError::SelfSignature);
    }
    let signed = [SIGNED_PREFIX, certificate.public_key().raw].concat();
    if !crypto.verify(&identity, &signed, &identity_signature) {
        return Err(CertificateError::IdentitySignature);
    }
    Ok((identity, key))
}
