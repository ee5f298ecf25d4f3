//! Outputs of the engine.

mod events;
pub mod flight;
pub mod log;
pub mod output;
pub mod state_file;
mod trouble;
mod worker;

pub use events::{EventCounts, EventSink, Tally};
