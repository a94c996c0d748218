//! Broken twins: any layer, made to break one law on purpose, so that its check can be seen to fail.

use super::{LayerSubject, Step};
use crate::laws::{Law, Log};
use bytes::BytesMut;
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::time::{Deadline, Instant};
use std::sync::atomic::{AtomicU64, Ordering};

/// A way for a layer to break a law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Every second instance loses its first output, whatever its seed.
    CountsInstances,
    /// What input brings is there only after the next wake-up, and no deadline says so.
    OutputUnannounced,
    /// What input brings is there only after a wake-up, which is due at once.
    OutputBehindTimer,
    /// The deadline stays in the past.
    Spins,
    /// Wants to be offered the same input twice.
    OneOfferLate,
    /// Takes a chunk of one byte for nothing.
    DropsSingleBytes,
    /// New input discards what is not yet sent.
    DropsUnsent,
    /// Takes no input while something is not yet sent.
    WaitsForFlush,
    /// An early wake-up makes it send something.
    WakesEarly,
    /// An earlier `now` makes it send something.
    FollowsClockBack,
    /// Takes input as if nothing had happened.
    Revives,
    /// Goes on sending.
    SendsAfterDeath,
}

/// The number of the next instance of [`Fault::CountsInstances`].
static INSTANCES: AtomicU64 = AtomicU64::new(0);

/// Every fault with the law that it breaks and what the table of results calls it.
pub(super) const FAULTS: [(Law, Fault, &str); 12] = [
    (Law::Pure, Fault::CountsInstances, "counts instances"),
    (Law::Visible, Fault::OutputUnannounced, "output unannounced"),
    (Law::Visible, Fault::OutputBehindTimer, "output behind a timer"),
    (Law::Visible, Fault::Spins, "spins"),
    (Law::Visible, Fault::OneOfferLate, "one offer late"),
    (Law::ChunkBlind, Fault::DropsSingleBytes, "drops single bytes"),
    (Law::SlowWriterSafe, Fault::DropsUnsent, "drops unsent"),
    (Law::SlowWriterSafe, Fault::WaitsForFlush, "waits for a flush"),
    (Law::SoftTime, Fault::WakesEarly, "wakes early"),
    (Law::SoftTime, Fault::FollowsClockBack, "follows the clock back"),
    (Law::DeadMeansDead, Fault::Revives, "revives"),
    (Law::DeadMeansDead, Fault::SendsAfterDeath, "sends after death"),
];

/// The description of a layer, of which every instance has a fault.
pub(super) struct Twin<'a, S> {
    subject: &'a S,
    fault: Fault,
}

impl<'a, S> Twin<'a, S> {
    pub(super) fn new(subject: &'a S, fault: Fault) -> Self {
        Self { subject, fault }
    }
}

impl<S: LayerSubject> LayerSubject for Twin<'_, S> {
    type Layer = BrokenLayer<S::Layer>;

    fn name(&self) -> String {
        format!("{} with a fault", self.subject.name())
    }

    fn build(&self, case: u64, now: Instant) -> Self::Layer {
        let counts = self.fault == Fault::CountsInstances;
        let swallow = counts && INSTANCES.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        BrokenLayer {
            inner: self.subject.build(case, now),
            fault: self.fault,
            now,
            swallow,
            held: None,
            dead: false,
            unsent: BytesMut::new(),
            offered: 0,
        }
    }

    fn script(&self, case: u64) -> Result<Vec<Step>, String> {
        self.subject.script(case)
    }

    fn operate(&self, layer: &mut Self::Layer, number: u64, now: Instant, log: &mut Log) {
        self.subject.operate(&mut layer.inner, number, now, log);
        layer.after_call();
    }

    fn event(
        &self,
        layer: &mut Self::Layer,
        event: <Self::Layer as Layer>::Event,
        now: Instant,
        log: &mut Log,
    ) {
        self.subject.event(&mut layer.inner, event, now, log);
        layer.after_call();
    }

    fn sent(&self, case: u64, bytes: &[u8], log: &mut Log) {
        self.subject.sent(case, bytes, log);
    }
}

/// A layer with a fault.
pub(super) struct BrokenLayer<L> {
    inner: L,
    fault: Fault,
    /// The latest `now`.
    now: Instant,
    /// The next output is to be lost.
    swallow: bool,
    /// Since when output is held back.
    held: Option<Instant>,
    dead: bool,
    /// Sent before anything of the inner layer.
    unsent: BytesMut,
    /// Bytes of input at the last offer.
    offered: usize,
}

impl<L: Layer> BrokenLayer<L> {
    fn before_call(&mut self, now: Instant) {
        let back = now < self.now && self.fault == Fault::FollowsClockBack;
        let dead = self.dead && self.fault == Fault::SendsAfterDeath;
        if back || dead {
            self.unsent.extend_from_slice(b"!");
        }
        self.now = self.now.max(now);
    }

    fn after_call(&mut self) {
        if self.fault == Fault::WaitsForFlush {
            self.inner.poll_transmit(&mut self.unsent, usize::MAX, self.now);
        }
    }

    fn hold_back(&mut self) {
        if matches!(self.fault, Fault::OutputUnannounced | Fault::OutputBehindTimer) {
            self.held = Some(self.now);
        }
    }

    /// Whether this offer of input is to be passed over in silence.
    fn ignores(&mut self, input: &mut BytesMut) -> bool {
        let offered = std::mem::replace(&mut self.offered, input.len());
        match self.fault {
            Fault::DropsSingleBytes if input.len() == 1 => {
                input.clear();
                true
            }
            Fault::OneOfferLate => offered != input.len(),
            Fault::WaitsForFlush => !self.unsent.is_empty(),
            Fault::Revives => {
                let dead = self.dead;
                self.dead = false;
                dead
            }
            _ => false,
        }
    }
}

impl<L: Layer> Layer for BrokenLayer<L> {
    type Event = L::Event;
    type Error = L::Error;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), Self::Error> {
        self.before_call(now);
        if self.ignores(input) {
            return Ok(());
        }
        if self.fault == Fault::DropsUnsent {
            self.inner.poll_transmit(&mut BytesMut::new(), usize::MAX, now);
        }
        let result = self.inner.handle_input(input, now);
        self.dead |= result.is_err();
        self.hold_back();
        self.after_call();
        result
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        self.before_call(now);
        self.inner.handle_end(end, now);
        self.hold_back();
        self.after_call();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.before_call(now);
        self.held = None;
        let early = self.inner.poll_timeout().is_none_or(|deadline| now < deadline.at);
        if early && self.fault == Fault::WakesEarly {
            self.unsent.extend_from_slice(b"!");
        }
        self.inner.handle_timeout(now);
        if self.fault == Fault::Spins {
            self.held = Some(now);
        }
        self.after_call();
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        if max == 0 || (self.held.is_some() && self.fault != Fault::Spins) {
            return 0;
        }
        if !self.unsent.is_empty() {
            let unsent = self.unsent.split();
            out.extend_from_slice(&unsent);
            return unsent.len();
        }
        let count = self.inner.poll_transmit(out, max, now);
        if count > 0 && std::mem::take(&mut self.swallow) {
            out.truncate(out.len() - 1);
            return count - 1;
        }
        count
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        if self.held.is_some() && self.fault != Fault::Spins {
            return None;
        }
        let event = self.inner.poll_event()?;
        if std::mem::take(&mut self.swallow) { self.inner.poll_event() } else { Some(event) }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        let ours = match self.fault {
            Fault::OutputBehindTimer => self.held.map(|since| Deadline::new(since, "output")),
            Fault::Spins => self.held.map(|since| Deadline::new(since, "spinning")),
            _ => None,
        };
        Deadline::earlier(ours, self.inner.poll_timeout())
    }

    fn wants_input(&self) -> bool {
        let waits = self.fault == Fault::WaitsForFlush && !self.unsent.is_empty();
        !waits && self.inner.wants_input()
    }

    fn poll_close(&mut self) -> Option<Close> {
        let close = self.inner.poll_close();
        match (close, self.fault) {
            (Some(Close::Now), Fault::Revives) if std::mem::replace(&mut self.dead, true) => None,
            _ => {
                self.dead |= close == Some(Close::Now);
                close
            }
        }
    }
}
