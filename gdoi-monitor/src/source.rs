//! Where frames and records come from.

pub mod link;
pub mod pcap;
pub mod xdp;
