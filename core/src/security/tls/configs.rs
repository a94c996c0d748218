//! rustls' configurations, made for each handshake. What is costly in them, the certificate, may be older.

use super::provider::provider;
use super::scope::{self, Secret};
use super::verifier::Libp2pVerifier;
use rustls::client::Resumption;
use rustls::pki_types::{IpAddr, Ipv4Addr, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, Error, KeyLog, ServerConfig};
use std::sync::Arc;
use std::time::Duration;

/// A dialer's connection that offers these application protocols.
pub(super) fn dialer(
    prefer_aes: bool,
    certificate: CertifiedKey,
    protocols: Vec<Vec<u8>>,
) -> Result<ClientConnection, Error> {
    let mut config = ClientConfig::builder_with_details(Arc::new(provider(prefer_aes)), Arc::new(ScopeClock))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Libp2pVerifier))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    config.alpn_protocols = protocols;
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    config.key_log = Arc::new(SecretsOut);
    // No name is sent, but rustls wants to know one.
    let nobody = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0; 4])));
    ClientConnection::new(Arc::new(config), nobody)
}

/// A listener's configuration that agrees to this application protocol only.
pub(super) fn listener(
    prefer_aes: bool,
    certificate: CertifiedKey,
    protocol: &str,
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_details(Arc::new(provider(prefer_aes)), Arc::new(ScopeClock))
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(Libp2pVerifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    config.alpn_protocols = vec![protocol.into()];
    config.ignore_client_order = true;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.key_log = Arc::new(SecretsOut);
    Ok(Arc::new(config))
}

/// The wall clock of the handshake in whose scope rustls is called. It is asked and the answer not used: there are no tickets, and
/// our verifier looks at the scope itself.
#[derive(Debug)]
struct ScopeClock;

impl TimeProvider for ScopeClock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = scope::with(|scope| scope.wall_clock);
        Some(UnixTime::since_unix_epoch(now.unwrap_or(Duration::ZERO)))
    }
}

/// Takes the secrets out of rustls from which the keys of records are derived, and those of all keys that replace them.
///
/// rustls also hands connections on with their keys (`rustls::kernel`); but that keeps its whole state for as long as a connection
/// lives, where two secrets of 32 bytes do.
#[derive(Debug)]
struct SecretsOut;

impl KeyLog for SecretsOut {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        let Ok(secret) = secret.try_into().map(Secret::new) else { return };
        scope::with(|scope| match label {
            "CLIENT_TRAFFIC_SECRET_0" => scope.found.dialer_secret = Some(secret),
            "SERVER_TRAFFIC_SECRET_0" => scope.found.listener_secret = Some(secret),
            _ => {}
        });
    }
}
