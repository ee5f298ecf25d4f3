//! A deterministic simulation of GDOI key servers and members that emits real frames.
//!
//! A [`Scenario`] defines the participants and the events. A [`Simulation`] runs it in virtual time and yields, in
//! time order, what a gateway next to the key servers sees: [`Emission`]s, which become frames, a capture or
//! observations for the tracker. What really happened is in [`Simulation::truth`].
//!
//! The same scenario and seed give the same octets on every machine.
#![forbid(unsafe_code)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "counts and lengths here are far below the widths they are cast to: the scenario is ours, not hostile"
)]

mod agenda;
pub mod attack;
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
