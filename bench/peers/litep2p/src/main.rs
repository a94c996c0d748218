//! Measures litep2p.

fn main() -> std::process::ExitCode {
    bench_harness::run::<bench_litep2p::Litep2p>()
}
