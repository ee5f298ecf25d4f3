//! The live source: one loaded program per interface, its ring, counters and SPI table.

mod attach;
mod blind;
mod clock;
mod error;
pub mod features;
mod holder;
pub mod interface;
pub mod kernel;
mod maps;
mod memory;
pub mod netlink;
pub mod pins;
mod place;
mod probe;
mod runs;
mod stack;
mod table;
mod watch;

pub use attach::{Attached, Attachment, Direction, Mode, PassedOver};
pub use blind::{BlindSpot, blind_spots};
pub use clock::Clock;
pub use error::Error;
pub use holder::Holder;
pub use maps::Maps;
pub use probe::{Hook, Probe, Settings, SiteRoute};
pub use runs::{CountRuns, Runs};
pub use stack::seen_below;
pub use table::{Count, Table};
pub use watch::{KeptWatch, Look, Watch};
