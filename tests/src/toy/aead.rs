//! A toy security protocol with authenticated encryption, `/toy-aead/1.0.0`. **Not secure: for tests only.**
//!
//! Each side sends one message at once:
//!
//! ```text
//! varint length | varint length, nonce | varint length, public key | varint length, signature of role and nonce
//! ```
//!
//! Then everything is frames, `length (2 bytes, big-endian) | ciphertext | tag (16 bytes)`, sealed by ChaCha20-Poly1305 with
//! a counter. The keys are hashes of both nonces, which everybody on the way can read, so nothing is secret; and the signature can be
//! replayed, so nobody is authenticated either. What is real are the seams: headroom, tailroom, frames of limited length, in place.

use bytes::{Buf, BytesMut};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use peerwork_core::crypto::{CryptoProvider, Hash};
use peerwork_core::identity::PublicKey;
use peerwork_core::machine::{Close, End, Layer};
use peerwork_core::negotiation::ProtocolId;
use peerwork_core::security::{
    Channel, ChannelError, Handshake, HandshakeSetup, MAX_HANDSHAKE_MESSAGE_BYTES, Opened, Role, Secured,
    SecurityError, SecurityProtocol,
};
use peerwork_core::time::{Deadline, Instant};
use peerwork_core::wire::{FrameError, frame};

/// The name of the protocol.
pub const ID: ProtocolId = ProtocolId::from_static("/toy-aead/1.0.0");

/// The most plaintext in one frame: what its length, with the tag, can say.
pub const MAX_PLAINTEXT_BYTES: usize = u16::MAX as usize - TAG_BYTES;

const LENGTH_BYTES: usize = 2;
const TAG_BYTES: usize = 16;
const NONCE_BYTES: usize = 32;

/// The protocol. See the [module documentation](self).
#[derive(Debug, Clone, Copy, Default)]
pub struct ToyAead;

impl SecurityProtocol for ToyAead {
    fn id(&self) -> ProtocolId {
        ID
    }

    fn start(&self, setup: HandshakeSetup, _now: Instant) -> Box<dyn Handshake> {
        Box::new(Hello::new(setup))
    }
}

/// The handshake.
struct Hello {
    state: State,
    /// Our message, or what is left of it.
    unsent: BytesMut,
}

enum State {
    Waiting { setup: HandshakeSetup, nonce: [u8; NONCE_BYTES] },
    Done(Option<Secured>),
    Failed(SecurityError),
}

impl Hello {
    fn new(mut setup: HandshakeSetup) -> Self {
        let nonce = setup.seed.bytes();
        match setup.crypto.sign(&setup.keypair, &signed(setup.role, &nonce)) {
            Ok(signature) => {
                let (mut message, mut unsent) = (BytesMut::new(), BytesMut::new());
                for field in [&nonce[..], &setup.keypair.public().to_protobuf(), &signature] {
                    frame::encode(field, &mut message);
                }
                frame::encode(&message, &mut unsent);
                Self { state: State::Waiting { setup, nonce }, unsent }
            }
            Err(error) => Self {
                state: State::Failed(SecurityError::Local(error.to_string())),
                unsent: BytesMut::new(),
            },
        }
    }
}

/// What the side with this role signs.
fn signed(role: Role, nonce: &[u8]) -> Vec<u8> {
    let role: &[u8] = match role {
        Role::Dialer => b"toy dialer",
        Role::Listener => b"toy listener",
    };
    [role, nonce].concat()
}

fn malformed(error: FrameError) -> SecurityError {
    match error {
        FrameError::BadLength => SecurityError::Malformed("a length is not a minimal varint"),
        FrameError::TooLarge { len, max } => SecurityError::TooLarge { len, max: max as u64 },
    }
}

fn field(message: &mut BytesMut) -> Result<BytesMut, SecurityError> {
    let field = frame::split(message, MAX_HANDSHAKE_MESSAGE_BYTES).map_err(malformed)?;
    field.ok_or(SecurityError::Malformed("a field is missing"))
}

/// Checks the remote's message and derives the keys from it.
fn finish(
    setup: &HandshakeSetup,
    nonce: &[u8; NONCE_BYTES],
    mut message: BytesMut,
) -> Result<Secured, SecurityError> {
    let (their_nonce, key, signature) = (field(&mut message)?, field(&mut message)?, field(&mut message)?);
    let public_key = PublicKey::from_protobuf(&key)?;
    let (their_role, nonces): (_, [&[u8]; 2]) = match setup.role {
        Role::Dialer => (Role::Listener, [nonce, &their_nonce]),
        Role::Listener => (Role::Dialer, [&their_nonce, nonce]),
    };
    if !setup.crypto.verify(&public_key, &signed(their_role, &their_nonce), &signature) {
        return Err(SecurityError::NotAuthentic("the signature does not match"));
    }
    let peer = public_key.to_peer_id();
    match setup.expected_peer {
        _ if public_key == *setup.keypair.public() => return Err(SecurityError::SelfDial),
        Some(expected) if expected != peer => {
            return Err(SecurityError::WrongPeer { expected, actual: peer });
        }
        _ => {}
    }
    let direction = |role| Direction::new(&*setup.crypto, role, nonces);
    let channel =
        Box::new(ToyChannel { out: direction(setup.role), inn: direction(their_role), failed: None });
    Ok(Secured { peer, public_key, channel, muxer: None, plain: BytesMut::new() })
}

impl Layer for Hello {
    type Event = Secured;
    type Error = SecurityError;

    fn handle_input(&mut self, input: &mut BytesMut, _now: Instant) -> Result<(), SecurityError> {
        if let State::Waiting { setup, nonce } = &self.state {
            let message = frame::split(input, MAX_HANDSHAKE_MESSAGE_BYTES).map_err(malformed);
            match message.and_then(|message| message.map(|it| finish(setup, nonce, it)).transpose()) {
                Ok(None) => {}
                Ok(Some(secured)) => self.state = State::Done(Some(secured)),
                Err(error) => self.state = State::Failed(error),
            }
        }
        match &self.state {
            State::Failed(error) => Err(error.clone()),
            State::Waiting { .. } | State::Done(_) => Ok(()),
        }
    }

    fn handle_end(&mut self, _end: End, _now: Instant) {
        if let State::Waiting { .. } = self.state {
            self.state = State::Failed(SecurityError::Ended("its message"));
        }
    }

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_transmit(&mut self, out: &mut BytesMut, max: usize, _now: Instant) -> usize {
        let len = self.unsent.len().min(max);
        out.extend_from_slice(&self.unsent.split_to(len));
        len
    }

    fn poll_event(&mut self) -> Option<Secured> {
        match &mut self.state {
            State::Done(secured) => secured.take(),
            State::Waiting { .. } | State::Failed(_) => None,
        }
    }

    fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    fn wants_input(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    fn poll_close(&mut self) -> Option<Close> {
        matches!(self.state, State::Failed(_)).then_some(Close::Now)
    }
}

/// The key of one direction, and how many frames it has sealed.
struct Direction {
    cipher: ChaCha20Poly1305,
    frames: u64,
}

impl Direction {
    fn new(crypto: &dyn CryptoProvider, sender: Role, [dialer, listener]: [&[u8]; 2]) -> Self {
        let label = signed(sender, b"key");
        let key = crypto.hash(Hash::Sha256, &[&label, dialer, listener]);
        let cipher = ChaCha20Poly1305::new_from_slice(key.as_bytes()).expect("a SHA2-256 hash has 32 bytes");
        Self { cipher, frames: 0 }
    }

    fn next_nonce(&mut self) -> Result<Nonce, ChannelError> {
        let mut nonce = Nonce::default();
        nonce[4..].copy_from_slice(&self.frames.to_be_bytes());
        self.frames = self.frames.checked_add(1).ok_or(ChannelError::Exhausted)?;
        Ok(nonce)
    }
}

struct ToyChannel {
    out: Direction,
    inn: Direction,
    /// Why nothing can be opened any more.
    failed: Option<ChannelError>,
}

impl ToyChannel {
    fn open_frame(&mut self, input: &mut BytesMut) -> Result<Opened, ChannelError> {
        let Some(length) = input.first_chunk() else { return Ok(Opened::NeedMore) };
        let len = usize::from(u16::from_be_bytes(*length));
        let too_short = ChannelError::Malformed("a frame is shorter than its tag");
        let plaintext_bytes = len.checked_sub(TAG_BYTES).ok_or(too_short)?;
        if input.len() < LENGTH_BYTES + len {
            return Ok(Opened::NeedMore);
        }
        let nonce = self.inn.next_nonce()?;
        input.advance(LENGTH_BYTES);
        let mut plain = input.split_to(len);
        let tag = Tag::try_from(&plain[plaintext_bytes..]).expect("the rest of the frame is a tag");
        plain.truncate(plaintext_bytes);
        let opened = self.inn.cipher.decrypt_inout_detached(&nonce, &[], plain.as_mut().into(), &tag);
        opened.map_err(|_| ChannelError::NotAuthentic)?;
        Ok(Opened::Plain(plain))
    }
}

impl Channel for ToyChannel {
    fn headroom(&self) -> usize {
        LENGTH_BYTES
    }

    fn tailroom(&self) -> usize {
        TAG_BYTES
    }

    fn max_plaintext(&self) -> usize {
        MAX_PLAINTEXT_BYTES
    }

    fn seal(&mut self, out: &mut BytesMut, frame_start: usize) -> Result<(), ChannelError> {
        let frame = out.get_mut(frame_start..).unwrap_or_default();
        let Some((length, body)) = frame.split_first_chunk_mut() else {
            return Err(ChannelError::Malformed("a frame has no headroom"));
        };
        if body.len() > MAX_PLAINTEXT_BYTES {
            return Err(ChannelError::TooLarge { len: body.len() as u64, max: MAX_PLAINTEXT_BYTES as u64 });
        }
        *length = ((body.len() + TAG_BYTES) as u16).to_be_bytes();
        let nonce = self.out.next_nonce()?;
        let tag = self.out.cipher.encrypt_inout_detached(&nonce, &[], body.into());
        out.extend_from_slice(&tag.map_err(|_| ChannelError::Exhausted)?);
        Ok(())
    }

    fn open(&mut self, input: &mut BytesMut) -> Result<Opened, ChannelError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.open_frame(input);
        self.failed = result.as_ref().err().cloned();
        result
    }
}
