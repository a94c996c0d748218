//! Measures rust-libp2p.

fn main() -> std::process::ExitCode {
    bench_harness::run::<bench_rust_libp2p::RustLibp2p>()
}
