//! The dialer.

use crate::dialer::run_bytes;

/// What a dialer is told, and how time passes: it keeps its promises.
pub fn dialer(data: &[u8]) {
    run_bytes(data);
}
