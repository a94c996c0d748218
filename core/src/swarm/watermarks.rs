//! Watermarks: when too many connections are open, some are closed. [`Watermarks`] has the rule.

use super::connections::State;
use super::{ConnectionLimit, Life, Swarm};
use crate::connection::ConnectionId;
use crate::protocols::Protocols;
use crate::security::Role;
use crate::time::{Deadline, Instant};
use std::cmp::Reverse;
use std::time::Duration;

/// When connections are closed because there are too many, and which.
///
/// Above [`high`](Self::high) connections are closed until [`low`](Self::low) are left, at most once in
/// [`interval`](Self::interval). In between nothing happens. What is being closed already counts as gone.
///
/// Never closed are connections to a protected peer ([`StandingChange::Protect`](super::StandingChange::Protect)), and those that were
/// open for less than [`grace`](Self::grace), since nobody can know yet what they are good for. Of the others, these are closed first:
///
/// 1. those that nothing [keeps open](super#what-keeps-a-connection-open), before those in use;
/// 2. then those to the peers whose tags have the least sum ([`StandingChange::Tag`](super::StandingChange::Tag); without tags, 0);
/// 3. then those that the remote made, before ours: an attacker makes as many as he likes, and we dial whom we need;
/// 4. then the youngest, so that who floods us drives out himself, and not whom we have known for long.
///
/// They end with [`ConnectionLimit::HighWatermark`]. Where too few may be closed, more stay open, and it is tried again after the
/// interval. [`Limits`](super::Limits) hold in any case.
///
/// ```
/// use peerwork_core::swarm::{SwarmConfig, Watermarks};
///
/// let config = SwarmConfig { watermarks: Some(Watermarks::new(900, 600)), ..SwarmConfig::default() };
/// # assert_eq!(config.watermarks.unwrap().grace.as_secs(), 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// More open connections than this are too many. To have an effect it must be less than the
    /// [limits](super::Limits::max_connections) of connections.
    pub high: usize,
    /// So many are left then. More than `high` counts as `high`.
    pub low: usize,
    /// How long a new connection is left alone.
    pub grace: Duration,
    /// How long it takes at least until connections are closed again, so that each time costs little for each connection that
    /// came meanwhile.
    pub interval: Duration,
}

impl Watermarks {
    /// With 20 s of grace, and 10 s between one time and the next.
    pub const fn new(high: usize, low: usize) -> Self {
        Self { high, low, grace: Duration::from_secs(20), interval: Duration::from_secs(10) }
    }
}

/// When connections may be closed again, and when they will be.
#[derive(Debug, Default)]
pub(super) struct Trimming {
    not_before: Instant,
    due: Option<Instant>,
}

impl Trimming {
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.due.map(|at| Deadline::new(at, "too many connections"))
    }
}

impl<P: Protocols> Swarm<P> {
    /// A connection was opened.
    pub(super) fn watch_high_watermark(&mut self, now: Instant) {
        let open = self.usage.connections.total() - self.usage.pending.total();
        let is_over = self.config.watermarks.is_some_and(|marks| open > marks.high);
        if is_over && self.trimming.due.is_none() && self.life == Life::Running {
            self.trimming.due = Some(self.trimming.not_before.max(now));
            self.trim_if_due(now);
        }
    }

    /// Closes the connections that are too many, if it is time.
    pub(super) fn trim_if_due(&mut self, now: Instant) {
        let Some(marks) = self.config.watermarks.filter(|_| self.trimming.due.is_some_and(|due| due <= now))
        else {
            return;
        };
        let left = self.trim(marks, now);
        let not_before = now + marks.interval;
        self.trimming = Trimming { not_before, due: (left > marks.high).then_some(not_before) };
    }

    /// Closes connections down to the low watermark if they are over the high one; how many are left.
    fn trim(&mut self, marks: Watermarks, now: Instant) -> usize {
        let mut open = 0;
        let mut candidates = Vec::new();
        for (&id, record) in &self.connections {
            let State::Open { peer, is_closing: false, opened_at, needs, .. } = &record.state else {
                continue;
            };
            open += 1;
            let standing = self.standings.get(peer);
            if standing.is_none_or(|standing| !standing.is_protected()) && now - *opened_at >= marks.grace {
                let value = standing.map_or(0, |standing| standing.value());
                candidates.push((*needs > 0, value, record.role == Role::Dialer, Reverse(id)));
            }
        }
        if open <= marks.high {
            return open;
        }
        let excess = open - marks.low.min(marks.high);
        candidates.sort_unstable();
        let closed: Vec<ConnectionId> = candidates.iter().take(excess).map(|(.., Reverse(id))| *id).collect();
        for &id in &closed {
            self.close(id, ConnectionLimit::HighWatermark(marks.high).into(), now);
        }
        open - closed.len()
    }
}
