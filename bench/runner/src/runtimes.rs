//! peerwork on each runtime, next to the loop on mio that has none: what the work costs, and what it costs to do nothing.

use crate::machine;
use crate::measurement::{Measurements, measure};
use crate::options::Effort;
use crate::programs::{Program, Programs};
use crate::rows::{self, Figure, RUNTIMES};
use crate::table::{cell, ratio};
use anyhow::{Context, Result, anyhow};
use bench_harness::Outcome;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use std::thread;

/// What a runtime may cost more than the loop does.
const REACH: f64 = 1.10;

/// How long nothing is done, in seconds.
const IDLE_SECS: f64 = 30.0;

/// Doing nothing: with keep-alives, which are ping's, and without.
const IDLE: [&str; 2] = ["keepalive", "quiet"];

/// Measures all, and prints two tables.
pub(crate) fn run(effort: &Effort) -> Result<()> {
    let rows = rows::runtimes();
    let programs = Programs::build(&rows, false)?;
    let all = Measurements::take(&rows, &programs, effort)?;
    let mut work = table(&["work", "unit", "mio", "tokio", "tokio-mt", "smol-local", "smol", "async-std"]);
    for (place, row) in rows.iter().enumerate() {
        let mut cells = vec![row.name.to_owned(), row.figure.unit(&row.flags).to_owned()];
        cells.extend(RUNTIMES.map(|program| cell(all.spread(place, program))));
        work.add_row(cells);
        let loop_alone = all.spread(place, Program::Mio).context("the loop was not measured")?.median;
        let ratios = RUNTIMES.map(|program| Some(all.spread(place, program)?.median / loop_alone));
        let reached = ratios.map(|of| match of {
            Some(of) if (of * 100.0).round() > REACH * 100.0 => format!("{}: **no**", ratio(Some(of))),
            Some(of) => format!("{}: yes", ratio(Some(of))),
            None => "-".to_owned(),
        });
        let mut cells = vec![format!("- to mio, to reach <= {REACH:.2}"), String::new()];
        cells.extend(reached);
        work.add_row(cells);
    }
    println!("{work}\n");
    println!("{}\n\n{}", idle(&programs, effort)?, machine::description());
    all.tell_failures();
    Ok(())
}

fn idle(programs: &Programs, effort: &Effort) -> Result<Table> {
    let secs = if effort.quick { 1.0 } else { IDLE_SECS };
    let path = programs.path(Program::Peerwork, Figure::Cpu).context("peerwork was not built")?;
    let mut outcomes: Vec<Vec<Outcome>> = Vec::new();
    for mode in IDLE {
        eprintln!("{mode}: {secs} s");
        // They do next to nothing, so they do not disturb each other.
        outcomes.push(thread::scope(|scope| {
            let running = RUNTIMES.map(|program| {
                scope.spawn(move || {
                    let flags = [vec!["--mode", mode, "--n", "100"], program.flags()].concat();
                    measure(path, &flags, secs, effort.cpu)
                })
            });
            running
                .into_iter()
                .map(|one| one.join().map_err(|_| anyhow!("a thread panicked"))?)
                .collect::<Result<_>>()
        })?);
    }
    let mut table = table(&[
        "100 idle connections, both ends, in a second",
        "CPU us",
        "polls or turns",
        "context switches",
        "without keep-alives: CPU us",
        "polls or turns",
        "context switches",
    ]);
    for (place, program) in RUNTIMES.iter().enumerate() {
        let name = if *program == Program::Peerwork { "tokio" } else { program.name() };
        let numbers = outcomes.iter().flat_map(|outcomes| {
            let outcome = &outcomes[place];
            [Some(outcome.both()), outcome.wake_ups, outcome.switches]
        });
        let numbers =
            numbers.map(|number| number.map_or_else(|| "-".to_owned(), |number| format!("{number:.1}")));
        table.add_row([name.to_owned()].into_iter().chain(numbers));
    }
    Ok(table)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
