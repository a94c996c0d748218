//! Handshakes and data with snow, an implementation of Noise that is not ours.

use super::*;
use crate::crypto::Curve;
use crate::identity::testing::keypairs;
use crate::security::testing::{feed, seal, sent};
use crate::security::{Opened, Role, Secured};
use crate::seed::Seed;
use proptest::prelude::*;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};

/// snow's own cryptography; nothing random, because its keys are given.
struct Given;

impl CryptoResolver for Given {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Self))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

impl Random for Given {
    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), snow::Error> {
        panic!("all keys are given")
    }
}

/// A remote whose Noise is snow's, and that is otherwise as libp2p wants it.
struct Snow {
    handshake: snow::HandshakeState,
    payload: Vec<u8>,
}

impl Snow {
    fn new(role: Role, identity: &Keypair, [static_scalar, ephemeral_scalar]: [[u8; 32]; 2]) -> Self {
        let params = "Noise_XX_25519_ChaChaPoly_SHA256".parse().unwrap();
        let builder = snow::Builder::with_resolver(params, Box::new(Given))
            .local_private_key(&static_scalar)
            .unwrap()
            .fixed_ephemeral_key_for_testing_only(&ephemeral_scalar);
        let handshake = match role {
            Role::Dialer => builder.build_initiator(),
            Role::Listener => builder.build_responder(),
        };
        let static_key = Portable.ephemeral_key(Curve::X25519, &static_scalar).unwrap();
        let signature = sign(identity, static_key.public_point());
        let payload = encode_payload(&identity.public().to_protobuf(), &signature, &[]).to_vec();
        Self { handshake: handshake.unwrap(), payload }
    }

    fn write(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut message = vec![0; 65_535];
        let len = self.handshake.write_message(payload, &mut message).unwrap();
        framed(|out| out.extend_from_slice(&message[..len]))
    }

    /// The payload of a message.
    fn read(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut payload = vec![0; 65_535];
        let len = self.handshake.read_message(&frame[2..], &mut payload).unwrap();
        payload.truncate(len);
        payload
    }
}

/// Our side, which must come out secured, and snow.
fn meet(role: Role, ours: HandshakeSetup, mut snow: Snow) -> (Secured, snow::TransportState) {
    let own_payload = encode_identity(&ours.keypair);
    let mut handshake = Noise.start(ours, Instant::ORIGIN);
    let secured = match role {
        Role::Dialer => {
            assert_eq!(snow.read(&sent(&mut *handshake, usize::MAX)), b"");
            let second = snow.write(&snow.payload.clone());
            let (secured, rest) = feed(&mut *handshake, &second, usize::MAX).unwrap().unwrap();
            assert!(rest.is_empty());
            assert!(snow.read(&sent(&mut *handshake, usize::MAX)).starts_with(&own_payload));
            secured
        }
        Role::Listener => {
            let first = snow.write(&[]);
            assert!(feed(&mut *handshake, &first, usize::MAX).unwrap().is_none());
            assert!(snow.read(&sent(&mut *handshake, usize::MAX)).starts_with(&own_payload));
            let third = snow.write(&snow.payload.clone());
            feed(&mut *handshake, &third, usize::MAX).unwrap().unwrap().0
        }
    };
    (secured, snow.handshake.into_transport_mode().unwrap())
}

/// What a payload with this identity begins with.
fn encode_identity(keypair: &Keypair) -> Vec<u8> {
    let mut out = BytesMut::new();
    crate::wire::protobuf::Writer::new(&mut out).bytes(1, &keypair.public().to_protobuf());
    out.to_vec()
}

/// Sends a message each way.
fn talk(secured: &mut Secured, snow: &mut snow::TransportState, message: &[u8]) {
    let mut buffer = vec![0; 65_535];
    let frame = seal(&mut *secured.channel, message);
    let len = snow.read_message(&frame[2..], &mut buffer).unwrap();
    assert_eq!(&buffer[..len], message);
    let len = snow.write_message(message, &mut buffer).unwrap();
    let mut frame = BytesMut::from(&framed(|out| out.extend_from_slice(&buffer[..len]))[..]);
    assert_eq!(secured.channel.open(&mut frame).unwrap(), Opened::Plain(BytesMut::from(message)));
    assert!(frame.is_empty());
}

/// Which role and which provider we have, and the identity of the remote.
fn cases() -> Vec<(Role, Arc<dyn CryptoProvider>, Keypair)> {
    let mut cases = Vec::new();
    for role in [Role::Dialer, Role::Listener] {
        for crypto in real_providers() {
            cases.extend(identities().map(|identity| (role, Arc::clone(&crypto), identity)));
        }
    }
    cases
}

/// RSA only where there is a provider that signs with it.
fn identities() -> impl Iterator<Item = Keypair> {
    let len = if cfg!(feature = "aws-lc") { 4 } else { 3 };
    keypairs().into_iter().take(len)
}

fn opposite(role: Role) -> Role {
    if role == Role::Dialer { Role::Listener } else { Role::Dialer }
}

#[test]
fn snow_of_every_identity_is_understood_and_understands() {
    for (role, crypto, identity) in cases() {
        let snow = Snow::new(opposite(role), &identity, [[0x31; 32], [0x32; 32]]);
        let expected = identity.public().to_peer_id();
        let ours = HandshakeSetup { role, crypto, ..setup(1, Some(expected)) };
        let (mut secured, mut snow) = meet(role, ours, snow);
        assert_eq!((secured.peer, &secured.public_key), (expected, identity.public()));
        for len in [0, 1, 100, 65_519] {
            talk(&mut secured, &mut snow, &vec![7; len]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn snow_with_any_keys(
        role in proptest::sample::select(vec![Role::Dialer, Role::Listener]),
        crypto in proptest::sample::select(real_providers()),
        scalars in any::<[[u8; 32]; 2]>(),
        case in any::<u64>(),
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..6),
    ) {
        let snow = Snow::new(opposite(role), &keypair(9), scalars);
        let ours = HandshakeSetup { role, crypto, seed: Seed::reproducible(case), ..setup(1, Some(peer_id(9))) };
        let (mut secured, mut snow) = meet(role, ours, snow);
        for message in &messages {
            talk(&mut secured, &mut snow, message);
        }
    }
}
