//! What a hostile peer can say at every layer of a whole node, and what that costs: itself a stream or its connection, and nobody else
//! anything.
//!
//! Each row of a table is one attack on a node that an honest peer talks to all along. It says what the node reports, word for word,
//! and what the hostile peer loses. After each attack the honest peer's stream still echoes, another honest peer can connect, and once
//! the hostile peer is gone no connection or stream is left that was not there before.
//!
//! How bytes are refused one by one is tested beside each protocol's code; here there is at least one row for each kind of fault, and
//! [`variants`] makes sure that every error that a peer can cause has a row.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod bed;
mod hostile;
mod muxing;
mod negotiating;
mod noise;
mod private;
mod securing;
mod streams;
mod tls;
mod variants;
mod yamux;

use bed::{Bed, Report};
use hostile::{Hostile, RESET};
use std::collections::BTreeSet;
use std::fmt::Write;

/// One attack.
struct Row {
    name: &'static str,
    attack: fn(&mut Hostile<'_>),
    /// What the victim reports, in order.
    reports: &'static [&'static str],
    loses: Loses,
}

/// What an attack costs the hostile peer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Loses {
    /// Its connection still serves it, and no stream was reset.
    Nothing,
    /// The stream with this number that it opened was reset, and nothing else.
    Stream(u64),
    /// The stream with this number that the victim opened was reset, and nothing else.
    VictimsStream(u64),
    /// Everything.
    Connection,
}

impl Row {
    /// Carries the attack out and returns what the victim reported, or what is wrong.
    fn run(&self, bed: &mut Bed) -> Result<Vec<Report>, String> {
        let mut hostile = Hostile::new(bed);
        (self.attack)(&mut hostile);
        hostile.bed.check_bystander();
        let reports = std::mem::take(&mut hostile.bed.reports);
        let texts: Vec<_> = reports.iter().map(ToString::to_string).collect();
        let lost = lost(&mut hostile);
        bed.clean_up();
        if texts != self.reports {
            return Err(format!("reported {texts:#?}"));
        }
        if lost != [self.loses] {
            return Err(format!("lost {lost:?}"));
        }
        Ok(reports)
    }
}

fn lost(hostile: &mut Hostile<'_>) -> Vec<Loses> {
    if hostile.is_closed() {
        return vec![Loses::Connection];
    }
    hostile.bed.reads = true;
    let is_served = hostile.still_echoes();
    let mut lost: Vec<_> = (hostile.frames().iter())
        .filter_map(|frame| match frame.flag {
            RESET => Some(Loses::VictimsStream(frame.number)),
            flag if flag == RESET - 1 => Some(Loses::Stream(frame.number)),
            _ => None,
        })
        .collect();
    if !is_served {
        lost.push(Loses::Connection);
    }
    if lost.is_empty() {
        lost.push(Loses::Nothing);
    }
    lost
}

/// Runs the rows one after the other against the node of `bed` and returns the names of all errors that it reported.
fn run(mut bed: Bed, rows: &[Row]) -> BTreeSet<&'static str> {
    let (mut errors, mut faults) = (BTreeSet::new(), String::new());
    for row in rows {
        match row.run(&mut bed) {
            Ok(reports) => reports.iter().for_each(|report| variants::of_report(report, &mut errors)),
            Err(fault) => {
                let (name, reports, loses) = (row.name, row.reports, row.loses);
                writeln!(faults, "{name}:\n  {fault}\n  instead of {reports:#?}, {loses:?}").unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
    errors
}

#[test]
fn every_attack_costs_its_author_what_it_should_and_nobody_else() {
    let tables =
        [negotiating::ROWS, securing::ROWS, noise::ROWS, tls::ROWS, muxing::ROWS, yamux::ROWS, streams::ROWS];
    let mut runs = Vec::from(tables.map(|rows| std::thread::spawn(move || run(Bed::new(), rows))));
    runs.push(std::thread::spawn(|| run(Bed::private(), private::ROWS)));
    let results = runs.into_iter().map(std::thread::JoinHandle::join);
    let seen: BTreeSet<_> =
        results.flat_map(|seen| seen.expect("one of the rows is not as expected, as said above")).collect();
    let missing: Vec<_> = variants::BY_A_PEER
        .iter()
        .flat_map(|names| names.iter())
        .filter(|name| !seen.contains(*name))
        .collect();
    assert!(missing.is_empty(), "a peer can cause {missing:#?}, and no row does");
    let impossible: Vec<_> = variants::BY_NO_PEER
        .iter()
        .flat_map(|names| names.iter())
        .filter(|name| seen.contains(*name))
        .collect();
    assert!(impossible.is_empty(), "a peer should not be able to cause {impossible:#?}");
}
