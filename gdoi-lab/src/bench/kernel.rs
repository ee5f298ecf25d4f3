//! Cost of a packet in the program, as a ratio to an empty program.
//!
//! Rounds of `BPF_PROG_TEST_RUN` of the program and of its baseline alternate on one CPU; the result is the median of
//! the ratios of each pair. The ring is emptied between rounds, so that it is never full.

use anyhow::Result;

use super::Effort;
use super::frames::{Case, LRU_ONE_SPI, LRU_SPRAYED, MESSAGE, ONE_SPI, PERF, SPRAYED, WAKE, cases};
use super::objects::Loaded;
use super::row::{Row, Unit, Wanted};

/// Allowed ratio of a program to itself on a quiet machine.
const QUIET: std::ops::RangeInclusive<f64> = 0.98..=1.02;
const ATTEMPTS: usize = 5;
const LONG: u32 = 100_000;
const BEST: &str = "for one SPI an LRU map needs only a lookup; see its cost for many";
const RECORD: &str = "a message adds a reservation and a record; see the cost of the same in C";

/// Measures every case with the programs in `object`.
pub(super) fn run(object: &[u8], effort: Effort) -> Result<Vec<Row>> {
    let mut measured = Vec::new();
    for case in cases() {
        let mut loaded = Loaded::new(object, case.spis, case.sites)?;
        let pair = measure(&mut loaded, &case, effort)?;
        measured.push((case, pair));
    }
    let rows = measured.iter().map(|(case, pair)| pair.row(case));
    let added = added_by_sites(&measured).into_iter();
    Ok(rows.chain(added).chain(to_others(&measured)).collect())
}

/// Our cost compared with that of alternatives that do as much.
fn to_others(measured: &[(Case, Pair)]) -> Vec<Row> {
    let added = |name| {
        let (_, pair) = measured.iter().find(|(case, _)| case.name == name)?;
        Some(pair.program - pair.baseline)
    };
    [
        ("P2", ONE_SPI, LRU_ONE_SPI, 1.0 / 7.0, BEST),
        ("P3", SPRAYED, LRU_SPRAYED, 1.0 / 40.0, ""),
        ("P5", MESSAGE, PERF, 1.0 / 6.0, ""),
        ("P5", MESSAGE, WAKE, 1.0 / 150.0, RECORD),
    ]
    .into_iter()
    .filter_map(|(goal, ours, other, most, why)| {
        let (ours_adds, other_adds) = (added(ours)?, added(other)?);
        let what = format!("{ours}: added, relative to {other}");
        let row = Row::new(what, ours_adds / other_adds, Unit::Ratio).goal(goal, Wanted::AtMost(most));
        Some(
            row.aside(format!("{ours_adds:.1} and {other_adds:.1} ns"))
                .why(why),
        )
    })
    .collect()
}

/// Cost of a site lookup per ESP packet.
fn added_by_sites(measured: &[(Case, Pair)]) -> Option<Row> {
    let sites = measured.iter().find(|(case, _)| case.sites)?;
    let (_, without) = measured.iter().find(|(case, _)| case.name == ONE_SPI)?;
    let added = sites.1.program - without.program;
    Some(Row::new("added to ESP by sites", added, Unit::Nanoseconds).goal("P4", Wanted::AtMost(35.0)))
}

/// The medians of a case.
#[derive(Clone, Copy, Debug)]
struct Pair {
    baseline: f64,
    program: f64,
    ratio: f64,
    /// The program compared with itself, if that shows that the machine was not quiet.
    control: Option<f64>,
}

impl Pair {
    fn row(self, case: &Case) -> Row {
        let Self {
            baseline,
            program,
            ratio,
            control,
        } = self;
        let noise = control.map_or(String::new(), |control| {
            format!(", not quiet: control {control:.3}")
        });
        Row::new(case.name, ratio, Unit::Ratio)
            .goal(case.goal, case.wanted)
            .aside(format!(
                "{baseline:.1} -> {program:.1} ns, added {:.1}{noise}",
                program - baseline
            ))
            .why(case.why)
    }
}

/// Measures one case, and repeats if the control shows that the machine was not quiet; the row says so if it never
/// was.
fn measure(loaded: &mut Loaded, case: &Case, effort: Effort) -> Result<Pair> {
    let mut attempt = 1;
    loop {
        // Fewer long rounds are enough.
        let rounds = if case.repeat > LONG {
            effort.rounds / 5
        } else {
            effort.rounds
        };
        let control = turns(loaded, case.baseline, case.baseline, case, rounds / 3)?;
        let pair = turns(loaded, case.baseline, case.program, case, rounds)?;
        let is_quiet = QUIET.contains(&control.ratio);
        if is_quiet || effort.hurried || attempt == ATTEMPTS {
            let control = (!is_quiet).then_some(control.ratio);
            return Ok(Pair { control, ..pair });
        }
        attempt += 1;
    }
}

fn turns(
    loaded: &mut Loaded,
    baseline: &'static str,
    program: &'static str,
    case: &Case,
    rounds: usize,
) -> Result<Pair> {
    let (mut before, mut after, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms caches and table.
    for round in 0..=rounds.max(1) {
        let one = loaded.run(baseline, &case.frame, case.repeat)?;
        let other = loaded.run(program, &case.frame, case.repeat)?;
        if !case.ring_full {
            loaded.drain();
        }
        if round > 0 {
            before.push(one);
            after.push(other);
            ratios.push(other / one);
        }
    }
    Ok(Pair {
        baseline: median(&mut before),
        program: median(&mut after),
        ratio: median(&mut ratios),
        control: None,
    })
}

/// The median.
pub(super) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
