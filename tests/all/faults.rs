//! Faults around the agent, and its reaction.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts of packets, far below 2^52, which metrics have as floating-point numbers"
)]

mod blind;
mod consumers;
mod disks;
mod files;
mod frozen;
mod interface;
mod kills;
mod memory;
mod ring;
mod sight;
mod spi_table;
