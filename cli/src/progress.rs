//! Progress bars, on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long something may take before it shows a progress bar.
const DELAY: Duration = Duration::from_millis(500);

/// A progress bar that appears only when there is time to look at it, and disappears on drop.
pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
    /// Whether the bar has yet to appear.
    is_pending: Cell<bool>,
}

impl Progress {
    /// A bar of indicatif's `template` from 0 to `total`; it never appears unless it `is_wanted`.
    pub(crate) fn new(template: &'static str, total: u64, is_wanted: bool) -> Self {
        let style = ProgressStyle::with_template(template).expect("the template is valid");
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden()).with_style(style);
        Self { bar, start: Instant::now(), is_pending: Cell::new(is_wanted) }
    }

    /// So much is done.
    pub(crate) fn set(&self, done: u64) {
        if self.is_pending.get() && self.start.elapsed() > DELAY {
            self.is_pending.set(false);
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(done);
    }

    /// So much is done, and `message` is to be said of it where there is somebody to read it.
    pub(crate) fn tell(&self, done: u64, message: impl FnOnce() -> String) {
        self.set(done);
        if !self.bar.is_hidden() {
            self.bar.set_message(message());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
