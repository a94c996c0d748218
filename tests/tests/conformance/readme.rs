//! The README lists what the suite demands.

use peerwork_tests::conformance::table;

#[test]
fn the_readme_lists_every_case() {
    let readme = include_str!("../../README.md");
    let section =
        format!("## What is required of an adapter\n\n| case | what it asserts |\n|---|---|\n{}", table());
    assert!(readme.contains(&section), "tests/README.md should say:\n\n{section}");
}
