//! The command line: what is written here is also the help.
//!
//! Addresses stay text: a wrong one is a failure of the command, reported like the others, and no wrong usage.

use bytesize::ByteSize;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum, value_parser};
use peerwork_tokio::core::swarm::{Limits, PeerOrRange};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A libp2p node on the command line: meet, ping, identify and echo with any libp2p peer
#[derive(Debug, Parser)]
#[command(name = "peerwork", version, arg_required_else_help = true, max_term_width = 100, after_help = TOUR)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Print one JSON object a line instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log to standard error what the node does; twice for more. RUST_LOG chooses precisely
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

const TOUR: &str = "\
New to libp2p? Start with:
  peerwork demo

Or let two nodes meet, in two terminals:
  peerwork listen
  peerwork ping ADDRESS    (an address that the first one printed)";

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Let two nodes meet in this process, and explain step by step what happens
    ///
    /// Two nodes start in this process and meet over TCP on the loopback interface. Every step is explained and shown with
    /// its real values. Ends by itself, in seconds.
    #[command(after_help = "Example:\n  peerwork demo")]
    Demo {
        #[command(flatten)]
        options: NodeOptions,
    },
    /// Run a node that others can reach, until Ctrl-C
    ///
    /// Runs a node that accepts connections, answers ping and identify, and sends back what it receives on /echo/1.0.0. Prints
    /// the addresses at which others reach it, and who comes and goes. Ends in order on Ctrl-C (SIGINT) or SIGTERM.
    #[command(after_help = "\
Examples:
  peerwork listen
  peerwork listen --listen /ip4/0.0.0.0/tcp/4001 --repo ~/.peerwork
  peerwork listen --listen /ip4/0.0.0.0/tcp/4001 --allow 192.168.0.0/16 --block 192.168.6.6")]
    Listen {
        /// Where to listen, for instance /ip4/0.0.0.0/tcp/4001; can be given several times
        ///
        /// 127.0.0.1 is reachable from this machine only, 0.0.0.0 on all its addresses. Port 0 lets the system choose a
        /// free one.
        #[arg(long = "listen", value_name = "ADDRESS", default_value = "/ip4/127.0.0.1/tcp/0")]
        addresses: Vec<String>,
        /// Let peers measure how fast this node is (/perf/1.0.0)
        ///
        /// Whoever connects can then have this node send as much as they like: nothing for a node that strangers can reach.
        #[arg(long)]
        perf: bool,
        /// Tell Prometheus what the node does, at http://ADDR/metrics: connections, streams, dials, bytes
        ///
        /// Such as 127.0.0.1:9090, or 9090 alone, which is the same. Whoever reaches another address than that of this machine can
        /// read it too. Port 0 lets the system choose a free one, which is printed.
        #[arg(long, value_name = "ADDR")]
        metrics: Option<String>,
        #[command(flatten)]
        admission: Admission,
        #[command(flatten)]
        options: NodeOptions,
    },
    /// Connect to a peer that may be at several addresses, and show how each of them fares
    ///
    /// All addresses are those of one peer, or of whoever answers first. They are dialled in an order and at a pace that finds a good
    /// one soon and does not try them all at once; the first that answers wins.
    #[command(after_help = "\
Examples:
  peerwork dial /ip4/127.0.0.1/tcp/4001 /ip6/::1/tcp/4001
  peerwork dial /dnsaddr/bootstrap.libp2p.io/p2p/QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN")]
    Dial {
        /// Where the peer may be, such as /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW... or /dnsaddr/NAME; or the peer id of one in the --repo
        #[arg(value_name = "ADDRESS", required = true)]
        addresses: Vec<String>,
        #[command(flatten)]
        options: NodeOptions,
    },
    /// Measure the round trip to a peer
    #[command(after_help = "\
Examples:
  peerwork ping /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW... 10
  peerwork ping 12D3KooW... --repo ~/.peerwork")]
    Ping {
        #[command(flatten)]
        target: Target,
        /// How many pings to send, one after the other
        #[arg(default_value_t = 3, value_parser = value_parser!(u32).range(1..))]
        count: u32,
        #[command(flatten)]
        options: NodeOptions,
    },
    /// Ask a peer what it is: its software, protocols and addresses
    #[command(after_help = "Example:\n  peerwork identify /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...")]
    Identify {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        options: NodeOptions,
    },
    /// Send bytes to a peer, compare what comes back, and measure the throughput
    ///
    /// Opens a stream for /echo/1.0.0, which `peerwork listen` serves, sends BYTES bytes and reads them back at the same time.
    #[command(after_help = "Example:\n  peerwork echo /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW... 100000000")]
    Echo {
        #[command(flatten)]
        target: Target,
        /// How many bytes to send
        #[arg(default_value_t = 1024)]
        bytes: u64,
        #[command(flatten)]
        options: NodeOptions,
    },
    /// Measure how fast a peer is: upload, download, latencies
    ///
    /// Uses /perf/1.0.0, which `peerwork listen --perf` serves. Sends to the peer and has it send, as fast as it goes, then measures how
    /// long a round trip, a new stream and a new connection take, again and again.
    #[command(after_help = "Example:\n  peerwork perf /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...")]
    Perf {
        #[command(flatten)]
        target: Target,
        /// How much to upload, such as 100MB or 1GiB, however long it takes; 0 to leave it out
        #[arg(long, value_name = "SIZE")]
        upload_bytes: Option<ByteSize>,
        /// How much to download, likewise
        #[arg(long, value_name = "SIZE")]
        download_bytes: Option<ByteSize>,
        /// How long each measurement may take, in seconds, where no size is given
        #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_timeout)]
        seconds: Duration,
        #[command(flatten)]
        options: NodeOptions,
    },
    /// Show whom a node remembers: the peers in its repo
    ///
    /// Lists the peers that are stored in the repo, each with its addresses, the best known first: who told of them, when they last
    /// brought a connection, and how long they are kept. A node may use the repo meanwhile; what it learns is there within half a minute.
    #[command(after_help = "\
Examples:
  peerwork peers --repo ~/.peerwork
  peerwork peers --repo ~/.peerwork 12D3KooW...")]
    Peers {
        /// The directory with the node's key and peers
        #[arg(long, value_name = "PATH")]
        repo: PathBuf,
        /// Show only this peer, and what it speaks
        #[arg(value_name = "PEER-ID")]
        peer: Option<String>,
    },
    /// Make an identity that lasts: a key in a file
    ///
    /// Writes a new private key to a file, in the encoding that all libp2p implementations share and readable by its owner
    /// only, and prints the peer id that belongs to it. An existing file is never overwritten.
    #[command(after_help = "\
Examples:
  peerwork keygen --out node.key
  peerwork listen --key-file node.key
  peerwork keygen --private-network swarm.key
  peerwork listen --private-network swarm.key")]
    Keygen {
        /// Where to write the key
        #[arg(long, value_name = "FILE", default_value = "peerwork.key")]
        out: PathBuf,
        /// The type of the key
        #[arg(long = "type", value_name = "TYPE", default_value = "ed25519")]
        key_type: KeyType,
        /// Make the pre-shared key of a private network instead, and write it here
        ///
        /// Every member needs a copy of the file, and nobody else may have one. Its fingerprint can be shown to anybody.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "key_type"])]
        private_network: Option<PathBuf>,
    },
}

/// Whom to talk to.
#[derive(Debug, ClapArgs)]
pub(crate) struct Target {
    /// Where the peer is, such as /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...
    ///
    /// With /p2p/PEER-ID at its end, only that peer will do. Without it, whoever answers is taken. A peer id alone will do where the
    /// node's --repo has an address of that peer.
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
}

/// Whom a node lets in, and how many.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Who may connect")]
pub(crate) struct Admission {
    /// Let in only these: a peer id, an IP address, or a range such as 192.0.2.0/24; can be given several times
    ///
    /// With peers, only those may connect; with addresses, only from there; with both, only those from there.
    #[arg(long, value_name = "PEER-OR-RANGE")]
    pub(crate) allow: Vec<PeerOrRange>,
    /// Do not let these in, whatever --allow says; can be given several times
    #[arg(long, value_name = "PEER-OR-RANGE")]
    pub(crate) block: Vec<PeerOrRange>,
    /// How many connections there may be, of which others may make three quarters; more are refused
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().max_connections)]
    pub(crate) max_connections: usize,
    /// With more connections than this, some are closed: idle ones first, then the youngest
    #[arg(long, value_name = "COUNT", requires = "low_water")]
    pub(crate) high_water: Option<usize>,
    /// So many connections are left then
    #[arg(long, value_name = "COUNT", requires = "high_water")]
    pub(crate) low_water: Option<usize>,
}

/// The options of a command that runs a node.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Node options")]
pub(crate) struct NodeOptions {
    /// The security protocols to use, separated by commas, the preferred one first
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = DEFAULT_SECURITY_LIST)]
    pub(crate) security: Vec<Security>,
    /// The stream muxers to use, separated by commas, the preferred one first
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "yamux")]
    pub(crate) muxer: Vec<Muxer>,
    /// The type of the key of the new identity that the node gets; with --repo, when that is used first
    #[arg(long, value_name = "TYPE", default_value = "ed25519", conflicts_with = "key_file")]
    pub(crate) key: KeyType,
    /// Take the node's identity from a key file that keygen wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Keep the node's identity and the peers that it can dial again in this directory, from one run to the next
    ///
    /// The directory is made on first use, for its owner only. One node at a time can use it; `peerwork peers --repo PATH` shows what it
    /// remembers: whom it has dialled, and who has told where it listens. Peers in it can be dialled by /p2p/PEER-ID alone.
    #[arg(long, value_name = "PATH", conflicts_with = "key_file")]
    pub(crate) repo: Option<PathBuf>,
    /// Talk only to nodes with the same pre-shared key, that of this file (often called swarm.key)
    ///
    /// keygen --private-network makes one. With LIBP2P_FORCE_PNET=1 in the environment, no node starts without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) private_network: Option<PathBuf>,
    /// On what the node runs: its tasks, sockets and timers, and how names are looked up
    #[arg(long, value_name = "RUNTIME", default_value = "tokio")]
    pub(crate) runtime: RuntimeName,
    /// Where signatures, key agreement and ciphers come from
    #[arg(long, value_name = "PROVIDER", value_enum, default_value_t)]
    pub(crate) crypto: Crypto,
    /// How wide secio's shared secret is; the same as the peer's, or some handshakes fail
    #[arg(long, value_name = "WIDTH", default_value = "full")]
    pub(crate) secio_secret: SecioSecret,
    /// How long to wait for the peer at each step, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = parse_timeout)]
    pub(crate) timeout: Duration,
}

impl NodeOptions {
    /// What the other side has to say to understand this one; nothing if it is the default.
    pub(crate) fn protocols(&self) -> String {
        let mut options = String::new();
        if self.security != DEFAULT_SECURITY {
            options += &format!(" --security {}", names(&self.security));
        }
        if self.muxer != DEFAULT_MUXERS {
            options += &format!(" --muxer {}", names(&self.muxer));
        }
        if let Some(file) = &self.private_network {
            options += &format!(" --private-network {}", file.display());
        }
        options
    }
}

fn names(values: &[impl ValueEnum]) -> String {
    let values = values.iter().filter_map(ValueEnum::to_possible_value);
    values.map(|value| value.get_name().to_owned()).collect::<Vec<_>>().join(",")
}

/// A security protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Security {
    /// TLS 1.3: the fastest where the processor computes AES
    #[cfg(feature = "tls")]
    Tls,
    /// Noise XX: what every implementation of today has
    Noise,
    /// What libp2p used until 2020; deprecated by its own specification, for networks that still speak it
    Secio,
    /// Neither encrypted nor authenticated: for tests only
    Plaintext,
}

/// The security protocols of a node that was told of none.
const DEFAULT_SECURITY: &[Security] = &[
    #[cfg(feature = "tls")]
    Security::Tls,
    Security::Noise,
];

/// The same as it would be written on the command line.
const DEFAULT_SECURITY_LIST: &str = if cfg!(feature = "tls") { "tls,noise" } else { "noise" };

/// How wide secio's shared secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecioSecret {
    /// As js and rust have it
    Full,
    /// Without leading zero bytes, as go and py have it
    Stripped,
}

/// A stream muxer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Muxer {
    /// Streams with flow control: one that is not read holds up no other
    Yamux,
    /// Streams without flow control; deprecated by its own specification, for networks that still speak it
    Mplex,
}

/// The muxers of a node that was told of none.
const DEFAULT_MUXERS: [Muxer; 1] = [Muxer::Yamux];

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names(&[*self]))
    }
}

impl fmt::Display for Muxer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names(&[*self]))
    }
}

/// A crypto provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Crypto {
    /// aws-lc: assembly for the processor at hand
    #[cfg(feature = "aws-lc")]
    #[default]
    Fast,
    /// Rust for any processor. Does not sign with RSA keys
    #[cfg_attr(not(feature = "aws-lc"), default)]
    Portable,
}

/// An async runtime, built in or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuntimeName {
    /// As many threads as there are processors
    Tokio,
    /// One thread, and one for the sockets and timers
    Smol,
    /// Discontinued by its authors; only in programs that are built with it
    AsyncStd,
}

impl fmt::Display for RuntimeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names(&[*self]))
    }
}

/// A type of identity key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyType {
    /// Small and fast, supported by every libp2p implementation
    Ed25519,
    /// What bitcoin and ethereum use
    Secp256k1,
    /// On the curve P-256; not every implementation takes it
    Ecdsa,
    /// 2,048 bits: large and slow, for old networks
    #[cfg(feature = "aws-lc")]
    Rsa,
}

impl Command {
    /// The name that the user wrote.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Demo { .. } => "demo",
            Self::Listen { .. } => "listen",
            Self::Dial { .. } => "dial",
            Self::Ping { .. } => "ping",
            Self::Identify { .. } => "identify",
            Self::Echo { .. } => "echo",
            Self::Perf { .. } => "perf",
            Self::Peers { .. } => "peers",
            Self::Keygen { .. } => "keygen",
        }
    }
}

/// The longest timeout.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|timeout| (Duration::from_millis(1)..=MAX_TIMEOUT).contains(timeout))
        .ok_or_else(|| format!("a number of seconds from 0.001 to {} is needed", MAX_TIMEOUT.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_node_that_is_told_nothing_needs_nothing_said_at_the_other_side() {
        let Ok(Args { command: Command::Listen { options, .. }, .. }) =
            Args::try_parse_from(["peerwork", "listen"])
        else {
            panic!("listen needs no arguments");
        };
        assert_eq!(options.protocols(), "");
    }

    #[test]
    fn timeouts() {
        assert_eq!(parse_timeout("20"), Ok(Duration::from_secs(20)));
        assert_eq!(parse_timeout("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "0", "-1", "x", "nan", "inf", "86401", "1e300"] {
            assert!(parse_timeout(bad).is_err(), "{bad}");
        }
    }
}
