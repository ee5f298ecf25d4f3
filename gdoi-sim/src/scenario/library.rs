//! Scenarios that ship, each a small file.

use super::{Scenario, ScenarioError};

/// The names of the scenarios that ship.
pub fn names() -> impl Iterator<Item = &'static str> {
    LIBRARY.iter().map(|(name, _)| *name)
}

/// A scenario that ships, by name.
pub fn named(name: &str) -> Result<Scenario, ScenarioError> {
    let (_, text) = LIBRARY
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| ScenarioError::Unknown(name.to_owned()))?;
    Scenario::parse(text)
}

const LIBRARY: [(&str, &str); 1] = [("demo", include_str!("../../scenarios/demo.toml"))];
