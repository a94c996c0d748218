//! multistream-select: a dialer and a listener that agree on a protocol, or on none.

use peerwork_core::negotiation::{Dialer, Listener, ProtocolId};
use peerwork_core::seed::Seed;
use peerwork_core::time::Instant;
use peerwork_tests::laws::layer::{LayerSubject, Step, record};
use std::sync::Arc;

const NAMES: [ProtocolId; 5] = [
    ProtocolId::from_static("/noise"),
    ProtocolId::from_static("/secio/1.0.0"),
    ProtocolId::from_static("/plaintext/2.0.0"),
    ProtocolId::from_static("/mplex/6.7.0"),
    ProtocolId::from_static("/yamux/1.0.0"),
];

/// One to four names in an order by chance.
fn some_names(case: u64, whose: &str) -> Vec<ProtocolId> {
    let mut draw = Seed::reproducible(case).child(whose);
    let mut names = NAMES.to_vec();
    (0..1 + draw.below(4)).map(|_| names.swap_remove(draw.below(names.len() as u64) as usize)).collect()
}

/// What the remote sends behind its last message belongs to the protocol.
fn script<A: LayerSubject, B: LayerSubject>(a: &A, b: &B, case: u64) -> Result<Vec<Step>, String> {
    let mut script = record(a, b, case, 1)?;
    let last = script.iter_mut().rev().find_map(|step| match step {
        Step::Input(bytes) => Some(bytes),
        _ => None,
    });
    if let Some(bytes) = last {
        *bytes = [&bytes[..], b"\x05hello"].concat().into();
    }
    Ok(script)
}

pub(crate) struct Dialing;

impl LayerSubject for Dialing {
    type Layer = Dialer;

    fn name(&self) -> String {
        "multistream-select dialer".to_owned()
    }

    fn build(&self, case: u64, now: Instant) -> Dialer {
        Dialer::new(some_names(case, "dialer").into(), now)
    }

    fn script(&self, case: u64) -> Result<Vec<Step>, String> {
        script(self, &Listening, case)
    }
}

pub(crate) struct Listening;

impl LayerSubject for Listening {
    type Layer = Listener<[ProtocolId]>;

    fn name(&self) -> String {
        "multistream-select listener".to_owned()
    }

    fn build(&self, case: u64, now: Instant) -> Listener<[ProtocolId]> {
        Listener::new(Arc::from(some_names(case, "listener")), now)
    }

    fn script(&self, case: u64) -> Result<Vec<Step>, String> {
        script(self, &Dialing, case)
    }
}
