//! Events as JSON: the same objects in the live stream, the event file and `analyze`.

use gdoi_core::Transition;
use serde::Serialize;

use crate::time::{Calendar, Moment};

/// A transition with its date: `time`, then the transition's fields.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DatedTransition<'a> {
    time: Moment,
    #[serde(flatten)]
    transition: &'a Transition,
}

impl<'a> DatedTransition<'a> {
    /// A transition, dated by `calendar`.
    pub const fn new(transition: &'a Transition, calendar: Calendar) -> Self {
        Self {
            time: calendar.date(transition.at),
            transition,
        }
    }
}
