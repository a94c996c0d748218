//! rustls' errors in our words.

use super::ALPN;
use super::scope::Found;
use crate::negotiation::ProtocolId;
use crate::security::{Alert, CertificateError, SecurityError};
use rustls::server::ClientHello;
use rustls::{AlertDescription, CipherSuite, Error, NamedGroup, PeerIncompatible};
use std::fmt::Debug;

/// The most characters of a remote's offers that are kept in an error.
const MAX_SHOWN_CHARS: usize = 200;

/// What a dialer offers, for errors. Empty where it is not known.
#[derive(Default)]
pub(super) struct Offers {
    suites: Vec<CipherSuite>,
    groups: Vec<NamedGroup>,
}

impl Offers {
    pub(super) fn of(hello: &ClientHello<'_>) -> Self {
        Self {
            suites: hello.cipher_suites().to_vec(),
            groups: hello.named_groups().unwrap_or_default().to_vec(),
        }
    }
}

/// An error before the remote had a say.
pub(super) fn ours(error: Error) -> SecurityError {
    SecurityError::Local(error.to_string())
}

/// An error that the remote caused, or one that a callback [found](Found).
pub(super) fn of_peer(error: Error, found: &mut Found, offers: &Offers) -> SecurityError {
    if let Some(error) = found.error.take() {
        return error;
    }
    match error {
        Error::AlertReceived(AlertDescription::CloseNotify) => {
            SecurityError::Ended("the end of the handshake")
        }
        Error::AlertReceived(alert) => SecurityError::Refused(Alert(alert.into())),
        Error::NoCertificatesPresented => CertificateError::Missing.into(),
        Error::PeerIncompatible(what) => incompatible(what, offers),
        Error::General(_) | Error::FailedToGetRandomBytes | Error::EncryptError => ours(error),
        other => SecurityError::Protocol(other.to_string()),
    }
}

fn incompatible(what: PeerIncompatible, offers: &Offers) -> SecurityError {
    let (what, ours, theirs) = match what {
        PeerIncompatible::NoCipherSuitesInCommon => {
            let ours = "TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256";
            ("cipher suite", ours, list(offers.suites.iter().map(name)))
        }
        PeerIncompatible::NoKxGroupsInCommon => {
            ("key exchange", "X25519, secp256r1", list(offers.groups.iter().map(name)))
        }
        PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => ("version of TLS", "1.3", "older ones".into()),
        other => return SecurityError::Protocol(Error::PeerIncompatible(other).to_string()),
    };
    SecurityError::NoCommonAlgorithm { what, ours: ours.into(), theirs }
}

/// The dialer's application protocols have nothing in common with ours.
pub(super) fn no_common_protocol(muxers: &[ProtocolId], offered: &[&[u8]]) -> SecurityError {
    let ours: Vec<_> = muxers.iter().map(ProtocolId::as_str).chain([ALPN]).collect();
    let theirs = list(offered.iter().map(|protocol| protocol.escape_ascii().to_string()));
    SecurityError::NoCommonAlgorithm { what: "application protocol (ALPN)", ours: ours.join(", "), theirs }
}

fn name(offer: &impl Debug) -> String {
    format!("{offer:?}")
}

/// As many names as may be shown.
fn list(names: impl Iterator<Item = String>) -> String {
    let mut list = String::new();
    for name in names {
        let separator = if list.is_empty() { "" } else { ", " };
        if list.len() + separator.len() + name.len() > MAX_SHOWN_CHARS {
            list.push_str(separator);
            list.push_str("...");
            break;
        }
        list.push_str(separator);
        list.push_str(&name);
    }
    list
}
