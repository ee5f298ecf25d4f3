//! Since when something monitored is invisible: its interface is gone, down, or has lost the program.

use std::collections::BTreeMap;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::observation::{Loss, LossKind};

use super::Key;

/// How long an interface that only matches a pattern counts as missing.
const MISSED: Duration = Duration::from_mins(10);
/// Maximum number of interfaces that are gone and whose counts are kept.
const GONE_AT_MOST: usize = 256;

/// Which interfaces are visible, and which no longer are.
///
/// An interface that was never visible, such as a spare port without a cable, is no gap.
#[derive(Debug, Default)]
pub(super) struct Visibility {
    of: BTreeMap<Key, SightState>,
}

#[derive(Clone, Copy, Debug)]
enum SightState {
    Seen,
    Blind { since: Timestamp },
}

impl Visibility {
    /// Notes whether an interface is visible now; all was well when the counters were last read, at `polled_at`.
    ///
    /// Returns the window to report, if that has changed.
    pub(super) fn note(
        &mut self,
        key: &Key,
        is_seen: bool,
        polled_at: Timestamp,
        now: Timestamp,
    ) -> Option<Loss> {
        let (next, from) = match (self.of.get(key), is_seen) {
            (None, true) => (SightState::Seen, None),
            (Some(SightState::Blind { since }), true) => (SightState::Seen, Some(*since)),
            (Some(SightState::Seen), false) => (SightState::Blind { since: polled_at }, Some(polled_at)),
            (None | Some(SightState::Blind { .. }), false) | (Some(SightState::Seen), true) => return None,
        };
        self.of.insert(key.clone(), next);
        from.map(|from| Loss {
            from,
            until: now,
            kind: LossKind::Blind,
            count: None,
        })
    }

    /// Since when not everything is visible. An interface that only matches a pattern counts for a while only: those
    /// of containers disappear for good.
    pub(super) fn blind_since(&self, now: Timestamp, is_named: impl Fn(&str) -> bool) -> Option<Timestamp> {
        let blind = self.blind();
        let missed = blind.filter(|(key, since)| now.since(*since) < MISSED || is_named(&key.0));
        missed.map(|(_, since)| since).min()
    }

    /// The interface that has been gone longest, if there are too many to remember.
    pub(super) fn surplus(&self, is_gone: impl Fn(&Key) -> bool) -> Option<Key> {
        let gone = || self.blind().filter(|(key, _)| is_gone(key));
        let first = gone().min_by_key(|(_, since)| *since)?;
        (gone().count() > GONE_AT_MOST).then(|| first.0.clone())
    }

    /// Whether it is or ever was visible.
    pub(super) fn knows(&self, key: &Key) -> bool {
        self.of.contains_key(key)
    }

    /// Forgets an interface.
    pub(super) fn forget(&mut self, key: &Key) {
        self.of.remove(key);
    }

    fn blind(&self) -> impl Iterator<Item = (&Key, Timestamp)> {
        self.of.iter().filter_map(|(key, state)| match state {
            SightState::Seen => None,
            SightState::Blind { since } => Some((key, *since)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::xdp::Direction;

    fn key(name: &str) -> Key {
        (name.to_owned(), Direction::Ingress)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO.after(Duration::from_secs(seconds))
    }

    fn note(
        visibility: &mut Visibility,
        name: &str,
        is_seen: bool,
        now: u64,
    ) -> Option<(Timestamp, Timestamp)> {
        let window = visibility.note(&key(name), is_seen, at(now - 1), at(now));
        window.map(|loss| (loss.from, loss.until))
    }

    #[test]
    fn a_blindness_is_told_when_it_begins_and_whole_when_it_ends() {
        let mut visibility = Visibility::default();
        assert_eq!(note(&mut visibility, "a", true, 10), None);
        assert_eq!(note(&mut visibility, "a", false, 20), Some((at(19), at(20))));
        assert_eq!(note(&mut visibility, "a", false, 30), None);
        assert_eq!(visibility.blind_since(at(40), |_| true), Some(at(19)));
        assert_eq!(note(&mut visibility, "a", true, 50), Some((at(19), at(50))));
        assert_eq!(visibility.blind_since(at(60), |_| true), None);
    }

    #[test]
    fn a_spare_port_is_no_blindness() {
        let mut visibility = Visibility::default();
        assert_eq!(note(&mut visibility, "a", false, 10), None);
        assert_eq!(visibility.blind_since(at(20), |_| true), None);
        assert_eq!(note(&mut visibility, "a", true, 30), None);
    }

    #[test]
    fn only_what_has_a_name_is_missed_for_ever() {
        let mut visibility = Visibility::default();
        for (name, gone) in [("named", 2_000), ("other", 1_000)] {
            note(&mut visibility, name, true, 10);
            note(&mut visibility, name, false, gone);
        }
        let since = |now| visibility.blind_since(at(now), |name| name == "named");
        assert_eq!(since(1_500), Some(at(999)));
        assert_eq!(since(100_000), Some(at(1_999)));
    }

    #[test]
    fn of_too_many_the_first_is_given_up() {
        let mut visibility = Visibility::default();
        for number in 1..=GONE_AT_MOST as u64 + 1 {
            assert_eq!(visibility.surplus(|_| true), None);
            let name = format!("{number}");
            note(&mut visibility, &name, true, number);
            note(&mut visibility, &name, false, number);
        }
        assert_eq!(visibility.surplus(|_| true), Some(key("1")));
        // An interface that only lost its carrier stays monitored.
        assert_eq!(visibility.surplus(|one| *one != key("1")), None);
        visibility.forget(&key("1"));
        assert_eq!(visibility.surplus(|_| true), None);
    }
}
