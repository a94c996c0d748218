//! How connections behave.

use crate::crypto::{self, CryptoProvider};
use crate::identity::Keypair;
use crate::muxer::MuxerProtocol;
use crate::negotiation::ProtocolId;
use crate::security::SecurityProtocol;
use crate::security::pnet::PreSharedKey;
use crate::seed::Seed;
use std::sync::Arc;
use std::time::Duration;

/// How connections behave. Shared by all connections of a node.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// The security protocols, best first.
    pub security: Vec<Arc<dyn SecurityProtocol>>,
    /// The muxers, best first.
    pub muxers: Vec<Arc<dyn MuxerProtocol>>,
    /// Where signatures and ciphers come from.
    pub crypto: Arc<dyn CryptoProvider>,
    /// The key of the [private network](crate::security::pnet) that the node belongs to: it can then talk only to nodes that have the
    /// same key, in both directions. It protects byte streams; a [`Carrier`](super::Carrier) that stands on anything else does not
    /// know of it, and has no place in a private network.
    ///
    /// Default: `None`.
    pub private_network: Option<PreSharedKey>,
    /// Whether a dialer sends what it can of its last security protocol right behind that protocol's name, without waiting for the
    /// remote to accept it. Listeners take it: rust-libp2p always dials so. It saves a round trip with a protocol whose dialer speaks
    /// first, and none with secio and plaintext, where the listener's first message comes with its acceptance anyway. In return a
    /// remote that refuses may break the connection before its refusal is read, and the error is less clear.
    ///
    /// Default: true.
    pub lazy_security: bool,
    /// Which raw streams, those of the application, are opened without waiting for the remote to accept their protocol; see
    /// [`StreamOptions::lazy`](crate::protocols::StreamOptions::lazy).
    pub lazy_streams: LazyStreams,
    /// How long a connection may take until streams can be opened on it. Ends an attack by silence.
    pub handshake_timeout: Duration,
    /// How long a stream may take to agree on a protocol; it is reset after that.
    pub negotiation_timeout: Duration,
    /// How long a connection stays open without anything that [keeps it open](crate::swarm#what-keeps-a-connection-open);
    /// `None` is forever.
    pub idle_timeout: Option<Duration>,
    /// How long the remote may take, when we close in order, to let messages leave that are still to be written, and then as long again
    /// to close as well; the connection is dropped after that.
    pub close_timeout: Duration,
    /// How many bytes may wait for the socket before writing blocks. Overshot by one frame at most.
    pub max_transmit_bytes: usize,
    /// How many wishes for a stream may wait for the muxer's limit to allow them; more are refused.
    pub max_waiting_opens: usize,
    /// How many streams opened by the remote may be agreeing on a protocol at a time; more are reset. Ends an attack by
    /// half-open streams. Where the remote's buffers are full, all that it opens meanwhile is announced before the first of them
    /// can say a word, so this should not be far below the muxer's limit of streams.
    pub max_negotiating_streams: usize,
}

/// Which raw streams are opened without waiting for the remote to accept their protocol. It saves a round trip each. In return the
/// remote may turn out to refuse after the stream was handed out: reading then fails, with an error that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LazyStreams {
    /// None: an open stream means that the remote speaks the protocol.
    Never,
    /// Those of the protocol that the remote accepted last, on this connection and from us, where it is the only one proposed; until a
    /// stream is refused.
    #[default]
    Known,
    /// All.
    Always,
}

impl Default for ConnectionConfig {
    /// No security protocol and no muxer; the [default crypto provider](crypto::default_provider); no private network; answers are waited
    /// for unless no choice is left or they are known; 15 s for a handshake, 10 s for a stream's negotiation, 60 s of idleness, 5 s to close;
    /// 64 KiB to be sent, 256 wishes, 1,024 streams in negotiation.
    fn default() -> Self {
        Self {
            security: Vec::new(),
            muxers: Vec::new(),
            crypto: crypto::default_provider(),
            private_network: None,
            lazy_security: true,
            lazy_streams: LazyStreams::Known,
            handshake_timeout: Duration::from_secs(15),
            negotiation_timeout: Duration::from_secs(10),
            idle_timeout: Some(Duration::from_secs(60)),
            close_timeout: Duration::from_secs(5),
            max_transmit_bytes: 64 * 1024,
            max_waiting_opens: 256,
            max_negotiating_streams: 1_024,
        }
    }
}

impl ConnectionConfig {
    /// Lets the security protocols make what all handshakes of this node have in common.
    pub(crate) fn prepare(&mut self, keypair: &Keypair, seed: &mut Seed) {
        for protocol in &mut self.security {
            if let Some(prepared) = protocol.prepare(keypair, &self.crypto, seed) {
                *protocol = prepared;
            }
        }
    }

    pub(super) fn security_ids(&self) -> Arc<[ProtocolId]> {
        self.security.iter().map(|protocol| protocol.id()).collect()
    }

    pub(crate) fn muxer_ids(&self) -> Arc<[ProtocolId]> {
        self.muxers.iter().map(|protocol| protocol.id()).collect()
    }
}
