//! What rustls asks of whoever verifies certificates: the rules of libp2p in place of those of the web.

use super::certificate::{self, SCHEMES};
use super::scope::{self, Scope};
use crate::security::{CertificateError, SecurityError, check_peer};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme};

/// Verifies the remote's certificate for the handshake in whose scope rustls is called.
#[derive(Debug)]
pub(super) struct Libp2pVerifier;

impl Scope {
    fn check_certificate(&mut self, der: &[u8], others: usize) -> Result<(), SecurityError> {
        if others > 0 {
            return Err(CertificateError::NotAlone(1 + others).into());
        }
        let claim = certificate::parse(der, self.wall_clock)?;
        let (identity, key) = certificate::check(claim, &*self.crypto)?;
        self.found.identity = Some(identity);
        self.found.certificate_key = Some(key);
        Ok(())
    }

    /// Certificates are public: only with this signature the remote is who its certificate says, and compared with whom we expect.
    fn check_signature(
        &self,
        message: &[u8],
        scheme: SignatureScheme,
        signature: &[u8],
    ) -> Result<(), SecurityError> {
        let (Some(identity), Some(key)) = (&self.found.identity, &self.found.certificate_key) else {
            return Err(CertificateError::Missing.into());
        };
        if !SCHEMES.contains(&scheme) || !key.verify(&*self.crypto, scheme, message, signature) {
            let reason = "the handshake is not signed with the certificate's key";
            return Err(SecurityError::NotAuthentic(reason));
        }
        check_peer(identity.to_peer_id(), &self.own_key, self.expected_peer)
    }

    /// Keeps `error` for us, and gives rustls one by which it chooses the alert that the remote gets.
    fn fail(&mut self, error: SecurityError) -> Error {
        let alert = match &error {
            SecurityError::Certificate(CertificateError::NotYetValid(_) | CertificateError::Expired(_)) => {
                rustls::CertificateError::Expired.into()
            }
            SecurityError::Certificate(_) => rustls::CertificateError::BadEncoding.into(),
            SecurityError::NotAuthentic(_) => Error::DecryptError,
            _ => rustls::CertificateError::ApplicationVerificationFailure.into(),
        };
        self.found.error = Some(error);
        alert
    }
}

fn verify_certificate(first: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
    scope::with(|scope| scope.check_certificate(first, others.len()).map_err(|error| scope.fail(error)))
}

fn verify_signature(
    message: &[u8],
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    scope::with(|scope| {
        scope
            .check_signature(message, signed.scheme, signed.signature())
            .map_err(|error| scope.fail(error))
            .map(|()| HandshakeSignatureValid::assertion())
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
