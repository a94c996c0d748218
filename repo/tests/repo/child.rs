//! The same tests' program as another process: it does one thing with a repo and prints what came of it.

use super::*;
use std::process::{Command, Stdio};

const WHAT: &str = "PEERWORK_REPO_TEST_DO";
const WHERE: &str = "PEERWORK_REPO_TEST_PATH";

/// In front of what the child prints, since the test harness prints too.
const MARK: &str = "child: ";

/// Runs the child, and gives what it printed.
pub(crate) fn run(what: &str, path: &Path) -> String {
    let output = command(what, path).output().unwrap();
    printed(&output.stdout)
}

pub(crate) fn command(what: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child::child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(WHAT, what).env(WHERE, path).stdin(Stdio::null());
    command
}

pub(crate) fn printed(stdout: &[u8]) -> String {
    let text = std::str::from_utf8(stdout).unwrap();
    text.lines().filter_map(|line| line.split_once(MARK)).map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}

#[test]
fn child() {
    let (Ok(what), Some(path)) = (std::env::var(WHAT), std::env::var_os(WHERE)) else { return };
    let result = match what.as_str() {
        "open" => Repo::open(&path).and_then(|mut repo| repo.peers()),
        "read" => RepoReader::open(&path).and_then(|repo| repo.peers()),
        "save and abort" => {
            let mut repo = Repo::open(&path).unwrap();
            repo.save(&[added(100), added(101)]).unwrap();
            std::process::abort();
        }
        #[cfg(unix)]
        "fill the disk" => return disk::fill(&path),
        other => panic!("{other}"),
    };
    match result {
        Ok(peers) => say(format_args!("{} peers", peers.len())),
        Err(error) => say(error),
    }
}

#[allow(clippy::print_stdout, reason = "this is how the child answers")]
pub(crate) fn say(text: impl std::fmt::Display) {
    println!("{MARK}{text}");
}
