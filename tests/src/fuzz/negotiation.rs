//! multistream-select.

use super::layers::{feed, split_chunk};
use peerwork_core::negotiation::{Dialer, Listener, ProtocolId};
use peerwork_core::time::Instant;
use std::sync::Arc;

const PROTOCOLS: [ProtocolId; 3] = [
    ProtocolId::from_static("/yamux/1.0.0"),
    ProtocolId::from_static("/mplex/6.7.0"),
    ProtocolId::from_static("/echo/1.0.0"),
];

/// What a listener answers to a dialer: the agreement, and what is left, do not depend on how it is cut.
pub fn multistream_dialer(data: &[u8]) {
    let (chunk, data) = split_chunk(data);
    let dialer = || Dialer::new(PROTOCOLS.into_iter().collect(), Instant::ORIGIN);
    let whole = feed(&mut dialer(), data, data.len());
    assert!(whole.events.iter().all(|agreed| PROTOCOLS.contains(&agreed.0)));
    assert_eq!(whole, feed(&mut dialer(), data, chunk));
}

/// What a dialer sends to a listener: as [`multistream_dialer`].
pub fn multistream_listener(data: &[u8]) {
    let (chunk, data) = split_chunk(data);
    let listener = || Listener::<[_]>::new(Arc::new(PROTOCOLS), Instant::ORIGIN);
    let whole = feed(&mut listener(), data, data.len());
    assert!(whole.events.iter().all(|agreed| PROTOCOLS.contains(&agreed.0)));
    assert_eq!(whole, feed(&mut listener(), data, chunk));
}
