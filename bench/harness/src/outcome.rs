//! What was measured.

use crate::flags::{Mode, Muxer, Security};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What was measured, as programs print it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// What was measured.
    pub implementation: String,
    /// The kind of work.
    pub mode: Mode,
    /// How connections were secured.
    pub security: Security,
    /// How streams shared a connection.
    pub muxer: Muxer,
    /// What the costs are in.
    pub unit: Unit,
    /// How much was done: GiB, a number of what there is in the mode's name, or seconds of doing nothing.
    pub amount: f64,
    /// How long it took.
    pub wall_seconds: f64,
    /// What one of the amount cost the client.
    pub client: f64,
    /// What one of the amount cost the server.
    pub server: f64,
    /// How many heap allocations one of the amount cost both, if they were counted.
    pub allocations: Option<f64>,
    /// How often tasks of both were polled, or loops of both had a turn, in a second; if that was counted.
    pub wake_ups: Option<f64>,
    /// How often threads of both waited and were woken, in a second; if that was counted.
    pub switches: Option<f64>,
}

impl Outcome {
    /// What one of the amount cost both processes.
    pub fn both(&self) -> f64 {
        self.client + self.server
    }
}

/// What costs are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// CPU seconds for each GiB.
    SecondsPerGib,
    /// CPU microseconds each.
    Microseconds,
    /// KiB of resident memory each.
    Kib,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecondsPerGib => "CPU s/GiB",
            Self::Microseconds => "CPU us",
            Self::Kib => "KiB",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            implementation, mode, security, muxer, unit, amount, wall_seconds, client, server, ..
        } = self;
        write!(f, "{implementation} {mode:?} {security:?}+{muxer:?}: {:.3} {unit}", self.both())?;
        write!(f, " (client {client:.3}, server {server:.3})")?;
        if let Some(allocations) = self.allocations {
            write!(f, ", {allocations:.2} allocations")?;
        }
        if let (Some(wake_ups), Some(switches)) = (self.wake_ups, self.switches) {
            write!(f, ", {wake_ups:.2} wake-ups, {switches:.2} switches")?;
        }
        write!(f, "; {amount:.3} in {wall_seconds:.3} s")
    }
}
