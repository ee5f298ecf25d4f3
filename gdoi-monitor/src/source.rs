//! Where frames and records come from.

pub mod pcap;
#[cfg(test)]
mod tests;
pub mod xdp;
