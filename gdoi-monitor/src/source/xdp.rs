//! The live source: one loaded program per interface, its ring, counters and SPI table.

mod clock;
mod error;
pub mod interface;
mod memory;
mod probe;
mod table;
mod watch;

pub use clock::Clock;
pub use error::Error;
pub use probe::{Attachment, Mode, Probe, Settings, SiteRoute};
pub use table::{Count, Table};
pub use watch::{Look, Watch};
