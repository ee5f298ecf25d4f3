//! New items of a list of which only the latest part is available.

use serde_json::value::RawValue;

/// Events that are new since the last request.
#[derive(Debug, PartialEq, Eq)]
pub struct EventWindow<'a, T> {
    /// The events, oldest first.
    pub events: &'a [T],
    /// Whether nothing connects them with the earlier ones: the agent was restarted, or there were more than it
    /// keeps.
    pub gap: bool,
}

impl<'a, T: PartialEq> EventWindow<'a, T> {
    /// Items of `now` that `before` lacks. Both are the latest part of one list, oldest first.
    pub fn between(before: &[T], now: &'a [T]) -> Self {
        // The shortest shift that fits: equal events are not repeated.
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
