mod bad_input;
mod channel;
mod muxers;
mod oracle;
mod pairs;
mod vectors;

use super::codec::encode_payload;
use super::handshake::start_with;
use super::pattern::{KEY_BYTES, Pattern, private_key};
use super::*;
use crate::crypto::tests::real_providers;
use crate::crypto::{CryptoProvider, Portable};
use crate::identity::Keypair;
use crate::security::testing::{hex, keypair, peer_id, setup};
use bytes::BytesMut;
use std::sync::Arc;

/// One side of a handshake whose every byte is known.
#[derive(Clone, Copy)]
struct Known {
    secret: u8,
    static_scalar: [u8; KEY_BYTES],
    ephemeral_scalar: [u8; KEY_BYTES],
}

const DIALER: Known = Known { secret: 1, static_scalar: [0x11; 32], ephemeral_scalar: [0x12; 32] };
const LISTENER: Known = Known { secret: 2, static_scalar: [0x21; 32], ephemeral_scalar: [0x22; 32] };

impl Known {
    /// The dialer expects the listener.
    fn setup(&self) -> HandshakeSetup {
        setup(self.secret, (self.secret == DIALER.secret).then(|| peer_id(LISTENER.secret)))
    }

    fn start(&self) -> Box<dyn Handshake> {
        self.start_with(self.setup())
    }

    fn start_with(&self, setup: HandshakeSetup) -> Box<dyn Handshake> {
        Box::new(start_with(setup, &self.static_scalar, &self.ephemeral_scalar))
    }

    /// The side as it would be without a libp2p to tell it what to say.
    fn pattern(&self) -> Pattern {
        self.pattern_with(Arc::new(Portable))
    }

    fn pattern_with(&self, crypto: Arc<dyn CryptoProvider>) -> Pattern {
        let [static_key, ephemeral_key] =
            [self.static_scalar, self.ephemeral_scalar].map(|scalar| private_key(&*crypto, &scalar).unwrap());
        Pattern::new(crypto, &[], static_key.into(), ephemeral_key)
    }

    /// The signature that the side has to give.
    fn signature(&self) -> Vec<u8> {
        sign(&keypair(self.secret), self.pattern().static_key())
    }

    /// The payload that the side sends if it has no muxers.
    fn payload(&self) -> Vec<u8> {
        encode_payload(&keypair(self.secret).public().to_protobuf(), &self.signature(), &[]).to_vec()
    }
}

/// What an identity says to a static key.
fn sign(keypair: &Keypair, static_key: &[u8]) -> Vec<u8> {
    let crypto = real_providers().pop().unwrap();
    crypto.sign(keypair, &[b"noise-libp2p-static-key:", static_key].concat()).unwrap()
}

/// The dialer's message 1.
fn first(payload: &[u8]) -> Vec<u8> {
    framed(|out| DIALER.pattern().write_first(payload, out).unwrap())
}

/// The listener's message 2 with any payload.
fn second(payload: &[u8]) -> Vec<u8> {
    second_of(LISTENER.pattern(), payload)
}

fn second_of(mut listener: Pattern, payload: &[u8]) -> Vec<u8> {
    let remote_ephemeral = listener.read_first(&mut BytesMut::from(&first(&[])[2..])).unwrap();
    framed(|out| listener.write_second(&remote_ephemeral, payload, out).unwrap())
}

/// The dialer's message 3 with any payload.
fn third(payload: &[u8]) -> Vec<u8> {
    third_of(DIALER.pattern(), payload)
}

fn third_of(mut dialer: Pattern, payload: &[u8]) -> Vec<u8> {
    dialer.write_first(&[], &mut BytesMut::new()).unwrap();
    let mut second = BytesMut::from(&second(&LISTENER.payload())[2..]);
    let (remote_ephemeral, _) = dialer.read_second(&mut second).unwrap();
    framed(|out| dialer.write_third(&remote_ephemeral, payload, out).unwrap())
}

fn framed(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut message = BytesMut::new();
    write(&mut message);
    [&(message.len() as u16).to_be_bytes()[..], &message].concat()
}

fn ids(muxers: &[&'static str]) -> Arc<[ProtocolId]> {
    muxers.iter().copied().map(ProtocolId::from_static).collect()
}
