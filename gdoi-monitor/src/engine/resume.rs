//! What agents before this one left, how it goes on from there, and what it leaves itself.
//!
//! With pins the kernel has counted on, and messages have waited in the ring: nothing was missed, unless the counters
//! say that there were more messages than the agent before wrote down and the ring still holds. Without pins nothing
//! was seen between the two agents.

use std::time::Duration;

use bytes::Bytes;
use gdoi_core::observation::{Loss, LossKind};
use gdoi_core::{Observation, Timestamp, Tracker};
use gdoi_wire::record::Counters;

use super::clock::boot_time;
use super::drain::{Drained, DrainedKind, given_to_rings};
use super::{COUNTER_INTERVAL, Engine};
use crate::sink::state_file::{Restored, StateFile};
use crate::source::xdp::SavedTap;

/// What an agent has told since is told again by the next when it is killed.
const MAX_SAVE_INTERVAL: Duration = Duration::from_secs(30);
/// How often the rings are emptied until nothing comes meanwhile.
const MAX_DRAIN_ROUNDS: u32 = 100;
/// More than this is a storm, which does not end by waiting.
const STORM_RECORDS: usize = 100_000;
/// Saving may take this share of the time: a 200th.
const SAVE_TIME_SHARE: u32 = 200;

/// What an engine begins with.
#[derive(Debug)]
pub struct Resume {
    /// A new tracker, or that of an agent before.
    pub(super) tracker: Tracker,
    /// Where it is kept.
    pub(super) saved: Option<StateFile>,
    /// What the agent before left besides its tracker.
    pub(super) handover: Option<Handover>,
}

/// What an agent left besides its tracker.
#[derive(Debug)]
pub(super) struct Handover {
    at: Timestamp,
    /// Messages that its counters told of and that still waited in the rings.
    in_rings: i64,
    messages: Vec<Bytes>,
}

impl Resume {
    /// What was restored, or a new beginning, and what the interfaces go on from.
    pub fn of(restored: Option<Restored>, new: impl FnOnce() -> Tracker) -> (Self, Vec<SavedTap>) {
        let Some(restored) = restored else {
            let past = Self {
                tracker: new(),
                saved: None,
                handover: None,
            };
            return (past, Vec::new());
        };
        let Restored {
            tracker,
            at,
            taps,
            in_rings,
            messages,
        } = restored;
        let past = Self {
            tracker,
            saved: None,
            handover: Some(Handover {
                at,
                in_rings,
                messages,
            }),
        };
        (past, taps)
    }

    /// What the engine learns is kept there.
    #[must_use]
    pub fn kept_in(self, saved: Option<StateFile>) -> Self {
        Self { saved, ..self }
    }
}

impl Engine {
    /// Goes on from what an agent before left; the interfaces are watched already.
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
        // What is missing is in no ring.
        self.in_rings = unread.saturating_sub_unsigned(missing);
        if !are_continued {
            // Other rings than those that it is about.
            self.in_rings = 0;
            self.blind(Loss {
                from: at,
                until: now,
                kind: LossKind::Blind,
                count: None,
            });
        } else if missing > 0 {
            // Taken from the ring by an agent that was killed before it wrote them down.
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
        // Where only some interfaces were taken over, more was read than was counted since.
        self.in_rings = self.in_rings.max(0);
    }

    /// Takes all that waits, and says how many messages were counted since the agent before last read the counters, and
    /// up to when what was counted is there.
    ///
    /// When nothing was counted while the rings were emptied, all of it is there. In a storm there is always something:
    /// whatever was counted before the clock is in a ring by then, and as much as was counted later is taken for some of
    /// it, so that rather too few are missing than too many.
    fn read_rings_until_quiet(&mut self) -> (Vec<Drained>, u64, Timestamp) {
        let mut waiting = Vec::new();
        for _ in 0..MAX_DRAIN_ROUNDS {
            let counted = self.messages_since_kept();
            let until = boot_time();
            // Twice: a program that had counted may not have written yet.
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

    /// Brings the tracker to where the agent before was when it ended, which has told what follows from that. Gives the
    /// time of the latest message, and how many there were.
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
                reported.clear();
            }
        }
        (self.now, u64::try_from(messages.len()).unwrap_or(u64::MAX))
    }

    /// Keeps the tracker, when it is time or the disk has come back.
    pub(super) fn save_when_due(&mut self) {
        let is_due = self.now.since(self.saved_at) >= self.save_interval;
        if is_due || self.saved.as_ref().is_some_and(StateFile::is_behind) {
            self.save();
        }
    }

    /// Keeps the tracker for the next start.
    pub(super) fn save(&mut self) {
        self.saved_at = self.now;
        let Some(saved) = &mut self.saved else {
            return;
        };
        let start = boot_time();
        if let Err(error) = saved.save(&self.tracker, self.now, self.in_rings, self.interfaces.keep()) {
            tracing::error!(%error, path = %saved.path().display(), "cannot save the state");
        }
        // The more there is to save, the less often: it must not take time from watching.
        let took = Duration::from_nanos(boot_time().as_nanos().saturating_sub(start.as_nanos()));
        self.save_interval = (took * SAVE_TIME_SHARE).clamp(COUNTER_INTERVAL, MAX_SAVE_INTERVAL);
    }

    /// Keeps the tracker for good. A disk that hangs is waited for, but not for ever.
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

    /// Messages that have been given to the ring since the agent before last read the counters.
    fn messages_since_kept(&mut self) -> u64 {
        let mut news = Counters::default();
        for tap in self.interfaces.taps() {
            news.add(&tap.delta());
        }
        given_to_rings(&news)
    }
}
