//! One file per subject.

mod causes;
mod demo;
mod demonstrations;
mod diagnosis;
mod generator;
mod judge;
mod library;
mod matrix;
mod message;
mod planted;
mod recordings;
mod reference;
mod tac_note;

use crate::emission::Emission;
use crate::scenario::{self, Scenario};
use crate::truth::{Happened, Kind};
use crate::world::Simulation;

/// The gateway's traffic, and what really happened.
fn play(scenario: &Scenario, seed: u64) -> (Vec<Emission>, Vec<Happened>) {
    let mut simulation = Simulation::new(scenario, Some(seed)).unwrap();
    let emissions = simulation.by_ref().collect();
    (emissions, simulation.truth().happened().to_vec())
}

fn library(name: &str) -> Scenario {
    scenario::named(name).unwrap()
}

fn count(happened: &[Happened], of: impl Fn(&Kind) -> bool) -> usize {
    happened.iter().filter(|happened| of(&happened.kind)).count()
}
