//! What work costs.

use crate::process::Server;
use anyhow::{Context, Result};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The allocator of programs that count allocations. They are programs of their own, since counting costs time.
pub static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often a task of a node was polled, or its loop had a turn, in modes that count it. To be counted by the implementation.
pub static WAKE_UPS: AtomicU64 = AtomicU64::new(0);

/// What processes count themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// How often it has allocated or grown an allocation; 0 if it does not count.
    pub(crate) allocations: u64,
    /// See [`WAKE_UPS`].
    pub(crate) wake_ups: u64,
}

impl Counts {
    /// This process's.
    pub(crate) fn own() -> Self {
        let stats = HEAP.stats();
        Self {
            allocations: (stats.allocations + stats.reallocations) as u64,
            wake_ups: WAKE_UPS.load(Ordering::Relaxed),
        }
    }
}

/// What a piece of work took.
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    pub(crate) client_cpu: Duration,
    pub(crate) server_cpu: Duration,
    /// By both.
    pub(crate) allocations: u64,
    /// Of both.
    pub(crate) wake_ups: u64,
    /// How often threads of both waited, and were woken by the system.
    pub(crate) switches: u64,
}

/// Both processes, at the start of a piece of work.
pub(crate) struct Meter {
    start: Instant,
    client: Pid,
    client_cpu: Duration,
    server_cpu: Duration,
    counts: [Counts; 2],
    switches: u64,
}

impl Meter {
    pub(crate) fn start(server: &mut Server) -> Result<Self> {
        let client = Pid::this();
        Ok(Self {
            counts: [Counts::own(), server.counts()?],
            switches: switches(client)? + switches(server.pid())?,
            client,
            client_cpu: cpu_time(client)?,
            server_cpu: cpu_time(server.pid())?,
            start: Instant::now(),
        })
    }

    pub(crate) fn stop(self, server: &mut Server) -> Result<Spent> {
        let wall = self.start.elapsed();
        let (client_cpu, server_cpu) = (cpu_time(self.client)?, cpu_time(server.pid())?);
        let switches = switches(self.client)? + switches(server.pid())?;
        let counts = [Counts::own(), server.counts()?];
        let since = |count: fn(&Counts) -> u64| {
            counts.iter().map(count).sum::<u64>() - self.counts.iter().map(count).sum::<u64>()
        };
        Ok(Spent {
            wall,
            client_cpu: client_cpu - self.client_cpu,
            server_cpu: server_cpu - self.server_cpu,
            allocations: since(|counts| counts.allocations),
            wake_ups: since(|counts| counts.wake_ups),
            switches: switches - self.switches,
        })
    }
}

/// How often threads of a process have waited: voluntary context switches, of those that there are.
fn switches(pid: Pid) -> Result<u64> {
    let mut switches = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).context("there is no /proc")? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        switches += field(&status, "voluntary_ctxt_switches:")?;
    }
    Ok(switches)
}

/// User and system time of all threads of a process.
fn cpu_time(pid: Pid) -> Result<Duration> {
    let clock = clock_getcpuclockid(pid).context("a process has no clock of its CPU time")?;
    ClockId::now(clock).map(Duration::from).context("the CPU time of a process cannot be read")
}

/// Resident memory.
pub(crate) fn resident_kib(pid: Pid) -> Result<u64> {
    field(&fs::read_to_string(format!("/proc/{pid}/status")).context("there is no /proc")?, "VmRSS:")
}

/// The number behind `name` in a file of /proc.
fn field(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("/proc does not say {name}"))
}
