//! Nothing: the micro-benchmarks are in `benches/`.
