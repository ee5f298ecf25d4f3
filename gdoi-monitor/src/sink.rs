//! Where findings go.

mod events;
pub mod prometheus;

pub use events::{EventCounts, Events};
