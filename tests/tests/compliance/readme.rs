//! The README lists what the suites require.

use crate::protocols::toys::Counting;
use peerwork_tests::compliance::{MuxerSuite, ProtocolSuite, SecuritySuite, table};

#[test]
fn the_readme_lists_every_requirement() {
    let readme = include_str!("../../README.md");
    for (heading, table) in [
        ("## What is required of a muxer", table::<MuxerSuite>()),
        ("## What is required of a security protocol", table::<SecuritySuite>()),
        ("## What is required of a protocol", table::<ProtocolSuite<Counting>>()),
    ] {
        let section = format!("{heading}\n\n| test | what it asserts |\n|---|---|\n{table}");
        assert!(readme.contains(&section), "tests/README.md should say:\n\n{section}");
    }
}
