//! The table.

use crate::machine;
use crate::measurement::{Measurements, Spread};
use crate::programs::Program;
use crate::rows::{Reach, Row};
use anyhow::Result;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde_json::{Value, json};

/// One row's outcome.
struct Verdict<'a> {
    row: &'a Row,
    place: usize,
    all: &'a Measurements,
}

/// For people and for README files.
pub(crate) fn markdown(rows: &[Row], all: &Measurements) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    let peers = [Program::RustLibp2p, Program::Litep2p, Program::Minip2p, Program::Libp2pSecio];
    // A column that nobody is in is left out.
    let peers: Vec<Program> = peers
        .into_iter()
        .filter(|peer| (0..rows.len()).any(|place| all.spread(place, *peer).is_some()))
        .collect();
    let mut header = vec!["work", "unit", "floor"];
    header.extend(peers.iter().map(|peer| peer.name()));
    header.extend(["**peerwork**", "to floor", "to best peer", "reach", ""]);
    table.set_header(header);
    for (place, row) in rows.iter().enumerate() {
        let verdict = Verdict { row, place, all };
        let mut cells = vec![row.name.to_owned(), row.figure.unit(&row.flags).to_owned()];
        cells.push(cell(verdict.spread(Program::Floor)));
        cells.extend(peers.iter().map(|peer| cell(verdict.spread(*peer))));
        cells.push(cell(verdict.own()));
        cells.push(ratio(verdict.to_floor()));
        cells.push(ratio(verdict.to_best()));
        cells.push(reach(row.reach));
        cells
            .push(verdict.reached().map_or("-", |reached| if reached { "yes" } else { "**no**" }).to_owned());
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// For programs: every number.
pub(crate) fn json(rows: &[Row], all: &Measurements) -> Result<String> {
    let rows: Vec<Value> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| {
            let verdict = Verdict { row, place, all };
            let programs = [Program::Floor].into_iter().chain(row.programs.iter().copied());
            let measured: serde_json::Map<String, Value> = programs
                .filter_map(|program| {
                    let Spread { min, median, max } = verdict.spread(program)?;
                    let values = all.values(place, program);
                    let value = json!({ "min": min, "median": median, "max": max, "values": values });
                    Some((program.name().to_owned(), value))
                })
                .collect();
            json!({
                "row": row.name,
                "unit": row.figure.unit(&row.flags),
                "measured": measured,
                "to_floor": verdict.to_floor(),
                "to_best_peer": verdict.to_best(),
                "reach": reach(row.reach),
                "reached": verdict.reached(),
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&json!({ "machine": machine::description(), "rows": rows }))?)
}

impl Verdict<'_> {
    fn spread(&self, program: Program) -> Option<Spread> {
        self.all.spread(self.place, program)
    }

    fn own(&self) -> Option<Spread> {
        self.spread(Program::Peerwork).or_else(|| self.spread(Program::Mio))
    }

    fn to_floor(&self) -> Option<f64> {
        Some(self.own()?.median / self.spread(Program::Floor)?.median)
    }

    fn to_best(&self) -> Option<f64> {
        let peers = self.row.programs.iter().filter(|program| program.is_peer());
        let best =
            peers.filter_map(|peer| self.spread(*peer)).map(|spread| spread.median).min_by(f64::total_cmp);
        Some(self.own()?.median / best?)
    }

    /// Whether the medians reach what they should; unknown where one of them is not there.
    fn reached(&self) -> Option<bool> {
        let Reach { to_floor, to_rust_libp2p, to_best, at_most } = self.row.reach;
        let own = self.own()?.median;
        let rust_libp2p = self.spread(Program::RustLibp2p).map(|spread| own / spread.median);
        let checks = [
            (to_floor, self.to_floor()),
            (to_rust_libp2p, rust_libp2p),
            (to_best, self.to_best()),
            (at_most, Some(own)),
        ];
        checks.into_iter().filter_map(|(limit, value)| Some((limit?, value))).try_fold(
            true,
            |all, (limit, value)| {
                // Limits are given to two places.
                Some(all && (value? * 100.0).round() <= limit * 100.0)
            },
        )
    }
}

fn reach(Reach { to_floor, to_rust_libp2p, to_best, at_most }: Reach) -> String {
    let parts = [
        to_floor.map(|limit| format!("<= {limit:.2} x floor")),
        to_rust_libp2p.map(|limit| format!("<= {limit:.2} x rust-libp2p")),
        to_best.map(|limit| format!("<= {limit:.2} x best")),
        at_most.map(|limit| format!("<= {limit}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

pub(crate) fn cell(spread: Option<Spread>) -> String {
    let Some(Spread { min, median, max }) = spread else { return "-".to_owned() };
    let digits = if median >= 100.0 {
        0
    } else if median >= 10.0 {
        1
    } else {
        2
    };
    format!("{median:.digits$} ({min:.digits$}-{max:.digits$})")
}

pub(crate) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}
