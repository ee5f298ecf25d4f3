//! How many of one kind are told in ten seconds: a spray of forged ones must not become a spray of events.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What was told in the present ten seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ration {
    window: u64,
    taken: u32,
}

impl Ration {
    /// Whether one more of at most `most` may be told now.
    pub(crate) fn take(&mut self, now: Timestamp, most: u32) -> bool {
        let window = now.as_nanos() / 10_000_000_000;
        if self.window != window {
            *self = Self { window, taken: 0 };
        }
        self.taken = self.taken.saturating_add(1);
        self.taken <= most
    }
}
