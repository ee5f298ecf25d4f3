//! How right an observer is: its claims against what happened and against what it could know, by degree of
//! configuration and by vantage.

mod case;
mod causes;
mod events;
mod goals;
mod known;
mod rule;
mod subject;
mod tally;
mod told;

use std::time::Duration;

use gdoi_core::{Limits, Timestamp, Tracker, Transition};

use crate::emission::Emission;
use crate::observe::{Observer, Recorded, record};
use crate::scenario::{Scenario, ScenarioError};
use crate::world::Simulation;
use case::{Case, Past, Witness};

pub use causes::{CauseScore, CauseTally, QuietWorlds};
pub use events::{EVENTS, Judged};
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
    /// Plays a scenario in front of one tracker per degree of configuration, and judges their claims.
    pub fn of(scenario: &Scenario, seed: u64, told: &[Told]) -> Result<Self, ScenarioError> {
        Self::of_changed(scenario, seed, told, |_, _| {})
    }

    /// Changes the claims before they are judged, to test that the judge notices.
    pub(crate) fn of_changed(
        scenario: &Scenario,
        seed: u64,
        told: &[Told],
        change: impl Fn(&mut Vec<Transition>, &mut gdoi_core::Snapshot),
    ) -> Result<Self, ScenarioError> {
        scenario.check_memory()?;
        let mut simulation = Simulation::judged(scenario, seed)?;
        let mut watchers: Vec<Watcher> = told.iter().map(|told| Watcher::new(scenario, *told)).collect();
        let mut witness = Witness::new(scenario, simulation.end());
        while let Some(emission) = simulation.next() {
            let recorded = record(&emission);
            for watcher in &mut watchers {
                watcher.observe(&emission, &recorded);
            }
            simulation.take_sightings(|journal, sighting| witness.add(journal, sighting));
        }
        let (end, mut score) = (simulation.end(), Self::default());
        let Some(journal) = simulation.journal() else {
            return Ok(score);
        };
        witness.finish(journal);
        let past = Past::new(scenario, simulation.truth().happened());
        for watcher in watchers {
            let told = watcher.told;
            let (mut said, mut snapshot) = watcher.finish(end);
            change(&mut said, &mut snapshot);
            let names = case::names(scenario, told, &witness, &said, &snapshot);
            let case = Case {
                scenario,
                journal,
                past: &past,
                witness: &witness,
                told,
                said: &said,
                snapshot: &snapshot,
                names,
                end,
            };
            subject::judge(&case, &mut score);
            causes::judge(&case, &mut score);
        }
        Ok(score)
    }
}

/// A tracker that is shown everything that passes.
pub(crate) struct Watcher {
    told: Told,
    tracker: Tracker,
    observer: Observer,
    /// A source with holes is read as a capture; any other is watched live, where time also passes between frames.
    live: bool,
    said: Vec<Transition>,
    last: Timestamp,
}

impl Watcher {
    pub(crate) fn new(scenario: &Scenario, told: Told) -> Self {
        Self {
            told,
            tracker: Tracker::new(told.config(scenario), Limits::default()),
            observer: Observer::new(TICK, told == Told::All),
            live: scenario.vantage.holes.is_empty(),
            said: Vec::new(),
            last: Timestamp::ZERO,
        }
    }

    pub(crate) fn observe(&mut self, emission: &Emission, recorded: &[Recorded]) {
        let (tracker, said) = (&mut self.tracker, &mut self.said);
        self.last = self.last.max(emission.at());
        // A loss carries the time at which it began, which may be in the past.
        if self.live && !matches!(emission, Emission::Loss(..)) {
            tracker.advance(emission.at(), said);
        }
        self.observer
            .observe_recorded(emission, recorded, &mut |at, seen| {
                tracker.observe(at, seen, said);
            });
    }

    pub(crate) fn finish(mut self, end: Timestamp) -> (Vec<Transition>, gdoi_core::Snapshot) {
        let (tracker, said) = (&mut self.tracker, &mut self.said);
        self.observer
            .flush(self.last, &mut |at, seen| tracker.observe(at, seen, said));
        self.tracker.finish(self.last.max(end), &mut self.said);
        let snapshot = self.tracker.snapshot();
        (self.said, snapshot)
    }
}
