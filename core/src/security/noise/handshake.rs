//! The handshake as libp2p has it: the pattern, and in its payloads who the two sides are and which muxers they speak.

use super::channel::{CipherState, NoiseChannel};
use super::codec::{self, Payload};
use super::pattern::{KEY_BYTES, Pattern, RemoteKey, private_key};
use crate::crypto::{CryptoProvider, EphemeralKey};
use crate::identity::{Keypair, PeerId, PublicKey};
use crate::negotiation::ProtocolId;
use crate::security::stepwise::{Progress, Step, Stepwise};
use crate::security::{HandshakeSetup, Role, Secured, SecurityError, check_peer};
use crate::seed::Seed;
use bytes::BytesMut;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What the identity key signs in front of the static key.
const SIGNED_PREFIX: &[u8] = b"noise-libp2p-static-key:";

/// Our static key, and what proves that it is ours. It can be used in any number of handshakes.
pub(super) struct StaticKey {
    key: Arc<dyn EphemeralKey>,
    /// By the identity key.
    signature: Vec<u8>,
}

impl StaticKey {
    /// # Errors
    /// [`SecurityError::Local`]: the provider does not have the curve, or does not sign with keys of the identity's type.
    pub(super) fn new(
        crypto: &dyn CryptoProvider,
        keypair: &Keypair,
        scalar: &[u8; KEY_BYTES],
    ) -> Result<Self, SecurityError> {
        let key: Arc<dyn EphemeralKey> = private_key(crypto, scalar)?.into();
        let signature = crypto
            .sign(keypair, &[SIGNED_PREFIX, key.public_point()].concat())
            .map_err(|error| SecurityError::Local(error.to_string()))?;
        Ok(Self { key, signature })
    }

    /// One that is drawn from the seed.
    ///
    /// # Errors
    /// As [`StaticKey::new`].
    pub(super) fn draw(
        crypto: &dyn CryptoProvider,
        keypair: &Keypair,
        seed: &mut Seed,
    ) -> Result<Self, SecurityError> {
        Self::new(crypto, keypair, &Zeroizing::new(seed.bytes()))
    }
}

/// Starts a handshake with a static key, and an ephemeral one from the setup's seed.
pub(super) fn start(
    mut setup: HandshakeSetup,
    static_key: Result<Arc<StaticKey>, SecurityError>,
) -> Stepwise<NoiseStep> {
    let ephemeral_scalar = Zeroizing::new(setup.seed.bytes());
    match static_key.and_then(|key| first_step(setup, key, &ephemeral_scalar)) {
        Ok((step, transmit)) => Stepwise::new(step, transmit),
        Err(error) => Stepwise::failed(error),
    }
}

/// Starts a handshake with these keys.
#[cfg(test)]
pub(super) fn start_with(
    setup: HandshakeSetup,
    static_scalar: &[u8; KEY_BYTES],
    ephemeral_scalar: &[u8; KEY_BYTES],
) -> Stepwise<NoiseStep> {
    let static_key = StaticKey::new(&*setup.crypto, &setup.keypair, static_scalar);
    match static_key.and_then(|key| first_step(setup, Arc::new(key), ephemeral_scalar)) {
        Ok((step, transmit)) => Stepwise::new(step, transmit),
        Err(error) => Stepwise::failed(error),
    }
}

fn first_step(
    setup: HandshakeSetup,
    static_key: Arc<StaticKey>,
    ephemeral_scalar: &[u8; KEY_BYTES],
) -> Result<(NoiseStep, BytesMut), SecurityError> {
    let HandshakeSetup { role, keypair, expected_peer, crypto, muxers, wall_clock: _, seed: _ } = setup;
    let ephemeral_key = private_key(&*crypto, ephemeral_scalar)?;
    let mut pattern = Pattern::new(Arc::clone(&crypto), &[], Arc::clone(&static_key.key), ephemeral_key);
    let mut transmit = BytesMut::new();
    if role == Role::Dialer {
        codec::put_message(&mut transmit, |out| pattern.write_first(&[], out))?;
    }
    let side = Side { keypair, static_key, expected_peer, crypto, muxers, pattern };
    let step = match role {
        Role::Dialer => NoiseStep::Second(side),
        Role::Listener => NoiseStep::First(side),
    };
    Ok((step, transmit))
}

/// Which message the remote has yet to send.
pub(super) enum NoiseStep {
    /// To the listener.
    First(Side),
    /// To the dialer.
    Second(Side),
    /// To the listener.
    Third(Side),
}

impl Step for NoiseStep {
    fn awaits(&self) -> &'static str {
        match self {
            Self::First(_) => "its ephemeral key",
            Self::Second(_) => "its answer to our ephemeral key",
            Self::Third(_) => "its identity",
        }
    }

    fn advance(self, input: &mut BytesMut, transmit: &mut BytesMut) -> Result<Progress<Self>, SecurityError> {
        let Some(message) = codec::split_message(input)? else {
            return Ok(Progress::NeedMore(self));
        };
        match self {
            Self::First(side) => Ok(Progress::Next(Self::Third(side.answer(message, transmit)?))),
            Self::Second(side) => Ok(Progress::Done(side.conclude(message, transmit)?)),
            Self::Third(side) => Ok(Progress::Done(side.accept(message)?)),
        }
    }
}

/// One side, until it is done.
pub(super) struct Side {
    keypair: Arc<Keypair>,
    static_key: Arc<StaticKey>,
    expected_peer: Option<PeerId>,
    crypto: Arc<dyn CryptoProvider>,
    muxers: Arc<[ProtocolId]>,
    pattern: Pattern,
}

impl Side {
    /// The listener takes message 1 and sends message 2. It tells its identity to a dialer of which it knows nothing.
    fn answer(mut self, mut message: BytesMut, transmit: &mut BytesMut) -> Result<Self, SecurityError> {
        let remote_ephemeral = self.pattern.read_first(&mut message)?;
        let payload = self.payload();
        codec::put_message(transmit, |out| self.pattern.write_second(&remote_ephemeral, &payload, out))?;
        Ok(self)
    }

    /// The dialer takes message 2 and, to the right listener, sends message 3.
    fn conclude(mut self, mut message: BytesMut, transmit: &mut BytesMut) -> Result<Secured, SecurityError> {
        let (remote_ephemeral, remote_static) = self.pattern.read_second(&mut message)?;
        let theirs = Payload::decode(&message)?;
        let public_key = self.authenticate(&theirs, &remote_static)?;
        let muxer = self.muxers.iter().find(|id| theirs.has_muxer(id)).cloned();
        let payload = self.payload();
        codec::put_message(transmit, |out| self.pattern.write_third(&remote_ephemeral, &payload, out))?;
        let (outbound, inbound) = self.pattern.split();
        Ok(secured(public_key, muxer, outbound, inbound))
    }

    /// The listener takes message 3.
    fn accept(mut self, mut message: BytesMut) -> Result<Secured, SecurityError> {
        let remote_static = self.pattern.read_third(&mut message)?;
        let theirs = Payload::decode(&message)?;
        let public_key = self.authenticate(&theirs, &remote_static)?;
        let muxer = theirs.first_muxer_of(&self.muxers);
        let (inbound, outbound) = self.pattern.split();
        Ok(secured(public_key, muxer, outbound, inbound))
    }

    /// Our payload.
    fn payload(&self) -> BytesMut {
        codec::encode_payload(&self.keypair.public().to_protobuf(), &self.static_key.signature, &self.muxers)
    }

    /// The remote's identity key, if it has signed the static key of this handshake and is the expected one.
    fn authenticate(
        &self,
        payload: &Payload<'_>,
        remote_static: &RemoteKey,
    ) -> Result<PublicKey, SecurityError> {
        let signed = [SIGNED_PREFIX, remote_static].concat();
        let verify = |key: &PublicKey| self.crypto.verify(key, &signed, payload.signature);
        let public_key = PublicKey::of_signer(payload.identity_key, verify)?
            .ok_or(SecurityError::NotAuthentic("the signature is not the peer's"))?;
        check_peer(public_key.to_peer_id(), self.keypair.public(), self.expected_peer)?;
        Ok(public_key)
    }
}

fn secured(
    public_key: PublicKey,
    muxer: Option<ProtocolId>,
    outbound: CipherState,
    inbound: CipherState,
) -> Secured {
    let channel = Box::new(NoiseChannel::new(outbound, inbound));
    Secured { peer: public_key.to_peer_id(), public_key, channel, muxer, plain: BytesMut::new() }
}
