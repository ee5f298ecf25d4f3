//! A laboratory with the real kernel: its own network namespace, a veth pair, traffic injected at one end and the
//! real agent at the other.
//!
//! Everything ends with the process: an unused namespace disappears, with its interfaces and programs.
#![forbid(unsafe_code)]

mod agent;
pub mod bench;
mod c_program;
mod capture;
pub mod cpu;
pub mod day;
pub mod documents;
pub mod endure;
mod executed;
pub mod fleet;
pub mod flood;
mod foreign_program;
pub mod fuzz_report;
pub mod hostile;
mod inject;
pub mod kill9;
mod live_scenario;
mod metrics;
mod network;
pub mod offline;
mod parity;
pub mod profile;
pub mod prometheus;
pub mod reliability;
pub mod replay;
mod resources;
mod size;
mod test_run;

pub use agent::Agent;
pub use capture::{Frame, Frames};
pub use executed::{Executed, Followed};
pub use foreign_program::ForeignProgram;
pub use inject::{Injector, Pace};
pub use live_scenario::{LiveScenario, SentCounts, configuration};
pub use metrics::Metrics;
pub use network::{Network, ip, until_carrying};
pub use parity::Parity;
pub use resources::Resources;
pub use size::Size;
pub use test_run::test_run;
