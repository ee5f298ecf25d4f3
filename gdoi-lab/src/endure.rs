//! Endurance: how the agent is after long.

pub mod days;
mod growth;
pub mod soak;
