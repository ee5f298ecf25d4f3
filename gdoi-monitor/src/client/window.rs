//! What is new in a list of which only the latest part can be asked for.

use serde_json::value::RawValue;

/// Events that were not there the last time.
#[derive(Debug, PartialEq, Eq)]
pub struct EventWindow<'a, T> {
    /// They, oldest first.
    pub events: &'a [T],
    /// Whether nothing connects them with those before: the agent was started anew, or more came than it keeps.
    pub gap: bool,
}

impl<'a, T: PartialEq> EventWindow<'a, T> {
    /// What `now` has that `before` had not. Both are the latest part of one list, the oldest first.
    pub fn between(before: &[T], now: &'a [T]) -> Self {
        // The shortest shift that fits: of equal events none is told twice.
        let kept = (0..before.len()).find_map(|dropped| {
            let rest = before.get(dropped..)?;
            now.starts_with(rest).then_some(rest.len())
        });
        Self {
            events: now.get(kept.unwrap_or_default()..).unwrap_or_default(),
            gap: kept.is_none() && !before.is_empty(),
        }
    }
}

/// Lists of JSON objects are compared by their text.
pub(crate) fn texts(events: &[&RawValue]) -> Vec<Box<str>> {
    events.iter().map(|event| event.get().into()).collect()
}

#[cfg(test)]
mod tests {
    use super::EventWindow;

    fn check(before: &str, now: &str, news: &str, gap: bool) {
        let now: Vec<_> = now.chars().collect();
        let before: Vec<_> = before.chars().collect();
        let found = EventWindow::between(&before, &now);
        assert_eq!(found.events.iter().collect::<String>(), news);
        assert_eq!(found.gap, gap);
    }

    #[test]
    fn news_are_what_follows_the_longest_overlap() {
        check("", "abc", "abc", false);
        check("abc", "abc", "", false);
        check("abc", "abcde", "de", false);
        check("abc", "cde", "de", false);
        check("aaa", "aaaa", "a", false);
        check("abc", "xyz", "xyz", true);
        check("abc", "", "", true);
    }
}
