//! Security protocols: a [`Handshake`] that authenticates the peer, then a [`Channel`] that seals and opens frames in
//! place.
//!
//! A protocol plugs in through [`SecurityProtocol`]: it has a name for multistream-select and starts a handshake.

mod alert;
mod certificate_error;
pub mod noise;
pub mod plaintext;
pub mod pnet;
pub mod secio;
mod stepwise;
#[cfg(test)]
mod testing;
#[cfg(feature = "tls")]
pub mod tls;

pub use alert::Alert;
pub use certificate_error::CertificateError;

use crate::crypto::CryptoProvider;
use crate::identity::{InvalidKey, Keypair, PeerId, PublicKey};
use crate::machine::{Blame, Layer};
use crate::negotiation::ProtocolId;
use crate::seed::Seed;
use crate::time::Instant;
use crate::wire::protobuf::ProtobufError;
use bytes::BytesMut;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The largest message of a handshake that is accepted; a larger one ends it as soon as its length is read.
///
/// The largest key that libp2p allows is RSA with 8,192 bits. It takes about 1 KiB and so does its signature, so this is room
/// to spare, and little to buffer for a peer that has proven nothing yet. TLS has its own limit, for all of a handshake.
pub const MAX_HANDSHAKE_MESSAGE_BYTES: usize = 16 * 1024;

/// Which end of a connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// We opened the connection.
    Dialer,
    /// The remote opened it.
    Listener,
}

/// A security protocol that the connection can negotiate. `peerwork-tests` has a compliance suite for it.
pub trait SecurityProtocol: fmt::Debug + Send + Sync + 'static {
    /// The name that multistream-select agrees on.
    fn id(&self) -> ProtocolId;

    /// The same protocol with what costs too much to be made for each handshake, a certificate say, made for this node: called once, when
    /// the node is made, with what all its handshakes will have in common. `None`, the default: there is nothing of the kind. It is only
    /// ever about time: without it handshakes are as good.
    fn prepare(
        &self,
        keypair: &Keypair,
        crypto: &Arc<dyn CryptoProvider>,
        seed: &mut Seed,
    ) -> Option<Arc<dyn SecurityProtocol>> {
        let _ = (keypair, crypto, seed);
        None
    }

    /// Starts a handshake on a fresh byte stream.
    fn start(&self, setup: HandshakeSetup, now: Instant) -> Box<dyn Handshake>;
}

/// What a handshake needs to know.
#[derive(Debug)]
pub struct HandshakeSetup {
    /// Which end we are.
    pub role: Role,
    /// Our identity.
    pub keypair: Arc<Keypair>,
    /// Who must be at the other end; `None` accepts anybody (a listener, or a dial by address alone).
    pub expected_peer: Option<PeerId>,
    /// Where signatures and ciphers come from.
    pub crypto: Arc<dyn CryptoProvider>,
    /// The muxers that we speak, best first, for a protocol that agrees on one in its handshake.
    pub muxers: Arc<[ProtocolId]>,
    /// The time since 1970 by the driver's wall clock, for a protocol that compares it with what the remote shows; `None` if it is not
    /// known.
    pub wall_clock: Option<Duration>,
    /// Randomness for this handshake alone.
    pub seed: Seed,
}

/// A handshake in progress. Its one event is [`Secured`]; after it, bytes left in the input belong to the channel, and what
/// [`Layer::poll_transmit`] still gives must be sent before anything that the channel seals.
///
/// Where the byte stream ends too early, [`Layer::handle_input`], with nothing or anything to take, answers
/// [`SecurityError::Ended`] after [`Layer::handle_end`]. Time limits are the connection's, not the handshake's.
pub trait Handshake: Layer<Event = Secured, Error = SecurityError> + Send {}

impl<T: Layer<Event = Secured, Error = SecurityError> + Send> Handshake for T {}

/// What a handshake turns into.
pub struct Secured {
    /// Who is at the other end, proven.
    pub peer: PeerId,
    /// The key that proved it.
    pub public_key: PublicKey,
    /// Seals and opens from here on.
    pub channel: Box<dyn Channel>,
    /// The muxer, one of [`HandshakeSetup::muxers`], if the handshake agreed on it; `None` leaves that to multistream-select.
    pub muxer: Option<ProtocolId>,
    /// Plaintext that arrived in the handshake's last frame behind what the handshake needed.
    pub plain: BytesMut,
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secured")
            .field("peer", &self.peer)
            .field("muxer", &self.muxer)
            .field("plain", &self.plain.len())
            .finish_non_exhaustive()
    }
}

/// What a security handshake turns into: ciphertext below, plaintext above, both in place.
pub trait Channel: Send {
    /// The muxer writes its frames behind this many bytes ...
    fn headroom(&self) -> usize;

    /// ... and this many are appended after them.
    fn tailroom(&self) -> usize;

    /// The most plaintext bytes that one frame can carry; at least 1,024.
    fn max_plaintext(&self) -> usize;

    /// Turns `out[frame_start..]`, which is `headroom` bytes of any content and then plaintext, into one sealed frame. Now and then a
    /// frame of the channel's own goes before it, with new keys say.
    ///
    /// # Errors
    /// The channel is dead: it has sealed as much as its cipher allows, or the frame is larger than
    /// [`Channel::max_plaintext`].
    fn seal(&mut self, out: &mut BytesMut, frame_start: usize) -> Result<(), ChannelError>;

    /// Takes one frame off the front of `input`, if it is complete.
    ///
    /// # Errors
    /// The channel is dead: the frame is malformed, too large or not authentic.
    fn open(&mut self, input: &mut BytesMut) -> Result<Opened, ChannelError>;
}

/// What [`Channel::open`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Opened {
    /// No complete frame yet; `input` is untouched.
    NeedMore,
    /// The plaintext of one frame, which may be empty.
    Plain(BytesMut),
    /// The remote ended the channel in order.
    Closed,
}

/// Why a channel died.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// A frame announces more bytes than the limit. Blame: the peer.
    #[error("a frame of {len} bytes is over the limit of {max}")]
    TooLarge {
        /// The announced length.
        len: u64,
        /// The limit.
        max: u64,
    },
    /// A frame that cannot be one. Blame: the peer.
    #[error("malformed frame: {0}")]
    Malformed(&'static str),
    /// The frame was altered, or sealed with another key. Blame: the peer.
    #[error("the frame is not authentic")]
    NotAuthentic,
    /// The remote ended the channel and says why: it does not accept something of ours. Blame: the peer.
    #[error("the peer ended the channel with the alert {0}")]
    Refused(Alert),
    /// The cipher must not be used any further. Blame: a limit.
    #[error("the cipher has sealed as much as it may")]
    Exhausted,
}

impl ChannelError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::TooLarge { .. } | Self::Malformed(_) | Self::NotAuthentic | Self::Refused(_) => Blame::Peer,
            Self::Exhausted => Blame::Limit,
        }
    }
}

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecurityError {
    /// The remote proved another identity than the one that was dialled. Blame: the peer.
    #[error("the peer at this address is {actual}, not {expected}")]
    WrongPeer {
        /// Who was expected.
        expected: PeerId,
        /// Who answered.
        actual: PeerId,
    },
    /// The remote is ourselves. Blame: the caller.
    #[error("this address leads back to this node itself")]
    SelfDial,
    /// A message is over its limit. Blame: the peer.
    #[error("a handshake message of {len} bytes is over the limit of {max}")]
    TooLarge {
        /// The announced length.
        len: u64,
        /// The limit.
        max: u64,
    },
    /// A message that cannot be one. Blame: the peer.
    #[error("malformed handshake message: {0}")]
    Malformed(&'static str),
    /// A message that is not protobuf. Blame: the peer.
    #[error("malformed handshake message: {0}")]
    Protobuf(#[from] ProtobufError),
    /// The remote's identity key cannot be used. Blame: the peer.
    #[error("in the peer's identity key: {0}")]
    Key(#[from] InvalidKey),
    /// The remote's key, point or signature does not hold. Blame: the peer.
    #[error("the handshake does not prove the peer's identity: {0}")]
    NotAuthentic(&'static str),
    /// The remote's TLS certificate cannot be accepted. Blame: the peer.
    #[error("in the peer's certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The remote broke the handshake's protocol, in a way that its library has words for. Blame: the peer.
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
    /// The remote ended the handshake and says why. Blame: the peer.
    #[error("the peer refuses the handshake with the alert {0}")]
    Refused(Alert),
    /// The two sides have nothing in common. Blame: nobody; both are right.
    #[error("no common {what}: ours are {ours}, the peer's are {theirs}")]
    NoCommonAlgorithm {
        /// What kind of algorithm.
        what: &'static str,
        /// What we offer.
        ours: String,
        /// What the peer offers, shortened.
        theirs: String,
    },
    /// The byte stream ended before the handshake did. Blame: closed.
    #[error("the peer closed the connection while we waited for {0}")]
    Ended(&'static str),
    /// The first frame of the channel is bad. Blame: see the cause.
    #[error("in the first encrypted frame: {0}")]
    Channel(#[from] ChannelError),
    /// Our own side cannot do it: a key of a type that the crypto provider does not sign with. Blame: the caller.
    #[error("this node cannot take part in the handshake: {0}")]
    Local(String),
}

impl SecurityError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::WrongPeer { .. }
            | Self::TooLarge { .. }
            | Self::Malformed(_)
            | Self::Protobuf(_)
            | Self::Key(_)
            | Self::NotAuthentic(_)
            | Self::Certificate(_)
            | Self::Protocol(_)
            | Self::Refused(_)
            | Self::NoCommonAlgorithm { .. } => Blame::Peer,
            Self::SelfDial | Self::Local(_) => Blame::Caller,
            Self::Ended(_) => Blame::Closed,
            Self::Channel(error) => error.blame(),
        }
    }
}

/// Compares who the remote is with ourselves and with whom we expect.
///
/// # Errors
/// [`SecurityError::SelfDial`], [`SecurityError::WrongPeer`].
fn check_peer(actual: PeerId, own: &PublicKey, expected: Option<PeerId>) -> Result<(), SecurityError> {
    if actual == own.to_peer_id() {
        return Err(SecurityError::SelfDial);
    }
    match expected {
        Some(expected) if expected != actual => Err(SecurityError::WrongPeer { expected, actual }),
        _ => Ok(()),
    }
}
