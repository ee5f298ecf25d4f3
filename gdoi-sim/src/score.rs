//! How right an observer was: what it said against what really happened.

mod facts;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use gdoi_core::transition::Severity;
use gdoi_core::{Limits, Timestamp, Tracker};

use crate::observe::Observer;
use crate::scenario::{Scenario, ScenarioError};
use crate::world::Simulation;
pub(crate) use facts::Subject;

/// Something that is true, or was said, at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fact {
    pub(crate) key: String,
    pub(crate) at: Timestamp,
    /// It is true, but nobody could know it: right when said, not missed when not.
    pub(crate) open: bool,
}

impl Fact {
    pub(crate) const fn new(key: String, at: Timestamp) -> Self {
        Self { key, at, open: false }
    }
}

/// How often an observer was right about one type of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How much attention the observer asks for with it, at the most.
    pub severity: Severity,
    /// It happened and was said.
    pub found: u64,
    /// It was said and did not happen.
    pub invented: u64,
    /// It happened and was not said.
    pub missed: u64,
}

impl Tally {
    pub(crate) const fn new(severity: Severity) -> Self {
        Self {
            severity,
            found: 0,
            invented: 0,
            missed: 0,
        }
    }

    /// Of what was said, the part that happened; 1 when nothing was said.
    pub fn precision(self) -> f64 {
        part(self.found, self.invented)
    }

    /// Of what happened, the part that was said; 1 when nothing happened.
    pub fn recall(self) -> f64 {
        part(self.found, self.missed)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of events, far below 2^52")]
fn part(found: u64, not: u64) -> f64 {
    if found + not == 0 {
        1.0
    } else {
        found as f64 / (found + not) as f64
    }
}

/// How often an observer was right, by type of event. Prints as a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// By type of event.
    pub tallies: BTreeMap<&'static str, Tally>,
    /// The first few things that were invented or missed, for people.
    pub examples: Vec<String>,
}

impl Score {
    /// Lets a scenario happen in front of a tracker that is configured with its groups, and judges it.
    pub fn of(scenario: &Scenario, seed: u64) -> Result<Self, ScenarioError> {
        let mut simulation = Simulation::new(scenario, Some(seed))?;
        let mut tracker = Tracker::new(scenario.config(), Limits::default());
        let mut said = Vec::new();
        Observer::new(TICK, true).watch(&mut simulation, &mut tracker, &mut said);
        let mut score = Self::default();
        for subject in facts::subjects() {
            let truth = (subject.truth)(scenario, simulation.truth().happened());
            let claims = (subject.said)(&said);
            score.judge(&subject, truth, claims);
        }
        Ok(score)
    }

    /// Adds another score.
    pub fn add(&mut self, other: &Self) {
        for (
            name,
            Tally {
                severity,
                found,
                invented,
                missed,
            },
        ) in &other.tallies
        {
            let sum = self.tallies.entry(name).or_insert(Tally::new(*severity));
            sum.found += found;
            sum.invented += invented;
            sum.missed += missed;
        }
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.iter().take(room).cloned());
    }

    /// Pairs each claim with the nearest truth of the same key that is not paired yet.
    pub(crate) fn judge(&mut self, subject: &Subject, mut truth: Vec<Fact>, claims: Vec<Fact>) {
        let Subject {
            name,
            severity,
            within,
            ..
        } = *subject;
        let tally = self.tallies.entry(name).or_insert(Tally::new(severity));
        for claim in claims {
            let distance = |fact: &Fact| fact.at.since(claim.at) + claim.at.since(fact.at);
            let nearest = truth
                .iter()
                .enumerate()
                .filter(|(_, fact)| fact.key == claim.key && distance(fact) <= within)
                .min_by_key(|(_, fact)| distance(fact))
                .map(|(index, _)| index);
            if let Some(index) = nearest {
                truth.swap_remove(index);
                tally.found += 1;
            } else {
                tally.invented += 1;
                self.examples.push(format!(
                    "invented {name}: {} at {}",
                    claim.key,
                    claim.at.as_nanos()
                ));
            }
        }
        truth.retain(|fact| !fact.open);
        tally.missed += truth.len() as u64;
        for fact in truth {
            self.examples
                .push(format!("missed {name}: {} at {}", fact.key, fact.at.as_nanos()));
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| event | severity | found | invented | missed | precision | recall |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        for (name, tally) in &self.tallies {
            let Tally {
                severity,
                found,
                invented,
                missed,
            } = tally;
            if found + invented + missed == 0 {
                continue;
            }
            let severity = severity.name();
            let (precision, recall) = (100.0 * tally.precision(), 100.0 * tally.recall());
            writeln!(
                f,
                "| {name} | {severity} | {found} | {invented} | {missed} | {precision:.2} % | {recall:.2} % |"
            )?;
        }
        Ok(())
    }
}

const TICK: Duration = Duration::from_secs(10);
const EXAMPLES: usize = 400;
