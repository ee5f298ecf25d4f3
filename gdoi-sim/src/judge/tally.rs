//! How often an observer was right, by subject: counts, failures, tables.

use std::collections::BTreeMap;
use std::fmt;

use gdoi_core::Timestamp;
use gdoi_core::transition::{Certainty, Severity};
use serde::Serialize;

use super::causes::CauseScore;
use super::rule::{Known, Rule};
use super::told::Told;

const MOST_FAILURES: usize = 2_000;

/// Something that is true of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) key: String,
    /// When it happened.
    pub(crate) at: Timestamp,
    /// A claim before this is about something else.
    pub(crate) from: Timestamp,
    /// A claim after this is too late.
    pub(crate) until: Timestamp,
    pub(crate) known: Known,
}

/// A claim of the observer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) key: String,
    pub(crate) at: Timestamp,
    /// How sure the observer claims to be.
    pub(crate) sure: Sure,
    /// Whether this vantage is a reason to be unsure.
    pub(crate) doubtful: bool,
}

/// How sure an observer claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sure {
    /// Everything else is excluded.
    Certain,
    /// Nothing suggests anything else.
    Likely,
    /// Something that matters may not have been seen.
    Uncertain,
}

impl Sure {
    /// From the certainty in an event.
    pub(crate) fn of(certainty: Certainty) -> Self {
        match certainty {
            Certainty::Certain => Self::Certain,
            Certainty::Likely => Self::Likely,
            Certainty::Uncertain => Self::Uncertain,
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// Highest severity that the observer gives it.
    pub(crate) severity: Severity,
    /// If it is known for certain, the claim must be certain.
    pub(crate) needs_certainty: bool,
}

/// How often an observer was right about one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Highest severity that the observer gives it.
    pub severity: Severity,
    /// It happened and was claimed.
    pub found: u64,
    /// It was claimed and did not happen.
    pub invented: u64,
    /// It happened, could be known, and was not claimed.
    pub missed: u64,
    /// It happened and could not be known, whether claimed or not.
    pub open: u64,
    /// The invented claims that were called certain.
    pub invented_certain: u64,
    /// It was called uncertain and did not happen, at a vantage that justified the doubt.
    pub doubted: u64,
}

impl Tally {
    pub(crate) const fn new(severity: Severity) -> Self {
        Self {
            severity,
            found: 0,
            invented: 0,
            missed: 0,
            open: 0,
            invented_certain: 0,
            doubted: 0,
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        let Self {
            severity: _,
            found,
            invented,
            missed,
            open,
            invented_certain,
            doubted,
        } = other;
        self.found += found;
        self.invented += invented;
        self.missed += missed;
        self.open += open;
        self.invented_certain += invented_certain;
        self.doubted += doubted;
    }

    /// How often it was wrong in this way.
    pub const fn wrong(self, how: Wrong) -> u64 {
        match how {
            Wrong::Invented => self.invented,
            Wrong::Missed => self.missed,
        }
    }

    /// Share of the claims that are right; 1 without claims.
    pub fn precision(self) -> f64 {
        part(self.found, self.invented)
    }

    /// Share of the facts that could be known and were claimed; 1 without such facts.
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

/// How an observer was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It was claimed and did not happen.
    Invented,
    /// It happened and was not claimed.
    Missed,
}

/// One wrong claim, or one that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The subject.
    pub event: &'static str,
    /// How it was wrong.
    pub wrong: Wrong,
    /// Group, member or key.
    pub key: String,
    /// When it happened or was claimed.
    #[serde(skip)]
    pub at: Timestamp,
    /// Why it could have been known, if it was missed.
    pub rule: Option<&'static str>,
    /// The degree of configuration.
    pub told: Told,
}

/// A number that an observer gave or withheld, compared with the right one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    pub(crate) name: &'static str,
    pub(crate) key: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) known: Known,
    /// How much too high it was, in seconds; `None` if it was withheld.
    pub(crate) error: Option<f64>,
    /// The permitted difference, in seconds.
    pub(crate) tolerance: f64,
}

/// How far numbers were from the right ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Errors {
    /// Largest difference, in seconds.
    pub most: f64,
    /// Sum of the differences, in seconds.
    pub sum: f64,
    /// Number of differences.
    pub count: u64,
}

/// How often an observer was right, by degree of configuration and by subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// By degree of configuration and subject.
    pub tallies: BTreeMap<(Told, &'static str), Tally>,
    /// Differences of numbers, likewise.
    pub errors: BTreeMap<(Told, &'static str), Errors>,
    /// The causes of incidents.
    pub causes: CauseScore,
    /// The first failures; the tallies count all of them.
    pub failures: Vec<Failure>,
}

impl Score {
    /// Adds another score.
    pub fn add(&mut self, other: Self) {
        for (key, tally) in other.tallies {
            self.tallies
                .entry(key)
                .or_insert(Tally::new(tally.severity))
                .add(tally);
        }
        for (key, errors) in other.errors {
            let sum = self.errors.entry(key).or_default();
            sum.most = sum.most.max(errors.most);
            sum.sum += errors.sum;
            sum.count += errors.count;
        }
        self.causes.add(other.causes);
        let left = MOST_FAILURES.saturating_sub(self.failures.len());
        self.failures.extend(other.failures.into_iter().take(left));
    }

    /// Keeps the first `most` failures of each kind; the tallies still count all of them.
    pub fn keep_failures(&mut self, most: usize) {
        let mut kept: BTreeMap<(&str, Wrong, Told), usize> = BTreeMap::new();
        self.failures.retain(|failure| {
            let kept = kept
                .entry((failure.event, failure.wrong, failure.told))
                .or_default();
            *kept += 1;
            *kept <= most
        });
        self.failures.shrink_to_fit();
    }

    /// How often something was invented or missed.
    pub fn wrong(&self) -> u64 {
        self.tallies
            .values()
            .map(|tally| tally.invented + tally.missed)
            .sum()
    }

    /// Pairs each claim with the nearest fact of its key that has no claim yet, the surest claims first.
    pub(crate) fn judge(&mut self, told: Told, subject: Subject, facts: Vec<Fact>, claims: Vec<Claim>) {
        let Subject {
            name,
            severity,
            needs_certainty,
        } = subject;
        let mut open: BTreeMap<String, Vec<Fact>> = BTreeMap::new();
        for fact in facts {
            open.entry(fact.key.clone()).or_default().push(fact);
        }
        let mut tally = Tally::new(severity);
        let mut claims = claims;
        claims.sort_by_key(|claim| claim.sure);
        for claim in claims {
            let of_key = open.get_mut(&claim.key);
            let nearest = of_key.and_then(|facts| {
                let distance = |fact: &Fact| fact.at.since(claim.at) + claim.at.since(fact.at);
                let near = facts
                    .iter()
                    .enumerate()
                    .filter(|(_, fact)| (fact.from..=fact.until).contains(&claim.at))
                    .min_by_key(|(_, fact)| distance(fact))
                    .map(|(index, _)| index)?;
                Some(facts.swap_remove(near))
            });
            let failure = |wrong, rule| Failure {
                event: name,
                wrong,
                key: claim.key.clone(),
                at: claim.at,
                rule,
                told,
            };
            match nearest.map(|fact| fact.known) {
                Some(Known::Must(rule)) if needs_certainty && claim.sure == Sure::Uncertain => {
                    tally.missed += 1;
                    let mut failure = failure(Wrong::Missed, Some(rule.name()));
                    failure.key.push_str(" (said to be uncertain)");
                    self.fail(failure);
                }
                Some(Known::Must(_)) => tally.found += 1,
                Some(Known::Open(_)) => tally.open += 1,
                None if claim.sure == Sure::Uncertain && claim.doubtful => tally.doubted += 1,
                None => {
                    tally.invented += 1;
                    tally.invented_certain += u64::from(claim.sure == Sure::Certain);
                    let mut failure = failure(Wrong::Invented, None);
                    failure.key.push_str(match claim.sure {
                        Sure::Certain => "",
                        Sure::Likely => " (said to be likely)",
                        Sure::Uncertain => " (said to be uncertain)",
                    });
                    self.fail(failure);
                }
            }
        }
        for fact in open.into_values().flatten() {
            match fact.known {
                Known::Must(rule) => {
                    tally.missed += 1;
                    self.fail(Failure {
                        event: name,
                        wrong: Wrong::Missed,
                        key: fact.key,
                        at: fact.at,
                        rule: Some(rule.name()),
                        told,
                    });
                }
                Known::Open(_) => tally.open += 1,
            }
        }
        self.tallies
            .entry((told, name))
            .or_insert(Tally::new(severity))
            .add(tally);
    }

    /// Counts a number: right if it differs by at most `tolerance` seconds; `None` if it was withheld.
    pub(crate) fn number(&mut self, told: Told, number: &Number<'_>) {
        let Number {
            name,
            key,
            at,
            known,
            error,
            tolerance,
        } = *number;
        let tally = self
            .tallies
            .entry((told, name))
            .or_insert(Tally::new(Severity::Info));
        let failure = |wrong, key: String, rule: Option<Rule>| Failure {
            event: name,
            wrong,
            key,
            at,
            rule: rule.map(Rule::name),
            told,
        };
        match (error, known) {
            (Some(error), _) => {
                let errors = self.errors.entry((told, name)).or_default();
                errors.most = errors.most.max(error.abs());
                errors.sum += error.abs();
                errors.count += 1;
                if error.abs() <= tolerance {
                    tally.found += 1;
                } else {
                    tally.invented += 1;
                    tally.invented_certain += 1;
                    let key = format!("{key}: wrong by {error:+.1} s, allowed {tolerance:.0} s");
                    self.fail(failure(Wrong::Invented, key, None));
                }
            }
            (None, Known::Must(rule)) => {
                tally.missed += 1;
                self.fail(failure(Wrong::Missed, key.to_owned(), Some(rule)));
            }
            (None, Known::Open(_)) => tally.open += 1,
        }
    }

    pub(crate) fn fail(&mut self, failure: Failure) {
        if self.failures.len() < MOST_FAILURES {
            self.failures.push(failure);
        }
    }
}

impl fmt::Display for Score {
    /// One row per subject; the columns show found, invented, missed and open for each degree of configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<Told> = Told::ALL
            .into_iter()
            .filter(|told| self.tallies.keys().any(|(known, _)| known == told))
            .collect();
        write!(f, "| event | severity |")?;
        for told in &told {
            write!(f, " told {}: found | invented | missed | open |", told.name())?;
        }
        write!(f, "\n|---|---|")?;
        for _ in &told {
            write!(f, "---|---|---|---|")?;
        }
        writeln!(f)?;
        let mut names: Vec<(&'static str, Severity)> = Vec::new();
        for ((_, name), tally) in &self.tallies {
            if !names.iter().any(|(known, _)| known == name) {
                names.push((name, tally.severity));
            }
        }
        names.sort_by_key(|(name, severity)| (std::cmp::Reverse(*severity), *name));
        let mut unused = Vec::new();
        for (name, severity) in names {
            let row = |told: &Told| self.tallies.get(&(*told, name));
            if told
                .iter()
                .filter_map(row)
                .all(|tally| tally.found + tally.invented + tally.missed + tally.open == 0)
            {
                unused.push(name);
                continue;
            }
            write!(f, "| {name} | {} |", severity.name())?;
            for tally in told.iter().map(row) {
                match tally {
                    Some(Tally {
                        found,
                        invented,
                        missed,
                        open,
                        ..
                    }) => write!(f, " {found} | {invented} | {missed} | {open} |")?,
                    None => write!(f, " | | | |")?,
                }
            }
            writeln!(f)?;
        }
        if unused.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nNeither happened nor was said: {}.", unused.join(", "))
    }
}
