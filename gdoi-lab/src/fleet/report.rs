//! The result of a fleet run, as a row of a table.

use std::fmt;
use std::time::Duration;

use super::Sharing;

/// The head of the table.
pub(super) const HEADER: &str = "| gateways | series | memory | cores | missed evaluations | slowest evaluation of each group of rules, \
     of its interval | slowest query of each dashboard |\n|---|---|---|---|---|---|---|\n";

/// The result of one run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Number of gateways.
    pub gateways: usize,
    /// Which gateways see which groups.
    pub sharing: Sharing,
    /// Series in Prometheus, recorded ones included.
    pub series: u64,
    /// Memory of Prometheus in bytes.
    pub memory: f64,
    /// CPU usage in cores.
    pub cores: f64,
    /// Skipped rule evaluations.
    pub missed_evaluations: f64,
    /// The slowest evaluation of each rule group.
    pub groups: Vec<RuleGroup>,
    /// The slowest query of each dashboard.
    pub heaviest: Vec<Heaviest>,
}

/// A rule group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleGroup {
    /// Its name.
    pub name: String,
    /// Time between evaluations.
    pub interval: Duration,
    /// Duration of the slowest evaluation.
    pub took: Duration,
}

/// The slowest query of a dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heaviest {
    /// Its file name.
    pub dashboard: String,
    /// The panel.
    pub panel: String,
    /// Its duration.
    pub took: Duration,
}

/// Keeps the slower of two evaluations of each group.
pub(super) fn keep_slowest(kept: &mut Vec<RuleGroup>, last: Vec<RuleGroup>) {
    for group in last {
        match kept.iter_mut().find(|known| known.name == group.name) {
            Some(known) => known.took = known.took.max(group.took),
            None => kept.push(group),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            gateways,
            sharing,
            series,
            memory,
            cores,
            missed_evaluations,
            groups,
            heaviest,
        } = self;
        let see = match sharing {
            Sharing::Pairs => "in pairs",
            Sharing::All => "all see the same",
        };
        let gibibytes = memory / f64::from(1 << 30);
        write!(
            f,
            "| {gateways} {see} | {series} | {gibibytes:.2} GiB | {cores:.2} | {missed_evaluations} |"
        )?;
        for RuleGroup { name, interval, took } in groups {
            let part = took.as_secs_f64() / interval.as_secs_f64();
            write!(f, " `{name}` {:.2} s ({:.1} %)", took.as_secs_f64(), 100.0 * part)?;
        }
        write!(f, " |")?;
        for Heaviest {
            dashboard,
            panel,
            took,
        } in heaviest
        {
            write!(f, " `{dashboard}` {:.2} s ({panel})", took.as_secs_f64())?;
        }
        writeln!(f, " |")
    }
}
