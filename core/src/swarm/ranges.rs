//! How many connections there are with each range of addresses, and how fast remotes there may make more.

use super::gate::AddressRange;
use super::limits::{ConnectionLimit, Count, Direction, Limits, RangeLimits, Rate};
use crate::address::{self, Multiaddr};
use crate::time::{Deadline, Instant, Timers};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How many ranges, narrow or wide, are remembered whose [rate](RangeLimits::inbound_rate) is used up in part. Those that have all their
/// tokens again are forgotten as others come. While there are more, a range that is not remembered may connect as if it had not before:
/// whoever has so many ranges is not stopped by the rate of one, and must neither get others refused nor get forgotten himself.
pub(super) const MAX_RATED_RANGES: usize = 16_384;

/// How many ranges are forgotten at most when one is remembered: more than one, so that their number falls, and not all at once.
const FORGOTTEN_AT_ONCE: usize = 4;

/// An IP address, as far as it tells hosts apart: all of IPv4, the network half of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    V4(u32),
    /// In two halves, which takes less memory than one number: there is one for each connection.
    V6([u32; 2]),
}

impl Host {
    /// `None`: the address has no IP address.
    pub(super) fn of(address: &Multiaddr) -> Option<Self> {
        Some(match address::ip(address)? {
            IpAddr::V4(ip) => Self::V4(ip.to_bits()),
            IpAddr::V6(ip) => Self::v6((ip.to_bits() >> 64) as u64),
        })
    }

    fn v6(bits: u64) -> Self {
        Self::V6([(bits >> 32) as u32, bits as u32])
    }

    /// Whether it is this machine. The network of `::1` has no other use.
    fn is_loopback(self) -> bool {
        matches!(self, Self::V4(0x7f00_0000..=0x7fff_ffff) | Self::V6([0, 0]))
    }

    /// The first and the last host of the range that it is in.
    fn range(self, limits: &RangeLimits) -> RangeInclusive<Self> {
        match self {
            Self::V4(bits) => {
                let rest = u32::MAX.checked_shr(limits.ipv4_prefix.into()).unwrap_or(0);
                Self::V4(bits & !rest)..=Self::V4(bits | rest)
            }
            Self::V6([high, low]) => {
                let bits = u64::from(high) << 32 | u64::from(low);
                let rest = u64::MAX.checked_shr(limits.ipv6_prefix.into()).unwrap_or(0);
                Self::v6(bits & !rest)..=Self::v6(bits | rest)
            }
        }
    }

    /// What stands for its range.
    fn first(self, limits: &RangeLimits) -> Self {
        *self.range(limits).start()
    }

    /// Its range as it is shown.
    fn shown(self, limits: &RangeLimits) -> AddressRange {
        match self {
            Self::V4(bits) => AddressRange::around(IpAddr::V4(bits.into()), limits.ipv4_prefix),
            Self::V6([high, low]) => {
                let bits = u128::from(high) << 96 | u128::from(low) << 64;
                AddressRange::around(IpAddr::V6(bits.into()), limits.ipv6_prefix.min(64))
            }
        }
    }
}

/// What is known of ranges. Nothing is kept of one without connections whose rate is not used.
///
/// Counted are the narrow ranges; of a wide one the count is the sum of theirs, which takes time for each of them. They are no more than the
/// limits of the wide range allow connections.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    connections: BTreeMap<Host, Count>,
    /// Those that remotes made and whose peer is not known yet.
    pending: BTreeMap<Host, u32>,
    narrow_rates: Rates,
    wide_rates: Rates,
}

impl Ranges {
    /// Whether there may be one more connection with the host.
    pub(super) fn check(
        &self,
        host: Host,
        direction: Direction,
        limits: &Limits,
    ) -> Result<(), ConnectionLimit> {
        let Limits { narrow_range, wide_range, .. } = limits;
        if host.is_loopback() {
            return match direction {
                Direction::Inbound => self.check_pending(host, narrow_range, limits.max_pending_loopback()),
                Direction::Outbound => Ok(()),
            };
        }
        for limits in [narrow_range, wide_range] {
            self.check_count(host, direction, limits)?;
            if direction == Direction::Inbound {
                self.check_pending(host, limits, limits.max_pending_inbound)?;
            }
        }
        Ok(())
    }

    fn check_count(
        &self,
        host: Host,
        direction: Direction,
        limits: &RangeLimits,
    ) -> Result<(), ConnectionLimit> {
        let max = match direction {
            Direction::Inbound => limits.max_inbound_connections,
            Direction::Outbound => limits.max_outbound_connections,
        };
        let count: Count = self.connections.range(host.range(limits)).map(|(_, count)| *count).sum();
        let range = host.shown(limits);
        match direction {
            _ if count.of(direction) < max => Ok(()),
            Direction::Inbound => Err(ConnectionLimit::InboundRange { range, max }),
            Direction::Outbound => Err(ConnectionLimit::OutboundRange { range, max }),
        }
    }

    fn check_pending(&self, host: Host, limits: &RangeLimits, max: usize) -> Result<(), ConnectionLimit> {
        let pending = self.pending.range(host.range(limits)).map(|(_, count)| *count as usize);
        if pending.sum::<usize>() < max {
            return Ok(());
        }
        Err(ConnectionLimit::PendingRange { range: host.shown(limits), max })
    }

    /// Takes a token of each range that the host is in, for a connection that it makes; none if one has none left.
    pub(super) fn take_tokens(
        &mut self,
        host: Host,
        limits: &Limits,
        now: Instant,
    ) -> Result<(), ConnectionLimit> {
        if host.is_loopback() {
            return Ok(());
        }
        let Limits { narrow_range, wide_range, .. } = limits;
        let narrow = self.narrow_rates.full_after(host, narrow_range, now)?;
        let wide = self.wide_rates.full_after(host, wide_range, now)?;
        self.narrow_rates.note(host.first(narrow_range), narrow, now);
        self.wide_rates.note(host.first(wide_range), wide, now);
        Ok(())
    }

    /// Notes a new connection, which is pending.
    pub(super) fn add(&mut self, host: Host, direction: Direction, limits: &Limits) {
        let range = host.first(&limits.narrow_range);
        self.connections.entry(range).or_default().add(direction);
        if direction == Direction::Inbound {
            *self.pending.entry(range).or_default() += 1;
        }
    }

    /// Notes that a connection is no longer pending.
    pub(super) fn opened(&mut self, host: Host, direction: Direction, limits: &Limits) {
        let range = host.first(&limits.narrow_range);
        if direction == Direction::Inbound
            && let Some(count) = self.pending.get_mut(&range)
        {
            *count -= 1;
            if *count == 0 {
                self.pending.remove(&range);
            }
        }
    }

    /// Notes that an open connection is gone.
    pub(super) fn remove(&mut self, host: Host, direction: Direction, limits: &Limits) {
        let range = host.first(&limits.narrow_range);
        if let Some(count) = self.connections.get_mut(&range) {
            count.remove(direction);
            if count.total() == 0 {
                self.connections.remove(&range);
            }
        }
    }

    /// How many connections there are with each narrow range, and how many of them are pending.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (&BTreeMap<Host, Count>, &BTreeMap<Host, u32>) {
        (&self.connections, &self.pending)
    }

    /// Of how many ranges the rate is remembered.
    #[cfg(test)]
    pub(super) fn rated(&self) -> usize {
        self.narrow_rates.0.len().max(self.wide_rates.0.len())
    }
}

/// When the ranges of one width will have all their tokens again.
#[derive(Debug, Default)]
struct Rates(Timers<Host>);

impl Rates {
    /// When the range of the host will be full again if it takes a token now.
    fn full_after(&self, host: Host, limits: &RangeLimits, now: Instant) -> Result<Instant, ConnectionLimit> {
        let Rate { burst, per_second } = limits.inbound_rate;
        let each = Duration::from_secs(1) / per_second.max(1);
        let full_at = self.0.get(host.first(limits)).map_or(now, |deadline| deadline.at.max(now));
        let is_left = burst.checked_sub(1).is_some_and(|others| full_at - now <= each.saturating_mul(others));
        if is_left { Ok(full_at + each) } else { Err(ConnectionLimit::Rate { range: host.shown(limits) }) }
    }

    fn note(&mut self, range: Host, full_at: Instant, now: Instant) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            self.0.pop_due(now);
        }
        if full_at > now && (self.0.len() < MAX_RATED_RANGES || self.0.contains(range)) {
            self.0.set(range, Some(Deadline::new(full_at, "the range has all its tokens again")));
        }
    }
}
