//! Where findings go.

mod events;
pub mod flight;
mod fresh;
pub mod log;
pub mod output;
pub mod prometheus;
pub mod saved;
mod worker;

pub use events::{EventCounts, Events, Tally};
