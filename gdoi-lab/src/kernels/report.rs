//! The output of guests, and the table of results.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter, Write as _};

use anyhow::{Context as _, Result, bail};

use super::{AREAS, SOURCES};
use xtask::suite::Suite;

/// A guest has everything that these tests need: a skipped test was not run, except for what its kernel does not
/// support.
const EXCUSES: [&str; 1] = ["a filter at clsact cannot be pinned"];
const NOT_RUN: &str = "not run";
const REFUSAL: &str = "the kernel cannot load the program: ";

/// The result of one kernel.
pub(super) struct KernelRow {
    pub(super) name: &'static str,
    /// Its release; empty if it did not boot.
    pub(super) release: String,
    /// Time from the emulator's start to its end.
    pub(super) seconds: f32,
    pub(super) outcome: KernelOutcome,
}

/// The result of a guest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KernelOutcome {
    /// It did not end, or not as expected.
    Broken(String),
    /// The agent refused the kernel, as expected.
    Refused(String),
    /// There was nothing to boot.
    Skipped(String),
    /// The tests of each area.
    Tested(BTreeMap<String, Suite>),
}

impl KernelOutcome {
    /// Reads the serial line of a guest that was to run the areas `expected`, or none: then the agent must refuse its
    /// kernel.
    pub(super) fn read(said: &str, expected: &[&str], release: &str) -> Result<Self> {
        if expected.is_empty() {
            let refusal = said.lines().find(|line| line.contains(REFUSAL));
            let refusal = refusal.context("the agent did not say that the kernel cannot load the program")?;
            if !said.contains("REFUSAL 1\n") || !refusal.contains(release) {
                bail!("the agent must exit with 1 and name this kernel: {refusal}");
            }
            return Ok(Self::Refused(
                refusal.trim_start_matches("gdoi-monitor: ").to_owned(),
            ));
        }
        let mut areas = BTreeMap::new();
        for part in said.split("AREA ").skip(1) {
            let (title, rest) = part.split_once('\n').context("an area without a title")?;
            let code = rest.split(&format!("END {title} ")).nth(1);
            let code = code.and_then(|rest| rest.split_whitespace().next());
            let code = code.with_context(|| format!("{title} did not end"))?;
            let (suite, shown) = Suite::of_output(rest, code == "0");
            if suite.is_faulty(&EXCUSES) {
                eprintln!("{title}:");
                // Indented: readers of our own results must not take a guest's for them.
                shown.lines().for_each(|line| eprintln!("  | {line}"));
            }
            areas.insert(title.to_owned(), suite);
        }
        let missing: Vec<&str> = expected
            .iter()
            .copied()
            .filter(|title| !areas.contains_key(*title))
            .collect();
        if !missing.is_empty() {
            bail!("the guest did not come to {}", missing.join(", "));
        }
        Ok(Self::Tested(areas))
    }
}

impl KernelRow {
    /// Whether everything that ran has passed.
    pub(super) fn is_well(&self) -> bool {
        match &self.outcome {
            KernelOutcome::Broken(_) => false,
            KernelOutcome::Refused(_) | KernelOutcome::Skipped(_) => true,
            KernelOutcome::Tested(areas) => !areas.values().any(|suite| suite.is_faulty(&EXCUSES)),
        }
    }

    pub(super) fn is_skipped(&self) -> bool {
        matches!(self.outcome, KernelOutcome::Skipped(_))
    }

    /// As a line of the table.
    pub(super) fn line(&self) -> String {
        format!("| {} |", self.cells().join(" | "))
    }

    /// The same, completed from an earlier line about areas that did not run now on the same kernel.
    fn line_over(&self, earlier: &str) -> String {
        let mut cells = self.cells();
        let mut earlier: Vec<&str> = earlier.trim_matches('|').split('|').map(str::trim).collect();
        // An older table may have fewer areas: new ones are last, before the seconds.
        while earlier.len() < cells.len() {
            earlier.insert(earlier.len() - 1, NOT_RUN);
        }
        let is_part = cells.iter().any(|cell| cell == NOT_RUN);
        if is_part && earlier.len() == cells.len() && earlier.get(1) == Some(&self.release.as_str()) {
            let last = cells.len() - 1;
            for (column, (cell, before)) in cells.iter_mut().zip(earlier).enumerate() {
                // The seconds are those of the whole run.
                if cell == NOT_RUN || column == last {
                    before.clone_into(cell);
                }
            }
        }
        format!("| {} |", cells.join(" | "))
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.name.to_owned(), self.release.clone()];
        match &self.outcome {
            KernelOutcome::Broken(why) | KernelOutcome::Skipped(why) | KernelOutcome::Refused(why) => {
                let word = match &self.outcome {
                    KernelOutcome::Broken(_) => "FAILED",
                    KernelOutcome::Refused(_) => "refused, as expected",
                    _ => "SKIP",
                };
                let why = why.lines().next().unwrap_or_default();
                cells.push(format!("{word}: {why}"));
                cells.extend(AREAS.iter().skip(1).map(|_| String::new()));
            }
            KernelOutcome::Tested(areas) => {
                let cell = |title: &str| areas.get(title).map_or_else(|| NOT_RUN.to_owned(), Suite::short);
                cells.extend(AREAS.iter().map(|area| cell(area.title)));
            }
        }
        cells.push(format!("{:.0}", self.seconds));
        cells
    }
}

impl Display for KernelRow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            release,
            seconds,
            outcome,
        } = self;
        match outcome {
            KernelOutcome::Skipped(why) => write!(f, "SKIP kernel of {name}: {why}"),
            KernelOutcome::Broken(why) => write!(f, "FAILED {name} {release} after {seconds:.0} s: {why}"),
            KernelOutcome::Refused(why) => write!(f, "{name} {release}: refused in {seconds:.0} s: {why}"),
            KernelOutcome::Tested(areas) => {
                write!(f, "{name} {release}:")?;
                for (title, suite) in areas {
                    write!(f, " {title} {},", suite.short())?;
                }
                write!(f, " {seconds:.0} s")
            }
        }
    }
}

/// The names of the areas.
pub(super) fn titles() -> Vec<&'static str> {
    AREAS.iter().map(|area| area.title).collect()
}

/// A line for each kernel, a column for each area.
pub(super) fn table(lines: &[String]) -> String {
    let mut heading = vec!["distribution", "kernel"];
    heading.extend(titles());
    heading.push("seconds");
    let mut text = format!("| {} |\n|{}\n", heading.join(" | "), "---|".repeat(heading.len()));
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The page: the kernels booted now, and the others from the page `before`.
pub(super) fn document(rows: &[KernelRow], before: &str) -> String {
    let mut text = String::from(
        "# Kernels\n\n`cargo xtask kernels --write` writes this page. It boots kernels as distributions built them, each in an \
         emulated x86_64\nmachine, and runs tests of this repository there with the agent of this checkout. Earlier results \
         stay until a kernel\nis run again.\n\n",
    );
    let lines = SOURCES.iter().filter_map(|source| {
        let start = format!("| {} |", source.name);
        let earlier = before.lines().find(|line| line.starts_with(&start));
        match (rows.iter().find(|row| row.name == source.name), earlier) {
            (Some(row), Some(earlier)) if !row.is_skipped() => Some(row.line_over(earlier)),
            (Some(row), None) => Some(row.line()),
            (_, earlier) => earlier.map(str::to_owned),
        }
    });
    text.push_str(&table(&lines.collect::<Vec<_>>()));
    text.push_str("\nNumbers are tests that passed, of those that ran. An emulated machine is slow: seconds are the whole, from \
                   its start to its\nend, and say nothing about the agent.\n\n");
    for area in &AREAS {
        writeln!(text, "- **{}**: {}.", area.title, area.meaning).unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use gdoi_monitor::source::xdp::XdpError;

    use super::*;

    const PASSED: &str = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out";

    fn read(said: &str, expected: &[&str]) -> KernelOutcome {
        KernelOutcome::read(said, expected, "6.1").unwrap()
    }

    #[test]
    fn areas_are_read_apart() {
        let said = format!(
            "noise\nAREA a\nrunning 3 tests\n{PASSED}\nEND a 0\nAREA b\nrunning 1 test\n\
             test result: FAILED. 0 passed; 1 failed\nEND b 101\n"
        );
        let KernelOutcome::Tested(areas) = read(&said, &["a", "b"]) else {
            panic!("tests ran");
        };
        assert!(!areas["a"].is_faulty(&EXCUSES) && areas["b"].is_faulty(&EXCUSES));
        assert_eq!(areas["a"].short(), "3 of 3");
        assert_eq!(areas["b"].short(), "0 of 1");
    }

    #[test]
    fn nothing_and_half_of_it_are_no_success() {
        assert!(KernelOutcome::read("panic", &["a"], "6.1").is_err());
        assert!(KernelOutcome::read(&format!("AREA a\n{PASSED}\n"), &["a"], "6.1").is_err());
        let nothing = "AREA a\nrunning 0 tests\ntest result: ok. 0 passed; 0 failed\nEND a 0\n";
        let KernelOutcome::Tested(areas) = read(nothing, &["a"]) else {
            panic!("an area ended");
        };
        assert!(areas["a"].is_faulty(&EXCUSES));
        for (skip, is_faulty) in [("this kernel has no y", true), (EXCUSES[0], false)] {
            let skipped = format!("AREA a\nSKIP x: {skip}\n{PASSED}\nEND a 0\n");
            let KernelOutcome::Tested(areas) = read(&skipped, &["a"]) else {
                panic!("an area ended");
            };
            assert_eq!(areas["a"].is_faulty(&EXCUSES), is_faulty, "{skip}");
        }
    }

    #[test]
    fn an_area_that_is_missing_is_a_fault() {
        let said = format!("AREA a\n{PASSED}\nEND a 0\nDOWN 9.1\n");
        let error = KernelOutcome::read(&said, &["a", "b", "c"], "6.1").unwrap_err();
        assert_eq!(error.to_string(), "the guest did not come to b, c");
    }

    #[test]
    fn a_line_stays_until_its_kernel_is_booted_again() {
        let row = |name: &'static str, release: &str, outcome| KernelRow {
            name,
            release: release.to_owned(),
            seconds: 1.0,
            outcome,
        };
        let tested = || KernelOutcome::Tested(BTreeMap::new());
        let [old, new] = [SOURCES[1].name, SOURCES[2].name];
        let first = document(&[row(old, "6.1.1", tested()), row(new, "6.12.1", tested())], "");
        let second = document(&[row(new, "6.12.2", tested())], &first);
        assert_eq!(second, first.replace("6.12.1", "6.12.2"));
        // A kernel that did not boot changes nothing.
        let third = document(
            &[row(old, "", KernelOutcome::Skipped("no network".to_owned()))],
            &second,
        );
        assert_eq!(third, second);
        assert!(
            document(
                &[row(old, "", KernelOutcome::Skipped("no network".to_owned()))],
                ""
            )
            .contains("SKIP: no network")
        );
    }

    #[test]
    fn an_area_that_runs_alone_leaves_the_others() {
        let row = |release: &str, area: &str, passed: u32| {
            let suite = Suite::of_output(&format!("test result: ok. {passed} passed; 0 failed"), true).0;
            KernelRow {
                name: SOURCES[1].name,
                release: release.to_owned(),
                seconds: 7.0,
                outcome: KernelOutcome::Tested(BTreeMap::from([(area.to_owned(), suite)])),
            }
        };
        let first = document(&[row("6.1.1", AREAS[0].title, 5)], "");
        let second = document(&[row("6.1.1", AREAS[1].title, 6)], &first);
        assert!(
            second.contains("| 6.1.1 | 5 of 5 | 6 of 6 | not run |"),
            "{second}"
        );
        // A new area is the last.
        let older = first.replace(" | not run | 7 |", " | 7 |");
        assert_ne!(older, first);
        assert_eq!(document(&[row("6.1.1", AREAS[1].title, 6)], &older), second);
        // It has no data of another kernel.
        let third = document(&[row("6.1.2", AREAS[1].title, 6)], &second);
        assert!(
            third.contains("| 6.1.2 | not run | 6 of 6 | not run |"),
            "{third}"
        );
    }

    #[test]
    fn a_refusal_names_the_kernel() {
        let error = XdpError::Kernel {
            release: "5.10".to_owned(),
            source: std::io::ErrorKind::InvalidInput.into(),
        };
        let said = format!("gdoi-monitor: {error}\nREFUSAL 1\n");
        assert!(KernelOutcome::read(&said, &[], "5.10").is_ok());
        assert!(KernelOutcome::read(&said, &[], "5.9").is_err());
        assert!(KernelOutcome::read("REFUSAL 1\n", &[], "5.10").is_err());
    }
}
