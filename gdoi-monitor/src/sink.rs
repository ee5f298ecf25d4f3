//! Where findings go.

mod events;
pub mod flight;
pub mod output;
pub mod prometheus;
pub mod saved;

pub use events::{EventCounts, Events, Tally};
