//! A right answer: how many entries of a list have these values.

use std::cmp::Ordering;

use serde_json::Value;

/// The lists of the document; a check that begins with another word is about a type of event.
const LISTS: [&str; 6] = ["capture", "events", "findings", "groups", "members", "spis"];
/// Entries printed when a check fails.
const SHOWN: usize = 3;

/// Expected number of entries.
#[derive(Debug)]
pub(super) struct Check {
    list: String,
    filters: Vec<Filter>,
    comparison: Comparison,
    count: usize,
}

/// Expected value of a field.
#[derive(Debug)]
struct Filter {
    path: String,
    comparison: Comparison,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    AtMost,
    Equal,
    Greater,
    Less,
    NotEqual,
}

/// Longer ones first: `<=` is not `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("=", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl Comparison {
    /// Splits a text at the first comparison in it.
    fn split(text: &str) -> (&str, Self, &str) {
        let at = text.find(['!', '<', '>', '=']).unwrap();
        let (left, rest) = text.split_at(at);
        let split = |&(sign, comparison): &(&str, Self)| Some((comparison, rest.strip_prefix(sign)?));
        let known = COMPARISONS.iter().find_map(split);
        let (comparison, right) = known.unwrap_or_else(|| panic!("no comparison: {text}"));
        (left.trim(), comparison, right.trim())
    }

    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::AtLeast => matches!(order, Some(Ordering::Equal | Ordering::Greater)),
            Self::AtMost => matches!(order, Some(Ordering::Equal | Ordering::Less)),
            Self::Equal => order == Some(Ordering::Equal),
            Self::Greater => order == Some(Ordering::Greater),
            Self::Less => order == Some(Ordering::Less),
            Self::NotEqual => order != Some(Ordering::Equal),
        }
    }
}

impl Check {
    pub(super) fn parse(text: &str) -> Self {
        let (subject, comparison) = match text.rfind(']') {
            Some(end) => text.split_at(end + 1),
            None => text.split_at(text.find(' ').unwrap()),
        };
        let (rest, comparison, count) = Comparison::split(comparison);
        assert_eq!(rest, "", "{text}");
        let mut parts = subject.split('[');
        let named = parts.next().unwrap().to_owned();
        let mut filters: Vec<Filter> = parts.map(Filter::parse).collect();
        let list = if LISTS.contains(&named.as_str()) {
            named
        } else {
            filters.push(Filter {
                path: "type".to_owned(),
                comparison: Comparison::Equal,
                value: named,
            });
            "events".to_owned()
        };
        Self {
            list,
            filters,
            comparison,
            count: count.parse().unwrap(),
        }
    }

    /// The actual result, if the check fails.
    pub(super) fn failure(&self, document: &Value) -> Option<String> {
        let found = self.matching(document);
        if self.comparison.holds(Some(found.len().cmp(&self.count))) {
            return None;
        }
        let shown: Vec<String> = found
            .iter()
            .take(SHOWN)
            .map(|entry| entry.to_string().chars().take(300).collect())
            .collect();
        Some(format!("{} found {}", found.len(), shown.join("\n    ")))
    }

    fn matching<'a>(&self, document: &'a Value) -> Vec<&'a Value> {
        let entries: &'a [Value] = match &document[&self.list] {
            Value::Array(entries) => entries,
            one => std::slice::from_ref(one),
        };
        let is_meant = |entry: &&Value| self.list != "groups" || entry["name"] != "unattributed";
        let matches = |entry: &&Value| self.filters.iter().all(|filter| filter.matches(entry));
        entries.iter().filter(is_meant).filter(matches).collect()
    }
}

impl Filter {
    fn parse(text: &str) -> Self {
        let (path, comparison, value) = Comparison::split(text.strip_suffix(']').unwrap());
        Self {
            path: path.to_owned(),
            comparison,
            value: value.to_owned(),
        }
    }

    /// Whether the field has that value; if its path leads through a list, any of the entries may. "Not equal" means
    /// that none has it.
    fn matches(&self, entry: &Value) -> bool {
        let mut found = Vec::new();
        follow(entry, &self.path, &mut found);
        if self.comparison == Comparison::NotEqual {
            found
                .iter()
                .all(|value| self.order(value) != Some(Ordering::Equal))
        } else {
            found.iter().any(|value| self.comparison.holds(self.order(value)))
        }
    }

    fn order(&self, value: &Value) -> Option<Ordering> {
        if let (Some(found), Ok(wanted)) = (value.as_f64(), self.value.parse::<f64>()) {
            return found.partial_cmp(&wanted);
        }
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match self.value.strip_suffix('*') {
            Some(prefix) if text.starts_with(prefix) => Some(Ordering::Equal),
            Some(_) => None,
            None => text.as_str().partial_cmp(self.value.as_str()),
        }
    }
}

/// All values at a path; a missing one is null.
fn follow<'a>(value: &'a Value, path: &str, found: &mut Vec<&'a Value>) {
    if let Value::Array(entries) = value {
        for entry in entries {
            follow(entry, path, found);
        }
        return;
    }
    match path.split_once('.') {
        Some((first, rest)) => follow(&value[first], rest, found),
        None => found.push(&value[path]),
    }
}

#[test]
fn checks_count_what_they_say() {
    let document = serde_json::json!({
        "capture": {"duration_seconds": 12.5},
        "events": [
            {"type": "rekey", "severity": "info", "group": null, "cookies": "7d48"},
            {"type": "rekey", "severity": "info", "group": "G", "cookies": "8899"},
            {"type": "rekey_overdue", "severity": "critical", "group": "G"},
        ],
        "groups": [
            {"name": "G", "key_servers": [{"address": "10.0.0.1"}, {"address": "10.0.0.2"}]},
            {"name": "unattributed", "key_servers": []},
        ],
    });
    for right in [
        "rekey = 2",
        "rekey[cookies=7d*] = 1",
        "rekey[group=null] = 1",
        "rekey[group!=null] <= 1",
        "rekey[nothing!=null] = 0",
        "rekey_overdue[severity=critical][group=G] >= 1",
        "events[severity!=info] < 2",
        "groups = 1",
        "groups[key_servers.address=10.0.0.2] = 1",
        "groups[key_servers.address!=10.0.0.2] = 0",
        "capture[duration_seconds>12][duration_seconds<13] = 1",
        "spi_stale = 0",
    ] {
        assert_eq!(Check::parse(right).failure(&document), None, "{right}");
    }
    for wrong in [
        "rekey = 1",
        "rekey[cookies=7e*] = 1",
        "rekey > 2",
        "groups = 2",
        "events[severity!=info] = 0",
        "capture[duration_seconds>13] = 1",
        "rekey_overdue != 1",
    ] {
        assert!(Check::parse(wrong).failure(&document).is_some(), "{wrong}");
    }
}
