//! What a protocol keeps of connections that are over.

use super::ProtocolSuite;
use super::drive::{Drive, Weather};
use crate::compliance::kept_bytes;
use crate::laws::protocol::ProtocolSubject;

impl<S: ProtocolSubject> ProtocolSuite<S> {
    /// Lets peers connect, talk and disconnect over and over, and measures how much more memory is taken after many rounds than
    /// after a few: at most `spare_bytes`. What grows with every connection fills any memory in the end.
    ///
    /// `live_bytes` says how much is allocated. An allocator that counts counts the whole program, so this wants a test
    /// program of its own.
    ///
    /// # Panics
    /// If more was taken.
    pub fn assert_memory_returns(&self, spare_bytes: usize, live_bytes: impl Fn() -> usize) {
        const ROUNDS: usize = 40;
        let kept = kept_bytes(live_bytes, |live_bytes| {
            let mut drive = Drive::new(&self.subject, 0, Weather::Fair, None);
            let mut few = 0;
            for round in 0..ROUNDS {
                drive.live();
                drive.forget_commands();
                if round == ROUNDS / 4 {
                    few = live_bytes();
                }
            }
            live_bytes().saturating_sub(few)
        });
        let name = self.subject_name();
        assert!(kept <= spare_bytes, "{name}: {kept} bytes are kept of what is over");
    }
}
