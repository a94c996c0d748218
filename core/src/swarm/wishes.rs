//! Who waits for which dial.

use super::DialId;
use crate::protocols::RequestId;
use std::collections::BTreeMap;

/// Who wishes a connection, and what he calls the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wisher {
    User(DialId),
    /// The mounted machine with this number.
    Protocol(usize, RequestId),
}

/// The wishes without an answer. The user and each protocol count for themselves, so the dialer knows their wishes by other ids.
///
/// At most [`max_dials`](super::DialerConfig::max_dials): the dialer answers further ones at once.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    wishers: BTreeMap<DialId, Wisher>,
    dials: BTreeMap<Wisher, DialId>,
    next: u64,
}

impl Wishes {
    /// The dialer's id for a new wish; `None` if the wisher waits under the same name already.
    pub(super) fn add(&mut self, wisher: Wisher) -> Option<DialId> {
        if self.dials.contains_key(&wisher) {
            return None;
        }
        let dial = DialId(self.next);
        self.next = self.next.saturating_add(1);
        self.wishers.insert(dial, wisher);
        self.dials.insert(wisher, dial);
        Some(dial)
    }

    /// The dialer's id.
    pub(super) fn find(&self, wisher: Wisher) -> Option<DialId> {
        self.dials.get(&wisher).copied()
    }

    /// Ends a wish: who is to be answered.
    pub(super) fn take(&mut self, dial: DialId) -> Option<Wisher> {
        let wisher = self.wishers.remove(&dial)?;
        self.dials.remove(&wisher);
        Some(wisher)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.wishers.len(), self.dials.len());
        self.wishers.len()
    }
}
