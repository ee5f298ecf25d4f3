//! Events: what the live stream, the event file and `analyze` carry, the same objects everywhere.

use gdoi_core::Transition;
use serde::Serialize;

use crate::time::{Calendar, Moment};

/// A transition with its date: `time`, then what the transition says of itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DatedTransition<'a> {
    time: Moment,
    #[serde(flatten)]
    transition: &'a Transition,
}

impl<'a> DatedTransition<'a> {
    /// A transition that happened on the clock that `calendar` knows.
    pub const fn new(transition: &'a Transition, calendar: Calendar) -> Self {
        Self {
            time: calendar.date(transition.at),
            transition,
        }
    }
}
