//! What the user wants.

use crate::programs::Program;
use crate::rows::{self, Row};
use anyhow::{Result, bail};
use clap::{Parser, Subcommand, ValueEnum};

/// What the user wants.
#[derive(Debug, Parser)]
#[command(name = "peerwork-bench", args_conflicts_with_subcommands = true)]
#[command(about = "Measures peerwork, other implementations of libp2p, and the floor, and prints one table.")]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Only the rows whose name has this in it; may be given several times.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Not this implementation; may be given several times.
    #[arg(long, value_enum, value_name = "NAME")]
    without: Vec<Program>,
    #[command(flatten)]
    pub(crate) effort: Effort,
    /// Prints all that was measured as JSON, in place of the table.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How thoroughly it is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Effort {
    /// How often everything is measured.
    #[arg(long, default_value_t = 5, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    reps: u32,
    /// How long each piece of work takes.
    #[arg(long, default_value_t = 1.5, value_name = "SECONDS")]
    secs: f64,
    /// Once, and briefly: to see that it works.
    #[arg(long)]
    pub(crate) quick: bool,
    /// The processor that everything runs on.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub(crate) cpu: usize,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measures peerwork on each runtime, and in a loop without one.
    Runtimes(Effort),
    /// Says where the time of one row goes.
    Profile(Profile),
    /// Lists the rows, and the flags with which each is measured.
    List,
}

/// Where the time of one row goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Profile {
    /// The row: the first whose name has this in it.
    pub(crate) row: String,
    /// Whose time.
    #[arg(long, value_enum, default_value = "peerwork", value_name = "NAME")]
    pub(crate) of: Program,
    /// What takes the profile.
    #[arg(long, value_enum, default_value = "perf")]
    pub(crate) tool: Tool,
    /// How long the work takes.
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    pub(crate) secs: f64,
    /// The processor that everything runs on.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub(crate) cpu: usize,
}

/// What takes a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// Samples of the processor's time, the kernel's included.
    Perf,
    /// Instructions, counted by valgrind; the kernel's are not.
    Callgrind,
}

impl Options {
    /// The rows that are wanted.
    pub(crate) fn rows(&self) -> Result<Vec<Row>> {
        let mut rows = rows::all();
        rows.retain(|row| self.only.is_empty() || self.only.iter().any(|text| row.name.contains(text)));
        if rows.is_empty() {
            bail!("no row has one of {:?} in its name; `list` shows them", self.only);
        }
        for row in &mut rows {
            row.programs.retain(|program| !self.without.contains(program));
        }
        Ok(rows)
    }

    /// Whether a program is not wanted.
    pub(crate) fn excludes(&self, program: Program) -> bool {
        self.without.contains(&program)
    }
}

impl Effort {
    /// How often everything is measured.
    pub(crate) fn reps(&self) -> u32 {
        if self.quick { 1 } else { self.reps }
    }

    /// How long each piece of work takes, in seconds.
    pub(crate) fn secs(&self) -> f64 {
        if self.quick { 0.2 } else { self.secs }
    }
}
