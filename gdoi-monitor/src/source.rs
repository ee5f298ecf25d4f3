//! Sources of frames and records.

pub mod pcap;
#[cfg(test)]
mod tests;
pub mod xdp;
