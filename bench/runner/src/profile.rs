//! Where the time of one row goes.

use crate::options::{Profile, Tool};
use crate::programs::{self, Program};
use crate::rows;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};

/// How much of the time a function must take to be shown, in per cent.
const PERCENT: &str = "0.5";

/// Builds the program, has it do the row's work under the tool, and prints what the tool found.
pub(crate) fn run(wanted: &Profile) -> Result<()> {
    let mut rows = rows::all().into_iter();
    let row = rows.find(|row| row.name.contains(&wanted.row));
    let row = row.with_context(|| format!("no row has {:?} in its name; `list` shows them", wanted.row))?;
    let flags = match wanted.of {
        Program::Floor => row.floor.with_context(|| format!("{:?} has no floor", row.name))?,
        _ => row.flags,
    };
    let program = programs::build(wanted.of, false)?;
    let folder = program.parent().context("the program has no folder")?.join("profile");
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let (secs, cpu) = (wanted.secs.to_string(), wanted.cpu.to_string());
    let mut flags = [flags, wanted.of.flags()].concat();
    flags.extend(["--pin", "one", "--cpu", &cpu, "--secs", &secs]);
    match wanted.tool {
        Tool::Perf => perf(&program, &flags, &folder),
        Tool::Callgrind => callgrind(&program, &flags, &folder),
    }
}

/// Both processes, the kernel's part included.
fn perf(program: &Path, flags: &[&str], folder: &Path) -> Result<()> {
    let data = folder.join("perf.data");
    // The clock of the CPU rather than its cycles, which virtual machines do not count.
    let record = ["record", "--quiet", "--event", "cpu-clock", "--freq", "1999", "--output"];
    call(Command::new("perf").args(record).arg(&data).arg("--").arg(program).args(flags), "linux-perf")?;
    let report =
        ["report", "--stdio", "--no-children", "--sort", "symbol", "--percent-limit", PERCENT, "--input"];
    call(Command::new("perf").args(report).arg(&data).stderr(Stdio::null()), "linux-perf")
}

/// Both processes, without the kernel.
fn callgrind(program: &Path, flags: &[&str], folder: &Path) -> Result<()> {
    let out = folder.join("callgrind.%p");
    let mut option = std::ffi::OsString::from("--callgrind-out-file=");
    option.push(&out);
    for old in std::fs::read_dir(folder)? {
        let old = old?.path();
        if old.file_name().is_some_and(|name| name.to_string_lossy().starts_with("callgrind.")) {
            std::fs::remove_file(old)?;
        }
    }
    let valgrind = ["--tool=callgrind", "--trace-children=yes", "--quiet"];
    call(Command::new("valgrind").args(valgrind).arg(option).arg(program).args(flags), "valgrind")?;
    for found in std::fs::read_dir(folder)? {
        let found = found?.path();
        if found.file_name().is_some_and(|name| name.to_string_lossy().starts_with("callgrind.")) {
            call(Command::new("callgrind_annotate").arg("--threshold=95").arg(found), "valgrind")?;
        }
    }
    Ok(())
}

fn call(command: &mut Command, package: &str) -> Result<()> {
    let name = command.get_program().display().to_string();
    let status =
        command.status().with_context(|| format!("{name} cannot be run; Debian has it in {package}"))?;
    ensure!(status.success(), "{name} failed: {status}");
    Ok(())
}
