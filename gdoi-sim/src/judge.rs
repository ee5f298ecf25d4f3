//! How right an observer is: what it says against what happened and what it could know, by how much it is told and from
//! where it watches.

mod case;
mod goals;
mod known;
mod rule;
mod subject;
mod tally;
mod told;

use std::time::Duration;

use gdoi_core::{Limits, Timestamp, Tracker, Transition};

use crate::emission::Emission;
use crate::observe::Observer;
use crate::scenario::{Scenario, ScenarioError};
use crate::world::Simulation;
use case::{Case, Witness};

pub use goals::Goals;
#[cfg(test)]
pub(crate) use rule::Known;
pub use rule::Rule;
#[cfg(test)]
pub(crate) use tally::{Claim, Fact, Subject, Sure};
pub use tally::{Errors, Failure, Score, Tally, Wrong};
pub use told::Told;

const TICK: Duration = Duration::from_secs(10);

impl Score {
    /// Lets a scenario happen in front of a tracker for each of these degrees of being told, and judges what they say.
    pub fn of(scenario: &Scenario, seed: u64, told: &[Told]) -> Result<Self, ScenarioError> {
        Self::of_changed(scenario, seed, told, |_, _| {})
    }

    /// The same, when the tracker had said something else: that the judge notices can be tried.
    pub(crate) fn of_changed(
        scenario: &Scenario,
        seed: u64,
        told: &[Told],
        change: impl Fn(&mut Vec<Transition>, &mut gdoi_core::Snapshot),
    ) -> Result<Self, ScenarioError> {
        scenario.check_memory()?;
        let mut simulation = Simulation::judged(scenario, seed)?;
        let emissions: Vec<Emission> = simulation.by_ref().collect();
        let end = simulation.end();
        let mut score = Self::default();
        let Some(journal) = simulation.journal() else {
            return Ok(score);
        };
        let witness = Witness::new(scenario, journal, end);
        for told in told.iter().copied() {
            let (mut said, mut snapshot) = watch(scenario, told, &emissions, end);
            change(&mut said, &mut snapshot);
            let names = case::names(scenario, told, &witness, &said, &snapshot);
            let case = Case {
                scenario,
                journal,
                happened: simulation.truth().happened(),
                witness: &witness,
                told,
                said: &said,
                snapshot: &snapshot,
                names,
                end,
            };
            subject::judge(&case, &mut score);
        }
        Ok(score)
    }
}

/// Shows everything that passed to a tracker.
fn watch(
    scenario: &Scenario,
    told: Told,
    emissions: &[Emission],
    end: Timestamp,
) -> (Vec<Transition>, gdoi_core::Snapshot) {
    let mut tracker = Tracker::new(told.config(scenario), Limits::default());
    let mut said = Vec::new();
    let mut observer = Observer::new(TICK, told == Told::All);
    // A capture with holes is read; what has none is watched live, where time passes between frames too.
    let live = scenario.vantage.holes.is_empty();
    let mut last = Timestamp::ZERO;
    for emission in emissions {
        last = last.max(emission.at());
        // A loss is told as of its beginning.
        if live && !matches!(emission, Emission::Loss(..)) {
            tracker.advance(emission.at(), &mut said);
        }
        observer.observe(emission, &mut |at, seen| tracker.observe(at, seen, &mut said));
    }
    observer.flush(last, &mut |at, seen| tracker.observe(at, seen, &mut said));
    tracker.finish(last.max(end), &mut said);
    let snapshot = tracker.snapshot();
    (said, snapshot)
}
