//! From events to incidents: one per cause, however many events it explains.
//!
//! A layer above the tracker. It consumes transitions and returns others: incidents that open, grow and close. It
//! sees nothing else, so its claims rest on the events alone. `meaning` has the meaning of each event; an event that
//! is not clear at once is `pending` until others explain it or its time is over.

mod basis;
mod capture;
mod effects;
mod incidents;
mod keks;
mod key_servers;
mod meaning;
mod notes;
mod pending;
mod registrations;
mod rekeys;

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

pub use incidents::DiagnosisFact;
use incidents::DiagnosisState;

use crate::saved_state::SaveError;
use crate::time::Timestamp;
use crate::transition::{Cause, FrameId, Incident, Transition};

/// Version of the layout of a saved diagnosis. Any change of `DiagnosisState`, or of a type in it, raises it.
const DIAGNOSIS_LAYOUT: u16 = 1;
/// How long a closed incident still explains its consequences.
const AFTERMATH: Duration = Duration::from_mins(15);

/// Finds the causes of what the tracker reports.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    state: DiagnosisState,
}

impl Diagnosis {
    /// Encodes what is known for [`Self::restore`].
    pub fn save(&self) -> Result<Vec<u8>, SaveError> {
        let saved = Vec::from(DIAGNOSIS_LAYOUT.to_be_bytes());
        postcard::to_extend(&self.state, saved).map_err(|_postcard| SaveError)
    }

    /// Decodes what [`Self::save`] encoded; `None` if another version saved it, or it is damaged.
    pub fn restore(saved: &[u8]) -> Option<Self> {
        let (version, state) = saved.split_first_chunk()?;
        let is_known = u16::from_be_bytes(*version) == DIAGNOSIS_LAYOUT;
        let state = postcard::from_bytes(state).ok().filter(|_| is_known)?;
        Some(Self { state })
    }

    /// An empty diagnosis.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one transition of the tracker, after every timer that was due by then. `frames` prove it, if known.
    /// Changes of incidents are added to `out`.
    pub fn handle_transition(
        &mut self,
        transition: &Transition,
        frames: &[FrameId],
        out: &mut Vec<Transition>,
    ) {
        self.advance(transition.at, out);
        meaning::handle_event(&mut self.state, out, transition, frames);
    }

    /// Closes incidents that have been quiet for long enough, and decides events that have waited for an explanation.
    pub fn advance(&mut self, now: Timestamp, out: &mut Vec<Transition>) {
        self.state.now = self.state.now.max(now);
        while let Some(due) = self.state.pending.take_due(self.state.now) {
            meaning::on_patience_ended(&mut self.state, out, due);
        }
        let mut index = 0;
        while let Some(tracked) = self.state.incidents.get_mut(index) {
            match (tracked.incident.ended, tracked.quiet_at) {
                (None, Some(at)) if at <= self.state.now => {
                    let latest = tracked.incident.latest;
                    self.state.end_at(out, index, latest);
                }
                (Some(ended), _) if ended.max(tracked.incident.latest).after(AFTERMATH) <= self.state.now => {
                    let gone = self.state.incidents.remove(index);
                    self.state.keep_closed(gone.incident);
                    continue;
                }
                _ => {}
            }
            index += 1;
        }
    }

    /// Decides all waiting events, at the end of a capture. Open incidents stay open.
    pub fn finish(&mut self, now: Timestamp, out: &mut Vec<Transition>) {
        self.advance(now, out);
        while let Some(pending) = self.state.pending.take_first() {
            meaning::on_end_of_observation(&mut self.state, out, pending);
        }
    }

    /// The incidents: the most severe first, then open ones, then those that explain most.
    pub fn incidents(&self) -> Vec<&Incident> {
        let tracked = self.state.incidents.iter().map(|tracked| &tracked.incident);
        let mut all: Vec<&Incident> = tracked.chain(&self.state.closed).collect();
        all.sort_by_key(|incident| {
            let explained: u64 = incident.effects.values().sum();
            (
                Reverse(incident.severity),
                !incident.is_open(),
                Reverse(explained),
                Reverse(incident.began),
                incident.id,
            )
        });
        all
    }

    /// Notable observations that are no incidents.
    pub fn facts(&self) -> impl Iterator<Item = &DiagnosisFact> {
        self.state.facts.values()
    }

    /// Number of incidents, by group and cause.
    pub fn totals(&self) -> impl Iterator<Item = (Option<&str>, Cause, u64)> {
        self.state
            .totals
            .iter()
            .map(|((group, cause), count)| (group.as_deref(), *cause, *count))
    }

    /// What was dropped because of the limits.
    pub const fn overflow(&self) -> u64 {
        self.state
            .overflow
            .saturating_add(self.state.pending.overflow())
            .saturating_add(self.state.notes.overflow())
    }
}
