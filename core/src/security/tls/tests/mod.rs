mod certificates;
mod forge;
mod oracle;
mod pairs;
mod plain;
mod records;
mod wire;

use super::*;
use crate::crypto::CryptoProvider;
use crate::crypto::tests::real_providers;
use crate::negotiation::ProtocolId;
use crate::security::testing::{NOW, Side, meet, peer_id, setup};
use crate::security::{HandshakeSetup, Opened, Role, Secured, SecurityError};
use plain::{Met, Plain, setup_for};
use std::sync::Arc;

const YAMUX: ProtocolId = ProtocolId::from_static("/yamux/1.0.0");
const MPLEX: ProtocolId = ProtocolId::from_static("/mplex/6.7.0");

fn dialer() -> HandshakeSetup {
    setup(1, Some(peer_id(2)))
}

fn listener() -> HandshakeSetup {
    setup(2, None)
}

/// A handshake of these two, both configured as by default.
fn pair(dialer: HandshakeSetup, listener: HandshakeSetup) -> Result<(Secured, Secured), SecurityError> {
    configured_pair([&Tls::default(), &Tls::default()], dialer, listener)
}

fn configured_pair(
    [a, b]: [&Tls; 2],
    dialer: HandshakeSetup,
    listener: HandshakeSetup,
) -> Result<(Secured, Secured), SecurityError> {
    let mut sides = [Side::new(a.start(dialer, NOW)), Side::new(b.start(listener, NOW))];
    let [a, b] = &mut sides;
    meet(a, b, || usize::MAX)
}
