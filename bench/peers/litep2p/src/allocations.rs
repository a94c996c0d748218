//! Measures litep2p, and counts its heap allocations.

use stats_alloc::StatsAlloc;
use std::alloc::System;

#[global_allocator]
static HEAP: &StatsAlloc<System> = bench_harness::HEAP;

fn main() -> std::process::ExitCode {
    bench_harness::run::<bench_litep2p::Litep2p>()
}
