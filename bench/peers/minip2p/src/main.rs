//! Measures minip2p.

fn main() -> std::process::ExitCode {
    bench_harness::run::<bench_minip2p::Minip2p>()
}
