//! Logs of what the node does, on standard error.

use crate::output::{Output, is_colourful};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The environment variable that chooses what is logged, such as `peerwork_core=trace,peerwork_runtime=info`.
const VARIABLE: &str = "RUST_LOG";

/// Starts logging: warnings, more with `verbose`, or what [`VARIABLE`] says.
pub(crate) fn start(verbose: u8, output: &Output) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // All crates of the project have names that start so.
    let default = || Targets::new().with_target("peerwork", level);
    let filter = match std::env::var(VARIABLE).map(|text| text.parse::<Targets>()) {
        Ok(Ok(filter)) => filter,
        Ok(Err(error)) => {
            output.warn(&format_args!("{VARIABLE} is not a valid filter ({error}); try {VARIABLE}=debug"));
            default()
        }
        Err(_) => default(),
    };
    let stderr = std::io::stderr;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(stderr)
        .with_ansi(is_colourful(&stderr()))
        // They would go to standard error, which is what failed.
        .log_internal_errors(false);
    tracing_subscriber::registry().with(lines).with(filter).init();
}
