//! The programs that take part, and what is done where one cannot be had.

use crate::program::Program;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Set to `required`, a peer that cannot be had is a failure.
const POLICY: &str = "PEERWORK_INTEROP";

/// The exit status with which `setup` says that a peer cannot be had here.
const CANNOT_BE_HAD: i32 = 75;

/// Our own program: `$PEERWORK_PROGRAM`, or the one that cargo built for this test.
pub(crate) fn peerwork() -> Program {
    let program =
        std::env::var_os("PEERWORK_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_peerwork").into());
    Program::executable(program).with_options("--json -v")
}

/// js-libp2p 0.30, or `None` where it cannot be had.
pub(crate) fn js_old() -> Option<Program> {
    static READY: OnceLock<Option<PathBuf>> = OnceLock::new();
    js("js-old", &READY)
}

/// js-libp2p 3.3, or `None` where it cannot be had.
pub(crate) fn js_new() -> Option<Program> {
    static READY: OnceLock<Option<PathBuf>> = OnceLock::new();
    js("js-new", &READY)
}

/// rust-libp2p 0.33, or `None` where it cannot be had.
pub(crate) fn rust_old() -> Option<Program> {
    static READY: OnceLock<Option<PathBuf>> = OnceLock::new();
    rust("rust-old", &READY)
}

/// rust-libp2p 0.57, or `None` where it cannot be had.
pub(crate) fn rust_new() -> Option<Program> {
    static READY: OnceLock<Option<PathBuf>> = OnceLock::new();
    rust("rust-new", &READY)
}

fn js(name: &str, ready: &OnceLock<Option<PathBuf>>) -> Option<Program> {
    let folder = ready.get_or_init(|| set_up(name)).as_ref()?;
    Some(Program::node(folder.join("peer.js")))
}

fn rust(name: &str, ready: &OnceLock<Option<PathBuf>>) -> Option<Program> {
    let folder = ready.get_or_init(|| set_up(name)).as_ref()?;
    Some(Program::executable(folder.join(name)))
}

/// Installs a peer and gives its folder.
fn set_up(name: &str) -> Option<PathBuf> {
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/interop/setup");
    let output = Command::new("bash").arg(setup).arg(name).stdin(Stdio::null()).output();
    let reason = match output {
        Ok(output) if output.status.success() => {
            let folder = String::from_utf8(output.stdout).expect("setup prints a path");
            return Some(folder.trim_end().into());
        }
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(CANNOT_BE_HAD), "setup of {name} failed: {reason}");
            reason
        }
        Err(error) => format!("bash cannot be run: {error}"),
    };
    assert!(
        std::env::var_os(POLICY).is_none_or(|policy| policy != "required"),
        "{name} is required: {reason}"
    );
    // Not `eprintln!`, which the test runner keeps to itself when a test passes.
    writeln!(std::io::stderr(), "SKIPPED: interop with {name}: {reason}").expect("standard error is open");
    None
}
