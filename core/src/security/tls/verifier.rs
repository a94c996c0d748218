//! What rustls asks of whoever verifies certificates: the rules of libp2p in place of those of the web.

use super::certificate::{self, SCHEMES};
use super::scope::{self, Scope};
use crate::security::{CertificateError, SecurityError};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme};

/// Verifies the remote's certificate for the handshake in whose scope rustls is called.
#[derive(Debug)]
pub(super) struct Libp2pVerifier;

fn verify_certificate(first: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
    scope::with(|scope| {
        scope.check_certificate(first, others.len()).map_err(|error| {
            let alert = alert_for(&error);
            scope.found.error = Some(error);
            alert.into()
        })
    })
}

impl Scope {
    fn check_certificate(&mut self, der: &[u8], others: usize) -> Result<(), SecurityError> {
        if others > 0 {
            return Err(CertificateError::NotAlone(1 + others).into());
        }
        let claim = certificate::parse(der, self.wall_clock)?;
        // Before it is proven, so that a handshake with the wrong peer ends before any costly work.
        self.check_peer(&claim.identity)?;
        let (identity, key) = certificate::check(claim, &*self.crypto)?;
        self.found.identity = Some(identity);
        self.found.certificate_key = Some(key);
        Ok(())
    }
}

/// By this rustls chooses the alert that the remote gets.
fn alert_for(error: &SecurityError) -> rustls::CertificateError {
    match error {
        SecurityError::Certificate(CertificateError::NotYetValid(_) | CertificateError::Expired(_)) => {
            rustls::CertificateError::Expired
        }
        SecurityError::Certificate(_) => rustls::CertificateError::BadEncoding,
        _ => rustls::CertificateError::ApplicationVerificationFailure,
    }
}

fn verify_signature(
    message: &[u8],
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    scope::with(|scope| {
        if !SCHEMES.contains(&signed.scheme) {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        let valid = scope
            .found
            .certificate_key
            .as_ref()
            .is_some_and(|key| key.verify(&*scope.crypto, signed.scheme, message, signed.signature()));
        if valid {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let error = SecurityError::NotAuthentic("the handshake is not signed with the certificate's key");
        scope.found.error = Some(error);
        Err(Error::DecryptError)
    })
}

impl ServerCertVerifier for Libp2pVerifier {
    fn verify_server_cert(
        &self,
        first: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_certificate(first, others).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        _: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Libp2pVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        first: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        verify_certificate(first, others).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        _: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_signature(message, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}
