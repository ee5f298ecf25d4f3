//! The tests of the workspace, and their results.

use std::fmt::{self, Display, Formatter};
use std::io::{BufRead as _, BufReader};
use std::num::NonZero;
use std::process::Stdio;
use std::{env, thread};

use crate::error::{Context as _, Result};
use crate::process;
use crate::workspace::Workspace;

/// Tests that run at the same time, per core.
const TESTS_PER_CORE: usize = 2;

/// The result of `cargo test`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Suite {
    passed: usize,
    failed: usize,
    ignored: usize,
    /// The texts after `SKIP ` in lines of tests that could not run.
    skips: Vec<String>,
    /// Whether cargo itself succeeded.
    is_success: bool,
}

/// Tests by outcome.
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Suite {
    /// Runs all tests that a host can run, showing results as they come.
    pub(crate) fn run(workspace: &Workspace) -> Result<Self> {
        let mut cargo = workspace.cargo();
        cargo.args([
            "test",
            "--workspace",
            "--exclude",
            "gdoi-monitor-ebpf",
            "--no-fail-fast",
        ]);
        // Also of tests that pass: they print skips.
        cargo.args(["--", "--show-output"]);
        // Many tests wait for the kernel or for a clock: one per core would leave the cores idle.
        if env::var_os("RUST_TEST_THREADS").is_none() {
            let cores = thread::available_parallelism().map_or(1, NonZero::get);
            cargo.env("RUST_TEST_THREADS", (TESTS_PER_CORE * cores).to_string());
        }
        let mut tests = cargo
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start cargo test")?;
        let output = tests.stdout.take().context("read what tests say")?;
        let mut reader = Reader::default();
        for line in BufReader::new(output).split(b'\n') {
            let line = line.context("read what tests say")?;
            if let Some(shown) = reader.read(&String::from_utf8_lossy(&line)) {
                println!("{shown}");
            }
        }
        reader.suite.is_success = tests.wait().context("wait for cargo test")?.success();
        Ok(reader.suite)
    }

    /// The results of tests that ran elsewhere, and the part of their output for people.
    pub fn of_output(output: &str, is_success: bool) -> (Self, String) {
        let mut reader = Reader::default();
        let shown: Vec<&str> = output.lines().filter_map(|line| reader.read(line)).collect();
        reader.suite.is_success = is_success;
        (reader.suite, shown.join("\n"))
    }

    /// Whether a test failed, none passed, or one was skipped for a reason that is not in `excuses`.
    pub fn is_faulty(&self, excuses: &[&str]) -> bool {
        let is_excused = |skip: &String| excuses.iter().any(|excuse| skip.contains(excuse));
        !self.is_success || self.failed > 0 || self.passed == 0 || !self.skips.iter().all(is_excused)
    }

    /// How many passed, of how many.
    pub fn short(&self) -> String {
        let skipped = match self.skips.len() {
            0 => String::new(),
            skipped => format!(", {skipped} skipped"),
        };
        format!("{} of {}{skipped}", self.passed, self.passed + self.failed)
    }

    /// Number of tests by outcome.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            passed: self.passed,
            failed: self.failed,
            skipped: self.skips.len() + self.ignored,
        }
    }

    /// Why the whole run has failed, if it has.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.failed > 0 {
            faults.push(format!("{} failed", self.failed));
        } else if !self.is_success {
            faults.push("not all tests ran".to_owned());
        }
        if self.passed == 0 {
            faults.push("none passed".to_owned());
        }
        // Root can do all that tests need, and `setup` has installed it.
        if process::is_root() {
            let unexcused = self.skips.iter().filter(|skip| !is_excused(skip));
            faults.extend(unexcused.map(|skip| format!("skipped although this is root: {skip}")));
        }
        faults
    }
}

fn is_excused(skip: &str) -> bool {
    EXCUSES.iter().any(|excuse| skip.contains(excuse))
}

/// Acceptable skips as root: files that are not in the checkout, programs that only compare or judge, a browser,
/// which some distributions do not package, and features that a kernel was built without.
const EXCUSES: [&str; 6] = [
    "there is no systemd-analyze",
    "there are no captures at",
    "prometheus is not installed",
    "tshark is not installed",
    "there is no chromium",
    "this kernel has no",
];

impl Display for Suite {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            passed: _,
            failed: _,
            ignored,
            skips,
            is_success: _,
        } = self;
        for skip in skips {
            writeln!(f, "SKIP {skip}")?;
        }
        if *ignored > 0 {
            writeln!(f, "ignored {ignored}")?;
        }
        Ok(())
    }
}

/// Reads the output of libtest.
#[derive(Default)]
struct Reader {
    suite: Suite,
    is_in_failures: bool,
}

impl Reader {
    /// Takes one line in, and returns it if people should see it.
    fn read<'a>(&mut self, line: &'a str) -> Option<&'a str> {
        if let Some(skip) = line.strip_prefix("SKIP ") {
            self.suite.skips.push(skip.to_owned());
            return Some(line);
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.is_in_failures = false;
            let ran = self.add(result);
            return ran.then_some(line);
        }
        self.is_in_failures |= line == "failures:";
        self.is_in_failures.then_some(line)
    }

    /// Adds up `ok. 12 passed; 0 failed; 1 ignored; …`; returns whether any test ran.
    fn add(&mut self, result: &str) -> bool {
        let mut ran = false;
        let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
        for part in counts.split("; ") {
            let Some((number, what)) = part.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else {
                continue;
            };
            match what {
                "passed" => self.suite.passed += number,
                "failed" => self.suite.failed += number,
                "ignored" => self.suite.ignored += number,
                _ => continue,
            }
            ran |= number > 0;
        }
        ran
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> (Suite, Vec<&str>) {
        let mut reader = Reader::default();
        let shown = output.lines().filter_map(|line| reader.read(line)).collect();
        (reader.suite, shown)
    }

    #[test]
    fn results_add_up_and_failures_are_shown() {
        let (suite, shown) = read(
            "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nsuccesses:\n\n---- a stdout ----\n\
             SKIP a: no kernel\n\nfailures:\n\n---- b stdout ----\nboom\n\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             running 1 test\ntest result: ok. 3 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!(
            suite,
            Suite {
                passed: 4,
                failed: 1,
                ignored: 2,
                skips: vec!["a: no kernel".to_owned()],
                is_success: false,
            }
        );
        assert!(shown.contains(&"boom"));
        assert!(!shown.contains(&"test a ... ok"));
    }

    #[test]
    fn a_run_without_tests_is_a_fault() {
        let suite = Suite {
            is_success: true,
            ..Suite::default()
        };
        assert!(!suite.faults().is_empty());
    }

    #[test]
    fn only_absent_oracles_excuse_a_skip() {
        assert!(is_excused("decode equals tshark: there are no captures at /x"));
        assert!(!is_excused("parity: loading BPF needs root"));
    }
}
