//! What a command does one after the other, and a table of how it went.

use std::time::Instant;

use crate::error::Result;

/// One part of the whole, and how it went.
pub(crate) struct Step {
    name: &'static str,
    seconds: f32,
    outcome: Result<StepOutcome>,
}

/// How a step ended that did not fail.
pub(crate) enum StepOutcome {
    Passed,
    Skipped(&'static str),
}

impl Step {
    /// Does `work`, and says what it is doing.
    pub(crate) fn run(name: &'static str, work: impl FnOnce() -> Result<StepOutcome>) -> Self {
        println!("== {name}");
        let start = Instant::now();
        let outcome = work();
        if outcome.is_err() {
            println!("FAILED {name}");
        }
        Self {
            name,
            seconds: start.elapsed().as_secs_f32(),
            outcome,
        }
    }

    /// Whether it did its work.
    pub(crate) fn is_passed(&self) -> bool {
        self.outcome.is_ok()
    }

    /// How it ended.
    pub(crate) fn into_outcome(self) -> Result<StepOutcome> {
        self.outcome
    }
}

impl StepOutcome {
    /// For work that has no other outcome than that it passed.
    pub(crate) fn passed(outcome: Result<()>) -> Result<Self> {
        outcome.map(|()| Self::Passed)
    }
}

/// Steps that did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotPassed {
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

/// Prints the table and every error, and says how many steps did not pass.
pub(crate) fn summary(steps: &[Step]) -> NotPassed {
    println!("\n{:<28}{:>8}", "step", "seconds");
    let mut not_passed = NotPassed {
        failed: 0,
        skipped: 0,
    };
    for step in steps {
        let Step {
            name,
            seconds,
            outcome,
        } = step;
        let said = match outcome {
            Ok(StepOutcome::Passed) => "passed",
            Ok(StepOutcome::Skipped(why)) => {
                not_passed.skipped += 1;
                &format!("SKIPPED: {why}")
            }
            Err(_) => {
                not_passed.failed += 1;
                "FAILED"
            }
        };
        println!("{name:<28}{seconds:>8.1}  {said}");
    }
    for step in steps {
        if let Err(error) = &step.outcome {
            println!("FAILED {}: {error}", step.name);
        }
    }
    if not_passed.skipped > 0 {
        println!(
            "{} steps were skipped: this is not a full run",
            not_passed.skipped
        );
    }
    not_passed
}
