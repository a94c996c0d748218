//! Dialling, by whole nodes in virtual time and without sockets. `runtime-tokio/tests/dialing` does the same over real ones.
//!
//! What depends on chance runs for several seeds, twice each, and must come out the same. `PEERWORK_DIALING_CASES=1000` runs that many
//! seeds, and `PEERWORK_DIALING_CASE=17` repeats one.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
#![allow(clippy::print_stdout, reason = "a failing case is named by the line before it")]

mod bad_addresses;
mod crowd;
mod each_other;

use std::env;
use std::fmt::Debug;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

/// Runs a scenario twice for each seed; as many seeds as the environment says, or else `count`.
fn every_case<T: PartialEq + Debug>(count: u64, scenario: impl Fn(u64) -> T) {
    let cases = match number("PEERWORK_DIALING_CASE") {
        Some(case) => case..case + 1,
        None => 0..number("PEERWORK_DIALING_CASES").unwrap_or(count),
    };
    for case in cases {
        println!("case {case}");
        assert!(scenario(case) == scenario(case), "case {case} does not repeat itself");
    }
}
