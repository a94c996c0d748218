//! Why a command fails: one line that says what is wrong and what would be right.

use crate::args::RuntimeName;
use crate::echo::EchoError;
use crate::key_file::KeyFileError;
use crate::repo;
use peerwork_repo::RepoError;
use peerwork_tokio::core::address::{InvalidAddress, Multiaddr, with_peer_id};
use peerwork_tokio::core::connection::ConnectionError;
use peerwork_tokio::core::crypto::UnsupportedKey;
use peerwork_tokio::core::identity::{InvalidPeerId, InvalidPeerInfo, PeerId};
use peerwork_tokio::core::negotiation::NegotiationError;
use peerwork_tokio::core::protocols::StreamError;
use peerwork_tokio::core::protocols::identify::IdentifyError;
use peerwork_tokio::core::protocols::ping::PingError;
use peerwork_tokio::core::swarm::dialer::AttemptError;
use peerwork_tokio::core::swarm::{DialError, ListenError, TransportError};
use peerwork_tokio::{MeasureError, ProtocolTaken, RequestError, StartError, Stopped};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Advice that only a program with the fast crypto provider can give.
const FAST_OR: &str = if cfg!(feature = "aws-lc") { "--crypto fast, or " } else { "" };

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The text is not an address.
    #[error("{text}: {}", explain_address(.error))]
    Address {
        /// What the user wrote, shortened.
        text: String,
        /// What is wrong with it.
        error: InvalidAddress,
    },
    /// The text is not a peer id.
    #[error("{text}: {error}")]
    PeerId {
        /// What the user wrote, shortened.
        text: String,
        /// What is wrong with it.
        error: InvalidPeerId,
    },
    /// The peer cannot be reached.
    #[error("cannot connect to {target}: {}", explain_dial(.target, .error))]
    Dial {
        /// Who or where it should be.
        target: String,
        /// Why.
        error: DialError,
    },
    /// The addresses are those of several peers.
    #[error("{0}")]
    Peers(InvalidPeerInfo),
    /// The node cannot listen.
    #[error("cannot listen on {address}: {}", explain_listen(.error))]
    Listen {
        /// Where.
        address: Multiaddr,
        /// Why.
        error: ListenError,
    },
    /// The text is not where metrics can be served.
    #[error("{text}: an IP address and a port are needed, such as 127.0.0.1:9090, or a port alone")]
    MetricsAddress {
        /// What the user wrote, shortened.
        text: String,
    },
    /// The metrics cannot be served.
    #[error("cannot serve metrics on {address}: {error}")]
    Metrics {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: TransportError,
    },
    /// The key file cannot be used.
    #[error("the key file {}: {error}", .path.display())]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: KeyFileError,
    },
    /// The repo cannot be used.
    #[error("{}", repo::explain(.0))]
    Repo(#[from] RepoError),
    /// The repo knows nothing of the peer.
    #[error("{peer} is not in the repo; peerwork peers --repo {} lists who is", .path.display())]
    NotInRepo {
        /// Who.
        peer: PeerId,
        /// The repo.
        path: PathBuf,
    },
    /// The environment forbids nodes outside of a private network.
    #[error(
        "LIBP2P_FORCE_PNET=1 forbids a node outside of a private network; say with --private-network FILE which key to use"
    )]
    NoPrivateNetwork,
    /// The program has no such runtime.
    #[error("this program is built without {0}; build it with --features {0}, or use --runtime tokio")]
    NotBuiltIn(RuntimeName),
    /// More connections would be left than are too many.
    #[error("--low-water {low} is above --high-water {high}; it must not be")]
    LowWater {
        /// What the user wants.
        low: usize,
        /// What it must not be above.
        high: usize,
    },
    /// The high watermark would never be reached.
    #[error("--high-water {high} is never reached with --max-connections {max}; it must be below it")]
    HighWater {
        /// What the user wants.
        high: usize,
        /// What it must be below.
        max: usize,
    },
    /// The peer did not answer a ping.
    #[error("{0}")]
    Ping(PingError),
    /// The peer did not tell what it is.
    #[error("{0}")]
    Identify(IdentifyError),
    /// No stream could be opened.
    #[error("{}", explain_stream(.0))]
    Stream(StreamError),
    /// The bytes did not come back.
    #[error("{0}")]
    Echo(#[from] EchoError),
    /// Nothing could be measured.
    #[error("{}", explain_measure(.0))]
    Perf(MeasureError),
    /// The node could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A protocol is handled twice.
    #[error("{0}")]
    Taken(ProtocolTaken),
    /// The node has stopped by itself.
    #[error("the node has stopped")]
    Stopped,
    /// The user or the system has ended the program before it was done.
    #[error("interrupted")]
    Interrupted,
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness: {0}")]
    NoEntropy(#[from] getrandom::Error),
    /// aws-lc makes no RSA key.
    #[cfg(feature = "aws-lc")]
    #[error("no RSA key could be made; try again, or use another type of key")]
    NoRsaKey,
    /// The crypto provider cannot sign with the node's key.
    #[error("{0}; use {FAST_OR}a key of another type")]
    CannotSign(UnsupportedKey),
    /// Nothing can be printed.
    #[error("standard output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The system gives no threads, timers or signals.
    #[error("the system does not let the program run: {0}")]
    System(io::Error),
}

impl Failure {
    /// `target` cannot be reached.
    pub(crate) fn dial(target: impl fmt::Display, error: DialError) -> Self {
        Self::Dial { target: target.to_string(), error }
    }
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Turns the answer of a node's handle into the command's.
pub(crate) fn failed<E>(failure: impl FnOnce(E) -> Failure) -> impl FnOnce(RequestError<E>) -> Failure {
    |error| match error {
        RequestError::Failed(error) => failure(error),
        RequestError::Stopped => Failure::Stopped,
    }
}

fn explain_address(error: &InvalidAddress) -> String {
    let advice = match error {
        InvalidAddress::BadComponent { .. } => "; an address looks like /ip4/127.0.0.1/tcp/4001",
        InvalidAddress::PeerId(_) => "; the address of a peer ends with /p2p/ and its whole peer id",
        _ => "",
    };
    format!("{error}{advice}")
}

fn explain_dial(target: &str, error: &DialError) -> String {
    match error {
        DialError::Failed(failures) => match &failures[..] {
            [(address, error)] if target.starts_with(&address.to_string()) => explain_attempt(address, error),
            // A name led to it.
            [(address, error)] => format!("{address}: {}", explain_attempt(address, error)),
            several => {
                let each = several.iter().map(|(address, error)| format!("{address}: {error}"));
                each.collect::<Vec<_>>().join("; ")
            }
        },
        DialError::Timeout(_) => format!("{error}; give it more --timeout"),
        DialError::SelfDial => format!("{error}; use another address, or another key file"),
        DialError::NoAddresses => {
            "no address of this peer is known; say one, or use the --repo of a node that has met it"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

fn explain_attempt(address: &Multiaddr, error: &AttemptError) -> String {
    let advice = match error {
        AttemptError::Address(error) | AttemptError::Transport(TransportError::Address(error)) => {
            return explain_address(error);
        }
        AttemptError::WrongPeer { actual, .. } => {
            let address = with_peer_id(address.clone(), actual);
            return format!("{error}; if that is the one you want, use {address}");
        }
        AttemptError::SelfDial => "; use another address, or another key file",
        AttemptError::Transport(TransportError::Refused) => {
            "; start a node there, for instance with peerwork listen"
        }
        AttemptError::Timeout | AttemptError::Connection(ConnectionError::HandshakeTimeout) => {
            "; see whether a libp2p node runs there, or give it more --timeout"
        }
        AttemptError::Connection(ConnectionError::PrivateNetwork(_) | ConnectionError::Reflected) => {
            "; see whether the peer uses the same --private-network file"
        }
        AttemptError::Connection(ConnectionError::Negotiation { error: NegotiationError::Ended, .. }) => {
            "; see whether a libp2p node runs there, and whether it lets you in"
        }
        AttemptError::Connection(ConnectionError::Negotiation { what: "muxer", .. }) => {
            "; see whether a libp2p node runs there, or use another --muxer"
        }
        AttemptError::Connection(ConnectionError::Negotiation { .. }) => {
            "; see whether a libp2p node runs there, or use another --security"
        }
        _ => "",
    };
    format!("{error}{advice}")
}

fn explain_listen(error: &ListenError) -> String {
    let advice = match error {
        ListenError::Transport(TransportError::Address(error)) => return explain_address(error),
        ListenError::Transport(TransportError::NotLocal) => {
            "; /ip4/127.0.0.1/tcp/0 is for this machine only, /ip4/0.0.0.0/tcp/0 for all"
        }
        _ => "",
    };
    format!("{error}{advice}")
}

fn explain_measure(error: &MeasureError) -> String {
    match error {
        MeasureError::Open(error @ StreamError::Unsupported(_)) => {
            format!("{error}; peerwork listen serves it with --perf")
        }
        MeasureError::Open(error) => explain_stream(error),
        MeasureError::Silent(_) => format!("{error}; a slow peer needs more --timeout"),
        _ => error.to_string(),
    }
}

fn explain_stream(error: &StreamError) -> String {
    let advice = match error {
        StreamError::Unsupported(_) => "; peerwork identify lists what it speaks",
        _ => "",
    };
    format!("{error}{advice}")
}
