//! The commands, a file each.

mod demo;
mod echo;
mod identify;
mod keygen;
mod listen;
mod ping;

use crate::args::{Command, Options};
use crate::failure::Failure;
use crate::output::Output;

/// Runs a command to its end.
///
/// # Errors
/// Why it failed. What it has printed until then is true nevertheless.
pub(crate) async fn run(command: Command, options: &Options, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Demo => demo::run(options, output).await,
        Command::Listen { addresses } => listen::run(&addresses, options, output).await,
        Command::Ping { target, count } => ping::run(&target.address, count, options, output).await,
        Command::Identify { target } => identify::run(&target.address, options, output).await,
        Command::Echo { target, bytes } => echo::run(&target.address, bytes, options, output).await,
        Command::Keygen { out } => keygen::run(&out, options, output),
    }
}
