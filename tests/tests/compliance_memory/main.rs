//! What implementations keep of what is over, measured by the allocator. One test, so that nothing else allocates.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

#[path = "../laws/identify.rs"]
mod identify;
mod leaky;
#[path = "../laws/ping.rs"]
mod ping;
#[path = "../laws/toys.rs"]
mod toys;

use peerwork_core::muxer::mplex::{Mplex, WhenFull};
use peerwork_core::muxer::yamux::Yamux;
use peerwork_core::security::noise::Noise;
use peerwork_core::security::plaintext::Plaintext;
use peerwork_core::security::secio::Secio;
use peerwork_core::security::tls::Tls;
use peerwork_tests::compliance::security::Protection;
use peerwork_tests::compliance::{MuxerSuite, ProtocolSuite, SecuritySuite};
use peerwork_tests::toy::aead::ToyAead;
use peerwork_tests::toy::mux::ToyMux;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    // A reallocation counts as an allocation of what it adds.
    stats.bytes_allocated - stats.bytes_deallocated
}

fn muxers() {
    let tiny = Mplex { max_stream_buffer_bytes: 50, max_connection_buffer_bytes: 120, ..Mplex::default() };
    for mplex in [Mplex::default(), tiny, Mplex { when_full: WhenFull::Reset, ..tiny }] {
        // An idle connection owns no buffer.
        MuxerSuite::new(mplex).assert_memory_returns(0, live_bytes);
    }
    for yamux in [Yamux::default(), Yamux { max_connection_buffer_bytes: 120, ..Yamux::default() }] {
        MuxerSuite::new(yamux).assert_memory_returns(0, live_bytes);
    }
    MuxerSuite::new(ToyMux::default()).assert_memory_returns(4 * 1024, live_bytes);
}

fn securities() {
    SecuritySuite::new(Tls::default()).assert_memory_returns(0, live_bytes);
    SecuritySuite::new(Noise).assert_memory_returns(0, live_bytes);
    SecuritySuite::new(Secio::default()).protects(Protection::Frames).assert_memory_returns(0, live_bytes);
    SecuritySuite::new(Plaintext).protects(Protection::Nothing).assert_memory_returns(0, live_bytes);
    SecuritySuite::new(ToyAead).assert_memory_returns(0, live_bytes);
}

/// What maps and queues of a few streams may keep.
const SPARE_BYTES: usize = 8 * 1024;

fn protocols() {
    ProtocolSuite::new(ping::Pinging).assert_memory_returns(SPARE_BYTES, live_bytes);
    ProtocolSuite::new(identify::Identifying).assert_memory_returns(SPARE_BYTES, live_bytes);
    ProtocolSuite::new(toys::Counting).assert_memory_returns(SPARE_BYTES, live_bytes);
    ProtocolSuite::new(toys::Upgrading).assert_memory_returns(SPARE_BYTES, live_bytes);
}

/// That the measurements notice something.
fn broken_twins() {
    let noticed = |measure: &dyn Fn()| catch_unwind(AssertUnwindSafe(measure)).is_err();
    // Its queues keep their memory.
    assert!(noticed(&|| MuxerSuite::new(ToyMux::default()).assert_memory_returns(0, live_bytes)));
    assert!(noticed(&|| ProtocolSuite::new(leaky::Leaking).assert_memory_returns(SPARE_BYTES, live_bytes)));
    let calls = Cell::new(0);
    let growing = || calls.replace(calls.get() + 1);
    assert!(noticed(&|| SecuritySuite::new(ToyAead).assert_memory_returns(0, growing)));
}

#[test]
fn what_is_over_takes_no_memory() {
    muxers();
    securities();
    protocols();
    broken_twins();
}
