//! Measures peerwork in a single-threaded loop.

fn main() -> std::process::ExitCode {
    bench_harness::run::<bench_peerwork::PeerworkLoop>()
}
