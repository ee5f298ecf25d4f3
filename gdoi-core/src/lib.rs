//! From facts to state: the activity of each GDOI group, concluded from headers without any key.
//!
//! A source (the kernel, a capture, a simulation) provides [`Observation`]s; the [`Tracker`] returns [`Transition`]s
//! and, on request, a [`Snapshot`]. Nothing here reads a clock, a file or a socket: the same observations at the same
//! times give the same transitions, byte for byte.
//!
//! Read `tracker` first, then the subject in `rules`; `state` has the data, `rules::kek::lead` every timer formula.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod config;
pub mod diagnosis;
pub mod observation;
mod rules;
mod saved_state;
pub mod snapshot;
mod state;
mod time;
mod tracker;
pub mod transition;

pub use config::{Config, Limits};
pub use diagnosis::Diagnosis;
pub use observation::Observation;
pub use saved_state::{RestoreError, SaveError};
pub use snapshot::Snapshot;
pub use time::Timestamp;
pub use tracker::Tracker;
pub use transition::Transition;

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "scenarios count small numbers"
)]
mod tests;
