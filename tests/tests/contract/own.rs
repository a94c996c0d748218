//! A node with nothing of peerwork's own but ping and identify: security, muxer and protocols written as a user would.

use crate::story::{FAULTS, expected, story};
use peerwork_core::seed::Seed;
use peerwork_tests::drivers::network::{Faults, Network};
use peerwork_tests::recipe::{self, START, Security};
use peerwork_tests::toy::mux::ToyMux;
use std::cell::RefCell;
use std::rc::Rc;

#[test]
fn the_story_over_a_security_protocol_and_a_muxer_of_ones_own() {
    for (faults, chance) in [(Faults::NONE, 0), (FAULTS, 1), (FAULTS, 2)] {
        let nodes = [0, 1].map(|number| {
            let builder = recipe::secured(number, Security::Toy).muxer(ToyMux::default());
            builder.build_local(Seed::reproducible(chance).child(&format!("node {number}")), START).unwrap()
        });
        let network = Network::new(nodes, faults, Seed::reproducible(chance), START);
        assert_eq!(story(Rc::new(RefCell::new(network))), expected(), "chance {chance}");
    }
}
