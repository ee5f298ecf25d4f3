//! Where findings go.

mod create_new;
mod events;
pub mod flight;
pub mod log;
pub mod output;
pub mod prometheus;
pub mod state_file;
mod worker;

pub use events::{EventCounts, EventSink, Tally};
