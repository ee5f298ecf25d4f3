//! Which metrics and labels a `PromQL` expression names, and whether they exist. Prometheus itself checks the syntax.

use std::collections::{BTreeMap, BTreeSet};

use gdoi_monitor::exposition::{self, FamilyKind};

const SETS: [&str; 3] = ["and", "or", "unless"];
/// Labels that Prometheus adds.
const ADDED: [&str; 2] = ["job", "instance"];

/// Existing series, each with its labels.
pub(super) struct Known(BTreeMap<String, BTreeSet<String>>);

impl Known {
    /// The metrics of the agent, and what Prometheus adds.
    pub(super) fn metrics() -> Self {
        let mut known = BTreeMap::new();
        for family in exposition::families() {
            let labels: BTreeSet<String> = family.labels.iter().map(ToString::to_string).collect();
            if family.kind == FamilyKind::Histogram {
                for suffix in ["sum", "count"] {
                    known.insert(format!("{}_{suffix}", family.name), labels.clone());
                }
                let mut bucket = labels;
                bucket.insert("le".to_owned());
                known.insert(format!("{}_bucket", family.name), bucket);
            } else {
                known.insert(family.name.to_owned(), labels);
            }
        }
        for name in WITHOUT_LABELS {
            known.insert(name.to_owned(), BTreeSet::new());
        }
        let alerts = ["alertname", "alertstate", "severity", "group"].map(str::to_owned);
        known.insert("ALERTS".to_owned(), alerts.into());
        Self(known)
    }

    /// A recorded series, with the labels in its name: `job_group:metric:operation`.
    pub(super) fn record(&mut self, name: &str) {
        let level = name.split(':').next().unwrap();
        let has = |label: &&&str| format!("_{level}_").contains(&format!("_{label}_"));
        let labels = LABELS.iter().filter(has).map(ToString::to_string);
        self.0.insert(name.to_owned(), labels.collect());
    }

    /// Whether there is such a series or family.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name) || self.0.contains_key(&format!("{name}_bucket"))
    }

    /// Metrics of the agent that are not among these.
    pub(super) fn not_among(&self, shown: &BTreeSet<String>) -> Vec<&String> {
        let is_ours = |name: &&String| {
            name.starts_with("gdoi_") && !name.ends_with("_sum") && !name.ends_with("_count")
        };
        self.0
            .keys()
            .filter(is_ours)
            .filter(|name| !shown.contains(*name))
            .collect()
    }

    /// What an expression names that does not exist.
    pub(super) fn faults(&self, expression: &str) -> Vec<String> {
        let names = Names::of(expression);
        let mut faults = Vec::new();
        let mut labels: BTreeSet<&str> = ADDED.into_iter().collect();
        labels.extend(names.made.iter().map(String::as_str));
        for (name, used) in &names.series {
            let Some(has) = self.0.get(name) else {
                faults.push(format!("there is no metric {name}"));
                continue;
            };
            let unknown = used
                .iter()
                .filter(|label| !has.contains(*label) && !ADDED.contains(&label.as_str()));
            faults.extend(unknown.map(|label| format!("{name} has no label {label}")));
            labels.extend(has.iter().map(String::as_str));
        }
        let unknown = names
            .grouping
            .iter()
            .filter(|label| !labels.contains(label.as_str()));
        faults.extend(unknown.map(|label| format!("nothing in {expression} has the label {label}")));
        faults
    }
}

/// What an expression names.
#[derive(Default)]
pub(super) struct Names {
    /// Series, each with the labels of its selector.
    pub(super) series: Vec<(String, Vec<String>)>,
    /// Labels of its grouping and joins.
    grouping: BTreeSet<String>,
    /// Labels created by `label_replace`.
    made: BTreeSet<String>,
}

impl Names {
    /// Reads an expression.
    pub(super) fn of(expression: &str) -> Self {
        let mut names = Self::default();
        let mut tokens = tokens(expression).into_iter().peekable();
        let mut makes_labels = false;
        while let Some(token) = tokens.next() {
            let word = match token {
                Token::Word(word) => word,
                Token::Text(text) if makes_labels => {
                    names.made.insert(text.to_owned());
                    continue;
                }
                Token::Text(_) | Token::Mark(_) => continue,
            };
            let next = tokens.peek();
            if KEYWORDS.contains(&word) {
                if next == Some(&Token::Mark('(')) && word != "bool" && !SETS.contains(&word) {
                    tokens.next();
                    let listed = tokens.by_ref().take_while(|token| *token != Token::Mark(')'));
                    names.grouping.extend(listed.filter_map(Token::word));
                }
            } else if matches!(next, Some(Token::Mark('(') | Token::Word("by" | "without"))) {
                makes_labels |= word == "label_replace";
            } else {
                let mut labels = Vec::new();
                if next == Some(&Token::Mark('{')) {
                    let listed = tokens.by_ref().take_while(|token| *token != Token::Mark('}'));
                    labels.extend(listed.filter_map(Token::word));
                }
                names.series.push((word.to_owned(), labels));
            }
        }
        names
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    Mark(char),
}

impl Token<'_> {
    fn word(self) -> Option<String> {
        match self {
            Self::Word(word) => Some(word.to_owned()),
            Self::Text(_) | Self::Mark(_) => None,
        }
    }
}

/// Words, strings and symbols; without numbers, durations and Grafana's variables.
fn tokens(expression: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let end = rest.bytes().skip(1).position(|octet| octet == b'"');
                2 + end.expect("a string ends")
            }
            '[' => 1 + rest.find(']').expect("a range ends"),
            c if c.is_ascii_alphanumeric() || "_:$".contains(c) => rest
                .find(|c: char| !c.is_ascii_alphanumeric() && !"_:$.".contains(c))
                .unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, tail) = rest.split_at(length);
        if first.is_ascii_alphabetic() || "_:".contains(first) {
            tokens.push(Token::Word(token));
        } else if first == '"' {
            tokens.push(Token::Text(token.trim_matches('"')));
        } else if "(){}".contains(first) {
            tokens.push(Token::Mark(first));
        }
        rest = tail;
    }
    tokens
}

/// Keywords that join, or are followed by labels.
const KEYWORDS: [&str; 11] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
    "bool",
    "offset",
    "and",
    "or",
    "unless",
];

/// Labels at the beginning of recorded series' names.
const LABELS: [&str; 11] = [
    "key_server",
    "group",
    "cause",
    "severity",
    "certainty",
    "class",
    "stage",
    "result",
    "reason",
    "kind",
    "interface",
];

/// Series without labels of their own: of Prometheus, and of the process.
const WITHOUT_LABELS: [&str; 9] = [
    "up",
    "scrape_duration_seconds",
    "scrape_sample_limit",
    "scrape_samples_post_metric_relabeling",
    "scrape_samples_scraped",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
];

#[test]
fn what_is_not_there_is_found() {
    let known = Known::metrics();
    let faults = |expression| known.faults(expression).join("; ");
    assert_eq!(
        faults("sum by (job, group) (rate(gdoi_rekeys_total{kind=\"tek\"}[5m])) > bool 0.5"),
        ""
    );
    assert_eq!(faults("gdoi_rekey_total"), "there is no metric gdoi_rekey_total");
    assert_eq!(
        faults("up unless (gdoi_members{member=\"a\"})"),
        "gdoi_members has no label member"
    );
    assert_eq!(
        faults("sum by (spi) (gdoi_members)"),
        "nothing in sum by (spi) (gdoi_members) has the label spi"
    );
    assert_eq!(
        faults("histogram_quantile(0.9, rate(gdoi_rekey_duration_seconds[5m]))"),
        "there is no metric gdoi_rekey_duration_seconds"
    );
}
