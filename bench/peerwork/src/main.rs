//! Measures peerwork.

fn main() -> std::process::ExitCode {
    bench_harness::run::<bench_peerwork::Peerwork>()
}
