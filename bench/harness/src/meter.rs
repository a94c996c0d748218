//! What work costs.

use crate::process::Server;
use anyhow::{Context, Result};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::time::{Duration, Instant};

/// The allocator of programs that count allocations. They are programs of their own, since counting costs time.
pub static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often this process has allocated or grown an allocation; 0 if it does not count.
pub(crate) fn own_allocations() -> u64 {
    let stats = HEAP.stats();
    (stats.allocations + stats.reallocations) as u64
}

/// What a piece of work took.
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    pub(crate) client_cpu: Duration,
    pub(crate) server_cpu: Duration,
    /// By both.
    pub(crate) allocations: u64,
}

/// Both processes, at the start of a piece of work.
pub(crate) struct Meter {
    start: Instant,
    client: Pid,
    client_cpu: Duration,
    server_cpu: Duration,
    allocations: u64,
}

impl Meter {
    pub(crate) fn start(server: &mut Server) -> Result<Self> {
        let client = Pid::this();
        Ok(Self {
            allocations: own_allocations() + server.allocations()?,
            client,
            client_cpu: cpu_time(client)?,
            server_cpu: cpu_time(server.pid())?,
            start: Instant::now(),
        })
    }

    pub(crate) fn stop(self, server: &mut Server) -> Result<Spent> {
        Ok(Spent {
            wall: self.start.elapsed(),
            client_cpu: cpu_time(self.client)? - self.client_cpu,
            server_cpu: cpu_time(server.pid())? - self.server_cpu,
            allocations: own_allocations() + server.allocations()? - self.allocations,
        })
    }
}

/// User and system time of all threads of a process.
fn cpu_time(pid: Pid) -> Result<Duration> {
    let clock = clock_getcpuclockid(pid).context("a process has no clock of its CPU time")?;
    ClockId::now(clock).map(Duration::from).context("the CPU time of a process cannot be read")
}

/// Resident memory.
pub(crate) fn resident_kib(pid: Pid) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("there is no /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .context("/proc does not say what memory a process has")
}
