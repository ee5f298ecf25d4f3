//! Resumes from the state of earlier agents, and saves its own.
//!
//! With pins the kernel continued counting, and messages waited in the ring. Nothing was missed, unless the counters
//! show more messages than the previous agent logged and the ring still holds. Without pins nothing was seen between
//! the two agents.

use std::time::Duration;

use bytes::Bytes;
use gdoi_core::observation::{Loss, LossKind};
use gdoi_core::{Diagnosis, Observation, Timestamp, Tracker};
use gdoi_wire::record::Counters;

use super::clock::boot_time;
use super::drain::{Drained, DrainedKind, given_to_rings};
use super::{COUNTER_INTERVAL, Engine};
use crate::sink::state_file::{Restored, StateFile};
use crate::source::xdp::SavedTap;

/// What an agent reported since then is reported again by the next, if it is killed.
const MAX_SAVE_INTERVAL: Duration = Duration::from_secs(30);
/// Maximum number of attempts to drain the rings with nothing new arriving.
const MAX_DRAIN_ROUNDS: u32 = 100;
/// More than this is a storm, which waiting does not end.
const STORM_RECORDS: usize = 100_000;
/// Maximum share of time for saving: 1/200.
const SAVE_TIME_SHARE: u32 = 200;

/// The initial state of an engine.
#[derive(Debug)]
pub struct Resume {
    /// A new tracker, or that of the previous agent.
    pub(super) tracker: Tracker,
    /// A new diagnosis, or that of the previous agent.
    pub(super) diagnosis: Diagnosis,
    /// Its state file.
    pub(super) saved: Option<StateFile>,
    /// What the previous agent left besides its tracker.
    pub(super) handover: Option<Handover>,
}

/// What an agent left besides its tracker.
#[derive(Debug)]
pub(super) struct Handover {
    at: Timestamp,
    /// Messages counted by it that were still in the rings.
    in_rings: i64,
    messages: Vec<Bytes>,
}

impl Resume {
    /// The restored or new initial state, and the reading positions of the interfaces.
    pub fn of(restored: Option<Restored>, new: impl FnOnce() -> Tracker) -> (Self, Vec<SavedTap>) {
        let Some(restored) = restored else {
            let past = Self {
                tracker: new(),
                diagnosis: Diagnosis::new(),
                saved: None,
                handover: None,
            };
            return (past, Vec::new());
        };
        let Restored {
            tracker,
            diagnosis,
            at,
            taps,
            in_rings,
            messages,
        } = restored;
        let past = Self {
            tracker,
            diagnosis,
            saved: None,
            handover: Some(Handover {
                at,
                in_rings,
                messages,
            }),
        };
        (past, taps)
    }

    /// Saves the engine's state there.
    #[must_use]
    pub fn kept_in(self, saved: Option<StateFile>) -> Self {
        Self { saved, ..self }
    }
}

impl Engine {
    /// Resumes from the previous agent; the interfaces are already attached.
    pub(super) fn resume(&mut self, handover: Handover) {
        let Handover {
            at,
            in_rings,
            messages,
        } = handover;
        let now = self.now;
        (self.now, self.polled_at) = (at, at);
        let (latest, replayed) = self.replay(&messages);
        let are_continued = self.interfaces.are_continued();
        let (waiting, counted, until) = self.read_rings_until_quiet();
        let waited = waiting
            .iter()
            .filter(|record| record.is_message() && record.at <= until);
        let waited = u64::try_from(waited.count()).unwrap_or(u64::MAX);
        let unread = in_rings.saturating_sub_unsigned(replayed);
        let missing = unread
            .saturating_add_unsigned(counted)
            .saturating_sub_unsigned(waited);
        let missing = u64::try_from(missing).unwrap_or_default();
        // Missing messages are in no ring.
        self.in_rings = unread.saturating_sub_unsigned(missing);
        if !are_continued {
            // The number is about other rings than these.
            self.in_rings = 0;
            self.blind(Loss {
                from: at,
                until: now,
                kind: LossKind::Blind,
                count: None,
            });
        } else if missing > 0 {
            // An agent took them from the ring and was killed before it logged them.
            let loss = Loss {
                from: latest,
                until,
                kind: LossKind::Messages,
                count: Some(missing),
            };
            self.tracker
                .observe(self.now, &Observation::Loss(loss), &mut self.out);
        }
        self.process_records(&waiting);
        self.now = self.now.max(now);
        self.poll_counters();
        // If only some interfaces were taken over, more was read than was counted since.
        self.in_rings = self.in_rings.max(0);
    }

    /// Drains all rings. Returns the number of messages counted since the previous agent last read the counters, and
    /// the time up to which nothing is missing.
    ///
    /// If nothing was counted during a round, the drain is complete. In a storm there is always something: whatever was
    /// counted before the clock reading is in a ring by then. Records of later messages are drained too, so the caller
    /// finds too few missing messages rather than too many.
    fn read_rings_until_quiet(&mut self) -> (Vec<Drained>, u64, Timestamp) {
        let mut waiting = Vec::new();
        for _ in 0..MAX_DRAIN_ROUNDS {
            let counted = self.messages_since_kept();
            let until = boot_time();
            // Twice: a program that has counted may not have written yet.
            waiting.extend(self.read_rings());
            waiting.extend(self.read_rings());
            if self.messages_since_kept() == counted {
                return (waiting, counted, boot_time());
            }
            if waiting.len() >= STORM_RECORDS {
                return (waiting, counted, until);
            }
        }
        let counted = self.messages_since_kept();
        let until = boot_time();
        waiting.extend(self.read_rings());
        (waiting, counted, until)
    }

    /// Brings the tracker to the state of the previous agent at its end, without reporting again. Returns the time of
    /// the latest message, and their number.
    fn replay(&mut self, messages: &[Bytes]) -> (Timestamp, u64) {
        let mut reported = Vec::new();
        for octets in messages {
            let record = Drained::new(octets.clone());
            if record.kind == DrainedKind::Unreadable {
                self.unread_records += 1;
            }
            if let Some(message) = record.message() {
                self.now = self.now.max(record.at);
                let message = Observation::Message(message);
                self.tracker.observe(self.now, &message, &mut reported);
                let mut changes = Vec::new();
                for transition in reported.drain(..) {
                    self.diagnosis.handle_transition(&transition, &[], &mut changes);
                }
            }
        }
        (self.now, u64::try_from(messages.len()).unwrap_or(u64::MAX))
    }

    /// Saves the tracker when it is due, or when the disk has come back.
    pub(super) fn save_when_due(&mut self) {
        let is_due = self.now.since(self.saved_at) >= self.save_interval;
        if is_due || self.saved.as_ref().is_some_and(StateFile::is_behind) {
            self.save();
        }
    }

    /// Saves the tracker for the next start.
    pub(super) fn save(&mut self) {
        self.saved_at = self.now;
        let Some(saved) = &mut self.saved else {
            return;
        };
        let start = boot_time();
        if let Err(error) = saved.save(
            &self.tracker,
            &self.diagnosis,
            self.now,
            self.in_rings,
            self.interfaces.keep(),
        ) {
            tracing::error!(%error, path = %saved.path().display(), "cannot save the state");
        }
        // The more there is to save, the less often: saving must not take time from monitoring.
        let took = Duration::from_nanos(boot_time().as_nanos().saturating_sub(start.as_nanos()));
        self.save_interval = (took * SAVE_TIME_SHARE).clamp(COUNTER_INTERVAL, MAX_SAVE_INTERVAL);
    }

    /// Saves the tracker at the end. Waits for a hanging disk, but not for ever.
    pub(super) fn save_last(&mut self) {
        let finish = |saved: &mut Option<StateFile>| saved.as_mut().is_none_or(StateFile::finish);
        let is_written = finish(&mut self.saved) && {
            self.save();
            finish(&mut self.saved)
        };
        if !is_written {
            tracing::error!("timed out writing the state; the next agent resumes from an older one");
        }
    }

    /// Messages written to the rings since the previous agent last read the counters.
    fn messages_since_kept(&mut self) -> u64 {
        let mut news = Counters::default();
        for tap in self.interfaces.taps() {
            news.add(&tap.delta());
        }
        given_to_rings(&news)
    }
}
