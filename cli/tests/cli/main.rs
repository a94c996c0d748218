//! The program as its users see it: what it prints, and the status with which it exits.

mod bad_input;
mod damaged_keys;
mod dial;
mod help;
mod keys;
mod metrics;
mod nodes;
mod peers;
mod perf;
mod private_network;
mod program;
mod repo;
mod runtimes;
