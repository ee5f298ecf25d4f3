//! Results of fuzzing and mutation tests for `docs/reliability.md`, from the logs of the fuzzer and cargo-mutants.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::hostile::TARGETS;

/// The logs of the fuzz targets in a folder, as a table.
pub fn fuzzed(logs: &Path) -> Result<String> {
    let mut text = String::from(
        "## Fuzzing\n\n`cargo xtask fuzz` runs each target below for the same time with libFuzzer, guided by coverage. \
         Edges are those that the corpus reaches; the target `kernel` is guided by user space. One run:\n\n\
         | target | executions | edges | minutes | found |\n|---|---|---|---|---|\n",
    );
    let (mut executions, mut seconds, mut targets) = (0, 0, 0);
    for (target, _) in TARGETS {
        let Ok(log) = fs::read(logs.join(format!("{target}.log"))) else {
            continue;
        };
        let run = Run::read(&String::from_utf8_lossy(&log));
        let Run {
            executions: ran,
            edges,
            seconds: lasted,
            found,
        } = run;
        let found = if found { "**something**" } else { "nothing" };
        writeln!(
            text,
            "| {target} | {ran} | {edges} | {:.1} | {found} |",
            minutes(lasted)
        )?;
        executions += ran;
        seconds += lasted;
        targets += 1;
    }
    ensure!(targets > 0, "there are no logs in {}", logs.display());
    writeln!(
        text,
        "\n{targets} of {} targets, {executions} executions in {:.1} minutes. The corpus is replayed by the tests.",
        TARGETS.len(),
        minutes(seconds)
    )?;
    Ok(text)
}

/// The results of the mutants in folders, one for each crate.
pub fn mutated(folders: &[PathBuf]) -> Result<String> {
    let mut text = String::from(
        "## Mutants\n\n`cargo xtask mutants` breaks a sample of the code, one place at a time, and runs the tests of the \
         crate alone. Not every surviving mutant is a fault: some are equivalent.\n\n\
         | crate | mutants | caught | missed | share caught |\n|---|---|---|---|---|\n",
    );
    for folder in folders {
        let lines = |name: &str| -> Result<usize> {
            let path = folder.join("mutants.out").join(name);
            let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            Ok(text.lines().count())
        };
        let caught = lines("caught.txt")? + lines("timeout.txt")?;
        let missed = lines("missed.txt")?;
        let all = caught + missed;
        ensure!(all > 0, "no mutants in {}", folder.display());
        let of = folder.file_name().unwrap_or_default().display();
        writeln!(
            text,
            "| {of} | {all} | {caught} | {missed} | {} % |",
            caught * 100 / all
        )?;
    }
    Ok(text)
}

/// The content of one log.
#[derive(Debug, Default, PartialEq, Eq)]
struct Run {
    executions: u64,
    edges: u64,
    seconds: u64,
    /// It ended with a finding.
    found: bool,
}

impl Run {
    fn read(log: &str) -> Self {
        let mut run = Self::default();
        for line in log.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let after = |name: &str| {
                let at = words.iter().position(|word| *word == name)?;
                words.get(at + 1)?.parse::<u64>().ok()
            };
            run.edges = after("cov:").unwrap_or(run.edges);
            run.executions = after("stat::number_of_executed_units:").unwrap_or(run.executions);
            if line.starts_with("Done ") {
                run.seconds = after("in").unwrap_or_default();
            }
            run.found |= line.starts_with("SUMMARY: libFuzzer:");
        }
        run
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn minutes(seconds: u64) -> f64 {
    seconds as f64 / 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_libfuzzer_are_read() {
        let good = "#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0\n#9\tDONE   cov: 240 ft: 9 corp: 1/1b\n\
                    Done 63633 runs in 331 second(s)\nstat::number_of_executed_units: 63633\n";
        let expect = Run {
            executions: 63633,
            edges: 240,
            seconds: 331,
            found: false,
        };
        assert_eq!(Run::read(good), expect);
        assert!(Run::read("SUMMARY: libFuzzer: deadly signal\n").found);
    }
}
