//! Running the programs, in turn.

use crate::options::Effort;
use crate::programs::{Program, Programs};
use crate::rows::Row;
use anyhow::{Context, Result, bail};
use bench_harness::Outcome;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Measurements {
    /// By the row's place and the program, in the order in which they were taken.
    values: BTreeMap<(usize, Program), Vec<f64>>,
    /// What could not be measured, and why.
    failures: BTreeMap<(&'static str, Program), String>,
}

/// The least, the middle and the greatest of what was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Measurements {
    /// Measures everything once, then everything once more, and so on: what disturbs the machine for a while disturbs all alike.
    pub(crate) fn take(rows: &[Row], programs: &Programs, effort: &Effort) -> Result<Self> {
        let mut turn = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            let floor = row.floor.as_ref().map(|flags| (Program::Floor, flags));
            for (program, flags) in
                floor.into_iter().chain(row.programs.iter().map(|program| (*program, &row.flags)))
            {
                if let Some(path) = programs.path(program, row.figure) {
                    turn.push((number, row, program, flags, path));
                }
            }
        }
        let reps = effort.reps();
        let bar = ProgressBar::new(u64::from(reps) * turn.len() as u64)
            .with_style(ProgressStyle::with_template("{bar:24} {pos}/{len}, {eta} left: {msg}")?);
        let mut all = Self::default();
        for (program, reason) in programs.missing() {
            all.failures.insert(("everything", *program), reason.clone());
        }
        for rep in 1..=reps {
            if bar.is_hidden() {
                eprintln!("measuring everything: {rep} of {reps}");
            }
            for &(number, row, program, flags, path) in &turn {
                bar.set_message(format!("{rep} of {reps}: {}, {}", row.name, program.name()));
                let flags = [&flags[..], &program.flags()].concat();
                match measure(path, &flags, effort.secs(), effort.cpu).map(|outcome| row.figure.of(&outcome))
                {
                    Ok(Some(value)) => all.values.entry((number, program)).or_default().push(value),
                    Ok(None) => bail!("{} does not count allocations", path.display()),
                    Err(error) => {
                        all.failures.insert((row.name, program), format!("{error:#}"));
                    }
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(all)
    }

    /// What a program took for the row at a place, if it could be measured.
    pub(crate) fn spread(&self, row: usize, program: Program) -> Option<Spread> {
        let mut values = self.values(row, program).to_vec();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            (values[half - 1] + values[half]) / 2.0
        } else {
            values[half]
        };
        Some(Spread { min, median, max })
    }

    /// What was measured, in order.
    pub(crate) fn values(&self, row: usize, program: Program) -> &[f64] {
        self.values.get(&(row, program)).map_or(&[], Vec::as_slice)
    }

    /// Says on standard error what could not be measured.
    pub(crate) fn tell_failures(&self) {
        for ((row, program), reason) in &self.failures {
            eprintln!("not measured: {row}, {}: {reason}", program.name());
        }
    }
}

/// One measurement.
pub(crate) fn measure(path: &Path, flags: &[&str], secs: f64, cpu: usize) -> Result<Outcome> {
    let output = Command::new(path)
        .args(flags)
        .args(["--json", "--pin", "one", "--cpu", &cpu.to_string(), "--secs", &secs.to_string()])
        .env("RUST_BACKTRACE", "0")
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("{} cannot be run", path.display()))?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("what the program says is not an outcome")
}
