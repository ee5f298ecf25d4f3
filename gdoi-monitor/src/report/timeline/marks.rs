//! A mark in a lane.

use std::collections::BTreeMap;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::transition::{Rekey, Transition, What};

use super::notice;
use crate::report::SeenMessage;
use gdoi_core::transition::FrameId;

/// The kind of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum MarkKind {
    /// A registration, from its first message to its last.
    Registration,
    /// One that failed.
    RegistrationFailed,
    /// A rekey: to a member, or of a key server to all members.
    Rekey,
    /// The same rekey again.
    Repeat,
    /// The answer to one.
    Acknowledgement,
    /// Many registrations at once.
    Burst,
    /// Something was not seen.
    Loss,
    /// An ordinary event.
    Notice,
    /// An event that needs attention.
    Warning,
    /// An event that affects traffic.
    Critical,
}

impl MarkKind {
    /// Whether it is never merged, because findings count it.
    pub(super) const fn is_lasting(self) -> bool {
        matches!(self, Self::RegistrationFailed | Self::Warning | Self::Critical)
    }

    /// Their names, in the order of the enum; `timeline.js` uses them.
    pub(super) const NAMES: [&'static str; 10] = [
        "registration",
        "registration_failed",
        "rekey",
        "repeat",
        "acknowledgement",
        "burst",
        "loss",
        "notice",
        "warning",
        "critical",
    ];
}

/// A mark, or several of one kind merged.
#[derive(Clone, Debug)]
pub(super) struct TimelineMark {
    pub(super) at: Timestamp,
    pub(super) lasted: Duration,
    pub(super) kind: MarkKind,
    /// The stage of a registration, the kind of a rekey, the type of an event.
    pub(super) label: &'static str,
    pub(super) count: u32,
    pub(super) frame: Option<FrameId>,
    pub(super) note: Option<Box<str>>,
}

impl TimelineMark {
    pub(super) const fn span(kind: MarkKind, at: Timestamp, lasted: Duration, label: &'static str) -> Self {
        Self {
            at,
            lasted,
            kind,
            label,
            count: 1,
            frame: None,
            note: None,
        }
    }

    pub(super) const fn counting(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    pub(super) fn noted(mut self, note: String) -> Self {
        self.note = Some(note.into());
        self
    }

    /// The mark of a message in its member's lane.
    pub(super) fn of_message(kind: MarkKind, seen_message: &SeenMessage) -> Self {
        let mut mark = Self::span(
            kind,
            seen_message.at,
            Duration::ZERO,
            seen_message.exchange.name(),
        );
        mark.frame = Some(seen_message.frame);
        mark
    }

    /// The mark of an event; `None` if other marks already show it.
    pub(super) fn of_event(transition: &Transition, frame: Option<FrameId>) -> Option<Self> {
        let at = transition.at;
        let mark = match &transition.what {
            // The marks of their ends show them.
            What::RegistrationStarted(_) | What::RekeyClassified(_) | What::SpiFirstSeen(_) => return None,
            What::RegistrationCompleted(end) => Self::span(
                MarkKind::Registration,
                at.before(end.duration),
                end.duration,
                end.kind.name(),
            ),
            What::RegistrationFailed(end) => Self::span(
                MarkKind::RegistrationFailed,
                at.before(end.duration),
                end.duration,
                end.stage.name(),
            ),
            What::Rekey(rekey) => Self::span(
                MarkKind::Rekey,
                at.before(rekey.began),
                rekey.duration,
                rekey.kind.name(),
            )
            .noted(sent(rekey)),
            what => Self::span(notice(what.severity()), at, Duration::ZERO, what.name()),
        };
        Some(Self { frame, ..mark })
    }
}

/// What a rekey was, in words.
fn sent(rekey: &Rekey) -> String {
    let again = (rekey.retransmissions > 0).then(|| format!(", {} retransmissions", rekey.retransmissions));
    let acknowledged = rekey.acknowledged.map(|count| format!(", {count} acknowledged"));
    format!(
        "{}, {} recipients{}{}",
        rekey.transport.name(),
        rekey.recipients,
        again.unwrap_or_default(),
        acknowledged.unwrap_or_default()
    )
}

/// Merges marks that are of one of these kinds, have the same label and begin in the same `bucket`. Returns how many
/// mergeable marks remain.
pub(super) fn merge(marks: &mut Vec<TimelineMark>, kinds: &[MarkKind], bucket: u64) -> usize {
    let mut merged: BTreeMap<(u64, MarkKind, &'static str), TimelineMark> = BTreeMap::new();
    let mut left = Vec::with_capacity(marks.len());
    for mark in marks.drain(..) {
        if !kinds.contains(&mark.kind) {
            left.push(mark);
            continue;
        }
        let key = (mark.at.as_nanos() / bucket.max(1), mark.kind, mark.label);
        match merged.get_mut(&key) {
            None => {
                merged.insert(key, mark);
            }
            Some(first) => {
                let end = mark.at.after(mark.lasted).max(first.at.after(first.lasted));
                first.at = first.at.min(mark.at);
                first.lasted = end.since(first.at);
                first.count = first.count.saturating_add(mark.count);
                first.note = None;
            }
        }
    }
    left.extend(merged.into_values());
    left.shrink_to_fit();
    *marks = left;
    marks.iter().filter(|mark| !mark.kind.is_lasting()).count()
}
