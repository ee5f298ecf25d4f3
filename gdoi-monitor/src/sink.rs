//! Where findings go.

mod events;
pub mod flight;
mod fresh;
pub mod output;
pub mod prometheus;
pub mod saved;

pub use events::{EventCounts, Events, Tally};
