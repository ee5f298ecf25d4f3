//! Endurance: the state of the agent after a long time.

pub mod days;
mod growth;
pub mod soak;
