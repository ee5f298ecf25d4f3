//! Key servers and members in a box: GDOI behaviours as a deterministic simulation that emits real frames.
//!
//! A [`Scenario`] says who is there and what happens; a [`Simulation`] lets it happen in virtual time and gives, in the
//! order of time, what a gateway next to the key servers sees of it: [`Emission`]s, which turn into frames, into a
//! capture or into observations for the tracker. What really happened is in [`Simulation::truth`].
//!
//! The same scenario and seed give the same octets, on every machine.
#![forbid(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "counts and lengths here are far below the widths they are cast to: the scenario is ours, not hostile"
)]

mod agenda;
mod capture;
pub mod demonstration;
mod digest;
mod emission;
pub mod generator;
mod journal;
pub mod judge;
mod message;
mod observe;
pub mod reduce;
pub mod reference;
pub mod scenario;
mod syslog;
mod table;
mod truth;
mod world;

pub use capture::{Format, PcapWriter};
pub use digest::{DigestError, digest};
pub use emission::{Emission, EspPackets, Sent};
pub use observe::Observer;
pub use scenario::{Scenario, ScenarioError};
pub use truth::{Happened, Kind, Reason, Truth};
pub use world::Simulation;

#[cfg(test)]
mod tests;
