//! Gaps in what the monitor sees, contradictions of its configuration, and messages of strangers.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::time::Duration;

use super::basis::{IncidentKey, Seen};
use super::incidents::{DiagnosisFact, DiagnosisState, MOST_COUNTED};
use crate::observation::{Loss, LossKind};
use crate::time::Timestamp;
use crate::transition::{
    Alternative, Cause, Certainty, ConfigurationContradicted, Forgery, ForgeryKind, Span, SpiStale,
    Transition, What,
};

/// Quiet time after which an incident closes that no event ends.
const QUIET: Duration = Duration::from_hours(1);

/// How long after a gap a changed rekey interval may be due to it.
const HOLE_MEMORY: Duration = Duration::from_hours(12);

impl DiagnosisState {
    pub(super) fn on_clock_step(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, step: Duration) {
        let key = IncidentKey::new(Cause::CaptureIncomplete, None, None);
        let index = self.open(out, key, seen.basis(Some(QUIET)));
        self.measure(index, |measures| measures.period = Some(step));
        self.report(out, index);
    }

    /// The incident of an incomplete capture since this time: missing messages then prove nothing.
    pub(super) fn hole_since(&self, since: Timestamp) -> Option<usize> {
        self.find(|one| one.cause == Cause::CaptureIncomplete && one.latest >= since)
    }

    /// If the lifetime applied until a rekey was overdue, it was changed; otherwise the configuration is wrong.
    pub(super) fn on_contradiction(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        wrong: &ConfigurationContradicted,
    ) {
        if wrong.key.ends_with("_lifetime")
            && let Some(hole) = self.hole_since(seen.transition.at.before(HOLE_MEMORY))
        {
            return self.explain_by(out, seen, hole);
        }
        let overdue = self.take_overdue(seen.group());
        let (cause, quiet) = if overdue.is_empty() {
            (Cause::ConfigurationContradicted, None)
        } else {
            (Cause::LifetimeChanged, Some(QUIET))
        };
        let index = self.open(out, seen.group_key(cause), seen.basis(quiet));
        self.rest_on_all(index, overdue, quiet);
        self.measure(index, |measures| {
            measures.key = Cow::Borrowed(wrong.key);
            measures.configured.clone_from(&wrong.configured);
            measures.seen.clone_from(&wrong.seen);
        });
        self.report(out, index);
    }

    pub(super) fn on_forgery(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, forged: &Forgery) {
        let cause = match forged.kind {
            ForgeryKind::Scan => Cause::Scan,
            ForgeryKind::StrayAck
            | ForgeryKind::StrayRekey
            | ForgeryKind::StrangerPush
            | ForgeryKind::UndeliveredKek => Cause::Forgery,
        };
        let index = self.open(out, seen.group_key(cause), seen.basis(Some(QUIET)));
        self.measure(index, |measures| {
            measures.messages = measures.messages.max(forged.messages);
        });
        self.name_subject(index, forged.source.to_string());
        self.report(out, index);
    }

    pub(super) fn on_stale_spi(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, stale: &SpiStale) {
        if self.explain(out, seen) {
            return;
        }
        let index = self.open(out, seen.group_key(Cause::StaleSpi), seen.basis(Some(QUIET)));
        self.measure(index, |measures| measures.period = Some(stale.late));
        if let Some(site) = &stale.site {
            self.name_subject(index, site.clone());
        }
        self.report(out, index);
    }

    pub(super) fn on_capture_loss(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, loss: Loss) {
        let (from, until) = (loss.from, loss.until.after(Duration::from_mins(2)));
        let hidden = self.pending.take(|pending| {
            let at = pending.evidence.at;
            pending.grounds.open.contains(Alternative::CaptureGap) && from <= at && at <= until
        });
        if loss.kind == LossKind::Silence && hidden.is_empty() {
            return;
        }
        let key = IncidentKey::new(Cause::CaptureIncomplete, None, None);
        let mut basis = seen.basis(Some(QUIET));
        basis.evidence.at = from;
        if loss.kind == LossKind::Silence {
            basis.grounds.certainty = Certainty::Uncertain;
        }
        let index = self.open(out, key, basis);
        if let Some(tracked) = self.incidents.get_mut(index) {
            let incident = &mut tracked.incident;
            incident.latest = incident.latest.max(loss.until);
            for one in hidden {
                incident.explain(one.evidence.event);
            }
            let measures = &mut incident.measures;
            match loss.kind {
                LossKind::Blind | LossKind::Silence => {
                    let lasted = loss.until.since(loss.from);
                    measures.silence = Some(measures.silence.unwrap_or_default().saturating_add(lasted));
                }
                LossKind::Messages | LossKind::Spis => {
                    measures.messages = measures.messages.saturating_add(loss.count.unwrap_or(1));
                }
            }
        }
        self.report(out, index);
    }

    pub(super) fn note_fact(&mut self, seen: &Seen<'_>) {
        let what = &seen.transition.what;
        let (name, summary) = match what {
            What::PullOnly(only) => (
                "pull_only",
                format!(
                    "Members fetch their keys every {} and no rekey is sent, as in IEC 62351-9.",
                    Span(only.interval)
                ),
            ),
            What::Heartbeats(beat) => (
                "heartbeats",
                format!(
                    "The key server sends heartbeats of {} bytes every {}: they carry no keys.",
                    beat.length,
                    Span(beat.period)
                ),
            ),
            What::MergedTaps(taps) => (
                "merged_taps",
                format!(
                    "Every message is seen twice, {} apart: two captures were merged.",
                    Span(taps.offset)
                ),
            ),
            What::GroupAmbiguous(ambiguous) => (
                "ambiguous",
                format!(
                    "Registrations fit {} groups: configure the groups to tell them apart.",
                    ambiguous.candidates.len()
                ),
            ),
            _ => return,
        };
        let key = (Cow::Borrowed(name), seen.transition.group.clone());
        if self.facts.len() >= MOST_COUNTED && !self.facts.contains_key(&key) {
            self.overflow = self.overflow.saturating_add(1);
            return;
        }
        let since = self
            .facts
            .get(&key)
            .map_or(seen.transition.at, |known| known.since);
        let fact = DiagnosisFact {
            name: Cow::Borrowed(name),
            group: seen.transition.group.clone(),
            key_server: seen.transition.key_server,
            since,
            summary,
        };
        self.facts.insert(key, fact);
    }
}
