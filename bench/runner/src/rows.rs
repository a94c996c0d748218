//! The rows of the table.

use crate::programs::Program;
use bench_harness::Outcome;

/// A kind of work, who does it, and what peerwork should reach.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) figure: Figure,
    pub(crate) flags: Vec<&'static str>,
    /// What to do in place of it where the floor is measured; `None`: there is no floor.
    pub(crate) floor: Option<Vec<&'static str>>,
    pub(crate) programs: Vec<Program>,
    pub(crate) reach: Reach,
}

/// Which number of an outcome a row shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// CPU time of both ends.
    Cpu,
    /// Resident memory of the server, where it is the same for every connection: some clients take a node for each.
    ServerMemory,
    /// Resident memory of the client, which has no task for a stream.
    ClientMemory,
    /// Heap allocations of both ends.
    Allocations,
}

impl Figure {
    pub(crate) fn of(self, outcome: &Outcome) -> Option<f64> {
        match self {
            Self::Cpu => Some(outcome.both()),
            Self::ServerMemory => Some(outcome.server),
            Self::ClientMemory => Some(outcome.client),
            Self::Allocations => outcome.allocations,
        }
    }

    pub(crate) fn unit(self, flags: &[&str]) -> &'static str {
        match self {
            Self::Cpu if flags.contains(&"bulk") => "CPU s/GiB",
            Self::Cpu => "CPU us",
            Self::ServerMemory | Self::ClientMemory => "KiB, one end",
            Self::Allocations => "allocations",
        }
    }
}

/// What peerwork should reach.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// At most so many times the floor.
    pub(crate) to_floor: Option<f64>,
    /// At most so many times rust-libp2p.
    pub(crate) to_rust_libp2p: Option<f64>,
    /// At most so many times the best peer.
    pub(crate) to_best: Option<f64>,
    /// At most so much.
    pub(crate) at_most: Option<f64>,
}

const PEERS: [Program; 3] = [Program::RustLibp2p, Program::Litep2p, Program::Minip2p];

/// Nothing that is to be reached.
const ANY: Reach = Reach { to_floor: None, to_rust_libp2p: None, to_best: None, at_most: None };

const fn to_floor(ratio: f64) -> Reach {
    Reach { to_floor: Some(ratio), ..ANY }
}

const fn to_best(ratio: f64) -> Reach {
    Reach { to_best: Some(ratio), ..ANY }
}

const fn at_most(most: f64) -> Reach {
    Reach { at_most: Some(most), ..ANY }
}

/// All rows. What to reach is a ratio to what is measured in the same run: a number of its own would be one of a single machine.
pub(crate) fn all() -> Vec<Row> {
    let rust_libp2p = [Program::RustLibp2p];
    let two = [Program::RustLibp2p, Program::Litep2p];
    vec![
        bulk(
            "bulk, noise + yamux",
            "noise",
            "yamux",
            &PEERS,
            Reach { to_rust_libp2p: Some(0.74), ..to_floor(1.17) },
        ),
        bulk("bulk, noise + mplex", "noise", "mplex", &rust_libp2p, to_floor(1.10)),
        bulk(
            "bulk, tls + yamux",
            "tls",
            "yamux",
            &rust_libp2p,
            Reach { to_rust_libp2p: Some(0.40), ..to_floor(1.46) },
        ),
        bulk("bulk, plaintext + yamux", "plaintext", "yamux", &rust_libp2p, to_floor(1.31)),
        bulk("bulk, secio + mplex", "secio", "mplex", &[Program::Libp2pSecio], to_floor(1.13)),
        Row {
            flags: vec!["--mode", "bulk", "--chunk", "1024"],
            floor: None,
            ..bulk("bulk, noise + yamux, 1 KiB writes and reads", "noise", "yamux", &PEERS, to_best(0.44))
        },
        Row {
            floor: Some(vec!["--mode", "ping", "--sec", "plaintext"]),
            ..row("32-byte round trip", Figure::Cpu, &["--mode", "ping"], &PEERS, to_floor(1.32))
        },
        row("new stream, round trip, close", Figure::Cpu, &["--mode", "newstream"], &PEERS, to_best(0.49)),
        row(
            "new stream, 32 at a time",
            Figure::Cpu,
            &["--mode", "newstream", "--par", "32"],
            &two,
            to_best(0.49),
        ),
        Row {
            floor: Some(vec!["--mode", "conn", "--sec", "noise"]),
            ..row("connection, noise + yamux", Figure::Cpu, &["--mode", "conn"], &PEERS, to_floor(1.61))
        },
        row("idle connection", Figure::ServerMemory, &["--mode", "idleconn"], &PEERS, at_most(5.0)),
        Row {
            programs: vec![Program::Mio],
            ..row(
                "idle connection, single-threaded loop",
                Figure::ServerMemory,
                &["--mode", "idleconn"],
                &[],
                at_most(3.0),
            )
        },
        row(
            "idle stream",
            Figure::ClientMemory,
            &["--mode", "idlestream", "--n", "4000"],
            &[Program::RustLibp2p, Program::Minip2p],
            at_most(0.4),
        ),
        row(
            "allocations, 32-byte round trip",
            Figure::Allocations,
            &["--mode", "ping"],
            &PEERS,
            at_most(2.0),
        ),
        row(
            "allocations, new stream, round trip, close",
            Figure::Allocations,
            &["--mode", "newstream"],
            &PEERS,
            at_most(24.0),
        ),
    ]
}

/// peerwork, without a runtime and on each.
pub(crate) const RUNTIMES: [Program; 6] =
    [Program::Mio, Program::Peerwork, Program::TokioMt, Program::SmolLocal, Program::Smol, Program::AsyncStd];

/// The rows in which runtimes are compared.
pub(crate) fn runtimes() -> Vec<Row> {
    let mut rows = all();
    rows.retain(|row| ["bulk, noise + yamux", "32-byte round trip"].contains(&row.name));
    for row in &mut rows {
        *row = Row { floor: None, programs: RUNTIMES.to_vec(), ..row.clone() };
    }
    rows
}

fn row(name: &'static str, figure: Figure, flags: &[&'static str], peers: &[Program], reach: Reach) -> Row {
    let programs = peers.iter().copied().chain([Program::Peerwork]).collect();
    Row { name, figure, flags: flags.to_vec(), floor: None, programs, reach }
}

/// Bulk in large writes, with a floor.
fn bulk(
    name: &'static str,
    security: &'static str,
    muxer: &'static str,
    peers: &[Program],
    reach: Reach,
) -> Row {
    let flags = ["--mode", "bulk", "--sec", security, "--mux", muxer];
    let floor = Some(vec!["--mode", "bulk", "--sec", security]);
    Row { floor, ..row(name, Figure::Cpu, &flags, peers, reach) }
}
