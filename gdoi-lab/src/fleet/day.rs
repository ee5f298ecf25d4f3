//! A healthy day: the series of one gateway, and which of them stay at zero.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use gdoi_core::Timestamp;

use super::pages::{GROUPS, MEMBERS, World, scenario};

const DAY_QUARTERS: u64 = 96;
const OF_GROUP: &str = "group=\"G-";

/// Series of a gateway over a healthy day.
pub(super) struct HealthyDay {
    series: usize,
    /// Unattributed ones.
    unattributed: usize,
    /// Per group on average.
    per_group: f64,
    /// Per group on average, zero on every page.
    zero_per_group: f64,
    bytes: usize,
    compressed: usize,
    /// The families with most series per group, with the number of those that are always zero.
    largest: Vec<(String, f64, f64)>,
}

impl HealthyDay {
    /// Simulates a day and checks a page every quarter of an hour.
    pub(super) fn simulate() -> Result<Self> {
        let scenario = scenario(GROUPS)?;
        let mut world = World::of(&scenario)?;
        let mut page = String::new();
        let mut nonzero: BTreeSet<String> = BTreeSet::new();
        let mut all: BTreeSet<String> = BTreeSet::new();
        for quarter in 1..=DAY_QUARTERS {
            page = world.page(moment(scenario.start, quarter))?;
            for (series, value) in samples(&page) {
                all.insert(series.to_owned());
                if value != "0" {
                    nonzero.insert(series.to_owned());
                }
            }
        }
        let of_groups = all.iter().filter(|series| series.contains(OF_GROUP));
        let mut families: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for series in of_groups {
            let name = series.split('{').next().unwrap_or_default();
            let (count, zero) = families.entry(name).or_default();
            *count += 1;
            *zero += usize::from(!nonzero.contains(series));
        }
        let (count, zero) = families
            .values()
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let mut largest: Vec<(String, f64, f64)> = families
            .into_iter()
            .map(|(name, (count, zero))| (name.to_owned(), a_group(count), a_group(zero)))
            .collect();
        largest.sort_by(|one, other| other.1.total_cmp(&one.1));
        Ok(Self {
            series: all.len(),
            unattributed: all
                .iter()
                .filter(|series| series.contains("unattributed"))
                .count(),
            per_group: a_group(count),
            zero_per_group: a_group(zero),
            bytes: page.len(),
            compressed: compressed(&page)?,
            largest,
        })
    }
}

impl fmt::Display for HealthyDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            series,
            unattributed,
            per_group,
            zero_per_group,
            bytes,
            compressed,
            largest,
        } = self;
        writeln!(
            f,
            "A healthy day of one gateway with {GROUPS} groups of {MEMBERS} members: {series} series, {per_group:.0} a group \
             ({zero_per_group:.0} of them always zero), {unattributed} of no group. A page has {bytes} bytes, {compressed} \
             with gzip.\n"
        )?;
        writeln!(f, "| family | series a group | always zero |\n|---|---|---|")?;
        for (name, count, zero) in largest {
            writeln!(f, "| `{name}` | {count:.0} | {zero:.0} |")?;
        }
        writeln!(f)
    }
}

/// The samples of a page: series and value, as text.
fn samples(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
}

fn moment(start: Timestamp, quarter: u64) -> Timestamp {
    start.after(Duration::from_mins(15 * quarter))
}

fn compressed(page: &str) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(page.as_bytes()).context("compress a page")?;
    Ok(encoder.finish().context("compress a page")?.len())
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand series")]
const fn a_group(count: usize) -> f64 {
    count as f64 / GROUPS as f64
}
