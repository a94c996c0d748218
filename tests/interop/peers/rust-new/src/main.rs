//! rust-libp2p 0.57 (2026) with libp2p-mplex 0.44, behind the command line of `../../../README.md`. Beyond it:
//!
//! ```text
//! --lazy    multistream-select sends the next protocol's bytes behind its last proposal
//! ```

mod echo;
mod node;
mod options;
mod transport;
mod upgrade;

use node::Node;
use options::Options;
use serde_json::{json, Value};
use std::error::Error;
use std::process::ExitCode;

type Res<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> ExitCode {
    let command = std::env::args().nth(1).unwrap_or_default();
    match run().await {
        Ok(mut result) => {
            result["ok"] = true.into();
            result["command"] = command.into();
            say(result);
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(json!({ "ok": false, "command": command, "error": error.to_string() }));
            ExitCode::FAILURE
        }
    }
}

/// Runs the command. Returns its result, if it is one that ends.
async fn run() -> Res<Value> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut node = Node::new(&options)?;
    match options.argument(0)? {
        "listen" => node.listen(options.text("listen", "/ip4/127.0.0.1/tcp/0")).await,
        command => node.ask(command, &options).await,
    }
}

/// Prints a line.
fn say(line: Value) {
    println!("{line}");
}
