//! Events as JSON: the same objects in the live stream, the event file and `analyze`.

use gdoi_core::Transition;
use gdoi_core::transition::What;
use serde::{Serialize, Serializer};

use crate::state::IncidentState;
use crate::time::{Calendar, Moment};

/// A transition with its date: `time`, then the transition's fields.
#[derive(Clone, Copy, Debug)]
pub struct DatedTransition<'a> {
    calendar: Calendar,
    transition: &'a Transition,
}

/// Most events.
#[derive(Serialize)]
struct PlainEvent<'a> {
    time: Moment,
    #[serde(flatten)]
    transition: &'a Transition,
}

/// A change of an incident: the incident as the API has it.
#[derive(Serialize)]
struct IncidentEvent {
    time: Moment,
    #[serde(rename = "type")]
    name: &'static str,
    #[serde(flatten)]
    incident: IncidentState,
}

impl<'a> DatedTransition<'a> {
    /// A transition, dated by `calendar`.
    pub const fn new(transition: &'a Transition, calendar: Calendar) -> Self {
        Self { calendar, transition }
    }
}

impl Serialize for DatedTransition<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { calendar, transition } = *self;
        let time = calendar.date(transition.at);
        match &transition.what {
            What::IncidentClosed(incident)
            | What::IncidentOpened(incident)
            | What::IncidentUpdated(incident) => {
                let event = IncidentEvent {
                    time,
                    name: transition.what.name(),
                    incident: IncidentState::new(incident, calendar, &[]),
                };
                event.serialize(serializer)
            }
            _ => PlainEvent { time, transition }.serialize(serializer),
        }
    }
}
