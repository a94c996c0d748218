//! Builds and measures peerwork, the implementations that one would pick otherwise, and the floor: in the same run, in turn. Prints one table.

mod machine;
mod measurement;
mod options;
mod profile;
mod programs;
mod rows;
mod runtimes;
mod table;

use anyhow::Result;
use clap::Parser;
use measurement::Measurements;
use options::{Command, Options};
use programs::{Program, Programs};
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.command {
        Some(Command::Profile(profile)) => profile::run(profile),
        Some(Command::Runtimes(effort)) => runtimes::run(effort),
        Some(Command::List) => list(),
        None => run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let rows = options.rows()?;
    let programs = Programs::build(&rows, !options.excludes(Program::Floor))?;
    let measurements = Measurements::take(&rows, &programs, &options.effort)?;
    if options.json {
        println!("{}", table::json(&rows, &measurements)?);
    } else {
        println!("{}\n\n{}", table::markdown(&rows, &measurements), machine::description());
    }
    measurements.tell_failures();
    Ok(())
}

fn list() -> Result<()> {
    for row in rows::all() {
        println!("{:<44} {}", row.name, row.flags.join(" "));
    }
    Ok(())
}
