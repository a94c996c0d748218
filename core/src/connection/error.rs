//! Why a connection ended.

use crate::machine::{Blame, End};
use crate::muxer::MuxerError;
use crate::negotiation::{NegotiationError, ProtocolId};
use crate::security::pnet::ReflectedNonce;
use crate::security::{ChannelError, SecurityError};
use crate::swarm::{AccessDenied, ConnectionLimit};

/// What is negotiated first.
pub(super) const SECURITY: &str = "security protocol";

/// Why a connection ended, or never came up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The two sides could not agree on a security protocol or a muxer. Blame: see the cause.
    #[error("no agreement on a {what}: {error}")]
    Negotiation {
        /// What was negotiated.
        what: &'static str,
        /// Why it failed.
        error: NegotiationError,
    },
    /// The security handshake failed. Blame: see the cause.
    #[error("the {protocol} handshake failed: {error}")]
    Security {
        /// Which protocol.
        protocol: ProtocolId,
        /// Why it failed. Boxed, since it is rare and large.
        error: Box<SecurityError>,
    },
    /// The secure channel broke. Blame: see the cause.
    #[error("the secure channel broke: {0}")]
    Channel(#[from] ChannelError),
    /// The muxer died. Blame: see the cause.
    #[error("{0}")]
    Muxer(#[from] MuxerError),
    /// The connection was not up in time. Blame: timeout.
    #[error("the peer did not finish the handshake in time")]
    HandshakeTimeout,
    /// In a private network: nothing that the remote said made sense, or it said nothing and closed. Blame: see the cause.
    #[error("{0}; in a private network that is what a peer without the same pre-shared key looks like")]
    PrivateNetwork(Box<Self>),
    /// In a private network: the remote sent our own nonce back, since it could make nothing of another. Blame: the peer.
    #[error("the peer sends back what it gets, so it does not have the private network's pre-shared key")]
    Reflected,
    /// No stream needed the connection for the idle timeout. Blame: closed.
    #[error("the connection was idle")]
    Idle,
    /// This node closed it, because it has too many. Blame: a limit.
    #[error("{0}")]
    Limit(#[from] ConnectionLimit),
    /// This node closed it, because the user's rules do not allow it. Blame: closed.
    #[error("not allowed: {0}")]
    Denied(#[from] AccessDenied),
    /// This node closed it. Blame: closed.
    #[error("this node closed the connection")]
    ClosedHere,
    /// The remote closed it, in order. Blame: closed.
    #[error("the peer closed the connection")]
    ClosedByPeer,
    /// The byte stream below broke. Blame: closed.
    #[error("the connection broke")]
    Broken,
}

impl ConnectionError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Negotiation { error, .. } => error.blame(),
            Self::Security { error, .. } => error.blame(),
            Self::Channel(error) => error.blame(),
            Self::Muxer(error) => error.blame(),
            Self::Limit(limit) => limit.blame(),
            Self::PrivateNetwork(cause) => cause.blame(),
            Self::Reflected => Blame::Peer,
            Self::HandshakeTimeout => Blame::Timeout,
            Self::Denied(_) | Self::Idle | Self::ClosedHere | Self::ClosedByPeer | Self::Broken => {
                Blame::Closed
            }
        }
    }
}

impl ConnectionError {
    pub(super) fn security(protocol: &ProtocolId, error: SecurityError) -> Self {
        Self::Security { protocol: protocol.clone(), error: Box::new(error) }
    }

    /// The same as it concerns a private network, where a remote whose first words make no sense may have another key.
    pub(super) fn in_private_network(self, has_heard: bool) -> Self {
        let is_suspect = match &self {
            Self::Negotiation { what: SECURITY, error: NegotiationError::BadHeader } => true,
            Self::Negotiation { error: NegotiationError::Ended, .. }
            | Self::HandshakeTimeout
            | Self::ClosedByPeer
            | Self::Broken => !has_heard,
            _ => false,
        };
        if is_suspect { Self::PrivateNetwork(Box::new(self)) } else { self }
    }
}

impl From<ReflectedNonce> for ConnectionError {
    fn from(_: ReflectedNonce) -> Self {
        Self::Reflected
    }
}

impl From<End> for ConnectionError {
    fn from(end: End) -> Self {
        match end {
            End::Closed => Self::ClosedByPeer,
            End::Failed => Self::Broken,
        }
    }
}
