//! A digest of the tracker's report: events of one type within two minutes of each other are one line, if all their
//! words are equal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::time::Duration;

use gdoi_core::{Limits, Timestamp, Tracker, Transition};
use serde_json::Value;

use crate::judge::Told;
use crate::observe::Observer;
use crate::scenario::{Scenario, ScenarioError};
use crate::world::Simulation;

/// Fields that name one of many: printed if all events have the same value, and counted otherwise.
const NAMES: [&str; 9] = [
    "cookies", "current", "first", "from", "member", "second", "site", "spi", "to",
];
const TICK: Duration = Duration::from_secs(10);
const APART: Duration = Duration::from_mins(2);

/// Why a digest cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DigestError {
    /// The scenario cannot be simulated.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// An event cannot be serialised.
    #[error("turn an event into its fields")]
    Event(#[from] serde_json::Error),
}

/// Simulates a scenario, feeds a tracker with this configuration, and returns the digest of its report.
pub fn digest(scenario: &Scenario, seed: Option<u64>, told: Told) -> Result<String, DigestError> {
    let mut simulation = Simulation::new(scenario, seed)?;
    let mut tracker = Tracker::new(told.config(scenario), Limits::default());
    let mut said = Vec::new();
    Observer::new(TICK, told == Told::All).watch(&mut simulation, &mut tracker, &mut said);
    let mut open: BTreeMap<Words, Line> = BTreeMap::new();
    let mut lines = Vec::new();
    for transition in &said {
        let (words, fields) = read(transition)?;
        let line = open
            .get(&words)
            .filter(|line| transition.at.since(line.last) > APART);
        if line.is_some() {
            lines.extend(open.remove_entry(&words));
        }
        open.entry(words)
            .or_insert_with(|| Line::new(transition.at))
            .add(transition.at, fields);
    }
    lines.extend(open);
    lines.sort_by(|(words, line), (other, next)| (line.first, words).cmp(&(next.first, other)));
    let mut digest = format!("{}\n\n", scenario.title);
    for (words, line) in &lines {
        let from = Offset(line.first.since(scenario.start));
        let until = Offset(line.last.since(scenario.start));
        // Writing to a string cannot fail.
        let _ok = writeln!(digest, "{from} {until} {:>5} {words}{line}", line.count);
    }
    Ok(digest)
}

/// What distinguishes events: severity, type, group, key server, and the textual fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Words {
    severity: String,
    name: String,
    group: String,
    others: BTreeMap<String, String>,
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            severity,
            name,
            group,
            others,
        } = self;
        write!(f, "{severity:8} {name:26} {group}")?;
        others
            .iter()
            .try_for_each(|(name, word)| write!(f, " {name}={word}"))
    }
}

/// Events in one line.
#[derive(Clone, Debug)]
struct Line {
    first: Timestamp,
    last: Timestamp,
    count: u32,
    names: BTreeMap<String, BTreeSet<String>>,
    numbers: BTreeMap<String, (f64, f64)>,
}

/// A field over several events.
enum Field {
    Name(String),
    Number(f64),
}

impl Line {
    const fn new(at: Timestamp) -> Self {
        Self {
            first: at,
            last: at,
            count: 0,
            names: BTreeMap::new(),
            numbers: BTreeMap::new(),
        }
    }

    fn add(&mut self, at: Timestamp, fields: Vec<(String, Field)>) {
        self.last = at;
        self.count += 1;
        for (name, field) in fields {
            match field {
                Field::Name(one) => {
                    self.names.entry(name).or_default().insert(one);
                }
                Field::Number(number) => {
                    let (least, most) = self.numbers.entry(name).or_insert((number, number));
                    *least = least.min(number);
                    *most = most.max(number);
                }
            }
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, of) in &self.names {
            match (of.first(), of.len()) {
                (Some(only), 1) => write!(f, " {name}={only}")?,
                (_, several) => write!(f, " {name}:{several}")?,
            }
        }
        for (name, (least, most)) in &self.numbers {
            let (least, most) = (rounded(*least), rounded(*most));
            if least == most {
                write!(f, " {name}={least}")?;
            } else {
                write!(f, " {name}={least}..{most}")?;
            }
        }
        Ok(())
    }
}

/// To the millisecond.
fn rounded(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn read(transition: &Transition) -> Result<(Words, Vec<(String, Field)>), serde_json::Error> {
    let mut words = Words {
        severity: String::new(),
        name: String::new(),
        group: "-".to_owned(),
        others: BTreeMap::new(),
    };
    let mut fields = Vec::new();
    let object: BTreeMap<String, Value> = serde_json::from_value(serde_json::to_value(transition)?)?;
    for (name, value) in object {
        match (name.as_str(), value) {
            ("type", Value::String(text)) => words.name = text,
            ("severity", Value::String(text)) => words.severity = text,
            ("group", Value::String(text)) => words.group = text,
            (_, Value::String(text)) if NAMES.contains(&name.as_str()) => {
                fields.push((name, Field::Name(text)));
            }
            (_, Value::Number(number)) => {
                fields.push((name, Field::Number(number.as_f64().unwrap_or_default())));
            }
            (_, Value::Null) => {}
            (_, Value::String(text)) => {
                words.others.insert(name, text);
            }
            (_, value) => {
                words.others.insert(name, value.to_string());
            }
        }
    }
    Ok((words, fields))
}

/// Hours, minutes and seconds since the beginning.
struct Offset(Duration);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        write!(f, "{:02}:{:02}:", seconds / 3_600, seconds / 60 % 60)?;
        write!(f, "{:02}.{:03}", seconds % 60, self.0.subsec_millis())
    }
}
