//! Where frames and records come from.

pub mod envelope;
pub mod link;
pub mod pcap;
#[cfg(test)]
mod tests;
pub mod xdp;
