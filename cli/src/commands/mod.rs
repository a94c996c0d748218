//! The commands, a file each.

mod demo;
mod dial;
mod echo;
mod identify;
mod keygen;
mod listen;
mod peers;
mod perf;
mod ping;

use crate::args::Command;
use crate::failure::Failure;
use crate::output::Output;

/// Runs a command to its end.
///
/// # Errors
/// Why it failed. What it has printed until then is true nevertheless.
pub(crate) async fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Demo { options } => demo::run(options, output).await,
        Command::Listen { addresses, perf, metrics, admission, options } => {
            listen::run(addresses, *perf, metrics.as_deref(), admission, options, output).await
        }
        Command::Dial { addresses, options } => dial::run(addresses, options, output).await,
        Command::Ping { target, count, options } => ping::run(&target.address, *count, options, output).await,
        Command::Identify { target, options } => identify::run(&target.address, options, output).await,
        Command::Echo { target, bytes, options } => echo::run(&target.address, *bytes, options, output).await,
        Command::Perf { target, upload_bytes, download_bytes, seconds, options } => {
            let plan = perf::Plan::new(*upload_bytes, *download_bytes, *seconds);
            perf::run(&target.address, plan, options, output).await
        }
        Command::Peers { repo, peer } => peers::run(repo, peer.as_deref(), output),
        Command::Keygen { private_network: Some(path), .. } => keygen::private_network(path, output),
        Command::Keygen { out, key_type, private_network: None } => keygen::run(out, *key_type, output),
    }
}
