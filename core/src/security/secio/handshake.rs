//! The three steps of the handshake: Propose, Exchange, nonce.

use super::Secio;
use super::channel::SecioChannel;
use super::codec::{self, Exchange, LENGTH_BYTES, NONCE_BYTES, Propose};
use super::keys::Keys;
use crate::crypto::{Cipher, CryptoProvider, Curve, EphemeralKey, Hash};
use crate::identity::{Keypair, PeerId, PublicKey};
use crate::security::stepwise::{Progress, Step, Stepwise};
use crate::security::{Channel, HandshakeSetup, Secured, SecurityError, check_peer};
use bytes::{BufMut, BytesMut};
use std::cmp::Ordering;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How often a private scalar is drawn. One draw in 2^32 is out of P-256's range, and fewer of the others', so all of them are
/// only if the provider does not have the curve.
const SCALAR_DRAWS: usize = 8;

/// Fills a buffer with random bytes: first the nonce, then candidates for the private scalar.
pub(super) type Draw = Box<dyn FnMut(&mut [u8]) + Send>;

/// Starts a handshake that offers what is configured and draws from the setup's seed.
pub(super) fn start(config: &Secio, setup: HandshakeSetup) -> Stepwise<SecioStep> {
    let HandshakeSetup { keypair, expected_peer, crypto, mut seed, role: _, muxers: _, wall_clock: _ } =
        setup;
    let local = Local { config: config.clone(), keypair, expected_peer, crypto };
    propose(local, Box::new(move |out| seed.fill(out)))
}

/// Starts a handshake with everything given that [`start`] makes.
pub(super) fn propose(local: Local, mut draw: Draw) -> Stepwise<SecioStep> {
    let mut nonce = [0; NONCE_BYTES];
    draw(&mut nonce);
    let propose = Propose {
        nonce: &nonce,
        public_key: &local.keypair.public().to_protobuf(),
        curves: &codec::names(&local.config.curves),
        ciphers: &codec::names(&local.config.ciphers),
        hashes: &codec::names(&local.config.hashes),
    };
    let propose = propose.encode();
    let mut transmit = BytesMut::new();
    codec::put_message(&propose, &mut transmit);
    Stepwise::new(SecioStep::Propose(AwaitPropose { local, nonce, propose, draw }), transmit)
}

/// What is given on our side.
pub(super) struct Local {
    pub(super) config: Secio,
    pub(super) keypair: Arc<Keypair>,
    pub(super) expected_peer: Option<PeerId>,
    pub(super) crypto: Arc<dyn CryptoProvider>,
}

/// What the remote has yet to send.
pub(super) enum SecioStep {
    Propose(AwaitPropose),
    Exchange(AwaitExchange),
    Nonce(AwaitNonce),
}

impl Step for SecioStep {
    fn awaits(&self) -> &'static str {
        match self {
            Self::Propose(_) => "its Propose message",
            Self::Exchange(_) => "its Exchange message",
            Self::Nonce(_) => "our nonce to come back",
        }
    }

    fn advance(self, input: &mut BytesMut, transmit: &mut BytesMut) -> Result<Progress<Self>, SecurityError> {
        match self {
            Self::Propose(step) => match codec::split_message(input)? {
                None => Ok(Progress::NeedMore(Self::Propose(step))),
                Some(message) => Ok(Progress::Next(Self::Exchange(step.receive(&message, transmit)?))),
            },
            Self::Exchange(step) => match codec::split_message(input)? {
                None => Ok(Progress::NeedMore(Self::Exchange(step))),
                Some(message) => Ok(Progress::Next(Self::Nonce(step.receive(&message, transmit)?))),
            },
            Self::Nonce(step) => step.advance(input),
        }
    }
}

pub(super) struct AwaitPropose {
    local: Local,
    nonce: [u8; NONCE_BYTES],
    /// Our Propose as it was sent: the signatures cover it.
    propose: BytesMut,
    draw: Draw,
}

impl AwaitPropose {
    fn receive(mut self, message: &[u8], transmit: &mut BytesMut) -> Result<AwaitExchange, SecurityError> {
        let theirs = Propose::decode(message)?;
        let public_key = PublicKey::from_protobuf(theirs.public_key)?;
        let peer = public_key.to_peer_id();
        check_peer(peer, self.local.keypair.public(), self.local.expected_peer)?;
        let suite = self.choose(&theirs)?;
        let ephemeral = self.ephemeral_key(suite.curve)?;

        let Local { config, keypair, crypto, .. } = self.local;
        let point = ephemeral.public_point();
        let signature = crypto
            .sign(&keypair, &[&self.propose, message, point].concat())
            .map_err(|error| SecurityError::Local(error.to_string()))?;
        codec::put_message(&Exchange { point, signature: &signature }.encode(), transmit);

        Ok(AwaitExchange {
            config,
            crypto,
            suite,
            ephemeral,
            nonce: self.nonce,
            remote_nonce: *theirs.nonce,
            peer,
            public_key,
            proposals: [message, &self.propose].concat(),
        })
    }

    /// The algorithms, and whose preferences decided.
    fn choose(&self, theirs: &Propose<'_>) -> Result<Suite, SecurityError> {
        let Local { config, keypair, crypto, .. } = &self.local;
        let ours_hash = crypto.hash(Hash::Sha256, &[theirs.public_key, &self.nonce]);
        let theirs_hash = crypto.hash(Hash::Sha256, &[&keypair.public().to_protobuf(), theirs.nonce]);
        let ours_first = match ours_hash.as_bytes().cmp(theirs_hash.as_bytes()) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal => return Err(SecurityError::SelfDial),
        };
        Ok(Suite {
            ours_first,
            curve: codec::choose(&config.curves, theirs.curves, ours_first)?,
            cipher: codec::choose(&config.ciphers, theirs.ciphers, ours_first)?,
            hash: codec::choose(&config.hashes, theirs.hashes, ours_first)?,
        })
    }

    fn ephemeral_key(&mut self, curve: Curve) -> Result<Box<dyn EphemeralKey>, SecurityError> {
        let mut scalar = Zeroizing::new(vec![0; curve.field_bytes()]);
        // Without this, 127 draws of 128 would be out of P-521's range.
        let first_byte_mask = 0xff >> (8 * curve.field_bytes() - curve.scalar_bits());
        for _ in 0..SCALAR_DRAWS {
            (self.draw)(&mut scalar);
            scalar[0] &= first_byte_mask;
            if let Ok(key) = self.local.crypto.ephemeral_key(curve, &scalar) {
                return Ok(key);
            }
        }
        let provider = self.local.crypto.name();
        Err(SecurityError::Local(format!("the {provider} crypto provider does not have {curve:?}")))
    }
}

/// What was agreed.
struct Suite {
    ours_first: bool,
    curve: Curve,
    cipher: Cipher,
    hash: Hash,
}

pub(super) struct AwaitExchange {
    config: Secio,
    crypto: Arc<dyn CryptoProvider>,
    suite: Suite,
    ephemeral: Box<dyn EphemeralKey>,
    nonce: [u8; NONCE_BYTES],
    remote_nonce: [u8; NONCE_BYTES],
    peer: PeerId,
    public_key: PublicKey,
    /// What the remote signs, but for its ephemeral point: its Propose and ours.
    proposals: Vec<u8>,
}

impl AwaitExchange {
    fn receive(self, message: &[u8], transmit: &mut BytesMut) -> Result<AwaitNonce, SecurityError> {
        let Exchange { point, signature } = Exchange::decode(message)?;
        let signed = [self.proposals.as_slice(), point].concat();
        if !self.crypto.verify(&self.public_key, &signed, signature) {
            return Err(SecurityError::NotAuthentic("the signature is not the peer's"));
        }
        let secret = self
            .ephemeral
            .agree(point)
            .map_err(|_| SecurityError::NotAuthentic("the ephemeral key is not a point on the curve"))?;

        let mut channel = self.channel(&secret);
        let frame_start = transmit.len();
        transmit.put_bytes(0, LENGTH_BYTES);
        transmit.extend_from_slice(&self.remote_nonce);
        channel.seal(transmit, frame_start)?;
        Ok(AwaitNonce {
            channel,
            nonce: self.nonce,
            plain: BytesMut::new(),
            peer: self.peer,
            public_key: self.public_key,
        })
    }

    fn channel(&self, secret: &[u8]) -> SecioChannel {
        let Suite { ours_first, cipher, hash, .. } = self.suite;
        let secret = self.config.secret_width.cut(secret);
        let keys = Keys::derive(&*self.crypto, cipher, hash, secret);
        let (first, second) = keys.halves();
        let directions = if ours_first { (first, second) } else { (second, first) };
        SecioChannel::new(&*self.crypto, (cipher, hash), directions, self.config.max_frame_bytes)
    }
}

pub(super) struct AwaitNonce {
    channel: SecioChannel,
    /// Ours, which the remote has to send back.
    nonce: [u8; NONCE_BYTES],
    /// The start of the remote's stream: less than a nonce.
    plain: BytesMut,
    peer: PeerId,
    public_key: PublicKey,
}

impl AwaitNonce {
    /// Takes one frame. Empty ones are legal; how many come is bounded by the connection's time limit for handshakes.
    fn advance(mut self, input: &mut BytesMut) -> Result<Progress<SecioStep>, SecurityError> {
        let Some(plain) = self.channel.open_frame(input)? else {
            return Ok(Progress::NeedMore(SecioStep::Nonce(self)));
        };
        self.plain.unsplit(plain);
        if self.plain.len() < NONCE_BYTES {
            return Ok(Progress::Next(SecioStep::Nonce(self)));
        }
        if *self.plain.split_to(NONCE_BYTES) != self.nonce {
            return Err(SecurityError::NotAuthentic("another nonce than ours came back"));
        }
        let Self { channel, plain, peer, public_key, .. } = self;
        Ok(Progress::Done(Secured { peer, public_key, channel: Box::new(channel), muxer: None, plain }))
    }
}
