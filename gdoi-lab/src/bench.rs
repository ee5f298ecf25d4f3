//! What a packet costs in the program, as a ratio to a program that does nothing, in the same run.
//!
//! Rounds of the program and of its baseline take turns on one CPU; the medians are compared. The kernel's own timer
//! around `BPF_PROG_TEST_RUN` gives whole nanoseconds, so that the ratio of two short programs is as fine as that.

mod frames;
mod objects;
pub mod scrape;

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use frames::{Case, cases};
use objects::Loaded;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Turns of program and baseline.
    pub rounds: usize,
    /// Runs in each round.
    pub repeat: u32,
}

/// One line of the result.
#[derive(Clone, Debug)]
pub struct Line {
    name: &'static str,
    baseline: f64,
    program: f64,
}

/// All of the result.
#[derive(Clone, Debug)]
pub struct Report {
    lines: Vec<Line>,
    facts: Vec<objects::Fact>,
    scrapes: Vec<scrape::Cost>,
}

/// Measures every case with the programs in `object`.
pub fn run(object: &Path, effort: Effort) -> Result<Report> {
    let object = std::fs::read(object)?;
    let mut lines = Vec::new();
    for case in cases() {
        let mut loaded = Loaded::new(&object, case.spis)?;
        let draining = AtomicBool::new(true);
        let mut ring = loaded.take_ring()?;
        let line = thread::scope(|scope| {
            if case.reader {
                scope.spawn(|| {
                    while draining.load(Ordering::Relaxed) {
                        while ring.next().is_some() {}
                        thread::sleep(Duration::from_millis(1));
                    }
                });
            }
            let line = measure(&mut loaded, &case, effort);
            draining.store(false, Ordering::Relaxed);
            line
        })?;
        lines.push(line);
    }
    Ok(Report {
        lines,
        facts: Loaded::new(&object, 1)?.facts()?,
        scrapes: scrape::run()?,
    })
}

fn measure(loaded: &mut Loaded, case: &Case, effort: Effort) -> Result<Line> {
    let (mut baseline, mut program) = (Vec::new(), Vec::new());
    // The first round warms caches and table.
    for round in 0..=effort.rounds {
        let one = loaded.run(case.baseline, &case.frame, effort.repeat)?;
        let other = loaded.run(case.program, &case.frame, effort.repeat)?;
        if round > 0 {
            baseline.push(one);
            program.push(other);
        }
    }
    Ok(Line {
        name: case.name,
        baseline: median(&mut baseline),
        program: median(&mut program),
    })
}

fn median(values: &mut [Duration]) -> f64 {
    values.sort();
    let middle = values.get(values.len() / 2).copied().unwrap_or_default();
    middle.as_secs_f64() * 1e9
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<44}{:>10}{:>10}{:>8}{:>8}",
            "nanoseconds a packet", "baseline", "program", "ratio", "added"
        )?;
        for Line {
            name,
            baseline,
            program,
        } in &self.lines
        {
            let (ratio, added) = (program / baseline, program - baseline);
            writeln!(
                f,
                "{name:<44}{baseline:>10.0}{program:>10.0}{ratio:>8.2}{added:>8.0}"
            )?;
        }
        writeln!(f)?;
        self.facts.iter().try_for_each(|fact| writeln!(f, "{fact}"))?;
        writeln!(f, "\n{}", scrape::HEADING)?;
        self.scrapes.iter().try_for_each(|cost| writeln!(f, "{cost}"))
    }
}
