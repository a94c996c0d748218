//! The toy security protocol, broken, and others that promise too much.

use super::expect_caught;
use bytes::BytesMut;
use peerwork_core::crypto::{
    Aead, AeadCipher, Cipher, CryptoProvider, Curve, EphemeralKey, Hash, Hmac, InvalidScalar, Portable,
    StreamCipher, Tag, UnsupportedKey,
};
use peerwork_core::identity::{KeyType, Keypair, PublicKey};
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::{
    Channel, ChannelError, Handshake, HandshakeSetup, Opened, Secured, SecurityError, SecurityProtocol,
};
use peerwork_core::seed::Seed;
use peerwork_core::time::{Deadline, Instant};
use peerwork_tests::compliance::SecuritySuite;
use peerwork_tests::laws::Cases;
use peerwork_tests::toy::aead::ToyAead;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Plaintext instead.
    ProtectsNothing,
    /// secio instead.
    KeepsNoOrder,
    ChokesOnPieces,
    RefusesSomeKeys,
    DependsOnTheProvider,
    ChoosesTheMuxerAlone,
    IgnoresWhoIsExpected,
    DoesNotSayThatItIsItself,
    BelievesAnything,
    WaitsForEver,
    PanicsOnGarbage,
    DrawsNothing,
    WrongTailroom,
    TouchesWhatLiesBefore,
    SealsMoreThanItSays,
    TakesHalfFrames,
    ForgetsItsDeath,
    HasNoLargestFrame,
}

const FAULTS: &[(Fault, &[&str])] = &[
    (
        Fault::ProtectsNothing,
        &[
            "survives_any_flipped_bit",
            "survives_a_byte_lost_or_repeated",
            "believes_no_replay",
            "waits_for_whole_frames",
            "hides_what_it_carries",
            "notices_frames_out_of_place",
            "refuses_its_own_frames",
            "stays_dead_after_a_bad_frame",
            "has_a_largest_frame",
        ],
    ),
    (Fault::KeepsNoOrder, &["notices_frames_out_of_place"]),
    (Fault::ChokesOnPieces, &["meets_however_the_bytes_are_cut", "obeys_the_laws"]),
    (Fault::RefusesSomeKeys, &["accepts_every_identity"]),
    (Fault::DependsOnTheProvider, &["is_the_same_with_every_provider"]),
    (Fault::ChoosesTheMuxerAlone, &["agrees_on_the_same_muxer"]),
    (Fault::IgnoresWhoIsExpected, &["refuses_the_wrong_peer"]),
    (Fault::DoesNotSayThatItIsItself, &["refuses_itself"]),
    (Fault::BelievesAnything, &["refuses_its_own_words", "survives_any_flipped_bit"]),
    (Fault::WaitsForEver, &["ends_with_the_bytes"]),
    (Fault::PanicsOnGarbage, &["survives_garbage"]),
    (Fault::DrawsNothing, &["believes_no_replay"]),
    (Fault::WrongTailroom, &["carries_frames_of_every_size"]),
    (Fault::TouchesWhatLiesBefore, &["carries_frames_of_every_size"]),
    (Fault::SealsMoreThanItSays, &["refuses_to_seal_too_much"]),
    (Fault::TakesHalfFrames, &["waits_for_whole_frames"]),
    (Fault::ForgetsItsDeath, &["stays_dead_after_a_bad_frame"]),
    (Fault::HasNoLargestFrame, &["has_a_largest_frame"]),
];

#[test]
fn every_requirement_notices_a_broken_security_protocol() {
    let providers: [Arc<dyn CryptoProvider>; 2] = [Arc::new(Portable), Arc::new(Renamed)];
    let suite = |fault| {
        let suite = SecuritySuite::new(BrokenProtocol(fault)).cases(Cases::new(2));
        suite.providers(providers.clone())
    };
    expect_caught(suite, FAULTS);
}

#[derive(Debug)]
struct BrokenProtocol(Option<Fault>);

impl SecurityProtocol for BrokenProtocol {
    fn id(&self) -> ProtocolId {
        ToyAead.id()
    }

    fn start(&self, mut setup: HandshakeSetup, now: Instant) -> Box<dyn Handshake> {
        let (own, muxer) = (setup.keypair.public().clone(), setup.muxers.first().cloned());
        match self.0 {
            Some(Fault::ProtectsNothing) => return Plaintext.start(setup, now),
            Some(Fault::KeepsNoOrder) => return Secio::default().start(setup, now),
            Some(Fault::IgnoresWhoIsExpected) => setup.expected_peer = None,
            Some(Fault::DrawsNothing) => setup.seed = Seed::reproducible(0),
            Some(Fault::DependsOnTheProvider) => {
                setup.seed = Seed::reproducible(setup.crypto.name().len() as u64);
            }
            _ => {}
        }
        let inner = ToyAead.start(setup, now);
        match self.0 {
            None => inner,
            Some(fault) => Box::new(BrokenHandshake { inner, fault, own, muxer, believed: None }),
        }
    }
}

struct BrokenHandshake {
    inner: Box<dyn Handshake>,
    fault: Fault,
    own: PublicKey,
    muxer: Option<ProtocolId>,
    believed: Option<Secured>,
}

impl Layer for BrokenHandshake {
    type Event = Secured;
    type Error = SecurityError;

    fn handle_input(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), SecurityError> {
        if self.fault == Fault::ChokesOnPieces && input.len() < 10 {
            input.clear();
        }
        let Err(error) = self.inner.handle_input(input, now) else { return Ok(()) };
        match (self.fault, error) {
            (Fault::PanicsOnGarbage, SecurityError::TooLarge { .. } | SecurityError::Malformed(_)) => {
                panic!("garbage");
            }
            (Fault::DoesNotSayThatItIsItself, SecurityError::SelfDial) => {
                Err(SecurityError::Malformed("something is odd"))
            }
            (Fault::BelievesAnything, SecurityError::NotAuthentic(_)) => {
                self.believed = Some(Secured {
                    peer: self.own.to_peer_id(),
                    public_key: self.own.clone(),
                    channel: Box::new(Open),
                    muxer: None,
                    plain: BytesMut::new(),
                });
                Ok(())
            }
            (_, error) => Err(error),
        }
    }

    fn handle_end(&mut self, end: End, now: Instant) {
        if self.fault != Fault::WaitsForEver {
            self.inner.handle_end(end, now);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.inner.handle_timeout(now);
    }

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, now: Instant) -> usize {
        self.inner.poll_transmit(out, max, now)
    }

    fn poll_event(&mut self) -> Option<Secured> {
        let secured = self.believed.take().or_else(|| self.inner.poll_event())?;
        if self.fault == Fault::RefusesSomeKeys && secured.public_key.key_type() != KeyType::Ed25519 {
            return None;
        }
        let channel = Box::new(BrokenChannel { inner: secured.channel, fault: self.fault, died: false });
        let muxer = self.muxer.clone().filter(|_| self.fault == Fault::ChoosesTheMuxerAlone);
        Some(Secured { channel, muxer, ..secured })
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        self.inner.poll_timeout()
    }

    fn wants_input(&self) -> bool {
        self.inner.wants_input()
    }

    fn poll_close(&mut self) -> Option<Close> {
        self.inner.poll_close()
    }
}

struct BrokenChannel {
    inner: Box<dyn Channel>,
    fault: Fault,
    died: bool,
}

impl Channel for BrokenChannel {
    fn headroom(&self) -> usize {
        self.inner.headroom()
    }

    fn tailroom(&self) -> usize {
        self.inner.tailroom() + usize::from(self.fault == Fault::WrongTailroom)
    }

    fn max_plaintext(&self) -> usize {
        let max = self.inner.max_plaintext();
        if self.fault == Fault::SealsMoreThanItSays { max / 2 } else { max }
    }

    fn seal(&mut self, out: &mut BytesMut, frame_start: usize) -> Result<(), ChannelError> {
        if self.fault == Fault::TouchesWhatLiesBefore && frame_start > 0 {
            out[frame_start - 1] = 0;
        }
        self.inner.seal(out, frame_start)
    }

    fn open(&mut self, input: &mut BytesMut) -> Result<Opened, ChannelError> {
        let opened = self.inner.open(input);
        match (self.fault, &opened) {
            (Fault::TakesHalfFrames, Ok(Opened::NeedMore)) => input.clear(),
            (Fault::HasNoLargestFrame, Err(_)) => return Ok(Opened::NeedMore),
            (Fault::ForgetsItsDeath, Err(_)) if std::mem::replace(&mut self.died, true) => {
                return Ok(Opened::NeedMore);
            }
            _ => {}
        }
        opened
    }
}

/// A channel that hands everything through.
struct Open;

impl Channel for Open {
    fn headroom(&self) -> usize {
        0
    }

    fn tailroom(&self) -> usize {
        0
    }

    fn max_plaintext(&self) -> usize {
        usize::MAX
    }

    fn seal(&mut self, _out: &mut BytesMut, _frame_start: usize) -> Result<(), ChannelError> {
        Ok(())
    }

    fn open(&mut self, input: &mut BytesMut) -> Result<Opened, ChannelError> {
        Ok(if input.is_empty() { Opened::NeedMore } else { Opened::Plain(input.split()) })
    }
}

/// The portable provider under another name.
#[derive(Debug)]
struct Renamed;

impl CryptoProvider for Renamed {
    fn name(&self) -> &'static str {
        "portable, too"
    }

    fn sign(&self, key: &Keypair, message: &[u8]) -> Result<Vec<u8>, UnsupportedKey> {
        Portable.sign(key, message)
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        Portable.verify(key, message, signature)
    }

    fn ephemeral_key(&self, curve: Curve, scalar: &[u8]) -> Result<Box<dyn EphemeralKey>, InvalidScalar> {
        Portable.ephemeral_key(curve, scalar)
    }

    fn cipher(&self, cipher: Cipher, key: &[u8], iv: &[u8; 16]) -> Box<dyn StreamCipher> {
        Portable.cipher(cipher, key, iv)
    }

    fn aead(&self, cipher: AeadCipher, key: &[u8]) -> Box<dyn Aead> {
        Portable.aead(cipher, key)
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Box<dyn Hmac> {
        Portable.hmac(hash, key)
    }

    fn hash(&self, hash: Hash, parts: &[&[u8]]) -> Tag {
        Portable.hash(hash, parts)
    }
}
