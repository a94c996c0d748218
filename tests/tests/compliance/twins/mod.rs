//! Broken twins: implementations that are broken on purpose in one way each. Every requirement must notice at least one of them, or it
//! requires nothing.

mod muxers;
mod protocols;
mod securities;

use peerwork_tests::compliance::{self, Suite};
use std::collections::BTreeSet;
use std::fmt::Debug;

/// Checks that the suite of `None` passes, that each of the requirements named beside a fault fails with it, and that all are named.
fn expect_caught<S: Suite, F: Debug + Copy>(suite: impl Fn(Option<F>) -> S, faults: &[(F, &[&'static str])]) {
    if let Err(failures) = compliance::check(&suite(None)) {
        panic!("without a fault:\n{failures}");
    }
    let mut caught = BTreeSet::new();
    for (fault, names) in faults {
        let suite = suite(Some(*fault));
        for name in *names {
            let requirement = S::REQUIREMENTS.iter().find(|requirement| requirement.name == *name);
            let result = requirement.unwrap_or_else(|| panic!("no requirement {name}")).check(&suite);
            assert!(result.is_err(), "{name} does not notice the twin {fault:?}");
            caught.insert(*name);
        }
    }
    let required = S::REQUIREMENTS.iter().map(|requirement| requirement.name).collect();
    let unproven: Vec<_> = BTreeSet::difference(&required, &caught).collect();
    assert!(unproven.is_empty(), "no twin shows that these notice anything: {unproven:?}");
}
