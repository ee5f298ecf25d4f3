//! The live source: one loaded program per interface and direction, with its ring, counters and SPI table.

mod attach;
mod attached_program;
mod blind_spots;
mod clock;
mod error;
pub mod features;
mod holder;
pub mod interface;
mod interface_tap;
pub mod kernel;
mod maps;
mod memory;
pub mod netlink;
pub mod pins;
mod probe;
mod runs;
mod spi_table;
mod stack;

pub use attach::{AttachMode, Attached, Attachment, Direction, PassedOver};
pub use blind_spots::{BlindSpot, blind_spots};
pub use clock::Clock;
pub use error::XdpError;
pub use holder::Holder;
pub use interface_tap::{InterfaceTap, Reading, SavedTap};
pub use maps::Maps;
pub use probe::{Hook, Probe, ProbeSettings, SiteRoute};
pub use runs::{CountRuns, Runs};
pub use spi_table::{SpiCount, SpiTable};
pub use stack::seen_below;
