//! Tells the story and exits with 0 if it came to its end. Prints nothing: standard output would be a tie.

use std::process::ExitCode;

fn main() -> ExitCode {
    match peerwork_ties::story() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
