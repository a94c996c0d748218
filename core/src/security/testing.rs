//! What the tests of the handshakes share.

use super::{Channel, Handshake, HandshakeSetup, Opened, Role, Secured, SecurityError};
use crate::crypto::Portable;
use crate::identity::{Keypair, PeerId};
use crate::machine::{Close, End};
use crate::seed::Seed;
use crate::time::Instant;
use bytes::BytesMut;
use data_encoding::HEXLOWER;
use std::sync::Arc;

pub(super) const NOW: Instant = Instant::ORIGIN;

pub(super) fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// The identity with the secret `[secret; 32]`.
pub(super) fn keypair(secret: u8) -> Keypair {
    Keypair::ed25519_from_secret(&[secret; 32])
}

pub(super) fn peer_id(secret: u8) -> PeerId {
    keypair(secret).public().to_peer_id()
}

pub(super) fn setup(secret: u8, expected_peer: Option<PeerId>) -> HandshakeSetup {
    HandshakeSetup {
        role: if expected_peer.is_some() { Role::Dialer } else { Role::Listener },
        keypair: Arc::new(keypair(secret)),
        expected_peer,
        crypto: Arc::new(Portable),
        muxers: Arc::new([]),
        wall_clock: None,
        seed: Seed::reproducible(secret.into()),
    }
}

/// All that the handshake has to send, taken in pieces of at most `max` bytes.
pub(super) fn sent(handshake: &mut dyn Handshake, max: usize) -> Vec<u8> {
    let mut out = BytesMut::new();
    loop {
        let before = out.len();
        let appended = handshake.poll_transmit(&mut out, max, NOW);
        assert_eq!(out.len(), before + appended);
        assert!(appended <= max);
        if appended == 0 {
            return out.to_vec();
        }
    }
}

/// Offers `bytes` in pieces of at most `chunk` bytes until the handshake is over, and then what is left of them.
pub(super) fn feed(
    handshake: &mut dyn Handshake,
    bytes: &[u8],
    chunk: usize,
) -> Result<Option<(Secured, BytesMut)>, SecurityError> {
    let mut input = BytesMut::new();
    for piece in bytes.chunks(chunk) {
        input.extend_from_slice(piece);
        handshake.handle_input(&mut input, NOW)?;
    }
    Ok(handshake.poll_event().map(|secured| (secured, input)))
}

/// The handshake with a remote that sends `bytes` and then closes. Checks that an error is for good.
pub(super) fn run(handshake: &mut dyn Handshake, bytes: &[u8]) -> Result<Secured, SecurityError> {
    let error = match feed(handshake, bytes, usize::MAX) {
        Ok(Some((secured, _))) => return Ok(secured),
        Ok(None) => {
            assert!(handshake.wants_input() && handshake.poll_close().is_none());
            handshake.handle_end(End::Closed, NOW);
            handshake.handle_input(&mut BytesMut::new(), NOW).unwrap_err()
        }
        Err(error) => error,
    };
    handshake.handle_end(End::Failed, NOW);
    let mut more = BytesMut::from(bytes);
    assert_eq!(handshake.handle_input(&mut more, NOW), Err(error.clone()));
    assert_eq!(more, bytes);
    assert_eq!(handshake.poll_close(), Some(Close::Now));
    assert!(handshake.poll_event().is_none() && !handshake.wants_input());
    sent(handshake, 1);
    Err(error)
}

/// One end of a pair: a handshake, and what has arrived and was not taken.
pub(super) struct Side {
    handshake: Box<dyn Handshake>,
    input: BytesMut,
}

impl Side {
    pub(super) fn new(handshake: Box<dyn Handshake>) -> Self {
        Self { handshake, input: BytesMut::new() }
    }

    fn send(&mut self, to: &mut Self, max: usize) -> Result<usize, SecurityError> {
        let appended = self.handshake.poll_transmit(&mut to.input, max, NOW);
        to.handshake.handle_input(&mut to.input, NOW)?;
        Ok(appended)
    }
}

/// Lets two sides talk, each time in a piece as large as `next_max` says, until both are secured or one has failed.
pub(super) fn meet(
    a: &mut Side,
    b: &mut Side,
    mut next_max: impl FnMut() -> usize,
) -> Result<(Secured, Secured), SecurityError> {
    loop {
        let (from_a, from_b) = (a.send(b, next_max())?, b.send(a, next_max())?);
        if from_a + from_b == 0 {
            let secured = |side: &mut Side| side.handshake.poll_event().expect("nothing is under way");
            return Ok((secured(a), secured(b)));
        }
    }
}

pub(super) fn seal(channel: &mut dyn Channel, plaintext: &[u8]) -> BytesMut {
    let mut out = BytesMut::from(&b"before"[..]);
    out.resize(out.len() + channel.headroom(), 0xee);
    out.extend_from_slice(plaintext);
    channel.seal(&mut out, 6).unwrap();
    assert_eq!(out.len(), 6 + channel.headroom() + plaintext.len() + channel.tailroom());
    out.split_off(6)
}

/// Sends `messages` from one channel to the other in pieces of at most `chunk` bytes.
pub(super) fn carry(from: &mut dyn Channel, to: &mut dyn Channel, messages: &[Vec<u8>], chunk: usize) {
    let wire: Vec<u8> = messages.iter().flat_map(|message| seal(from, message)).collect();
    let (mut input, mut received) = (BytesMut::new(), Vec::new());
    for piece in wire.chunks(chunk) {
        input.extend_from_slice(piece);
        while let Opened::Plain(plain) = to.open(&mut input).unwrap() {
            received.extend_from_slice(&plain);
        }
    }
    assert!(input.is_empty());
    assert_eq!(received, messages.concat());
}
