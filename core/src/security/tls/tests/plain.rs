//! A remote that is rustls alone, with its own cryptography.

use super::*;
use crate::security::Role;
use bytes::{BufMut, BytesMut};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider as RustlsProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, DistinguishedName, Error, KeyLog,
    ServerConfig, ServerConnection, SignatureScheme, SupportedProtocolVersion,
};
use std::io::{Read, Write};
use std::sync::OnceLock;

/// How the remote is configured. It has the identity 1, we have 2.
pub(super) struct Plain {
    pub(super) certificate: Option<CertifiedKey>,
    pub(super) protocols: Vec<&'static str>,
    pub(super) provider: RustlsProvider,
    pub(super) versions: &'static [&'static SupportedProtocolVersion],
    /// Whether it accepts our certificate.
    pub(super) accepts: bool,
    pub(super) secrets: Arc<Secrets>,
}

impl Default for Plain {
    fn default() -> Self {
        Self {
            certificate: Some(super::forge::forge(1).certified()),
            protocols: vec!["libp2p"],
            provider: aws_lc_rs::default_provider(),
            versions: rustls::DEFAULT_VERSIONS,
            accepts: true,
            secrets: Arc::default(),
        }
    }
}

/// A remote after a handshake, or one that failed in it.
pub(super) struct Met {
    pub(super) connection: Connection,
    /// What it sent behind the handshake.
    pub(super) unread: BytesMut,
    pub(super) error: Option<Error>,
}

impl Plain {
    /// A handshake in which we have this role.
    pub(super) fn meet(&self, role: Role) -> Result<(Secured, Met), SecurityError> {
        self.meet_with(&Tls::default(), setup_for(role)).0
    }

    /// A handshake with us as given; and the remote, also if the handshake fails.
    pub(super) fn meet_with(
        &self,
        config: &Tls,
        setup: HandshakeSetup,
    ) -> (Result<(Secured, Met), SecurityError>, Option<Error>) {
        let connection = match setup.role {
            Role::Dialer => Connection::Server(self.server()),
            Role::Listener => Connection::Client(self.client()),
        };
        let mut met = Met { connection, unread: BytesMut::new(), error: None };
        let mut ours = config.start(setup, NOW);
        let mut input = BytesMut::new();
        loop {
            let mut out = BytesMut::new();
            let sent = ours.poll_transmit(&mut out, usize::MAX, NOW);
            met.receive(&out);
            let received = met.send(&mut input);
            if let Err(error) = ours.handle_input(&mut input, NOW) {
                let mut last_words = BytesMut::new();
                ours.poll_transmit(&mut last_words, usize::MAX, NOW);
                met.receive(&last_words);
                return (Err(error), met.error);
            }
            if sent == 0 && received == 0 {
                let secured = ours.poll_event().expect("nothing is under way");
                assert!(secured.plain.is_empty());
                met.unread = input;
                return (Ok((secured, met)), None);
            }
        }
    }

    fn server(&self) -> ServerConnection {
        let verifier = Arc::new(Anybody { accepts: self.accepts });
        let certificate = self.certificate.clone().expect("a server has a certificate");
        let mut config = ServerConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.key_log = self.secrets.clone();
        ServerConnection::new(Arc::new(config)).unwrap()
    }

    fn client(&self) -> ClientConnection {
        let config = ClientConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_protocol_versions(self.versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody { accepts: self.accepts }));
        let mut config = match self.certificate.clone() {
            Some(certificate) => {
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)))
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.key_log = self.secrets.clone();
        ClientConnection::new(Arc::new(config), "libp2p.invalid".try_into().unwrap()).unwrap()
    }
}

pub(super) fn setup_for(role: Role) -> HandshakeSetup {
    match role {
        Role::Dialer => setup(2, Some(peer_id(1))),
        Role::Listener => setup(2, None),
    }
}

impl Met {
    pub(super) fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.error.is_none() {
            self.connection.read_tls(&mut bytes).unwrap();
            self.error = self.connection.process_new_packets().err();
        }
    }

    /// Appends all that the remote has to send.
    pub(super) fn send(&mut self, out: &mut BytesMut) -> usize {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut bytes).unwrap();
        }
        out.put_slice(&bytes);
        bytes.len()
    }

    /// What the remote sends for these bytes of its application.
    pub(super) fn sealed(&mut self, bytes: &[u8]) -> BytesMut {
        let mut out = std::mem::take(&mut self.unread);
        for part in bytes.chunks(10_000) {
            self.connection.writer().write_all(part).unwrap();
            self.send(&mut out);
        }
        out
    }

    /// What the remote's application has received.
    pub(super) fn read(&mut self) -> Vec<u8> {
        assert_eq!(self.error, None);
        let mut bytes = vec![0; 100_000];
        let len = self.connection.reader().read(&mut bytes).unwrap_or_default();
        bytes.truncate(len);
        bytes
    }
}

/// The secrets of the remote's records.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    dialer: OnceLock<[u8; 32]>,
    listener: OnceLock<[u8; 32]>,
}

impl Secrets {
    pub(super) fn of(&self, role: Role) -> [u8; 32] {
        let secret = match role {
            Role::Dialer => &self.dialer,
            Role::Listener => &self.listener,
        };
        *secret.get().expect("the handshake is over")
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        let secret = || secret.try_into().expect("the hash is SHA-256");
        match label {
            "CLIENT_TRAFFIC_SECRET_0" => drop(self.dialer.set(secret())),
            "SERVER_TRAFFIC_SECRET_0" => drop(self.listener.set(secret())),
            _ => {}
        }
    }
}

/// Asks nobody who they are, but checks that they sign with their certificate's key.
#[derive(Debug)]
struct Anybody {
    accepts: bool,
}

impl Anybody {
    fn check(&self) -> Result<(), Error> {
        if self.accepts { Ok(()) } else { Err(rustls::CertificateError::BadEncoding.into()) }
    }

    fn verify(
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn schemes() -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check().map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("we speak TLS 1.3 only")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::verify(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::schemes()
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check().map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        unreachable!("we speak TLS 1.3 only")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::verify(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::schemes()
    }
}
