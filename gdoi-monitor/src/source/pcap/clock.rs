//! Corrects a recorder's clock, so that times never decrease.
//!
//! A recorder stores what its clock shows, and clocks are set. Conclusions from times, above all lifetimes, must not
//! depend on that. So times are corrected first:
//!
//! - A single frame whose time jumps, ahead or back, is not believed: it gets the time of the previous frame. This
//!   also applies to the first frame, which gets the time of the second, and to the last, which no later frame can
//!   confirm.
//! - A clock that was set back and stays there is taken to have continued: later times are shifted, so that intervals
//!   between frames stay as long as they were. If it catches up within a few frames, it stood still instead.
//! - A clock that started before the year 2000 and then was set: the jump is no elapsed time.
//! - A jump ahead that the next frames confirm is a pause, and pauses are believed.

use std::time::Duration;

use super::NANOS;

/// Frames of several interfaces or queues are stored slightly out of order: that is no clock step.
const DISORDER: u64 = NANOS;
/// A frame further ahead than this is believed only if the next one is too.
const PAUSE: u64 = 3600 * NANOS;
/// Number of later times that distinguish a step from disorder.
pub(super) const LOOK_AHEAD: usize = 8;
/// Maximum number of notes; further ones are only counted.
const MAX_NOTES: usize = 32;
/// 2000-01-01: no GDOI capture is older, GDOI is from 2003.
const YEAR_2000: u64 = 946_684_800 * NANOS;

/// The clock of one recorder.
#[derive(Debug, Default)]
pub(super) struct RecorderClock {
    /// The first corrected time, and the latest.
    begin: u64,
    last: Option<u64>,
    /// Added to recorded times.
    offset: i128,
    /// The longest pause that was confirmed.
    longest_pause: u64,
    notes: ClockNotes,
}

/// Corrections of a capture's times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockNotes {
    /// The first corrections, in order.
    pub notes: Vec<(u64, ClockNote)>,
    /// Frames whose time was not believed.
    pub leaps: u64,
    /// How often the clock was set.
    pub steps: u64,
}

/// The correction of one frame's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockNote {
    /// It was not believed: it is this far from the previous frame.
    Leap(Duration),
    /// The clock was set back by this much.
    SetBack(Duration),
    /// The clock was set for the first time: ahead by this much.
    Started(Duration),
}

/// What to do with a recorded time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The corrected time.
    At(u64),
    /// Later times are needed.
    Ahead,
}

impl RecorderClock {
    /// The corrected time, if the previous time is enough to know it.
    #[inline]
    pub(super) fn look(&mut self, recorded: u64) -> Look {
        let Some(last) = self.last else {
            return Look::Ahead;
        };
        let at = self.corrected(recorded);
        if at < last.saturating_sub(DISORDER) || at > last.saturating_add(PAUSE) {
            return Look::Ahead;
        }
        let at = at.max(last);
        self.last = Some(at);
        Look::At(at)
    }

    /// The corrected time of frame `number`, given the times recorded after it: as many as there are, up to
    /// [`LOOK_AHEAD`].
    pub(super) fn judge(&mut self, number: u64, recorded: u64, following: &[u64]) -> u64 {
        let at = match self.last {
            None => {
                self.begin = self.first(number, recorded, following);
                self.begin
            }
            Some(last) => self.next(number, last, recorded, following),
        };
        self.last = Some(at);
        at
    }

    /// The current offset of recorded times.
    #[inline]
    pub(super) const fn offset(&self) -> i128 {
        self.offset
    }

    /// Frames up to this time were taken without a judgement.
    #[inline]
    pub(super) fn passed(&mut self, at: u64) {
        self.last = self.last.max(Some(at));
    }

    pub(super) const fn notes(&self) -> &ClockNotes {
        &self.notes
    }

    fn corrected(&self, recorded: u64) -> u64 {
        shifted(recorded, self.offset)
    }

    /// The first frame: if no other frame confirms its time, it gets that of the second.
    fn first(&mut self, number: u64, recorded: u64, following: &[u64]) -> u64 {
        let [second, rest @ ..] = following else {
            return recorded;
        };
        let is_ahead = recorded > second.saturating_add(DISORDER);
        let is_unset = is_unset(recorded, *second);
        let are_together = rest.iter().take(2).all(|other| other.abs_diff(*second) <= PAUSE);
        if (is_ahead || is_unset) && are_together {
            self.note(
                number,
                ClockNote::Leap(Duration::from_nanos(recorded.abs_diff(*second))),
            );
            return *second;
        }
        recorded
    }

    fn next(&mut self, number: u64, last: u64, recorded: u64, following: &[u64]) -> u64 {
        let at = self.corrected(recorded);
        if at < last.saturating_sub(DISORDER) {
            self.back(number, last, recorded, following)
        } else if at > last.saturating_add(PAUSE) {
            self.ahead(number, last, at, following)
        } else {
            at.max(last)
        }
    }

    /// A time before the last: a step if all following times are earlier too.
    fn back(&mut self, number: u64, last: u64, recorded: u64, following: &[u64]) -> u64 {
        let distance = last - self.corrected(recorded);
        let stays = !following.is_empty()
            && following
                .iter()
                .all(|next| *next >= recorded.saturating_sub(DISORDER) && self.corrected(*next) < last);
        if !stays {
            return self.unbelieved(number, last, distance);
        }
        self.note(number, ClockNote::SetBack(Duration::from_nanos(distance)));
        self.offset += i128::from(distance);
        last
    }

    /// A time far ahead: a pause if the following times are too.
    fn ahead(&mut self, number: u64, last: u64, at: u64, following: &[u64]) -> u64 {
        let distance = at - last;
        let Some(next) = following.first().map(|next| self.corrected(*next)) else {
            // The very last frame: believed if there were such pauses before, or after a longer recording.
            if distance
                <= self
                    .longest_pause
                    .saturating_mul(2)
                    .max(last.saturating_sub(self.begin))
            {
                return at;
            }
            return self.unbelieved(number, last, distance);
        };
        if next.saturating_add(PAUSE / 2) < at {
            return self.unbelieved(number, last, distance);
        }
        if is_unset(last, at) {
            self.note(number, ClockNote::Started(Duration::from_nanos(distance)));
            self.offset -= i128::from(distance);
            return last;
        }
        self.longest_pause = self.longest_pause.max(distance);
        at
    }

    fn unbelieved(&mut self, number: u64, last: u64, distance: u64) -> u64 {
        self.note(number, ClockNote::Leap(Duration::from_nanos(distance)));
        last
    }

    fn note(&mut self, number: u64, note: ClockNote) {
        match note {
            ClockNote::Leap(_) => self.notes.leaps += 1,
            ClockNote::SetBack(_) | ClockNote::Started(_) => self.notes.steps += 1,
        }
        if self.notes.notes.len() < MAX_NOTES {
            self.notes.notes.push((number, note));
        }
    }
}

/// Whether a clock was before the year 2000 and then was set: the difference is no elapsed time.
const fn is_unset(before: u64, after: u64) -> bool {
    before < YEAR_2000 && after >= YEAR_2000 && after - before > 24 * 3600 * NANOS
}

/// A time plus an offset, within 64 bits.
#[inline]
fn shifted(at: u64, offset: i128) -> u64 {
    if offset == 0 {
        return at;
    }
    u64::try_from((i128::from(at) + offset).max(0)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded seconds, corrected seconds, and the notes.
    fn check(recorded: &[u64], expect: &[u64], notes: &[(u64, ClockNote)]) {
        let nanos: Vec<u64> = recorded.iter().map(|seconds| BASE + seconds * NANOS).collect();
        let (taken, clock) = run(&nanos);
        let seconds: Vec<u64> = taken.iter().map(|at| (at - BASE) / NANOS).collect();
        assert_eq!(seconds, expect, "{recorded:?}");
        assert_eq!(clock.notes.notes, notes, "{recorded:?}");
    }

    fn run(nanos: &[u64]) -> (Vec<u64>, RecorderClock) {
        let mut clock = RecorderClock::default();
        let taken = (0..nanos.len()).map(|index| match clock.look(nanos[index]) {
            Look::At(at) => at,
            Look::Ahead => {
                let end = nanos.len().min(index + 1 + LOOK_AHEAD);
                clock.judge(index as u64 + 1, nanos[index], &nanos[index + 1..end])
            }
        });
        (taken.collect(), clock)
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const BASE: u64 = 1_700_000_000 * NANOS;
    const HOUR: u64 = 3600;

    #[test]
    fn an_ordinary_clock_is_left_alone() {
        check(&[0, 0, 1, 5, 5, 900], &[0, 0, 1, 5, 5, 900], &[]);
        check(&[7], &[7], &[]);
        check(&[], &[], &[]);
    }

    #[test]
    fn one_frame_that_leaps_is_not_believed_wherever_it_is() {
        let far = 400 * 24 * HOUR;
        let leap = |number, by| [(number, ClockNote::Leap(seconds(by)))];
        check(&[far, 1, 2, 3], &[1, 1, 2, 3], &leap(1, far - 1));
        check(&[0, 1, far, 3, 4], &[0, 1, 1, 3, 4], &leap(3, far - 1));
        check(&[0, 1, 2, far], &[0, 1, 2, 2], &leap(4, far - 2));
        check(
            &[500, 501, 0, 502, 503],
            &[500, 501, 501, 502, 503],
            &leap(3, 501),
        );
        check(&[500, 501, 0], &[500, 501, 501], &leap(3, 501));
    }

    #[test]
    fn a_step_back_that_stays_leaves_what_lies_between_as_long() {
        let back = [(4, ClockNote::SetBack(seconds(HOUR)))];
        check(
            &[HOUR, HOUR + 1, HOUR + 10, 10, 20, 30, 40],
            &[
                HOUR,
                HOUR + 1,
                HOUR + 10,
                HOUR + 10,
                HOUR + 20,
                HOUR + 30,
                HOUR + 40,
            ],
            &back,
        );
        // Twice, and the last two frames are enough.
        check(
            &[
                2000, 2010, 1000, 1010, 1020, 1030, 1040, 1050, 1060, 1070, 1080, 500, 510,
            ],
            &[
                2000, 2010, 2010, 2020, 2030, 2040, 2050, 2060, 2070, 2080, 2090, 2090, 2100,
            ],
            &[
                (3, ClockNote::SetBack(seconds(1010))),
                (12, ClockNote::SetBack(seconds(580))),
            ],
        );
    }

    #[test]
    fn two_clocks_in_turn_do_not_make_time_pass() {
        // Ten frames of a recorder, ten of one that is five seconds late, and so on: the total length is that of
        // either.
        let mut recorded = Vec::new();
        for turn in 0..20_u64 {
            let delay = if turn % 2 == 0 { 5 } else { 0 };
            recorded.extend((0..10).map(|frame| BASE + (100 + turn * 10 + frame - delay) * NANOS));
        }
        let (taken, clock) = run(&recorded);
        assert!(taken.is_sorted());
        let lasted = (taken[taken.len() - 1] - taken[0]) / NANOS;
        assert!((195..=215).contains(&lasted), "{lasted}");
        assert!(clock.notes.steps <= 2, "{:?}", clock.notes);
    }

    #[test]
    fn a_pause_is_believed_when_the_next_frames_confirm_it() {
        let day = 24 * HOUR;
        check(&[0, 1, day, day + 1], &[0, 1, day, day + 1], &[]);
        // At the end only if there were such pauses before, or if the recording is longer.
        check(&[0, day, day + 1, 2 * day], &[0, day, day + 1, 2 * day], &[]);
        let hours: Vec<u64> = (0..9).chain([16]).map(|hour| hour * HOUR).collect();
        check(&hours, &hours, &[]);
        check(
            &[0, 1, 2 * HOUR],
            &[0, 1, 1],
            &[(3, ClockNote::Leap(seconds(2 * HOUR - 1)))],
        );
    }

    #[test]
    fn a_recorder_that_had_no_time_gets_none_added() {
        let now = 1_700_000_000;
        let recorded: Vec<u64> = [3, 4, 5, now, now + 1, now + 2]
            .map(|second| second * NANOS)
            .to_vec();
        let (taken, clock) = run(&recorded);
        assert_eq!(taken, [3, 4, 5, 5, 6, 7].map(|second| second * NANOS));
        assert_eq!(clock.notes.notes, [(4, ClockNote::Started(seconds(now - 5)))]);
        // A single frame of it is not believed.
        let (taken, _) = run(&recorded[2..]);
        assert_eq!(taken, [now, now, now + 1, now + 2].map(|second| second * NANOS));
        // A simulation that begins in 1970 is valid.
        let (taken, _) = run(&recorded[..3]);
        assert_eq!(taken, recorded[..3]);
    }

    #[test]
    fn frames_a_little_out_of_order_are_put_in_order() {
        let nanos = [5000, 4999, 4100, 6000].map(|millis| BASE + millis * 1_000_000);
        let (taken, clock) = run(&nanos);
        assert_eq!(taken, [nanos[0], nanos[0], nanos[0], nanos[3]]);
        assert_eq!(clock.notes, ClockNotes::default());
    }

    #[test]
    fn whatever_comes_time_only_goes_forward_and_memory_stays() {
        let mut random = gdoi_wire::craft::Random::new(0xc10c);
        let recorded: Vec<u64> = (0..20_000)
            .map(|index| match random.below(20) {
                0 => random.next(),
                1 => 0,
                2 => u64::MAX,
                3 => BASE - random.below(1 << 50),
                _ => BASE + index * NANOS / 10,
            })
            .collect();
        let (taken, clock) = run(&recorded);
        assert!(taken.is_sorted());
        assert!(clock.notes.notes.len() <= MAX_NOTES);
    }
}
