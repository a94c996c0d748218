//! What is left of streams that are over.

use super::{MuxerSuite, model};
use crate::compliance::kept_bytes;
use peerwork_core::seed::Seed;

impl MuxerSuite {
    /// Runs streams at random and then measures the memory that two muxers without streams have kept: at most `spare_bytes` more
    /// than fresh ones. What a peer can make grow it will make grow.
    ///
    /// `live_bytes` says how much is allocated. An allocator that counts counts the whole program, so this wants a test
    /// program of its own.
    ///
    /// # Panics
    /// If more was kept.
    pub fn assert_memory_returns(&self, spare_bytes: usize, live_bytes: impl Fn() -> usize) {
        for case in self.cases.numbers() {
            let kept = kept_bytes(&live_bytes, |live_bytes| {
                let mut draw = Seed::reproducible(case).child("memory");
                let mut pair = self.pair();
                let before = live_bytes();
                for _ in 0..4 {
                    model::run(&mut pair, self.streams(40), &mut draw);
                }
                (pair.wires, pair.inputs) = Default::default();
                live_bytes().saturating_sub(before)
            });
            assert!(kept <= spare_bytes, "{}: {kept} bytes are kept for no streams, case {case}", self.name);
        }
    }
}
