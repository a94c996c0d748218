//! multistream-select 1.0: agreeing on a protocol by name.
//!
//! Every byte stream starts with it: the connection, to agree on a security protocol; the secured connection, to agree on a
//! muxer; and each stream of the muxer, to agree on what it is for. A message is a line of text behind its length.
//!
//! ```text
//! dialer                                  listener
//!   /multistream/1.0.0      -->
//!   /yamux/1.0.0            -->
//!                           <--   /multistream/1.0.0
//!                           <--   na                       not supported
//!   /mplex/6.7.0            -->
//!                           <--   /mplex/6.7.0             accepted
//! ```
//!
//! [`Dialer`] proposes, [`Listener`] answers; "listener" also means the acceptor of a stream. Both are [`Layer`]s with one
//! event, [`Negotiated`]. Bytes behind the last message stay in the input: they belong to what was agreed on. Bytes that
//! wait to be sent when the event comes are still given by `poll_transmit`, and must be fetched before the layer is dropped.
//!
//! They hold no buffers: an incomplete message stays in the caller's input, and what is to be sent is made from the state
//! when it is asked for. They set no deadline: how long a negotiation may take is the connection's rule.
//!
//! # Without waiting
//!
//! A [`Dialer::lazy`] saves the round trip of its last proposal. Whether that is wise depends on what follows:
//!
//! - *A security protocol:* where its dialer speaks first. If the last one is refused, the connection is of no use in either case.
//! - *A stream:* where the opener can live with learning afterwards that the remote does not speak the protocol.
//! - *A muxer:* no. A listener that refuses the muxer reads what follows as further proposals. That goes well where it cannot
//!   be one, but a muxer of a user's own may begin with anything, and if it begins with a negotiation of its own, both sides would
//!   believe in different protocols. Also, a connection would be announced that may not come up.
//!
//! In the same way two lazy negotiations, one within the other, must have bytes of the outer protocol between them that are no
//! proposal. The frames of a muxer and the messages of a handshake are such bytes.
//!
//! # Failure
//!
//! [`Layer::handle_input`] returns the error, and goes on returning it; [`Layer::poll_close`] says [`Close::Now`], or
//! [`Close::Flush`] after [`NegotiationError::Refused`]. When the byte stream ends before any proposal was refused, `handle_input` returns
//! [`NegotiationError::Ended`] from then on, also for empty input.
//!
//! [`Layer`]: crate::machine::Layer
//! [`Layer::handle_input`]: crate::machine::Layer::handle_input
//! [`Layer::poll_close`]: crate::machine::Layer::poll_close
//! [`Close::Now`]: crate::machine::Close::Now
//! [`Close::Flush`]: crate::machine::Close::Flush

mod codec;
mod dialer;
mod listener;
mod protocol_id;
#[cfg(test)]
mod tests;

pub use codec::MAX_MESSAGE_BYTES;
pub use dialer::Dialer;
pub use listener::{Listener, MAX_PROPOSALS, Supported};
pub use protocol_id::{InvalidProtocolId, MAX_PROTOCOL_ID_BYTES, ProtocolId};

use crate::machine::Blame;
use smallvec::SmallVec;

/// Both sides agreed on this protocol; what follows on the byte stream is spoken in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated(pub ProtocolId);

/// Why no protocol was agreed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NegotiationError {
    /// The remote supports none of these, which is all that we proposed. Blame: the peer.
    #[error("the peer does not speak {}", join(.0))]
    Unsupported(SmallVec<[ProtocolId; 1]>),
    /// The dialer was started with nothing to propose. Blame: the caller.
    #[error("no protocol was proposed")]
    NothingProposed,
    /// The remote's first message is not the header of multistream-select 1.0. Blame: the peer.
    #[error("the peer does not speak multistream-select 1.0")]
    BadHeader,
    /// A message announces more than [`MAX_MESSAGE_BYTES`]. Blame: the peer.
    #[error("a negotiation message is longer than {MAX_MESSAGE_BYTES} bytes")]
    TooLarge,
    /// A message that cannot be one. Blame: the peer.
    #[error("malformed negotiation message: {0}")]
    Malformed(&'static str),
    /// The remote answered a proposal with something else than the same name or `na`: this. Blame: the peer.
    #[error("the peer answered a proposal with {0:?}")]
    UnexpectedAnswer(Box<str>),
    /// The remote made more than [`MAX_PROPOSALS`] proposals. Blame: a limit.
    #[error("the peer proposed more than {MAX_PROPOSALS} protocols")]
    TooManyProposals,
    /// We refused the remote's proposals, and what came next is no proposal, or the end. Blame: nobody; the dialer has nothing more to
    /// propose, or did not wait for the answer and had already sent what belongs to the protocol.
    #[error("this node does not speak what the peer proposed")]
    Refused,
    /// The byte stream ended before a protocol was agreed on. Blame: closed.
    #[error("the peer closed before a protocol was agreed on")]
    Ended,
}

impl NegotiationError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unsupported(_)
            | Self::BadHeader
            | Self::TooLarge
            | Self::Malformed(_)
            | Self::UnexpectedAnswer(_) => Blame::Peer,
            Self::NothingProposed => Blame::Caller,
            Self::TooManyProposals => Blame::Limit,
            Self::Refused | Self::Ended => Blame::Closed,
        }
    }
}

/// The names, for an error message.
pub(crate) fn join(protocols: &[ProtocolId]) -> String {
    protocols.iter().map(ProtocolId::as_str).collect::<Vec<_>>().join(", ")
}
