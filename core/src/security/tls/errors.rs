//! rustls' errors in our words.

use super::ALPN;
use super::scope::Found;
use crate::negotiation::ProtocolId;
use crate::security::{Alert, CertificateError, SecurityError};
use rustls::{Error, PeerIncompatible};

/// The most characters of a remote's offers that are kept in an error.
const MAX_SHOWN_CHARS: usize = 200;

/// An error before the remote had a say.
pub(super) fn ours(error: Error) -> SecurityError {
    SecurityError::Local(error.to_string())
}

/// An error that the remote caused, or one that a callback [found](Found).
pub(super) fn of_peer(error: Error, found: &mut Found) -> SecurityError {
    if let Some(error) = found.error.take() {
        return error;
    }
    match error {
        Error::AlertReceived(alert) => SecurityError::Refused(Alert(alert.into())),
        Error::NoCertificatesPresented => CertificateError::Missing.into(),
        Error::PeerIncompatible(what) => incompatible(&what),
        Error::General(_) | Error::FailedToGetRandomBytes | Error::EncryptError => ours(error),
        other => SecurityError::Protocol(other.to_string()),
    }
}

fn incompatible(what: &PeerIncompatible) -> SecurityError {
    let (what, ours) = match what {
        PeerIncompatible::NoCipherSuitesInCommon => {
            ("cipher suite", "TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256")
        }
        PeerIncompatible::NoKxGroupsInCommon => ("key exchange", "X25519, P-256"),
        PeerIncompatible::NoSignatureSchemesInCommon
        | PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon => {
            ("signature scheme", "ecdsa_secp256r1_sha256")
        }
        PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled => ("version of TLS", "1.3"),
        other => return SecurityError::Protocol(Error::from(other.clone()).to_string()),
    };
    SecurityError::NoCommonAlgorithm { what, ours: ours.into(), theirs: "others".into() }
}

/// The dialer's application protocols have nothing in common with ours.
pub(super) fn no_common_protocol(muxers: &[ProtocolId], offered: &[&[u8]]) -> SecurityError {
    let ours: Vec<_> = muxers.iter().map(ProtocolId::as_str).chain([ALPN]).collect();
    let mut theirs = String::new();
    for protocol in offered {
        let separator = if theirs.is_empty() { "" } else { ", " };
        let room = MAX_SHOWN_CHARS.saturating_sub(theirs.len());
        theirs.extend(format!("{separator}{}", protocol.escape_ascii()).chars().take(room));
    }
    SecurityError::NoCommonAlgorithm { what: "application protocol (ALPN)", ours: ours.join(", "), theirs }
}
