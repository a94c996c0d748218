//! multistream-select: a dialer and a listener that agree on a protocol, or on none.

use bytes::{Bytes, BytesMut};
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::negotiation::{Dialer, Listener, Negotiated, NegotiationError, ProtocolId};
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use peerwork_tests::laws::layer::{self, LayerSubject, Step, record};
use peerwork_tests::laws::{Cases, Law};
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

pub(crate) struct Dialing {
    pub(crate) lazy: bool,
}

impl LayerSubject for Dialing {
    type Layer = Dialer;

    fn name(&self) -> String {
        format!("multistream-select dialer{}", if self.lazy { ", lazy" } else { "" })
    }

    fn build(&self, case: u64, now: Instant) -> Dialer {
        let names = some_names(case, "dialer").into();
        if self.lazy { Dialer::lazy(names, now) } else { Dialer::new(names, now) }
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
        script(self, &Dialing { lazy: case.is_multiple_of(2) }, case)
    }
}

/// A lazy dialer of two protocols, and a remote that refuses both at once.
struct Refused {
    forgets: bool,
}

/// A lazy dialer. If it `forgets`, it takes input while its event waits, and a refusal that comes then makes it forget the event.
struct Forgetful {
    dialer: Dialer,
    forgets: bool,
    event: Option<Negotiated>,
}

impl LayerSubject for Refused {
    type Layer = Forgetful;

    fn name(&self) -> String {
        format!("lazy dialer that forgets: {}", self.forgets)
    }

    fn build(&self, _case: u64, now: Instant) -> Forgetful {
        let dialer = Dialer::lazy(NAMES[..2].iter().cloned().collect(), now);
        Forgetful { dialer, forgets: self.forgets, event: None }
    }

    fn script(&self, _case: u64) -> Result<Vec<Step>, String> {
        Ok(vec![Step::Input(Bytes::from_static(b"\x13/multistream/1.0.0\n\x03na\n\x03na\n"))])
    }
}

impl Layer for Forgetful {
    type Event = Negotiated;
    type Error = NegotiationError;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), NegotiationError> {
        loop {
            let result = self.dialer.handle_input(input, now);
            if result.is_err() {
                self.event = None;
            }
            match self.dialer.poll_event() {
                Some(event) => self.event = Some(event),
                None => return result,
            }
            if !self.forgets {
                return result;
            }
        }
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        self.dialer.handle_end(end, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.dialer.handle_timeout(now);
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        self.dialer.poll_transmit(out, max, now)
    }

    fn poll_event(&mut self) -> Option<Negotiated> {
        self.event.take()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.dialer.poll_timeout()
    }

    fn wants_input(&self) -> bool {
        self.event.is_none() && self.dialer.wants_input()
    }

    fn poll_close(&mut self) -> Option<Close> {
        self.dialer.poll_close()
    }
}

#[test]
fn a_lazy_dialer_that_forgets_its_event_is_caught() {
    let check = |forgets| layer::check(&Refused { forgets }, Law::ChunkBlind, &Cases::new(4));
    assert!(check(false).is_ok_and(|cases| cases == 4));
    let violation = check(true).unwrap_err().to_string();
    assert!(violation.contains("Negotiated"), "{violation}");
}
