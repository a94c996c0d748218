//! The tutorial shows the code that is run, and keeps its promise.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod lines;

use lines::code_lines;

const TUTORIAL: &str = include_str!("../../docs/tutorial.md");
const PROTOCOL: &str = include_str!("../src/motd.rs");
const PROGRAMS: [&str; 2] =
    [include_str!("../programs/motd_tokio.rs"), include_str!("../programs/motd_alone.rs")];

#[test]
fn every_block_of_code_is_in_the_examples() {
    let blocks: Vec<&str> =
        TUTORIAL.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 6);
    for block in blocks {
        let is_there = [PROTOCOL].iter().chain(&PROGRAMS).any(|file| file.contains(block));
        assert!(is_there, "the examples do not have this any more:\n{block}");
    }
}

#[test]
fn the_protocol_has_less_than_fifty_lines() {
    let lines = code_lines(PROTOCOL);
    assert!((20..50).contains(&lines), "{lines} lines");
}
