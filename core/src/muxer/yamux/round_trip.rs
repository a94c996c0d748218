//! The round-trip time, measured while there are bulk data.

use super::PING_INTERVAL;
use crate::time::Instant;
use std::time::Duration;

/// Measures the round-trip time by pings.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    time: Option<Duration>,
    /// The value of the last ping, and so how many there were.
    value: u32,
    sent_at: Instant,
    is_answered: bool,
}

impl RoundTrip {
    /// The time, once it is known.
    pub(super) fn time(&self) -> Option<Duration> {
        self.time
    }

    /// Bulk data flow. Gives the value of a ping to be sent, if it is time for one.
    pub(super) fn next_ping(&mut self, now: Instant) -> Option<u32> {
        let is_due = self.value == 0 || (self.is_answered && now - self.sent_at >= PING_INTERVAL);
        is_due.then(|| {
            self.value = self.value.wrapping_add(1).max(1);
            self.sent_at = now;
            self.is_answered = false;
            self.value
        })
    }

    /// The answer to a ping has come; one that we wait for, or not.
    pub(super) fn handle_answer(&mut self, value: u32, now: Instant) {
        if value == self.value && !self.is_answered {
            let took = now - self.sent_at;
            self.time = Some(self.time.map_or(took, |before| (before + took) / 2));
            self.is_answered = true;
        }
    }
}
