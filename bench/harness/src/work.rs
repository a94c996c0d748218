//! The work, whatever does it.

use crate::flags::{Flags, Mode};
use crate::meter::{Meter, resident_kib};
use crate::outcome::{Outcome, Unit};
use crate::process::Server;
use anyhow::{Context, Result};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// How long the same work is done before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// How many connections or streams there are before they are counted, so that what is allocated once does not count.
const WARM_UP_COUNT: u64 = 8;

/// How long everything rests before its memory is read: identify has been exchanged, buffers have been given back.
const REST: Duration = Duration::from_secs(2);

/// How long everything rests before its idleness is measured: the timers of what went before have run out.
const LONG_REST: Duration = Duration::from_secs(12);

/// What a client can be asked to do. Each error ends the measurement.
pub trait Client {
    /// Writes to one stream for so long, `chunk` bytes at a time, and returns how much of it the server has read: all.
    ///
    /// # Errors
    /// Bytes were lost.
    fn bulk(&mut self, time: Duration, chunk: usize) -> Result<u64>;

    /// Has 32 bytes echoed on one stream for so long, and returns how often.
    ///
    /// # Errors
    /// An echo did not come.
    fn round_trips(&mut self, time: Duration) -> Result<u64>;

    /// Opens a stream, has 32 bytes echoed and closes it, for so long with so many at a time, and returns how often.
    ///
    /// # Errors
    /// A stream could not be opened, or an echo did not come.
    fn new_streams(&mut self, time: Duration, parallel: usize) -> Result<u64>;

    /// Dials for so long, one after the other, and returns how many connections were up at both ends. The server closes them.
    ///
    /// # Errors
    /// A dial failed.
    fn connections(&mut self, time: Duration) -> Result<u64>;

    /// Makes more connections, and keeps them.
    ///
    /// # Errors
    /// A dial failed.
    fn hold_connections(&mut self, count: u64) -> Result<()>;

    /// Opens more streams, has 32 bytes echoed on each, and keeps them.
    ///
    /// # Errors
    /// A stream could not be opened, or an echo did not come.
    fn hold_streams(&mut self, count: u64) -> Result<()>;

    /// Does nothing for so long but what comes by itself.
    fn rest(&mut self, time: Duration);
}

impl Client for Box<dyn Client> {
    fn bulk(&mut self, time: Duration, chunk: usize) -> Result<u64> {
        (**self).bulk(time, chunk)
    }

    fn round_trips(&mut self, time: Duration) -> Result<u64> {
        (**self).round_trips(time)
    }

    fn new_streams(&mut self, time: Duration, parallel: usize) -> Result<u64> {
        (**self).new_streams(time, parallel)
    }

    fn connections(&mut self, time: Duration) -> Result<u64> {
        (**self).connections(time)
    }

    fn hold_connections(&mut self, count: u64) -> Result<()> {
        (**self).hold_connections(count)
    }

    fn hold_streams(&mut self, count: u64) -> Result<()> {
        (**self).hold_streams(count)
    }

    fn rest(&mut self, time: Duration) {
        (**self).rest(time);
    }
}

/// Has the client do what the flags say, and measures it.
pub(crate) fn measure<C: Client>(
    name: &str,
    flags: &Flags,
    client: &mut C,
    server: &mut Server,
) -> Result<Outcome> {
    let costs = match flags.mode {
        Mode::Bulk => timed(flags, server, |time| client.bulk(time, flags.chunk)),
        Mode::Ping => timed(flags, server, |time| client.round_trips(time)),
        Mode::Newstream => timed(flags, server, |time| client.new_streams(time, flags.par)),
        Mode::Conn => timed(flags, server, |time| client.connections(time)),
        Mode::Idleconn => held(flags, client, server, C::hold_connections),
        Mode::Idlestream => held(flags, client, server, C::hold_streams),
        Mode::Keepalive | Mode::Quiet => idle(flags, client, server),
    }?;
    Ok(Outcome {
        implementation: name.to_owned(),
        mode: flags.mode,
        security: flags.sec,
        muxer: flags.mux,
        unit: costs.unit,
        amount: costs.amount,
        wall_seconds: costs.wall.as_secs_f64(),
        client: costs.client,
        server: costs.server,
        allocations: costs.allocations,
        wake_ups: costs.wake_ups,
        switches: costs.switches,
    })
}

/// What one of the amount cost.
struct Costs {
    unit: Unit,
    amount: f64,
    wall: Duration,
    client: f64,
    server: f64,
    allocations: Option<f64>,
    wake_ups: Option<f64>,
    switches: Option<f64>,
}

/// CPU time of what is done for a while. `work` returns bytes or how often it was done.
fn timed(flags: &Flags, server: &mut Server, mut work: impl FnMut(Duration) -> Result<u64>) -> Result<Costs> {
    work(WARM_UP)?;
    let meter = Meter::start(server)?;
    let done = work(flags.time())? as f64;
    let spent = meter.stop(server)?;
    let (unit, amount, scale) = match flags.mode {
        Mode::Bulk => (Unit::SecondsPerGib, done / (1_u64 << 30) as f64, 1.0),
        _ => (Unit::Microseconds, done, 1e6),
    };
    let each = |time: Duration| time.as_secs_f64() * scale / amount;
    Ok(Costs {
        unit,
        amount,
        wall: spent.wall,
        client: each(spent.client_cpu),
        server: each(spent.server_cpu),
        allocations: (spent.allocations > 0).then(|| spent.allocations as f64 / amount),
        wake_ups: None,
        switches: None,
    })
}

/// What is kept costs in each second in which nothing is done with it.
fn idle<C: Client>(flags: &Flags, client: &mut C, server: &mut Server) -> Result<Costs> {
    client.hold_connections(flags.n)?;
    client.rest(LONG_REST);
    let meter = Meter::start(server)?;
    client.rest(flags.time());
    let spent = meter.stop(server)?;
    let amount = spent.wall.as_secs_f64();
    Ok(Costs {
        unit: Unit::Microseconds,
        amount,
        wall: spent.wall,
        client: spent.client_cpu.as_secs_f64() * 1e6 / amount,
        server: spent.server_cpu.as_secs_f64() * 1e6 / amount,
        allocations: None,
        wake_ups: Some(spent.wake_ups as f64 / amount),
        switches: Some(spent.switches as f64 / amount),
    })
}

/// Memory of what is kept.
fn held<C: Client>(
    flags: &Flags,
    client: &mut C,
    server: &Server,
    hold: impl Fn(&mut C, u64) -> Result<()>,
) -> Result<Costs> {
    let mut settled = |count| {
        hold(client, count).with_context(|| format!("{count} could not be had"))?;
        client.rest(REST);
        Ok::<_, anyhow::Error>((resident_kib(Pid::this())?, resident_kib(server.pid())?))
    };
    let before = settled(WARM_UP_COUNT)?;
    let start = Instant::now();
    let after = settled(flags.n)?;
    let amount = flags.n as f64;
    let each = |before: u64, after: u64| (after as f64 - before as f64) / amount;
    Ok(Costs {
        unit: Unit::Kib,
        amount,
        wall: start.elapsed(),
        client: each(before.0, after.0),
        server: each(before.1, after.1),
        allocations: None,
        wake_ups: None,
        switches: None,
    })
}
