//! TLS 1.3 with libp2p's certificates.
//!
//! Both sides present a certificate that they made themselves; an extension in it binds its key to the identity (see `certificate`).
//! There are no names, no authorities, no resumption, no early data and no older versions.
//!
//! ```text
//! dialer                                         listener
//! ClientHello, ALPN: muxers, libp2p  ->
//!                                            <-  ServerHello, ALPN: the one chosen, certificate, Finished
//! certificate, Finished              ->
//! data                               <->         data
//! ```
//!
//! - **The muxer** is agreed on through ALPN. The listener takes the first of the dialer's list that it speaks too; `libp2p`, which is the
//!   last of every list, leaves the muxer to multistream-select. So does a peer without ALPN.
//! - **The cipher** is the listener's choice, as configured: AES-128-GCM or ChaCha20-Poly1305. AES-256-GCM is not offered: it takes SHA-384,
//!   and every implementation of TLS 1.3 has AES-128-GCM.
//! - **The handshake** is rustls', with the node's own crypto provider and randomness from its seed: it replays. `scope` says how.
//! - **The data** is sealed and opened here, in place, with keys derived from the secrets of rustls' handshake.
//!
//! A dialer is done before the listener has seen its certificate. Where the listener does not accept it, the dialer learns of it from the
//! channel: [`ChannelError::Refused`](super::ChannelError::Refused). Our own listener has an alert for its last words too. An orderly close
//! does not begin with a `close_notify`: streams have ends of their own.

mod certificate;
mod channel;
mod configs;
mod errors;
mod handshake;
mod provider;
mod record;
mod scope;
mod secrets;
#[cfg(test)]
mod tests;
mod verifier;

use super::{Handshake, HandshakeSetup, SecurityProtocol};
use crate::crypto::CryptoProvider;
use crate::identity::Keypair;
use crate::negotiation::ProtocolId;
use crate::seed::Seed;
use crate::time::Instant;
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// The name of the protocol.
pub const ID: ProtocolId = ProtocolId::from_static("/tls/1.0.0");

/// The application protocol that stands for libp2p, whatever the muxer.
const ALPN: &str = "libp2p";

/// The configuration of TLS. See the [module documentation](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Whether AES-128-GCM is preferred to ChaCha20-Poly1305. True, the default, is right wherever the processor computes AES: nearly
    /// everywhere. Elsewhere ChaCha20-Poly1305 is several times faster.
    ///
    /// As listener it decides, whatever the dialer prefers; as dialer it is what we ask for.
    pub prefer_aes: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { prefer_aes: true }
    }
}

impl SecurityProtocol for Tls {
    fn id(&self) -> ProtocolId {
        ID
    }

    /// Makes the certificate, which takes half the time of a handshake.
    fn prepare(
        &self,
        keypair: &Keypair,
        crypto: &Arc<dyn CryptoProvider>,
        seed: &mut Seed,
    ) -> Option<Arc<dyn SecurityProtocol>> {
        // Where it cannot be made, each handshake says so.
        let certificate = certificate::make(keypair, crypto, &mut seed.child("certificate")).ok()?;
        Some(Arc::new(Prepared { config: self.clone(), certificate }))
    }

    fn start(&self, setup: HandshakeSetup, _now: Instant) -> Box<dyn Handshake> {
        Box::new(handshake::start(self, None, setup))
    }
}

/// TLS with the certificate of a node.
#[derive(Debug)]
struct Prepared {
    config: Tls,
    certificate: CertifiedKey,
}

impl SecurityProtocol for Prepared {
    fn id(&self) -> ProtocolId {
        ID
    }

    fn start(&self, setup: HandshakeSetup, _now: Instant) -> Box<dyn Handshake> {
        Box::new(handshake::start(&self.config, Some(self.certificate.clone()), setup))
    }
}
