//! The results of several runs as a document.

use std::fmt::{self, Write as _};
use std::fs;
use std::process::Command;

use super::kernel::median;
use super::row::{Row, Wanted};
use super::{Effort, Section};

/// The results of one section.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Which.
    pub section: Section,
    /// The same rows of each run.
    pub runs: Vec<Vec<Row>>,
}

/// The document: a table for each section, and for every missed goal the obstacle. Sections that were not measured
/// stay as in `before`.
pub fn document(measured: &[Measured], effort: Effort, before: &str) -> Result<String, fmt::Error> {
    let mut text = format!(
        "# Benchmarks\n\nWritten by `cargo xtask bench --write`, section by section. Each number is the median of \
         its runs, with the lowest and the highest in brackets. Ratios are relative to an empty program in the \
         same run.\n\nMachine: {}. {} rounds of each program, a storm of {} seconds.\n",
        machine(),
        effort.rounds,
        effort.storm,
    );
    for section in Section::ALL {
        match measured.iter().find(|part| part.section == section) {
            Some(part) => write!(text, "{}", part.table()?)?,
            None => text.push_str(known(before, section)),
        }
    }
    Ok(text)
}

/// A section of a document; empty if it is missing.
fn known(document: &str, section: Section) -> &str {
    let (title, _) = section.heading();
    let Some(at) = document.find(&format!("\n## {title}\n")) else {
        return "";
    };
    let section = document.get(at..).unwrap_or_default();
    let next = section.get(1..).and_then(|rest| rest.find("\n## "));
    next.map_or(section, |end| section.get(..=end).unwrap_or(section))
}

impl Measured {
    fn table(&self) -> Result<String, fmt::Error> {
        let Self { section, runs } = self;
        let (title, method) = section.heading();
        let mut text = format!(
            "\n## {title}\n\n{method}\n\n| goal | what | wanted | reached | | |\n|---|---|---|---|---|---|\n"
        );
        let mut whys: Vec<(&str, String)> = Vec::new();
        for row in medians(runs) {
            line(&mut text, &row)?;
            if row.of.is_reached() == Some(false) && !row.of.why.is_empty() {
                match whys.iter_mut().find(|(why, _)| *why == row.of.why) {
                    Some((_, names)) => write!(names, ", {}", row.of.what)?,
                    None => whys.push((row.of.why, format!("{} {}", row.of.goal, row.of.what))),
                }
            }
        }
        for (why, names) in whys {
            write!(text, "\n{names}: {why}.\n")?;
        }
        Ok(text)
    }
}

/// A row with the median, and the lowest and highest value.
struct Median {
    of: Row,
    from: f64,
    to: f64,
}

fn medians(runs: &[Vec<Row>]) -> Vec<Median> {
    let first = runs.first().map(Vec::as_slice).unwrap_or_default();
    first
        .iter()
        .enumerate()
        .filter_map(|(index, _)| {
            let same: Vec<&Row> = runs.iter().filter_map(|run| run.get(index)).collect();
            let mut values: Vec<f64> = same.iter().map(|row| row.reached).collect();
            let middle = median(&mut values);
            // Its details are those of the median's run.
            let of = same.iter().find(|row| row.reached.total_cmp(&middle).is_eq())?;
            Some(Median {
                of: (*of).clone(),
                from: values.first().copied()?,
                to: values.last().copied()?,
            })
        })
        .collect()
}

fn line(text: &mut String, Median { of, from, to }: &Median) -> fmt::Result {
    let show = |number: f64| of.unit.show(number);
    let wanted = match of.wanted {
        Wanted::AtLeast(least) => format!("at least {}", show(least)),
        Wanted::AtMost(most) => format!("at most {}", show(most)),
        Wanted::Nothing => String::new(),
    };
    let verdict = match of.is_reached() {
        Some(true) => "reached",
        Some(false) => "missed",
        None => "",
    };
    writeln!(
        text,
        "| {} | {} | {wanted} | {} ({} to {}) | {verdict} | {} |",
        of.goal,
        of.what,
        show(of.reached),
        show(*from),
        show(*to),
        of.aside,
    )
}

fn machine() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor
        .lines()
        .find_map(|line| {
            Some(
                line.strip_prefix("model name")?
                    .trim_start_matches([' ', '\t', ':'])
                    .to_owned(),
            )
        })
        .unwrap_or_else(|| "unknown processor".to_owned());
    let kernel = Command::new("uname")
        .args(["-sr"])
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cpus} CPUs, {kernel}")
}

#[cfg(test)]
mod tests {
    use super::super::row::Unit;
    use super::*;

    #[test]
    fn what_was_not_measured_stays() {
        let effort = Effort {
            rounds: 1,
            hurried: true,
            storm: 1,
            millions: 1,
        };
        let of = |section, number| Measured {
            section,
            runs: vec![vec![Row::new("a number", number, Unit::Count)]],
        };
        let both = [of(Section::Start, 1.0), of(Section::Ring, 2.0)];
        let before = document(&both, effort, "").unwrap();
        let again = document(&[of(Section::Start, 1.0)], effort, &before).unwrap();
        assert_eq!(again, before);
        let other = document(&[of(Section::Ring, 3.0)], effort, &before).unwrap();
        assert_eq!(other, before.replace("2 (2 to 2)", "3 (3 to 3)"));
    }
}
