//! What a channel keeps of what it has carried.

use super::SecuritySuite;
use super::sides::{carry, channels, parties};
use crate::compliance::kept_bytes;

impl SecuritySuite {
    /// Lets two channels carry messages, and then measures the memory that they have taken since they were new: at most
    /// `spare_bytes`.
    ///
    /// `live_bytes` says how much is allocated. An allocator that counts counts the whole program, so this wants a test
    /// program of its own.
    ///
    /// # Panics
    /// If more was taken.
    pub fn assert_memory_returns(&self, spare_bytes: usize, live_bytes: impl Fn() -> usize) {
        let messages: Vec<_> = (0..100).map(|size| vec![size as u8; size]).collect();
        let kept = kept_bytes(live_bytes, |live_bytes| {
            let [mut a, mut b] = channels(self, &parties(self));
            let before = live_bytes();
            for _ in 0..5 {
                carry(&mut *a, &mut *b, &messages, 100);
                carry(&mut *b, &mut *a, &messages, 100);
            }
            live_bytes().saturating_sub(before)
        });
        assert!(kept <= spare_bytes, "{}: {kept} bytes are kept of what was carried", self.name);
    }
}
