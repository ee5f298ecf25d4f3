//! When not everything was watched.

use alloc::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::transition::Certainty;

/// Windows that are remembered; older ones are merged into one.
const MAX_GAPS: usize = 64;

/// The windows in which something was lost, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CaptureGaps {
    windows: VecDeque<(Timestamp, Timestamp)>,
}

impl CaptureGaps {
    pub(crate) fn add(&mut self, from: Timestamp, until: Timestamp) {
        if let Some(last) = self.windows.back_mut()
            && from <= last.1
            && until >= last.0
        {
            last.0 = last.0.min(from);
            last.1 = last.1.max(until);
            return;
        }
        self.windows.push_back((from, until));
        if self.windows.len() > MAX_GAPS
            && let Some((from, _)) = self.windows.pop_front()
            && let Some(next) = self.windows.front_mut()
        {
            next.0 = next.0.min(from);
        }
    }

    /// Whether a silence in this window proves anything.
    pub(crate) fn certainty(&self, from: Timestamp, until: Timestamp) -> Certainty {
        let touched = |&(begin, end): &(Timestamp, Timestamp)| begin <= until && end >= from;
        if self.windows.iter().any(touched) {
            Certainty::Uncertain
        } else {
            Certainty::Certain
        }
    }
}
