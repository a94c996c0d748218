//! Any security protocol as a layer for the law checks: the handshake, and then the channel.

use super::layer::{LayerSubject, Step, record};
use super::{Log, opposite};
use bytes::BytesMut;
use peerwork_core::crypto::CryptoProvider;
use peerwork_core::identity::{Keypair, PeerId};
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::security::{
    Channel, ChannelError, Handshake, HandshakeSetup, Opened, Role, SecurityError, SecurityProtocol,
};
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

/// One side of a security protocol. The other side is the same protocol in the other role; once both are secured they send each other
/// messages.
#[derive(Debug, Clone)]
pub struct SecuritySubject {
    protocol: Arc<dyn SecurityProtocol>,
    crypto: Arc<dyn CryptoProvider>,
    role: Role,
}

/// How many messages are sent, or waits waited.
const OPERATIONS: usize = 10;

impl SecuritySubject {
    /// The side of `protocol` that has this role.
    pub fn new(protocol: Arc<dyn SecurityProtocol>, crypto: Arc<dyn CryptoProvider>, role: Role) -> Self {
        Self { protocol, crypto, role }
    }

    fn partner(&self) -> Self {
        Self { role: opposite(self.role), ..self.clone() }
    }

    /// The identity of this side, and the randomness for its handshake.
    fn identity(&self, case: u64) -> (Keypair, Seed) {
        let mut seed = Seed::reproducible(case).child(&format!("{:?}", self.role));
        (Keypair::generate_ed25519(&mut seed), seed)
    }
}

impl LayerSubject for SecuritySubject {
    type Layer = SecuredPipe;

    fn name(&self) -> String {
        format!("{} {:?}, {}", self.protocol.id(), self.role, self.crypto.name()).to_lowercase()
    }

    fn build(&self, case: u64, now: Instant) -> SecuredPipe {
        let (keypair, seed) = self.identity(case);
        let expected_peer = (self.role == Role::Dialer).then(|| {
            let (keypair, _) = self.partner().identity(case);
            keypair.public().to_peer_id()
        });
        let (keypair, crypto) = (Arc::new(keypair), Arc::clone(&self.crypto));
        let setup = HandshakeSetup {
            role: self.role,
            keypair,
            expected_peer,
            crypto,
            muxers: Arc::new([]),
            wall_clock: None,
            seed,
        };
        SecuredPipe {
            phase: Phase::Handshake(self.protocol.start(setup, now)),
            unsent: BytesMut::new(),
            events: VecDeque::new(),
        }
    }

    fn script(&self, case: u64) -> Result<Vec<Step>, String> {
        record(self, &self.partner(), case, OPERATIONS)
    }

    fn operate(&self, pipe: &mut SecuredPipe, number: u64, _now: Instant, _log: &mut Log) {
        let len = number % 600;
        let message: Vec<_> = (0..len).map(|at| (number >> (at % 64)) as u8).collect();
        pipe.send(&message);
    }

    fn event(&self, _pipe: &mut SecuredPipe, event: PipeEvent, _now: Instant, log: &mut Log) {
        match event {
            PipeEvent::Plain(bytes) => log.bytes(0, &bytes),
            PipeEvent::Secured(_) | PipeEvent::Ended(_) => log.fact(event),
        }
    }
}

/// A handshake, and then its channel, without a muxer.
pub struct SecuredPipe {
    phase: Phase,
    unsent: BytesMut,
    events: VecDeque<PipeEvent>,
}

enum Phase {
    Handshake(Box<dyn Handshake>),
    Open(Box<dyn Channel>),
    /// The channel is dead. It is asked again, because that is what law 7 is about.
    Dead(Box<dyn Channel>),
    Over(Close),
}

/// What a [`SecuredPipe`] tells.
#[derive(Debug)]
pub enum PipeEvent {
    /// The handshake is over, with this peer.
    Secured(PeerId),
    /// Plaintext.
    Plain(BytesMut),
    /// The remote will send nothing more. `None`: so said the channel.
    Ended(Option<End>),
}

/// Why a [`SecuredPipe`] died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PipeError {
    /// In the handshake.
    Handshake(SecurityError),
    /// After it.
    Channel(ChannelError),
}

impl SecuredPipe {
    fn send(&mut self, message: &[u8]) {
        let Phase::Open(channel) = &mut self.phase else { return };
        for part in message.chunks(channel.max_plaintext()) {
            let frame_start = self.unsent.len();
            self.unsent.resize(frame_start + channel.headroom(), 0);
            self.unsent.extend_from_slice(part);
            if channel.seal(&mut self.unsent, frame_start).is_err() {
                self.unsent.truncate(frame_start);
                return self.die();
            }
        }
    }

    fn die(&mut self) {
        self.phase = match mem::replace(&mut self.phase, Phase::Over(Close::Now)) {
            Phase::Open(channel) => Phase::Dead(channel),
            other => other,
        };
    }

    /// Turns the handshake into its channel once it is over.
    fn promote(&mut self, now: Instant) {
        let Phase::Handshake(handshake) = &mut self.phase else { return };
        let Some(secured) = handshake.poll_event() else { return };
        while handshake.poll_transmit(&mut self.unsent, usize::MAX, now) > 0 {}
        self.events.push_back(PipeEvent::Secured(secured.peer));
        self.events.push_back(PipeEvent::Plain(secured.plain));
        self.phase = Phase::Open(secured.channel);
    }

    fn open(&mut self, input: &mut BytesMut) -> Result<(), ChannelError> {
        while let Phase::Open(channel) | Phase::Dead(channel) = &mut self.phase {
            match channel.open(input) {
                Ok(Opened::NeedMore) => break,
                Ok(Opened::Plain(plain)) => self.events.push_back(PipeEvent::Plain(plain)),
                Ok(Opened::Closed) => {
                    self.events.push_back(PipeEvent::Ended(None));
                    self.phase = Phase::Over(Close::Flush);
                }
                Err(error) => {
                    self.die();
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

impl Layer for SecuredPipe {
    type Event = PipeEvent;
    type Error = PipeError;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), PipeError> {
        if let Phase::Handshake(handshake) = &mut self.phase {
            handshake.handle_input(input, now).map_err(PipeError::Handshake)?;
            self.promote(now);
        }
        self.open(input).map_err(PipeError::Channel)
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        match &mut self.phase {
            Phase::Handshake(handshake) => handshake.handle_end(end, now),
            Phase::Open(_) => {
                self.events.push_back(PipeEvent::Ended(Some(end)));
                self.phase = Phase::Over(if end == End::Closed { Close::Flush } else { Close::Now });
            }
            Phase::Dead(_) | Phase::Over(_) => {}
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Phase::Handshake(handshake) = &mut self.phase {
            handshake.handle_timeout(now);
            self.promote(now);
        }
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        if let Phase::Handshake(handshake) = &mut self.phase {
            return handshake.poll_transmit(out, max, now);
        }
        let len = self.unsent.len().min(max);
        out.extend_from_slice(&self.unsent.split_to(len));
        len
    }

    fn poll_event(&mut self) -> Option<PipeEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        match &self.phase {
            Phase::Handshake(handshake) => handshake.poll_timeout(),
            Phase::Open(_) | Phase::Dead(_) | Phase::Over(_) => None,
        }
    }

    fn wants_input(&self) -> bool {
        match &self.phase {
            Phase::Handshake(handshake) => handshake.wants_input(),
            Phase::Open(_) => true,
            Phase::Dead(_) | Phase::Over(_) => false,
        }
    }

    fn poll_close(&mut self) -> Option<Close> {
        match &mut self.phase {
            Phase::Handshake(handshake) => handshake.poll_close(),
            Phase::Open(_) => None,
            Phase::Dead(_) => Some(Close::Now),
            Phase::Over(close) => Some(*close),
        }
    }
}
