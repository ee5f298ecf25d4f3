//! The goals that the tracker must meet, in one table.

use std::fmt;

use gdoi_core::transition::Severity;

use super::tally::{Score, Tally};
use super::told::Told;

const BEHAVIOR: &str = "KEK behaviour at the end";

/// The scores of networks without loss and with it, as a table of goals.
#[derive(Clone, Debug, Default)]
pub struct Goals {
    /// Without loss.
    pub clean: Score,
    /// With loss.
    pub lossy: Score,
}

/// Sum of the tallies that belong together.
fn sum(score: &Score, told: Told, wanted: impl Fn(&str, Severity) -> bool) -> Tally {
    let mut sum = Tally::new(Severity::Info);
    for ((of, name), tally) in &score.tallies {
        if *of == told && wanted(name, tally.severity) {
            sum.add(*tally);
        }
    }
    sum
}

fn is_critical(_: &str, severity: Severity) -> bool {
    severity == Severity::Critical
}

fn is_warning(name: &str, severity: Severity) -> bool {
    severity == Severity::Warning && name != BEHAVIOR
}

fn is_attribution(name: &str, _: Severity) -> bool {
    name.starts_with("group of ")
}

fn is_behavior(name: &str, _: Severity) -> bool {
    name == BEHAVIOR
}

#[expect(clippy::cast_precision_loss, reason = "counts of events, far below 2^52")]
fn right(tally: Tally) -> f64 {
    let all = tally.found + tally.invented + tally.missed;
    if all == 0 {
        1.0
    } else {
        tally.found as f64 / all as f64
    }
}

impl fmt::Display for Goals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = Told::ALL;
        writeln!(f, "| | told nothing | named | all |\n|---|---|---|---|")?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, cell: &dyn Fn(Told) -> String| {
            write!(f, "| {name} |")?;
            told.iter().try_for_each(|told| write!(f, " {} |", cell(*told)))?;
            writeln!(f)
        };
        let percent = |part: f64| format!("{:.2} %", 100.0 * part);
        let both = |tally: Tally| format!("{} / {}", percent(tally.precision()), percent(tally.recall()));
        row(f, "critical and \"certain\": false", &|told| {
            let critical = |score| sum(score, told, is_critical).invented_certain;
            (critical(&self.clean) + critical(&self.lossy)).to_string()
        })?;
        row(f, "critical: false, however sure", &|told| {
            let critical = |score| sum(score, told, is_critical).invented;
            (critical(&self.clean) + critical(&self.lossy)).to_string()
        })?;
        row(f, "critical: found, of what could be known there", &|told| {
            percent(sum(&self.clean, told, is_critical).recall())
        })?;
        row(f, "warnings: precision / found", &|told| {
            both(sum(&self.clean, told, is_warning))
        })?;
        row(f, "attribution of registrations, rekeys, SPIs", &|told| {
            percent(right(sum(&self.clean, told, is_attribution)))
        })?;
        row(f, "KEK behaviour at the end: right, wrong", &|told| {
            let tally = sum(&self.clean, told, is_behavior);
            format!("{}, {} wrong", percent(tally.recall()), tally.invented)
        })?;
        row(f, "with loss: precision / found of warnings", &|told| {
            both(sum(&self.lossy, told, is_warning))
        })
    }
}
