//! `peerwork`: a libp2p node on the command line.
//!
//! ```text
//! peerwork demo                      two nodes meet in one process, explained step by step
//! peerwork listen                    a node that others can reach
//! peerwork dial ADDRESS...           how does each address of a peer fare?
//! peerwork ping ADDRESS [COUNT]      how long does a round trip take?
//! peerwork identify ADDRESS          what is there?
//! peerwork echo ADDRESS [BYTES]      do bytes come back, and how fast?
//! peerwork perf ADDRESS              how fast is the peer, and the way to it?
//! peerwork peers --repo PATH         whom does a node remember?
//! peerwork keygen                    an identity that lasts, or the key of a private network
//! ```
//!
//! Results go to standard output, as text for people or with `--json` as one JSON object a line, whose last one says
//! `"ok":true` or `"ok":false`. Warnings, progress and logs go to standard error. The exit status is 0 on success, 1 on failure
//! and 2 for wrong usage. When whoever reads the output closes it, the program ends without a word.
//!
//! # The map
//!
//! [`args`] is the command line, [`commands`] has one file for each command, [`node`] starts nodes, on any [`runtime`], and dials for them. What is
//! printed is a value with two forms, see [`output`]; everything that can go wrong is a [`failure::Failure`], which also knows
//! what would be right. [`echo`] is the protocol that every node of the program serves, [`metrics`] tells Prometheus what a node does.

mod args;
mod commands;
mod echo;
mod failure;
mod key_file;
mod keypair;
mod logging;
mod metrics;
mod node;
mod output;
mod progress;
mod repo;
mod runtime;
mod signal;

use args::Args;
use clap::Parser;
use failure::Failure;
use output::Output;
use std::io::ErrorKind;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Args { command, json, verbose } = Args::parse();
    let output = Output::new(command.name(), json);
    logging::start(verbose, &output);
    let result = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(commands::run(&command, &output)),
        Err(error) => Err(Failure::System(error)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has seen enough.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::FAILURE
        }
    }
}
