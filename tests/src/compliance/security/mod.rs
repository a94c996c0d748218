//! The suite for security protocols: two sides, and a wire on which everything happens that an attacker can do.

mod channels;
mod handshakes;
mod memory;
mod sides;
mod tampering;

use super::LAW_CASES;
use crate::laws::Cases;
use crate::laws::layer;
use crate::laws::security::SecuritySubject;
use channels::{
    carries_frames_of_every_size, has_a_largest_frame, hides_what_it_carries, notices_frames_out_of_place,
    refuses_its_own_frames, refuses_to_seal_too_much, stays_dead_after_a_bad_frame, waits_for_whole_frames,
};
use handshakes::{
    accepts_every_identity, agrees_on_the_same_muxer, is_the_same_with_every_provider,
    meets_however_the_bytes_are_cut, refuses_its_own_words, refuses_itself, refuses_the_wrong_peer,
};
use peerwork_core::crypto::{CryptoProvider, Portable};
use peerwork_core::identity::Keypair;
use peerwork_core::security::{Role, SecurityProtocol};
use peerwork_core::seed::Seed;
use std::sync::Arc;
use tampering::{
    believes_no_replay, ends_with_the_bytes, survives_a_byte_lost_or_repeated, survives_any_flipped_bit,
    survives_garbage,
};

/// A security protocol, and what it promises.
#[derive(Debug, Clone)]
pub struct SecuritySuite {
    pub(super) protocol: Arc<dyn SecurityProtocol>,
    pub(super) name: String,
    pub(super) cases: Cases,
    pub(super) providers: Vec<Arc<dyn CryptoProvider>>,
    pub(super) identities: Vec<Arc<Keypair>>,
    pub(super) protection: Protection,
    pub(super) meaningless: Vec<(Role, usize, u8)>,
}

/// What a security protocol protects from whoever can touch the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Nothing. Identities are told and bytes handed through, as by plaintext. Only a wrong identity, and what makes no sense, is
    /// noticed.
    Nothing,
    /// Identities are proven, and an altered frame is refused. One that is repeated, lost or out of place may pass, but then gives noise
    /// and never what it held, as with secio.
    Frames,
    /// Identities are proven, and frames arrive unaltered, each once and in order, or the channel dies. What a new protocol
    /// should promise.
    Sequence,
}

impl SecuritySuite {
    /// The suite for `protocol`, which promises the most, with the portable crypto provider and identities of the types Ed25519,
    /// secp256k1 and ECDSA.
    pub fn new(protocol: impl SecurityProtocol) -> Self {
        let name = protocol.id().to_string();
        let mut seed = Seed::reproducible(0);
        let ed25519 = [1, 2, 3].map(|secret| Keypair::ed25519_from_secret(&[secret; 32]));
        let others = [Keypair::generate_secp256k1(&mut seed), Keypair::generate_ecdsa(&mut seed)];
        Self {
            protocol: Arc::new(protocol),
            name,
            cases: Cases::from_env(),
            providers: vec![Arc::new(Portable)],
            identities: ed25519.into_iter().chain(others).map(Arc::new).collect(),
            protection: Protection::Sequence,
            meaningless: Vec::new(),
        }
    }

    /// Names the implementation, where failures could mean several. Default: its protocol id.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Which cases to check. Default: [`Cases::from_env`].
    pub fn cases(self, cases: Cases) -> Self {
        Self { cases, ..self }
    }

    /// What the protocol promises. Default: [`Protection::Sequence`].
    pub fn protects(self, protection: Protection) -> Self {
        Self { protection, ..self }
    }

    /// A bit of the handshake that has no meaning and no protection by the protocol's own rules: the bit of this mask, in the byte at
    /// this place of what somebody in this role hears.
    pub fn meaningless_bit(mut self, hears: Role, at: usize, bit: u8) -> Self {
        self.meaningless.push((hears, at, bit));
        self
    }

    /// The crypto providers to run with, at least one. The first does most; meetings are between every two of them. Default:
    /// the portable one.
    pub fn providers(self, providers: impl IntoIterator<Item = Arc<dyn CryptoProvider>>) -> Self {
        Self { providers: providers.into_iter().collect(), ..self }
    }

    /// An identity that must be accepted as well, an RSA key say.
    pub fn identity(mut self, keypair: Keypair) -> Self {
        self.identities.push(Arc::new(keypair));
        self
    }

    fn subject_name(&self) -> String {
        self.name.clone()
    }
}

requirements! { $ SecuritySuite, security_compliance:
    /// Two sides secure each other and exchange messages both ways, however their bytes are cut, whoever is expected, and with any two
    /// crypto providers.
    Drawn meets_however_the_bytes_are_cut;
    /// Every type of identity is accepted from either side. One that a provider cannot sign with is our own fault, a typed error.
    Once accepts_every_identity;
    /// With the same randomness every provider gives the same bytes: a recorded run replays with any.
    Once is_the_same_with_every_provider;
    /// If the handshake agrees on a muxer, it is one that both sides have, and the same on both; else multistream-select does it.
    Once agrees_on_the_same_muxer;
    /// Whoever expects somebody else is told who is there, and secures nothing, in both roles.
    Once refuses_the_wrong_peer;
    /// A node does not connect to itself: the address of a peer may lead back.
    Once refuses_itself;
    /// A remote that sends our own bytes back proves nothing.
    Once refuses_its_own_words;
    /// After any byte the remote may be gone. A handshake then ends in `Ended`; a secured channel has given what came whole.
    Once ends_with_the_bytes;
    /// Any bit of the handshake and of the first frames may be wrong: nobody is ever secured with the wrong peer, no plaintext is ever
    /// altered, and what is noticed ends in a typed error, for good.
    Drawn survives_any_flipped_bit;
    /// The same for a byte that is missing or comes twice.
    Drawn survives_a_byte_lost_or_repeated;
    /// Bytes that make no sense end in an error that blames the peer before they fill our memory. They never panic.
    Drawn survives_garbage;
    /// A recorded conversation gives no plaintext when it is played to us again: it was meant for another handshake.
    Once believes_no_replay;
    /// Frames of every size up to `max_plaintext` arrive whole, both ways. `headroom` and `tailroom` are exact, and bytes before the
    /// frame are not touched: the muxer's frames lie there.
    Once carries_frames_of_every_size;
    /// More than `max_plaintext` is refused, with an error that says how much is allowed.
    Once refuses_to_seal_too_much;
    /// Until a frame is whole, its bytes stay where they are.
    Once waits_for_whole_frames;
    /// No plaintext shows in a sealed frame.
    Once hides_what_it_carries;
    /// Frames that are repeated, lost or out of place are noticed as promised.
    Once notices_frames_out_of_place;
    /// Our own frames, sent back, are not the remote's.
    Once refuses_its_own_frames;
    /// After a bad frame the channel opens no good one: it has lost its place.
    Once stays_dead_after_a_bad_frame;
    /// No frame is so large that it fills our memory before it is refused.
    Once has_a_largest_frame;
    /// The laws of every layer hold, in both roles, and the checks notice when they are broken.
    Once obeys_the_laws;
}

fn obeys_the_laws(suite: &SecuritySuite) {
    for (provider, role) in suite.providers.iter().flat_map(|it| [(it, Role::Dialer), (it, Role::Listener)]) {
        let subject = SecuritySubject::new(Arc::clone(&suite.protocol), Arc::clone(provider), role);
        if let Err(violation) = layer::prove(&subject, &suite.cases.or_count(LAW_CASES)) {
            panic!("with the {} provider: {violation}", provider.name());
        }
    }
}
